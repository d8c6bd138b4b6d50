"""Does the whole way through the system work, in one process and over RabbitMQ, S3 and DynamoDB alike?"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile

from shared.errors import Rejected
from tests.e2e.conftest import new_client
from tests.e2e.music import SAMPLE_RATE_HZ, SONG_S, noisy_clip, song, wav, write
from tunescout.answers import Match, Song
from tunescout.client import Client
from tunescout.importing import AudioFile, Watcher, import_files

pytestmark = pytest.mark.timeout(300)


async def upload(client: Client, *paths: Path, parallel: int = 4) -> dict[str, Song]:
    """Upload files and return by file name what each became."""
    watcher = Watcher()
    await import_files(client, [AudioFile(path) for path in paths], watcher, parallel=parallel, deadline_s=120)
    ended: dict[str, Song] = {}
    for outcome in watcher.outcomes:
        assert outcome.song is not None, outcome.error
        ended[outcome.file.path.name] = outcome.song
    return ended


async def upload_one(client: Client, path: Path) -> Song:
    return (await upload(client, path))[path.name]


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait for what other services do as soon as they hear of it."""
    async with asyncio.timeout(30):
        while not await holds():  # noqa: ASYNC110 - other processes set no event here
            await asyncio.sleep(0.2)


async def named(client: Client, clip: bytes) -> Match:
    """Ask until the index has heard of a song that is ready."""
    async with asyncio.timeout(60):
        while (match := (await client.identify(clip)).match) is None:  # noqa: ASYNC110 - others set no event here
            await asyncio.sleep(0.2)
    return match


async def get(client: Client, path: str, **headers: str) -> httpx.Response:
    return await client.ask("GET", path, headers=headers)


async def test_song_is_named_by_a_noisy_clip_with_its_place(client: Client, tmp_path: Path) -> None:
    seeds = {"one.wav": 1, "two.flac": 2, "three.ogg": 3, "four.mp3": 4}
    songs = await upload(client, *(write(tmp_path / name, song(seed)) for name, seed in seeds.items()))
    assert {name: one.status for name, one in songs.items()} == dict.fromkeys(seeds, "ready")

    for name, seed in seeds.items():
        clip = noisy_clip(seed, begin_s=6.5, duration_s=10, snr_db=10)
        match = await named(client, clip)
        assert match.song.id == songs[name].id
        assert match.offset_ms == pytest.approx(6500, abs=100)
        assert (await client.identify(clip)).coverage == 1.0


async def test_what_is_not_known_gets_no_name(client: Client) -> None:
    heard = await client.identify(noisy_clip(900, begin_s=2, duration_s=10, snr_db=10))

    assert (heard.outcome, heard.reason, heard.match) == ("no_match", "unknown", None)


async def test_silence_is_told_from_unknown_music(client: Client) -> None:
    heard = await client.identify(wav(np.zeros(10 * SAMPLE_RATE_HZ, np.float32)))

    assert (heard.outcome, heard.reason) == ("no_match", "silence")


async def test_clip_that_is_not_audio_is_told_so(client: Client) -> None:
    heard = await client.identify(b"%PDF-1.7 " + bytes(5000))

    assert (heard.outcome, heard.reason) == ("no_match", "not_audio")


async def test_song_in_another_form_is_a_duplicate_with_proof(client: Client, tmp_path: Path) -> None:
    original = await upload_one(client, write(tmp_path / "original.flac", song(11)))
    trimmed = song(11)[3 * SAMPLE_RATE_HZ :]

    copies = await upload(
        client,
        write(tmp_path / "bytes.flac", song(11)),
        write(tmp_path / "other.mp3", song(11), compression_level=0.9),
        write(tmp_path / "other.ogg", song(11)),
        write(tmp_path / "quiet.wav", 0.3 * song(11)),
        write(tmp_path / "trimmed.mp3", trimmed),
    )

    for name, copy in copies.items():
        assert (name, copy.status) == (name, "duplicate")
        assert copy.duplicate is not None
        assert copy.duplicate.song_id == original.id
        assert (copy.duplicate.overlap or 0) > 0.9
        assert copy.duplicate.offset_ms == pytest.approx(3000 if name == "trimmed.mp3" else 0, abs=60)
    evidence = {name: copy.duplicate.evidence for name, copy in copies.items() if copy.duplicate}
    assert evidence == dict.fromkeys(copies, "sound") | {"bytes.flac": "bytes"}


async def test_of_two_encodings_at_the_same_instant_exactly_one_becomes_a_song(client: Client, tmp_path: Path) -> None:
    for seed in range(100, 106):
        files = [write(tmp_path / f"{seed}.{kind}", song(seed)) for kind in ("wav", "ogg")]

        ended = await upload(client, *files)

        assert sorted(one.status for one in ended.values()) == ["duplicate", "ready"], seed
        ready = next(one for one in ended.values() if one.status == "ready")
        copy = next(one for one in ended.values() if one.status == "duplicate")
        assert copy.duplicate is not None
        assert copy.duplicate.song_id == ready.id


async def test_large_file_goes_up_in_parts(client: Client, tmp_path: Path) -> None:
    stereo = np.repeat(song(81)[:, np.newaxis], 2, axis=1)
    path = tmp_path / "large.wav"
    soundfile.write(path, np.repeat(stereo, 8, axis=0), 8 * SAMPLE_RATE_HZ, subtype="PCM_24")
    assert path.stat().st_size > 16 * 1024**2

    ready = await upload_one(client, path)

    assert ready.status == "ready"
    stream = (await get(client, f"/v1/songs/{ready.id}/stream")).json()
    async with httpx.AsyncClient(timeout=60) as anybody:
        assert (await anybody.get(stream["url"])).content == await asyncio.to_thread(path.read_bytes)


async def test_playback_returns_the_very_bytes_to_whoever_holds_the_url(client: Client, tmp_path: Path) -> None:
    path = write(tmp_path / "played.mp3", song(21))
    ready = await upload_one(client, path)
    stream = (await get(client, f"/v1/songs/{ready.id}/stream")).json()
    original = await asyncio.to_thread(path.read_bytes)

    async with httpx.AsyncClient(timeout=30) as anybody:
        whole = await anybody.get(stream["url"])
        part = await anybody.get(stream["url"], headers={"Range": "bytes=1000-1999"})
        last = stream["url"][-1]
        altered = await anybody.get(stream["url"][:-1] + ("0" if last != "0" else "1"))
        unsigned = await anybody.get(stream["url"].partition("?")[0])
        nobody = await anybody.get(f"{client.server}/v1/songs/{ready.id}/stream")

    assert whole.content == original
    assert (part.status_code, part.content) == (206, original[1000:2000])
    assert (altered.status_code, unsigned.status_code, nobody.status_code) == (403, 403, 401)
    assert stream["duration_s"] == pytest.approx(SONG_S, abs=0.1)


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("report.mp3", b"%PDF-1.7\n" + bytes(range(256)) * 40, "not_audio"),
        ("nothing.mp3", b"", "empty_file"),
        ("slow.wav", b"", "unsupported_sample_rate"),
        ("silence.flac", b"", "silence"),
        ("noise.ogg", b"OggS" + bytes(range(256)) * 40, "damaged"),
    ],
)
async def test_bad_file_is_refused_with_a_reason(
    client: Client, tmp_path: Path, name: str, content: bytes, code: str
) -> None:
    path = tmp_path / name
    if code == "silence":
        write(path, np.zeros(600 * SAMPLE_RATE_HZ, np.float32))
    elif code == "unsupported_sample_rate":
        path.write_bytes(_wav_of_one_hertz())
    else:
        path.write_bytes(content)

    ended = await upload_one(client, path)

    assert ended.status == "rejected"
    assert ended.rejection is not None
    assert ended.rejection.code == code
    assert len(ended.rejection.reason) > 10


async def test_truncated_file_is_played_as_far_as_it_goes(client: Client, tmp_path: Path) -> None:
    whole = await asyncio.to_thread(write(tmp_path / "whole.mp3", song(31)).read_bytes)
    cut = tmp_path / "cut.mp3"
    cut.write_bytes(whole[: len(whole) // 2])

    ended = await upload_one(client, cut)

    assert ended.status == "ready"
    assert (await named(client, noisy_clip(31, begin_s=1, duration_s=7, snr_db=20))).song.id == ended.id


async def test_what_the_uploader_typed_wins_over_tags(client: Client, tmp_path: Path) -> None:
    plain = await upload_one(client, write(tmp_path / "untagged.wav", song(41)))
    watcher = Watcher()
    typed = AudioFile(write(tmp_path / "typed.wav", song(42)), title="Blue <b>Hour</b>", artist="The Typists")
    await import_files(client, [typed], watcher)
    named = watcher.outcomes[0].song
    assert named is not None

    found = [one.id async for one in client.songs(q="typ blue")]

    assert (plain.title, plain.artist) == ("untagged", "")
    assert (named.title, named.artist) == ("Blue <b>Hour</b>", "The Typists")
    assert found == [named.id]


async def test_deleted_song_is_neither_found_nor_played(client: Client, tmp_path: Path) -> None:
    path = write(tmp_path / "gone.wav", song(51))
    ready = await upload_one(client, path)
    clip = noisy_clip(51, begin_s=3, duration_s=8, snr_db=15)
    stream = (await get(client, f"/v1/songs/{ready.id}/stream")).json()
    assert (await named(client, clip)).song.id == ready.id

    await client.ask("DELETE", f"/v1/songs/{ready.id}")

    async def is_unknown() -> bool:
        return (await client.identify(clip)).match is None

    async def is_gone() -> bool:
        async with httpx.AsyncClient(timeout=30) as anybody:
            return (await anybody.get(stream["url"])).status_code != 200

    await until(is_unknown)
    await until(is_gone)
    again = await upload_one(client, path)
    assert again.status == "ready"


async def test_progress_is_streamed_step_by_step(client: Client, tmp_path: Path) -> None:
    ready = await upload_one(client, write(tmp_path / "steps.wav", song(61)))

    events = await get(client, f"/v1/songs/{ready.id}/events")
    history = (await get(client, f"/v1/songs/{ready.id}")).json()["history"]

    assert events.headers["content-type"].startswith("text/event-stream")
    assert "event: song" in events.text
    assert "id: 3" in events.text
    assert [step["status"] for step in history] == ["uploaded", "fingerprinted", "ready"]


async def test_song_is_its_owners_alone_until_they_share_it(client: Client, url: str, tmp_path: Path) -> None:
    mine = await upload_one(client, write(tmp_path / "mine.wav", song(71)))
    clip = noisy_clip(71, begin_s=6.5, duration_s=10, snr_db=10)

    async def status_for(person: Client, method: str, path: str) -> int:
        try:
            return (await person.ask(method, f"/v1/songs/{mine.id}{path}")).status_code
        except Rejected as error:
            return error.status

    async with await new_client(url) as other:
        assert (await named(client, clip)).song.id == mine.id
        hidden = await other.identify(clip)
        assert (hidden.outcome, hidden.reason, hidden.alternatives) == ("no_match", "unknown", [])
        assert await status_for(other, "GET", "/stream") == await status_for(other, "DELETE", "") == 404

        await client.ask("PATCH", f"/v1/songs/{mine.id}", json={"visibility": "shared"})
        assert (await named(other, clip)).song.id == mine.id
        assert await status_for(other, "GET", "/stream") == 200
        assert await status_for(other, "DELETE", "") == 403


async def test_songs_leave_with_their_owner_and_were_only_known_already(url: str, tmp_path: Path) -> None:
    path = write(tmp_path / "theirs.wav", song(72))
    async with await new_client(url) as leaving, await new_client(url) as staying:
        song_id = (await upload_one(leaving, path)).id
        copy = await upload_one(staying, path)
        assert copy.duplicate is not None
        assert {copy.duplicate.song_id, copy.duplicate.title, copy.duplicate.overlap} == {None}
        await leaving.edit(song_id, visibility="shared")
        assert song_id in [one.id async for one in staying.songs()]

        password = leaving._account.password  # type: ignore[union-attr]  # has one
        await leaving.ask("POST", "/v1/auth/delete-account", json={"password": password})

        async def is_gone() -> bool:
            return song_id not in [one.id async for one in staying.songs()]

        await until(is_gone)
        assert (await upload_one(staying, path)).status == "ready"


async def test_nothing_is_open_without_a_token(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=30) as nobody:
        document = (await nobody.get("/openapi.json")).json()
        one_process = {
            (method, path) for path, methods in document["paths"].items() for method in methods if "/auth/" not in path
        }
        songs = {("get", "/v1/songs"), ("post", "/v1/songs"), ("get", "/v1/songs/x"), ("delete", "/v1/songs/x")}
        for method, path in one_process | songs | {("get", "/v1/songs/x/stream"), ("get", "/v1/songs/x/events")}:
            answer = await nobody.request(method.upper(), path.replace("{song_id}", "x"), json={})
            expected = 403 if path.startswith(("/blobs", "/v1/media")) else 401
            assert answer.status_code == expected, (method, path)
            assert answer.headers["content-type"] == "application/problem+json"


async def test_altered_token_is_refused(client: Client, url: str) -> None:
    session = await client.log_in(client._account.username, client._account.password)  # type: ignore[union-attr]  # has one
    head, body, signature = session.access_token.split(".")
    forged = ".".join([head, body, signature[::-1]])
    unsigned = ".".join(["eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0", body, ""])

    async with httpx.AsyncClient(base_url=url, timeout=30) as forger:
        for token in (forged, unsigned, "nonsense"):
            answer = await forger.get("/v1/songs", headers={"Authorization": f"Bearer {token}"})
            assert (answer.status_code, answer.json()["code"]) == (401, "token_invalid")


def _wav_of_one_hertz() -> bytes:
    data = bytes(2000)
    header = struct.pack(
        "<4sI4s4sIHHIIHH4sI", b"RIFF", 36 + len(data), b"WAVE", b"fmt ", 16, 1, 1, 1, 2, 2, 16, b"data", len(data)
    )
    return header + data
