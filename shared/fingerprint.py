"""What do we remember of how a song sounds?

A fingerprint is the constellation of a recording: the peaks of its spectrogram. Landmarks and hashes follow from them,
so the index can change its hash without decoding any audio again.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Fingerprint:
    """Peaks of one recording, sorted by frame, then by frequency.

    Attributes
    ----------
    algorithm : str
        Version of the peak extraction; only fingerprints of one version can be compared.
    duration_s : float
        Length of the audio the peaks come from, in seconds.
    frames : uint32 [shape=(peaks,)]
        Time of each peak, in spectrogram frames.
    frequencies : uint16 [shape=(peaks,)]
        Frequency of each peak, in quarters of a spectrogram bin.
    """

    algorithm: str
    duration_s: float
    frames: NDArray[np.uint32]
    frequencies: NDArray[np.uint16]

    def pack(self) -> bytes:
        """Return the stored form: a header, then delta-coded and compressed peaks, about 2 bytes each."""
        raise NotImplementedError

    @classmethod
    def unpack(cls, data: bytes) -> Fingerprint:
        """Read the stored form.

        Raises
        ------
        ValueError
            The bytes are not a fingerprint, are damaged, or of a format this version does not know.
        """
        raise NotImplementedError
