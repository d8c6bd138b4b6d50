"""How does a song become what somebody else would send: a noisy clip of it, or the whole in another encoding?"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import soundfile
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from shared.audio.decode import decode

Samples = NDArray[np.float32]

SAMPLE_RATE_HZ = 44_100


def mix(clip: Samples, noise: Samples, snr_db: float) -> Samples:
    """Add noise to a clip at a signal-to-noise ratio: the quotient of their mean powers, in dB.

    Parameters
    ----------
    clip, noise : float32 [shape=(samples,)]
        Of the same length, neither silent.
    snr_db : float
        Ratio of the powers of clip and added noise, in dB.

    Returns
    -------
    float32 [shape=(samples,)]
        The mixture, made quieter as a whole if it would not fit into full scale.

    Raises
    ------
    ValueError
        One of them is silent.
    """
    clip_power = float(np.mean(np.square(clip, dtype=np.float64)))
    noise_power = float(np.mean(np.square(noise, dtype=np.float64)))
    if clip_power == 0.0 or noise_power == 0.0:
        raise ValueError("silence has no signal-to-noise ratio")
    gain = np.sqrt(clip_power / (noise_power * 10 ** (snr_db / 10)))
    mixture = clip.astype(np.float64) + gain * noise
    fitting: Samples = (mixture / max(1.0, float(np.max(np.abs(mixture))))).astype(np.float32)
    return fitting


def write_noisy_clip(song: Path, clip: Path, *, duration_s: float, snr_db: float, seed: int) -> float:
    """Cut a clip from the middle of a song, add white noise, write it as 16-bit WAV.

    Returns
    -------
    float
        Where in the song the clip begins, in seconds.

    Raises
    ------
    Rejected
        The song cannot be decoded.
    ValueError
        The middle of the song is silent.
    """
    samples = decode(song, sample_rate_hz=SAMPLE_RATE_HZ).samples
    length = min(len(samples), round(duration_s * SAMPLE_RATE_HZ))
    begin = (len(samples) - length) // 2
    noise = np.random.default_rng(seed).standard_normal(length, dtype=np.float32)
    soundfile.write(clip, mix(samples[begin : begin + length], noise, snr_db), SAMPLE_RATE_HZ, subtype="PCM_16")
    return begin / SAMPLE_RATE_HZ


def write_mp3(song: Path, copy: Path, *, bit_rate: int) -> None:
    """Encode a song again, as MP3 with two channels at `bit_rate` bits per second."""
    with av.open(song) as source, av.open(copy, "w", format="mp3") as target:
        stream = target.add_stream("libmp3lame", rate=SAMPLE_RATE_HZ)
        stream.bit_rate = bit_rate
        stream.layout = "stereo"
        resampler = AudioResampler(format="s16p", layout="stereo", rate=SAMPLE_RATE_HZ)
        for frame in source.decode(audio=0):
            for resampled in resampler.resample(frame):
                target.mux(stream.encode(resampled))
        for resampled in resampler.resample(None):
            target.mux(stream.encode(resampled))
        target.mux(stream.encode(None))
