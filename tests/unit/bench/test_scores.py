"""Do the figures follow from the answers as they are defined?"""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.scores import Verdict, summarise, threshold


def known(score: float | None, *, right: bool = True, answer: bool | None = True, error_s: float = 0.0) -> Verdict:
    return Verdict(True, score, right, answer, error_s if right else None)


def unknown(score: float | None, *, answer: bool | None = False) -> Verdict:
    return Verdict(False, score, False, answer, None)


def test_one_in_two_hundred_unknown_clips_may_pass() -> None:
    verdicts = [unknown(float(score)) for score in range(1, 401)]
    assert threshold(verdicts, 0.005) == 398.0
    assert summarise(verdicts, 398.0).false_positives == 0.005
    assert threshold(verdicts[:199], 0.005) == 199.0  # too few to let one pass


def test_recall_counts_what_scores_above_the_threshold() -> None:
    verdicts = [
        *(known(10.0), known(6.0, answer=False), known(5.0), known(20.0, right=False), known(None, answer=False)),
        *(unknown(5.0, answer=True), unknown(None)),
    ]
    summary = summarise(verdicts, threshold(verdicts))
    assert (summary.known, summary.unknown) == (5, 2)
    assert (summary.recall, summary.wrong, summary.false_positives) == (0.4, 0.2, 0.0)
    assert (summary.shipped_recall, summary.shipped_wrong, summary.shipped_false_positives) == (0.4, 0.2, 0.5)


def test_a_system_that_proposes_nothing_for_unknown_music_may_answer_always() -> None:
    verdicts = [known(0.1), unknown(None), unknown(None)]
    assert summarise(verdicts, threshold(verdicts)).recall == 1.0


def test_offsets_count_where_the_song_is_right() -> None:
    verdicts = [known(9.0, error_s=0.0501), known(9.0, error_s=0.01), known(9.0, right=False), unknown(None)]
    summary = summarise(verdicts, threshold(verdicts))
    assert summary.error_50_ms == pytest.approx(30.05)
    assert summary.error_99_ms == pytest.approx(49.699)
    assert summary.exact == 0.5


def test_what_a_system_leaves_open_is_not_counted_as_its_decision() -> None:
    summary = summarise([known(3.0, answer=None), unknown(1.0, answer=None)], 1.0)
    assert summary.recall == 1.0
    assert math.isnan(summary.shipped_recall)


@given(st.lists(st.one_of(st.none(), st.floats(-100, 100)), max_size=300), st.floats(0.0, 0.2))
def test_never_do_more_unknown_clips_pass_than_allowed(scores: list[float | None], most: float) -> None:
    verdicts = [unknown(score) for score in scores]
    named = summarise(verdicts, threshold(verdicts, most)).false_positives
    assert math.isnan(named) if not verdicts else named <= most + 1e-9
