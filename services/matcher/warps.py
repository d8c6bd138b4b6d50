"""What would a clip look like at the speed and pitch of the song?

Playing a song faster moves each of its peaks to an earlier time and a higher frequency, and both by a factor. So a clip
is brought back by factors on its peaks, and looked up in the ordinary index: nothing is stored for it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.matcher.parameters import (
    FASTEST_SPEED,
    FASTEST_TEMPO,
    HIGHEST_PITCH,
    SPEED_STEP,
    TEMPO_STEP,
)


@dataclass(frozen=True, slots=True)
class Warp:
    """How a clip differs from its song.

    Attributes
    ----------
    time : float
        Seconds of the song per second of the clip: 1.02 is 2 % fast.
    pitch : float
        Frequency in the clip per frequency in the song: 1.06 is a semitone high.
    """

    time: float = 1.0
    pitch: float = 1.0

    def applied(
        self, frames: NDArray[np.uint32], frequencies: NDArray[np.uint16]
    ) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
        """Return times and frequencies of a clip's peaks as they would be at the speed and pitch of the song."""
        if self == STRAIGHT:
            return frames, frequencies
        highest = np.iinfo(np.uint16).max
        steps = np.minimum(np.rint(frequencies / self.pitch), highest).astype(np.uint16)
        return np.rint(frames * self.time).astype(np.uint32), steps

    def neighbours(self, step: float) -> list[Warp]:
        """Return warps that differ a little in tempo, in pitch, or in speed, which is both."""
        moves = [(step, 0.0), (0.0, step), (step, step)]
        return [
            Warp(self.time * (1 + sign * time), self.pitch * (1 + sign * pitch))
            for time, pitch in moves
            for sign in (-1, 1)
        ]


STRAIGHT = Warp()


def _steps(most: float, step: float) -> list[float]:
    count = round(most / step)
    return [1 + step * i for i in range(-count, count + 1) if i]


WARPS = (
    *(Warp(speed, speed) for speed in _steps(FASTEST_SPEED, SPEED_STEP)),
    *(Warp(tempo, 1.0) for tempo in _steps(FASTEST_TEMPO, TEMPO_STEP)),
    *(Warp(1.0, pitch) for pitch in _steps(HIGHEST_PITCH, SPEED_STEP)),
)
"""The warps that are looked up where a clip as it is has no sure answer."""
