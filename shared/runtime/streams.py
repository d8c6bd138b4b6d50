"""How many streams of events may somebody listen to at once? Each of them asks the table again and again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import Depends, Request

from shared.runtime.identity import Identity, SignedIn
from shared.runtime.shares import Shares

MOST_STREAMS = 200
"""Of one user, in one process: more than files are uploaded at once."""
RETRY_AFTER_S = 5.0


class Streams(Shares):
    """Counts the streams that are open, by user."""

    def __init__(self) -> None:
        super().__init__(MOST_STREAMS, "streams of events", retry_after_s=RETRY_AFTER_S)


async def listening(identity: SignedIn, request: Request) -> AsyncIterator[Identity]:
    """Return who is asking, with a place that is free again when the answer has ended."""
    streams: Streams = request.app.state.streams
    with streams.place(identity.user_id):
        yield identity


Listening = Annotated[Identity, Depends(listening)]
"""A route's parameter of this type makes the route private, and bounds how many of its answers somebody has open."""
