"""What does a system have to do to be compared, and how does this one do it?"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from services.fingerprint import constellation
from services.fingerprint.constellation import fingerprint_clip
from services.matcher import index as matcher
from services.matcher.index import Index
from shared.audio.decode import decode
from shared.errors import Rejected
from shared.fingerprint import SAMPLE_RATE_HZ, Fingerprint


@dataclass(frozen=True, slots=True)
class Answer:
    """The song that a system proposes first.

    Attributes
    ----------
    song : Path
        Its file.
    score : float
        The higher the surer; comparable between answers of this system alone.
    is_answer : bool or None
        Whether the system, as shipped, would name it; None where it leaves that open.
    begin_s : float or None
        Where in the song the clip begins, in seconds, where the system tells.
    """

    song: Path
    score: float
    is_answer: bool | None
    begin_s: float | None


@dataclass(frozen=True, slots=True)
class Run:
    """All answers of a system, and what they cost.

    Attributes
    ----------
    answers : list of Answer or None
        One per clip; None where no song was proposed.
    index_cpu_s : float
        Seconds of one core from files to index.
    index_bytes : int
        Size of the index.
    query_cpu_s : float
        Seconds of one core for all clips, from files to answers.
    """

    answers: list[Answer | None]
    index_cpu_s: float
    index_bytes: int
    query_cpu_s: float


class System(Protocol):
    """A system that is compared.

    Attributes
    ----------
    name : str
        As shown in tables.
    """

    name: str

    def missing(self) -> str | None:
        """Return what is not installed, in words, or None where the system can run."""

    def run(self, songs: Sequence[Path], clips: Sequence[Path], folder: Path) -> Run:
        """Index songs and answer clips.

        Parameters
        ----------
        songs, clips : sequence of Path
            Absolute paths of files.
        folder : Path
            An empty folder for whatever the system writes.

        Raises
        ------
        RuntimeError
            The system failed.
        """


@dataclass(frozen=True, slots=True)
class Heard:
    """A song that was decoded and fingerprinted, and the seconds of one core that this took."""

    fingerprint: Fingerprint
    cpu_s: float


class TuneScout:
    """The index of this project, in this process, through the functions that its services call.

    Parameters
    ----------
    heard : mapping of Path to Heard
        The songs of the library, by absolute path.
    """

    name = "Tune Scout"

    def __init__(self, heard: Mapping[Path, Heard]) -> None:
        self._heard = heard

    def missing(self) -> str | None:
        """Return None: it is here."""
        return None

    def run(self, songs: Sequence[Path], clips: Sequence[Path], folder: Path) -> Run:
        """Index songs and answer clips; see `System.run`. Nothing is written."""
        constellation.warm_up()
        matcher.warm_up()
        index = Index()
        begun = time.process_time()
        for song in songs:
            index.add(str(song), 0, self._heard[song].fingerprint)
        index.merge()
        indexed = time.process_time()
        answers = [answer(index, clip) for clip in clips]
        return Run(
            answers,
            sum(self._heard[song].cpu_s for song in songs) + indexed - begun,
            index.stats().size_bytes,
            time.process_time() - indexed,
        )


def answer(index: Index, clip: Path) -> Answer | None:
    """Return the best match of a clip's file, also below the threshold."""
    try:
        fingerprint = fingerprint_clip(decode(clip, sample_rate_hz=SAMPLE_RATE_HZ).samples)
    except Rejected:
        return None
    for best in index.search(fingerprint, limit=1):
        return Answer(Path(best.song_id), best.score, best.is_answer, best.offset_ms / 1_000)
    return None
