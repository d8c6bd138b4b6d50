"""How much happens? Counts the facts that others publish. Owns nothing, says nothing.

It is also the example of a new consumer: one file with a `build`. Its queues are declared, and it gets retries, dead
letters, probes and metrics, because `services` finds it by the name of its folder.
"""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from shared.events import (
    EVENTS,
    Event,
    QueryCompleted,
    Question,
    SongDuplicateDetected,
    SongReady,
    SongRejected,
)
from shared.messaging.bus import Subscription
from shared.runtime.app import Runtime, ServiceApp

HEARD = Counter("tunescout_events_heard_total", "Facts by name; one that is delivered twice counts twice.", ["event"])
QUERIES = Counter("tunescout_queries_total", "Answered questions.", ["outcome", "reason"])
QUERY_SECONDS = Histogram(
    "tunescout_query_seconds",
    "Time from a clip's arrival to its answer.",
    ["outcome"],
    buckets=(0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0),
)
UPLOADS = Counter("tunescout_uploads_total", "Uploads that came to a decision.", ["state"])

DECIDED: dict[type[Event], str] = {SongReady: "ready", SongDuplicateDetected: "duplicate", SongRejected: "rejected"}


async def on_fact(event: Event) -> None:
    """Count one fact by its name, and an upload's last one by what became of it."""
    HEARD.labels(event.name).inc()
    if type(event) in DECIDED:
        UPLOADS.labels(DECIDED[type(event)]).inc()


async def on_query_completed(event: QueryCompleted) -> None:
    """Count one answered question by its outcome, and note how long it took."""
    await on_fact(event)
    QUERIES.labels(event.outcome, event.reason or "").inc()
    QUERY_SECONDS.labels(event.outcome).observe(event.took_ms / 1000)


def build(runtime: Runtime) -> ServiceApp:
    """Hear every fact. Questions are nobody's business: they carry what people's microphones heard."""
    others = (fact for fact in EVENTS.values() if fact is not QueryCompleted and not issubclass(fact, Question))
    return ServiceApp(
        name="analytics",
        subscriptions=[
            Subscription(QueryCompleted, on_query_completed, queue="analytics.query-completed"),
            *(Subscription(fact, on_fact, queue=f"analytics.{_queue_word(fact)}") for fact in others),
        ],
    )


def _queue_word(event: type[Event]) -> str:
    return event.name.replace(".", "-").replace("_", "-")
