"""What does the service say about songs, uploads and clips?

Fields that this version does not know are kept, so that ``--json`` shows everything the service said.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

FINAL = frozenset({"ready", "duplicate", "rejected", "deleted"})
"""Statuses after which nothing more happens to an upload."""


class Said(BaseModel):
    """What every answer has in common: frozen, tolerant of fields from the future."""

    model_config = ConfigDict(frozen=True, extra="allow")


class AccessToken(Said):
    """A token to ask with."""

    access_token: str


class Tokens(AccessToken):
    """A pair of tokens: one to ask with, one to get the next pair with."""

    refresh_token: str


class Rejection(Said):
    """Why a file cannot become a song."""

    code: str
    reason: str


class Duplicate(Said):
    """The proof that the library has this recording already; none of it where the known song is not to be seen."""

    song_id: str | None = None
    title: str | None = None
    artist: str | None = None
    evidence: str | None = None
    relation: str | None = None
    overlap: float | None = None
    offset_ms: float | None = None


class Song(Said):
    """A song, or an upload on its way to become one."""

    id: str
    status: str
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    duration_s: float | None = None
    file_name: str | None = None
    visibility: str | None = None
    rejection: Rejection | None = None
    duplicate: Duplicate | None = None


class UploadRequest(Said):
    """A signed request that stores bytes; it needs no other permission."""

    method: str
    url: str
    headers: dict[str, str] = Field(default_factory=dict)


class UploadPart(UploadRequest):
    """One of the requests that store a large file piece by piece."""

    number: int
    size_bytes: int


class SingleUpload(Said):
    """The file is stored by one request."""

    kind: Literal["single"]
    request: UploadRequest


class MultipartUpload(Said):
    """The file is stored in parts, in order of their numbers and without gaps."""

    kind: Literal["multipart"]
    parts: list[UploadPart]
    arrived: list[int] = []


class Registration(Said):
    """A song that waits for its bytes, and how to hand them over; nothing of that where they are there already."""

    song: Song
    upload: Annotated[SingleUpload | MultipartUpload, Field(discriminator="kind")] | None = None


class SongPage(Said):
    """Some of the songs asked for, and where the next ones begin."""

    songs: list[Song]
    next_cursor: str | None = None


class MatchedSong(Said):
    """The song that was heard."""

    id: str
    title: str | None = None
    artist: str | None = None
    album: str | None = None
    duration_ms: float | None = None


class Match(Said):
    """A song, and where in it the clip was recorded."""

    song: MatchedSong
    score: float
    confidence: float
    offset_ms: float


class Identification(Said):
    """What the service heard in a clip."""

    query_id: str
    outcome: Literal["match", "no_match", "inconclusive"]
    reason: str | None = None
    match: Match | None = None
    alternatives: list[Match] = Field(default_factory=list)
    coverage: float = 1.0
    took_ms: float
