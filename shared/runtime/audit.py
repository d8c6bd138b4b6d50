"""Who did what to whom, from where, and were they let? One line in the log and one event for each answer."""

from __future__ import annotations

from typing import Annotated, Literal

import structlog
from fastapi import Depends

from shared.errors import Unavailable
from shared.events import AuditRecorded
from shared.messaging.bus import EventBus
from shared.runtime.limits import address_of

log = structlog.get_logger()

Address = Annotated[str, Depends(address_of)]
"""A route's parameter of this type tells where the request comes from."""


class Audit:
    """Records what is done to accounts, permissions and other people's things; never what opens a door."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus

    async def record(
        self,
        action: str,
        *,
        actor: str | None = None,
        subject: str | None = None,
        address: str | None = None,
        outcome: Literal["allowed", "refused"] = "allowed",
        detail: str | None = None,
    ) -> None:
        """Record one action; a broker that is away costs a warning, and the line in the log stays.

        Parameters
        ----------
        action : str
            What was done or tried: ``noun.verb_past``, for example ``role.changed`` or ``login.refused``.
        actor : str or None
            The id of the user who did it; None where nobody has signed in, and for commands on the machine itself.
        subject : str or None
            The id of what it was done to: a user, a session, a song. Never a name that somebody typed, because people
            type passwords there.
        address : str or None
            Where the request came from.
        detail : str or None
            What else there is to know, for example the new role; nothing that somebody typed.
        """
        event = AuditRecorded(
            action=action, actor=actor, subject=subject, address=address, outcome=outcome, detail=detail
        )
        said = log.info if outcome == "allowed" else log.warning
        said(event.name, **event.model_dump(exclude={"id", "occurred_at"}, exclude_none=True))
        try:
            await self._bus.publish(event)
        except Unavailable as error:
            log.warning("event.dropped", event_name=event.name, reason=error.reason)
