"""What is this file, judged by its own bytes alone?

A name or a declared type proves nothing, and FFmpeg's own guess may be a playlist or a script that opens other files.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from shared.errors import Rejected


@dataclass(frozen=True, slots=True)
class FileKind:
    """A kind of audio file that can be opened.

    Attributes
    ----------
    container : str
        Its short name, for example ``mp3``.
    demuxer : str
        The FFmpeg demuxer that must read it, and no other.
    content_type : str
        Its media type, for players.
    states_duration : bool
        Whether its header says how long it is. Where it does not, FFmpeg guesses from the bit rate of the first frames,
        which is far off for variable bit rates.
    """

    container: str
    demuxer: str
    content_type: str
    states_duration: bool = True


MP3 = FileKind("mp3", "mp3", "audio/mpeg", states_duration=False)
AAC = FileKind("aac", "aac", "audio/aac", states_duration=False)
FLAC = FileKind("flac", "flac", "audio/flac")
OGG = FileKind("ogg", "ogg", "audio/ogg")
OPUS = FileKind("opus", "ogg", "audio/ogg")
WAV = FileKind("wav", "wav", "audio/wav")
AIFF = FileKind("aiff", "aiff", "audio/aiff")
MP4 = FileKind("mp4", "mov", "audio/mp4")
MOV = FileKind("mov", "mov", "video/quicktime")
MATROSKA = FileKind("matroska", "matroska", "audio/x-matroska")
WEBM = FileKind("webm", "matroska", "audio/webm")

_ACCEPTED = "MP3, WAV, FLAC, Ogg, Opus, M4A, AAC, WebM or AIFF"

_HEAD_BYTES = 64 * 1024
"""How far into a file, behind its ID3 tags, the first MPEG frame may be: some writers leave padding in front of it."""

_MAX_ID3_TAGS = 8

_PICTURE_BRANDS = (b"heic", b"heix", b"hevc", b"mif1", b"msf1", b"avif", b"avis")

_OTHER_KINDS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"%PDF", "a PDF document"),
    (0, b"PK\x03\x04", "a ZIP archive or an office document"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (0, b"Rar!", "a RAR archive"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"\x89PNG\r\n\x1a\n", "a PNG picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"BM", "a BMP picture"),
    (0, b"II*\x00", "a TIFF picture"),
    (0, b"MM\x00*", "a TIFF picture"),
    (8, b"WEBP", "a WebP picture"),
    (0, b"MThd", "a MIDI file, which holds notes but no sound"),
    (8, b"RMID", "a MIDI file, which holds notes but no sound"),
    (8, b"AVI ", "an AVI video"),
    (0, b"FLV\x01", "a Flash video"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "a Windows Media file"),
    (0, b"\x7fELF", "a program"),
    (0, b"MZ", "a program"),
    (0, b"#EXTM3U", "a playlist, which names audio but holds none"),
    (0, b"[playlist]", "a playlist, which names audio but holds none"),
    (0, b"ffconcat", "a list of other files"),
)
"""Signatures (offset, bytes) of files that people take for audio, and what to call them."""


def sniff(path: Path) -> FileKind:
    """Return what kind of audio file this is.

    Parameters
    ----------
    path : Path
        The file; its name plays no part.

    Raises
    ------
    Rejected
        ``empty_file``, or ``not_audio`` with what it looks like instead.
    """
    with path.open("rb") as file:
        has_id3 = _skip_id3(file)
        head = file.read(_HEAD_BYTES)
        if not head:
            if has_id3:
                raise Rejected("not_audio", "the file holds an ID3 tag but no audio behind it")
            raise Rejected("empty_file", "the file is empty")
        if kind := _by_signature(head):
            return kind
        # Before looking for frames, which an archive of MP3 files holds as well.
        if looks_like := _name_of_other_kind(head):
            raise Rejected("not_audio", f"the file is {looks_like}, not {_ACCEPTED}")
        if kind := _by_mpeg_frames(head):
            return kind
        raise Rejected("not_audio", f"the file is not {_ACCEPTED}")


def _skip_id3(file: BinaryIO) -> bool:
    """Move behind the ID3v2 tags at the beginning, by the length in their header (ID3v2.4.0 structure, 3.1)."""
    found = False
    for _ in range(_MAX_ID3_TAGS):
        begin = file.tell()
        header = file.read(10)
        if len(header) < 10 or not header.startswith(b"ID3") or max(header[6:10]) > 0x7F:
            file.seek(begin)
            break
        found = True
        body_bytes = header[6] << 21 | header[7] << 14 | header[8] << 7 | header[9]
        footer_bytes = 10 if header[5] & 0x10 else 0
        file.seek(begin + 10 + body_bytes + footer_bytes)
    return found


def _by_signature(head: bytes) -> FileKind | None:
    if head.startswith(b"fLaC"):
        return FLAC
    if head.startswith(b"OggS"):
        return OPUS if b"OpusHead" in head[:64] else OGG
    if head[:4] in (b"RIFF", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return WAV
    if head.startswith(b"FORM") and head[8:12] in (b"AIFF", b"AIFC"):
        return AIFF
    if head.startswith(b"\x1aE\xdf\xa3"):
        return WEBM if b"webm" in head[:64] else MATROSKA
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand in _PICTURE_BRANDS:
            return None
        return MOV if brand == b"qt  " else MP4
    return MOV if head[4:8] in (b"moov", b"mdat", b"wide") else None


def _by_mpeg_frames(head: bytes) -> FileKind | None:
    """Look for three MPEG audio frames in a row: MP3 and ADTS files have no signature, only frames."""
    at = head.find(b"\xff")
    while at >= 0:
        for kind, frame_bytes in ((MP3, _mp3_frame_bytes), (AAC, _adts_frame_bytes)):
            end, frames = at, 0
            while frames < 3 and (length := frame_bytes(head[end : end + 7])):
                end += length
                frames += 1
            is_whole_file = at == 0 and frames and end >= len(head)
            if frames == 3 or is_whole_file:
                first_frame = head[at : at + frame_bytes(head[at : at + 7])]
                return replace(kind, states_duration=any(mark in first_frame for mark in (b"Xing", b"Info", b"VBRI")))
        at = head.find(b"\xff", at + 1)
    return None


_BIT_RATES_KBPS = {
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Bit rates by (is MPEG-1, layer), ISO/IEC 11172-3 and 13818-3, section 2.4.2.3."""

_SAMPLE_RATES_HZ = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
"""Sample rates by version bits: MPEG-1, MPEG-2, MPEG-2.5."""


def _mp3_frame_bytes(header: bytes) -> int:
    """Return the length of the MPEG audio layer II or III frame that begins here, 0 where none does."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return 0
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bit_rate, sample_rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer not in (2, 3) or bit_rate in (0, 15) or sample_rate == 3:
        return 0
    samples = 576 if layer == 3 and version != 3 else 1152
    bit_rate_bps = 1000 * _BIT_RATES_KBPS[version == 3, layer][bit_rate - 1]
    return samples // 8 * bit_rate_bps // _SAMPLE_RATES_HZ[version][sample_rate] + (header[2] >> 1 & 1)


def _adts_frame_bytes(header: bytes) -> int:
    """Return the length of the ADTS frame that begins here, 0 where none does (ISO/IEC 13818-7, section 6.2)."""
    if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0 or header[2] >> 2 & 15 > 12:
        return 0
    length = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
    return length if length > 7 else 0


def _name_of_other_kind(head: bytes) -> str | None:
    if head[4:8] == b"ftyp":
        return "a picture"
    return next((name for at, magic, name in _OTHER_KINDS if head.startswith(magic, at)), None) or _name_of_text(head)


def _name_of_text(head: bytes) -> str | None:
    begin = head[:1024].decode("utf-8", errors="ignore").lstrip("\ufeff \t\r\n")
    if begin[:15].lower().startswith(("<!doctype html", "<html", "<head", "<body")):
        return "a web page"
    return "text" if begin and all(char.isprintable() or char.isspace() for char in begin) else None
