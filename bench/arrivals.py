"""How soon is a song found that has just become ready, while others arrive?

The songs are made up, but their way is the real one: fingerprint store, song store, outbox, broker, replicas. Every
replica tells how soon it knew of every song; for some of them a clip is asked for too, which skips its decoding.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from multiprocessing.queues import Queue
from types import TracebackType
from typing import Self

import httpx
import numpy as np
from prometheus_client.parser import text_string_to_metric_families
from ulid import ULID

from services.ingest.songs import Song, Status
from services.ingest.store import SongStore, claim_content, publish_entry
from shared.catalogue import SONGS
from shared.events import QueryFingerprinted, Reply, ShardMatches, SongReady
from shared.fingerprint import ALGORITHM, FRAME_RATE_HZ, Fingerprint
from shared.messaging.inbox import ReplyInbox
from shared.messaging.outbox import Outbox
from shared.runtime.adapters import event_bus, table
from shared.runtime.settings import Settings
from shared.sharding import coverage
from shared.storage.fingerprints import FINGERPRINTS, FingerprintStore
from shared.storage.tables import ConditionFailed

SONG_S, CLIP_S = 60.0, 8.0
PEAKS_PER_S = 29.0
FILLERS = 8
OWNERS = 64
"""What each of them uses is counted in one place, where the songs of one owner would wait for each other."""
ASKED_HZ = 1.0
"""So many songs a second are asked for: more would measure the asking. A clip that a shard does not find is searched
for at other speeds as well, which takes it 20 times as long as one that it finds, or longer."""
WITHIN_MS = (100, 250, 500, 1000)
"""Bounds that the histogram of the replicas has."""
ASK_EVERY_S = 0.2
PATIENCE_S = 30.0
LONGEST_SILENCE_S = 60.0
SURE_AFTER = 4
"""So many answers in a row, of replicas that take turns, say that all of them have the song."""


def made_up(seed: int) -> Fingerprint:
    """Return the fingerprint of a song that nobody has played."""
    rng = np.random.default_rng(seed)
    count = int(SONG_S * PEAKS_PER_S)
    frames = np.sort(rng.integers(0, int(SONG_S * FRAME_RATE_HZ), count)).astype(np.uint32)
    frequencies, levels = rng.integers(80, 1_997, count, np.uint16), rng.integers(120, 180, count, np.uint8)
    return Fingerprint(ALGORITHM, SONG_S, frames, frequencies, levels)


def clip_of(song: Fingerprint) -> Fingerprint:
    """Return some seconds from the middle of a song."""
    begin = np.uint32(20 * FRAME_RATE_HZ)
    kept = (song.frames >= begin) & (song.frames < begin + np.uint32(CLIP_S * FRAME_RATE_HZ))
    return Fingerprint(ALGORITHM, CLIP_S, song.frames[kept] - begin, song.frequencies[kept], song.levels[kept])


class Arrivals:
    """Songs that become ready in a running stack, by its own stores and events.

    Parameters
    ----------
    settings : mapping
        The environment of the services.
    replicas : sequence of str
        Where the replicas of the matcher serve their metrics.
    """

    def __init__(self, settings: Mapping[str, str], replicas: Sequence[str] = ()) -> None:
        self._replicas = replicas
        nested: dict[str, dict[str, str]] = {"tables": {}}
        prefix = "TUNESCOUT_TABLES__"
        nested["tables"] = {k.removeprefix(prefix).lower(): v for k, v in settings.items() if k.startswith(prefix)}
        self._environment = dict(settings)
        self._settings = Settings.model_validate({"broker_url": settings["TUNESCOUT_BROKER_URL"], **nested})
        self._bus = event_bus(self._settings, "arrivals", "bench")
        self._songs = table(self._settings, SONGS)
        self._peaks = table(self._settings, FINGERPRINTS)
        self._store = SongStore(self._songs, Outbox(self._songs, SONGS.indexes[0], self._bus))
        self._fingerprints = FingerprintStore(self._peaks)
        self._inbox = ReplyInbox(self._bus, "arrivals")

    async def __aenter__(self) -> Self:
        await self._bus.connect()
        await self._inbox.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._bus.close()
        await self._songs.close()
        await self._peaks.close()

    async def fill(self, songs: int) -> None:
        """Add made-up songs, some at a time."""
        slots = asyncio.Semaphore(FILLERS)

        async def one() -> None:
            async with slots:
                await self._arrive()

        await asyncio.gather(*(one() for _ in range(songs)))

    async def measure(self, *, rate_hz: float, seconds: float) -> dict[str, float | int]:
        """Let songs arrive at a steady rate; return how soon after `song.ready` they are known, and found.

        Returns
        -------
        dict
            ``known`` counts songs, for each replica that holds them; ``known_within_…`` are shares of it.
            ``visible_…`` are the times until some of the songs were found, asking every 200 ms.
        """
        before = await self._known()
        processes = get_context("spawn")
        told = processes.Queue()
        # In a process of its own: storing songs would hold up the questions, and be taken for slow answers.
        arriving = processes.Process(target=_arrive_all, args=(self._environment, rate_hz, seconds, told), daemon=True)
        arriving.start()
        asking = list[asyncio.Task[float | None]]()
        while (arrived := await asyncio.to_thread(told.get, True, LONGEST_SILENCE_S)) is not None:
            asking.append(asyncio.create_task(self._ask(*arrived)))
        answered = await asyncio.gather(*asking)
        delays = [PATIENCE_S * 1000 if delay is None else delay for delay in answered]
        await asyncio.to_thread(arriving.join)
        known = await self._known()
        known.subtract(before)
        return {
            "songs": round(rate_hz * seconds),
            "asked": len(delays),
            "never_found": sum(delay is None for delay in answered),
            "known": known[float("inf")],
            **{f"known_within_{ms}_ms": round(known[ms / 1000] / max(1, known[float("inf")]), 4) for ms in WITHIN_MS},
            **{f"visible_p{share}_ms": _percentile(delays, share) for share in (50, 95, 99, 100)},
        }

    async def _known(self) -> Counter[float]:
        """Return how many songs were known within how many seconds, by all replicas together since they started."""
        known = Counter[float]()
        async with httpx.AsyncClient() as client:
            for replica in self._replicas:
                metrics = await client.get(f"{replica}/metrics")
                for family in text_string_to_metric_families(metrics.text):
                    for sample in family.samples:
                        if sample.name == "tunescout_matcher_change_seconds_bucket":
                            known[float(sample.labels["le"])] += int(sample.value)
        return known

    async def arrive_steadily(self, rate_hz: float, seconds: float) -> AsyncIterator[tuple[str, int, float]]:
        """Let songs arrive; yield id, seed and the time of `song.ready` of some of them, and wait for all."""
        arriving = set[asyncio.Task[tuple[str, int, float]]]()
        chosen = list[asyncio.Task[tuple[str, int, float]]]()
        began_s, one_of = time.monotonic(), max(1, round(rate_hz / ASKED_HZ))
        for number in range(round(rate_hz * seconds)):
            await asyncio.sleep(began_s + number / rate_hz - time.monotonic())
            task = asyncio.create_task(self._arrive())
            arriving.add(task)
            if number % one_of == 0:
                chosen.append(task)
            while chosen and chosen[0].done():
                yield chosen.pop(0).result()
        await asyncio.gather(*arriving)

    async def _arrive(self) -> tuple[str, int, float]:
        song_id, seed = str(ULID()), time.time_ns() % 2**60
        song = Song(song_id, f"bench-{seed % OWNERS}", "made-up.flac", 1, "audio/flac", _now(), content_sha256=song_id)
        song = song.becomes(Status.UPLOADED).becomes(Status.FINGERPRINTED, duration_s=SONG_S)
        ready = song.becomes(Status.READY)
        event = SongReady(
            song_id=song_id,
            revision=ready.revision,
            owner=ready.owner,
            title=ready.title,
            artist=ready.artist,
            album=ready.album,
            duration_s=SONG_S,
            blob_key=ready.blob_key,
            content_type=ready.content_type,
        )
        await self._fingerprints.put(song_id, made_up(seed))
        await self._store.add(song, None, "")
        while True:
            try:
                await self._store.change(song, ready, [event], also=[claim_content(ready), *publish_entry(ready)])
            except ConditionFailed:
                continue  # amid another transaction on the summary of the virtual shard
            return song_id, seed, time.time()

    async def _ask(self, song_id: str, seed: int, ready_at: float) -> float | None:
        clip = clip_of(made_up(seed)).pack()
        first_at, in_a_row = 0.0, 0
        while time.time() < ready_at + PATIENCE_S:
            asked_at = time.time()
            is_found = await self._is_found(song_id, clip)
            if is_found:
                first_at, in_a_row = (first_at if in_a_row else asked_at), in_a_row + 1
            elif is_found is False:
                in_a_row = 0
            if in_a_row == SURE_AFTER:
                return max(0.0, first_at - ready_at) * 1000
            await asyncio.sleep(ASK_EVERY_S)
        return None

    async def _is_found(self, song_id: str, clip: bytes) -> bool | None:
        """Tell whether the index finds the song now; None where a part of it did not answer in time."""
        question = QueryFingerprinted(
            query_id=str(ULID()),
            deadline=datetime.now(UTC) + timedelta(seconds=2),
            reply_to=self._inbox.address,
            fingerprint=clip,
        )
        replies = await self._inbox.collect(
            question.query_id, lambda: self._bus.publish(question), _is_complete, question.deadline
        )
        found = [match for reply in replies if isinstance(reply, ShardMatches) for match in reply.matches]
        is_found = any(match.song_id == song_id for match in found)
        return is_found or (False if _is_complete(replies) else None)


def _is_complete(replies: list[Reply]) -> bool:
    return coverage(reply.shard.shard() for reply in replies if isinstance(reply, ShardMatches)) == 1.0


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _percentile(delays: Sequence[float], share: int) -> float:
    return round(float(np.percentile(delays, share, method="higher")), 1)


def _arrive_all(
    environment: Mapping[str, str], rate_hz: float, seconds: float, told: Queue[tuple[str, int, float] | None]
) -> None:
    async def go() -> None:
        async with Arrivals(environment) as arrivals:
            async for arrived in arrivals.arrive_steadily(rate_hz, seconds):
                told.put(arrived)

    try:
        asyncio.run(go())
    finally:
        told.put(None)
