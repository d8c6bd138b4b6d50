"""What does adaptive streaming cost: to package a song, and to redirect a listener to a segment?

``python -m bench.streaming --music FOLDER`` packages songs as the service does, in turn with the ffmpeg program where
there is one, and plays from a service that runs in one process; with ``--stack``, from one that runs over S3.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import numpy as np
import soundfile

from deploy.local.one_process import OneProcess
from deploy.local.process import Process, end_in_order_when_asked
from deploy.local.stack import Stack
from services.streaming.encoder import BIT_RATES_KBPS, SEGMENT_S, encode, package_rate_hz
from shared.audio.sandbox import SandboxLimits, run_isolated
from shared.audio.source import DecodeLimits
from tunescout.client import Client
from tunescout.demo_music import gather
from tunescout.importing import AudioFile, Watcher, import_files
from tunescout.session import Account
from tunescout.synthesis import tune

AT_ONCE = 8
RATE_HZ = 44_100
LIMITS = SandboxLimits(wall_clock_s=1800.0)


# --- Packaging ---


@dataclass(frozen=True)
class Packaging:
    """How much of one core packaging takes. Times are in seconds of a core, the least of all rounds, over all songs."""

    songs: int
    music_s: float
    package_cpu_s: float
    ffmpeg_cpu_s: float | None

    @property
    def speed(self) -> float:
        """Seconds of music in a second of a core: decoding, three renditions, loudness and outline."""
        return self.music_s / self.package_cpu_s

    @property
    def cost_ratio(self) -> float | None:
        """Our time to that of the plain command for the same three renditions, which measures nothing."""
        return None if self.ffmpeg_cpu_s is None else self.package_cpu_s / self.ffmpeg_cpu_s


def package_here(path: Path, folder: Path) -> tuple[float, float]:
    """Package a song in this process; return the seconds of a core that it took, and the length of the song."""
    begun = time.process_time()
    encoding = encode(path, folder, DecodeLimits())
    return time.process_time() - begun, sum(encoding.segment_samples) / encoding.sample_rate_hz


async def package(path: Path) -> tuple[float, float]:
    """Package a song in a worker process, as the service does."""
    with tempfile.TemporaryDirectory() as folder:
        return await run_isolated(package_here, path, Path(folder), limits=LIMITS)


def ffmpeg_command(path: Path, folder: Path, sample_rate_hz: int) -> list[str]:
    """Return the plain command that makes the same three renditions."""
    rates = [word for number, kbps in enumerate(BIT_RATES_KBPS) for word in (f"-b:a:{number}", f"{kbps}k")]
    names = ["-init_seg_name", "$RepresentationID$/init.mp4", "-media_seg_name", "$RepresentationID$/$Number%05d$.m4s"]
    return [
        *("ffmpeg", "-v", "error", "-nostdin", "-y", "-i", str(path), "-map_metadata", "-1", "-vn", "-sn", "-dn"),
        *(word for _ in BIT_RATES_KBPS for word in ("-map", "0:a:0")),
        *("-c:a", "aac", *rates, "-ar", str(sample_rate_hz), "-ac", "2", "-bitexact"),
        *("-f", "dash", "-seg_duration", str(SEGMENT_S), "-frag_type", "none"),
        *("-use_template", "1", "-use_timeline", "1", "-adaptation_sets", "id=0,streams=a"),
        *(*names, str(folder / "manifest.mpd")),
    ]


def run_ffmpeg(path: Path) -> float:
    """Return the seconds of a core that the command takes."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(len(BIT_RATES_KBPS)):
            (Path(folder) / str(number)).mkdir()
        command = ffmpeg_command(path, Path(folder), package_rate_hz(soundfile.info(path).samplerate))
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, preexec_fn=lambda: os.nice(5))
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


async def packaging(paths: Sequence[Path], rounds: int) -> Packaging:
    """Package songs, each in turn with the command, so that other work on the machine disturbs both alike."""
    has_ffmpeg = shutil.which("ffmpeg") is not None
    await package(paths[0])  # the worker loads its libraries
    ours, theirs, music_s = 0.0, 0.0, 0.0
    for path in paths:
        spent: list[float] = []
        asked: list[float] = []
        for _ in range(rounds):
            cpu_s, length_s = await package(path)
            spent.append(cpu_s)
            if has_ffmpeg:
                asked.append(await asyncio.to_thread(run_ffmpeg, path))
        music_s += length_s
        ours += min(spent)
        theirs += min(asked, default=0.0)
    return Packaging(len(paths), music_s, ours, theirs if has_ffmpeg else None)


# --- Playing ---


@dataclass(frozen=True)
class Playing:
    """How soon a segment comes through the redirect, and what redirects cost."""

    first_byte_ms_median: float
    first_byte_ms_p95: float
    redirects: int
    redirects_per_core_s: float
    """Redirects in a second of one core of the service, whatever the one who asks spends."""
    redirects_per_s: float


@contextmanager
def running(stack: bool) -> Iterator[tuple[str, list[Process]]]:
    """Run a service; yield its address, and the processes through which a redirect goes."""
    with tempfile.TemporaryDirectory() as name:
        service = Stack(Path(name)) if stack else OneProcess(Path(name))
        service.start()
        try:
            if isinstance(service, OneProcess):
                yield service.url, [service]
            else:
                yield service.url, [service.services["gateway"], service.services["streaming"]]
        finally:
            service.kill()


async def packaged_song(url: str, folder: Path) -> str:
    """Upload a song and return the address below which its package is played."""
    path = folder / "song.flac"
    soundfile.write(path, np.stack([tune(seed, 60.0, RATE_HZ) for seed in (1, 2)], axis=1), RATE_HZ)
    account = Account(url, "listener", "a long pass phrase")
    async with Client(url, account=account) as client:
        await client.sign_up(account.username, account.password)
        watcher = Watcher()
        await import_files(client, [AudioFile(path)], watcher, parallel=1, deadline_s=300)
        song = watcher.outcomes[0].song
        assert song is not None
        async with asyncio.timeout(300):
            while (found := (await client.ask("GET", f"/v1/songs/{song.id}/stream")).json()["package"]) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
    return str(found["hls_url"]).rpartition("/")[0]


async def playing(url: str, processes: Sequence[Process], seconds: float) -> Playing:
    """Fetch segments one after the other, then only redirects, some at the same time."""
    async with httpx.AsyncClient(timeout=30) as player:
        with tempfile.TemporaryDirectory() as folder:
            base = await packaged_song(url, Path(folder))
        segments = [f"{base}/128k/{number:05}.m4s" for number in range(1, 16)]
        waits_ms = []
        for segment in segments * 7:
            begun = time.perf_counter()
            redirect = await player.get(segment)
            async with player.stream("GET", redirect.headers["location"]) as answer:
                await anext(answer.aiter_raw())
            waits_ms.append(1000 * (time.perf_counter() - begun))
        waits_ms.sort()
        spent_before, begun, count = sum(map(_cpu_s, processes)), time.perf_counter(), 0

        async def ask() -> int:
            asked = 0
            while time.perf_counter() - begun < seconds:
                answer = await player.get(segments[asked % len(segments)])
                assert answer.status_code == httpx.codes.TEMPORARY_REDIRECT
                asked += 1
            return asked

        count = sum(await asyncio.gather(*(ask() for _ in range(AT_ONCE))))
        took_s = time.perf_counter() - begun
        spent_s = sum(map(_cpu_s, processes)) - spent_before
    p95 = waits_ms[round(0.95 * (len(waits_ms) - 1))]
    return Playing(statistics.median(waits_ms), p95, count, count / spent_s, count / took_s)


def _cpu_s(process: Process) -> float:
    """Return how much of a core a process has taken since its start, in seconds (proc(5))."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# --- All together ---


def measure(arguments: argparse.Namespace) -> dict[str, object]:
    """Return all figures by name."""
    paths = [song.path for song in gather(arguments.music).songs]
    made = asyncio.run(packaging(paths[: arguments.songs], arguments.rounds))
    with running(arguments.stack) as (url, processes):
        played = asyncio.run(playing(url, processes, arguments.seconds))
    return {
        "packaging": {**asdict(made), "speed": made.speed, "cost_ratio": made.cost_ratio},
        "playing": asdict(played),
    }


def main() -> None:
    """Print a table, and one JSON object with ``--json``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--music", type=Path, help="folder with songs; by default that of the demo")
    parser.add_argument("--songs", type=int, default=4, help="how many songs are packaged")
    parser.add_argument("--rounds", type=int, default=3, help="how often each; the least time counts")
    parser.add_argument("--seconds", type=float, default=10.0, help="how long redirects are counted")
    parser.add_argument("--stack", action="store_true", help="play from a service of many processes over S3")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    arguments = parser.parse_args()
    end_in_order_when_asked()
    figures = measure(arguments)
    for part, values in figures.items():
        assert isinstance(values, dict)
        for name, value in values.items():
            print(f"{part:10} {name:22} {value:.4g}" if isinstance(value, float) else f"{part:10} {name:22} {value}")
    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
