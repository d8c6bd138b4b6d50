"""What does the index cost, and how fast and right is it, as the number of songs grows?

``python -m bench.scale --music FOLDER`` fills an index on disk with made-up songs, as `bench.made_up_songs` tells,
hides some real songs among them, and asks for clips of those and of songs that are not there. Latency is that of one
question after the other in one thread, from the peaks of a clip to the answer. ``--songs 10000,100000`` measures at
each number.
"""

from __future__ import annotations

import argparse
import cProfile
import gc
import json
import os
import pstats
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from bench.clips import Clip, cut, generator, plan
from bench.degrade import CONDITIONS
from bench.made_up_songs import Material, made_up
from bench.noises import crowd
from bench.recognition import CROWD_S, conditions, read_music, say
from bench.songs import Split, overlapping, split
from services.fingerprint import constellation
from services.fingerprint.constellation import fingerprint_clip
from services.matcher import index as matcher
from services.matcher.index import Index
from services.matcher.landmarks import HASH_BITS, song_landmarks
from services.matcher.scoring import answer_threshold
from services.matcher.segment import Columns, Segment
from shared.audio.decode import decode
from shared.fingerprint import SAMPLE_RATE_HZ, Fingerprint

HIDDEN_SHARE = 0.25
"""Share of the known songs that are hidden among the made-up ones, which are made of the others."""

SECONDS_AT_ONCE = 60_000.0
"""Seconds of music that are made up at a time: 6 million postings."""

POSTINGS_IN_MEMORY = 300_000_000
"""Postings from which on the index is saved while it is filled: they take 1.7 GB."""

SONG_S = 240.0
"""Length of an ordinary song, in seconds."""

MEMORY_BYTES = 20 << 30
"""Memory for which is told how many songs fit into it."""

COLD_CLIPS = 10
"""Clips that are asked right after the index was opened from a disk of which nothing was in memory."""

STAGES = ("_quick", "_thorough", "_off_speed", "_polished", "clip_landmarks", "candidates", "evidence", "align")
"""Functions of a search whose share of its time is told."""


@dataclass(frozen=True, slots=True, eq=False)
class Question:
    """A clip, as its peaks, and which songs are right answers: none where its song is not in the index."""

    clip: Clip
    peaks: Fingerprint
    answers: frozenset[str]


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """What songs are made of, which real ones are hidden among them, and what is asked."""

    material: Material
    hidden: dict[str, Fingerprint]
    questions: list[Question]
    likeness: dict[str, float]


def prepare(arguments: argparse.Namespace) -> Trial:
    """Divide the music into what songs are made of, what is hidden among them, and what the index never hears of."""
    heard = read_music(arguments.music, arguments.jobs)
    fingerprints = {song.digest: one.fingerprint for song, one in heard.items()}
    same_sound = overlapping(fingerprints)
    songs = split(heard, same_sound, arguments.seed)
    hidden = songs.known[: max(1, round(HIDDEN_SHARE * len(songs.known)))]
    names = {song.digest for song in hidden}
    sources = [fingerprints[song.digest] for song in songs.known if not same_sound[song.digest] & names]
    asked = Split(hidden, songs.unknown, songs.same_sound)
    degraded = [CONDITIONS[one] for one in arguments.conditions]
    planned = plan(asked, degraded, arguments.lengths, arguments.clips, arguments.clips, arguments.seed)
    say(f"songs: {len(sources)} to make others of, {len(hidden)} hidden, {len(songs.unknown)} unknown")
    say(f"cutting {len(planned)} clips")
    voices = crowd(CROWD_S, generator(arguments.seed, "crowd"))
    with tempfile.TemporaryDirectory() as folder:
        questions = [
            Question(
                one.clip,
                fingerprint_clip(decode(one.path, sample_rate_hz=SAMPLE_RATE_HZ).samples),
                same_sound[one.clip.song.digest] & names,
            )
            for one in cut(planned, voices, Path(folder), arguments.seed, arguments.jobs)
        ]
    real = {song.digest: fingerprints[song.digest] for song in hidden}
    material = Material.of(sources)
    return Trial(material, real, questions, likeness(material, sources, list(real.values()), arguments.seed))


def likeness(
    material: Material, sources: Sequence[Fingerprint], others: Sequence[Fingerprint], seed: int
) -> dict[str, float]:
    """Return how much made-up songs look like those that they are made of, to songs of which nothing is in either."""
    looked_up = np.concatenate([song_landmarks(song).hashes for song in others])
    real = np.concatenate([song_landmarks(song).hashes for song in sources])
    columns = made_up(material, range(len(sources)), SONG_S, generator(seed, "likeness"))
    music_s = sum(song.duration_s for song in sources)
    figures = {
        "packed_bytes_per_s": sum(len(song.pack()) for song in sources) / music_s,
        "real_hashes_per_s": len(real) / music_s,
        "made_up_hashes_per_s": len(columns.hashes) / SONG_S / len(sources),
        "real_peaks_per_s": len(material.times) / music_s,
        "made_up_peaks_per_s": len(columns.peak_frames) / SONG_S / len(sources),
    }
    for kind, hashes in (("real", real), ("made_up", columns.hashes)):
        of_each = np.bincount(hashes, minlength=1 << HASH_BITS)
        met = (of_each[looked_up - 1] + of_each[looked_up] + of_each[looked_up + 1]) * (1e6 / len(hashes))
        figures[f"{kind}_met_mean"] = float(met.mean())
        figures |= {f"{kind}_met_{share:.0%}": float(np.quantile(met, share)) for share in (0.5, 0.9, 0.99)}
    return figures


def batches(trial: Trial, first: int, until: int, arguments: argparse.Namespace) -> Iterator[Columns]:
    """Yield made-up songs, several at a time."""
    size = max(1, int(SECONDS_AT_ONCE / arguments.seconds))
    starts = iter(range(first, until, size))

    def batch(start: int) -> Columns:
        numbers = range(start, min(start + size, until))
        return made_up(trial.material, numbers, arguments.seconds, generator(arguments.seed, "songs", start))

    with ThreadPoolExecutor(arguments.jobs) as pool:
        while some := list(islice(starts, arguments.jobs)):
            yield from pool.map(batch, some)


class Clock:
    """How long each kind of work has taken: seconds of one core, and seconds."""

    def __init__(self) -> None:
        self.spent: dict[str, tuple[float, float]] = {}

    @contextmanager
    def __call__(self, work: str) -> Iterator[None]:
        """Count what is done in the block."""
        cpu_s, real_s = time.thread_time(), time.perf_counter()
        yield
        spent = self.spent.get(work, (0.0, 0.0))
        self.spent[work] = (spent[0] + time.thread_time() - cpu_s, spent[1] + time.perf_counter() - real_s)


def fill(index: Index, trial: Trial, first: int, until: int, arguments: argparse.Namespace) -> dict[str, float]:
    """Add made-up songs to an index until it has so many, save it, merge it, and return how fast that was."""
    clock, postings, waiting = Clock(), 0, 0
    for columns in batches(trial, first, until, arguments):
        with clock("sort"):
            segment = Segment.of_columns(columns)
        index.adopt(segment)
        postings, waiting = postings + len(columns.hashes), waiting + len(columns.hashes)
        if waiting > POSTINGS_IN_MEMORY:
            say(f"{index.song_count} songs")
            with clock("save"):
                index.save()
            waiting = 0
    with clock("save"):
        index.save()
    before = {id(segment) for segment in index.segments}
    with clock("merge"):
        index.merge()
        index.save()
    merged = sum(len(segment.postings) for segment in index.segments if id(segment) not in before)
    speeds: dict[str, float] = {}
    for work, (cpu_s, real_s) in clock.spent.items():
        done = merged if work == "merge" else postings
        if done:
            speeds |= {f"{work}_postings_per_cpu_s": done / cpu_s, f"{work}_postings_per_s": done / real_s}
    return speeds


def size(index: Index, hashes_per_s: float) -> dict[str, float]:
    """Return how much memory and disk the index takes, and how many ordinary songs, of real density, would fit."""
    stats = index.stats()
    per_posting = stats.size_bytes / stats.postings
    return {
        "songs": stats.songs,
        "segments": stats.segments,
        "postings": stats.postings,
        "memory_bytes_per_posting": per_posting,
        "disk_bytes_per_posting": stats.disk_bytes / stats.postings,
        "memory_bytes_per_song": stats.size_bytes / stats.songs,
        "disk_bytes_per_song": stats.disk_bytes / stats.songs,
        "songs_in_20_GiB": int(MEMORY_BYTES / (per_posting * hashes_per_s * SONG_S)),
    }


def opened_cold(folder: Path, questions: Sequence[Question]) -> tuple[Index, dict[str, float]]:
    """Open an index twice, once with nothing of it in memory, and return it with how long it took until it answers."""
    figures = {}
    for kind in ("cold", "warm"):
        if kind == "cold":
            for path in folder.iterdir():
                forget(path)
        begun = time.perf_counter()
        index = Index.open(folder)
        figures[f"open_{kind}_s"] = time.perf_counter() - begun
        if kind == "cold":
            taken = []
            for question in questions[:COLD_CLIPS]:
                begun = time.perf_counter()
                index.search(question.peaks)
                taken.append(1_000 * (time.perf_counter() - begun))
            figures["first_answer_cold_ms"] = taken[0]
            figures["answers_cold_50_ms"] = float(np.median(taken))
            index.close()
            del index
            gc.collect()  # or the files stay mapped
    return index, figures


def forget(path: Path) -> None:
    """Ask the system to keep nothing of a file in memory."""
    file = os.open(path, os.O_RDONLY)
    os.fdatasync(file)
    os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(file)


@dataclass(frozen=True, slots=True)
class Result:
    """How a question was answered.

    Attributes
    ----------
    first_ms, again_ms, cpu_ms : float
        Time until the answer: the first time, right afterwards, when all that it needs is in memory, and of one core.
    right, wrong : float
        Best score of a song that is the right answer, and of one that is not, in nats; 0 without any.
    is_named : bool
        Whether any song is named.
    """

    question: Question
    first_ms: float
    again_ms: float
    cpu_ms: float
    right: float
    wrong: float
    is_named: bool

    @property
    def is_right(self) -> bool:
        """Whether the right song is named."""
        return self.is_named and self.right > self.wrong


def ask(index: Index, question: Question) -> Result:
    """Return how a question is answered."""
    begun_s = time.perf_counter()
    index.search(question.peaks)
    again_s, cpu_s = time.perf_counter(), time.thread_time()
    found = index.search(question.peaks)
    ended_s, cpu_ms = time.perf_counter(), 1_000 * (time.thread_time() - cpu_s)
    right = max((one.score for one in found if one.song_id in question.answers), default=0.0)
    wrong = max((one.score for one in found if one.song_id not in question.answers), default=0.0)
    is_named = bool(found) and found[0].is_answer
    return Result(question, 1_000 * (again_s - begun_s), 1_000 * (ended_s - again_s), cpu_ms, right, wrong, is_named)


def answers(index: Index, questions: Sequence[Question]) -> dict[str, Any]:
    """Return how right and how fast questions are answered."""
    results = [ask(index, question) for question in questions]
    known = [one for one in results if one.question.answers]
    unknown = [one for one in results if not one.question.answers]
    cells: dict[tuple[str, int], list[Result]] = {}
    for one in known:
        cells.setdefault((one.question.clip.condition, one.question.clip.length_s), []).append(one)
    lengths = sorted({one.question.clip.length_s for one in results}, reverse=True)
    return {
        "threshold": answer_threshold(index.song_count),
        "false_positives": share(one.is_named for one in unknown),
        "unknown_clips": len(unknown),
        "best_wrong_score_unknown": quantiles([one.wrong for one in unknown]),
        "best_wrong_score_known": quantiles([one.wrong for one in known]),
        "cells": [
            {
                "condition": condition,
                "length_s": length_s,
                "clips": len(cell),
                "recall": share(one.is_right for one in cell),
                "wrong": share(one.is_named and not one.is_right for one in cell),
                "cpu_ms": quantiles([one.cpu_ms for one in cell]),
            }
            for (condition, length_s), cell in cells.items()
        ],
        "latency": [
            {"clips": kind, "length_s": length_s, **latency(some)}
            for kind, every in (("known", known), ("unknown", unknown))
            for length_s in lengths
            if (some := [one for one in every if one.question.clip.length_s == length_s])
        ],
    }


def latency(results: Sequence[Result]) -> dict[str, Any]:
    """Return how long some answers took, and how many one core gives in a second."""
    return {
        "first_ms": quantiles([one.first_ms for one in results]),
        "again_ms": quantiles([one.again_ms for one in results]),
        "cpu_ms": quantiles([one.cpu_ms for one in results]),
        "answers_per_cpu_s": 1_000 / float(np.mean([one.cpu_ms for one in results])),
    }


def stages(index: Index, questions: Sequence[Question]) -> dict[str, dict[str, float]]:
    """Return the milliseconds of one core and the calls that stages of a search take for an average clip."""
    profile = cProfile.Profile(time.thread_time)
    with profile:
        for question in questions:
            index.search(question.peaks)
    found: dict[str, dict[str, float]] = {}
    for (_, _, name), (_, calls, _, taken_s, _) in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        if name in STAGES:
            found[name] = {"ms": 1_000 * taken_s / len(questions), "calls": calls / len(questions)}
    return {name: found[name] for name in STAGES if name in found}


def quantiles(values: Sequence[float]) -> dict[str, float]:
    """Return the median, two high quantiles and the highest of some values."""
    return {f"p{share}": float(np.quantile(values, share / 100)) for share in (50, 95, 99, 100)}


def share(of: Iterable[bool]) -> float:
    """Return which share of some answers is yes."""
    return float(np.mean(list(of)))


def measure(trial: Trial, folder: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Return all figures."""
    index, steps, songs = Index.open(folder), [], 0
    index.add_many((name, 0, song) for name, song in trial.hidden.items())
    for until in arguments.songs:
        say(f"filling up to {until} songs")
        speeds = fill(index, trial, songs, until, arguments)
        songs = until
        index.close()
        del index
        gc.collect()
        index, opening = opened_cold(folder, trial.questions)
        say(f"asking among {index.song_count} songs")
        clear = [one for one in trial.questions if one.clip.length_s == max(arguments.lengths) and one.answers]
        steps.append(
            {
                **size(index, trial.likeness["real_hashes_per_s"]),
                **speeds,
                **opening,
                **answers(index, trial.questions),
                "stages": stages(index, clear),
            }
        )
        say(table(steps[-1]))
    return {"seconds": arguments.seconds, "likeness": trial.likeness, "steps": steps}


def table(step: dict[str, Any]) -> str:
    """Return the figures of one number of songs as text."""
    lines = [f"{step['songs']:,} songs"]
    for key, value in step.items():
        if isinstance(value, (int, float)):
            lines.append(f"  {key:34} {value:18,.3f}")
        elif key.startswith("best_wrong"):
            lines.append(f"  {key:34} {_row(value)}")
    lines.append(f"  {'clips':26}{'length':>7}{'right %':>9}{'wrong %':>9}   ms of one core: p50, p95, p99, most")
    for cell in step["cells"]:
        lines.append(
            f"  {cell['condition']:26}{cell['length_s']:5} s{100 * cell['recall']:9.1f}{100 * cell['wrong']:9.1f}"
            f"   {_row(cell['cpu_ms'])}"
        )
    lines.append(
        f"  {'latency, ms':26}{'length':>7}   p50, p95, p99, most: of one core | again | first time | per second"
    )
    for cell in step["latency"]:
        times = " | ".join(_row(cell[kind]) for kind in ("cpu_ms", "again_ms", "first_ms"))
        lines.append(f"  {cell['clips']:26}{cell['length_s']:5} s   {times} | {cell['answers_per_cpu_s']:.1f}")
    lines.append("  stage of a search in known clips of the greatest length: ms of one core and calls, per clip")
    lines += [f"    {name:24}{stage['ms']:10.2f}{stage['calls']:10.2f}" for name, stage in step["stages"].items()]
    return "\n".join(lines)


def _row(values: dict[str, float]) -> str:
    return " ".join(f"{value:8.1f}" for value in values.values())


def _numbers(text: str) -> list[int]:
    return sorted({int(word) for word in text.split(",")})


def main(words: Sequence[str] | None = None) -> None:
    """Print the figures, and with ``--json`` one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, nargs="+", default=[], help="folders of audio files, searched deeply")
    parser.add_argument("--songs", type=_numbers, default=[1_000, 10_000], help="numbers of songs: 10000,100000")
    parser.add_argument("--seconds", type=float, default=SONG_S, help="length of each made-up song, up to 1,000")
    parser.add_argument("--clips", type=int, default=4, help="known clips per condition and length; as many unknown")
    parser.add_argument("--conditions", type=conditions, default=["clean", "pink+5dB", "pink+0dB"], help="of clips")
    parser.add_argument("--lengths", type=_numbers, default=[3, 5, 10], help="lengths of clips in seconds")
    parser.add_argument("--seed", type=int, default=1, help="decides over songs, places and noise")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes and threads that prepare")
    parser.add_argument("--work", type=Path, help="folder for the index; a temporary one by default")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    arguments = parser.parse_args(words)
    constellation.warm_up()
    matcher.warm_up()
    trial = prepare(arguments)
    with tempfile.TemporaryDirectory(dir=arguments.work) as folder:
        figures = measure(trial, Path(folder), arguments)
    print(json.dumps(figures["likeness"], indent=2))
    for step in figures["steps"]:
        print(table(step))
    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
