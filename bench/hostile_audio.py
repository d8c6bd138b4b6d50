"""What do bad disks, broken uploads and attackers make of an audio file?"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, TypeVar

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.stream import Disposition
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from tunescout.synthesis import tune

MOST_BYTES = 4 * 1024 * 1024
"""Length that no damage exceeds: what is wanted are many files, not large ones."""

SONG_S = 4.0
TAGS = {"title": "Quiet engines", "artist": "Nobody", "album": "Untitled", "date": "1999", "track": "3/9"}

_WRITERS: Mapping[str, tuple[str, str, int]] = {
    "mp3": ("mp3", "libmp3lame", 44_100),
    "flac": ("flac", "flac", 48_000),
    "m4a": ("mp4", "aac", 44_100),
    "alac": ("ipod", "alac", 44_100),
    "mov": ("mov", "pcm_s16be", 22_050),
    "aac": ("adts", "aac", 22_050),
    "opus": ("ogg", "libopus", 48_000),
    "ogg": ("ogg", "vorbis", 44_100),
    "webm": ("webm", "libopus", 48_000),
    "mkv": ("matroska", "aac", 22_050),
    "wav": ("wav", "pcm_s16le", 22_050),
    "float.wav": ("wav", "pcm_f32le", 11_025),
    "aiff": ("aiff", "pcm_s24be", 22_050),
}
"""Muxer, encoder and sample rate by the ending of the file."""
_BITEXACT_FILE = 0x400  # AVFMT_FLAG_BITEXACT
_WITH_COVER = ("mp3", "flac", "m4a")
_WITH_ID3 = ("aac", "aiff")

_FIELDS = (
    *(b"RIFF", b"fmt ", b"data", b"LIST", b"id3 ", b"fact", b"FORM", b"COMM", b"SSND", b"fLaC", b"OggS", b"OpusHead"),
    *(b"OpusTags", b"vorbis", b"ftyp", b"moov", b"mvhd", b"trak", b"mdhd", b"stsd", b"stts", b"stsc", b"stsz", b"stco"),
    *(b"esds", b"alac", b"udta", b"ilst", b"covr", b"mdat", b"ID3", b"TIT2", b"APIC", b"Xing", b"Info", b"LAME"),
    *(b"\x1aE\xdf\xa3", b"\x18S\x80g", b"\x15I\xa9f", b"\x16T\xaek", b"\xae", b"\x1fC\xb6u", b"\xa3"),
)
"""What stands before the lengths and counts that readers believe: chunks, boxes, pages, frames, elements."""

_EDGES = (
    0,
    1,
    2,
    7,
    255,
    2**15 - 1,
    2**15,
    2**16 - 1,
    2**24,
    2**31 - 1,
    2**31,
    2**32 - 2,
    2**32 - 1,
    2**63 - 1,
    2**64 - 1,
)

Random = np.random.Generator
T = TypeVar("T")
Damage = Callable[[bytes, Sequence[bytes], Random], bytes]


@cache
def originals() -> Mapping[str, bytes]:
    """Return short songs in every container that is accepted, with tags, and covers where those are kept.

    Returns
    -------
    mapping
        Files by the ending of their names.
    """
    music = tune(1, SONG_S, 22_050)
    return {ending: _written(ending, music) for ending in _WRITERS}


def _written(ending: str, music: NDArray[np.float32]) -> bytes:
    muxer, encoder, rate_hz = _WRITERS[ending]
    file = io.BytesIO()
    options = {"write_id3v2": "1"} if ending in _WITH_ID3 else {}
    with av.open(file, "w", format=muxer, options=options) as container:
        container.flags = int(container.flags) | _BITEXACT_FILE  # no random numbers: equal seeds make equal files
        container.metadata.update(TAGS)
        stream: Any = container.add_stream(encoder, rate=rate_hz, layout="stereo", options={"strict": "experimental"})
        if ending in _WITH_COVER:
            _add_cover(container)
        samples = np.repeat(np.resize(music, round(SONG_S * rate_hz))[None], 2, axis=0)
        frame = AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
        frame.sample_rate = rate_hz
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file.getvalue()


def _add_cover(container: Any) -> None:
    stream: Any = container.add_stream("png")
    stream.width = stream.height = 16
    stream.pix_fmt, stream.disposition = "rgb24", Disposition.attached_pic
    picture = VideoFrame.from_ndarray(np.arange(768, dtype=np.uint8).reshape(16, 16, 3), format="rgb24")
    for packet in (*stream.encode(picture), *stream.encode(None)):
        container.mux(packet)


def damaged(files: Sequence[bytes], random: Random) -> bytes:
    """Return one of the files after one to four kinds of damage.

    Parameters
    ----------
    files : sequence of bytes
        Whole files; others than the chosen one give the parts that are mixed in.
    random : Generator
        Where the choices come from: an equal one makes an equal file.
    """
    data = _one(files, random)
    for _ in range(1 + min(3, int(random.geometric(0.55)) - 1)):
        data = _one(DAMAGES, random)(data, files, random)[:MOST_BYTES]
    return data


# --- Kinds of damage ---


def flipped_bits(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    """Return the file with some bits turned over, half of the time near its beginning."""
    changed = bytearray(data)
    for _flip in range(int(random.integers(1, 65)) if data else 0):
        changed[_place(data, random)] ^= 1 << int(random.integers(8))
    return bytes(changed)


def overwritten(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    """Return the file with noise, zeros or ones over a part."""
    at, filling = _place(data, random), _filling(random)
    return data[:at] + filling + data[at + len(filling) :]


def cut(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    """Return the file without its end, its beginning, or some of its middle."""
    begin, end = sorted((_place(data, random), int(random.integers(len(data) + 1))))
    return _one((data[:end], data[begin:], data[:begin] + data[end:]), random)


def repeated(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    """Return the file with a part of it many times over."""
    at, length = _place(data, random), int(random.integers(1, 20_000))
    return data[:at] + data[at : at + length] * int(random.integers(2, 60)) + data[at:]


def inserted(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    """Return the file with bytes between its own, so that all places behind them are wrong."""
    at = _place(data, random)
    return data[:at] + _filling(random) + data[at:]


def spliced(data: bytes, files: Sequence[bytes], random: Random) -> bytes:
    """Return the beginning of the file and the end of another, which may be of another kind."""
    other = _one(files, random)
    return data[: _place(data, random)] + other[_place(other, random) :]


def concatenated(data: bytes, files: Sequence[bytes], random: Random) -> bytes:
    """Return the file and another one behind it or before it."""
    other = _one(files, random)
    return _one((data + other, other + data), random)


def disguised(data: bytes, files: Sequence[bytes], random: Random) -> bytes:
    """Return the file behind the first bytes of one of another kind."""
    length = int(random.integers(4, 200))
    return _one(files, random)[:length] + data[length:]


def misleading_fields(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    """Return the file with impossible lengths, counts and rates, most of them where such fields are."""
    changed = bytearray(data)
    for _field in range(int(random.integers(1, 5))):
        at, marker = _place(data, random), _one(_FIELDS, random)
        if random.random() < 0.8 and (found := data.find(marker, at if random.random() < 0.3 else 0)) >= 0:
            at = found + len(marker) + 2 * int(random.integers(-4, 20))
        width = int(random.choice((2, 4, 8)))
        edge = (_one(_EDGES, random) % 256**width).to_bytes(width, "little")
        if 0 <= at <= len(changed) - width:
            changed[at : at + width] = edge if random.random() < 0.5 else edge[::-1]
    return bytes(changed)


def tagged(data: bytes, _: Sequence[bytes], random: Random) -> bytes:
    """Return the file with ID3, APE or ID3v1 tags whose lengths, flags and texts are wrong."""
    kind = int(random.integers(4))
    if kind == 0:
        return data + b"TAG" + random.bytes(125)
    if kind == 1:
        claim = _one(_EDGES, random) % 2**32
        return data + b"APETAGEX" + struct.pack("<IIII8s", 2000, claim, claim, 0, bytes(8))
    frames = b"".join(_id3_frame(random) for _ in range(int(random.integers(1, 8))))
    claimed = len(frames) if random.random() < 0.5 else int(random.choice((0, 1, 2**14, 2**28 - 1)))
    size = bytes(claimed >> shift & 0x7F for shift in (21, 14, 7, 0))
    header = b"ID3" + bytes((int(random.choice((2, 3, 4, 9))), 0, int(random.integers(256)))) + size
    return (header + frames) * (1 if kind == 2 else int(random.integers(2, 30))) + data


def _id3_frame(random: Random) -> bytes:
    names = (b"TIT2", b"TPE1", b"APIC", b"TXXX", b"COMM", b"TSRC", b"TDRC", b"\0\0\0\0", b"PIC\0")
    prefixes = (b"\xff\xfe", b"\xfe\xff", b"image/png\0\3\0", b"eng\0", b"-->\0", b"")
    bodies = (random.bytes(40), b"\xd8\x00" * 20, b"\x89PNG\r\n\x1a\n" + random.bytes(30), b"A" * 9000)
    body = bytes((int(random.choice((0, 1, 2, 3, 9))),)) + _one(prefixes, random) + _one(bodies, random)
    size = len(body) if random.random() < 0.6 else _one(_EDGES, random) % 2**32
    flags = int(random.integers(2**16)) if random.random() < 0.3 else 0
    return _one(names, random) + struct.pack(">IH", size, flags) + body


DAMAGES: tuple[Damage, ...] = (
    flipped_bits,
    overwritten,
    cut,
    repeated,
    inserted,
    spliced,
    concatenated,
    disguised,
    misleading_fields,
    misleading_fields,
    misleading_fields,
    tagged,
)
"""Wrong fields thrice: readers believe them, and they are seldom hit by chance."""


def _one(choices: Sequence[T], random: Random) -> T:
    return choices[int(random.integers(len(choices)))]


def _place(data: bytes, random: Random) -> int:
    """Return a place in the file, half of the time in its header."""
    within = min(len(data), 600) if random.random() < 0.5 else len(data)
    return int(random.integers(within)) if within else 0


def _filling(random: Random) -> bytes:
    length = int(2 ** random.uniform(0, 13))
    return bytes(_one((random.bytes(length), bytes(length), b"\xff" * length), random))
