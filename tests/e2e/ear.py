"""What does a browser send to the loudspeakers, and where in which song is that?"""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from playwright.async_api import Page
from scipy.signal import fftconvolve

Samples = NDArray[np.float32]

EAR = """
(() => {
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (to, ...rest) {
    if (to instanceof AudioDestinationNode) {
      const { context } = this;
      const sides = connect.call(this, new ChannelSplitterNode(context, { numberOfOutputs: 2 }));
      const ears = [0, 1].map((side) =>
        connect.call(sides, new AnalyserNode(context, { fftSize: 32768, channelCount: 1 }), side));
      window.ear = { context, ears };
    }
    return connect.call(this, to, ...rest);
  };
})();
"""
"""Listens to whatever any page sends to the loudspeakers; a script to be run before those of the page."""
HEARD = """
() => {
  if (!window.ear) return null;
  const { context, ears } = window.ear;
  const heard = ears.map((ear) => {
    const samples = new Float32Array(ear.fftSize);
    ear.getFloatTimeDomainData(samples);
    const bytes = new Uint8Array(samples.buffer);
    let text = "";
    for (let at = 0; at < bytes.length; at += 4096) text += String.fromCharCode(...bytes.subarray(at, at + 4096));
    return btoa(text);
  });
  return [context.sampleRate, ...heard];
}
"""


@dataclass(frozen=True, slots=True)
class Heard:
    """The last moments of what was heard.

    Attributes
    ----------
    sides : tuple of float32 [shape=(32768,)]
        Left and right; one may begin a moment after the other.
    sample_rate_hz : int
        That of the browser.
    """

    sides: tuple[Samples, Samples]
    sample_rate_hz: int


@dataclass(frozen=True, slots=True)
class Place:
    """What is heard, compared with a song.

    Attributes
    ----------
    likeness : float
        Pearson's coefficient at the best place, of the less alike of both sides.
    at_s : float
        Where in the song what was heard last is, in seconds.
    gain_db : float
        How much louder than the song it is.
    parts : tuple of float32 [shape=(32768,)]
        What the song has there, left and right.
    """

    likeness: float
    at_s: float
    gain_db: float
    parts: tuple[Samples, Samples]


async def hear(page: Page) -> Heard | None:
    """Return what a page with an `EAR` has sent to the loudspeakers last; None before it has sent something."""
    found = await page.evaluate(HEARD)
    if found is None:
        return None
    rate_hz, left, right = found
    heard = (np.frombuffer(base64.b64decode(left), np.float32), np.frombuffer(base64.b64decode(right), np.float32))
    return Heard(heard, int(rate_hz))


def place(heard: Heard, song: Samples) -> Place:
    """Find what was heard in a song of the same sample rate.

    Parameters
    ----------
    heard : Heard
        What was heard.
    song : float32 [shape=(frames, 2)]
        Left and right.
    """
    sides = [_best(side, song[:, at]) for at, side in enumerate(heard.sides)]
    parts = (
        song[sides[0] : sides[0] + len(heard.sides[0]), 0],
        song[sides[1] : sides[1] + len(heard.sides[1]), 1],
    )
    pairs = list(zip(heard.sides, parts, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):  # of silence
        likeness = min(float(np.corrcoef(one, part)[0, 1]) for one, part in pairs)
        powers = np.sum([[np.sum(np.square(side, dtype=np.float64)) for side in pair] for pair in pairs], axis=0)
        gain_db = float(10 * np.log10(powers[0] / powers[1]))
    return Place(likeness, (sides[0] + len(heard.sides[0])) / heard.sample_rate_hz, gain_db, parts)


def _best(heard: Samples, song: Samples) -> int:
    return int(np.argmax(fftconvolve(song, heard[::-1], mode="valid")))


def third_octaves_db(samples: Samples, sample_rate_hz: int) -> NDArray[np.float64]:
    """Return the level of each third of an octave from 31.5 Hz to 16 kHz, relative to full scale."""
    window = np.hanning(len(samples))
    power = np.abs(np.fft.rfft(samples * window)) ** 2 / np.sum(window**2) / len(samples)
    hz = np.fft.rfftfreq(len(samples), 1 / sample_rate_hz)
    centres = 1000 * 2 ** (np.arange(-15, 13) / 3)
    inside = [(hz >= centre * 2 ** (-1 / 6)) & (hz < centre * 2 ** (1 / 6)) for centre in centres]
    return np.array([10 * np.log10(power[band].sum() + 1e-20) for band in inside])
