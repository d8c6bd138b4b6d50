"""What happens to a clip on its way to us?

Every condition is a small function of a stretch of music, and of a generator that decides whatever chance decides.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import partial

import av
import numpy as np
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.filter import Graph
from numpy.random import Generator
from numpy.typing import NDArray
from scipy import signal

from bench.noises import SAMPLE_RATE_HZ, Samples, pink, room_response, white
from tunescout.clip import mix

LEAD_S = 1.0
"""Music before every clip, in seconds: a room and a filter are already sounding when the clip begins."""

TELEPHONE_RATE_HZ = 8_000
MU = 255.0
"""Compression of a telephone line in North America and Japan. Source: ITU-T G.711."""


@dataclass(frozen=True, slots=True, eq=False)
class Music:
    """A stretch of a song, with what is around the clip.

    Attributes
    ----------
    samples : float32 [shape=(n,)]
        `LEAD_S` of music, the clip, and some more music for those conditions that play faster.
    length : int
        Samples of the clip.
    crowd : float32 [shape=(m,)]
        A crowd, longer than the clip.
    rng : Generator
        Decides over noise and rooms.
    """

    samples: Samples
    length: int
    crowd: Samples
    rng: Generator

    @property
    def lead(self) -> int:
        """First sample of the clip."""
        return round(LEAD_S * SAMPLE_RATE_HZ)

    @property
    def clip(self) -> Samples:
        """The clip as the song has it."""
        return self.samples[self.lead : self.lead + self.length]

    @property
    def onward(self) -> Samples:
        """The clip and what follows it."""
        return self.samples[self.lead :]


@dataclass(frozen=True, slots=True)
class Condition:
    """A way to degrade clips.

    Attributes
    ----------
    name : str
        Short, without spaces.
    family : str
        What it is a case of.
    degrade : callable
        Makes the clip.
    sample_rate_hz : int
        Rate of the clip that comes out, in Hz.
    speed : float
        Seconds of the song in a second of the clip.
    lengths_s : tuple of int
        Lengths of clips for which the condition is asked about.
    """

    name: str
    family: str
    degrade: Callable[[Music], Samples]
    sample_rate_hz: int = SAMPLE_RATE_HZ
    speed: float = 1.0
    lengths_s: tuple[int, ...] = (10, 5, 3)

    def apply(self, music: Music) -> Samples:
        """Return the degraded clip, exactly as long as the clip was, within full scale."""
        length = round(music.length * self.sample_rate_hz / SAMPLE_RATE_HZ)
        degraded = self.degrade(music)[:length]
        degraded = np.pad(degraded, (0, length - len(degraded)))
        return (degraded / max(1.0, float(np.max(np.abs(degraded))))).astype(np.float32)


def clean(music: Music) -> Samples:
    """Return the clip as it is."""
    return music.clip


def with_white(snr_db: float, music: Music) -> Samples:
    """Add white noise."""
    return mix(music.clip, white(music.length, music.rng), snr_db)


def with_pink(snr_db: float, music: Music) -> Samples:
    """Add pink noise."""
    return mix(music.clip, pink(music.length, music.rng), snr_db)


def with_crowd(snr_db: float, music: Music) -> Samples:
    """Add a crowd of voices."""
    return mix(music.clip, _some_crowd(music, music.length), snr_db)


def phone_in_room(snr_db: float, music: Music) -> Samples:
    """Play the music across a room in which people speak, and record it with a phone.

    The room reverberates for 0.3 to 0.7 s, and its echo is between 6 dB stronger and 3 dB weaker than the direct
    sound. The phone hears 150 Hz to 7 kHz, and clips loud moments softly.
    """
    echo = room_response(
        music.rng,
        reverberation_s=music.rng.uniform(0.3, 0.7),
        direct_to_reverberant_db=music.rng.uniform(-6.0, 3.0),
    )
    heard = signal.fftconvolve(music.samples, echo)[music.lead : music.lead + music.length].astype(np.float32)
    loud = mix(heard, _some_crowd(music, music.length), snr_db)
    microphone = signal.butter(2, (150.0, 7_000.0), "bandpass", fs=SAMPLE_RATE_HZ, output="sos")
    recorded = signal.sosfilt(microphone, loud)
    level = np.sqrt(np.mean(recorded**2)) + 1e-12
    return np.asarray(np.tanh(0.25 * recorded / level), np.float32)


def telephone(music: Music) -> Samples:
    """Send the clip over a telephone line: 300 to 3,400 Hz, and eight bits a sample after mu-law compression."""
    narrow = signal.resample_poly(music.clip, *_ratio(TELEPHONE_RATE_HZ))
    line = signal.butter(4, (300.0, 3_400.0), "bandpass", fs=TELEPHONE_RATE_HZ, output="sos")
    level = signal.sosfilt(line, narrow)
    level /= max(1.0, float(np.max(np.abs(level))))
    compressed = np.sign(level) * np.log1p(MU * np.abs(level)) / np.log1p(MU)
    received = np.round(compressed * 127) / 127
    return np.asarray(np.sign(received) * np.expm1(np.abs(received) * np.log1p(MU)) / MU, np.float32)


def encoded(codec: str, container: str, bit_rate_bps: int, sample_rate_hz: int, music: Music) -> Samples:
    """Encode the clip with a lossy codec, and decode it again."""
    file = io.BytesIO()
    wanted = _frame(music.onward[: music.length + SAMPLE_RATE_HZ // 4])
    with av.open(file, "w", format=container) as target:
        stream = target.add_stream(codec, rate=sample_rate_hz)
        assert isinstance(stream, AudioStream)
        stream.bit_rate = bit_rate_bps
        stream.layout = "mono"
        fitted = AudioResampler(stream.format, "mono", sample_rate_hz, stream.codec_context.frame_size or None)
        for frame in (*fitted.resample(wanted), *fitted.resample(None)):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as coded:
        back = AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
        frames = [part for frame in coded.decode(audio=0) for part in back.resample(frame)] + back.resample(None)
    return np.concatenate([frame.to_ndarray()[0] for frame in frames])


def equalised(band: str, gain_db: float, music: Music) -> Samples:
    """Turn bass, middle or treble up or down."""
    return np.asarray(signal.sosfilt(equaliser(band, gain_db), music.samples)[music.lead :], np.float32)


def equaliser(band: str, gain_db: float) -> NDArray[np.float64]:
    """Return a shelf below 200 Hz or above 4 kHz, or a bell around 1 kHz, as one second-order section.

    Parameters
    ----------
    band : {"bass", "middle", "treble"}
        Which part of the spectrum.
    gain_db : float
        Gain there, in dB.

    Notes
    -----
    Source of the formulas: R. Bristow-Johnson, Audio EQ Cookbook.
    """
    centre_hz = {"bass": 200.0, "middle": 1_000.0, "treble": 4_000.0}[band]
    gain = 10 ** (gain_db / 40)
    angle = 2 * np.pi * centre_hz / SAMPLE_RATE_HZ
    cosine, alpha = np.cos(angle), np.sin(angle) / np.sqrt(2)
    if band == "middle":
        above = [1 + alpha * gain, -2 * cosine, 1 - alpha * gain]
        below = [1 + alpha / gain, -2 * cosine, 1 - alpha / gain]
    else:
        side = 1 if band == "bass" else -1
        plus, minus, slope = gain + 1, gain - 1, 2 * np.sqrt(gain) * alpha
        above = [
            gain * (plus - side * minus * cosine + slope),
            side * 2 * gain * (minus - side * plus * cosine),
            gain * (plus - side * minus * cosine - slope),
        ]
        below = [
            plus + side * minus * cosine + slope,
            -side * 2 * (minus + side * plus * cosine),
            plus + side * minus * cosine - slope,
        ]
    return np.asarray([np.array([*above, *below]) / below[0]], np.float64)


def quieter(gain_db: float, music: Music) -> Samples:
    """Turn the volume down."""
    return music.clip * np.float32(10 ** (gain_db / 20))


def resampled(sample_rate_hz: int, music: Music) -> Samples:
    """Change the sample rate of the file, and nothing else."""
    return np.asarray(signal.resample_poly(music.clip, *_ratio(sample_rate_hz)), np.float32)


def sped(speed: float, music: Music) -> Samples:
    """Play faster or slower, like a turntable: tempo and pitch change together."""
    return _sped(music.onward, speed)


def stretched(tempo: float, music: Music) -> Samples:
    """Play faster or slower at the same pitch."""
    return _stretched(music.onward, tempo)


def pitched(cents: float, music: Music) -> Samples:
    """Change the pitch, not the tempo."""
    factor = 2 ** (cents / 1_200)
    return _stretched(_sped(music.onward, factor), 1 / factor)


def _sped(samples: Samples, speed: float) -> Samples:
    ratio = Fraction(speed).limit_denominator(500)
    return np.asarray(signal.resample_poly(samples, ratio.denominator, ratio.numerator), np.float32)


def _stretched(samples: Samples, tempo: float) -> Samples:
    """Change the tempo with FFmpeg's ``atempo``, which overlaps and adds similar waveforms."""
    graph = Graph()
    source = graph.add_abuffer(
        format="flt", sample_rate=SAMPLE_RATE_HZ, layout="mono", time_base=Fraction(1, SAMPLE_RATE_HZ)
    )
    stretcher, sink = graph.add("atempo", f"{tempo:.6f}"), graph.add("abuffersink")
    source.link_to(stretcher)
    stretcher.link_to(sink)
    graph.configure()
    graph.push(_frame(samples))
    graph.push(None)
    parts = []
    while True:
        try:
            parts.append(graph.pull().to_ndarray()[0])
        except (av.BlockingIOError, av.EOFError):
            return np.concatenate(parts)


def _frame(samples: Samples) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples)[np.newaxis], format="flt", layout="mono")
    frame.sample_rate = SAMPLE_RATE_HZ
    frame.pts = 0
    return frame


def _some_crowd(music: Music, length: int) -> Samples:
    begin = int(music.rng.integers(len(music.crowd) - length + 1))
    return music.crowd[begin : begin + length]


def _ratio(sample_rate_hz: int) -> tuple[int, int]:
    ratio = Fraction(sample_rate_hz, SAMPLE_RATE_HZ)
    return ratio.numerator, ratio.denominator


def _off_speed(name: str, degrade: Callable[[Music], Samples], speed: float) -> Condition:
    return Condition(name, "off speed", degrade, speed=speed, lengths_s=(10,))


def _conditions() -> Mapping[str, Condition]:
    same = "clean, encoded, EQ"
    listed = [Condition("clean", same, clean)]
    for snr_db in (15, 10, 5, 0, -5):
        for kind, add in (("white", with_white), ("pink", with_pink), ("crowd", with_crowd)):
            listed.append(Condition(f"{kind}{snr_db:+d}dB", f"noise {snr_db:+d} dB", partial(add, snr_db)))
    for snr_db in (10, 5, 0):
        listed.append(Condition(f"phone{snr_db:+d}dB", f"phone {snr_db:+d} dB", partial(phone_in_room, snr_db)))
    listed += [
        Condition("telephone", "telephone line", telephone, TELEPHONE_RATE_HZ),
        Condition("mp3_32k", same, partial(encoded, "libmp3lame", "mp3", 32_000, SAMPLE_RATE_HZ)),
        Condition("opus_16k", same, partial(encoded, "libopus", "ogg", 16_000, 48_000)),
    ]
    for band in ("bass", "middle", "treble"):
        for gain_db in (10, -10):
            listed.append(Condition(f"{band}{gain_db:+d}dB", same, partial(equalised, band, gain_db)))
    listed += [
        Condition("quiet-30dB", same, partial(quieter, -30.0)),
        Condition("48kHz", same, partial(resampled, 48_000), 48_000),
        Condition("22.05kHz", same, partial(resampled, 22_050), 22_050),
    ]
    for percent in (1, -1, 2, -2, 4, -4):
        speed = 1 + percent / 100
        listed.append(_off_speed(f"speed{percent:+d}%", partial(sped, speed), speed))
    for percent in (2, -2, 5, -5):
        tempo = 1 + percent / 100
        listed.append(_off_speed(f"tempo{percent:+d}%", partial(stretched, tempo), tempo))
    for cents in (50, -50, 100, -100):
        listed.append(_off_speed(f"pitch{cents:+d}cents", partial(pitched, cents), 1.0))
    return {condition.name: condition for condition in listed}


CONDITIONS = _conditions()
"""All conditions by name, in the order in which they are shown."""
