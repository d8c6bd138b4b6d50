"""How do all processors listen to files on this machine, when any of the files may be hostile?

Decoding and analysis run in confined worker processes, which are used again for the next file. One that crashes or
hangs costs its file and nothing else.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

from anyio import CapacityLimiter

from services.fingerprint.constellation import fingerprint_clip, fingerprint_song, warm_up
from shared.audio.decode import decode
from shared.audio.sandbox import SandboxLimits, run_isolated
from shared.errors import Rejected
from shared.fingerprint import SAMPLE_RATE_HZ, Fingerprint

T = TypeVar("T")

LONGEST_CLIP_S = 60.0
"""How much of a clip is listened to, as the service does."""

_LIMITS = SandboxLimits(wall_clock_s=300.0)
"""A song of two hours decodes in ten seconds where nobody else wants the processor."""

_AHEAD = 64
"""Files that may be done before the one whose turn it is."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What came out of a file: its fingerprint, or the reason why there is none.

    Attributes
    ----------
    fingerprint : Fingerprint or Rejected
        The peaks, at the density of songs or of clips.
    seconds : float
        What decoding and analysis took.
    """

    fingerprint: Fingerprint | Rejected
    seconds: float


class Listeners:
    """Workers that turn files into fingerprints.

    Parameters
    ----------
    count : int
        How many files are listened to at the same time.
    """

    def __init__(self, count: int) -> None:
        self._free = CapacityLimiter(count)

    async def song(self, path: Path) -> Heard:
        """Listen to a whole song."""
        return await self._hear(_song, path)

    async def clip(self, path: Path) -> Heard:
        """Listen to the first `LONGEST_CLIP_S` of a clip."""
        return await self._hear(_clip, path)

    async def _hear(self, listen: Callable[[Path], Heard], path: Path) -> Heard:
        try:
            return await run_isolated(listen, path, limits=_LIMITS, limiter=self._free)
        except Rejected as refused:  # the worker did not live to say it
            return Heard(refused, 0.0)


async def in_order(paths: Iterable[Path], work: Callable[[Path], Awaitable[T]]) -> AsyncIterator[tuple[Path, T]]:
    """Work on several files at once, and yield the results in the order of the files."""

    async def one(path: Path) -> tuple[Path, T]:
        return path, await work(path)

    begun: deque[asyncio.Task[tuple[Path, T]]] = deque()
    try:
        for path in paths:
            begun.append(asyncio.create_task(one(path)))
            if len(begun) > _AHEAD:
                yield await begun.popleft()
        while begun:
            yield await begun.popleft()
    finally:
        for task in begun:
            task.cancel()


# --- In the worker ---


def _song(path: Path) -> Heard:
    return _timed(path, fingerprint_song, None)


def _clip(path: Path) -> Heard:
    return _timed(path, fingerprint_clip, LONGEST_CLIP_S)


def _timed(path: Path, fingerprint: Callable[..., Fingerprint], longest_s: float | None) -> Heard:
    _warm_up()
    begin = time.perf_counter()
    found: Fingerprint | Rejected
    try:
        found = fingerprint(decode(path, sample_rate_hz=SAMPLE_RATE_HZ, max_output_s=longest_s).samples)
    except Rejected as refused:
        found = refused
    except OSError as error:
        found = Rejected("unreadable", f"the file can't be read: {error.strerror}")
    return Heard(found, time.perf_counter() - begin)


_warm_up = cache(warm_up)
