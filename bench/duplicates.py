"""Which copies of a song are found to be the same recording, and which different songs are taken for copies?

``python -m bench.duplicates --music DIR`` puts a folder of music into an index and compares every song with all others.
Then it makes copies of some songs, as they turn up in collections: other encodings, trimmed, louder, faded, one channel
of two, equalised, at another speed; and works that are no copies: excerpts, medleys, extended versions, mixes with
another song, songs over a borrowed loop, without what is in the middle of the stereo picture, played at a tempo that
wanders. Which songs and which places follow from names, so two runs ask the same.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from hashlib import blake2b
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile
from av.audio.stream import AudioStream
from av.filter import Graph
from numpy.typing import NDArray

from services.fingerprint import constellation
from services.fingerprint.constellation import fingerprint_song
from services.matcher import index as matcher
from services.matcher.index import Index
from shared.audio.decode import decode
from shared.errors import Rejected
from shared.fingerprint import SAMPLE_RATE_HZ
from tunescout.importing import audio_files

Samples = NDArray[np.float32]

SHORTEST_S, LONGEST_S = 90.0, 260.0
"""Songs of ordinary length are copied."""

ENCODINGS = {
    "mp3 32k": ("mp3", "libmp3lame", 32_000, 44_100),
    "mp3 320k": ("mp3", "libmp3lame", 320_000, 44_100),
    "opus 24k": ("ogg", "libopus", 24_000, 48_000),
    "aac 64k": ("adts", "aac", 64_000, 44_100),
}
"""Container, encoder, bits a second, samples a second."""


@dataclass
class Row:
    """What became of one kind of copy."""

    expected: tuple[str, ...]
    made: int = 0
    right: int = 0
    others: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    least_overlap: float = 1.0


def chance(*what: object) -> float:
    """Return a number in [0, 1) that follows from what it is for."""
    return int.from_bytes(blake2b(repr(what).encode(), digest_size=8).digest(), "big") / 2**64


def stereo(path: Path, rate_hz: int) -> Samples:
    """Return the two channels of a file."""
    resampler = av.AudioResampler("fltp", "stereo", rate_hz)
    with av.open(str(path)) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    return np.concatenate([frame.to_ndarray() for frame in (*frames, *resampler.resample(None))], axis=1)


def encoded(channels: Samples, container: str, encoder: str, bit_rate_bps: int, rate_hz: int) -> Samples:
    """Return what a listener in mono at 8 kHz hears of an encoding."""
    with tempfile.NamedTemporaryFile() as file:
        with av.open(file.name, "w", format=container) as output:
            stream = output.add_stream(encoder, rate=rate_hz)
            assert isinstance(stream, AudioStream)
            stream.bit_rate = bit_rate_bps
            stream.layout = "stereo"
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels), format="fltp", layout="stereo")
            frame.sample_rate = rate_hz
            to_encoder = av.AudioResampler(stream.format, "stereo", rate_hz)
            for part in (*to_encoder.resample(frame), *to_encoder.resample(None)):
                output.mux(stream.encode(part))
            output.mux(stream.encode(None))
        return decode(Path(file.name), sample_rate_hz=SAMPLE_RATE_HZ).samples


def as_vorbis(channels: Samples, rate_hz: int) -> Samples:
    """Return what a listener in mono at 8 kHz hears of Ogg Vorbis at its lowest quality (about 45 kbit/s)."""
    with tempfile.NamedTemporaryFile() as file:
        with soundfile.SoundFile(
            file.name, "w", rate_hz, 2, format="OGG", subtype="VORBIS", compression_level=1.0
        ) as output:
            for begin in range(0, channels.shape[1], rate_hz):
                output.write(channels[:, begin : begin + rate_hz].T)
        return decode(Path(file.name), sample_rate_hz=SAMPLE_RATE_HZ).samples


def at_speed(samples: Samples, speed: float) -> Samples:
    """Return samples played faster: said to be of a higher rate, then resampled."""
    frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="flt", layout="mono")
    frame.sample_rate = round(speed * SAMPLE_RATE_HZ)
    resampler = av.AudioResampler("flt", "mono", SAMPLE_RATE_HZ)
    return np.concatenate([out.to_ndarray()[0] for out in (*resampler.resample(frame), *resampler.resample(None))])


def equalised(samples: Samples, low_db: float, high_db: float) -> Samples:
    """Return samples with a straight tilt over the logarithm of frequency, given at 100 Hz and at 4 kHz."""
    frequency_hz = np.maximum(np.fft.rfftfreq(len(samples), 1 / SAMPLE_RATE_HZ), 20)
    gain_db = low_db + (high_db - low_db) * np.log(frequency_hz / 100) / np.log(40)
    return np.fft.irfft(np.fft.rfft(samples) * 10 ** (gain_db / 20), len(samples)).astype(np.float32)


def noisy(samples: Samples, snr_db: float, seed: int) -> Samples:
    """Return samples with pink noise."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(len(samples)))
    noise = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(len(spectrum)), 1)), len(samples))
    level = np.std(samples) / np.std(noise) * 10 ** (-snr_db / 20)
    return samples + (noise * level).astype(np.float32)


def faded(samples: Samples, in_s: float, out_s: float) -> Samples:
    """Return samples that rise from silence and sink into it."""
    time_s = np.arange(len(samples)) / SAMPLE_RATE_HZ
    fading: NDArray[np.float64] = np.clip(time_s / in_s, 0, 1) * np.clip((time_s[-1] - time_s) / out_s, 0, 1)
    return (samples * fading).astype(np.float32)


def wandering(samples: Samples, percent: float, period_s: float) -> Samples:
    """Return samples whose speed wanders up and down, as no machine does and every band."""
    position = np.arange(len(samples), dtype=np.float64)
    swing = period_s * SAMPLE_RATE_HZ / (2 * np.pi)
    moved = position + percent / 100 * swing * np.sin(position / swing)
    return np.interp(moved, position, samples).astype(np.float32)


def stretched(samples: Samples, tempo: float) -> Samples:
    """Return samples played faster at the same pitch, by FFmpeg's ``atempo``."""
    graph = Graph()
    rate = Fraction(1, SAMPLE_RATE_HZ)
    source = graph.add_abuffer(format="flt", sample_rate=SAMPLE_RATE_HZ, layout="mono", time_base=rate)
    stretcher, sink = graph.add("atempo", f"{tempo:.6f}"), graph.add("abuffersink")
    source.link_to(stretcher)
    stretcher.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(samples[np.newaxis], format="flt", layout="mono")
    frame.sample_rate = SAMPLE_RATE_HZ
    graph.push(frame)
    graph.push(None)
    parts: list[Samples] = []
    while True:
        try:
            pulled = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return np.concatenate(parts)
        assert isinstance(pulled, av.AudioFrame)
        parts.append(pulled.to_ndarray()[0])


def cut(samples: Samples, begin_s: float, end_s: float) -> Samples:
    """Return the samples between two times; a negative end counts from the end."""
    return samples[int(begin_s * SAMPLE_RATE_HZ) : int(end_s * SAMPLE_RATE_HZ) or None]


def at_level(samples: Samples, like: Samples) -> Samples:
    """Return samples as loud as others."""
    return samples * np.float32(np.std(like) / max(float(np.std(samples)), 1e-6))


def works(path: Path, song: Samples, others: list[Samples]) -> Iterator[tuple[str, tuple[str, ...], Samples]]:
    """Yield copies of a song, and what is no copy of it: a name, the relations that are right, the sound."""
    same = ("same_recording",)
    channels = stereo(path, 44_100)
    for name, (container, encoder, bit_rate_bps, rate_hz) in ENCODINGS.items():
        at_rate = channels if rate_hz == 44_100 else stereo(path, rate_hz)
        yield name, same, encoded(at_rate, container, encoder, bit_rate_bps, rate_hz)
    yield "vorbis, lowest quality", same, as_vorbis(channels, 44_100)
    sides = stereo(path, SAMPLE_RATE_HZ)
    for name, side in zip(("left channel", "right channel"), sides, strict=True):
        if np.std(side) > 1e-3:
            yield name, same, side
    yield "trimmed 3 s, 5 s", same, cut(song, 3.017, -5.3)
    yield "trimmed 8 s, 8 s", same, cut(song, 8.003, -8)
    yield "gain -30 dB", same, song * np.float32(0.03)
    yield "gain +9 dB, clipped", same, np.clip(song * np.float32(2.8), -1, 1)
    yield "faded 6 s, 12 s", same, faded(song, 6, 12)
    yield "equalised +10 -10 dB", same, equalised(song, 10, -10)
    yield "equalised -10 +10 dB", same, equalised(song, -10, 10)
    yield "pink noise 20 dB", same, noisy(song, 20, int(1e6 * chance(path.name)))
    for percent in (-1.0, -0.5, -0.3, 0.3, 0.5, 1.0):
        yield f"speed {percent:+} %", same, at_speed(song, 1 + percent / 100)
    yield "mp3 32k, speed +1 %, trimmed", same, at_speed(cut(encoded(channels, *ENCODINGS["mp3 32k"]), 2.5, -4), 1.01)

    different = ("different",)
    for percent in (-2.5, 2.5):
        yield f"speed {percent:+} %", different, at_speed(song, 1 + percent / 100)
    for percent in (-3, 3):
        yield f"tempo {percent:+} %", different, stretched(song, 1 + percent / 100)
    yield "tempo wanders by 1.5 %", different, wandering(song, 1.5, 20)
    without_centre = (sides[0] - sides[1]) / 2
    if np.std(without_centre) > 1e-3:
        yield "centre removed", different, without_centre
    length_s = len(song) / SAMPLE_RATE_HZ
    yield "excerpt of 35 %", ("contained",), cut(song, 0.3 * length_s, 0.65 * length_s)
    first, second = others
    yield "medley", ("contains",), np.concatenate((at_level(first, song), song, at_level(second, song)))
    loop = cut(song, 0.4 * length_s, 0.4 * length_s + 12)
    yield (
        "extended by a loop",
        ("contains", "different"),
        np.concatenate((song, np.tile(loop, int(0.8 * length_s / 12)))),
    )
    begin, end = int(0.3 * len(song)), int(0.3 * len(song)) + 60 * SAMPLE_RATE_HZ
    yield "a minute repeated", ("contains", "different"), np.concatenate((song[:end], song[begin:]))
    other = np.resize(at_level(first, song), len(song))
    yield "mixed 1:1 with another", ("different",), song + other
    yield "mixed 1:2 with another", ("different",), song + 2 * other
    sings = np.arange(len(song)) / SAMPLE_RATE_HZ % 13 > 5
    yield "another in 8 of 13 s, +3 dB", ("different",), song + np.float32(1.4) * sings * other
    looping = np.resize(loop[: 8 * SAMPLE_RATE_HZ], len(song))
    yield "another over its loop", ("different",), looping + other


def pairs(index: Index, names: list[str], songs: list[Any]) -> tuple[list[dict[str, Any]], float]:
    """Return all pairs of songs that overlap, and the seconds that comparing one song took."""
    found: dict[frozenset[str], dict[str, Any]] = {}
    begin = time.perf_counter()
    for name, fingerprint in zip(names, songs, strict=True):
        for comparison in index.compare(name, fingerprint):
            fields = {"song": name, "known": comparison.song_id} | comparison.model_dump(exclude={"song_id"})
            found.setdefault(frozenset((name, comparison.song_id)), fields)
    return list(found.values()), (time.perf_counter() - begin) / max(len(names), 1)


def measure(music: Path, copied: int, tell: Callable[[str], None]) -> dict[str, Any]:
    """Return all figures for a folder of music."""
    constellation.warm_up()
    matcher.warm_up()
    index = Index()
    sounds: dict[str, Samples] = {}
    fingerprints = []
    for file in audio_files([music]):
        try:
            samples = decode(file.path, sample_rate_hz=SAMPLE_RATE_HZ).samples
            fingerprints.append(fingerprint_song(samples))
        except Rejected as refused:
            tell(f"{file.path}: left out, {refused}")
            continue
        sounds[str(file.path)] = samples
        index.add(str(file.path), 0, fingerprints[-1])
    index.merge()
    names = list(sounds)
    overlapping, comparison_s = pairs(index, names, fingerprints)
    akin = {frozenset((pair["song"], pair["known"])) for pair in overlapping}

    fit = [name for name in names if SHORTEST_S <= len(sounds[name]) / SAMPLE_RATE_HZ <= LONGEST_S]
    chosen = sorted(fit, key=lambda name: chance(Path(name).name))[:copied]
    rows: dict[str, Row] = {}
    copy_s, copies = 0.0, 0
    for number, name in enumerate(chosen):
        others = [sounds[chosen[(number + step) % len(chosen)]] for step in (1, 2)]
        for kind, expected, samples in works(Path(name), sounds[name], others):
            row = rows.setdefault(kind, Row(expected))
            row.made += 1
            fingerprint = fingerprint_song(samples)
            begin = time.perf_counter()
            found = {one.song_id: one for one in index.compare("new", fingerprint)}
            copy_s += time.perf_counter() - begin
            copies += 1
            own = found.pop(name, None)
            relation = own.relation if own else "different"
            if relation in expected:
                row.right += 1
                row.least_overlap = min(row.least_overlap, own.overlap if own else 1.0)
            else:
                row.wrong.append(f"{name}: {relation}")
            row.others += [
                f"{name}: {other.song_id}"
                for other in found.values()
                if other.relation == "same_recording" and frozenset((name, other.song_id)) not in akin
            ]
        tell(f"{number + 1} of {len(chosen)} songs copied")
    return {
        "songs": len(names),
        "overlapping": overlapping,
        "comparison_s": comparison_s,
        "copy_comparison_s": copy_s / max(copies, 1),
        "rows": {
            kind: {
                "expected": list(row.expected),
                "copies": row.made,
                "right": row.right,
                "false": len(row.others),
                "wrong": row.wrong + row.others,
            }
            for kind, row in rows.items()
        },
    }


def table(figures: dict[str, Any]) -> str:
    """Return the figures as text."""
    lines = [f"{'work':<30} {'right answer':<24} {'made':>5} {'right':>6} {'taken for another':>18}"]
    for kind, row in figures["rows"].items():
        expected = " or ".join(row["expected"]).replace("_", " ")
        lines.append(f"{kind:<30} {expected:<24} {row['copies']:>5} {row['right']:>6} {row['false']:>18}")
        lines += [f"    {wrong}" for wrong in row["wrong"]]
    lines += ["", f"pairs among the {figures['songs']} songs themselves"]
    lines += [
        f"    {pair['relation']:<15} {pair['overlap']:>4.0%} {pair['overlap_known']:>4.0%}"
        f" {pair['offset_ms'] / 1000:>8.2f} s  {pair['song']}  {pair['known']}"
        for pair in figures["overlapping"]
    ]
    seconds = (figures["comparison_s"], figures["copy_comparison_s"])
    return "\n".join([*lines, "", "a comparison takes {:.3f} s, of a copy {:.3f} s".format(*seconds)])


def main() -> None:
    """Print the table, and with ``--json`` one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, required=True, help="folder of audio files, searched deeply")
    parser.add_argument("--songs", type=int, default=30, help="how many songs to copy")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object too")
    arguments = parser.parse_args()
    figures = measure(arguments.music, arguments.songs, print)
    print(table(figures))
    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
