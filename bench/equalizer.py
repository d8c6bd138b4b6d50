"""How fast are songs equalized and measured, in how much memory, and how right is their loudness?

``python -m bench.equalizer --music FOLDER`` times everything in seconds of one core, so that other work on the machine
disturbs little.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

# One core is what is timed: the library of linear algebra must not wait busily on another.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import av
import numpy as np
import pyloudnorm
import soundfile
from av.error import BlockingIOError as NothingYet
from av.error import EOFError as NothingMore
from av.filter import Graph

from services.streaming.decoding import open_song
from services.streaming.equalizer import EqualizerSettings, equalizer
from services.streaming.loudness import Loudness, MeasuredLoudness
from services.streaming.rendering import RenderSpec, render
from services.streaming.waveform import Waveform
from shared.audio.source import DecodeLimits
from tunescout.importing import audio_files

RATE_HZ = 44_100
LIMITS = DecodeLimits(max_duration_s=24 * 3600)
MAX_BYTES = 64 * 1024**3
SETTINGS = EqualizerSettings(bass_db=3, mid_db=1, treble_db=-2, high_pass_hz=80)
OUTPUTS: tuple[dict[str, Any], ...] = (
    {"format": "wav", "bit_depth": 16},
    {"format": "wav", "bit_depth": 24},
    {"format": "flac", "bit_depth": 16},
    {"format": "mp3"},
    {"format": "m4a"},
)


def write_wav(path: Path, duration_s: float) -> Path:
    """Write stereo noise, by blocks, 16 bits a sample."""
    generator = np.random.default_rng(1)
    block = (0.2 * generator.standard_normal((10 * RATE_HZ, 2))).clip(-1, 1)
    with soundfile.SoundFile(path, "w", RATE_HZ, 2, "PCM_16", format="WAV") as file:
        for _ in range(round(duration_s / 10)):
            file.write(block)
    return path


def speeds(folder: Path, duration_s: float, rounds: int) -> dict[str, float]:
    """Return how many times faster than it plays a WAV file is rendered, on one core."""
    song = write_wav(folder / "song.wav", duration_s)
    found = {}
    for output in OUTPUTS:
        name = f"{output['format']} {output['bit_depth']} bit" if "bit_depth" in output else output["format"]
        spec = RenderSpec(settings=SETTINGS, **output)
        taken_s = min(_cpu_s(song, folder / f"out.{output['format']}", spec) for _ in range(rounds))
        found[name] = duration_s / taken_s
    return found


def _cpu_s(song: Path, target: Path, spec: RenderSpec) -> float:
    begun = time.process_time()
    render(song, target, spec, LIMITS, MAX_BYTES)
    return time.process_time() - begun


def ffmpeg_speed(folder: Path, duration_s: float, rounds: int) -> float | None:
    """Return how many times faster than it plays the `ffmpeg` program does the same to the same file."""
    if shutil.which("ffmpeg") is None:
        return None
    headroom_db = equalizer(SETTINGS, RATE_HZ).headroom_db
    shelf, steep = "t=q:w=0.70710678", "p=2:t=q"
    filters = [
        f"lowshelf=f=100:g={SETTINGS.bass_db}:{shelf}",
        f"equalizer=f=1000:t=q:w=0.7:g={SETTINGS.mid_db}",
        f"highshelf=f=8000:g={SETTINGS.treble_db}:{shelf}",
        *(f"highpass=f=80:{steep}:w={1 / (2 * np.cos(np.pi * (2 * k + 1) / 8)):.6f}" for k in range(2)),
        f"volume={-headroom_db:.4f}dB",
    ]
    chain = "aformat=sample_fmts=dblp," + ",".join(filters) + ",aresample=osf=s16:dither_method=triangular"
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", "-i", str(folder / "song.wav"), "-af", chain]
    taken_s = []
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([*command, str(folder / "ffmpeg.wav")], check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken_s.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return duration_s / min(taken_s)


def peak_memory_mb(folder: Path, duration_s: float) -> float:
    """Return the most memory that a process of its own needs to render a song of this length."""
    song = write_wav(folder / "long.wav", duration_s)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        peak_mb = pool.apply(_render_alone, (song, folder / "long.flac"))
    (folder / "long.flac").unlink()
    return peak_mb


def _render_alone(song: Path, target: Path) -> float:
    render(song, target, RenderSpec(settings=SETTINGS, format="flac"), LIMITS, MAX_BYTES)
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def loudness_of_songs(paths: Sequence[Path]) -> dict[str, float]:
    """Return how far our loudness is from that of others at most, and how fast it and the outline come."""
    integrated_pyloudnorm, integrated_ffmpeg, ranges, peaks = [], [], [], []
    loudness_s = waveform_s = heard_s = 0.0
    for path in paths:
        samples, rate_hz = _decoded(path)
        heard_s += len(samples) / rate_hz
        ours, taken_s = _measured(samples, rate_hz)
        loudness_s += taken_s
        waveform_s += _drawn_s(samples, rate_hz)
        theirs = _ffmpeg_loudness(path)
        assert ours.integrated_lufs is not None
        assert ours.true_peak_dbtp is not None
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of samples beyond full scale, which decoders of MP3 give
            reference = pyloudnorm.Meter(rate_hz).integrated_loudness(samples.astype(np.float64))
        integrated_pyloudnorm.append(abs(ours.integrated_lufs - reference))
        integrated_ffmpeg.append(abs(ours.integrated_lufs - theirs["I"]))
        ranges.append(abs(ours.range_lu - theirs["LRA"]))
        peaks.append(abs(ours.true_peak_dbtp - 20 * np.log10(theirs["true_peak"])))
    return {
        "songs": len(paths),
        "integrated_lu_from_pyloudnorm": max(integrated_pyloudnorm),
        "integrated_lu_from_ffmpeg": max(integrated_ffmpeg),
        "range_lu_from_ffmpeg": max(ranges),
        "true_peak_db_from_ffmpeg": max(peaks),
        "loudness_times_real_time": heard_s / loudness_s,
        "waveform_times_real_time": heard_s / waveform_s,
    }


def _decoded(path: Path) -> tuple[Any, int]:
    with open_song(path, LIMITS) as song:
        return np.concatenate(list(song.blocks)), song.sample_rate_hz


def _blocks(samples: Any, rate_hz: int) -> Iterator[Any]:
    return (samples[begin : begin + 2 * rate_hz] for begin in range(0, len(samples), 2 * rate_hz))


def _measured(samples: Any, rate_hz: int) -> tuple[MeasuredLoudness, float]:
    begun = time.process_time()
    loudness = Loudness(rate_hz, samples.shape[1])
    for block in _blocks(samples, rate_hz):
        loudness.feed(block)
    return loudness.result(), time.process_time() - begun


def _drawn_s(samples: Any, rate_hz: int) -> float:
    begun = time.process_time()
    waveform = Waveform()
    for block in _blocks(samples, rate_hz):
        waveform.feed(block)
    waveform.result()
    return time.process_time() - begun


def _ffmpeg_loudness(path: Path) -> dict[str, float]:
    """Return what FFmpeg's filter `ebur128` measures of a file."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        graph = Graph()
        graph.link_nodes(
            graph.add_abuffer(template=stream),
            graph.add("ebur128", "metadata=1:peak=true"),
            graph.add("abuffersink"),
        ).configure()
        told: dict[str, str] = {}
        for frame in container.decode(stream):
            graph.push(frame)
            while True:
                try:
                    told = graph.pull().metadata
                except (NothingYet, NothingMore):
                    break
    return {name.removeprefix("lavfi.r128."): float(value) for name, value in told.items()}


def main() -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, help="songs whose loudness is compared; none without it")
    parser.add_argument("--minutes", type=float, default=5.0, help="length of the song that is rendered")
    parser.add_argument("--hours", type=float, default=3.0, help="length of the song whose memory is measured")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tunescout-bench-") as name:
        folder = Path(name)
        figures: dict[str, Any] = {"times_real_time": speeds(folder, 60 * options.minutes, options.rounds)}
        figures["ffmpeg_times_real_time"] = ffmpeg_speed(folder, 60 * options.minutes, options.rounds)
        figures["peak_memory_mb"] = {
            "5 minutes": peak_memory_mb(folder, 300),
            f"{options.hours:g} hours": peak_memory_mb(folder, 3600 * options.hours),
        }
    if options.music is not None:
        figures["loudness"] = loudness_of_songs([file.path for file in audio_files([options.music])])
    for name, value in figures.items():
        print(f"{name}: {_words(value)}")
    if options.json:
        print(json.dumps(figures))


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(one)}" for name, one in value.items())
    return f"{value:.3g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
