"""How do events travel inside one process? The event bus without a broker, which keeps what it has accepted."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple
from uuid import uuid4

import structlog
from structlog.contextvars import bound_contextvars

from shared.errors import Rejected, Unavailable
from shared.events import REPLY, Event, Question, Reply
from shared.messaging.bus import DELIVERY_LIMIT, DeadLetter, Redelivered, Subscription
from shared.messaging.journal import Entry, Journal
from shared.messaging.redelivery import decode, pause_s

log = structlog.get_logger()

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

RELEASED_POLL_S = 0.5
"""How often the journal is asked for dead letters that another process has released."""
QUESTIONS_MAX_LENGTH = 1_000
"""Questions waiting in one queue; beyond it the oldest are dropped, whose askers have the least patience left."""


@dataclass(slots=True)
class _Waiting:
    entry: Entry
    expires_s: float
    """On the monotonic clock."""


@dataclass(slots=True)
class _Queue:
    name: str
    ttl_s: float | None
    is_durable: bool
    waiting: asyncio.Queue[_Waiting] = field(default_factory=asyncio.Queue)

    def put(self, waiting: _Waiting) -> None:
        if self.ttl_s is not None and self.waiting.qsize() >= QUESTIONS_MAX_LENGTH:
            self.waiting.get_nowait()
        self.waiting.put_nowait(waiting)


class _Consumer:
    """The workers of one subscription, as many as its prefetch."""

    def __init__(self, bus: MemoryBus, queue: _Queue, subscription: Subscription[Any]) -> None:
        self.queue = queue
        self.subscription = subscription
        self.stopping = asyncio.Event()
        self._bus = bus
        self._idle: set[asyncio.Task[None]] = set()
        self._workers = [asyncio.create_task(self._work()) for _ in range(subscription.prefetch)]

    @property
    def is_alive(self) -> bool:
        return not any(worker.done() for worker in self._workers)

    async def _work(self) -> None:
        me = asyncio.current_task()
        assert me is not None
        while not self.stopping.is_set():
            self._idle.add(me)
            waiting = await self.queue.waiting.get()
            self._idle.discard(me)
            await self._bus._deliver(self, waiting)

    async def stop(self, grace_s: float) -> None:
        self.stopping.set()
        for worker in self._idle:
            worker.cancel()
        _, late = await asyncio.wait(self._workers, timeout=grace_s)
        for worker in late:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)


class MemoryBus:
    """The event bus of one process. Every event goes through its bytes, so nothing is shared by accident.

    Parameters
    ----------
    journal : Path or None
        File that keeps accepted events over the end of the process, however sudden; None keeps them in memory only.
        Questions, replies and private queues are never kept.
    graceful_stop_s : float
        How long running handlers may take to finish, in seconds.
    delivery_limit : int
        Redeliveries of a message before it becomes a dead letter.
    retry_base_s : float
        Pause before the first redelivery, in seconds; it doubles each time.
    """

    def __init__(
        self,
        journal: Path | None,
        *,
        graceful_stop_s: float = 15.0,
        delivery_limit: int = DELIVERY_LIMIT,
        retry_base_s: float = 0.2,
    ) -> None:
        self._path = journal
        self._graceful_stop_s = graceful_stop_s
        self._delivery_limit = delivery_limit
        self._retry_base_s = retry_base_s
        self._journal: Journal | None = None
        self._thread: ThreadPoolExecutor | None = None
        self._queues: dict[str, _Queue] = {}
        self._bound: defaultdict[str, set[str]] = defaultdict(set)
        self._consumers: list[_Consumer] = []
        self._inboxes: dict[str, Callable[[Reply], None]] = {}
        self._accepting: set[asyncio.Task[None]] = set()
        self._released = asyncio.Event()
        self._taking_released: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        """Open the journal and take up what the last process has left."""
        if self._journal is not None:
            return
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")
        self._journal = await self._in_journal(Journal, self._path)
        for queue, event in await self._in_journal(self._journal.bindings):
            self._add_queue(_Queue(queue, ttl_s=None, is_durable=True), event)
        for entry in await self._in_journal(self._journal.unfinished):
            self._enqueue(entry)
        self._taking_released = asyncio.create_task(self._take_released())

    async def _in_journal(self, work: Callable[[*Ts], T], *args: *Ts) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
        except (sqlite3.Error, OSError) as error:
            raise Unavailable(f"the journal of events failed: {error}") from error

    def _open_journal(self) -> Journal:
        if self._journal is None:
            raise Unavailable("the event bus is not connected")
        return self._journal

    def _add_queue(self, queue: _Queue, event: str) -> None:
        self._queues.setdefault(queue.name, queue)
        self._bound[event].add(queue.name)

    async def subscribe(self, subscription: Subscription[Any]) -> None:
        """Make the queue where it is missing, bind it, start consuming."""
        await self.declare(subscription)
        self._consumers.append(_Consumer(self, self._queues[subscription.queue], subscription))
        self._released.set()

    async def unsubscribe(self, queue: str) -> None:
        """Stop consuming a queue and let its running handlers finish."""
        await self._stop([consumer for consumer in self._consumers if consumer.queue.name == queue])

    async def _stop(self, leaving: list[_Consumer]) -> None:
        self._consumers = [consumer for consumer in self._consumers if consumer not in leaving]
        await asyncio.gather(*(consumer.stop(self._graceful_stop_s) for consumer in leaving))

    async def declare(self, subscription: Subscription[Any]) -> None:
        """Make and bind the queue without consuming, so that events published before its first consumer stay."""
        journal = self._open_journal()
        is_durable = subscription.ttl_s is None and not subscription.private
        if is_durable:
            await self._in_journal(journal.bind, subscription.queue, subscription.event.name)
        self._add_queue(_Queue(subscription.queue, subscription.ttl_s, is_durable), subscription.event.name)

    async def publish(self, event: Event) -> None:
        """Hand the event over; return when it is in the journal."""
        # Stored but not queued would mean lost until the next start: a cancelled publisher must not stop it half-way.
        accepting = asyncio.create_task(self._accept(event))
        self._accepting.add(accepting)
        accepting.add_done_callback(self._accepting.discard)
        await asyncio.shield(accepting)

    async def _accept(self, event: Event) -> None:
        journal = self._open_journal()
        body = event.model_dump_json().encode()
        entries = [Entry(queue, event.name, str(event.id), body) for queue in sorted(self._bound[event.name])]
        durable = [entry for entry in entries if self._queues[entry.queue].is_durable]
        if durable:
            await self._in_journal(journal.add, durable)
        left_s = (event.deadline - datetime.now(UTC)).total_seconds() if isinstance(event, Question) else None
        for entry in entries:
            self._enqueue(entry, left_s)

    def _enqueue(self, entry: Entry, left_s: float | None = None) -> None:
        queue = self._queues[entry.queue]
        lives_s = [limit for limit in (queue.ttl_s, left_s) if limit is not None]
        queue.put(_Waiting(entry, time.monotonic() + min(lives_s, default=float("inf"))))

    async def _deliver(self, consumer: _Consumer, waiting: _Waiting) -> None:
        if time.monotonic() >= waiting.expires_s:
            return
        entry = waiting.entry
        with bound_contextvars(queue=entry.queue, event_name=entry.event, message_id=entry.id):
            try:
                await self._attempt(consumer, entry)
            except asyncio.CancelledError:
                consumer.queue.put(waiting)
                raise
            except Exception as error:
                pause = pause_s(entry.deliveries - 1, self._retry_base_s)
                log.warning("message.retried", failures=entry.deliveries, pause_s=pause, exc_info=error)
                with suppress(TimeoutError):  # the slot stays taken meanwhile, which slows down what keeps failing
                    async with asyncio.timeout(pause):
                        await consumer.stopping.wait()
                consumer.queue.put(waiting)

    async def _attempt(self, consumer: _Consumer, entry: Entry) -> None:
        journal = self._open_journal()
        entry.deliveries += 1
        if entry.row is not None:
            await self._in_journal(journal.begin, entry)
        try:
            await consumer.subscription.handle(decode(consumer.subscription.event, entry.body))
        except Rejected as error:
            log.warning("message.rejected", code=error.code, reason=error.reason)
            await self._bury(consumer.queue, entry, "rejected")
        except Exception as error:
            if entry.deliveries <= self._delivery_limit:
                raise
            log.warning("message.given_up", failures=entry.deliveries, exc_info=error)
            await self._bury(consumer.queue, entry, "delivery_limit")
        else:
            if entry.row is not None:
                await self._in_journal(journal.finish, entry)

    async def _bury(self, queue: _Queue, entry: Entry, reason: str) -> None:
        if queue.ttl_s is None:
            await self._in_journal(self._open_journal().bury, entry, reason)

    async def _take_released(self) -> None:
        """Deliver again what was released from the dead letters, by this process or by another one."""
        journal = self._open_journal()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(RELEASED_POLL_S):
                    await self._released.wait()
            self._released.clear()
            queues = {consumer.queue.name: consumer.queue for consumer in self._consumers}
            transient = [name for name, queue in queues.items() if not queue.is_durable]
            try:
                for entry in await self._in_journal(journal.take_released, list(queues), transient):
                    self._enqueue(entry)
            except Unavailable as error:
                log.warning("dead_letters.not_read", reason=error.reason)

    async def open_inbox(self, owner: str, receive: Callable[[Reply], None]) -> str:
        """Open an inbox and return its address."""
        address = f"{owner}.replies.{uuid4().hex}"
        self._inboxes[address] = receive
        return address

    async def reply(self, address: str, reply: Reply) -> None:
        """Send a reply to an inbox. An inbox that is gone is nobody's error."""
        receive = self._inboxes.get(address)
        if receive is None:
            return
        try:
            received = REPLY.validate_json(reply.model_dump_json())
        except ValueError as error:
            log.warning("reply.dropped", address=address, error=str(error))
        else:
            asyncio.get_running_loop().call_soon(receive, received)

    def on_reconnected(self, callback: Redelivered) -> None:
        """Do nothing: a process does not lose the connection to itself."""

    async def is_ready(self) -> bool:
        """Tell whether the journal is open and every consumer is at work."""
        return self._journal is not None and all(consumer.is_alive for consumer in self._consumers)

    async def dead_letters(self, *, queue: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """List dead letters, oldest first, leaving them where they are."""
        return await self._in_journal(self._open_journal().dead_letters, queue, limit)

    async def replay(self, *, queue: str | None = None, limit: int = 100) -> int:
        """Send dead letters to the queue they died in, with a fresh delivery count; return how many.

        The process that consumes the queue takes them within a second, whichever process asked for it.
        """
        released = await self._in_journal(self._open_journal().release, queue, limit)
        self._released.set()
        return released

    async def close(self) -> None:
        """Stop consuming, let running handlers finish for a grace period, close the journal."""
        if self._journal is None or self._thread is None or self._taking_released is None:
            return
        await self._stop(self._consumers)
        self._taking_released.cancel()
        await asyncio.gather(self._taking_released, *self._accepting, return_exceptions=True)
        await self._in_journal(self._journal.close)
        self._thread.shutdown(wait=False)
        self._journal = self._thread = self._taking_released = None
        self._queues.clear()
        self._bound.clear()
        self._inboxes.clear()
