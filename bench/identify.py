"""How soon, and how well, does a running service name a clip?

``python -m bench.identify --music FOLDER [--server URL]`` imports the folder, cuts one noisy clip of each song at a
place that the seed chooses, and asks for their names one after the other, then several at once. Against a service of
`make stack` this measures the whole way: HTTP, broker, decoding, every shard, and back.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

from shared.audio.decode import decode
from shared.runtime.settings import Settings
from tunescout.answers import Identification
from tunescout.client import Client
from tunescout.clip import mix
from tunescout.importing import Watcher, audio_files, import_files
from tunescout.session import Account, account_for

SAMPLE_RATE_HZ = 44_100


@dataclass(frozen=True, slots=True)
class Clip:
    """A noisy clip, and the truth about it."""

    song_id: str
    offset_ms: float
    wav: bytes


@dataclass(frozen=True, slots=True)
class Result:
    """What came back for a clip, and when."""

    clip: Clip
    said: Identification
    latency_ms: float

    @property
    def is_right(self) -> bool:
        """Whether the right song was named."""
        return self.said.match is not None and self.said.match.song.id == self.clip.song_id

    @property
    def offset_error_ms(self) -> float:
        """How far the place in the song is off."""
        assert self.said.match is not None
        return abs(self.said.match.offset_ms - self.clip.offset_ms)


def cut(path: Path, song_id: str, *, duration_s: float, snr_db: float, seed: int) -> Clip:
    """Cut a clip at a place that the seed and the file's name choose, and add white noise."""
    rng = np.random.default_rng([seed, *path.name.encode()])
    samples = decode(path, sample_rate_hz=SAMPLE_RATE_HZ).samples
    length = min(len(samples), round(duration_s * SAMPLE_RATE_HZ))
    begin = int(rng.integers(0, len(samples) - length + 1))
    noise = rng.standard_normal(length, dtype=np.float32)
    wav = io.BytesIO()
    mixture = mix(samples[begin : begin + length], noise, snr_db)
    soundfile.write(wav, mixture, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return Clip(song_id, begin / SAMPLE_RATE_HZ * 1000, wav.getvalue())


async def ask(client: Client, clip: Clip) -> Result:
    """Ask once."""
    started = time.perf_counter()
    said = await client.identify(clip.wav)
    return Result(clip, said, (time.perf_counter() - started) * 1000)


async def ask_together(client: Client, clips: Sequence[Clip], at_once: int) -> tuple[list[Result], float]:
    """Ask about all clips, some at once; return the results and the time it took, in seconds."""
    slots = asyncio.Semaphore(at_once)

    async def one(clip: Clip) -> Result:
        async with slots:
            return await ask(client, clip)

    started = time.perf_counter()
    results = await asyncio.gather(*(one(clip) for clip in clips))
    return list(results), time.perf_counter() - started


def summary(results: Sequence[Result], seconds: float) -> dict[str, float | int]:
    """Return counts and percentiles."""
    latencies = [result.latency_ms for result in results]
    right = [result for result in results if result.is_right]
    errors = [result.offset_error_ms for result in right] or [float("nan")]
    return {
        "clips": len(results),
        "right": len(right),
        "wrong": sum(result.said.match is not None and not result.is_right for result in results),
        "missed": sum(result.said.match is None for result in results),
        "offset_error_p50_ms": round(float(np.percentile(errors, 50)), 1),
        "offset_error_max_ms": round(max(errors), 1),
        "latency_p50_ms": round(float(np.percentile(latencies, 50)), 1),
        "latency_p95_ms": round(float(np.percentile(latencies, 95)), 1),
        "queries_per_s": round(len(results) / seconds, 2),
    }


async def measure(arguments: argparse.Namespace) -> dict[str, dict[str, float | int]]:
    """Import, cut, ask."""
    account = account_for(arguments.server, Settings().data_dir) or await _new_account(arguments.server)
    async with Client(arguments.server, account=account) as client:
        watcher = Watcher()
        await import_files(client, audio_files([arguments.music]), watcher, visibility="shared")  # for the next run too
        clips = []
        for outcome in watcher.outcomes:
            if outcome.song is not None and outcome.song.status in ("ready", "duplicate"):
                proof = outcome.song.duplicate
                song_id = proof.song_id if proof else outcome.song.id
                if song_id is None:
                    continue  # somebody else keeps it private, so that it has no name for us
                cutting = {"duration_s": arguments.length, "snr_db": arguments.snr, "seed": arguments.seed}
                clips.append(await asyncio.to_thread(cut, outcome.file.path, song_id, **cutting))
        alone, alone_s = await ask_together(client, clips * arguments.rounds, 1)
        crowd, crowd_s = await ask_together(client, clips * arguments.rounds, arguments.at_once)
    return {"one_at_a_time": summary(alone, alone_s), f"{arguments.at_once}_at_once": summary(crowd, crowd_s)}


async def _new_account(server: str) -> Account:
    account = Account(server, f"bench-{secrets.token_hex(4)}", secrets.token_urlsafe(16))
    async with Client(server) as client:
        await client.sign_up(account.username, account.password)
    return account


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, required=True, help="folder of songs")
    parser.add_argument("--server", default="http://127.0.0.1:8000", help="a running service")
    parser.add_argument("--length", type=float, default=10.0, help="length of a clip, in seconds")
    parser.add_argument("--snr", type=float, default=10.0, help="signal-to-noise ratio, in dB")
    parser.add_argument("--rounds", type=int, default=3, help="how often each clip is asked about")
    parser.add_argument("--at-once", type=int, default=4, help="questions at once in the second part")
    parser.add_argument("--seed", type=int, default=1, help="chooses the places of the clips")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    arguments = parser.parse_args()
    measured = asyncio.run(measure(arguments))
    for part, figures in measured.items():
        print(part.replace("_", " "))
        for name, value in figures.items():
            print(f"  {name:20} {value}")
    if arguments.json:
        print(json.dumps(measured))


if __name__ == "__main__":
    main()
