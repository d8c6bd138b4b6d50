"""What do the answers of the shards say together?"""

from __future__ import annotations

from services.gateway.merge import is_complete, merge
from shared.events import ClipHeard, Match, QuestionRefused, ShardMatches, ShardRef

HEARD = ClipHeard(query_id="q", duration_ms=5000)
LIBRARY = {"good", "better", "weak", "song"}


def answer(index: int, *matches: Match, count: int = 2) -> ShardMatches:
    return ShardMatches(query_id="q", shard=ShardRef(index=index, count=count), matches=matches)


def found(song_id: str, score: float, *, is_answer: bool = True) -> Match:
    return Match(
        song_id=song_id,
        score=score,
        confidence=0.9,
        is_answer=is_answer,
        offset_ms=0,
        clip_begin_ms=0,
        clip_end_ms=5000,
        song_begin_ms=0,
        song_end_ms=5000,
        aligned_hashes=50,
    )


def test_best_song_of_all_shards_is_the_answer() -> None:
    verdict = merge([HEARD, answer(0, found("good", 50.0)), answer(1, found("better", 80.0))], visible=LIBRARY)

    assert verdict.outcome == "match"
    assert verdict.match is not None
    assert verdict.match.song_id == "better"
    assert [one.song_id for one in verdict.alternatives] == ["good"]


def test_song_that_was_just_deleted_hides_no_other() -> None:
    deleted = answer(0, found("deleted", 90.0))

    verdict = merge([HEARD, deleted, answer(1, found("good", 50.0))], visible=LIBRARY)
    assert verdict.match is not None
    assert verdict.match.song_id == "good"
    assert merge([HEARD, deleted], visible=LIBRARY).outcome == "inconclusive"


def test_miss_is_certain_only_when_every_shard_has_answered() -> None:
    weak = found("weak", 3.0, is_answer=False)

    assert merge([HEARD, answer(0, weak), answer(1)], visible=LIBRARY).outcome == "no_match"
    assert merge([HEARD, answer(0, weak)], visible=LIBRARY).outcome == "inconclusive"
    assert merge([], visible=LIBRARY).reason == "timeout"


def test_question_that_is_answered_twice_counts_once() -> None:
    replies = [answer(0, found("song", 40.0)), answer(0, found("song", 40.0))]

    assert not is_complete(replies)
    assert len(merge(replies, visible=LIBRARY).alternatives) == 0
    assert merge(replies, visible=LIBRARY).coverage == 0.5


def test_refused_clip_needs_no_shard() -> None:
    replies = [QuestionRefused(query_id="q", code="silence", reason="the audio is silent")]

    assert is_complete(replies)
    assert (merge(replies, visible=LIBRARY).outcome, merge(replies, visible=LIBRARY).reason) == ("no_match", "silence")
