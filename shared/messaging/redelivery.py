"""What becomes of a delivery that failed? The same on every bus.

A `Rejected` delivery is a dead letter at once. Any other error is tried again after a pause that doubles each time,
until the delivery limit makes it a dead letter too.
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import ValidationError

from shared.errors import Rejected
from shared.events import Event

E = TypeVar("E", bound=Event)

LONGEST_PAUSE_S = 30.0


def pause_s(failures: int, base_s: float) -> float:
    """Return how long to wait before the next delivery, in seconds, after this many failures before this one."""
    return min(LONGEST_PAUSE_S, base_s * 2.0 ** min(failures, 32))


def decode(event: type[E], body: bytes) -> E:
    """Parse the body of a delivery.

    Raises
    ------
    Rejected
        It is not such an event, and will not become one.
    """
    try:
        return event.model_validate_json(body)
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, problem["loc"])) or problem["type"] for problem in error.errors())
        raise Rejected("undecodable_event", f"not a {event.name}: {fields}") from error
