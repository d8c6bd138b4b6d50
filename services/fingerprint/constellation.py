"""How does audio become a fingerprint, or is refused as silent or too short?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from services.fingerprint.parameters import (
    CLIP_QUOTA,
    CLIP_REACH_BINS,
    CLIP_REACH_FRAMES,
    FEWEST_MOMENTS,
    REACH_BINS,
    REACH_FRAMES,
    SHORTEST_CLIP_S,
    SHORTEST_SONG_S,
    SILENCE_DBFS,
    SONG_QUOTA,
)
from services.fingerprint.peaks import Peaks, find_peaks, strongest
from services.fingerprint.spectrogram import SINE_POWER, blocks
from shared.errors import Rejected
from shared.fingerprint import ALGORITHM, LEVEL_OF_FULL_SCALE, SAMPLE_RATE_HZ, Fingerprint


def fingerprint_song(samples: NDArray[np.float32]) -> Fingerprint:
    """Return the peaks of a whole song, at the density that is stored.

    Parameters
    ----------
    samples : float32 [shape=(samples,)]
        Mono audio at 8 kHz, full scale ±1.

    Raises
    ------
    Rejected
        ``too_short`` below 3 s, ``silence`` where nothing can be heard.
    """
    peaks = _peaks(samples, SHORTEST_SONG_S, REACH_BINS, REACH_FRAMES)
    return _fingerprint(samples, peaks, SONG_QUOTA)


def fingerprint_clip(samples: NDArray[np.float32]) -> Fingerprint:
    """Return the peaks of a clip, at seven times the density of a song: noise must not crowd out the music.

    Parameters
    ----------
    samples : float32 [shape=(samples,)]
        Mono audio at 8 kHz, full scale ±1.

    Raises
    ------
    Rejected
        ``too_short`` below 1 s, ``silence`` where nothing can be heard.
    """
    peaks = _peaks(samples, SHORTEST_CLIP_S, CLIP_REACH_BINS, CLIP_REACH_FRAMES)
    return _fingerprint(samples, peaks, CLIP_QUOTA)


def warm_up() -> None:
    """Compile everything, so that the first recording does not wait for it."""
    time_s = np.arange(4 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ
    sweep = np.sin(2 * np.pi * (300 + 200 * time_s) * time_s) * np.sin(20 * time_s)
    fingerprint_song(sweep.astype(np.float32))
    fingerprint_clip(sweep.astype(np.float32))


def _peaks(samples: NDArray[np.float32], shortest_s: float, reach_bins: int, reach_frames: int) -> Peaks:
    duration_s = len(samples) / SAMPLE_RATE_HZ
    if duration_s < shortest_s:
        raise Rejected("too_short", f"the audio is {duration_s:.2f} s long, at least {shortest_s:g} s are needed")
    return find_peaks(blocks(samples, reach_frames), reach_bins, reach_frames)


def _fingerprint(samples: NDArray[np.float32], peaks: Peaks, quota: int) -> Fingerprint:
    if peaks.loudest_dbfs < SILENCE_DBFS:
        raise Rejected("silence", f"the audio is silent: nothing in it is louder than {SILENCE_DBFS:g} dBFS")
    kept = strongest(peaks, quota)
    moments = len(np.unique(peaks.frames[kept]))
    if moments < FEWEST_MOMENTS:
        raise Rejected("silence", f"nothing is heard in the audio but for {moments} short moments")
    levels = np.rint(10 * np.log10(peaks.powers[kept] / SINE_POWER)) + LEVEL_OF_FULL_SCALE
    return Fingerprint(
        ALGORITHM,
        len(samples) / SAMPLE_RATE_HZ,
        peaks.frames[kept],
        peaks.frequencies[kept],
        np.clip(levels, 0, 255).astype(np.uint8),
    )
