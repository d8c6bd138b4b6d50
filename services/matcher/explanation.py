"""Which peaks of a clip and of a song lie together, so that people can see why the song was named?"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from services.matcher.evidence import frequencies_of
from services.matcher.parameters import KEPT_FRAMES, KEPT_STEPS
from services.matcher.search import Place
from shared.events import AlignedPeaks, Peaks
from shared.fingerprint import BIN_WIDTH_HZ, FRAME_RATE_HZ, STEPS_PER_BIN, Fingerprint

SHOWN_FRAMES: Final = 375
"""How much is shown, around the middle of what is heard (6 s): about 200 peaks of the song."""

OTHERS_PER_PEAK: Final = 2
"""A clip has seven times the peaks of a song; beside those in common only so many loud ones are shown."""


def aligned_peaks(place: Place, clip: Fingerprint) -> AlignedPeaks:
    """Return the peaks of a song around the middle of what is heard, and those of the clip, at the times of the song.

    Parameters
    ----------
    place : Place
        Where the clip is in the song.
    clip : Fingerprint
        At clip density.
    """
    found = place.alignment
    first = max(found.first, round(found.centre) - SHOWN_FRAMES // 2)
    last = min(found.last, first + SHOWN_FRAMES)
    times, steps = place.warp.applied(clip.frames, clip.frequencies)
    shown = np.flatnonzero((times >= first) & (times <= last))
    clip_frames, clip_steps = times[shown] + found.offset, steps[shown].astype(np.int64)
    begin, end = round(found.offset) + first, round(found.offset) + last + 1
    frames, peaks = place.segment.peaks(place.part, begin, end)
    song_steps = frequencies_of(peaks).astype(np.int64)
    later = np.abs(frames[:, None] - clip_frames[None, :])
    beside = np.abs(song_steps[:, None] - clip_steps[None, :])
    is_near = (later < len(KEPT_FRAMES)) & (beside < len(KEPT_STEPS))
    nearest = np.where(is_near, later + beside, np.inf).argmin(axis=1) if len(shown) else np.empty(0, np.int64)
    heard = is_near.any(axis=1)
    is_common = np.zeros(len(shown), bool)
    is_common[nearest[heard]] = True
    loudness = np.where(is_common, np.inf, clip.levels[shown])
    most = int(is_common.sum()) + OTHERS_PER_PEAK * len(frames)
    kept = np.sort(np.argsort(-loudness, kind="stable")[:most])
    return AlignedPeaks(
        song=_peaks(frames, song_steps, heard), clip=_peaks(clip_frames[kept], clip_steps[kept], is_common[kept])
    )


def _peaks(frames: NDArray[np.number], steps: NDArray[np.int64], is_common: NDArray[np.bool_]) -> Peaks:
    return Peaks(
        times_ms=tuple(np.rint(1000 * frames / FRAME_RATE_HZ).astype(int).tolist()),
        frequencies_hz=tuple(np.rint(steps * (BIN_WIDTH_HZ / STEPS_PER_BIN)).astype(int).tolist()),
        is_common=tuple(is_common.tolist()),
    )
