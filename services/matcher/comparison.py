"""Are two whole songs the same recording?

They are when, at one offset and one speed, the peaks of nearly every second of the shorter one are those of the longer
one too, and evenly so. A remix, a cover, or another song with the same drum loop agrees here and there, at many
offsets, or in few peaks a second; where a voice is missing, some seconds agree in all peaks and others in few.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numba import njit
from numpy.typing import NDArray

from services.matcher.evidence import frequencies_of
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

LEAST_PROBE_SCORE = 400.0
"""Nats that a known song has to reach in one probe, to be compared at that speed: an MP3 at 32 kbit/s that is 0.2 % off
reaches 1300, dull music at least 440, and other songs 370."""

MOST_DRIFT = 0.005
"""Largest difference of speed that is read off the slope of the alignment, ±0.5 %."""

DRIFT_STEPS = 101
"""Speeds tried within ``±MOST_DRIFT``, the same speed among them."""

FELT_DRIFT = 0.0005
"""Drift from which on it pays to shift the peaks to the speed that was found, and to compare again."""

LEAST_ALIKE = 0.15
"""Overlap from which on it pays too."""

MOST_SHIFTS = 2
"""How often they are shifted: the drift of peaks that are far off their true pitch is read off few of them."""

CLEARLY_MORE = 1.03
"""How many times more hits another speed must align than the speeds nearer to the same one."""

ALIGNED_REACH = 3
"""Frames on either side of the line of alignment that belong to it (48 ms)."""

NEAR_FRAMES, NEAR_STEPS = 1, 2
"""Frames, and quarters of a bin, that two aligned peaks may lie apart. An MP3 at 32 kbit/s keeps 85 % of the peaks so
close, and chance puts 8 % there."""

TYPICAL_SHARE = 0.5
"""What a second must have of the median share of peaks that both songs have, to be the same."""

LEAST_SECOND_SHARE, ENOUGH_SECOND_SHARE = 0.15, 0.3
"""Shares of the peaks of a second that both songs must have whatever the median is; and that are always enough, because
noise leaves less of a quiet second than of a loud one."""

WINDOW_S = 2
"""Seconds in which shares of peaks are compared with their mean: in a single second they vary by chance."""

FEWEST_PEAKS = 20
"""Peaks of both songs that a window must have to count. Songs have 130, but where they pause."""

LOUD_DB = 8
"""Windows that are quieter than the median by more do not count: they are lost in noise, or in coarse encodings."""

LEAST_SHARE = 0.28
"""Mean share of the peaks that both songs must have. One channel of very wide stereo has 0.31 and more; songs over a
common loop, 0.1 to 0.25."""

EVEN_WINDOWS, EVEN_SHARE = 0.9, 0.65
"""Share of the windows that must have so much of the mean share. What is done to a copy is done to all of it: one
channel of two keeps half of the peaks, but all the time. Where another voice or song covers the music, some seconds
keep nearly all and others nothing."""

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


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """A song of a segment.

    Attributes
    ----------
    frames : uint32 [shape=(peaks,)]
        Times of its peaks.
    frequencies : uint16 [shape=(peaks,)]
        Their frequencies, in quarters of a bin.
    audible_s : int
        Seconds in which there is anything to compare.
    """

    frames: NDArray[np.uint32]
    frequencies: NDArray[np.uint16]
    audible_s: int


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
    shifted = at_speed(song, speed)
    landmarks = song_landmarks(shifted)
    for found in hits(segment, landmarks, numbers):
        part = int(np.flatnonzero(segment.songs == found.number)[0])
        frames, peaks = segment.peaks(part)
        known = Known(frames, frequencies_of(peaks), segment.audible_seconds(found.number))
        agreement, used = compare(shifted, landmarks, found, known, speed), speed
        for _ in range(MOST_SHIFTS):
            is_alike = max(agreement.overlap, agreement.overlap_known) > LEAST_ALIKE
            if not is_alike or abs(agreement.speed / used - 1) < FELT_DRIFT:
                break
            used = agreement.speed
            again = at_speed(song, used)
            again_landmarks = song_landmarks(again)
            (again_found,) = hits(segment, again_landmarks, [found.number])
            other = compare(again, again_landmarks, again_found, known, used)
            agreement = max(agreement, other, key=lambda one: one.anchors)
        yield found.number, agreement


def compare(new: Fingerprint, landmarks: Landmarks, found: Hits, known: Known, speed: float = 1.0) -> Agreement:
    """Return how a known song agrees with a new one.

    Parameters
    ----------
    new : Fingerprint
        The whole new song.
    landmarks : Landmarks
        All of its landmarks.
    found : Hits
        Which of them the known song has too.
    known : Known
        The known song.
    speed : float
        What the new song has been shifted by.
    """
    if not len(found.times):
        return Agreement("different", 0.0, 0.0, 0.0, 0.0, speed, 0)
    length = int(landmarks.anchors[-1]) + 1
    drift, offset = _straightest_line(found.times, found.offsets, length, found.song_frames)
    aligned, drift, offset = _on_line(found, drift, offset)
    anchors = len(np.unique(found.times[aligned]))
    common_s, is_copy = _copied(new, known, drift, offset)
    overlap = common_s / max(len(np.unique(_seconds(new.frames))), 1)
    overlap_known = min(1.0, common_s / max(known.audible_s, 1))
    expected = len(found.times) * (2 * ALIGNED_REACH + 1) / (found.song_frames + length)
    return Agreement(
        _relation(overlap, overlap_known) if is_copy else "different",
        log_likelihood_ratio(anchors, expected, landmarks.anchor_times),
        overlap,
        overlap_known,
        offset,
        speed * (1 + drift),
        anchors,
    )


def _copied(new: Fingerprint, known: Known, drift: float, offset: float) -> tuple[int, bool]:
    """Return in how many seconds the peaks of two songs agree, and whether they do so as those of copies."""
    # Times of both are those of the known song, counted from the beginning of the new one.
    times = new.frames * (1 + drift)
    known_times = known.frames - offset
    pitches = new.frequencies / (1 + drift)
    begin, end = max(times[0], known_times[0]), min(times[-1], known_times[-1])
    here, known_here = _between(times, begin, end), _between(known_times, begin, end)
    if end - begin < FRAME_RATE_HZ or not len(times[here]) or not len(known_times[known_here]):
        return 0, False
    times, pitches, levels = times[here] - begin, pitches[here], new.levels[here]
    known_times, known_pitches = known_times[known_here] - begin, known.frequencies[known_here].astype(np.float64)
    count = int((end - begin) / FRAME_RATE_HZ) + 1
    own = _seconds(times)
    known_own = _seconds(known_times)
    own_peaks = np.bincount(own, minlength=count)
    peaks = own_peaks + np.bincount(known_own, minlength=count)
    shared = np.bincount(own, _met(times, pitches, known_times, known_pitches), count)
    shared += np.bincount(known_own, _met(known_times, known_pitches, times, pitches), count)
    loudness = np.bincount(own, levels, count)
    shares = shared / np.maximum(peaks, 1)
    typical = float(np.median(shares[peaks > 0]))
    enough = min(max(TYPICAL_SHARE * typical, LEAST_SECOND_SHARE), ENOUGH_SECOND_SHARE)
    common = np.flatnonzero((shares > enough) & (own_peaks > 0))
    if not len(common):
        return 0, False
    inner = slice(common[0], common[-1] + 1)
    return len(common), _is_even(peaks[inner], shared[inner], own_peaks[inner], loudness[inner])


def _is_even(
    peaks: NDArray[np.number], shared: NDArray[np.number], own_peaks: NDArray[np.number], loudness: NDArray[np.number]
) -> bool:
    """Return whether nearly all windows of two songs share nearly the same part of their peaks."""
    window = np.ones(min(WINDOW_S, len(peaks)))
    peaks_of, shared_of, own_of, loudness_of = (
        np.convolve(column, window, "valid") for column in (peaks, shared, own_peaks, loudness)
    )
    level_db = loudness_of / np.maximum(own_of, 1)
    filled = peaks_of >= FEWEST_PEAKS
    if not filled.any():
        return False
    counted = filled & (level_db >= np.median(level_db[filled]) - LOUD_DB)
    shares = shared_of[counted] / peaks_of[counted]
    mean = float(np.mean(shares))
    return mean >= LEAST_SHARE and float(np.quantile(shares, 1 - EVEN_WINDOWS)) >= EVEN_SHARE * mean


def _between(times: NDArray[np.floating], begin: float, end: float) -> slice:
    return slice(int(np.searchsorted(times, begin)), int(np.searchsorted(times, end, side="right")))


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
def _met(
    times: NDArray[np.float64],
    pitches: NDArray[np.float64],
    other_times: NDArray[np.float64],
    other_pitches: NDArray[np.float64],
) -> NDArray[np.bool_]:
    """Return which peaks have one of the other song next to them."""
    met = np.zeros(len(times), np.bool_)
    first = 0
    for peak in range(len(times)):
        while first < len(other_times) and other_times[first] < times[peak] - NEAR_FRAMES - 0.5:
            first += 1
        other = first
        while other < len(other_times) and other_times[other] <= times[peak] + NEAR_FRAMES + 0.5:
            if abs(pitches[peak] - other_pitches[other]) <= NEAR_STEPS + 0.5:
                met[peak] = True
                break
            other += 1
    return met


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
