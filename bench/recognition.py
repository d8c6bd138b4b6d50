"""How often is a clip named right, how often wrongly, how exactly in time, and at what cost, beside other systems?

``python -m bench.recognition --music FOLDER`` divides music into a library and unknown songs, cuts clips out of both,
degrades them in every way that `bench.degrade` knows, and lets this and every other installed system answer. The same
music and the same ``--seed`` ask the same questions.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from bench.clips import CutClip, cut, generator, plan
from bench.degrade import CONDITIONS
from bench.noises import crowd
from bench.peers import peers
from bench.scores import FALSE_POSITIVES, Summary, Verdict, summarise, threshold
from bench.songs import Song, Split, digest, overlapping, split
from bench.systems import Answer, Heard, Run, System, TuneScout
from services.fingerprint.constellation import fingerprint_song, warm_up
from shared.audio.decode import decode
from shared.errors import Rejected
from shared.fingerprint import SAMPLE_RATE_HZ
from tunescout.demo_music import gather
from tunescout.importing import audio_files

CROWD_S = 60.0
"""Length of the crowd that all clips of a run take a part of, in seconds."""

Verdicts = dict[tuple[str, int], list[Verdict]]
"""Verdicts on one system, by condition and length of the clip in seconds."""


def hear(path: Path) -> Heard | str:
    """Decode and fingerprint a song; where that is refused, return why."""
    begun = time.process_time()
    try:
        fingerprint = fingerprint_song(decode(path, sample_rate_hz=SAMPLE_RATE_HZ).samples)
    except Rejected as refused:
        return str(refused)
    return Heard(fingerprint, time.process_time() - begun)


def read_music(folders: Sequence[Path], jobs: int) -> dict[Song, Heard]:
    """Return the songs below folders, each content once; without folders, the music of ``tunescout demo``."""
    if folders:
        paths = [file.path.resolve() for file in audio_files(folders)]
    else:
        music = gather()
        paths = [file.path.resolve() for file in (*music.songs, *music.held_back)]
    first = {digest(path): path for path in reversed(paths)}
    songs: dict[Song, Heard] = {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn"), initializer=warm_up) as pool:
        for (name, path), heard in zip(first.items(), pool.map(hear, first.values()), strict=True):
            if isinstance(heard, str):
                say(f"{path.name}: left out, {heard}")
            else:
                songs[Song(path, name, heard.fingerprint.duration_s)] = heard
    return songs


def judge(clips: Sequence[CutClip], run: Run, songs: Split) -> Verdicts:
    """Compare the answers of a system with the truth."""
    known = {song.path: song for song in songs.known}
    by_name = {song.path.name: song for song in known.values()}
    verdicts: Verdicts = {}
    for clip, answer in zip(clips, run.answers, strict=True):
        named = None if answer is None else known.get(answer.song) or by_name.get(answer.song.name)
        asked = clip.clip
        verdicts.setdefault((asked.condition, asked.length_s), []).append(
            _verdict(clip, answer, named is not None and named.digest in songs.same_sound[asked.song.digest])
        )
    order = list(CONDITIONS)
    return dict(sorted(verdicts.items(), key=lambda cell: (order.index(cell[0][0]), -cell[0][1])))


def _verdict(clip: CutClip, answer: Answer | None, is_same_sound: bool) -> Verdict:
    is_right = clip.clip.is_known and is_same_sound
    if answer is None:
        return Verdict(clip.clip.is_known, None, False, False, None)
    # Only in the song itself, not in another copy of it, is the place known.
    has_place = is_right and answer.begin_s is not None and answer.song.name == clip.clip.song.path.name
    error_s = min(abs((answer.begin_s or 0.0) - begin_s) for begin_s in clip.begins_s) if has_place else None
    return Verdict(clip.clip.is_known, answer.score, is_right, answer.is_answer, error_s)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return all figures."""
    heard = read_music(arguments.music, arguments.jobs)
    say(f"{len(heard)} songs heard")
    same_sound = overlapping({song.digest: one.fingerprint for song, one in heard.items()})
    songs = split(heard, same_sound, arguments.seed)
    conditions = [CONDITIONS[name] for name in arguments.conditions]
    planned = plan(
        songs, conditions, arguments.lengths, arguments.clips, math.ceil(arguments.clips / 2), arguments.seed
    )
    say(f"{len(songs.known)} songs in the library, {len(songs.unknown)} unknown; cutting {len(planned)} clips")
    systems: list[System] = [TuneScout({song.path: one for song, one in heard.items()})]
    systems += [peer for peer in peers(arguments.audfprint) if arguments.peers is None or peer.name in arguments.peers]
    with ExitStack() as stack:
        work = arguments.work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tunescout-bench-")))
        voices = crowd(CROWD_S, generator(arguments.seed, "crowd"))
        clips = list(cut(planned, voices, work.resolve() / "clips", arguments.seed, arguments.jobs))
        results = {system.name: compete(system, songs, clips, work.resolve()) for system in systems}
    return {
        "songs": len(heard),
        "library": len(songs.known),
        "unknown": len(songs.unknown),
        "with_the_sound_of_another": sum(len(group) > 1 for group in same_sound.values()),
        "clips": len(planned),
        "seed": arguments.seed,
        "most_false_positives": FALSE_POSITIVES,
        "systems": results,
    }


def compete(system: System, songs: Split, clips: Sequence[CutClip], work: Path) -> dict[str, Any]:
    """Return the figures of one system, or why there are none."""
    missing = system.missing()
    if missing is not None:
        say(f"{system.name}: not installed, {missing}")
        return {"missing": f"not installed, {missing}"}
    say(f"{system.name}: indexing and answering")
    with tempfile.TemporaryDirectory(dir=work) as folder:
        try:
            run = system.run([song.path for song in songs.known], [clip.path for clip in clips], Path(folder))
        except (RuntimeError, OSError) as error:
            say(f"{system.name}: failed, {error}")
            return {"missing": f"failed: {error}"}
    verdicts = judge(clips, run, songs)
    every = [verdict for cell in verdicts.values() for verdict in cell]
    least = threshold(every)
    return {
        "threshold": least if math.isfinite(least) else None,
        "index_cpu_s": run.index_cpu_s,
        "bytes_per_song": run.index_bytes / len(songs.known),
        "query_cpu_s": run.query_cpu_s / len(clips),
        "total": asdict(summarise(every, least)),
        "cells": _rows(verdicts, least),
        "families": _rows(_by_family(verdicts), least),
    }


def _by_family(verdicts: Verdicts) -> Verdicts:
    families: Verdicts = {}
    for (name, length_s), cell in verdicts.items():
        families.setdefault((CONDITIONS[name].family, length_s), []).extend(cell)
    return families


def _rows(verdicts: Verdicts, least: float) -> list[dict[str, Any]]:
    return [
        {"condition": name, "length_s": length_s, **asdict(summarise(cell, least))}
        for (name, length_s), cell in verdicts.items()
    ]


def table(figures: Mapping[str, Any]) -> str:
    """Return the figures as text, shares in percent."""
    ran = {name: result for name, result in figures["systems"].items() if "missing" not in result}
    lines = [
        f"{figures['songs']} songs: {figures['library']} in the library, {figures['unknown']} unknown,"
        f" {figures['with_the_sound_of_another']} with the sound of another; {figures['clips']} clips,"
        f" seed {figures['seed']}",
        f"Shares in %, each system at its threshold for at most {100 * FALSE_POSITIVES:g} % of unknown clips named;"
        " 'own': by its own decision; 'ms': error of the place, median and 99 %; 'exact': within 50 ms",
        "",
    ]
    ours, *others = ran
    heads = "".join(f"  {name:^18}" for name in others)
    head = f"{'condition':<18}{'clip':>5}{'clips':>6}  {ours:^45}{heads}"
    columns = " right wrong   own wrong     ms    99 % exact" + len(others) * "    right wrong    ms"
    lines += [head.rstrip(), f"{'':<31}{columns}"]
    for part in ("cells", "families"):
        for place, row in enumerate(ran[ours][part]):
            cells = f"{row['condition']:<18}{row['length_s']:>3} s{row['known']:>6}  {_full(row)}"
            lines.append(cells + "".join(_brief(ran[name][part][place]) for name in others))
        lines.append("")
    for name, result in ran.items():
        total = Summary(**result["total"])
        lines.append(
            f"{name}: right {100 * total.recall:.1f}, wrong {100 * total.wrong:.2f}; of {total.unknown} unknown clips"
            f" {100 * total.false_positives:.2f} named, {_own(total.shipped_false_positives)};"
            f" place off by {total.error_50_ms:.0f} ms, 99 % within {total.error_99_ms:.0f} ms,"
            f" {100 * total.exact:.1f} within 50 ms; {1_000 * result['query_cpu_s']:.0f} ms of one core a clip;"
            f" index {result['index_cpu_s']:.1f} s of one core, {result['bytes_per_song'] / 1_000:.0f} kB a song"
        )
    for name, result in figures["systems"].items():
        if "missing" in result:
            lines.append(f"{name}: {result['missing']}")
    return "\n".join(lines)


def _full(row: Mapping[str, Any]) -> str:
    return (
        f"{_percent(row['recall'])}{_percent(row['wrong'])}{_percent(row['shipped_recall'])}"
        f"{_percent(row['shipped_wrong'])} {row['error_50_ms']:6.1f} {row['error_99_ms']:7.1f}{_percent(row['exact'])}"
    )


def _brief(row: Mapping[str, Any]) -> str:
    return f"   {_percent(row['recall'])}{_percent(row['wrong'])}{row['error_50_ms']:6.0f}"


def _own(share: float) -> str:
    return "it does not decide by itself" if math.isnan(share) else f"{100 * share:.2f} by its own decision"


def _percent(share: float) -> str:
    return f"{100 * share:6.1f}"


def say(line: str) -> None:
    """Tell how far the run is, apart from its figures."""
    print(line, file=sys.stderr, flush=True)


def _finite(value: Any) -> Any:
    """Return figures with None for every NaN, which JSON does not know."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list) else value


def conditions(text: str) -> list[str]:
    """Return the conditions that are named, or whose family is."""
    wanted = {word.strip() for word in text.split(",")}
    unknown = wanted - {word for one in CONDITIONS.values() for word in (one.name, one.family)}
    if unknown:
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: none of {', '.join(CONDITIONS)}")
    return [one.name for one in CONDITIONS.values() if one.name in wanted or one.family in wanted]


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _seconds(text: str) -> list[int]:
    return sorted({int(word) for word in text.split(",")}, reverse=True)


def main() -> None:
    """Print the table, and with ``--json`` one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, nargs="+", default=[], help="folders of audio files, searched deeply")
    parser.add_argument(
        "--clips", type=int, default=8, help="known clips per condition and length; half as many unknown"
    )
    parser.add_argument("--seed", type=int, default=1, help="decides over unknown songs, places and noise")
    parser.add_argument("--lengths", type=_seconds, default=[10, 5, 3], help="lengths of clips in seconds: 10,5,3")
    parser.add_argument(
        "--conditions", type=conditions, default=list(CONDITIONS), help="names or families: clean,white+0dB"
    )
    parser.add_argument("--peers", type=_words, help="names of other systems; all by default, '' for none")
    parser.add_argument("--audfprint", type=Path, help="folder with audfprint.py, where it is not installed")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes that read music and cut clips")
    parser.add_argument("--work", type=Path, help="folder that keeps the clips; a temporary one by default")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    arguments = parser.parse_args()
    figures = measure(arguments)
    print(table(figures))
    if arguments.json:
        print(json.dumps(_finite(figures)))


if __name__ == "__main__":
    main()
