"""What goes wrong in a running stack, where and when, and who puts it right?"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from deploy.local.fault_proxy import Fault, FaultProxy
from deploy.local.process import Process, StartFailed
from deploy.local.stack import Server, Stack

ON_PROCESSES = ("kill", "kill", "pause", "restart")
ON_CONNECTIONS: Mapping[str, Fault] = {
    "cut half": Fault(),
    "close": Fault(is_closed=True),
    "silence": Fault(is_silent=True),
    "delay": Fault(latency_s=0.3),
    "throttle": Fault(bytes_per_s=100_000.0),
}
ON_REQUESTS: Mapping[str, Fault] = {
    "refuse": Fault(refused=0.4),
    "answer not": Fault(unanswered=0.4),
    "refuse and answer not": Fault(refused=0.15, unanswered=0.15),
}
FAULTS = {**ON_CONNECTIONS, **ON_REQUESTS}
START_PAUSE_S = 1.0
WATCH_PAUSE_S = 0.5


@dataclass(frozen=True, slots=True)
class Disturbance:
    """One thing that goes wrong: where, from when on, for how long."""

    at_s: float
    where: str
    what: str
    lasts_s: float


@dataclass(slots=True)
class Recovery:
    """When a disturbance really began, and how long it took until the component was there again, in seconds."""

    disturbance: Disturbance
    began_s: float
    took_s: float


def schedule(
    services: Sequence[str], servers: Mapping[str, bool], *, seconds: float, every_s: float, seed: int
) -> list[Disturbance]:
    """Return what goes wrong, in order of time: the same for the same seed.

    Parameters
    ----------
    services : sequence of str
        They are killed, paused and restarted.
    servers : mapping of str to bool
        The same happens to them and to the connections to them; and to requests where the value is true.
    """
    rng = random.Random(seed)
    kinds: dict[str, tuple[str, ...]] = dict.fromkeys(services, ON_PROCESSES)
    for name, speaks_http in servers.items():
        kinds[name] = (*ON_PROCESSES, *ON_CONNECTIONS, *(2 * tuple(ON_REQUESTS) if speaks_http else ()))
    found: list[Disturbance] = []
    at_s = 0.0
    while True:
        # Every component once, the servers twice, and then again in another order.
        turn = [*services, *servers, *servers]
        rng.shuffle(turn)
        for where in turn:
            at_s += rng.uniform(0.5, 1.5) * every_s
            if at_s >= seconds:
                return found
            found.append(Disturbance(at_s, where, rng.choice(kinds[where]), rng.uniform(1.0, 8.0)))


@dataclass(slots=True)
class Faults:
    """Does what a schedule says to a stack, and starts what has ended by itself, as every way to deploy does."""

    stack: Stack
    proxies: Mapping[str, FaultProxy]
    recoveries: list[Recovery] = field(default_factory=list)
    late: list[Disturbance] = field(default_factory=list)
    ended_by_themselves: list[str] = field(default_factory=list)
    _busy: dict[str, asyncio.Lock] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._busy = {name: asyncio.Lock() for name in (*self.stack.services, *self.stack.servers)}

    async def disturb(self, plan: Sequence[Disturbance], *, seconds: float) -> None:
        """Do what is planned; return when all is over, and whatever was ended is ready again.

        Two disturbances of one component come one after the other; those that would begin after so many seconds do not.
        """
        began_s = time.monotonic()

        async def do(one: Disturbance) -> None:
            await asyncio.sleep(one.at_s)
            async with self._busy[one.where]:
                at_s = time.monotonic() - began_s
                if at_s > seconds:
                    self.late.append(one)
                    return
                await self._do(one)
                self.recoveries.append(Recovery(one, at_s, time.monotonic() - began_s - at_s))

        await asyncio.gather(*map(do, plan))

    async def _do(self, one: Disturbance) -> None:
        if one.what in FAULTS:
            proxy = self.proxies[one.where]
            if one.what == "cut half":
                proxy.cut(0.5)
            proxy.fault = FAULTS[one.what]
            await asyncio.sleep(one.lasts_s)
            proxy.fault = Fault()
            return
        victim = self._component(one.where)
        if one.what == "pause":
            self._signal(victim, signal.SIGSTOP)
            await asyncio.sleep(one.lasts_s)
            self._signal(victim, signal.SIGCONT)
            return
        await asyncio.to_thread(victim.kill if one.what == "kill" else victim.stop)
        await asyncio.sleep(one.lasts_s / 2)
        await self._start(victim)

    def _component(self, name: str) -> Process | Server:
        return self.stack.services[name] if name in self.stack.services else self.stack.servers[name]

    def _processes(self, victim: Process | Server) -> list[Process]:
        return [victim] if isinstance(victim, Process) else victim.processes

    def _signal(self, victim: Process | Server, number: signal.Signals) -> None:
        for process in self._processes(victim):
            if process.pid is not None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, number)

    async def _start(self, victim: Process | Server) -> None:
        while True:
            try:
                return await asyncio.to_thread(victim.start)
            except StartFailed as why:
                self.ended_by_themselves.append(str(why).partition(";")[0])
                await asyncio.sleep(START_PAUSE_S)

    async def watch(self) -> None:
        """Start for ever what has ended by itself."""
        while True:
            await asyncio.sleep(WATCH_PAUSE_S)
            for name, busy in self._busy.items():
                victim = self._component(name)
                if not busy.locked() and not all(process.is_alive for process in self._processes(victim)):
                    async with busy:
                        self.ended_by_themselves.append(name)
                        await asyncio.to_thread(victim.kill)
                        await self._start(victim)
