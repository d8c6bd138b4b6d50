"""Are two whole songs the same recording?

They are when nearly every second of the shorter one agrees with the longer one, at one offset and one speed. A remix, a
cover, or another song with the same drum loop agrees here and there, at many offsets, or by few landmarks a second.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from services.matcher.landmarks import Landmarks, song_landmarks
from services.matcher.scoring import Hits, candidates, hits, log_likelihood_ratio
from services.matcher.segment import Segment
from shared.fingerprint import FRAME_RATE_HZ, Fingerprint

SPAN_FRAMES = 1_875
"""Frames of a new song that look for known songs at a time (30 s): a song that is only a part of it must stand out."""

LEAST_SPAN_SCORE = 300.0
"""Nats that a known song has to reach in one span of a new song to be compared with it at length. Of 362 songs, one
channel of two reaches 700 in 10 s, and the others 300 once in a hundred times."""

SPEEDS = (0.992, 1.008)
"""Other speeds at which a known song is looked for. A copy that is 0.4 % off the nearest one still stands out, and how
far it is off is read off its drift."""

PROBES = (0.2, 0.5, 0.8)
"""Where in a song other speeds are probed, as shares of its length: not where it fades."""

PROBE_FRAMES = 625
"""Frames of one probe (10 s)."""

LEAST_PROBE_SCORE = 500.0
"""Nats that a known song has to reach in one probe, to be compared at that speed: an MP3 at 32 kbit/s that is 0.2 % off
reaches 1300, and other songs 370."""

MOST_DRIFT = 0.005
"""Largest difference of speed that is read off the slope of the alignment, ±0.5 %."""

DRIFT_STEPS = 101
"""Speeds tried within ``±MOST_DRIFT``, the same speed among them."""

FELT_DRIFT = 0.0005
"""Drift from which on it pays to shift the peaks to the speed that was found, and to compare again."""

MOST_SHIFTS = 2
"""How often they are shifted: the drift of peaks that are far off their true pitch is read off few of them."""

CLEARLY_MORE = 1.03
"""How many times more hits another speed must align than the speeds nearer to the same one."""

ALIGNED_REACH = 3
"""Frames on either side of the line of alignment that belong to it (48 ms)."""

TYPICAL_SHARE = 0.4
"""What a second must have of the median share of aligned anchors, to be the same. One channel of two, or an MP3 at 32
kbit/s, keeps a part of the anchors, but about the same part all the time; where another voice or instrument covers the
music, some seconds keep nearly all and others nothing."""

LEAST_SECOND_SHARE, ENOUGH_SECOND_SHARE = 0.08, 0.25
"""Shares of the anchors of a second that must be aligned whatever the median is, for chance aligns 1 in 50; and that
are always enough, because noise leaves less of a quiet second than of a loud one."""

LEAST_SHARE = 0.2
"""Share of the anchors that must be aligned in all common seconds together. A common drum loop is in every second too,
but it is the smaller part of it."""

SAME_SHARE = 0.85
"""Share of the seconds, from the first common one to the last, that must be the same."""

LEAST_OVERLAP = 0.75
"""Share of the seconds of the shorter song that must be the same for the songs to overlap at all: the beginning and the
end may be faded, or cut and replaced."""

SAME_LENGTH = 0.75
"""Ratio of the common seconds' shares of two recordings, above which one is not clearly longer than the other."""

Relation = Literal["same_recording", "contained", "contains", "different"]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a known song agrees with a new one.

    Attributes
    ----------
    relation : str
        ``contained`` says that the new song lies in the clearly longer known one, ``contains`` the reverse.
    score : float
        Log-likelihood ratio against chance, in nats.
    overlap, overlap_known : float
        Share of the audible seconds of the new and of the known song that are the same, 0 to 1.
    offset : float
        Frame of the known song at which the new one begins.
    speed : float
        Speed of the new song relative to the known one.
    anchors : int
        Distinct anchor times that are aligned.
    """

    relation: Relation
    score: float
    overlap: float
    overlap_known: float
    offset: float
    speed: float
    anchors: int


def agreements(segment: Segment, song: Fingerprint) -> dict[int, Agreement]:
    """Return how the songs of a segment agree with a new one, by number, as far as they remind of it at all.

    Other speeds are probed only where no song is the same recording at the same speed.

    Parameters
    ----------
    segment : Segment
        Where to look.
    song : Fingerprint
        The whole new song.
    """
    landmarks = song_landmarks(song)
    if not len(landmarks.anchors):
        return {}
    length = int(landmarks.anchors[-1]) + 1
    spans = [(begin, begin + SPAN_FRAMES) for begin in range(0, length, SPAN_FRAMES)]
    found = dict(_compared(segment, song, 1.0, _reminding(segment, landmarks, spans, LEAST_SPAN_SCORE)))
    if any(agreement.relation == "same_recording" for agreement in found.values()):
        return found
    probes = [(int(place * length), int(place * length) + PROBE_FRAMES) for place in PROBES]
    for speed in SPEEDS:
        numbers = _reminding(segment, song_landmarks(at_speed(song, speed)), probes, LEAST_PROBE_SCORE)
        for number, agreement in _compared(segment, song, speed, numbers):
            if number not in found or agreement.anchors > found[number].anchors:
                found[number] = agreement
    return found


def at_speed(song: Fingerprint, speed: float) -> Fingerprint:
    """Return the peaks of a song as they were before somebody played it `speed` times as fast."""
    return replace(
        song,
        frames=np.rint(song.frames * speed).astype(np.uint32),
        frequencies=np.rint(song.frequencies / speed).astype(np.uint16),
    )


def _reminding(
    segment: Segment, landmarks: Landmarks, spans: Iterable[tuple[int, int]], least_score: float
) -> list[int]:
    """Return the songs of which some span of a new song reminds."""
    numbers: dict[int, None] = {}
    for begin, end in spans:
        best = candidates(segment, landmarks.between(begin, end))
        numbers.update(dict.fromkeys(one.number for one in best if one.score > least_score))
    return list(numbers)


def _compared(segment: Segment, song: Fingerprint, speed: float, numbers: list[int]) -> Iterator[tuple[int, Agreement]]:
    """Yield how some songs agree with a new one, at about this speed."""
    if not numbers:
        return
    landmarks = song_landmarks(at_speed(song, speed))
    for found in hits(segment, landmarks, numbers):
        audible_s = segment.audible_seconds(found.number)
        agreement, used = compare(landmarks, found, audible_s, speed), speed
        for _ in range(MOST_SHIFTS):
            is_alike = max(agreement.overlap, agreement.overlap_known) > 1 - SAME_SHARE
            if not is_alike or abs(agreement.speed / used - 1) < FELT_DRIFT:
                break
            used = agreement.speed
            shifted = song_landmarks(at_speed(song, used))
            (again,) = hits(segment, shifted, [found.number])
            agreement = max(agreement, compare(shifted, again, audible_s, used), key=lambda one: one.anchors)
        yield found.number, agreement


def compare(new: Landmarks, found: Hits, known_audible_s: int, speed: float = 1.0) -> Agreement:
    """Return how a known song agrees with a new one.

    Parameters
    ----------
    new : Landmarks
        All landmarks of the new song.
    found : Hits
        Which of them the known song has too.
    known_audible_s : int
        `audible_seconds` of the known song.
    speed : float
        What the landmarks have been shifted by.
    """
    if not len(found.times):
        return Agreement("different", 0.0, 0.0, 0.0, 0.0, speed, 0)
    length = int(new.anchors[-1]) + 1
    drift, offset = _straightest_line(found.times, found.offsets, length, found.song_frames)
    aligned, drift, offset = _on_line(found, drift, offset)
    aligned_anchors = np.unique(found.times[aligned])

    anchors_per_second = np.bincount(_seconds(np.unique(new.anchors)))
    aligned_per_second = np.bincount(_seconds(aligned_anchors), minlength=len(anchors_per_second))
    audible = np.flatnonzero(anchors_per_second)
    shares = aligned_per_second[audible] / anchors_per_second[audible]
    begin_s, end_s = _seconds(np.array((max(0.0, -offset), min(length, found.song_frames - offset))))
    is_common = shares > _enough(shares[(audible >= begin_s) & (audible <= end_s)])
    common_s = int(np.count_nonzero(is_common))
    common = audible[is_common]
    share = int(aligned_per_second[common].sum()) / max(int(anchors_per_second[common].sum()), 1)
    # Seconds at the ends may be lost in a fade, and are counted by the overlap; those between them tell of other sound.
    between = np.flatnonzero(is_common & (audible >= begin_s) & (audible <= end_s))
    density = np.mean(is_common[between[0] : between[-1] + 1]) if len(between) else 0.0
    overlap = common_s / len(audible)
    overlap_known = min(1.0, common_s / max(known_audible_s, 1))
    expected = len(found.times) * (2 * ALIGNED_REACH + 1) / (found.song_frames + length)
    return Agreement(
        _relation(overlap, overlap_known) if share >= LEAST_SHARE and density >= SAME_SHARE else "different",
        log_likelihood_ratio(len(aligned_anchors), expected, new.anchor_times),
        overlap,
        overlap_known,
        offset,
        speed * (1 + drift),
        len(aligned_anchors),
    )


def _enough(shares: NDArray[np.float64]) -> float:
    """Return which share of its anchors a second must have aligned, where the two songs lie side by side."""
    typical = float(np.median(shares)) if len(shares) else 0.0
    return min(max(TYPICAL_SHARE * typical, LEAST_SECOND_SHARE), ENOUGH_SECOND_SHARE)


def _relation(overlap: float, overlap_known: float) -> Relation:
    if max(overlap, overlap_known) < LEAST_OVERLAP:
        return "different"
    if min(overlap, overlap_known) >= SAME_LENGTH * max(overlap, overlap_known):
        return "same_recording"
    return "contained" if overlap > overlap_known else "contains"


def _seconds(frames: NDArray[np.number]) -> NDArray[np.int64]:
    return (frames / FRAME_RATE_HZ).astype(np.int64)


def _on_line(found: Hits, drift: float, offset: float) -> tuple[NDArray[np.bool_], float, float]:
    """Return which hits lie on the line of alignment, its slope, and its offset at the begin, fitted to them."""
    distance = found.offsets - (offset + drift * found.times)
    offset += float(np.median(distance[np.abs(distance) <= ALIGNED_REACH + 1]))
    distance = found.offsets - (offset + drift * found.times)
    near = np.abs(distance) <= 1.5
    if near.any() and np.ptp(found.times[near]) > 0:
        drift_error, offset_error = np.polynomial.polynomial.polyfit(found.times[near], distance[near], 1)[::-1]
        drift, offset = drift + float(drift_error), offset + float(offset_error)
    return np.abs(found.offsets - (offset + drift * found.times)) <= ALIGNED_REACH, drift, offset


@njit(cache=True, nogil=True)
def _straightest_line(
    times: NDArray[np.int32], offsets: NDArray[np.int32], length: int, song_frames: int
) -> tuple[float, float]:
    """Return drift and offset of the line on which most hits lie, from a histogram of offsets for every speed."""
    width = ALIGNED_REACH + 1
    slack = int(MOST_DRIFT * length) + 2 * width
    counts = np.empty((length + song_frames + 2 * slack) // width + 2, np.int32)
    most = 0
    best_drift = best_offset = 0.0
    for step in range(DRIFT_STEPS):
        # The same speed comes first, and wins where no other does clearly better.
        side = 1 if step % 2 else -1
        drift = side * ((step + 1) // 2) * MOST_DRIFT / (DRIFT_STEPS // 2)
        counts[:] = 0
        for i in range(len(times)):
            counts[int(offsets[i] - drift * times[i] + length + slack) // width] += 1
        for i in range(len(counts) - 1):
            if counts[i] + counts[i + 1] > most * (1 if step == 0 else CLEARLY_MORE):
                most = counts[i] + counts[i + 1]
                best_drift, best_offset = drift, float((i + 1) * width - length - slack)
    return best_drift, best_offset
