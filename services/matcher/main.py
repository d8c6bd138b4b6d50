"""How is a matcher replica put together?"""

from __future__ import annotations

import asyncio

from services.matcher.handlers import changes, questions
from services.matcher.index import Index, warm_up
from services.matcher.replica import Replica
from services.matcher.service import MatcherService
from services.matcher.settings import MatcherSettings
from shared.catalogue import SONGS, Library
from shared.runtime.app import Runtime, ServiceApp
from shared.sharding import Shard
from shared.storage.fingerprints import FINGERPRINTS, FingerprintStore


def build(runtime: Runtime) -> ServiceApp:
    """Wire a matcher replica."""
    settings = MatcherSettings()
    index = Index()
    fingerprints = FingerprintStore(runtime.table(FINGERPRINTS))
    replica = Replica(Shard(settings.shard, settings.shards), index, Library(runtime.table(SONGS)), fingerprints)
    service = MatcherService(replica, index, fingerprints, runtime.bus, threads=settings.search_threads)
    later = questions(service, replica)

    async def start() -> None:
        # Questions that come before this replica can answer them wait in their queues.
        for subscription in later:
            await runtime.bus.declare(subscription)
        runtime.bus.on_reconnected(replica.on_reconnected)
        await asyncio.to_thread(warm_up)

    async def serve() -> None:
        await replica.load()
        for subscription in later:
            await runtime.bus.subscribe(subscription)
        await replica.keep_up()

    return ServiceApp(
        "matcher",
        subscriptions=changes(replica),
        later=later,
        start=start,
        background=[serve],
        is_ready=lambda: replica.is_active,
    )
