"""Which exchanges and queues does RabbitMQ hold for us?

Arguments of a queue are for ever: a declaration with others is refused by the broker. To change one, give the queue a
new name and drain the old one. What may be tuned while it runs (lengths, ages) belongs into a policy instead.
"""

from __future__ import annotations

from typing import Any

from faststream.rabbit import ExchangeType, QueueType, RabbitExchange, RabbitQueue
from faststream.rabbit.schemas.queue import QuorumQueueArgs

from shared.messaging.bus import Subscription

UNROUTED_MAX_LENGTH = 10_000
UNROUTED_TTL_S = 7 * 24 * 3600
QUESTIONS_MAX_LENGTH = 1_000
"""Questions waiting in one queue; beyond it the oldest are dropped, whose askers have the least patience left."""
PRIVATE_EXPIRES_S = 3600

UNLIMITED = 2**31 - 1
"""Delivery limit of the dead letters: looking at one counts as a delivery, and nothing is behind them to catch it."""

EVENTS = RabbitExchange(
    "tunescout.events", type=ExchangeType.TOPIC, arguments={"alternate-exchange": "tunescout.unrouted"}
)
UNROUTED = RabbitExchange("tunescout.unrouted", type=ExchangeType.FANOUT)
DEAD = RabbitExchange("tunescout.dead", type=ExchangeType.TOPIC)


class Queue(RabbitQueue):
    """A queue that equals only itself.

    The broker client remembers by equality which channel a queue was declared on. Two consumers of one queue, each with
    its own prefetch, would then share the first one's channel.
    """

    __eq__ = object.__eq__
    __hash__ = object.__hash__


def unrouted_queue() -> Queue:
    """Return the queue of events that no queue was bound to."""
    arguments: QuorumQueueArgs = {"x-max-length": UNROUTED_MAX_LENGTH, "x-message-ttl": UNROUTED_TTL_S * 1000}
    return Queue("tunescout.unrouted", QueueType.QUORUM, arguments=arguments)


def dead_letter_queue() -> Queue:
    """Return the queue of all dead letters. The routing key of each is the queue that it died in."""
    arguments: QuorumQueueArgs = {"x-delivery-limit": UNLIMITED}
    return Queue("tunescout.dead-letters", QueueType.QUORUM, routing_key="#", arguments=arguments)


def queue_name(subscription: Subscription[Any], replica: str) -> str:
    """Return the name of the subscription's queue in this replica."""
    return f"{subscription.queue}.{replica}" if subscription.private else subscription.queue


def subscription_queue(subscription: Subscription[Any], *, replica: str, delivery_limit: int) -> Queue:
    """Return the queue of a subscription, bound to the name of its event.

    All are quorum queues, private ones too: only those count deliveries. A full queue refuses new events, without which
    RabbitMQ dead-letters at most once; questions are never dead-lettered, and the oldest make room for new ones.
    """
    name = queue_name(subscription, replica)
    arguments: QuorumQueueArgs = {"x-delivery-limit": delivery_limit}
    if subscription.ttl_s is not None:
        arguments["x-message-ttl"] = int(subscription.ttl_s * 1000)
        arguments["x-max-length"] = QUESTIONS_MAX_LENGTH
        arguments["x-overflow"] = "drop-head"
    else:
        arguments["x-dead-letter-exchange"] = DEAD.name
        arguments["x-dead-letter-routing-key"] = name
        arguments["x-dead-letter-strategy"] = "at-least-once"
        arguments["x-overflow"] = "reject-publish"
    if subscription.private:
        arguments["x-expires"] = PRIVATE_EXPIRES_S * 1000
    return Queue(name, QueueType.QUORUM, routing_key=subscription.event.name, arguments=arguments)
