"""What does a file say about itself, once everything that could hurt a reader is taken out?

Tags are optional: a file with absurd or unreadable ones has none, and is still a song.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import av
from tinytag import TinyTag, TinyTagException

from shared.audio.picture import pixels
from shared.audio.sniff import sniff
from shared.errors import Rejected
from shared.events import Tags

MAX_TEXT = 500
"""Longest text of one tag, in characters."""

MAX_COVER_BYTES = 5 * 1024 * 1024
MAX_COVER_PIXELS = 32 * 1024 * 1024
"""Pixels of a cover: 128 MB where a browser unpacks it. A file of a few kilobytes can claim a thousand times more."""

_COVER_TYPES = ((0, b"\xff\xd8\xff", "image/jpeg"), (0, b"\x89PNG\r\n\x1a\n", "image/png"), (8, b"WEBP", "image/webp"))
_ISRC = re.compile(r"[A-Z]{2}[A-Z0-9]{3}[0-9]{7}")  # ISO 3901
_YEAR = re.compile(r"[12][0-9]{3}(?![0-9])")
_JOINERS = frozenset("\u200c\u200d")


@dataclass(frozen=True, slots=True)
class Cover:
    """The picture in a file.

    Attributes
    ----------
    data : bytes
        The picture as it is in the file, never decoded here.
    content_type : str
        ``image/jpeg``, ``image/png`` or ``image/webp``, judged by the first bytes alone.
    """

    data: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class FileTags:
    """What a file says about itself."""

    tags: Tags
    cover: Cover | None


def read_tags(path: Path) -> FileTags:
    """Read the tags and the cover picture of an audio file of any kind that `sniff` knows.

    Parameters
    ----------
    path : Path
        The file; its name plays no part.
    """
    try:
        is_matroska = sniff(path).demuxer == "matroska"
    except Rejected:
        return FileTags(Tags(), None)
    return FileTags(_clean(_matroska_claims(path)), None) if is_matroska else _read_with_tinytag(path)


def _read_with_tinytag(path: Path) -> FileTags:
    try:
        with path.open("rb") as file:
            found = TinyTag.get(file_obj=file, duration=False, image=True)
    except (TinyTagException, OSError):
        return FileTags(Tags(), None)
    claims = {
        "title": found.title,
        "artist": found.artist,
        "album": found.album,
        "album_artist": found.albumartist,
        "genre": found.genre,
        "isrc": next(iter(found.other.get("isrc") or ()), None),
        "date": found.year,
        "track": found.track,
    }
    picture = found.images.front_cover or found.images.any
    return FileTags(_clean(claims), None if picture is None else _cover(picture.data))


def _matroska_claims(path: Path) -> Mapping[str, object]:
    try:
        with path.open("rb") as file, av.open(file, format="matroska", metadata_errors="replace") as container:
            streams = [stream.metadata for stream in container.streams.audio]
            return {key.lower(): value for tags in (*streams, container.metadata) for key, value in tags.items()}
    except av.FFmpegError as error:
        if isinstance(error, MemoryError):
            raise
        return {}


def _clean(claims: Mapping[str, object]) -> Tags:
    text = {key: clean_text(str(claim)) for key, claim in claims.items() if claim is not None}
    isrc = _ISRC.fullmatch(re.sub(r"[ -]", "", text.get("isrc") or "").upper())
    year = _YEAR.match(text.get("date") or "")
    track = re.match(r"[0-9]{1,4}(?![0-9])", text.get("track") or "")
    return Tags(
        title=text.get("title"),
        artist=text.get("artist"),
        album=text.get("album"),
        album_artist=text.get("album_artist"),
        genre=text.get("genre"),
        isrc=isrc[0] if isrc else None,
        year=int(year[0]) if year else None,
        track=int(track[0]) or None if track else None,
    )


def clean_text(text: str) -> str | None:
    """Return text that is safe to store and to show, or None where nothing is left.

    White space is folded; control characters, half surrogates, unassigned characters and invisible formatting are taken
    out, so that no text can turn the direction of its surroundings round. Joiners stay, words and emoji need them.

    Parameters
    ----------
    text : str
        Of unknown origin.
    """
    folded = " ".join(text[: 10 * MAX_TEXT].split())
    kept = "".join(char for char in folded if char in _JOINERS or unicodedata.category(char)[0] != "C")
    return " ".join(unicodedata.normalize("NFC", kept).split())[:MAX_TEXT].rstrip() or None


def _cover(data: bytes) -> Cover | None:
    if len(data) > MAX_COVER_BYTES or not 0 < (pixels(data) or 0) <= MAX_COVER_PIXELS:
        return None
    for at, magic, content_type in _COVER_TYPES:
        if data.startswith(magic, at):
            return Cover(data, content_type)
    return None
