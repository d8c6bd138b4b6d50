"""How much may somebody keep, and what remains when they leave?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from services.ingest.settings import IngestSettings
from services.ingest.songs import Song, Status
from services.ingest.usage import Usage
from shared.catalogue import Library
from shared.errors import Rejected, TooMany
from shared.events import Tags, UserDeleted
from tests.unit.ingest.instance import Ingest, person


async def test_who_would_exceed_a_quota_is_told_what_is_used_and_allowed(tmp_path: Path) -> None:
    settings = IngestSettings(quota_songs=2, quota_bytes=100, quota_jobs=2)
    async with Ingest.open(tmp_path, settings) as ingest, ingest.client("ada") as ada:

        async def register(size_bytes: int) -> tuple[int, str, str]:
            answer = await ada.post("/songs", json={"file_name": "a.mp3", "size_bytes": size_bytes})
            problem = answer.json() if answer.is_error else {"code": "", "detail": ""}
            return answer.status_code, problem["code"], problem["detail"]

        assert await register(101) == (403, "quota_bytes", "0 of 100 bytes are used, and this file has 101")
        song = await ingest.ready_song("ada")  # of 26 bytes
        assert await register(75) == (403, "quota_bytes", "26 of 100 bytes are used, and this file has 75")
        assert (await register(74))[0] == 201
        assert await register(0) == (403, "quota_songs", "2 of 2 songs are used")
        usage = (await ada.get("/songs/usage")).json()
        assert usage["songs"] == {"used": 2, "allowed": 2}
        assert usage["bytes"] == {"used": 100, "allowed": 100}
        assert usage["jobs"] == {"used": 1, "allowed": 2}

        await ada.delete(f"/songs/{song.song_id}")
        assert (await register(26))[0] == 201


async def test_too_many_uploads_in_progress_are_asked_to_wait(tmp_path: Path) -> None:
    async with Ingest.open(tmp_path, IngestSettings(quota_jobs=1)) as ingest:
        first = await ingest.upload("ada")
        with pytest.raises(TooMany, match="1 of 1 uploads") as refused:
            await ingest.upload("ada")
        assert refused.value.retry_after_s > 1
        await ingest.fingerprint(first.song_id)
        assert (await ingest.upload("ada")).status is Status.UPLOADED


async def test_registration_that_is_repeated_counts_once_and_is_answered_at_the_quota(tmp_path: Path) -> None:
    async with Ingest.open(tmp_path, IngestSettings(quota_songs=1)) as ingest:
        first = await ingest.upload("ada", b"song", idempotency_key="key")
        assert await ingest.upload("ada", b"song", idempotency_key="key") == first
        assert await ingest.store.usage("ada") == Usage(1, 4, 1)


async def test_quotas_of_none_have_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SONGS", "BYTES", "JOBS"):
        monkeypatch.setenv(f"TUNESCOUT_INGEST_QUOTA_{name}", "none")
    async with Ingest.open(tmp_path, IngestSettings()) as ingest:
        await ingest.upload("ada")
        async with ingest.client("ada") as ada:
            usage = (await ada.get("/songs/usage")).json()
            assert {usage[name]["allowed"] for name in ("songs", "bytes", "jobs")} == {None}
            assert usage["visibility"] == "private"


async def songs_in_every_state(ingest: Ingest, owner: str) -> list[Song]:
    await ingest.service.register(
        person(owner),
        file_name="awaited.mp3",
        size_bytes=4,
        content_type="audio/mpeg",
        typed=Tags(),
        idempotency_key=None,
    )
    ready = await ingest.ready_song(owner, visibility="shared")
    await ingest.upload(owner)
    copy = await ingest.upload(owner)
    await ingest.fingerprint(copy.song_id, sounds_like=ready.song_id)
    given_up = await ingest.upload(owner)
    await ingest.service.abandon(given_up)
    songs, _ = await ingest.service.find(person(owner))
    assert len({song.status for song in songs}) == 5
    return songs


async def test_songs_of_a_deleted_account_are_deleted_in_every_state_and_no_new_ones_taken(ingest: Ingest) -> None:
    songs = await songs_in_every_state(ingest, "ada")
    other = await ingest.ready_song("eve")
    awaited = next(song for song in songs if song.status is Status.AWAITING_UPLOAD)

    for _ in range(2):  # the event may come twice
        await ingest.service.on_user_deleted(UserDeleted(user_id="ada"))

    stored = await ingest.store.find_many(song.song_id for song in songs)
    assert {song.status for song in stored} == {Status.DELETED}
    assert await ingest.store.usage("ada") == Usage()
    assert [await Library(ingest.table).get(song.song_id) for song in songs] == [None] * len(songs)
    with pytest.raises(Rejected) as refused:
        await ingest.upload("ada")
    assert (refused.value.code, refused.value.status) == ("account_closed", 401)
    with pytest.raises(Rejected, match="there is no song"):
        await ingest.service.complete(person("ada"), awaited.song_id)
    assert (await ingest.service.get(person("eve"), other.song_id)).status is Status.READY


async def test_deletion_of_an_account_that_is_interrupted_goes_on(ingest: Ingest) -> None:
    ids = [(await ingest.ready_song("ada")).song_id for _ in range(6)]

    async def left() -> int:
        return sum(song.status is not Status.DELETED for song in await ingest.store.find_many(ids))

    interrupted = asyncio.create_task(ingest.service.on_user_deleted(UserDeleted(user_id="ada")))
    while await left() > 4:  # noqa: ASYNC110 - nothing is told amid a deletion
        await asyncio.sleep(0)
    interrupted.cancel()
    await asyncio.gather(interrupted, return_exceptions=True)

    await ingest.service.on_user_deleted(UserDeleted(user_id="ada"))

    assert await left() == 0
    assert await ingest.store.usage("ada") == Usage()
