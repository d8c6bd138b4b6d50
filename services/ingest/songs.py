"""What is a song, and what may become of it?"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal

from shared.catalogue import LibraryEntry, Visibility
from shared.errors import Rejected
from shared.events import AudioFormat, Tags
from shared.storage.blobs import UPLOADS


class Status(StrEnum):
    """Where a song is in its life."""

    AWAITING_UPLOAD = "awaiting_upload"
    UPLOADED = "uploaded"
    FINGERPRINTED = "fingerprinted"
    READY = "ready"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    DELETED = "deleted"

    @property
    def is_final(self) -> bool:
        """Whether the pipeline has nothing more to do with the song."""
        return not _NEXT[self] - {Status.DELETED}


_NEXT: dict[Status, frozenset[Status]] = {
    Status.AWAITING_UPLOAD: frozenset({Status.UPLOADED, Status.DUPLICATE, Status.REJECTED, Status.DELETED}),
    Status.UPLOADED: frozenset({Status.FINGERPRINTED, Status.REJECTED, Status.DELETED}),
    Status.FINGERPRINTED: frozenset({Status.READY, Status.DUPLICATE, Status.REJECTED, Status.DELETED}),
    Status.READY: frozenset({Status.DELETED}),
    Status.DUPLICATE: frozenset({Status.DELETED}),
    Status.REJECTED: frozenset({Status.DELETED}),
    Status.DELETED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why an upload can't become a song."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The proof that the library already has a song."""

    song_id: str
    evidence: Literal["bytes", "sound"]
    relation: str
    overlap: float
    offset_ms: int


@dataclass(frozen=True, slots=True)
class Change:
    """One step in the life of a song."""

    status: Status
    at: str


@dataclass(frozen=True, slots=True)
class Song:
    """A song and all that is known of it. `typed` is what the uploader said, `tags` what the file says."""

    song_id: str
    owner: str
    file_name: str
    size_bytes: int
    content_type: str
    created_at: str
    typed: Tags = dataclasses.field(default_factory=Tags)
    tags: Tags = dataclasses.field(default_factory=Tags)
    status: Status = Status.AWAITING_UPLOAD
    revision: int = 1
    upload_id: str | None = None
    content_sha256: str | None = None
    duration_s: float | None = None
    audio_format: AudioFormat | None = None
    cover_key: str | None = None
    rejection: Rejection | None = None
    duplicate: Duplicate | None = None
    history: tuple[Change, ...] = ()
    visibility: Visibility = "private"

    @property
    def is_shared(self) -> bool:
        """Whether all who have an account see it: what is not part of the library yet, only its owner does."""
        return self.visibility == "shared" and self.status is Status.READY

    def is_visible_to(self, user_id: str) -> bool:
        """Tell whether somebody may know that the song exists; admins see no more than others."""
        return self.status is not Status.DELETED and (self.owner == user_id or self.is_shared)

    @property
    def upload_key(self) -> str:
        """Where the bytes are sent to; who holds the signed request may write there until it expires."""
        return f"{UPLOADS}{self.song_id}"

    @property
    def blob_key(self) -> str:
        """Where the bytes are kept from `complete` on: a key of our making, to which nobody can write."""
        return f"songs/{self.song_id}"

    @property
    def title(self) -> str:
        """The title: typed, else tagged, else the name of the file."""
        return self.typed.title or self.tags.title or self.file_name.rpartition(".")[0] or self.file_name

    @property
    def artist(self) -> str:
        """The artist: typed, else tagged; empty where nobody knows."""
        return self.typed.artist or self.tags.artist or self.tags.album_artist or ""

    @property
    def album_artist(self) -> str:
        """Whose album it is from: the artist that was typed, else the tagged one of the album, else the artist."""
        return self.typed.artist or self.tags.album_artist or self.artist

    @property
    def album(self) -> str:
        """The album: typed, else tagged; empty where nobody knows."""
        return self.typed.album or self.tags.album or ""

    @property
    def isrc(self) -> str | None:
        """The recording code: typed, else tagged."""
        return self.typed.isrc or self.tags.isrc

    @property
    def year(self) -> int | None:
        """The year: typed, else tagged."""
        return self.typed.year or self.tags.year

    def becomes(self, status: Status, **changes: Any) -> Song:
        """Return the song one step further.

        Raises
        ------
        Rejected
            A song in this state can't become that (status 409).
        """
        if status not in _NEXT[self.status]:
            raise Rejected("wrong_state", f"a song that is {self.status} cannot become {status}", status=409)
        step = Change(status, datetime.now(UTC).isoformat())
        return self.revised(status=status, history=(*self.history, step), **changes)

    def announced_again(self) -> Song:
        """Return the song as if it had come into its state just now."""
        step = Change(self.status, datetime.now(UTC).isoformat())
        return self.revised(history=(*self.history, step))

    def revised(self, **changes: Any) -> Song:
        """Return the song with changes and the next revision."""
        return dataclasses.replace(self, revision=self.revision + 1, **changes)

    def entry(self) -> LibraryEntry:
        """Return what the other services may know of the song."""
        return LibraryEntry(
            song_id=self.song_id,
            revision=self.revision,
            owner=self.owner,
            title=self.title,
            artist=self.artist,
            album=self.album,
            isrc=self.isrc,
            year=self.year,
            duration_s=self.duration_s or 0.0,
            blob_key=self.blob_key,
            content_type=self.content_type,
            cover_key=self.cover_key,
            visibility=self.visibility,
        )
