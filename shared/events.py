"""What can happen, in which words? The published language of the services.

Facts are in the past tense, one frozen class each. The body of a message is the event as JSON; `id`, `name`,
`occurred_at` and the schema version are repeated in the message's properties for consumers that do not read bodies.

Rules of evolution: add optional fields freely; never rename a field, never change a meaning or a unit. A breaking
change is a new event with a new name, published beside the old one until nobody binds it any more.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, ClassVar, Literal
from uuid import UUID, uuid4, uuid5

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from shared.sharding import Shard


class Message(BaseModel):
    """What every message has in common: frozen, tolerant of fields from the future, bytes as base64."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_bytes="base64", val_json_bytes="base64")


class Event(Message):
    """A fact. `name` is its routing key, `schema_version` counts its published shapes."""

    name: ClassVar[str]
    schema_version: ClassVar[int] = 1

    id: UUID = Field(default_factory=uuid4, description="The same for every delivery of this fact.")
    occurred_at: datetime = Field(default_factory=lambda: datetime.now(UTC))


def derived_id(cause: Event, name: str) -> UUID:
    """Return the id of the event `name` that handling `cause` brings about.

    Handling the same delivery twice then publishes the same event twice, instead of two events.
    """
    return uuid5(cause.id, name)


class Tags(Message):
    """What a file says about itself. Every field is the file's own claim, cleaned of control characters."""

    title: str | None = None
    artist: str | None = None
    album: str | None = None
    album_artist: str | None = None
    genre: str | None = None
    isrc: str | None = None
    year: int | None = None
    track: int | None = None


class AudioFormat(Message):
    """How a file is encoded."""

    container: str
    codec: str
    sample_rate_hz: int
    channels: int
    bit_rate_bps: int | None = None


# --- The life of a song ---


class SongEvent(Event):
    """A fact about one song. `revision` grows with every change, so a late event is recognised as late."""

    song_id: str
    revision: int


class SongUploaded(SongEvent):
    """The bytes of a song have arrived in the private bucket."""

    name: ClassVar[str] = "song.uploaded"
    blob_key: str
    size_bytes: int
    content_sha256: str


class SongFingerprinted(SongEvent):
    """The fingerprint of a song is stored. The tags and the format were read on the way."""

    name: ClassVar[str] = "song.fingerprinted"
    algorithm: str = Field(description="Version of the peak extraction, for example `peaks-1`.")
    peak_count: int
    duration_s: float
    audio_format: AudioFormat
    tags: Tags
    cover_key: str | None = Field(default=None, description="Blob with the cover picture, where the file has one.")


class SongFingerprintFailed(SongEvent):
    """The audio of a song cannot be used: not audio, damaged, silent, too long."""

    name: ClassVar[str] = "song.fingerprint_failed"
    code: str
    reason: str


class SongReady(SongEvent):
    """A song belongs to the library: it can be found, and played."""

    name: ClassVar[str] = "song.ready"
    owner: str
    title: str
    artist: str
    album: str
    duration_s: float
    blob_key: str
    content_type: str


class SongDuplicateDetected(SongEvent):
    """An upload turned out to be a song that the library already has."""

    name: ClassVar[str] = "song.duplicate_detected"
    duplicate_of: str
    evidence: Literal["bytes", "sound"]
    relation: str
    overlap: float = Field(description="Share of the upload that the known song contains, 0 to 1.")
    offset_ms: int = Field(description="Where in the known song the upload begins; negative where it begins before.")


class SongRejected(SongEvent):
    """An upload can't become a song."""

    name: ClassVar[str] = "song.rejected"
    code: str
    reason: str


class SongDeleted(SongEvent):
    """A song is gone: it must not be found or played any more."""

    name: ClassVar[str] = "song.deleted"


class SongPackaged(SongEvent):
    """A song can be streamed adaptively now, in several qualities; before and after it plays as the uploaded file."""

    name: ClassVar[str] = "song.packaged"
    package_id: str
    duration_s: float
    bit_rates_bps: tuple[int, ...]


class SongPackageRequested(SongEvent):
    """Somebody wants a song to be packaged anew; until that is done, it plays from the package that it has."""

    name: ClassVar[str] = "song.package_requested"


class SongMeasurementRequested(SongEvent):
    """Somebody wants to know the loudness or the outline of a song that was not measured when it was packaged."""

    name: ClassVar[str] = "song.measurement_requested"


class RenderRequested(Event):
    """Somebody wants an equalized file of a song; what is to be made is kept by whoever makes it."""

    name: ClassVar[str] = "render.requested"
    song_id: str
    render_id: str


# --- Questions to the index ---


class Question(Event):
    """A question with an absolute deadline, answered to the inbox `reply_to` by replies with the same `query_id`."""

    query_id: str
    deadline: datetime
    reply_to: str


class QuerySubmitted(Question):
    """Somebody wants to know which song a clip is from. The clip is inline, or in a blob that lives shortly."""

    name: ClassVar[str] = "query.submitted"
    clip: bytes | None = None
    clip_key: str | None = None
    explain: bool = Field(default=False, description="Whether matches tell which peaks they have in common.")


class QueryFingerprinted(Question):
    """The peaks of a clip are known; every shard is asked for songs that share them."""

    name: ClassVar[str] = "query.fingerprinted"
    fingerprint: bytes = Field(description="Packed `shared.fingerprint.Fingerprint` at query density.")
    explain: bool = Field(default=False, description="Whether matches tell which peaks they have in common.")


class SongComparisonRequested(Question):
    """Every shard is asked which of its songs is the same recording as a whole new song.

    `among` names songs whose fate is being decided at this very moment, or was a moment ago: the shard that owns one of
    them compares with its stored fingerprint although it may not be in the index yet.
    """

    name: ClassVar[str] = "song.comparison_requested"
    song_id: str
    among: tuple[str, ...] = ()


class QueryCompleted(Event):
    """A question was answered. Carries no audio and no fingerprint."""

    name: ClassVar[str] = "query.completed"
    query_id: str
    outcome: Literal["match", "no_match", "inconclusive"]
    reason: str | None = None
    song_id: str | None = None
    score: float | None = None
    confidence: float | None = None
    offset_ms: int | None = None
    coverage: float
    took_ms: int


# --- People ---


class PlaybackStarted(Event):
    """Somebody was given the audio of a song to play."""

    name: ClassVar[str] = "playback.started"
    song_id: str
    user_id: str


class UserRegistered(Event):
    """Somebody has an account now."""

    name: ClassVar[str] = "user.registered"
    user_id: str


class UserDeleted(Event):
    """An account is gone, and what others keep of its owner is to go too."""

    name: ClassVar[str] = "user.deleted"
    user_id: str


class AuditRecorded(Event):
    """Somebody did, or was refused, something that concerns accounts, permissions or other people's things."""

    name: ClassVar[str] = "audit.recorded"
    action: str = Field(description="What was done or tried, for example `role.changed` or `login.refused`.")
    actor: str | None = Field(default=None, description="The user who did it, where somebody had signed in.")
    subject: str | None = Field(default=None, description="The id of what it was done to: a user, a session, a song.")
    address: str | None = Field(default=None, description="An IPv4 address, or a network of IPv6.")
    outcome: Literal["allowed", "refused"]
    detail: str | None = Field(default=None, description="What else there is to know, for example the new role.")


# --- Answers to questions: replies, not events ---


class ShardRef(Message):
    """Which shard answered: it covered the virtual shards that `Shard(index, count)` owns."""

    index: int
    count: int

    def shard(self) -> Shard:
        """Return the shard that is meant."""
        return Shard(self.index, self.count)


class Peaks(Message):
    """Peaks of a spectrogram, column by column, sorted by time."""

    times_ms: tuple[int, ...] = Field(description="Where in the song each peak is, or would be.")
    frequencies_hz: tuple[int, ...]
    is_common: tuple[bool, ...] = Field(description="Whether the other recording has a peak next to it.")


class AlignedPeaks(Message):
    """Some seconds of a song and of a clip, laid over one another."""

    song: Peaks
    clip: Peaks


class Match(Message):
    """A song that shares aligned hashes with a clip. Times are in milliseconds."""

    song_id: str
    score: float = Field(description="Log-likelihood ratio in nats against a chance alignment.")
    confidence: float = Field(description="Probability that this is the song, 0 to 1, among those of the shard.")
    is_answer: bool = Field(description="Whether the score is above the threshold, so that the song may be named.")
    margin: float = Field(default=0.0, description="Nats above that threshold; negative below it.")
    offset_ms: int = Field(description="Where in the song the clip begins.")
    clip_begin_ms: int
    clip_end_ms: int
    song_begin_ms: int
    song_end_ms: int
    time_skew: float = Field(default=1.0, description="Speed of the clip relative to the song; 1.02 is 2 % fast.")
    pitch_skew: float = Field(default=1.0, description="Pitch of the clip relative to the song; 1.06 is a semitone up.")
    aligned_hashes: int = Field(description="Peaks of the song that are heard in the clip.")
    aligned: AlignedPeaks | None = Field(default=None, description="Some of them, of an answer that is explained.")


class Comparison(Message):
    """How a known song relates to a whole new song."""

    song_id: str
    relation: Literal["same_recording", "contained", "contains", "different"]
    score: float
    overlap: float = Field(description="Share of the new song that the known one contains, 0 to 1.")
    overlap_known: float = Field(description="Share of the known song that the new one contains, 0 to 1.")
    offset_ms: int = Field(description="Where in the known song the new one begins; may be negative.")
    time_skew: float = Field(default=1.0, description="Speed of the new song relative to the known one.")
    aligned_hashes: int


class Reply(Message):
    """An answer to a question."""

    query_id: str


class ShardMatches(Reply):
    """The best candidates of one shard, best first."""

    kind: Literal["shard_matches"] = "shard_matches"
    shard: ShardRef
    matches: tuple[Match, ...] = ()
    searched_songs: int = 0


class ShardComparisons(Reply):
    """The songs of one shard that overlap with the new song, best first. An empty answer means that none does."""

    kind: Literal["shard_comparisons"] = "shard_comparisons"
    shard: ShardRef
    comparisons: tuple[Comparison, ...] = ()


class ClipHeard(Reply):
    """The clip was decoded and its fingerprint is on its way to the shards."""

    kind: Literal["clip_heard"] = "clip_heard"
    duration_ms: int


class QuestionRefused(Reply):
    """The question cannot be answered, whatever the index holds: the clip is silent, too short, not audio."""

    kind: Literal["question_refused"] = "question_refused"
    code: str
    reason: str


AnyReply = Annotated[ShardMatches | ShardComparisons | ClipHeard | QuestionRefused, Field(discriminator="kind")]
REPLY: TypeAdapter[AnyReply] = TypeAdapter(AnyReply)
"""Parses the body of a reply."""

EVENTS: dict[str, type[Event]] = {
    event.name: event
    for event in (
        SongUploaded,
        SongFingerprinted,
        SongFingerprintFailed,
        SongReady,
        SongDuplicateDetected,
        SongRejected,
        SongDeleted,
        SongPackaged,
        SongPackageRequested,
        SongMeasurementRequested,
        RenderRequested,
        QuerySubmitted,
        QueryFingerprinted,
        SongComparisonRequested,
        QueryCompleted,
        PlaybackStarted,
        UserRegistered,
        UserDeleted,
        AuditRecorded,
    )
}
"""Every event by its name."""
