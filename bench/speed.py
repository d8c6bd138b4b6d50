"""How fast are songs indexed and clips looked up, stage by stage?

``python -m bench.speed --music FOLDER`` times everything on one core, in seconds of that core, so that other work on
the machine disturbs little.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
import soundfile

from services.fingerprint import constellation
from services.fingerprint.constellation import fingerprint_clip, fingerprint_song
from services.fingerprint.parameters import REACH_FRAMES
from services.fingerprint.peaks import find_peaks
from services.fingerprint.spectrogram import blocks
from services.matcher import index as matcher
from services.matcher.index import Index
from services.matcher.landmarks import clip_landmarks
from services.matcher.parameters import QUICK
from services.matcher.scoring import candidates
from shared.audio.decode import decode
from shared.audio.source import Samples
from shared.fingerprint import SAMPLE_RATE_HZ, Fingerprint
from tunescout.clip import SAMPLE_RATE_HZ as MP3_RATE_HZ
from tunescout.clip import mix, write_mp3
from tunescout.demo_music import gather
from tunescout.importing import audio_files

WHOLE_FILE_S = 240.0
"""Length of the file whose way from bytes to packed fingerprint is timed, in seconds."""

WHOLE_FILE_BIT_RATE = 192_000
"""Its bit rate, in bits per second."""

FEWEST_STEPS, MOST_STEPS = 80, 1_996
"""Frequencies of peaks, in quarters of a bin, that fingerprints hold (156 Hz to 3.9 kHz)."""


def cpu_s(work: Callable[[], object], rounds: int) -> float:
    """Return the seconds of one core that some work takes: the least of several rounds."""
    taken = []
    for _ in range(rounds):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return min(taken)


def indexing(paths: Sequence[Path], rounds: int) -> dict[str, float]:
    """Return how many seconds of music one core gets through in a second, for each stage alone and for all together."""
    spent: dict[str, float] = {}
    music_s = 0.0
    for path in paths:
        native_hz = native_sample_rate_hz(path)
        samples = decode(path, sample_rate_hz=SAMPLE_RATE_HZ).samples
        fingerprint = fingerprint_song(samples)
        music_s += fingerprint.duration_s
        decoding = cpu_s(partial(decode, path, sample_rate_hz=native_hz), rounds)
        resampling = cpu_s(partial(decode, path, sample_rate_hz=SAMPLE_RATE_HZ), rounds)
        spectrogram = cpu_s(lambda: [None for _ in blocks(samples, REACH_FRAMES)], rounds)  # noqa: B023
        peaks = cpu_s(lambda: find_peaks(blocks(samples, REACH_FRAMES)), rounds)  # noqa: B023
        whole = cpu_s(partial(fingerprint_song, samples), rounds)
        packing = cpu_s(fingerprint.pack, rounds)
        adding = cpu_s(lambda: Index().add("song", 0, fingerprint), rounds)  # noqa: B023
        for stage, taken in {
            "decode": decoding,
            "decode_and_resample": resampling,
            "spectrogram": spectrogram,
            "peaks": max(peaks - spectrogram, 0.0),
            "fingerprint": whole,
            "pack": packing,
            "landmarks_and_segment": adding,
            "all": resampling + whole + packing + adding,
        }.items():
            spent[stage] = spent.get(stage, 0.0) + taken
    return {stage: music_s / max(taken, 1e-9) for stage, taken in spent.items()}


def density(paths: Sequence[Path]) -> dict[str, float]:
    """Return how many hashes a second of music has, and what they take on disk and in the index."""
    index = Index()
    music_s = packed_bytes = 0.0
    for path in paths:
        fingerprint = fingerprint_song(decode(path, sample_rate_hz=SAMPLE_RATE_HZ).samples)
        index.add(str(path), 0, fingerprint)
        music_s += fingerprint.duration_s
        packed_bytes += len(fingerprint.pack())
    index.merge()
    stats = index.stats()
    return {
        "hashes_per_s": stats.postings / music_s,
        "stored_bytes_per_hash": packed_bytes / stats.postings,
        "stored_bytes_per_minute": 60 * packed_bytes / music_s,
        "index_bytes_per_minute": 60 * stats.size_bytes / music_s,
    }


def native_sample_rate_hz(path: Path) -> int:
    """Return the sample rate of a file."""
    with av.open(path) as container:
        return container.streams.audio[0].rate


def whole_file(paths: Sequence[Path], rounds: int) -> dict[str, float]:
    """Return the time from the bytes of an MP3 of four minutes to a packed fingerprint, and of decoding it alone."""
    with tempfile.TemporaryDirectory() as folder:
        longest = max(paths, key=lambda path: path.stat().st_size)
        wav, mp3 = Path(folder, "song.wav"), Path(folder, "song.mp3")
        write_long_wav(longest, wav)
        write_mp3(wav, mp3, bit_rate=WHOLE_FILE_BIT_RATE)

        def fingerprinted() -> bytes:
            return fingerprint_song(decode(mp3, sample_rate_hz=SAMPLE_RATE_HZ).samples).pack()

        # In turns, so that a slow moment of the machine does not meet one of them alone.
        decoding, whole = np.inf, np.inf
        for _ in range(rounds):
            decoding = min(decoding, cpu_s(partial(decode, mp3, sample_rate_hz=SAMPLE_RATE_HZ), 1))
            whole = min(whole, cpu_s(fingerprinted, 1))
    return {
        "decode_and_resample_s": float(decoding),
        "to_packed_fingerprint_s": float(whole),
        "ratio": float(whole / decoding),
    }


def write_long_wav(song: Path, wav: Path) -> None:
    """Write `WHOLE_FILE_S` of a song, from its beginning again as often as needed."""
    samples = decode(song, sample_rate_hz=MP3_RATE_HZ).samples
    soundfile.write(wav, np.resize(samples, round(WHOLE_FILE_S * MP3_RATE_HZ)), MP3_RATE_HZ, subtype="PCM_16")


def querying(paths: Sequence[Path], song_count: int, clip_count: int, clip_s: float, rounds: int) -> dict[str, float]:
    """Return the milliseconds of every stage of a query, in an index of so many songs.

    Where the folder has fewer songs, they are transposed: statistically the same, and never the same landmarks.
    """
    library = [decode(path, sample_rate_hz=SAMPLE_RATE_HZ).samples for path in paths]
    index = Index()
    fingerprints = [fingerprint_song(samples) for samples in library]
    for number in range(song_count):
        copy, original = divmod(number, len(fingerprints))
        index.add(f"{number}", 0, transposed(fingerprints[original], copy))
    index.merge()
    rng = np.random.default_rng(1)
    stages: dict[str, list[float]] = {"fingerprint": [], "landmarks": [], "lookup": [], "decision": [], "all": []}
    for number in range(clip_count):
        samples = noisy_clip(library[number % len(library)], clip_s, rng)
        fingerprint = fingerprint_clip(samples)
        landmarks = clip_landmarks(fingerprint, QUICK)
        analysing = cpu_s(partial(fingerprint_clip, samples), rounds)
        pairing = cpu_s(partial(clip_landmarks, fingerprint, QUICK), rounds)
        looking = sum(
            cpu_s(partial(candidates, segment, landmarks, QUICK.candidates, QUICK.postings), rounds)
            for segment in index.segments
        )
        searching = cpu_s(partial(index.search, fingerprint), rounds)
        stages["fingerprint"].append(analysing)
        stages["landmarks"].append(pairing)
        stages["lookup"].append(looking)
        stages["decision"].append(max(searching - looking - pairing, 0.0))
        stages["all"].append(analysing + searching)
    return {
        "songs": index.song_count,
        "clip_s": clip_s,
        **{f"{stage}_ms": 1_000 * float(np.median(taken)) for stage, taken in stages.items()},
        "all_95_ms": 1_000 * float(np.quantile(stages["all"], 0.95)),
    }


def transposed(fingerprint: Fingerprint, steps: int) -> Fingerprint:
    """Return a song that sounds like another, higher by `steps` times a sixth of a semitone at 1 kHz."""
    moved = fingerprint.frequencies.astype(np.int64) + 5 * steps
    wrapped = FEWEST_STEPS + (moved - FEWEST_STEPS) % (MOST_STEPS - FEWEST_STEPS)
    higher = replace(fingerprint, frequencies=wrapped.astype(np.uint16))
    order = np.lexsort((higher.frequencies, higher.frames))
    columns: dict[str, Any] = {column.name: getattr(higher, column.name) for column in fields(higher)}
    columns.update({name: one[order] for name, one in columns.items() if isinstance(one, np.ndarray)})
    return replace(higher, **columns)


def noisy_clip(song: Samples, clip_s: float, rng: np.random.Generator) -> Samples:
    """Return a clip of a song with white noise as loud as 5 dB below it."""
    length = min(len(song), round(clip_s * SAMPLE_RATE_HZ))
    begin = int(rng.integers(len(song) - length + 1))
    clip = song[begin : begin + length]
    return mix(clip, rng.standard_normal(length, dtype=np.float32), 5.0) if clip.any() else clip


def main() -> None:
    """Print the figures, and with ``--json`` one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, nargs="+", default=[], help="folders of audio files, searched deeply")
    parser.add_argument("--files", type=int, default=12, help="files that are read at most")
    parser.add_argument("--songs", type=int, default=700, help="songs in the index of the queries")
    parser.add_argument("--clips", type=int, default=40, help="queries")
    parser.add_argument("--length", type=float, default=10.0, help="length of a clip, in seconds")
    parser.add_argument("--rounds", type=int, default=3, help="how often each work is timed; the least time counts")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    arguments = parser.parse_args()
    files = audio_files(arguments.music) if arguments.music else gather().songs
    paths = [file.path for file in files][: arguments.files]
    constellation.warm_up()
    matcher.warm_up()
    figures: dict[str, dict[str, Any]] = {
        "indexing_x_real_time": indexing(paths, arguments.rounds),
        "whole_mp3": whole_file(paths, max(5, arguments.rounds)),
        "density": density(paths),
        "query": querying(paths, arguments.songs, arguments.clips, arguments.length, arguments.rounds),
    }
    for part, values in figures.items():
        print(part.replace("_", " "))
        for name, value in values.items():
            print(f"  {name:24} {value:10.2f}")
    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
