"""What can a service ask of the event bus, whichever bus it is?"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from shared.events import Event, Reply

E = TypeVar("E", bound=Event)

DELIVERY_LIMIT = 20
"""Failed deliveries of one message before it becomes a dead letter.

Deploys and reconnects also raise the count of a message that nobody touched, so a limit of 3 would lose good messages.
"""

Redelivered = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscription(Generic[E]):
    """One queue of one consumer: which event it hears, and what is done with it.

    Parameters
    ----------
    event : type[Event]
        The event whose name the queue is bound to.
    handle : callable
        Called with the parsed event. Returning acknowledges; `Rejected` dead-letters at once; any other error is
        retried with growing pauses, then dead-lettered. Safe to be cancelled and called again at any point.
    queue : str
        ``<consumer>.<noun-verb>``. Consumers of one queue compete; each queue gets its own copy of the event.
    prefetch : int
        Deliveries handled at the same time by this process.
    ttl_s : float or None
        Deliveries older than this are dropped. Such a queue carries questions: it is not durable across a restart of
        the one-process service, and what is dropped or fails in it is never a dead letter.
    private : bool
        One queue for each replica rather than one for all: it goes away when its replica is gone for an hour, and what
        it lost is repaired by reading the store again.
    """

    event: type[E]
    handle: Callable[[E], Awaitable[None]]
    queue: str
    prefetch: int = 4
    ttl_s: float | None = None
    private: bool = False


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that no handler could finish."""

    id: str
    queue: str
    event: str
    reason: str
    deliveries: int
    died_at: datetime | None
    body: bytes


class EventBus(Protocol):
    """Publishes facts to every queue bound to them, and carries replies back to the one who asked."""

    async def connect(self) -> None:
        """Connect and declare the exchanges. Waits until the broker is there.

        Raises
        ------
        Unavailable
            The broker did not appear in time.
        """

    async def subscribe(self, subscription: Subscription[Any]) -> None:
        """Declare the queue, bind it, start consuming; return when the broker has confirmed all three."""

    async def unsubscribe(self, queue: str) -> None:
        """Stop consuming a queue and let its running handlers finish."""

    async def declare(self, subscription: Subscription[Any]) -> None:
        """Declare and bind the queue without consuming, so that events published before its first consumer stay."""

    async def publish(self, event: Event) -> None:
        """Hand the event over; return when the bus has taken responsibility for it.

        Raises
        ------
        Unavailable
            It has not. The event may or may not arrive: publish it again, with the same id.
        """

    async def open_inbox(self, owner: str, receive: Callable[[Reply], None]) -> str:
        """Open an inbox of this process alone and return its address. Undecodable replies are logged and dropped."""

    async def reply(self, address: str, reply: Reply) -> None:
        """Send a reply to an inbox. An inbox that is gone is nobody's error.

        Raises
        ------
        Unavailable
            The broker is away.
        """

    def on_reconnected(self, callback: Redelivered) -> None:
        """Call back after each lost and regained connection: private queues may have missed events."""

    async def is_ready(self) -> bool:
        """Tell whether the bus is connected and each subscribed queue really has this process's consumer."""

    async def dead_letters(self, *, queue: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """List dead letters, oldest first, leaving them where they are."""

    async def replay(self, *, queue: str | None = None, limit: int = 100) -> int:
        """Send dead letters to the queue they died in, with a fresh delivery count; return how many."""

    async def close(self) -> None:
        """Stop consuming, let running handlers finish for a grace period, disconnect."""
