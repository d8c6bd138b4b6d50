from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from shared.errors import Rejected, Unavailable
from tests.unit.tunescout.small_service import PART_BYTES, SmallService
from tunescout import session as sessions
from tunescout.client import Client
from tunescout.importing import AudioFile, Watcher, audio_files, import_files
from tunescout.session import Account, Session


def client_of(service: SmallService) -> Client:
    return Client(service.url, account=Account(service.url, "ada", "a long password"), patience_s=20.0)


async def imported(service: SmallService, files: Sequence[AudioFile]) -> Watcher:
    watcher = Watcher()
    async with client_of(service) as client:
        await import_files(client, files, watcher, parallel=2, deadline_s=30.0)
    return watcher


async def test_busy_service_is_asked_again_after_the_pause_it_names(service: SmallService) -> None:
    service.busy = {"GET /v1/songs": 2}
    async with client_of(service) as client:
        assert [song async for song in client.songs()] == []
    assert service.calls["GET /v1/songs"] == 3


async def test_service_that_stays_busy_is_unavailable(service: SmallService) -> None:
    service.busy = {"POST /v1/auth/login": 1000}
    account = Account(service.url, "ada", "a long password")
    async with Client(service.url, account=account, patience_s=0.3) as client:
        with pytest.raises(Unavailable, match="warming up"):
            await client.ask("GET", "/v1/songs")


async def test_expired_token_is_refreshed_once_for_all_who_wait(service: SmallService) -> None:
    async with Client(service.url) as client:
        sessions.save(await client.log_in("ada", "a long password"))
        service.valid_tokens.clear()
        await asyncio.gather(*(client.ask("GET", "/v1/songs") for _ in range(5)))
    assert service.calls["POST /v1/auth/refresh"] == 1
    stored = sessions.load(service.url)
    assert stored is not None
    assert stored.refresh_token == "refresh-2"


async def test_commands_that_run_at_once_use_no_refresh_token_twice(service: SmallService) -> None:
    sessions.save(Session(service.url, "ada", "expired", "refresh-0"))

    async def command() -> None:
        async with Client(service.url) as client:
            await client.ask("GET", "/v1/songs")

    await asyncio.gather(*(command() for _ in range(4)))

    assert service.calls["POST /v1/auth/refresh"] == 1


async def test_password_is_asked_for_where_the_answer_to_a_refresh_was_lost(service: SmallService) -> None:
    sessions.save(Session(service.url, "ada", "expired", "used already"))
    async with Client(service.url, ask_password={"ada": "a long password"}.get) as client:
        await client.ask("GET", "/v1/songs")
    async with Client(service.url) as following:
        await following.ask("GET", "/v1/songs")

    assert service.calls["POST /v1/auth/login"] == 1
    assert service.calls["POST /v1/auth/refresh"] == 1


async def test_ended_login_says_what_to_do(service: SmallService) -> None:
    sessions.save(Session(service.url, "ada", "old", "unknown"))
    async with Client(service.url) as client:
        with pytest.raises(Rejected, match="tunescout login"):
            await client.ask("GET", "/v1/songs")


async def test_songs_of_all_pages_are_listed(service: SmallService) -> None:
    service.songs = {f"song-{n}": {"id": f"song-{n}", "status": "ready", "title": "x"} for n in range(7)}
    async with client_of(service) as client:
        assert [song.id async for song in client.songs(limit=3)] == list(service.songs)


async def test_import_of_a_folder_tells_songs_duplicates_and_rejections_apart(
    service: SmallService, tmp_path: Path
) -> None:
    music = tmp_path / "music"
    music.mkdir()
    for name, content in {"a.mp3": b"one", "b.mp3": b"two", "c.mp3": b"bad file"}.items():
        (music / name).write_bytes(content)
    await imported(service, list(audio_files([music])))
    (music / "d.flac").write_bytes(b"one")
    watcher = await imported(service, [AudioFile(music / "d.flac"), AudioFile(music / "c.mp3")])
    ends = {outcome.file.path.name: outcome for outcome in watcher.outcomes}
    assert ends["d.flac"].as_json()["duplicate"]["song_id"] in {"song-1", "song-2"}
    assert ends["c.mp3"].as_json()["rejection"]["reason"] == "this is not audio"
    assert watcher.summary() == {"files": 2, "ready": 0, "duplicate": 1, "rejected": 1, "failed": 0}


async def test_large_file_is_stored_in_parts_that_join_to_the_same_bytes(service: SmallService, tmp_path: Path) -> None:
    content = bytes(range(251)) * ((2 * PART_BYTES + 12_345) // 251)
    path = tmp_path / "large.flac"
    path.write_bytes(content)
    service.busy = {"PUT /store/song-1/2": 1}
    watcher = await imported(service, [AudioFile(path)])
    assert watcher.summary()["ready"] == 1
    assert len(service.stored["song-1"]) == 3
    assert service.bytes_of("song-1") == content


async def test_expired_upload_url_is_replaced_without_a_second_song(service: SmallService, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"one")
    service.expired_uploads = 1
    watcher = await imported(service, [AudioFile(tmp_path / "a.mp3")])
    assert watcher.summary()["ready"] == 1
    assert service.calls["POST /v1/songs"] == 2
    assert len(service.songs) == 1


async def test_part_that_has_arrived_is_not_sent_again(service: SmallService, tmp_path: Path) -> None:
    content = bytes(range(251)) * ((3 * PART_BYTES + 12_345) // 251)
    (tmp_path / "large.flac").write_bytes(content)
    service.stored["song-1"] = {2: content[PART_BYTES : 2 * PART_BYTES]}
    watcher = await imported(service, [AudioFile(tmp_path / "large.flac")])
    assert watcher.summary()["ready"] == 1
    assert service.calls["PUT /store/song-1/2"] == 0
    assert service.bytes_of("song-1") == content


async def test_broken_stream_of_events_is_taken_up_again(service: SmallService, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"one")
    service.broken_streams = 1
    watcher = await imported(service, [AudioFile(tmp_path / "a.mp3")])
    assert watcher.summary()["ready"] == 1
    assert service.calls["GET /v1/songs/song-1/events"] == 2


async def test_import_survives_a_restart_of_the_service(service: SmallService, tmp_path: Path) -> None:
    files = [AudioFile(tmp_path / f"{n}.mp3") for n in range(6)]
    for n, file in enumerate(files):
        file.path.write_bytes(b"song %d" % n)

    def restart() -> None:
        assert service.on_stored.wait(10)
        service.stop()
        service.start()

    watcher, _ = await asyncio.gather(imported(service, files), asyncio.to_thread(restart))
    assert watcher.summary()["ready"] == 6
    assert len(service.songs) == 6


async def test_file_that_cannot_be_read_does_not_stop_the_others(service: SmallService, tmp_path: Path) -> None:
    (tmp_path / "a.mp3").write_bytes(b"one")
    watcher = await imported(service, [AudioFile(tmp_path / "gone.mp3"), AudioFile(tmp_path / "a.mp3")])
    assert watcher.summary() == {"files": 2, "ready": 1, "duplicate": 0, "rejected": 0, "failed": 1}
