"""How is a matcher replica put together?"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from functools import partial

from services.matcher.handlers import changes, questions
from services.matcher.index import warm_up
from services.matcher.replica import Replica
from services.matcher.service import MatcherService
from services.matcher.settings import MatcherSettings
from services.matcher.shared_snapshots import Snapshots
from shared.catalogue import SONGS, Library
from shared.runtime.app import Runtime, ServiceApp, when_available
from shared.sharding import Shard
from shared.storage.files import FolderStore
from shared.storage.fingerprints import FINGERPRINTS, FingerprintStore


def build(runtime: Runtime) -> ServiceApp:
    """Wire a matcher replica."""
    settings = MatcherSettings()
    shard = Shard(settings.shard, settings.shards)
    fingerprints = FingerprintStore(runtime.table(FINGERPRINTS))
    every = timedelta(seconds=settings.snapshot_every_s)
    # A folder of blobs is on the same disk as the index: nothing would be gained.
    is_shared = not isinstance(runtime.blobs, FolderStore)
    replica = Replica(
        shard,
        Library(runtime.table(SONGS)),
        fingerprints,
        settings,
        folder=runtime.settings.data_dir / "index" / f"shard-{shard.index}-of-{shard.count}",
        snapshots=Snapshots(runtime.blobs, shard, settings.replica, every=every) if is_shared else None,
    )
    service = MatcherService(replica, fingerprints, runtime.bus, threads=settings.search_threads)
    later = questions(service, replica)

    async def start() -> None:
        # Questions that come before this replica can answer them wait in their queues.
        for subscription in later:
            await runtime.bus.declare(subscription)
        runtime.bus.on_reconnected(replica.on_reconnected)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(replica.open())
            tasks.create_task(asyncio.to_thread(warm_up))

    async def serve() -> None:
        await replica.load()
        for subscription in later:
            await when_available(partial(runtime.bus.subscribe, subscription))
        await replica.keep_up()

    return ServiceApp(
        "matcher",
        subscriptions=changes(replica),
        later=later,
        start=start,
        background=[serve, replica.tend, replica.compare, replica.verify, replica.leave_snapshots],
        stop=replica.close,
        is_ready=lambda: replica.is_active,
    )
