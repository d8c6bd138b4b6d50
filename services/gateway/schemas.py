"""Which bodies do answers about clips have?"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from shared.catalogue import LibraryEntry
from shared.events import AlignedPeaks, Match


class MatchedSong(BaseModel):
    """A song as an answer names it."""

    id: str
    title: str
    artist: str
    album: str
    isrc: str | None
    year: int | None
    duration_ms: int
    has_cover: bool = False


class ClipMatch(BaseModel):
    """Which song a clip is from, and where. All times in milliseconds."""

    song: MatchedSong
    score: float = Field(description="Log-likelihood ratio in nats against a chance alignment.")
    confidence: float = Field(description="Probability that this is the song, 0 to 1.")
    offset_ms: int = Field(description="Where in the song the clip begins.")
    play_offset_ms: int = Field(description="Where in the song the clip ends: where the song was when you stopped.")
    clip_begin_ms: int = Field(description="Matched part of the clip.")
    clip_end_ms: int
    song_begin_ms: int = Field(description="Matched part of the song.")
    song_end_ms: int
    time_skew: float = Field(description="Speed of the clip relative to the song; 1.02 is 2 % fast.")
    pitch_skew: float = Field(1.0, description="Pitch of the clip relative to the song; 1.06 is a semitone up.")
    aligned: AlignedPeaks | None = Field(
        None, description="What the clip and the song have in common, for a question with `explain`; it is not kept."
    )

    @classmethod
    def of(cls, match: Match, song: LibraryEntry, clip_ms: int) -> ClipMatch:
        """Return the HTTP form."""
        named = MatchedSong(
            id=song.song_id,
            title=song.title,
            artist=song.artist,
            album=song.album,
            isrc=song.isrc,
            year=song.year,
            duration_ms=round(song.duration_s * 1000),
            has_cover=song.cover_key is not None,
        )
        return cls(
            song=named,
            score=match.score,
            confidence=match.confidence,
            offset_ms=match.offset_ms,
            play_offset_ms=match.offset_ms + round(clip_ms * match.time_skew),
            clip_begin_ms=match.clip_begin_ms,
            clip_end_ms=match.clip_end_ms,
            song_begin_ms=match.song_begin_ms,
            song_end_ms=match.song_end_ms,
            time_skew=match.time_skew,
            pitch_skew=match.pitch_skew,
            aligned=match.aligned,
        )


class Answer(BaseModel):
    """What is known about a clip."""

    query_id: str
    outcome: Literal["match", "no_match", "inconclusive"] = Field(
        description="`inconclusive` where a part of the index was silent, so that a miss is not certain."
    )
    reason: str | None = Field(description="Why there is no match: `silence`, `too_short`, `unknown`, …")
    explanation: str | None = Field(description="The reason as a sentence.")
    match: ClipMatch | None
    alternatives: list[ClipMatch]
    clip_duration_ms: int | None = Field(description="How much of the clip was listened to.")
    coverage: float = Field(description="Share of the library that was searched, 0 to 1.")
    took_ms: int
    asked_at: datetime


class AnswerPage(BaseModel):
    """Some answered questions, newest first, and where to go on."""

    queries: list[Answer]
    next_cursor: str | None


class ClipLimits(BaseModel):
    """What the service takes to recognise."""

    max_clip_bytes: int
