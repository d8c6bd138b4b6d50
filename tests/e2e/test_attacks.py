"""What do files and questions that mean harm reach? A refusal that says what is wrong, and nothing else."""

from __future__ import annotations

import asyncio
import io
import struct
import zipfile
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import boto3
import httpx
import numpy as np
import pytest
import soundfile

from deploy.local.one_process import OneProcess
from deploy.local.stack import Stack
from tests.e2e.conftest import new_client
from tests.e2e.music import noisy_clip, song, write
from tests.e2e.test_main_job import named, upload, upload_one
from tunescout.answers import Song
from tunescout.client import Client

pytestmark = pytest.mark.timeout(300)

PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}/secret.ts\n#EXT-X-ENDLIST\n"
DASH = '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><BaseURL>{url}/secret.mpd</BaseURL></MPD>'
SVG = '<svg xmlns="http://www.w3.org/2000/svg"><image href="{url}/secret.svg"/></svg>'


@asynccontextmanager
async def trap() -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server inside the network that no file may reach, and what was asked of it."""
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.read(1000))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


@pytest.fixture(scope="module")
def long_silence() -> bytes:
    """More silence than a song may be long, in less than a megabyte of FLAC."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 8_000, 1, "PCM_16", format="FLAC", compression_level=0) as flac:
        for _ in range(13):
            flac.write(np.zeros(600 * 8_000, np.int16))
    return file.getvalue()


def of_unknown_length(flac: bytes) -> bytes:
    """The same file, whose header does not say how long it is (the last 36 bits before the checksum of the music)."""
    return flac[:21] + bytes((flac[21] & 0xF0, 0, 0, 0, 0)) + flac[26:]


def wav_of(sample_rate_hz: int, channels: int, data: bytes = bytes(2000)) -> bytes:
    frame = 2 * channels
    form = struct.pack("<HHIIHH", 1, channels, sample_rate_hz, sample_rate_hz * frame % 2**32, frame % 2**16, 16)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def zip_archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb", bytes(50_000_000))
    return file.getvalue()


def with_linked_cover(mp3: bytes, url: str) -> bytes:
    """The song behind an ID3 tag whose covers are an SVG and a link (ID3v2.4.0 frames, section 4.14)."""
    pictures = (b"\0image/svg+xml\0\3\0" + SVG.format(url=url).encode(), b"\0-->\0\3\0" + f"{url}/secret.jpg".encode())
    frames = b"".join(b"APIC" + struct.pack(">IH", len(picture), 0) + picture for picture in pictures)
    size = bytes(len(frames) >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x03\0\0" + size + frames + mp3


def written(folder: Path, files: dict[str, bytes]) -> list[Path]:
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


def refusals(ended: dict[str, Song]) -> dict[str, str]:
    """The code of each refusal; all have a sentence for their owner."""
    assert {one.status for one in ended.values()} == {"rejected"}
    for one in ended.values():
        assert one.rejection is not None
        assert len(one.rejection.reason.split()) > 3
        assert "Traceback" not in one.rejection.reason
    return {name: one.rejection.code for name, one in ended.items() if one.rejection is not None}


async def test_bombs_and_impossible_headers_are_refused_with_what_is_wrong(
    client: Client, tmp_path: Path, long_silence: bytes
) -> None:
    files = {
        "too-long.flac": long_silence,
        "who-knows-how-long.flac": of_unknown_length(long_silence),
        "one-hertz.wav": wav_of(1, 1),
        "four-gigahertz.wav": wav_of(4_000_000_000, 1),
        "many-channels.wav": wav_of(44_100, 65_535),
        "no-channels.wav": wav_of(44_100, 0),
        "archive.wav": zip_archive(),
        "program.mp3": b"\x7fELF" + bytes(5_000),
        "empty.mp3": b"",
    }
    ended = await upload(client, *written(tmp_path, files), parallel=9)

    assert refusals(ended) == {
        "too-long.flac": "too_long",
        "who-knows-how-long.flac": "too_long",
        "one-hertz.wav": "unsupported_sample_rate",
        "four-gigahertz.wav": "damaged",
        "many-channels.wav": "damaged",
        "no-channels.wav": "damaged",
        "archive.wav": "not_audio",
        "program.mp3": "not_audio",
        "empty.mp3": "empty_file",
    }


async def test_no_file_makes_the_service_ask_an_address_inside_the_network(client: Client, tmp_path: Path) -> None:
    async with trap() as (url, asked):
        playlist = PLAYLIST.format(url=url).encode()
        mp3 = await asyncio.to_thread(lambda: write(tmp_path / "mine.mp3", song(7_001)).read_bytes())
        scripts = {
            "hls.mp3": playlist,
            "concat.mp3": f"ffconcat version 1.0\nfile '{url}/secret'\n".encode(),
            "dash.m4a": DASH.format(url=url).encode(),
            "picture.ogg": SVG.format(url=url).encode(),
            "hls-inside.wav": wav_of(44_100, 2, playlist),
            "hls-behind-a-tag.mp3": b"ID3\x03\0\0\0\0\0\0" + playlist,
        }
        ended = await upload(client, *written(tmp_path, scripts), parallel=6)
        covered = await upload_one(client, *written(tmp_path, {"linked-cover.mp3": with_linked_cover(mp3, url)}))
        for script in scripts.values():
            heard = await client.identify(script)
            assert heard.outcome == "no_match"
            assert heard.reason in ("not_audio", "too_short", "damaged")

        assert set(refusals(ended).values()) <= {"not_audio", "too_short", "damaged"}
        assert covered.status == "ready"
        with pytest.raises(Exception, match="no cover"):
            await client.ask("GET", f"/v1/songs/{covered.id}/cover")
        assert asked == []


async def test_a_flood_of_noise_ends_in_time_and_keeps_nobody_from_an_answer(
    url: str, client: Client, tmp_path: Path
) -> None:
    known = await upload_one(client, write(tmp_path / "known.flac", song(7_002)))
    clip = noisy_clip(7_002, begin_s=4, duration_s=8, snr_db=10)
    await named(client, clip)
    noise = wav_of(8_000, 1, np.random.default_rng(1).integers(-9_000, 9_000, 500_000, np.int16).tobytes())
    async with await new_client(url) as flooder, httpx.AsyncClient(base_url=url, timeout=60) as http:
        session = await flooder.ask("GET", "/v1/queries")
        headers = {"Authorization": session.request.headers["Authorization"], "Content-Type": "audio/wav"}
        asked = "/v1/queries?deadline_ms=4000"
        flood = [asyncio.create_task(http.post(asked, content=noise, headers=headers)) for _ in range(100)]
        heard = await client.identify(clip)
        answers = await asyncio.gather(*flood)

    assert heard.match is not None
    assert heard.match.song.id == known.id
    for answer in answers:
        assert answer.status_code in (200, 429, 503)
        if answer.status_code == 200:
            assert answer.json()["match"] is None
        else:
            assert answer.headers["content-type"] == "application/problem+json"
            assert int(answer.headers["retry-after"]) >= 1


async def test_one_users_pile_of_broken_files_does_not_stop_another(url: str, client: Client, tmp_path: Path) -> None:
    pile = {f"{number}.wav": wav_of(8_000, 1, bytes(100 + number)) for number in range(10)}
    pile |= {f"{number}.mp3": b"\xff\xfb\x90\x64" * (9_000 + number) for number in range(10)}
    async with await new_client(url) as piler:
        paths = written(tmp_path, pile)
        flood = asyncio.create_task(upload(piler, *paths, parallel=10))
        good = await upload_one(client, write(tmp_path / "good.ogg", song(7_003)))
        ended = await flood

    assert good.status == "ready"
    assert len(refusals(ended)) == 20


def blobs_of(service: OneProcess | Stack, songs: Iterable[Song]) -> list[str]:
    """What is still kept of these uploads: keys of the bucket, and temporary files."""
    if isinstance(service, OneProcess):
        audio = service.folder / "data" / "audio"
        kept = [path.as_posix() for path in (audio / "blobs").rglob("*~data")]
        left = [path.as_posix() for path in (*(audio / "incoming").iterdir(), *service.folder.glob("tunescout-*"))]
    else:
        s3 = boto3.client(
            "s3",
            endpoint_url=service.s3.endpoint,
            region_name="eu-central-1",
            aws_access_key_id=service.settings["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=service.settings["AWS_SECRET_ACCESS_KEY"],
        )
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=service.settings["TUNESCOUT_BLOBS__BUCKET"])
        kept, left = [found["Key"] for page in pages for found in page.get("Contents", ())], []
        s3.close()
    ids = {one.id for one in songs}
    return [key for key in kept if any(song_id in key for song_id in ids)] + left


@pytest.mark.parametrize("way", ["one_process", "stack"])
async def test_attacks_leave_nothing_behind_and_everybody_at_work(
    request: pytest.FixtureRequest, tmp_path: Path, way: str
) -> None:
    service: OneProcess | Stack = request.getfixturevalue(way)
    async with await new_client(service.url) as client:
        attacks = {"archive.wav": zip_archive(), "one-hertz.wav": wav_of(1, 1), "empty.mp3": b""}
        ended = await upload(client, *written(tmp_path, attacks))
        after = await upload_one(client, write(tmp_path / "after.ogg", song(7_004)))
    async with asyncio.timeout(100):  # packages of songs that came before may still be made
        while await asyncio.to_thread(blobs_of, service, ended.values()):  # noqa: ASYNC110 - others set no event here
            await asyncio.sleep(0.2)

    assert len(refusals(ended)) == 3
    assert after.status == "ready"
    async with httpx.AsyncClient(base_url=service.url, timeout=30) as http:
        assert (await http.get("/ready")).status_code == 200
