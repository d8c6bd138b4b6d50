"""What do the answers of the shards say together?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.gateway.merge import Verdict, is_complete, merge
from shared.confidence import confidence
from shared.events import ClipHeard, Match, QuestionRefused, Reply, ShardMatches, ShardRef

HEARD = ClipHeard(query_id="q", duration_ms=5000)
THRESHOLD = 20.0
LIBRARY = {"good", "better", "weak", "song"}


def answer(index: int, *matches: Match, count: int = 2) -> ShardMatches:
    return ShardMatches(query_id="q", shard=ShardRef(index=index, count=count), matches=matches)


def found(song_id: str, score: float, *, is_answer: bool = True, confidence: float = 0.9) -> Match:
    return Match(
        song_id=song_id,
        score=score,
        confidence=confidence,
        is_answer=is_answer,
        margin=score - THRESHOLD,
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


Fits = dict[str, tuple[int, float]]
"""Songs with the shard that each is in, and how well the clip fits it."""
FITS = st.dictionaries(
    st.sampled_from([f"song {number}" for number in range(12)]),
    st.tuples(st.integers(0, 1), st.floats(0.1, 100.0)),
)


def replies(fits: Fits, answered: list[int]) -> list[Reply]:
    """Return what an index of these songs replies, of which some shards answer, perhaps more than once."""
    said: list[Reply] = [HEARD]
    for shard in answered:
        own = {song_id: score for song_id, (index, score) in fits.items() if index == shard}
        best = sorted(own, key=lambda song_id: -own[song_id])
        matches = [
            found(
                song_id,
                own[song_id],
                is_answer=own[song_id] >= THRESHOLD,
                confidence=confidence(
                    own[song_id] - THRESHOLD, own[song_id] - max((own[one] for one in own if one != song_id), default=0)
                ),
            )
            for song_id in best
        ]
        said.append(answer(shard, *matches))
    return said


def named(verdict: Verdict) -> set[str]:
    told = verdict.alternatives if verdict.match is None else (verdict.match, *verdict.alternatives)
    return {match.song_id for match in told}


@given(FITS, st.sets(st.sampled_from([f"song {number}" for number in range(12)])), st.lists(st.integers(0, 1)))
def test_answer_is_that_of_an_index_without_the_songs_that_the_asker_does_not_see(
    fits: Fits, visible: set[str], answered: list[int]
) -> None:
    verdict = merge(replies(fits, answered), visible=visible)

    without = {song_id: one for song_id, one in fits.items() if song_id in visible}
    assert verdict == merge(replies(without, answered), visible=set(fits))
    assert named(verdict) <= visible


def test_confidence_falls_when_a_song_of_another_shard_fits_nearly_as_well() -> None:
    alone = merge([HEARD, answer(0, found("good", 50.0)), answer(1)], visible=LIBRARY).match
    rivalled = merge([HEARD, answer(0, found("good", 50.0)), answer(1, found("song", 49.0))], visible=LIBRARY).match

    assert alone is not None
    assert rivalled is not None
    assert alone.confidence > 0.9 > 0.8 > rivalled.confidence
