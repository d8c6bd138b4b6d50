"""How do other systems answer the same clips?

Each runs as a program of its own, as its documentation tells, on the same files. Where a program lets weaker matches
through on request it is asked to, so that every system is judged at the threshold that suits it best; its own decision
is kept beside that.

audfprint was run as the package ``audfprint2`` 0.1.2, and Chromaprint as ``fpcalc`` 1.5.1. The adapters of Olaf and
Panako follow what their documentation and sources say about options and output, and have not been run.
"""

from __future__ import annotations

import csv
import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.systems import Answer, Run, System

DEADLINE_S = 6 * 3_600
"""Longest time for one call of a program, in seconds."""

FILES_PER_CALL = 1_000
"""Files named in one call, where a program takes no list: a command line has a limit."""

CHROMAPRINT_ITEM_S = 1_365 / 11_025
"""Time from one item of a raw fingerprint of Chromaprint to the next, in seconds."""

Words = NDArray[np.uint32]


class Audfprint:
    """audfprint by Dan Ellis: pairs of spectral peaks, counted where they are aligned.

    Parameters
    ----------
    checkout : Path or None
        Folder with its ``audfprint.py``; else the program ``audfprint`` on the PATH is taken.
    options : sequence of str
        Options for both indexing and matching.
    """

    def __init__(self, name: str, checkout: Path | None, options: Sequence[str] = ()) -> None:
        self.name = name
        self._options = list(options)
        script = checkout / "audfprint.py" if checkout else None
        found = shutil.which("audfprint")
        if script is not None and script.is_file():
            self._command = [sys.executable, str(script)]
        else:
            # The packaged fork tells its matches only when it is asked to be verbose.
            self._command = [found] if found else []
            self._options += ["--verbose"] if found else []

    def missing(self) -> str | None:
        """Return what is not installed."""
        return None if self._command else "no folder given with --audfprint, and no `audfprint` on the PATH"

    def run(self, songs: Sequence[Path], clips: Sequence[Path], folder: Path) -> Run:
        """Index songs and answer clips; see `System.run`."""
        database = folder / "songs.pklz"
        listed, asked = _listed(songs, folder / "songs.txt"), _listed(clips, folder / "clips.txt")
        shared = ["--list", "--dbase", str(database), *self._options]
        _, index_cpu_s = _call([*self._command, "new", str(listed), *shared])
        told, query_cpu_s = _call([*self._command, "match", str(asked), "--min-count", "1", *shared])
        return Run(_in_order(audfprint_matches(told), clips), index_cpu_s, _size(database), query_cpu_s)


def audfprint_matches(told: str) -> dict[Path, Answer]:
    """Read lines like ``Matched CLIP 9.7 sec 278 raw hashes as SONG at 30.0 s with 98 of 102 common hashes``."""
    line = re.compile(
        r"Matched (?P<clip>.+?) [\d.]+ sec \d+ raw hashes as (?P<song>.+)"
        r" at +(?P<begin>-?[\d.]+) s with +(?P<count>\d+) of"
    )
    return {
        Path(found["clip"]): Answer(
            Path(found["song"]), float(found["count"]), int(found["count"]) >= 5, float(found["begin"])
        )
        for found in line.finditer(told)
    }


class Olaf:
    """Olaf by Joren Six: triples of spectral peaks in an LMDB database.

    Parameters
    ----------
    name : str
        As shown in tables.
    config : mapping of str to int
        Settings that differ from its defaults.
    """

    def __init__(self, name: str, config: Mapping[str, int] | None = None) -> None:
        self.name = name
        self._config = dict(config or {})
        self._program = shutil.which("olaf")

    def missing(self) -> str | None:
        """Return what is not installed."""
        return None if self._program else "no `olaf` on the PATH"

    def run(self, songs: Sequence[Path], clips: Sequence[Path], folder: Path) -> Run:
        """Index songs and answer clips; see `System.run`."""
        settings = folder / ".olaf"
        (settings / "db").mkdir(parents=True)
        (settings / "cache").mkdir()
        # It looks for its settings in the home folder.
        config = {"db_folder": f"{settings / 'db'}/", "cache_folder": f"{settings / 'cache'}/", **self._config}
        (settings / "olaf_config.json").write_text(json.dumps(config))
        home = {"HOME": str(folder)}
        program = str(self._program)
        _, index_cpu_s = _call_in_parts([program, "store"], songs, home)
        told, query_cpu_s = _call_in_parts([program, "query"], clips, home)
        return Run(_in_order(olaf_matches(told), clips), index_cpu_s, _size(settings / "db"), query_cpu_s)


def olaf_matches(told: str) -> dict[Path, Answer]:
    """Read comma-separated lines that name a clip, and end in count, begin, end, song, number, begin, end.

    Versions differ in what comes before, so the columns are counted from the end. The best match comes first.
    """
    best: dict[Path, Answer] = {}
    for row in csv.reader(told.splitlines(), skipinitialspace=True):
        cells = [cell.strip() for cell in row]
        with suppress(ValueError, IndexError):
            clip, song = Path(cells[2]), Path(cells[-4])
            count, clip_begin_s, song_begin_s = float(cells[-7]), float(cells[-6]), float(cells[-2])
            if count > 0 and (clip not in best or best[clip].score < count):
                best[clip] = Answer(song, count, True, song_begin_s - clip_begin_s)
    return best


class Panako:
    """Panako by Joren Six: triples of peaks of a constant-Q spectrum, which bear changes of speed and pitch.

    As shipped it wants five seconds of agreement, which shorter clips cannot have; here it is one second.
    """

    name = "Panako"

    def __init__(self) -> None:
        self._program = shutil.which("panako")

    def missing(self) -> str | None:
        """Return what is not installed."""
        return None if self._program else "no `panako` on the PATH"

    def run(self, songs: Sequence[Path], clips: Sequence[Path], folder: Path) -> Run:
        """Index songs and answer clips; see `System.run`."""
        database = folder / "database"
        database.mkdir()
        settings = [
            *("STRATEGY=PANAKO", "PANAKO_STORAGE=LMDB", f"PANAKO_LMDB_FOLDER={database}"),
            *("PANAKO_CACHE_TO_FILE=FALSE", "PANAKO_USE_CACHED_PRINTS=FALSE", "PANAKO_MIN_MATCH_DURATION=1"),
        ]
        program = str(self._program)
        _, index_cpu_s = _call_in_parts([program, "store", *settings], songs)
        told, query_cpu_s = _call_in_parts([program, "query", *settings], clips)
        return Run(_in_order(panako_matches(told), clips), index_cpu_s, _size(database), query_cpu_s)


def panako_matches(told: str) -> dict[Path, Answer]:
    """Read lines of 13 cells between semicolons: clip third, song sixth, and its score tenth; `null` is no match."""
    best: dict[Path, Answer] = {}
    for line in told.splitlines():
        cells = [cell.strip() for cell in line.split(";")]
        with suppress(ValueError, IndexError):
            clip, song = Path(cells[2]), Path(cells[5])
            clip_begin_s, song_begin_s, score = float(cells[3]), float(cells[7]), float(cells[9])
            if len(cells) == 13 and score > 0 and (clip not in best or best[clip].score < score):
                best[clip] = Answer(song, score, True, song_begin_s - clip_begin_s)
    return best


@dataclass(slots=True)
class Chromaprint:
    """Chromaprint by Lukáš Lalinský: 32 bits about the harmony of every eighth of a second.

    Its own programs compare whole files. Here the clip's bits are laid over every place of every song, and the place
    where most of them agree wins: the best that its fingerprints can do. It decides nothing by itself.
    """

    name: str = "Chromaprint"
    program: str | None = field(default_factory=lambda: shutil.which("fpcalc"))

    def missing(self) -> str | None:
        """Return what is not installed."""
        return None if self.program else "no `fpcalc` on the PATH"

    def run(self, songs: Sequence[Path], clips: Sequence[Path], folder: Path) -> Run:
        """Index songs and answer clips; see `System.run`. Nothing is written."""
        begun = _cpu_s()
        known = [self._words(song) for song in songs]
        library = np.concatenate(known)
        starts = np.cumsum([0, *(len(words) for words in known)])
        indexed = _cpu_s()
        answers = [self._answer(self._words(clip), library, starts, songs) for clip in clips]
        return Run(answers, indexed - begun, library.nbytes, _cpu_s() - indexed)

    def _answer(self, clip: Words, library: Words, starts: NDArray[np.int64], songs: Sequence[Path]) -> Answer | None:
        found = most_alike(clip, library, starts)
        if found is None:
            return None
        place, agreement = found
        song = int(np.searchsorted(starts, place, "right")) - 1
        return Answer(songs[song], agreement, None, float(place - starts[song]) * CHROMAPRINT_ITEM_S)

    def _words(self, path: Path) -> Words:
        # It may end with an error after the last frame though the fingerprint is whole: only the output counts.
        done = subprocess.run(
            [str(self.program), "-raw", "-json", "-length", "0", str(path)],
            capture_output=True,
            text=True,
            check=False,
            timeout=DEADLINE_S,
        )
        try:
            return np.array(json.loads(done.stdout)["fingerprint"], np.uint32)
        except (ValueError, KeyError):
            return np.empty(0, np.uint32)


def most_alike(clip: Words, library: Words, starts: NDArray[np.int64]) -> tuple[int, float] | None:
    """Return the place where a clip's bits differ least from those of a song, and the share of them that agree.

    Parameters
    ----------
    clip : uint32 [shape=(items,)]
        Raw fingerprint of the clip.
    library : uint32 [shape=(all items,)]
        Raw fingerprints of all songs, one after the other.
    starts : int64 [shape=(songs + 1,)]
        Where in `library` the songs begin, and its length.

    Returns
    -------
    tuple of int and float, or None
        Index in `library`, and the share of bits, 0 to 1: chance makes half of them agree. None where no song is long
        enough.
    """
    places = len(library) - len(clip) + 1
    if not len(clip) or places < 1:
        return None
    differing = np.zeros(places, np.uint32)
    for item, word in enumerate(clip):
        differing += np.bitwise_count(library[item : item + places] ^ word)
    for end in starts[1:]:
        differing[max(0, int(end) - len(clip) + 1) : int(end)] = 32 * len(clip)
    place = int(np.argmin(differing))
    return place, 1.0 - float(differing[place]) / (32 * len(clip))


def peers(audfprint: Path | None) -> list[System]:
    """Return all systems that can be compared with, installed or not.

    Parameters
    ----------
    audfprint : Path or None
        A checkout of audfprint.
    """
    return [
        Audfprint("audfprint", audfprint),
        Audfprint("audfprint dense", audfprint, ["--density", "100", "--fanout", "8", "--freq-sd", "15"]),
        Olaf("Olaf"),
        Olaf("Olaf pairs", {"number_of_eps_per_fp": 2}),
        Panako(),
        Chromaprint(),
    ]


def _cpu_s() -> float:
    """Return seconds of one core that this process and all programs that it ran have used."""
    own, programs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    return own.ru_utime + own.ru_stime + programs.ru_utime + programs.ru_stime


def _call(command: Sequence[str], environment: Mapping[str, str] | None = None) -> tuple[str, float]:
    """Run a program; return all that it tells, and the seconds of one core that it took."""
    begun = _cpu_s()
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
        timeout=DEADLINE_S,
        env={**os.environ, **(environment or {})},
    )
    if done.returncode != 0:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise RuntimeError(f"{Path(command[0]).name} ended with {done.returncode}: {lines[-1][:200]}")
    return done.stdout + "\n" + done.stderr, _cpu_s() - begun


def _call_in_parts(
    command: Sequence[str], files: Sequence[Path], environment: Mapping[str, str] | None = None
) -> tuple[str, float]:
    told, cpu_s = "", 0.0
    for begin in range(0, len(files), FILES_PER_CALL):
        part, part_s = _call([*command, *map(str, files[begin : begin + FILES_PER_CALL])], environment)
        told, cpu_s = f"{told}\n{part}", cpu_s + part_s
    return told, cpu_s


def _in_order(matches: Mapping[Path, Answer], clips: Iterable[Path]) -> list[Answer | None]:
    """Return the matches of clips; programs that tell only names of files are understood too."""
    by_name = {path.name: answer for path, answer in matches.items()}
    return [matches.get(clip) or by_name.get(clip.name) for clip in clips]


def _listed(files: Iterable[Path], path: Path) -> Path:
    path.write_text("".join(f"{file}\n" for file in files))
    return path


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
