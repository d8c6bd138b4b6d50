"""Is everything that was accepted there, once, and nothing else? Reads back all that a stack has kept."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from pathlib import Path
from typing import Any

import aio_pika
import boto3
from boto3.dynamodb.types import TypeDeserializer
from pamqp.common import FieldTable
from pydantic import TypeAdapter

from bench.listeners import SAMPLE_RATE_HZ, wav
from bench.uploaders import Upload, samples_of
from deploy.local.stack import Stack
from services.ingest.listing import relist, word_keys
from services.ingest.songs import Song, Status
from services.ingest.usage import Usage, partition, read_usage, usage_of
from services.matcher.index import Index
from shared.catalogue import SONGS, Contents, Library, LibraryEntry
from shared.events import EVENTS, SongEvent
from shared.messaging import topology
from shared.runtime.settings import TableSettings
from shared.sharding import VIRTUAL_SHARDS, Shard, virtual_shard
from shared.storage.blobs import UPLOADS
from shared.storage.dynamodb import DynamoTable
from shared.storage.tables import Put
from tunescout.client import Client

OBSERVER = "chaos.observer"
CLIP_BEGIN_S, CLIP_S = 3.0, 8.0
ASKED_AT_ONCE = 3
DECIDED = {
    "song.ready": Status.READY,
    "song.duplicate_detected": Status.DUPLICATE,
    "song.rejected": Status.REJECTED,
    "song.deleted": Status.DELETED,
}

Stored = dict[str, Any]
_SONG = TypeAdapter(Song)


@dataclass(slots=True)
class Kept:
    """All items, blobs and messages, as they are at one moment."""

    tables: dict[str, list[Stored]] = field(default_factory=dict)
    blobs: list[str] = field(default_factory=list)
    waiting: dict[str, int] = field(default_factory=dict)

    def of(self, table: str, prefix: str) -> list[Stored]:
        """Return the items of a table whose partition begins so."""
        return [item for item in self.tables.get(table, ()) if item["pk"].startswith(prefix)]

    @property
    def songs(self) -> dict[str, Song]:
        """What ingest knows of each song."""
        items = [item for item in self.of("songs", "song#") if item["sk"] == "song"]
        songs = [_SONG.validate_python(item["song"]) for item in items]
        return {song.song_id: song for song in songs}

    @property
    def ready(self) -> dict[str, Song]:
        """The songs of the library."""
        return {song_id: song for song_id, song in self.songs.items() if song.status is Status.READY}


class Observer:
    """Hears every event of the broker, from before the first one."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.heard: list[tuple[str, SongEvent]] = []

    async def bind(self) -> None:
        """Begin to keep events."""
        async with await aio_pika.connect(self._url) as connection:
            channel = await connection.channel()
            arguments: FieldTable = {"x-queue-type": "quorum", "x-delivery-limit": topology.UNLIMITED}
            queue = await channel.declare_queue(OBSERVER, durable=True, arguments=arguments)
            await queue.bind(topology.EVENTS.name, routing_key="song.#")

    async def hear(self) -> None:
        """Take what was kept, and all messages that nobody could handle or wanted."""
        async with await aio_pika.connect(self._url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue(OBSERVER, passive=True)
            while (message := await queue.get(fail=False)) is not None:
                event = EVENTS[message.type or ""].model_validate_json(message.body)
                if isinstance(event, SongEvent):
                    self.heard.append((event.name, event))
                await message.ack()

    async def waiting(self, queues: Iterable[str]) -> dict[str, int]:
        """Return how many messages wait in each queue that holds any."""
        counts: dict[str, int] = {}
        async with await aio_pika.connect(self._url) as connection:
            for name in queues:
                channel = await connection.channel()
                declared = await channel.declare_queue(name, passive=True)
                counts[name] = declared.declaration_result.message_count or 0
        return {name: count for name, count in counts.items() if count}


class Reader:
    """Reads a stack past the proxies."""

    def __init__(self, stack: Stack, observer: Observer) -> None:
        self._stack = stack
        self._observer = observer
        settings = TableSettings.model_validate({"kind": "dynamodb", "endpoint_url": stack.dynamodb.endpoint})
        self._prefix = settings.prefix
        self._region = settings.region
        self._library = Library(DynamoTable(settings, SONGS))

    async def read(self) -> Kept:
        """Read everything."""
        kept = Kept(*await asyncio.to_thread(self._read_stores))
        kept.waiting = await self._observer.waiting([topology.dead_letter_queue().name, topology.unrouted_queue().name])
        return kept

    def _read_stores(self) -> tuple[dict[str, list[Stored]], list[str]]:
        dynamodb = self._client("dynamodb", self._stack.dynamodb.endpoint)
        plain = TypeDeserializer().deserialize
        tables: dict[str, list[Stored]] = {}
        for name in dynamodb.list_tables()["TableNames"]:
            pages = dynamodb.get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
            items = [item for page in pages for item in page["Items"]]
            tables[name.removeprefix(self._prefix)] = [
                {key: plain(value) for key, value in item.items()} for item in items
            ]
        s3 = self._client("s3", self._stack.s3.endpoint)
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=self._stack.settings["TUNESCOUT_BLOBS__BUCKET"])
        return tables, [found["Key"] for page in pages for found in page.get("Contents", ())]

    def _client(self, service: str, endpoint: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=endpoint,
            region_name=self._region,
            aws_access_key_id=self._stack.settings["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=self._stack.settings["AWS_SECRET_ACCESS_KEY"],
        )

    async def summaries(self) -> dict[int, Contents]:
        """Return what the summaries say that are complete."""
        summaries = await self._library.summaries(range(VIRTUAL_SHARDS))
        return {virtual: one.contents for virtual, one in summaries.items() if one.contents is not None}


# --- What must hold ---


def of_uploads(uploads: Sequence[Upload], kept: Kept) -> list[str]:
    """Tell which accepted uploads are lost, stuck or not what their owners were told, and what is a song twice."""
    songs, wrong = kept.songs, list[str]()
    for song in songs.values():
        # What was registered and never completed is nothing that anybody relies on; ingest gives it up after a day.
        if not song.status.is_final and song.status is not Status.AWAITING_UPLOAD:
            wrong.append(f"stuck: {song}")
    ready: dict[int, list[str]] = defaultdict(list)
    for song_id, song in kept.ready.items():
        ready[recording_of(song)].append(song_id)
    for upload in uploads:
        wrong += [f"lost: {upload.path.name} accepted as {one}" for one in upload.accepted if one not in songs]
        if upload.ended is None:
            wrong.append(f"no end: {upload.path.name}, accepted as {sorted(upload.accepted)}")
            continue
        expected = "deleted" if upload.is_deleted else upload.ended.status
        found = songs[upload.ended.id].status if upload.ended.id in songs else "lost"
        if found != expected:
            wrong.append(f"{upload.path.name} was told to be {expected} and is {found}: {upload.ended.id}")
        if expected == "rejected":
            wrong.append(f"{upload.path.name} was rejected: {upload.ended.rejection}")
    for recording in {upload.recording for upload in uploads}:
        found_ids = ready.pop(recording.seed, [])
        wanted = 0 if recording.is_deleted else 1
        if len(found_ids) != wanted:
            wrong.append(f"{len(found_ids)} songs of recording {recording.seed}, not {wanted}: {found_ids}")
    return wrong + [f"songs that nobody uploaded: {one}" for one in ready.values()]


def recording_of(song: Song) -> int:
    """Return which recording a song is, by the name of its file."""
    return int(song.file_name.partition("-")[0])


def of_items(kept: Kept) -> list[str]:
    """Tell where the items of different kinds contradict each other, or wait for something."""
    songs, ready, wrong = kept.songs, kept.ready, list[str]()
    claims = ((item["pk"].removeprefix("content#"), item["song_id"]) for item in kept.of("songs", "content#"))
    wrong += _differ("claims of content", claims, ((song.content_sha256, one) for one, song in ready.items()))
    entries = [item for item in kept.of("songs", "library#") if not item["is_deleted"]]
    wrong += _differ("library entries", (item["song_id"] for item in entries), ready)
    wrong += _differ("fingerprints", {item["sk"].partition("#")[0] for item in kept.of("fingerprints", "")}, ready)
    undecided = [item["sk"] for item in kept.of("songs", "undecided") if "expires_at" not in item]
    wrong += _differ("songs under decision", undecided, ())
    listed = [
        (write.item["pk"], write.item["sk"])
        for song in songs.values()
        for write in relist(None, song)
        if isinstance(write, Put)
    ]
    lists = [*kept.of("songs", "songs#"), *kept.of("songs", "sorted#")]
    wrong += _differ("listings", ((item["pk"], item["sk"]) for item in lists), listed)
    words = {(item["pk"], item["sk"]) for item in kept.of("songs", "words#")}
    wanted_words = {(key.pk, key.sk) for song in ready.values() for key in word_keys(song)}
    wrong += _differ("words", words & wanted_words, wanted_words)
    for owner in {song.owner for song in songs.values()}:
        used = [usage_of(song) for song in songs.values() if song.owner == owner]
        wanted = Usage(*map(sum, zip(*map(astuple, used), strict=True)))
        counted = read_usage(kept.of("songs", partition(owner)))
        if counted != wanted:
            wrong.append(f"usage of {owner} is counted as {counted}, and is {wanted}")
    for table, items in kept.tables.items():
        wrong += [f"not published: {table} {item['pk']} {item['outbox']}" for item in items if item.get("outbox")]
    return wrong


def of_blobs(kept: Kept) -> list[str]:
    """Tell which blobs are missing, and which belong to nothing."""
    wanted = {song.blob_key for song in kept.ready.values()}
    left = set(left_to_sweepers(kept))
    return _differ("blobs", (key for key in kept.blobs if key not in left and not key.startswith("snapshots/")), wanted)


def left_to_sweepers(kept: Kept) -> list[str]:
    """Return the blobs of uploads that were never completed, and what was sent again after it was: removed in a day."""
    waiting = {song_id for song_id, song in kept.songs.items() if song.status is Status.AWAITING_UPLOAD}
    return [key for key in kept.blobs if key.startswith(UPLOADS) or key.removeprefix("songs/") in waiting]


def of_summaries(summaries: Mapping[int, Contents], kept: Kept) -> list[str]:
    """Tell which summaries do not say what their entries are."""
    entries: dict[int, list[LibraryEntry]] = defaultdict(list)
    for item in kept.of("songs", "library#"):
        entry = LibraryEntry(item["song_id"], int(item["revision"]), is_deleted=item["is_deleted"])
        entries[virtual_shard(entry.song_id)].append(entry)
    found = {virtual: Contents.of(entries[virtual]) for virtual in summaries}
    return [
        f"summary {virtual} says {summaries[virtual]}, entries are {contents}"
        for virtual, contents in found.items()
        if summaries[virtual] != contents
    ]


def of_messages(kept: Kept) -> list[str]:
    """Tell which queues hold what nobody could handle."""
    return [f"{count} messages in {queue}" for queue, count in kept.waiting.items()]


def of_events(heard: Sequence[tuple[str, SongEvent]], kept: Kept) -> list[str]:
    """Tell which decisions were not published, or were published as two."""
    told: dict[tuple[str, str], set[str]] = defaultdict(set)
    for name, event in heard:
        told[event.song_id, name].add(str(event.id))
    wrong = []
    for song_id, song in kept.songs.items():
        was = {step.status for step in song.history}
        for name, status in DECIDED.items():
            count = len(told[song_id, name])
            if count != (status in was):
                wrong.append(f"{count} events {name} of {song_id}, which went through {sorted(was)}")
    return wrong


async def of_listings(clients: Sequence[Client], kept: Kept) -> list[str]:
    """Tell where the lists that owners see differ from what is kept."""
    # Whether one sees what is another's is not the question here.
    listed = {song.id for client in clients for song in [one async for one in client.songs(limit=200)]}
    return _differ(
        "listed songs", listed, (one for one, song in kept.songs.items() if song.status is not Status.DELETED)
    )


async def of_clips(clients: Sequence[Client], uploads: Sequence[Upload], kept: Kept) -> list[str]:
    """Tell which songs are not found by a clip of them, and which are found that should not be."""
    slots, owners = asyncio.Semaphore(ASKED_AT_ONCE), dict[str, Client]()
    for client in clients:
        for song in [one async for one in client.songs(status="ready", limit=200)]:
            owners.setdefault(song.id, client)
    ready = {recording_of(song): song_id for song_id, song in kept.ready.items()}

    async def one(upload: Upload) -> str | None:
        wanted = ready.get(upload.recording.seed)
        async with slots:
            samples = await asyncio.to_thread(samples_of, upload.recording)
            begin, end = round(CLIP_BEGIN_S * SAMPLE_RATE_HZ), round((CLIP_BEGIN_S + CLIP_S) * SAMPLE_RATE_HZ)
            heard = await owners.get(wanted or "", clients[0]).identify(wav(samples[begin:end]))
        named = heard.match.song.id if heard.match is not None else None
        if named == wanted:
            return None
        return f"a clip of {wanted} ({upload.path.name}) is {named}: {heard.outcome} {heard.reason} {heard.coverage}"

    firsts = [upload for upload in uploads if upload.path == upload.recording.paths[0]]
    return [wrong for wrong in await asyncio.gather(*map(one, firsts)) if wrong is not None]


def of_index(name: str, folder: Path, kept: Kept) -> list[str]:
    """Tell where the index that a replica has saved differs from the library."""
    _, shard, _, shards, _ = name.split("-")
    owner = Shard(int(shard), int(shards))
    entries = [item for item in kept.of("songs", "library#") if not item["is_deleted"]]
    wanted = {(item["song_id"], int(item["revision"])) for item in entries if owner.owns(item["song_id"])}
    index = Index.open(folder / "index" / f"shard-{shard}-of-{shards}", threads=1)
    try:
        found = list(index.songs())
        return _differ(f"songs in the index of {name}", found, wanted) + list(index.damages)
    finally:
        index.close()


def _differ(what: str, found: Iterable[object], wanted: Iterable[object]) -> list[str]:
    have, want = Counter(iter(found)), Counter(iter(wanted))
    differing = {"left over": sorted(map(str, (have - want).elements()))}
    differing["missing"] = sorted(map(str, (want - have).elements()))
    return [f"{what}, {sign}: {some}" for sign, some in differing.items() if some]
