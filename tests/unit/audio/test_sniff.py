from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.audio.decode import DecoderName, decode
from shared.audio.ffmpeg_source import FfmpegSource
from shared.audio.pyav_source import PyavSource
from shared.audio.sniff import AAC, FLAC, MP3, FileKind, sniff
from shared.audio.source import DecodeLimits, Source
from shared.errors import Rejected
from tests.unit.audio.sound import DECODERS, RECIPES, Recipe, recipe, tone, write


def id3(body_bytes: int) -> bytes:
    size = bytes(body_bytes >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\x00\x00" + size + bytes(body_bytes)


def rejected(path: Path, data: bytes) -> Rejected:
    path.write_bytes(data)
    with pytest.raises(Rejected) as refusal:
        sniff(path)
    return refusal.value


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: f"{r.container}-{r.codec}")
def test_a_kind_is_told_by_its_bytes_whatever_the_name(tmp_path: Path, recipe: Recipe) -> None:
    path = write(tmp_path / "report.pdf", recipe, tone(0.5, sample_rate_hz=recipe.sample_rate_hz))
    assert sniff(path).container == recipe.container


@pytest.mark.parametrize(("container", "kind"), [("mp3", MP3), ("flac", FLAC), ("aac", AAC)])
def test_an_id3_tag_of_any_size_may_come_first(tmp_path: Path, container: str, kind: FileKind) -> None:
    path = write(tmp_path / "song", recipe(container), tone(1.0, sample_rate_hz=recipe(container).sample_rate_hz))
    data = path.read_bytes()
    for tag in (id3(20), id3(3_000_000), id3(5) + id3(100_000)):
        path.write_bytes(tag + data)
        assert sniff(path).demuxer == kind.demuxer
        assert decode(path, sample_rate_hz=8000).duration_s == pytest.approx(1.0, abs=0.15)


def test_an_mp3_without_any_tag_is_an_mp3(tmp_path: Path) -> None:
    path = write(tmp_path / "song", recipe("mp3"), tone(1.0), options={"id3v2_version": "0", "write_xing": "0"})
    assert path.read_bytes()[0] == 0xFF
    assert sniff(path) == MP3
    path.write_bytes(bytes(1500) + path.read_bytes())
    assert sniff(path) == MP3


def test_an_empty_file_says_so(tmp_path: Path) -> None:
    assert rejected(tmp_path / "song.mp3", b"").code == "empty_file"


@pytest.mark.parametrize(
    ("data", "looks_like"),
    [
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n", "PDF"),
        (b"PK\x03\x04\x14\x00\x00\x00", "ZIP"),
        (b"\xff\xd8\xff\xe0\x00\x10JFIF", "picture"),
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "picture"),
        (b"\x00\x00\x00\x18ftypheic\x00\x00\x00\x00", "picture"),
        (b"MThd\x00\x00\x00\x06\x00\x01", "MIDI"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>", "web page"),
        ("Grüße an alle, das ist ein Text.\n".encode(), "text"),
        (b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1/a.ts\n", "playlist"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "list of other files"),
        (np.random.default_rng(0).bytes(100_000), "not MP3"),
        (id3(500) + np.random.default_rng(0).bytes(100_000), "not MP3"),
        (id3(500) + b"#EXTM3U\nhttp://127.0.0.1/a.ts\n", "playlist"),
        (id3(500), "ID3 tag"),
    ],
)
def test_what_is_not_audio_is_called_by_its_name(tmp_path: Path, data: bytes, looks_like: str) -> None:
    refusal = rejected(tmp_path / "song.mp3", data)
    assert refusal.code == "not_audio"
    assert looks_like in refusal.reason


def test_an_archive_of_mp3_files_is_not_an_mp3(tmp_path: Path) -> None:
    song = write(tmp_path / "song", recipe("mp3"), tone(1.0)).read_bytes()
    assert "ZIP" in rejected(tmp_path / "album.mp3", b"PK\x03\x04" + bytes(30) + song).reason


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    magic=st.sampled_from([b"", b"ID3\x04\0\0\0\0\0\x05", b"RIFF", b"\xff\xfb\x90", b"\xff\xf1\x50", b"OggS", b"FORM"]),
    rest=st.binary(max_size=200),
)
def test_any_bytes_are_a_known_kind_or_rejected(tmp_path: Path, magic: bytes, rest: bytes) -> None:
    path = tmp_path / "bytes"
    path.write_bytes(magic + rest)
    try:
        kind = sniff(path)
    except Rejected:
        return
    assert kind.content_type


@pytest.fixture
def visits() -> Iterator[tuple[int, list[str]]]:
    """Run a server that remembers who connects; gives its port and the list."""
    seen: list[str] = []

    class Door(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            seen.append(str(self.client_address))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Door) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server.server_address[1], seen
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize(
    "script",
    [
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nhttp://127.0.0.1:{port}/secret.mp3\n#EXT-X-ENDLIST\n",
        "ffconcat version 1.0\nfile http://127.0.0.1:{port}/secret.mp3\n",
    ],
)
def test_no_playlist_makes_us_connect_anywhere(
    tmp_path: Path, visits: tuple[int, list[str]], script: str, decoder: DecoderName
) -> None:
    port, seen = visits
    path = tmp_path / "song.mp3"
    path.write_text(script.format(port=port))
    with pytest.raises(Rejected) as refusal:
        decode(path, sample_rate_hz=8000, decoder=decoder)
    assert refusal.value.code == "not_audio"
    # Nor when the first check is fooled: the forced demuxer follows no script.
    source_of: type[PyavSource | FfmpegSource] = PyavSource if decoder == "pyav" else FfmpegSource

    def open_and_read() -> list[int]:
        source: Source = source_of(path, MP3, DecodeLimits())
        with source:
            return [len(block) for block in source.blocks(8000, 60.0)]

    with suppress(Rejected):
        assert open_and_read() == []
    assert seen == []
