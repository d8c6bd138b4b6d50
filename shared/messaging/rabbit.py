"""How do events travel between machines? The event bus on RabbitMQ, through FastStream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import structlog
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import CONNECTION_EXCEPTIONS, ChannelPreconditionFailed
from faststream import BaseMiddleware
from faststream.exceptions import HandlerException, RejectMessage
from faststream.rabbit import Channel, RabbitBroker
from faststream.specification import AsyncAPI
from structlog.contextvars import bound_contextvars

from shared.errors import Rejected, Unavailable
from shared.events import REPLY, Event, Question, Reply
from shared.messaging import dead_letters
from shared.messaging.bus import DELIVERY_LIMIT, DeadLetter, Redelivered, Subscription
from shared.messaging.redelivery import decode, pause_s
from shared.messaging.topology import (
    DEAD,
    EVENTS,
    UNROUTED,
    Queue,
    dead_letter_queue,
    subscription_queue,
    unrouted_queue,
)

if TYPE_CHECKING:
    from aio_pika.abc import AbstractQueue
    from aio_pika.robust_connection import RobustConnection
    from faststream.rabbit.subscriber.usecase import RabbitSubscriber

log = structlog.get_logger()

PUBLISH_TIMEOUT_S = 5.0
DECLARE_TIMEOUT_S = 30.0
DEAD_LETTERS_TIMEOUT_S = 60.0
PROBE_TIMEOUT_S = 5.0
RECONNECT_INTERVAL_S = 1.0


@asynccontextmanager
async def _within(timeout_s: float, reason: str) -> AsyncIterator[None]:
    """Give the broker this long, and say `Unavailable` when it was away, full, or too slow."""
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except ChannelPreconditionFailed:
        raise  # a queue of that name has other arguments, and trying again will not change them
    except CONNECTION_EXCEPTIONS as error:
        raise Unavailable(reason) from error


class Redelivery(BaseMiddleware):
    """Decides what a failed delivery becomes: a counted retry, or a dead letter.

    A retry is `basic.reject` with requeue. Since RabbitMQ 4.3 `basic.nack` does not count towards the delivery limit,
    and would bring a poisonous message back for ever.
    """

    def __init__(self, msg: Any, /, *, context: Any, retry_base_s: float, closing: asyncio.Event) -> None:
        super().__init__(msg, context=context)
        self._retry_base_s = retry_base_s
        self._closing = closing

    async def consume_scope(self, call_next: Callable[[Any], Any], msg: Any) -> Any:
        """Handle one delivery."""
        failures = msg.headers.get("x-delivery-count", 0)
        queue = self.context.get_local("handler_").queue.name
        with bound_contextvars(queue=queue, event_name=msg.raw_message.type, message_id=msg.message_id):
            try:
                return await call_next(msg)
            except HandlerException:
                raise
            except Rejected as error:
                log.warning("message.rejected", code=error.code, reason=error.reason)
                raise RejectMessage(requeue=False) from error
            except Exception as error:
                pause = pause_s(failures, self._retry_base_s)
                log.warning("message.retried", failures=failures + 1, pause_s=pause, exc_info=error)
                with suppress(TimeoutError):  # the slot stays taken meanwhile, which slows down what keeps failing
                    async with asyncio.timeout(pause):
                        await self._closing.wait()
                raise RejectMessage(requeue=True) from error


def mount(broker: RabbitBroker, subscription: Subscription[Any], queue: Queue) -> RabbitSubscriber:
    """Add a subscription to a broker, connected or not, without starting it. It gets a channel of its own."""

    async def handle(event: Any) -> None:
        await subscription.handle(event)

    async def parse(message: Any) -> Event:
        event: Event = decode(subscription.event, message.body)
        return event

    handle.__annotations__["event"] = subscription.event
    subscriber = broker.subscriber(
        queue,
        EVENTS,
        channel=Channel(prefetch_count=subscription.prefetch),
        decoder=parse,
        no_reply=True,
        title=queue.name,
        description=subscription.event.__doc__,
    )
    subscriber(handle)
    return subscriber


def describe(subscriptions: Sequence[Subscription[Any]]) -> dict[str, Any]:
    """Return the AsyncAPI 3 document of what these subscriptions hear."""
    broker = RabbitBroker(logger=None)
    for subscription in subscriptions:
        queue = subscription_queue(subscription, replica="<replica>", delivery_limit=DELIVERY_LIMIT)
        mount(broker, subscription, queue)
    document: dict[str, Any] = AsyncAPI(broker, title="Tune Scout", version="1").to_specification().to_jsonable()
    return document


class RabbitBus:
    """The event bus on RabbitMQ.

    Parameters
    ----------
    url : str
        ``amqp://`` or ``amqps://``.
    service : str
        Sender of the events, in the property ``app_id``.
    replica : str
        Names the private queues of this process; the same after a restart.
    graceful_stop_s : float
        How long running handlers may take to finish, in seconds.
    connect_timeout_s : float
        How long `connect` waits for a broker that is not there yet, in seconds.
    delivery_limit : int
        Redeliveries of a message before it becomes a dead letter. An argument of every queue: never changed in place.
    retry_base_s : float
        Pause before the first redelivery, in seconds; it doubles each time.
    middlewares : sequence
        FastStream middlewares for metrics and traces.
    """

    def __init__(
        self,
        url: str,
        *,
        service: str,
        replica: str,
        graceful_stop_s: float = 15.0,
        connect_timeout_s: float = 60.0,
        delivery_limit: int = DELIVERY_LIMIT,
        retry_base_s: float = 0.2,
        middlewares: Sequence[Any] = (),
    ) -> None:
        self._url = url
        self._replica = replica
        self._graceful_stop_s = graceful_stop_s
        self._connect_timeout_s = connect_timeout_s
        self._delivery_limit = delivery_limit
        self._closing = asyncio.Event()
        self._on_reconnected: list[Redelivered] = []
        self._subscribers: list[tuple[str, RabbitSubscriber]] = []
        self._inboxes: list[AbstractQueue] = []
        self._connection: RobustConnection | None = None
        redelivery = partial(Redelivery, retry_base_s=retry_base_s, closing=self._closing)
        self._broker = RabbitBroker(
            url,
            app_id=service,
            logger=None,
            apply_types=False,
            graceful_timeout=graceful_stop_s,
            reconnect_interval=RECONNECT_INTERVAL_S,
            on_reconnected=[self._reconnected],
            middlewares=[redelivery, *middlewares],  # the first is the outermost: metrics and traces see the real error
        )

    async def connect(self) -> None:
        """Connect and declare the exchanges. Waits until the broker is there."""
        async with _within(self._connect_timeout_s, "the message broker did not appear"):
            while self._connection is None:
                try:
                    self._connection = await self._broker.connect()
                except CONNECTION_EXCEPTIONS as error:
                    log.info("broker.awaited", error=repr(error))
                    await asyncio.sleep(RECONNECT_INTERVAL_S)
            await self._declare_exchanges()

    async def _declare_exchanges(self) -> None:
        for exchange, queue in ((UNROUTED, unrouted_queue()), (DEAD, dead_letter_queue())):
            source = await self._broker.declare_exchange(exchange)
            destination = await self._broker.declare_queue(queue)
            await destination.bind(source, routing_key=queue.routing())
        await self._broker.declare_exchange(EVENTS)

    def _connected(self) -> RobustConnection:
        if self._connection is None:
            raise Unavailable("the message broker is not connected")
        return self._connection

    async def subscribe(self, subscription: Subscription[Any]) -> None:
        """Declare the queue, bind it, start consuming; return when the broker has confirmed all three."""
        self._connected()
        subscriber = mount(self._broker, subscription, self._queue(subscription))
        # A delivery can be there before the start has returned; a subscriber that is not running never acknowledges it.
        subscriber.running = True
        async with _within(DECLARE_TIMEOUT_S, "the message broker did not start a consumer"):
            await subscriber.start()
        self._subscribers.append((subscription.queue, subscriber))

    async def unsubscribe(self, queue: str) -> None:
        """Stop consuming a queue and let its running handlers finish."""
        leaving = [subscriber for name, subscriber in self._subscribers if name == queue]
        self._subscribers = [entry for entry in self._subscribers if entry[0] != queue]
        for subscriber in leaving:
            await self._cancel(subscriber)
        for subscriber in leaving:
            await subscriber.stop()
            # What was prefetched and not handled goes back to the queue only with its channel.
            channel = await self._broker.config.broker_config.channel_manager.get_channel(subscriber.channel)
            await channel.close()

    @staticmethod
    async def _cancel(subscriber: RabbitSubscriber) -> None:
        # FastStream cancels a consumer after its handlers have finished. What is pushed meanwhile it does not handle,
        # and it returns with a raised delivery count: a deploy would spend the delivery limit of good messages.
        queue, tag = subscriber._queue_obj, subscriber._consumer_tag
        if queue is not None and tag is not None and not queue.channel.is_closed:
            await queue.cancel(tag)
            subscriber._consumer_tag = None

    def _queue(self, subscription: Subscription[Any]) -> Queue:
        return subscription_queue(subscription, replica=self._replica, delivery_limit=self._delivery_limit)

    async def declare(self, subscription: Subscription[Any]) -> None:
        """Declare and bind the queue without consuming, so that events published before its first consumer stay."""
        wanted = self._queue(subscription)
        async with (
            _within(DECLARE_TIMEOUT_S, "the message broker did not declare a queue"),
            self._connected().channel() as channel,
        ):
            queue = await channel.declare_queue(wanted.name, durable=True, arguments=wanted.arguments)
            await queue.bind(EVENTS.name, routing_key=wanted.routing())

    async def publish(self, event: Event) -> None:
        """Hand the event over; return when the broker has confirmed it."""
        left_s = None
        if isinstance(event, Question):
            left_s = max(0.0, (event.deadline - datetime.now(UTC)).total_seconds())
        await self._send(
            event.model_dump_json().encode(),
            exchange=EVENTS,
            routing_key=event.name,
            persist=left_s is None,
            expiration=left_s,
            message_id=str(event.id),
            message_type=event.name,
            timestamp=event.occurred_at,
            headers={"schema_version": event.schema_version},
        )

    async def _send(self, body: bytes, **options: Any) -> None:
        self._connected()
        async with _within(PUBLISH_TIMEOUT_S, "the message broker did not take the message"):
            await self._broker.publish(body, content_type="application/json", **options)

    async def open_inbox(self, owner: str, receive: Callable[[Reply], None]) -> str:
        """Open an inbox of this process alone and return its address."""

        async def deliver(message: AbstractIncomingMessage) -> None:
            try:
                reply = REPLY.validate_json(message.body)
            except ValueError as error:
                log.warning("reply.dropped", owner=owner, error=str(error))
            else:
                receive(reply)

        async with _within(DECLARE_TIMEOUT_S, "the message broker did not open an inbox"):
            channel = await self._connected().channel()
            # A fixed name would be refused while the broker still believes in a connection that was lost.
            queue = await channel.declare_queue(f"{owner}.replies.{uuid4().hex}", exclusive=True, auto_delete=True)
            await queue.consume(deliver, no_ack=True)
        self._inboxes.append(queue)
        return queue.name

    async def reply(self, address: str, reply: Reply) -> None:
        """Send a reply to an inbox. An inbox that is gone is nobody's error."""
        body = reply.model_dump_json().encode()
        await self._send(body, routing_key=address, mandatory=False, message_type=type(reply).__name__)

    def on_reconnected(self, callback: Redelivered) -> None:
        """Call back after each lost and regained connection, when queues and consumers are back."""
        self._on_reconnected.append(callback)

    async def _reconnected(self, _: object) -> None:
        log.info("broker.reconnected")
        for callback in self._on_reconnected:
            await callback()

    async def is_ready(self) -> bool:
        """Tell whether the bus is connected and each subscribed queue has a consumer.

        A connection alone says nothing: with a queue its consumers go, and the connection stays.
        """
        if self._connection is None or not self._connection.connected.is_set() or self._connection.transport is None:
            return False
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                # Asking for a queue that is not there closes the channel, so the question gets one of its own.
                channel = await self._connection.transport.connection.channel(publisher_confirms=False)
                names = [subscriber.queue.name for _, subscriber in self._subscribers]
                answers = [await channel.queue_declare(name, passive=True) for name in names]
                await channel.close()
        except CONNECTION_EXCEPTIONS:
            return False
        return all(answer.consumer_count for answer in answers)

    async def dead_letters(self, *, queue: str | None = None, limit: int = 100) -> list[DeadLetter]:
        """List dead letters, oldest first, leaving them where they are."""
        async with _within(DEAD_LETTERS_TIMEOUT_S, "the message broker did not show the dead letters"):
            return await dead_letters.read(self._url, queue, limit, delivery_limit=self._delivery_limit)

    async def replay(self, *, queue: str | None = None, limit: int = 100) -> int:
        """Send dead letters to the queue they died in, with a fresh delivery count; return how many.

        A dead letter whose queue is gone stays one.
        """
        async with _within(DEAD_LETTERS_TIMEOUT_S, "the message broker did not replay the dead letters"):
            return await dead_letters.send_back(self._url, queue, limit)

    async def close(self) -> None:
        """Stop consuming, let running handlers finish for a grace period, disconnect."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self._closing.set()
        try:
            if connection.connected.is_set():  # otherwise the handlers were stopped together with the connection
                async with asyncio.timeout(self._graceful_stop_s + PUBLISH_TIMEOUT_S):
                    await asyncio.gather(*(self._cancel(subscriber) for _, subscriber in self._subscribers))
                    await self._broker.stop()
        except CONNECTION_EXCEPTIONS as error:
            log.warning("broker.lost_while_stopping", error=repr(error))
        finally:
            await connection.close()
        self._subscribers.clear()
        self._inboxes.clear()
