"""What does a matcher replica hear?"""

from __future__ import annotations

from typing import Any

from services.matcher.replica import Replica
from services.matcher.service import MatcherService
from shared.events import QueryFingerprinted, SongComparisonRequested, SongDeleted, SongReady
from shared.messaging.bus import Subscription

QUERY_TTL_S = 30.0
COMPARISON_TTL_S = 60.0
CHANGES = 32
"""Songs that come and go together are read together."""


def changes(replica: Replica) -> list[Subscription[Any]]:
    """Return what each replica hears by itself: songs that come and go."""
    name = _name(replica)
    return [
        Subscription(SongReady, replica.on_change, queue=f"matcher.song-ready.{name}", prefetch=CHANGES, private=True),
        Subscription(
            SongDeleted, replica.on_change, queue=f"matcher.song-deleted.{name}", prefetch=CHANGES, private=True
        ),
    ]


def questions(service: MatcherService, replica: Replica) -> list[Subscription[Any]]:
    """Return what the replicas of a shard compete for: questions. They have queues of their own for long and short."""
    name = _name(replica)
    return [
        Subscription(
            QueryFingerprinted,
            service.on_query_fingerprinted,
            queue=f"matcher.query.{name}",
            prefetch=4,
            ttl_s=QUERY_TTL_S,
        ),
        Subscription(
            SongComparisonRequested,
            service.on_song_comparison_requested,
            queue=f"matcher.comparison.{name}",
            prefetch=2,
            ttl_s=COMPARISON_TTL_S,
        ),
    ]


def _name(replica: Replica) -> str:
    # The count belongs to the name: while it changes, the shards of two generations answer side by side.
    return f"shard-{replica.shard.index}-of-{replica.shard.count}"
