"""Do both event buses keep the same promises?"""

from __future__ import annotations

import asyncio
import socket
import sys
import textwrap
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, Protocol
from urllib.parse import urlsplit
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.exceptions import ChannelPreconditionFailed

from shared.errors import Rejected, Unavailable
from shared.events import ClipHeard, Event, Question, Reply
from shared.messaging.bus import DeadLetter, EventBus, Subscription
from shared.messaging.inbox import ReplyInbox
from shared.messaging.memory import MemoryBus
from shared.messaging.rabbit import RabbitBus, describe

OpenBus = Callable[..., Awaitable[EventBus]]


class Note(Event):
    text: str


class Riddle(Question):
    text: str


class Number(Event):
    number: int


class Broker(Protocol):
    """A node of the test's own."""

    @property
    def url(self) -> str: ...

    def start(self) -> None: ...

    def kill(self) -> None: ...


class Ear:
    """A handler that remembers what it heard, and does as it is told."""

    def __init__(self, then: Callable[[Any], Awaitable[None]] | None = None) -> None:
        self.events: list[Any] = []
        self._then = then

    async def __call__(self, event: Any) -> None:
        self.events.append(event)
        if self._then is not None:
            await self._then(event)

    @property
    def texts(self) -> list[str]:
        return [event.text for event in self.events]


class Gate:
    """Handlers stand before it until it is opened."""

    def __init__(self) -> None:
        self.is_open = asyncio.Event()
        self.waiting = 0
        self.passed = 0

    async def __call__(self, _: object) -> None:
        self.waiting += 1
        await self.is_open.wait()
        self.waiting -= 1
        self.passed += 1


async def fail(_: object) -> None:
    raise RuntimeError("nobody foresaw this")


async def reject(_: object) -> None:
    raise Rejected("silence", "there is nothing to hear")


async def eventually(condition: Callable[[], object], within_s: float = 30.0) -> None:
    """Wait until the condition, which may be a coroutine, is true."""
    async with asyncio.timeout(within_s):
        while True:
            answer = condition()
            if await answer if isinstance(answer, Awaitable) else answer:
                return
            await asyncio.sleep(0.02)


async def eventually_dead(bus: EventBus, queue: str, count: int) -> list[DeadLetter]:
    letters: list[DeadLetter] = []

    async def are_dead() -> bool:
        letters[:] = await bus.dead_letters(queue=queue)
        return len(letters) >= count

    await eventually(are_dead)
    assert len(letters) == count
    return letters


async def is_taken(bus: EventBus, event: Event) -> bool:
    with suppress(Unavailable):
        await bus.publish(event)
        return True
    return False


def queue_name() -> str:
    return f"test.{uuid4().hex}"


@pytest.fixture
def note() -> type[Note]:
    """A kind of event that no other test hears."""

    class Own(Note):
        name: ClassVar[str] = queue_name()

    return Own


@pytest.fixture
def riddle() -> type[Riddle]:
    """A kind of question that no other test hears."""

    class Own(Riddle):
        name: ClassVar[str] = queue_name()

    return Own


@pytest.fixture(params=["memory", "rabbitmq"])
async def open_bus(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[OpenBus]:
    """Open a bus; all that one test opens carry the same events."""
    opened: list[EventBus] = []

    async def open_one(delivery_limit: int = 2) -> EventBus:
        bus: EventBus
        if request.param == "memory":
            bus = MemoryBus(tmp_path / "journal.db", delivery_limit=delivery_limit, retry_base_s=0.01)
        else:
            url = request.getfixturevalue("rabbitmq_url")
            bus = RabbitBus(url, service="test", replica="r1", delivery_limit=delivery_limit, retry_base_s=0.01)
        await bus.connect()
        opened.append(bus)
        return bus

    yield open_one
    for bus in opened:
        await bus.close()


@pytest.fixture
async def bus(open_bus: OpenBus) -> EventBus:
    return await open_bus()


class TestDelivery:
    async def test_each_queue_gets_its_own_copy(self, bus: EventBus, note: type[Note]) -> None:
        ears = Ear(), Ear()
        for ear in ears:
            await bus.subscribe(Subscription(note, ear, queue_name()))
        event = note(text="a")

        await bus.publish(event)

        await eventually(lambda: all(ear.events for ear in ears))
        assert [ear.events for ear in ears] == [[event], [event]]

    async def test_consumers_of_one_queue_share_its_events(self, bus: EventBus, note: type[Note]) -> None:
        queue, gate = queue_name(), Gate()
        ears = Ear(gate), Ear(gate)
        for ear in ears:
            await bus.subscribe(Subscription(note, ear, queue, prefetch=3))

        for number in range(6):
            await bus.publish(note(text=str(number)))

        await eventually(lambda: gate.waiting == 6)
        gate.is_open.set()
        await eventually(lambda: gate.passed == 6)
        assert [len(ear.events) for ear in ears] == [3, 3]
        assert sorted(ears[0].texts + ears[1].texts) == list("012345")

    async def test_queue_handles_no_more_at_once_than_its_prefetch(self, bus: EventBus, note: type[Note]) -> None:
        gate, most = Gate(), 0

        async def measure(event: object) -> None:
            nonlocal most
            most = max(most, gate.waiting + 1)
            await gate(event)

        await bus.subscribe(Subscription(note, measure, queue_name(), prefetch=2))
        for number in range(8):
            await bus.publish(note(text=str(number)))

        await eventually(lambda: gate.waiting == 2)
        await asyncio.sleep(0.1)
        gate.is_open.set()
        await eventually(lambda: gate.passed == 8)
        assert most == 2

    async def test_declared_queue_keeps_events_for_its_first_consumer(self, bus: EventBus, note: type[Note]) -> None:
        ear = Ear()
        subscription = Subscription(note, ear, queue_name())
        await bus.declare(subscription)
        await bus.publish(note(text="early"))

        await bus.subscribe(subscription)

        await eventually(lambda: ear.texts == ["early"])

    async def test_unsubscribed_queue_keeps_events_for_its_next_consumer(self, bus: EventBus, note: type[Note]) -> None:
        gate = Gate()
        ear, next_ear = Ear(gate), Ear()
        queue = queue_name()
        await bus.subscribe(Subscription(note, ear, queue, prefetch=1))
        for text in "abc":
            await bus.publish(note(text=text))
        await eventually(lambda: gate.waiting)

        leaving = asyncio.create_task(bus.unsubscribe(queue))
        await asyncio.sleep(0.1)
        assert not leaving.done()
        gate.is_open.set()
        await leaving
        await bus.subscribe(Subscription(note, next_ear, queue))

        await eventually(lambda: len(next_ear.events) >= 2)
        assert ear.texts == ["a"]
        assert sorted(next_ear.texts) == ["b", "c"]

    async def test_closing_lets_a_running_handler_finish_and_leaves_the_rest(
        self, open_bus: OpenBus, note: type[Note]
    ) -> None:
        first = await open_bus()
        gate, queue, next_ear = Gate(), queue_name(), Ear()
        ear = Ear(gate)
        await first.subscribe(Subscription(note, ear, queue, prefetch=1))
        for text in "abc":
            await first.publish(note(text=text))
        await eventually(lambda: gate.waiting)

        closing = asyncio.create_task(first.close())
        await asyncio.sleep(0.1)
        assert not closing.done()
        gate.is_open.set()
        await closing
        assert gate.passed == 1

        second = await open_bus()
        await second.subscribe(Subscription(note, next_ear, queue))
        await eventually(lambda: len(next_ear.events) >= 2)
        assert ear.texts == ["a"]
        assert sorted(next_ear.texts) == ["b", "c"]

    async def test_bus_is_ready_once_its_consumers_are(self, bus: EventBus, note: type[Note]) -> None:
        await bus.subscribe(Subscription(note, Ear(), queue_name()))

        assert await bus.is_ready()
        await bus.close()
        assert not await bus.is_ready()

    async def test_closed_bus_does_not_take_events(self, bus: EventBus, note: type[Note]) -> None:
        await bus.close()

        with pytest.raises(Unavailable):
            await bus.publish(note(text="a"))


class TestFailure:
    async def test_failed_event_is_delivered_again(self, bus: EventBus, note: type[Note]) -> None:
        async def fail_twice(_: object) -> None:
            if len(ear.events) <= 2:
                raise RuntimeError("not yet")

        ear, queue, event = Ear(fail_twice), queue_name(), note(text="a")
        await bus.subscribe(Subscription(note, ear, queue))

        await bus.publish(event)

        await eventually(lambda: len(ear.events) == 3)
        assert ear.events == [event, event, event]
        assert await bus.dead_letters(queue=queue) == []

    async def test_event_that_always_fails_becomes_a_dead_letter_after_the_limit(
        self, open_bus: OpenBus, note: type[Note]
    ) -> None:
        bus = await open_bus(delivery_limit=2)
        ear, queue, event = Ear(fail), queue_name(), note(text="a")
        await bus.subscribe(Subscription(note, ear, queue))

        await bus.publish(event)

        (letter,) = await eventually_dead(bus, queue, 1)
        assert (letter.reason, letter.deliveries, letter.event) == ("delivery_limit", 3, note.name)
        assert letter.id == str(event.id)
        assert note.model_validate_json(letter.body) == event
        assert len(ear.events) == 3

    async def test_rejected_event_becomes_a_dead_letter_at_once(self, bus: EventBus, note: type[Note]) -> None:
        ear, queue = Ear(reject), queue_name()
        await bus.subscribe(Subscription(note, ear, queue))

        await bus.publish(note(text="a"))

        assert (await eventually_dead(bus, queue, 1))[0].reason == "rejected"
        assert len(ear.events) == 1

    async def test_undecodable_event_becomes_a_dead_letter_and_stops_nobody(
        self, bus: EventBus, note: type[Note]
    ) -> None:
        class Foreign(Number):
            name: ClassVar[str] = note.name

        ear, queue, foreign = Ear(), queue_name(), Foreign(number=7)
        await bus.subscribe(Subscription(note, ear, queue, prefetch=1))

        await bus.publish(foreign)
        await bus.publish(note(text="a"))

        await eventually(lambda: ear.texts == ["a"])
        assert Foreign.model_validate_json((await eventually_dead(bus, queue, 1))[0].body) == foreign

    async def test_replayed_dead_letter_gets_a_fresh_delivery_count(self, open_bus: OpenBus, note: type[Note]) -> None:
        bus = await open_bus(delivery_limit=1)
        ear, queue, event = Ear(fail), queue_name(), note(text="a")
        await bus.subscribe(Subscription(note, ear, queue))
        await bus.publish(event)
        await eventually_dead(bus, queue, 1)
        assert len(ear.events) == 2

        assert await bus.replay(queue=queue_name()) == 0
        assert await bus.replay(queue=queue) == 1

        await eventually(lambda: len(ear.events) == 4)
        (letter,) = await eventually_dead(bus, queue, 1)
        assert letter.id == str(event.id)
        assert len(ear.events) == 4

    async def test_replay_sends_back_no_more_than_asked(self, bus: EventBus, note: type[Note]) -> None:
        queue = queue_name()
        await bus.subscribe(Subscription(note, Ear(reject), queue, prefetch=1))
        for text in "abc":
            await bus.publish(note(text=text))
        await eventually_dead(bus, queue, 3)
        await bus.unsubscribe(queue)
        assert len(await bus.dead_letters(queue=queue, limit=2)) == 2

        assert await bus.replay(queue=queue, limit=2) == 2

        assert len(await bus.dead_letters(queue=queue)) == 1


class TestQuestions:
    async def test_question_older_than_its_queue_allows_is_dropped(self, bus: EventBus, note: type[Note]) -> None:
        ear = Ear()
        subscription = Subscription(note, ear, queue_name(), ttl_s=1.0)
        await bus.declare(subscription)
        await bus.publish(note(text="old"))
        await asyncio.sleep(1.5)

        await bus.subscribe(subscription)

        async def is_heard() -> bool:  # sooner or later one is handled while it is young enough
            await bus.publish(note(text="new"))
            return bool(ear.events)

        await eventually(is_heard)
        assert set(ear.texts) == {"new"}

    async def test_question_past_its_deadline_is_dropped(self, bus: EventBus, riddle: type[Riddle]) -> None:
        def asked(text: str, seconds: float) -> Riddle:
            deadline = datetime.now(UTC) + timedelta(seconds=seconds)
            return riddle(text=text, query_id="q", deadline=deadline, reply_to="")

        ear = Ear()
        subscription = Subscription(riddle, ear, queue_name(), ttl_s=60.0)
        await bus.declare(subscription)
        await bus.publish(asked("late", 0.5))
        await asyncio.sleep(1.0)

        await bus.subscribe(subscription)
        await bus.publish(asked("in time", 60.0))

        await eventually(lambda: ear.events)
        assert ear.texts == ["in time"]

    async def test_failed_question_is_never_a_dead_letter(self, open_bus: OpenBus, note: type[Note]) -> None:
        async def answer_only_c(event: Note) -> None:
            if event.text == "a":
                await reject(event)
            if event.text == "b":
                await fail(event)

        bus = await open_bus(delivery_limit=1)
        ear, queue = Ear(answer_only_c), queue_name()
        await bus.subscribe(Subscription(note, ear, queue, prefetch=1, ttl_s=60.0))

        for text in "abc":
            await bus.publish(note(text=text))

        await eventually(lambda: sorted(ear.texts) == ["a", "b", "b", "c"])
        await asyncio.sleep(0.2)
        assert await bus.dead_letters(queue=queue) == []

    async def test_inbox_gathers_the_replies_to_its_own_question(self, bus: EventBus) -> None:
        inbox = ReplyInbox(bus, "test")
        await inbox.open()

        async def ask() -> None:
            await bus.reply(inbox.address, ClipHeard(query_id="another", duration_ms=0))
            for duration_ms in (1, 2):
                await bus.reply(inbox.address, ClipHeard(query_id="mine", duration_ms=duration_ms))

        deadline = datetime.now(UTC) + timedelta(seconds=30)
        replies = await inbox.collect("mine", ask, lambda gathered: len(gathered) == 2, deadline)

        assert replies == [ClipHeard(query_id="mine", duration_ms=1), ClipHeard(query_id="mine", duration_ms=2)]

    async def test_silence_ends_at_the_deadline_and_a_late_reply_is_ignored(self, bus: EventBus) -> None:
        inbox = ReplyInbox(bus, "test")
        await inbox.open()

        async def ask_and_wait(query_id: str, answers: list[str], wait_s: float) -> list[Reply]:
            async def ask() -> None:
                for answer in answers:
                    await bus.reply(inbox.address, ClipHeard(query_id=answer, duration_ms=1))

            deadline = datetime.now(UTC) + timedelta(seconds=wait_s)
            return await inbox.collect(query_id, ask, lambda gathered: len(gathered) == 1, deadline)

        assert await ask_and_wait("first", [], 0.2) == []
        replies = await ask_and_wait("second", ["first", "second"], 30.0)
        assert [reply.query_id for reply in replies] == ["second"]

    async def test_reply_to_a_vanished_inbox_is_no_error(self, open_bus: OpenBus) -> None:
        asker, answerer = await open_bus(), await open_bus()
        address = await asker.open_inbox("test", lambda reply: None)
        await asker.close()

        await answerer.reply(address, ClipHeard(query_id="q", duration_ms=1))

        assert await answerer.is_ready()


class TestMemoryBus:
    async def test_accepted_events_survive_a_killed_process(self, tmp_path: Path) -> None:
        class Diary(Note):
            name: ClassVar[str] = "test.diary"

        journal = tmp_path / "journal.db"
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", textwrap.dedent(KILLED), str(journal), stdout=asyncio.subprocess.PIPE
        )
        assert child.stdout is not None
        try:
            assert await child.stdout.readline() == b"handling the first\n"
        finally:
            child.kill()
            await child.communicate()

        ear = Ear(fail)
        bus = MemoryBus(journal, delivery_limit=1, retry_base_s=0.01)
        await bus.connect()
        await bus.publish(Diary(text="d"))  # its queue is known before anybody subscribes
        await bus.subscribe(Subscription(Diary, ear, "test.diary", prefetch=1))
        await eventually_dead(bus, "test.diary", 4)
        await bus.close()

        # The delivery that the kill interrupted counts.
        assert Counter(ear.texts) == {"a": 1, "b": 2, "c": 2, "d": 2}

    async def test_dead_letter_released_by_another_process_is_delivered_again(
        self, tmp_path: Path, note: type[Note]
    ) -> None:
        async def reject_once(event: object) -> None:
            if len(ear.events) == 1:
                await reject(event)

        ear, queue = Ear(reject_once), queue_name()
        service, tool = (MemoryBus(tmp_path / "journal.db") for _ in range(2))
        await service.connect()
        await service.subscribe(Subscription(note, ear, queue))
        await service.publish(note(text="a"))
        await eventually_dead(service, queue, 1)

        await tool.connect()
        assert len(await tool.dead_letters()) == 1
        assert await tool.replay() == 1
        await tool.close()

        await eventually(lambda: len(ear.events) == 2)
        assert await service.dead_letters() == []
        await service.close()

    async def test_questions_and_private_queues_end_with_the_process(self, tmp_path: Path, note: type[Note]) -> None:
        ear = Ear()
        transient = (
            Subscription(note, ear, queue_name(), ttl_s=60.0),
            Subscription(note, ear, queue_name(), private=True),
        )
        first, second = (MemoryBus(tmp_path / "journal.db") for _ in range(2))
        await first.connect()
        for subscription in transient:
            await first.declare(subscription)
        await first.publish(note(text="before"))
        await first.close()

        await second.connect()
        for subscription in transient:
            await second.subscribe(subscription)
        await second.publish(note(text="after"))

        await eventually(lambda: len(ear.events) >= 2)
        await second.close()
        assert ear.texts == ["after", "after"]

    async def test_bus_without_a_file_keeps_the_same_promises(self, note: type[Note]) -> None:
        ear, queue = Ear(fail), queue_name()
        bus = MemoryBus(None, delivery_limit=1, retry_base_s=0.01)
        await bus.connect()
        await bus.subscribe(Subscription(note, ear, queue))
        await bus.publish(note(text="a"))

        assert (await eventually_dead(bus, queue, 1))[0].deliveries == 2
        await bus.close()


KILLED = """
    import asyncio, sys
    from pathlib import Path
    from typing import ClassVar
    from shared.events import Event
    from shared.messaging.bus import Subscription
    from shared.messaging.memory import MemoryBus

    class Diary(Event):
        name: ClassVar[str] = "test.diary"
        text: str

    published = asyncio.Event()

    async def stand_still(event):
        await published.wait()
        print("handling the first", flush=True)
        await asyncio.Event().wait()

    async def main():
        bus = MemoryBus(Path(sys.argv[1]))
        await bus.connect()
        await bus.subscribe(Subscription(Diary, stand_still, "test.diary", prefetch=1))
        for text in "abc":
            await bus.publish(Diary(text=text))
        published.set()
        await asyncio.Event().wait()

    asyncio.run(main())
"""


class Wire:
    """A connection to a broker that can be cut, and mended."""

    def __init__(self, url: str) -> None:
        self._address = urlsplit(url)
        self._is_whole = True
        self._writers: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def open(self) -> str:
        """Return the URL of this end."""
        self._server = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        user = f"{self._address.username}:{self._address.password}"
        return self._address._replace(netloc=f"{user}@127.0.0.1:{port}").geturl()

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._is_whole:
            writer.transport.abort()
            return
        broker_reader, broker_writer = await asyncio.open_connection(self._address.hostname, self._address.port or 5672)
        self._writers |= {writer, broker_writer}
        for source, sink in ((reader, broker_writer), (broker_reader, writer)):
            self._pumps.add(asyncio.create_task(self._pump(source, sink)))

    @staticmethod
    async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()
        sink.close()

    def cut(self) -> None:
        self._is_whole = False
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def mend(self) -> None:
        self._is_whole = True

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._pumps)


class TestRabbitBus:
    async def test_private_queue_gives_each_replica_its_own_copy(self, rabbitmq_url: str, note: type[Note]) -> None:
        queue, ears = queue_name(), (Ear(), Ear())
        buses = [RabbitBus(rabbitmq_url, service="test", replica=replica) for replica in ("r1", "r2")]
        for bus, ear in zip(buses, ears, strict=True):
            await bus.connect()
            await bus.subscribe(Subscription(note, ear, queue, private=True))

        await buses[0].publish(note(text="a"))

        await eventually(lambda: all(ear.texts == ["a"] for ear in ears))
        for bus in buses:
            await bus.close()

    async def test_event_without_a_queue_is_kept_aside(self, rabbitmq_url: str, note: type[Note]) -> None:
        bus = RabbitBus(rabbitmq_url, service="test", replica="r1")
        await bus.connect()
        event = note(text="a")

        await bus.publish(event)
        await bus.close()

        async with await aio_pika.connect(rabbitmq_url) as connection:
            channel = await connection.channel()
            queue = await channel.get_queue("tunescout.unrouted")
            ids = set()
            while (message := await queue.get(no_ack=True, fail=False)) is not None:
                ids.add(message.message_id)
        assert str(event.id) in ids

    async def test_cut_connection_comes_back_with_consumers_and_unfinished_work(
        self, rabbitmq_url: str, note: type[Note]
    ) -> None:
        wire = Wire(rabbitmq_url)
        bus = RabbitBus(await wire.open(), service="test", replica="r1")
        reconnected = asyncio.Event()

        async def note_reconnection() -> None:
            reconnected.set()

        bus.on_reconnected(note_reconnection)
        await bus.connect()
        gate, inbox = Gate(), ReplyInbox(bus, "test")
        ear = Ear(gate)
        await inbox.open()
        await bus.subscribe(Subscription(note, ear, queue_name()))
        await bus.publish(note(text="a"))
        await eventually(lambda: gate.waiting)

        wire.cut()
        assert not await is_taken(bus, note(text="refused"))
        wire.mend()
        await eventually(reconnected.is_set)
        gate.is_open.set()

        await eventually(lambda: ear.texts == ["a", "a"])
        await eventually(bus.is_ready)
        await bus.publish(note(text="b"))
        await eventually(lambda: ear.texts == ["a", "a", "b"])

        async def ask() -> None:
            await bus.reply(inbox.address, ClipHeard(query_id="q", duration_ms=1))

        assert await inbox.collect("q", ask, bool, datetime.now(UTC) + timedelta(seconds=30))
        await bus.close()
        await wire.close()

    async def test_killed_node_loses_nothing_that_it_confirmed(self, rabbitmq_node: Broker, note: type[Note]) -> None:
        bus = RabbitBus(rabbitmq_node.url, service="test", replica="r1")
        await bus.connect()
        ear, late_ear = Ear(), Ear()
        late = Subscription(note, late_ear, queue_name())
        await bus.subscribe(Subscription(note, ear, queue_name()))
        await bus.declare(late)
        await asyncio.sleep(2)  # RabbitMQ 3 confirms a new queue half a second before it is safe; not so an event
        confirmed = {str(number) for number in range(20)}
        for text in confirmed:
            await bus.publish(note(text=text))

        await asyncio.to_thread(rabbitmq_node.kill)
        assert not await bus.is_ready()
        assert not await is_taken(bus, note(text="refused"))
        await asyncio.to_thread(rabbitmq_node.start)
        await eventually(bus.is_ready, within_s=60)
        await eventually(lambda: is_taken(bus, note(text="after")))
        await bus.subscribe(late)

        await eventually(lambda: "after" in ear.texts)
        await eventually(lambda: {*confirmed, "after"} <= set(late_ear.texts))
        await bus.close()

    async def test_connecting_waits_for_a_broker_and_says_when_there_is_none(self, unused_port: int) -> None:
        url = f"amqp://guest:guest@127.0.0.1:{unused_port}/"
        bus = RabbitBus(url, service="test", replica="r1", connect_timeout_s=0.5)

        with pytest.raises(Unavailable):
            await bus.connect()
        assert not await bus.is_ready()

    async def test_bus_is_not_ready_without_its_consumer(self, rabbitmq_url: str, note: type[Note]) -> None:
        bus = RabbitBus(rabbitmq_url, service="test", replica="r1")
        await bus.connect()
        queue = queue_name()
        await bus.subscribe(Subscription(note, Ear(), queue))
        assert await bus.is_ready()

        async with await aio_pika.connect(rabbitmq_url) as connection:
            await replace_queue(connection, queue)
            assert not await bus.is_ready()
            async with connection.channel() as channel:
                await channel.queue_delete(queue)

        await eventually(bus.is_ready)
        await bus.close()


async def replace_queue(connection: aio_pika.abc.AbstractConnection, name: str) -> None:
    """Put a queue of the same name but another kind in its place, which the consumer cannot take up."""
    async with asyncio.timeout(30):
        while True:
            async with connection.channel() as channel:
                await channel.queue_delete(name)
            with suppress(ChannelPreconditionFailed):  # the consumer was faster and has made its queue again
                async with connection.channel() as channel:
                    await channel.declare_queue(name, durable=True)
                return


@pytest.fixture
def unused_port() -> Iterator[int]:
    """A port that is held, so that nobody else begins to listen there."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_description_names_queue_event_and_body(note: type[Note]) -> None:
    document = describe([Subscription(note, Ear(), "listener.note-heard")])

    assert document["asyncapi"].startswith("3.")
    assert document["channels"]["listener.note-heard"]["address"] == note.name
    assert set(document["components"]["schemas"]["Own"]["properties"]) == {"id", "occurred_at", "text"}
