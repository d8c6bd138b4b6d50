"""Which bodies do requests and answers about songs have?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from services.ingest.service import Upload
from services.ingest.songs import Change, Duplicate, Rejection, Song, Status
from services.ingest.usage import Quotas, Usage
from shared.catalogue import Visibility
from shared.events import AudioFormat, Tags
from shared.storage.blobs import SignedRequest

_JOINERS = "\u200c\u200d"
"""Not printable themselves; scripts and emoji need them."""


def _clean(text: str) -> str:
    kept = (letter if letter.isprintable() or letter in _JOINERS else " " for letter in text)
    cleaned = " ".join("".join(kept).split())
    if not cleaned.strip(_JOINERS):
        raise ValueError("there is no readable character in it")
    return cleaned


_READABLE = r"[^\p{C}\p{Z}]"
Text = Annotated[str, Field(max_length=500, json_schema_extra={"pattern": _READABLE}), AfterValidator(_clean)]


def _number(given: object) -> object:
    if isinstance(given, str | bool):  # either of which Pydantic would make a number of
        raise ValueError("this is no number")  # noqa: TRY004 - Pydantic hears this one
    return given


Size = Annotated[int, Field(ge=0), BeforeValidator(_number)]
Year = Annotated[int, Field(ge=1000, le=9999), BeforeValidator(_number)]
Isrc = Annotated[str, Field(pattern=r"^[A-Z]{2}[A-Z0-9]{3}[0-9]{7}$")]


class TypedTags(BaseModel):
    """What a person says about a song; it wins over what the file says."""

    model_config = ConfigDict(extra="forbid")

    title: Text | None = None
    artist: Text | None = None
    album: Text | None = None
    isrc: Isrc | None = None
    year: Year | None = None

    def tags(self) -> Tags:
        """Return the tags that were given."""
        return Tags(**{name: getattr(self, name) for name in self.model_fields_set & TypedTags.model_fields.keys()})


class EditedSong(TypedTags):
    """What is to be changed about a song; fields that are not given keep their value."""

    visibility: Visibility | None = Field(None, description="Who sees the song; null keeps it as it is.")


class NewSong(TypedTags):
    """A file that somebody wants to upload."""

    visibility: Visibility | None = Field(
        None, description="Who sees the song when it is ready; null for what this instance has as its default."
    )

    file_name: Text = Field(description="Shown to people, never used as a path.")
    size_bytes: Size = Field(description="Exactly how many bytes will be uploaded.")
    content_type: str = Field(
        "application/octet-stream",
        max_length=100,
        # Nothing that a browser would run when somebody opens the file from our origin.
        pattern=r"^(audio/[a-zA-Z0-9.+-]+|video/(mp4|webm|ogg)|application/(ogg|octet-stream))$",
        description="Sent with the upload.",
    )


class UploadRequest(BaseModel):
    """A presigned request; send it with exactly these headers."""

    method: str
    url: str
    headers: dict[str, str]
    expires_at: datetime

    @classmethod
    def of(cls, request: SignedRequest) -> UploadRequest:
        """Return the HTTP form."""
        return cls(method=request.method, url=request.url, headers=dict(request.headers), expires_at=request.expires_at)


class UploadPart(UploadRequest):
    """One part of a large upload."""

    number: int
    size_bytes: int


class SingleUpload(BaseModel):
    """The file goes up in one request."""

    kind: Literal["single"] = "single"
    request: UploadRequest


class MultipartUpload(BaseModel):
    """The file goes up in parts, in any order."""

    kind: Literal["multipart"] = "multipart"
    part_size_bytes: int
    parts: list[UploadPart]
    arrived: list[int] = Field(description="Numbers of the parts that are stored already; send the others.")


class DuplicateProof(BaseModel):
    """Why an upload was refused as a duplicate; all is null where the known song is one that the asker may not see."""

    song_id: str | None = None
    title: str | None = None
    artist: str | None = None
    evidence: Literal["bytes", "sound"] | None = None
    relation: str | None = None
    overlap: float | None = Field(None, description="Share of the upload that the known song contains, 0 to 1.")
    offset_ms: int | None = Field(None, description="Where in the known song the upload begins; may be negative.")

    @classmethod
    def of(cls, duplicate: Duplicate, known: Song | None) -> DuplicateProof:
        """Return what may be told to somebody who sees the known song, or does not (None)."""
        if known is None:
            return cls()
        return cls(
            song_id=known.song_id,
            title=known.title,
            artist=known.artist,
            evidence=duplicate.evidence,
            relation=duplicate.relation,
            overlap=duplicate.overlap,
            offset_ms=duplicate.offset_ms,
        )


class SongBody(BaseModel):
    """A song."""

    id: str
    status: Status
    revision: int
    title: str
    artist: str = Field(description="Empty where nobody knows; album too.")
    album: str
    album_artist: str = Field(description="Whose album it is: what `GET /v1/albums` calls its artist.")
    isrc: str | None
    year: int | None
    duration_s: float | None
    file_name: str
    size_bytes: int
    content_type: str
    audio_format: AudioFormat | None
    has_cover: bool
    owner: str
    visibility: Visibility
    created_at: datetime
    rejection: Rejection | None
    duplicate: DuplicateProof | None
    history: list[Change]

    @classmethod
    def of(cls, song: Song, known: Mapping[str, Song]) -> SongBody:
        """Return the HTTP form; `known` has the songs by id of which the asker may hear as originals."""
        duplicate = song.duplicate
        proof = DuplicateProof.of(duplicate, known.get(duplicate.song_id)) if duplicate is not None else None
        return cls(
            id=song.song_id,
            status=song.status,
            revision=song.revision,
            title=song.title,
            artist=song.artist,
            album=song.album,
            album_artist=song.album_artist,
            isrc=song.isrc,
            year=song.year,
            duration_s=song.duration_s,
            file_name=song.file_name,
            size_bytes=song.size_bytes,
            content_type=song.content_type,
            audio_format=song.audio_format,
            has_cover=song.cover_key is not None,
            owner=song.owner,
            visibility=song.visibility,
            created_at=datetime.fromisoformat(song.created_at),
            rejection=song.rejection,
            duplicate=proof,
            history=list(song.history),
        )


class RegisteredSong(BaseModel):
    """A song that awaits its bytes, and how to send them."""

    song: SongBody
    upload: Annotated[SingleUpload | MultipartUpload, Field(discriminator="kind")] | None = Field(
        description="Null where the bytes have arrived and were taken over: there is nothing to send any more."
    )

    @classmethod
    def of(cls, upload: Upload, song: SongBody, part_bytes: int) -> RegisteredSong:
        """Return the HTTP form."""
        way: SingleUpload | MultipartUpload | None = None
        if upload.request is not None:
            way = SingleUpload(request=UploadRequest.of(upload.request))
        elif upload.parts:
            way = MultipartUpload(
                part_size_bytes=part_bytes,
                parts=[
                    UploadPart(
                        number=part.number,
                        size_bytes=part.size_bytes,
                        **UploadRequest.of(part.request).model_dump(),
                    )
                    for part in upload.parts
                ],
                arrived=list(upload.arrived),
            )
        return cls(song=song, upload=way)


class SongPage(BaseModel):
    """Some songs, and where to go on; a page may be short of its limit where few songs fit, the cursor counts."""

    songs: list[SongBody]
    next_cursor: str | None


class SongParts(BaseModel):
    """How long a list of songs is, and where one can begin to read it."""

    songs: int
    cursors: list[str] = Field(description="Behind the first 100 songs, behind 200, and so on.")
    next_cursor: str | None = Field(description="Where to count on; null where all is counted.")


CoverSongId = Annotated[str | None, Field(description="A song of it that has a cover picture.")]


class ArtistBody(BaseModel):
    """An artist, and how many songs one sees of it."""

    name: str = Field(description="Empty for songs of which nobody knows the artist.")
    songs: int
    cover_song_id: CoverSongId


class ArtistPage(BaseModel):
    """Some artists, sorted by name, and where to go on."""

    artists: list[ArtistBody]
    next_cursor: str | None


class AlbumBody(BaseModel):
    """An album, whose it is, and how many songs one sees of it."""

    name: str = Field(description="Empty for songs of which nobody knows the album.")
    artist: str
    songs: int
    cover_song_id: CoverSongId


class AlbumPage(BaseModel):
    """Some albums, sorted by name and artist, and where to go on."""

    albums: list[AlbumBody]
    next_cursor: str | None


class Amount(BaseModel):
    """How much of something is used, and how much may be."""

    used: int
    allowed: int | None = Field(description="Null where there is no limit.")


class UsageBody(BaseModel):
    """What somebody keeps here, their quotas, and who sees what they add."""

    songs: Amount
    bytes: Amount
    jobs: Amount = Field(description="Uploads that are not decided yet.")
    visibility: Visibility = Field(description="Who sees a new song whose owner has not said it.")

    @classmethod
    def of(cls, used: Usage, quotas: Quotas, visibility: Visibility) -> UsageBody:
        """Return the HTTP form."""
        return cls(
            songs=Amount(used=used.songs, allowed=quotas.songs),
            bytes=Amount(used=used.size_bytes, allowed=quotas.size_bytes),
            jobs=Amount(used=used.jobs, allowed=quotas.jobs),
            visibility=visibility,
        )
