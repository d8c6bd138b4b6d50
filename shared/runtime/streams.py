"""How many streams of events may somebody listen to at once? Each of them asks the table again and again."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Annotated

from fastapi import Depends, Request

from shared.errors import TooMany
from shared.runtime.identity import Identity, SignedIn

MOST_STREAMS = 200
"""Of one user, in one process: more than files are uploaded at once."""
RETRY_AFTER_S = 5.0


class Streams:
    """Counts the streams that are open, by user."""

    def __init__(self) -> None:
        self._open: Counter[str] = Counter()

    @contextmanager
    def place(self, user_id: str) -> Iterator[None]:
        """Count one more while it is open.

        Raises
        ------
        TooMany
            `MOST_STREAMS` of this user are open.
        """
        if self._open[user_id] >= MOST_STREAMS:
            reason = f"{MOST_STREAMS} streams of events are open for you already"
            raise TooMany(reason, retry_after_s=RETRY_AFTER_S, code="too_many_streams")
        self._open[user_id] += 1
        try:
            yield
        finally:
            self._open[user_id] -= 1
            self._open += Counter()  # forgets who has none


async def listening(identity: SignedIn, request: Request) -> AsyncIterator[Identity]:
    """Return who is asking, with a place that is free again when the answer has ended."""
    streams: Streams = request.app.state.streams
    with streams.place(identity.user_id):
        yield identity


Listening = Annotated[Identity, Depends(listening)]
"""A route's parameter of this type makes the route private, and bounds how many of its answers somebody has open."""
