"""How does one look at the dead letters in RabbitMQ, and send them back?

They are read as bytes, on a connection of their own: what no handler could decode must be readable here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from aio_pika.exceptions import DeliveryError

from shared.messaging.bus import DeadLetter
from shared.messaging.topology import dead_letter_queue

log = structlog.get_logger()


async def read(url: str, queue: str | None, limit: int, *, delivery_limit: int) -> list[DeadLetter]:
    """Return dead letters of one queue or of all, leaving them where they are.

    The oldest come first; but what was returned while others were left unread goes behind those.
    """
    found: list[DeadLetter] = []

    async def collect(_: AbstractChannel, message: AbstractIncomingMessage) -> bool:
        found.append(_dead_letter(message, delivery_limit))
        return False

    await _visit(url, queue, limit, collect)
    return found


async def send_back(url: str, queue: str | None, limit: int) -> int:
    """Publish dead letters to the queue they died in, each confirmed before it is taken away; return how many."""
    sent = 0

    async def publish(channel: AbstractChannel, message: AbstractIncomingMessage) -> bool:
        nonlocal sent
        try:
            await channel.default_exchange.publish(_fresh(message), message.routing_key or "", mandatory=True)
        except DeliveryError:  # its queue is gone, or full
            log.warning("dead_letter.kept", queue=message.routing_key, message_id=message.message_id)
            return False
        sent += 1
        return True

    await _visit(url, queue, limit, publish)
    return sent


async def _visit(
    url: str,
    queue: str | None,
    limit: int,
    visit: Callable[[AbstractChannel, AbstractIncomingMessage], Awaitable[bool]],
) -> None:
    """Show each dead letter to `visit`; those for which it returns true are taken away."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(on_return_raises=True)
        letters = await channel.declare_queue(dead_letter_queue().name, passive=True)
        kept: list[AbstractIncomingMessage] = []
        visited = 0
        # No more than there are now: one that is sent back may die again meanwhile.
        for _ in range(letters.declaration_result.message_count or 0):
            message = await letters.get(fail=False) if visited < limit else None
            if message is None:
                break
            is_wanted = queue is None or message.routing_key == queue
            visited += is_wanted
            if is_wanted and await visit(channel, message):
                await message.ack()
            else:
                kept.append(message)
        for message in kept:
            await message.reject(requeue=True)


def _fresh(message: AbstractIncomingMessage) -> aio_pika.Message:
    return aio_pika.Message(
        message.body,
        headers={name: value for name, value in message.headers.items() if not name.startswith("x-")},
        content_type=message.content_type,
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        message_id=message.message_id,
        timestamp=message.timestamp,
        type=message.type,
        app_id=message.app_id,
    )


def _dead_letter(message: AbstractIncomingMessage, delivery_limit: int) -> DeadLetter:
    deaths: Any = message.headers.get("x-death") or [{}]
    reason = str(deaths[0].get("reason", "unknown"))
    return DeadLetter(
        id=message.message_id or "",
        queue=message.routing_key or "",
        event=message.type or "",
        reason=reason,
        # RabbitMQ forgets the count of the queue that the message died in; the one in the message counts looks at it.
        deliveries=delivery_limit + 1 if reason == "delivery_limit" else 1,
        died_at=deaths[0].get("time"),
        body=message.body,
    )
