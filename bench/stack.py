"""What does a stack of many processes stand, and how fast is it?

``python -m bench.stack`` starts RabbitMQ, S3, DynamoDB and every service, some replicas of each shard, and disturbs
them while listeners ask at a steady rate: replicas are killed, all are restarted one after the other, the number of
shards is doubled, songs arrive by the dozen. No answer may be lost or wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bench.arrivals import Arrivals
from bench.listeners import Listeners, Report, unexpected
from deploy.local.process import end_in_order_when_asked
from deploy.local.stack import Stack

Figures = dict[str, Any]


async def kill_replicas(stack: Stack, *, every_s: float, seconds: float, seed: int) -> list[float]:
    """Kill a replica without warning every few seconds, and start it again; return how long each took to be ready.

    The next one is killed when all are ready again, so that one replica of every shard is always there.
    """
    rng, recoveries = random.Random(seed), list[float]()
    ends_s = time.monotonic() + seconds
    while time.monotonic() < ends_s:
        began_s = time.monotonic()
        victim = stack.services[rng.choice(sorted(name for name in stack.services if name.startswith("matcher")))]
        await asyncio.to_thread(victim.kill)
        await asyncio.to_thread(victim.start)
        recoveries.append(time.monotonic() - began_s)
        await asyncio.sleep(max(0.0, every_s - recoveries[-1]))
    return recoveries


async def restart_all(stack: Stack) -> list[float]:
    """Stop and start every replica in order, one after the other; return how long each took."""
    took = []
    for name in sorted(name for name in stack.services if name.startswith("matcher")):
        began_s = time.monotonic()
        await asyncio.to_thread(stack.services[name].stop)
        await asyncio.to_thread(stack.services[name].start)
        took.append(time.monotonic() - began_s)
    return took


async def reshard(stack: Stack, before: int, after: int, replicas: int) -> list[float]:
    """Start a generation of another number of shards beside the present one, then end that; return what each took."""
    began_s = time.monotonic()
    processes = stack.add_generation(after, replicas).values()
    await asyncio.gather(*(asyncio.to_thread(process.start) for process in processes))
    started_s = time.monotonic()
    await asyncio.to_thread(stack.remove_generation, before)
    return [started_s - began_s, time.monotonic() - started_s]


async def run(stack: Stack, args: argparse.Namespace) -> Figures:
    """Go through all scenarios and return their figures."""
    figures: Figures = {"shards": args.shards, "replicas": args.replicas, "songs": args.songs, "rate_hz": args.rate}
    wanted = args.scenarios.split(",")
    async with Listeners(stack.url) as listeners, Arrivals(stack.settings, stack.matcher_urls) as arrivals:
        await listeners.upload(stack.folder)
        await arrivals.fill(args.songs)
        if "speed" in wanted:
            for at_once in (1, 4, 16):
                report = await listeners.ask_together(at_once, seconds=args.seconds / 3)
                figures[f"{at_once} at once"] = show(f"{at_once} at once", report)
        if "arrivals" in wanted:
            figures["arrivals"] = await arrivals.measure(rate_hz=args.arrivals, seconds=args.seconds)
            print(f"arrivals: {figures['arrivals']}")
        disturbances: dict[str, Callable[[], Awaitable[list[float]]]] = {
            "kill": lambda: kill_replicas(stack, every_s=args.every, seconds=args.seconds, seed=args.seed),
            "rolling": lambda: restart_all(stack),
            "reshard": lambda: reshard(stack, args.shards, 2 * args.shards, args.replicas),
        }
        for name, disturb in disturbances.items():
            if name in wanted:
                disturbance = asyncio.ensure_future(_as_task(disturb))
                report = await listeners.ask_while(disturbance, rate_hz=args.rate)
                took = [round(one, 2) for one in disturbance.result()]
                ended = [name for name, process in stack.services.items() if not process.is_alive]
                figures[name] = {**show(name, report), "took_s": took, "ended_by_themselves": ended}
                print(f"  each took {took} s; ended by themselves: {ended or 'none'}")
    return figures


async def _as_task(disturb: Callable[[], Awaitable[list[float]]]) -> list[float]:
    return await disturb()


def show(name: str, report: Report) -> Figures:
    """Print a report and return its figures."""
    figures = report.figures()
    print(f"{name}: " + ", ".join(f"{key} {value}" for key, value in figures.items()))
    for line in unexpected(report.asked)[:10]:
        print(f"  {line}")
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shards", type=int, default=2)
    parser.add_argument("--replicas", type=int, default=2, help="of each shard")
    parser.add_argument("--songs", type=int, default=1000, help="made-up songs in the index, besides those asked for")
    parser.add_argument("--rate", type=float, default=4.0, help="questions a second while something is disturbed")
    parser.add_argument("--seconds", type=float, default=30.0, help="how long each scenario takes")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two kills")
    parser.add_argument("--arrivals", type=float, default=20.0, help="songs that arrive in a second")
    parser.add_argument("--scenarios", default="speed,kill,rolling,reshard,arrivals")
    parser.add_argument("--base-port", type=int, default=None)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    end_in_order_when_asked()
    os.environ["TUNESCOUT_STREAMING_PACKAGE_NEW_SONGS"] = "false"  # made-up songs have no audio
    with tempfile.TemporaryDirectory(prefix="tunescout-stack-") as folder:
        stack = Stack(Path(folder), args.base_port, args.shards, args.replicas, durable=True)
        os.environ.update({name: value for name, value in stack.settings.items() if name.startswith("AWS_")})
        stack.start()
        try:
            figures = asyncio.run(run(stack, args))
        finally:
            stack.kill()
    if args.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
