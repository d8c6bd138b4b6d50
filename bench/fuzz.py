"""Does any audio file, however damaged, get past the limits of the decoders?

``python -m bench.fuzz --cases 2000`` damages real audio in every accepted container and takes each file through the
doors of the service: tags, decoder, fingerprint, and, for every fourth, the encoder of packages. A file may end as a
fingerprint or as a refusal with a sentence for its owner. Anything else is a finding, and its file is kept for
``--replay``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from anyio import CapacityLimiter

from bench.hostile_audio import damaged, originals
from services.fingerprint.extractor import extract_clip, extract_song, warm_worker
from services.streaming.encoder import encode
from shared.audio.decode import DecoderName
from shared.audio.sandbox import SandboxLimits, run_isolated, warm_up
from shared.audio.source import DecodeLimits
from shared.audio.tags import read_tags
from shared.errors import Rejected

LIMITS = SandboxLimits(memory_bytes=2 * 1024**3)
MOST_CPU_S = 15.0
"""Seconds of a core for a file of a few seconds, at most: more is a way to keep the decoders from their work."""
MOST_RESIDENT_BYTES = 1024**3
"""Memory that a worker may really fill; its libraries and compiled code take a third of it."""
CLIP_S = 60.0
_DEATHS = "crashes the decoder"


@dataclass(frozen=True, slots=True)
class Case:
    """A file, how it is found again, what decodes it, and whether it becomes a package too, which takes longest."""

    name: str
    data: bytes
    decoder: DecoderName
    packaged: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a case ended.

    Attributes
    ----------
    code : str
        ``ready``, the code of the refusal, or the name of the error.
    finding : str or None
        What is wrong about it.
    cpu_s : float
        What all doors together took of a core, in seconds; 0 where the sandbox ended it.
    resident_bytes : int
        Most memory that the worker has filled so far; 0 where it did not live to tell.
    """

    code: str
    finding: str | None
    cpu_s: float
    resident_bytes: int = 0


def cases(seed: int, numbers: Iterable[int]) -> Iterator[Case]:
    """Return damaged files; equal seeds and numbers make equal ones."""
    files = list(originals().values())
    has_ffmpeg = shutil.which("ffmpeg") is not None
    for number in numbers:
        decoder: DecoderName = "ffmpeg" if has_ffmpeg and number % 8 == 7 else "pyav"
        yield Case(f"{seed}-{number}", damaged(files, np.random.default_rng((seed, number))), decoder, number % 4 == 0)


def listen(path: Path, decoder: DecoderName, packaged: bool) -> tuple[str, str, float, int]:
    """Take a file through all doors, in a worker.

    Returns
    -------
    code, reason : str
        ``ready``, or those of the refusal.
    cpu_s : float
        Seconds of a core.
    resident_bytes : int
        Most memory that this process ever filled.
    """
    begun_s, limits = _cpu_s(), DecodeLimits()
    code, reason = "ready", ""
    try:
        read_tags(path)  # also of a file without sound
        extract_song(path, limits, decoder)
        extract_clip(path, limits, decoder, CLIP_S)
        if packaged:
            encode(path, path.with_suffix(".package"), limits)
    except Rejected as refusal:
        code, reason = refusal.code, refusal.reason
    return code, reason, _cpu_s() - begun_s, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _cpu_s() -> float:
    return time.process_time() + resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime


async def outcome_of(case: Case, slots: CapacityLimiter, temporary: str) -> Outcome:
    """Take one case through the doors, as the service does it."""
    cpu_s, resident_bytes = 0.0, 0  # where the sandbox ended it, nobody tells
    async with slots:
        with tempfile.TemporaryDirectory(dir=temporary) as folder:
            path = Path(folder) / "song"
            path.write_bytes(case.data)
            try:
                code, reason, cpu_s, resident_bytes = await run_isolated(
                    listen, path, case.decoder, case.packaged, limits=LIMITS
                )
            except Rejected as refusal:
                code, reason = refusal.code, refusal.reason
            except Exception as bug:
                return Outcome(type(bug).__name__, "\n".join((str(bug), *getattr(bug, "__notes__", ()))), 0.0)
    return Outcome(code, _wrong(code, reason, cpu_s, resident_bytes), cpu_s, resident_bytes)


def _wrong(code: str, reason: str, cpu_s: float, resident_bytes: int) -> str | None:
    """Return what is wrong about a typed end."""
    if code == "too_slow_to_decode" or _DEATHS in reason:
        return reason
    if cpu_s > MOST_CPU_S:
        return f"the doors took {cpu_s:.1f} s of a core"
    if resident_bytes > MOST_RESIDENT_BYTES:
        return f"the worker filled {resident_bytes / 2**20:.0f} MiB"
    is_sentence = len(reason.split()) > 3 and reason.isprintable() and len(reason) < 300 and "/" not in reason
    return None if code == "ready" or is_sentence else f"no sentence for its owner: {reason!r}"


@dataclass(frozen=True, slots=True)
class Report:
    """What came of all cases; `left_over` are temporary files and running programs."""

    cases: int
    seed: int
    outcomes: dict[str, int]
    findings: dict[str, str]
    left_over: list[str]
    slowest_cpu_s: float
    resident_bytes: int
    took_s: float


async def run(all_cases: Iterable[Case], *, workers: int, seed: int, keep: Path) -> Report:
    """Take all cases through the doors, and keep the files of those that ended wrongly."""
    begun, slots = time.perf_counter(), CapacityLimiter(workers)
    outcomes: dict[str, Outcome] = {}

    async def take(case: Case, temporary: str) -> None:
        outcome = outcomes[case.name] = await outcome_of(case, slots, temporary)
        if outcome.finding is not None:
            await asyncio.to_thread(_keep, case, keep)
            print(f"{case.name} ({case.decoder}): {outcome.code}: {outcome.finding}", file=sys.stderr)

    with _temporary_folder() as temporary:
        others = _children()
        await warm_up(workers, warm_worker, limits=LIMITS)
        under_way: set[asyncio.Task[None]] = set()
        for case in all_cases:
            under_way.add(asyncio.create_task(take(case, temporary)))
            if len(under_way) > 2 * workers:
                done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.gather(*done)
        await asyncio.gather(*under_way)
        left_over = [*os.listdir(temporary), *_programs_of(_children().keys() - others.keys())]  # noqa: PTH208 - blocking paths are for threads
    return Report(
        cases=len(outcomes),
        seed=seed,
        outcomes=dict(Counter(outcome.code for outcome in outcomes.values()).most_common()),
        findings={name: outcome.finding for name, outcome in outcomes.items() if outcome.finding},
        left_over=left_over,
        slowest_cpu_s=round(max(outcome.cpu_s for outcome in outcomes.values()), 2),
        resident_bytes=max(outcome.resident_bytes for outcome in outcomes.values()),
        took_s=round(time.perf_counter() - begun, 1),
    )


@contextlib.contextmanager
def _temporary_folder() -> Iterator[str]:
    """Have the workers that are started now put temporary files where they are noticed."""
    before = os.environ.get("TMPDIR")
    with tempfile.TemporaryDirectory(prefix="tunescout-") as folder:
        os.environ["TMPDIR"] = folder
        try:
            yield folder
        finally:
            os.environ.pop("TMPDIR")
            os.environ |= {} if before is None else {"TMPDIR": before}


def _children(parents: Set[int] | None = None) -> dict[int, str]:
    """Return the names of the processes, on Linux, that have one of these parents; without any, this very process."""
    found = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            name, _, state = status.read_text().rpartition(")")
            if int(state.split()[1]) in (parents or {os.getpid()}):
                found[int(status.parent.name)] = name.partition("(")[2]
    return found


def _programs_of(workers: Set[int]) -> list[str]:
    """Return the names of the programs that workers have left running."""
    return list(_children(workers).values()) if workers else []


def _keep(case: Case, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{case.name}.{case.decoder}").write_bytes(case.data)


def _replayed(paths: Sequence[Path]) -> Iterator[Case]:
    for path in paths:
        yield Case(path.stem, path.read_bytes(), "ffmpeg" if path.suffix == ".ffmpeg" else "pyav")


def main() -> int:
    """Return 1 where something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--keep", type=Path, default=Path("var/fuzz"), help="where files go that ended wrongly")
    parser.add_argument("--replay", type=Path, nargs="+", default=[], help="files that were kept")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    wanted = _replayed(asked.replay) if asked.replay else cases(asked.seed, range(asked.cases))
    report = asyncio.run(run(wanted, workers=asked.workers, seed=asked.seed, keep=asked.keep))
    print(f"{report.cases} files in {report.took_s} s, the slowest in {report.slowest_cpu_s} s of a core,", end=" ")
    print(f"workers within {report.resident_bytes / 2**20:.0f} MiB: {len(report.findings)} findings")
    print("\n".join(f"{count:6} {code}" for code, count in report.outcomes.items()))
    if asked.json:
        print(json.dumps(asdict(report)))
    return 1 if report.findings or report.left_over else 0


if __name__ == "__main__":
    sys.exit(main())
