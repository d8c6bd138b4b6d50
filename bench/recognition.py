"""How often is a clip named right, how often wrongly, how exactly in time, and how fast?

``python -m bench.recognition --music DIR`` splits a folder of music into a library and unknown songs, cuts clips out of
both, with and without noise, and asks the index for each. Files, places and noise follow from names and ``--seed``, so
two runs ask the same questions.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from services.fingerprint import constellation
from services.fingerprint.constellation import fingerprint_clip, fingerprint_song
from services.matcher import index as matcher
from services.matcher.index import Index
from services.matcher.landmarks import clip_landmarks
from services.matcher.scoring import align, candidates, hits
from shared.audio.decode import decode
from shared.errors import Rejected
from shared.fingerprint import SAMPLE_RATE_HZ, Fingerprint

T = TypeVar("T")
Samples = NDArray[np.float32]
AUDIO = {".aac", ".aiff", ".flac", ".m4a", ".mp3", ".oga", ".ogg", ".opus", ".wav"}
LENGTHS_S = (10, 5, 3)
CONDITIONS: tuple[tuple[str, float | None], ...] = (
    ("clean", None),
    *((colour, snr_db) for colour in ("white", "pink") for snr_db in (10.0, 5.0, 0.0)),
)


@dataclass
class Row:
    """What happened to the clips of one length under one condition."""

    length_s: int
    condition: str
    known: int = 0
    right: int = 0
    wrong: int = 0
    unknown: int = 0
    false: int = 0
    offset_errors_ms: list[float] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """Return the figures of this row, shares in percent."""
        errors = np.abs(self.offset_errors_ms) if self.offset_errors_ms else np.array([np.nan])
        return {
            "length_s": self.length_s,
            "condition": self.condition,
            "recall": 100 * self.right / max(self.known, 1),
            "wrong": 100 * self.wrong / max(self.known, 1),
            "false_positives": 100 * self.false / max(self.unknown, 1),
            "offset_error_median_ms": round(float(np.median(errors)), 2),
            "offset_error_99_ms": round(float(np.quantile(errors, 0.99)), 1),
            "known_clips": self.known,
            "unknown_clips": self.unknown,
        }


def chance(*what: object) -> float:
    """Return a number in [0, 1) that follows from what it is for."""
    digest = blake2b(repr(what).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def with_noise(samples: Samples, colour: str, snr_db: float | None, *what: object) -> Samples:
    """Return a clip with white or pink noise as far below its level as told."""
    if snr_db is None:
        return samples
    rng = np.random.default_rng(int(chance(colour, snr_db, *what) * 2**53))
    spectrum = np.fft.rfft(rng.standard_normal(len(samples)))
    if colour == "pink":
        spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 1))
    noise = np.fft.irfft(spectrum, len(samples))
    return (samples + noise * (np.std(samples) * 10 ** (-snr_db / 20) / np.std(noise))).astype(np.float32)


def clips(name: str, samples: Samples, per_song: int, seed: int) -> Iterator[tuple[Row, int, Samples]]:
    """Yield the row that a clip belongs to, its first sample, and the clip."""
    for length_s in LENGTHS_S:
        length = length_s * SAMPLE_RATE_HZ
        for colour, snr_db in CONDITIONS:
            condition = colour if snr_db is None else f"{colour} {snr_db:g} dB"
            for number in range(per_song if len(samples) > length else 0):
                what = (name, length_s, number, seed)
                begin = int(chance("begin", condition, *what) * (len(samples) - length))
                clip = with_noise(samples[begin : begin + length], colour, snr_db, *what)
                yield Row(length_s, condition), begin, clip


def stages(index: Index, clip: Fingerprint) -> dict[str, float]:
    """Return the milliseconds of every stage of a search."""
    taken: dict[str, float] = {}

    def timed(stage: str, work: Callable[[], T]) -> T:
        begin = time.perf_counter()
        result = work()
        taken[stage] = taken.get(stage, 0.0) + 1_000 * (time.perf_counter() - begin)
        return result

    landmarks = timed("landmarks", partial(clip_landmarks, clip))
    for segment in index.segments:
        proposed = timed("candidates", partial(candidates, segment, landmarks))
        found = timed("hits", partial(hits, segment, landmarks, [candidate.number for candidate in proposed]))
        timed("alignment", partial(list, (align(one, landmarks) for one in found)))
    timed("search", partial(index.search, clip))
    return taken


def measure(music: Path, seed: int, unknown_share: float, per_song: int) -> dict[str, Any]:
    """Return all figures for a folder of music."""
    constellation.warm_up()
    matcher.warm_up()
    index = Index()
    questions: list[tuple[str, bool, Samples]] = []
    audio_s = decoding_s = analysis_s = indexing_s = 0.0
    files = sorted(path for path in music.rglob("*") if path.suffix.lower() in AUDIO)
    for path in files:
        name = str(path.relative_to(music))
        begin = time.perf_counter()
        samples = decode(path, sample_rate_hz=SAMPLE_RATE_HZ).samples
        decoded, decoded_cpu = time.perf_counter(), time.process_time()
        try:
            song = fingerprint_song(samples)
        except Rejected as refused:
            print(f"{name}: left out, {refused}")
            continue
        analysed_cpu = time.process_time()
        is_known = chance("split", name) >= unknown_share
        if is_known:
            index.add(name, 0, song)
        audio_s += song.duration_s
        decoding_s += decoded - begin
        analysis_s += analysed_cpu - decoded_cpu
        indexing_s += time.process_time() - analysed_cpu
        questions.append((name, is_known, samples))
    index.merge()

    rows: dict[tuple[int, str], Row] = {}
    clip_audio_s = clip_analysis_s = 0.0
    milliseconds: dict[str, list[float]] = {}
    for name, is_known, samples in questions:
        for place, begin_sample, samples_of_clip in clips(name, samples, per_song, seed):
            row = rows.setdefault((place.length_s, place.condition), place)
            begin = time.process_time()
            try:
                clip = fingerprint_clip(samples_of_clip)
            except Rejected:  # a silent place: rightly not named
                continue
            clip_analysis_s += time.process_time() - begin
            clip_audio_s += clip.duration_s
            if place.length_s == max(LENGTHS_S):
                for stage, taken in stages(index, clip).items():
                    milliseconds.setdefault(stage, []).append(taken)
            best = next(iter(index.search(clip, limit=1)), None)
            answer = best if best is not None and best.is_answer else None
            if not is_known:
                row.unknown += 1
                row.false += answer is not None
                continue
            row.known += 1
            if answer is not None and answer.song_id == name:
                row.right += 1
                row.offset_errors_ms.append(answer.offset_ms - 1_000 * begin_sample / SAMPLE_RATE_HZ)
            else:
                row.wrong += answer is not None

    stats = index.stats()
    return {
        "songs": len(questions),
        "library": index.song_count,
        "unknown": len(questions) - index.song_count,
        "rows": [row.summary() for row in rows.values()],
        "decoding_x_real_time": round(audio_s / max(decoding_s, 1e-9)),
        "song_fingerprint_x_real_time": round(audio_s / max(analysis_s, 1e-9)),
        "clip_fingerprint_x_real_time": round(clip_audio_s / max(clip_analysis_s, 1e-9)),
        "indexing_x_real_time": round(audio_s / max(indexing_s, 1e-9)),
        "index_bytes_per_minute": round(60 * stats.size_bytes / max(audio_s * index.song_count / len(questions), 1e-9)),
        "query_ms": {stage: round(float(np.median(taken)), 3) for stage, taken in milliseconds.items()},
    }


def table(figures: dict[str, Any]) -> str:
    """Return the figures as text."""
    lines = [
        f"{figures['library']} songs in the library, {figures['unknown']} unknown",
        "",
        "clip   condition       recall %   wrong %   unknown named %   offset error, ms: median    99 %",
    ]
    lines += [
        f"{row['length_s']:>3} s  {row['condition']:<14} {row['recall']:>9.1f} {row['wrong']:>9.1f}"
        f" {row['false_positives']:>17.1f} {row['offset_error_median_ms']:>26.1f} {row['offset_error_99_ms']:>7.0f}"
        for row in figures["rows"]
    ]
    stages_ms = ", ".join(f"{stage} {taken:.2f}" for stage, taken in figures["query_ms"].items())
    return "\n".join(
        [
            *lines,
            "",
            f"x real time on one core: decoding {figures['decoding_x_real_time']},"
            f" fingerprint of songs {figures['song_fingerprint_x_real_time']},"
            f" of clips {figures['clip_fingerprint_x_real_time']}, indexing {figures['indexing_x_real_time']}",
            f"index: {figures['index_bytes_per_minute']} bytes per minute of music",
            f"a search for 10 s, ms (median): {stages_ms}",
        ]
    )


def main() -> None:
    """Print the table, and with ``--json`` one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, required=True, help="folder of audio files, searched deeply")
    parser.add_argument("--seed", type=int, default=1, help="decides over places and noise of the clips")
    parser.add_argument("--unknown", type=float, default=0.25, help="share of the files that are never indexed")
    parser.add_argument("--clips", type=int, default=5, help="clips per song, length and condition")
    parser.add_argument("--json", action="store_true", help="print the figures as one JSON object too")
    arguments = parser.parse_args()
    figures = measure(arguments.music, arguments.seed, arguments.unknown, arguments.clips)
    print(table(figures))
    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
