"""Is any upload lost, done twice or stuck while every part of the service is killed, paused and cut off?

``python -m bench.chaos`` starts RabbitMQ, S3, DynamoDB and every service, with proxies between them that fail on
demand. While people upload, everything is disturbed at random, and put right again at the end. Then all that was kept
is read back, and compared with what the uploaders were told. Ends with status 1 where anything is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AsyncExitStack, suppress
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import httpx

from bench import readback
from bench.faults import Faults, schedule
from bench.uploaders import Uploaders, recordings, write
from deploy.local.fault_proxy import DYNAMODB_REFUSALS, S3_REFUSALS, FaultProxy
from deploy.local.process import end_in_order_when_asked
from deploy.local.stack import Stack

Figures = dict[str, Any]

READY_DEADLINE_S = 300.0
POLL_S = 3.0
SETTINGS = {
    "TUNESCOUT_STREAMING_PACKAGE_NEW_SONGS": "false",
    "TUNESCOUT_INGEST_SWEEP_PAUSE_S": "5",
}
WARNINGS = ("warning", "error", "critical")


async def run(args: argparse.Namespace, folder: Path) -> Figures:
    """Disturb a stack, let it recover, and return what was done and what is wrong."""
    proxies = {
        "rabbitmq": FaultProxy(),
        "s3": FaultProxy(refusals=S3_REFUSALS, seed=args.seed),
        "dynamodb": FaultProxy(refusals=DYNAMODB_REFUSALS, seed=args.seed),
    }
    async with AsyncExitStack() as entered:
        for proxy in proxies.values():
            await entered.enter_async_context(proxy)
        doors = {name: proxy.port for name, proxy in proxies.items()}
        stack = Stack(folder, args.base_port, args.shards, args.replicas, durable=True, doors=doors)
        os.environ.update({name: value for name, value in stack.settings.items() if name.startswith("AWS_")})
        proxies["rabbitmq"].server_port = stack.rabbitmq.port
        proxies["s3"].server_port = int(stack.s3.endpoint.rpartition(":")[2])
        proxies["dynamodb"].server_port = int(stack.dynamodb.endpoint.rpartition(":")[2])
        try:
            return await _run(args, stack, proxies)
        finally:
            await asyncio.to_thread(stack.kill)


async def _run(args: argparse.Namespace, stack: Stack, proxies: dict[str, FaultProxy]) -> Figures:
    music = stack.folder / "music"
    music.mkdir(parents=True)
    recorded = recordings(args.songs, music, args.seed)
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        await asyncio.gather(*(asyncio.get_running_loop().run_in_executor(pool, write, one) for one in recorded))
    _say(f"{args.songs} files of {len(recorded)} recordings in {music}")
    await asyncio.to_thread(stack.start)
    observer = readback.Observer(stack.rabbitmq.url)
    await observer.bind()
    uploaders = Uploaders(stack.url)
    await uploaders.open()

    plan = schedule(
        list(stack.services),
        {"rabbitmq": False, "s3": True, "dynamodb": True},
        seconds=args.seconds,
        every_s=args.every,
        seed=args.seed,
    )
    faults = Faults(stack, proxies)
    watching = asyncio.create_task(faults.watch())
    began_s = time.monotonic()
    uploading = asyncio.create_task(
        uploaders.upload(recorded, seconds=0.9 * args.seconds, seed=args.seed), name="uploads"
    )
    await faults.disturb(plan, seconds=args.seconds)
    _say(f"{len(faults.recoveries)} disturbances in {time.monotonic() - began_s:.0f} s; now everything may recover")
    await _ready(stack)
    recovered_s = time.monotonic()
    with suppress(TimeoutError):
        await asyncio.wait_for(uploading, args.settle)
    _say(f"uploads ended {time.monotonic() - recovered_s:.0f} s after everything was ready again")

    reader = readback.Reader(stack, observer)
    wrong, kept = await _settle(args, reader, observer, uploaders, recovered_s)
    settled_s = time.monotonic() - recovered_s
    _say(f"nothing moves any more {settled_s:.0f} s after everything was ready again; now it is read back")
    wrong += await readback.of_listings(uploaders.clients, kept)
    wrong += await readback.of_clips(uploaders.clients, uploaders.uploads, kept)
    watching.cancel()
    for name in [name for name in stack.services if name.startswith("matcher")]:
        process = stack.services[name]
        await asyncio.to_thread(process.stop)
        wrong += await asyncio.to_thread(readback.of_index, name, process.log.parent, kept)
    await uploaders.close()
    states = Counter(song.status.value for song in kept.songs.values())
    return {
        "songs": args.songs,
        "recordings": len(recorded),
        "seconds": args.seconds,
        "seed": args.seed,
        "disturbances": len(faults.recoveries),
        "by_component": _table(faults),
        "proxies": {name: dict(proxy.counts) for name, proxy in proxies.items()},
        "left_out": [asdict(one) for one in faults.late],
        "ended_by_themselves": faults.ended_by_themselves,
        "uploads": dict(Counter(one.ended.status if one.ended else "none" for one in uploaders.uploads)),
        "uploads_accepted": sum(len(one.accepted) for one in uploaders.uploads),
        "attempts": sum(one.attempts for one in uploaders.uploads),
        "deleted": sum(one.is_deleted for one in uploaders.uploads),
        "complaints": dict(uploaders.complaints.most_common()),
        "states": dict(states),
        "left_to_sweepers": len(readback.left_to_sweepers(kept)),
        "events": dict(Counter(name for name, _ in observer.heard)),
        "settled_s": round(settled_s, 1),
        "logged": _logged(stack),
        "wrong": wrong,
    }


async def _ready(stack: Stack) -> None:
    """Wait until every service says that it is ready."""
    async with httpx.AsyncClient(timeout=5.0) as http, asyncio.timeout(READY_DEADLINE_S):
        for url in stack.service_urls.values():
            while True:
                with suppress(httpx.HTTPError):
                    if (await http.get(f"{url}/ready")).is_success:
                        break
                await asyncio.sleep(0.5)


async def _settle(
    args: argparse.Namespace, reader: readback.Reader, observer: readback.Observer, uploaders: Uploaders, since_s: float
) -> tuple[list[str], readback.Kept]:
    """Read back until nothing is wrong, or nothing more may be waited for."""
    while True:
        await observer.hear()
        kept = await reader.read()
        wrong = [
            *readback.of_uploads(uploaders.uploads, kept),
            *readback.of_items(kept),
            *readback.of_blobs(kept),
            *readback.of_summaries(await reader.summaries(), kept),
            *readback.of_messages(kept),
            *readback.of_events(observer.heard, kept),
        ]
        if not wrong or time.monotonic() - since_s > args.settle:
            return wrong, kept
        await asyncio.sleep(POLL_S)


def _table(faults: Faults) -> dict[str, dict[str, int]]:
    table: dict[str, Counter[str]] = {}
    for one in faults.recoveries:
        table.setdefault(one.disturbance.where, Counter())[one.disturbance.what] += 1
    return {name: dict(counts) for name, counts in sorted(table.items())}


def _logged(stack: Stack) -> dict[str, int]:
    """Count what the services have warned of, by service and event."""
    counts: Counter[str] = Counter()
    for process in stack.services.values():
        for line in process.log.read_text(errors="replace").splitlines():
            with suppress(ValueError):
                said = json.loads(line)
                if isinstance(said, dict) and said.get("level") in WARNINGS:
                    what = f"{said.get('service', process.name)}: {said['level']}: {str(said.get('event'))[:80]}"
                    counts[what] += 1
    return dict(counts.most_common())


def show(figures: Figures) -> None:
    """Print what was done, and what is wrong."""
    kinds = sorted({what for counts in figures["by_component"].values() for what in counts})
    width = max(map(len, figures["by_component"]), default=0)
    print(f"{'':{width}}  " + "  ".join(kinds))
    for name, counts in figures["by_component"].items():
        print(f"{name:{width}}  " + "  ".join(f"{counts.get(kind, ''):>{len(kind)}}" for kind in kinds))
    for name, value in figures.items():
        if name in ("logged", "complaints"):
            print(f"{name}:", *(f"{count:6} {what}" for what, count in value.items()), sep="\n  ")
        elif name not in ("by_component", "wrong"):
            print(f"{name}: {value}")
    print(f"wrong: {len(figures['wrong'])}", *figures["wrong"], sep="\n  ")


def _say(words: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {words}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Disturb, read back, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--songs", type=int, default=200, help="files to upload")
    parser.add_argument("--seconds", type=float, default=180.0, help="how long something goes wrong")
    parser.add_argument("--every", type=float, default=3.0, help="seconds between two things that go wrong, on average")
    parser.add_argument("--settle", type=float, default=400.0, help="seconds until nothing may move any more")
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--replicas", type=int, default=2, help="of each shard")
    parser.add_argument("--base-port", type=int, default=None)
    parser.add_argument("--seed", type=int, default=1, help="decides over music and disturbances, not over timing")
    parser.add_argument("--keep", type=Path, default=None, help="folder for data and logs, to be looked at later")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args(arguments)
    end_in_order_when_asked()
    os.environ.update(SETTINGS)
    folder = args.keep or Path(tempfile.mkdtemp(prefix="tunescout-chaos-"))
    figures = asyncio.run(run(args, folder))
    show(figures)
    if figures["wrong"]:
        print(f"everything is in {folder}")
    elif args.keep is None:
        shutil.rmtree(folder)
    if args.json:
        print(json.dumps(figures))
    return 1 if figures["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
