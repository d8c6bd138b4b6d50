"""What do the answers of the shards say together?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

from shared.confidence import confidence
from shared.events import ClipHeard, Match, QuestionRefused, Reply, ShardMatches
from shared.sharding import coverage

Outcome = Literal["match", "no_match", "inconclusive"]
ALTERNATIVES = 4


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to a question, before the songs have names."""

    outcome: Outcome
    reason: str | None
    explanation: str | None
    match: Match | None
    alternatives: tuple[Match, ...]
    coverage: float
    duration_ms: int | None


def is_complete(replies: Sequence[Reply]) -> bool:
    """Tell whether nothing more can come: all shards have answered, or the clip can't be asked about."""
    return any(isinstance(reply, QuestionRefused) for reply in replies) or _coverage(replies) == 1.0


def proposed(replies: Sequence[Reply]) -> set[str]:
    """Return the songs that some shard proposes."""
    return {match.song_id for reply in replies if isinstance(reply, ShardMatches) for match in reply.matches}


def merge(replies: Sequence[Reply], *, visible: Collection[str]) -> Verdict:
    """Take the best candidates of all shards that are still in the library and that the asker may see.

    A miss is only certain when every shard has answered. A hit is a hit, but while a shard is silent a better one may
    be missing, which `coverage` tells.
    """
    covered = _coverage(replies)
    duration_ms = next((reply.duration_ms for reply in replies if isinstance(reply, ClipHeard)), None)
    refused = next((reply for reply in replies if isinstance(reply, QuestionRefused)), None)
    if refused is not None:
        return Verdict("no_match", refused.code, refused.reason, None, (), covered, duration_ms)
    ranked = [match for match in _ranked(replies) if match.song_id in visible]
    if ranked and ranked[0].is_answer:
        best, *others = _weighed(ranked)
        return Verdict("match", None, None, best, tuple(others), covered, duration_ms)
    if covered < 1.0:
        reason = "index_unavailable" if duration_ms is not None else "timeout"
        explanation = f"only {covered:.0%} of the library answered in time"
        return Verdict("inconclusive", reason, explanation, None, (), covered, duration_ms)
    return Verdict("no_match", "unknown", "no song that you may hear sounds like this", None, (), covered, duration_ms)


def _ranked(replies: Sequence[Reply]) -> list[Match]:
    # A redelivered question is answered twice, so the same song may come twice.
    best: dict[str, Match] = {}
    for reply in replies:
        for match in reply.matches if isinstance(reply, ShardMatches) else ():
            if match.song_id not in best or match.score > best[match.song_id].score:
                best[match.song_id] = match
    return sorted(best.values(), key=lambda match: match.score, reverse=True)


def _weighed(ranked: Sequence[Match]) -> list[Match]:
    """Say how sure each song is among these alone: what a shard says would betray that a better one is kept back."""
    scores = [match.score for match in ranked] + [0.0]
    return [
        match.model_copy(
            update={"confidence": confidence(match.margin, match.score - (scores[0] if rank else scores[1]))}
        )
        for rank, match in enumerate(ranked[: 1 + ALTERNATIVES])
    ]


def _coverage(replies: Sequence[Reply]) -> float:
    return coverage(reply.shard.shard() for reply in replies if isinstance(reply, ShardMatches))
