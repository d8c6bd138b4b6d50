"""What do the answers of a system say about it?

Systems score in units of their own, so they are compared where they do the same harm: at the threshold that lets at
most one in two hundred clips of unknown music through, one threshold for all conditions and lengths.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FALSE_POSITIVES = 0.005
"""Share of the clips of unknown music that may be named."""

EXACT_S = 0.05
"""Error of the place in the song that counts as exact, in seconds."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one question was answered.

    Attributes
    ----------
    is_known : bool
        Whether the library has the song.
    score : float or None
        Of the song that was proposed first, the higher the surer; None where none was.
    is_right : bool
        Whether that song is the right one.
    is_answer : bool or None
        Whether the system, as shipped, would name it; None where it leaves that open.
    error_s : float or None
        How far off the place in the song is, in seconds, where the song is right and a place was told.
    """

    is_known: bool
    score: float | None
    is_right: bool
    is_answer: bool | None
    error_s: float | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What a set of verdicts comes to; shares are 0 to 1, and NaN where there is nothing to share.

    Attributes
    ----------
    known, unknown : int
        Clips of songs in the library, and of others.
    recall, wrong : float
        Share of the known clips that are named right, and wrongly, at the threshold.
    shipped_recall, shipped_wrong : float
        The same, by the system's own decision.
    false_positives, shipped_false_positives : float
        Share of the unknown clips that are named, at the threshold and by the system's own decision.
    error_50_ms, error_99_ms : float
        Quantiles of the error of the place, of clips named right at the threshold, in milliseconds.
    exact : float
        Share of those within `EXACT_S`.
    """

    known: int
    unknown: int
    recall: float
    wrong: float
    shipped_recall: float
    shipped_wrong: float
    false_positives: float
    shipped_false_positives: float
    error_50_ms: float
    error_99_ms: float
    exact: float


def threshold(verdicts: Sequence[Verdict], most: float = FALSE_POSITIVES) -> float:
    """Return a score that at most a share `most` of the unknown clips exceeds; answers have to exceed it.

    Returns
    -------
    float
        Minus infinity where every proposal may pass.
    """
    unknown = [verdict for verdict in verdicts if not verdict.is_known]
    scores = sorted((verdict.score for verdict in unknown if verdict.score is not None), reverse=True)
    allowed = math.floor(most * len(unknown) + 1e-9)
    return scores[allowed] if allowed < len(scores) else -math.inf


def summarise(verdicts: Sequence[Verdict], least: float) -> Summary:
    """Count right and wrong answers, where answers have to score more than `least`."""
    known = [verdict for verdict in verdicts if verdict.is_known]
    unknown = [verdict for verdict in verdicts if not verdict.is_known]
    named = [verdict for verdict in known if _exceeds(verdict, least)]
    decided = [verdict for verdict in known if verdict.is_answer]
    undecided = any(verdict.is_answer is None for verdict in verdicts)
    errors = np.array([verdict.error_s for verdict in named if verdict.is_right and verdict.error_s is not None])
    return Summary(
        known=len(known),
        unknown=len(unknown),
        recall=_share(sum(verdict.is_right for verdict in named), len(known)),
        wrong=_share(sum(not verdict.is_right for verdict in named), len(known)),
        shipped_recall=math.nan if undecided else _share(sum(one.is_right for one in decided), len(known)),
        shipped_wrong=math.nan if undecided else _share(sum(not one.is_right for one in decided), len(known)),
        false_positives=_share(sum(_exceeds(verdict, least) for verdict in unknown), len(unknown)),
        shipped_false_positives=math.nan
        if undecided
        else _share(sum(bool(one.is_answer) for one in unknown), len(unknown)),
        error_50_ms=1_000 * float(np.quantile(errors, 0.5)) if len(errors) else math.nan,
        error_99_ms=1_000 * float(np.quantile(errors, 0.99)) if len(errors) else math.nan,
        exact=_share(int(np.count_nonzero(errors <= EXACT_S)), len(errors)),
    )


def _exceeds(verdict: Verdict, least: float) -> bool:
    return verdict.score is not None and verdict.score > least


def _share(count: int, of: int) -> float:
    return count / of if of else math.nan
