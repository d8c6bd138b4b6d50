"""How does work on hostile bytes run, so that it can hang, crash or eat memory without harming anybody else?

Each job has a worker process of its own for as long as it runs; workers are warm and used again. What a job can reach
there is little: limited memory, processor time, file size and open files, no secrets in the environment, no programs
with rights of their own and, where the platform lets a process give it up, no network.
"""

from __future__ import annotations

import ctypes
import math
import os
import pickle  # nosec B403
import signal
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple

import anyio
import structlog
from anyio import BrokenWorkerProcess, CapacityLimiter, to_process

from shared.errors import Rejected, Unavailable

if sys.platform != "win32":
    import resource

T = TypeVar("T")
Args = TypeVarTuple("Args")

log = structlog.get_logger(__name__)

_KEPT_ENVIRONMENT = frozenset(
    {"HOME", "LANG", "LC_ALL", "NUMBA_CACHE_DIR", "OPENBLAS_NUM_THREADS", "PATH", "TMPDIR", "TZ"}
)
_CLONE_NEWUSER, _CLONE_NEWNET = 0x1000_0000, 0x4000_0000  # linux/sched.h
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38  # linux/prctl.h
_OPEN_FILES = 256


@dataclass(frozen=True, slots=True)
class SandboxLimits:
    """What one job may use.

    Attributes
    ----------
    wall_clock_s : float
        The worker is killed after so many seconds. Two hours of music decode in about 10 s on a free core.
    memory_bytes : int
        Address space of the worker; two hours of samples, twice, and the compiled code need 1.5 GB.
    file_bytes : int
        Longest file that it may write.
    """

    wall_clock_s: float = 120.0
    memory_bytes: int = 3 * 1024**3
    file_bytes: int = 16 * 1024**2


async def run_isolated(
    function: Callable[[*Args], T],
    *args: *Args,
    limits: SandboxLimits | None = None,
    limiter: CapacityLimiter | None = None,
) -> T:
    """Call a function in a worker process.

    A worker that dies is replaced and the job is tried once more: it may have been the victim of something else.
    Cancelling the call kills the worker.

    Parameters
    ----------
    function : callable
        A function of a module, so that it can be found again in the worker.
    *args
        Its arguments; they and the result are pickled.
    limits : SandboxLimits, optional
        What the job may use.
    limiter : CapacityLimiter, optional
        Bounds how many jobs run at the same time; by default one for each processor. Waiting for it does not count
        towards the time limit.

    Raises
    ------
    Rejected
        As the function raised it, or ``too_slow_to_decode``, ``too_large_to_decode``, ``damaged``.
    Unavailable
        No worker could be started.
    """
    limits = limits or SandboxLimits()
    async with limiter or to_process.current_default_process_limiter():
        try:
            return await _run_once(function, args, limits)
        except BrokenWorkerProcess:
            log.warning("sandbox.worker_died", function=function.__qualname__, retried=True)
        try:
            return await _run_once(function, args, limits)
        except BrokenWorkerProcess as died:
            log.warning("sandbox.worker_died", function=function.__qualname__, retried=False)
            raise Rejected("damaged", "the file is damaged in a way that crashes the decoder") from died


async def _run_once(function: Callable[..., T], args: tuple[object, ...], limits: SandboxLimits) -> T:
    # Unpickled only after the worker has confined itself: importing the function's module may start threads, after
    # which a process can't leave its network namespace any more.
    job = pickle.dumps((function, args))
    # A job has one processor: threads of its own would spin while they wait. Said to the worker from outside, because
    # it may load the library with the main module of this process, before anything here can run in it.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with anyio.move_on_after(limits.wall_clock_s):
        try:
            return await to_process.run_sync(
                _work, os.getpid(), limits, job, cancellable=True, limiter=CapacityLimiter(math.inf)
            )
        except BrokenWorkerProcess as error:
            if error.args:  # anyio has words only for workers that did not even start
                raise Unavailable("a worker process did not start", retry_after_s=5.0) from error
            raise
    raise Rejected("too_slow_to_decode", f"the file could not be decoded within {limits.wall_clock_s:g} s")


async def warm_up(workers: int, prepare: Callable[[], object], *, limits: SandboxLimits | None = None) -> None:
    """Start workers and prepare each of them, so that the first jobs are as fast as the rest.

    Parameters
    ----------
    workers : int
        How many.
    prepare : callable
        Called in each worker: imports and compiles what its jobs will need.
    limits : SandboxLimits, optional
        What the preparation may use.
    """
    limiter = CapacityLimiter(workers)
    isolated: list[bool] = []

    async def warm_one() -> None:
        isolated.append(await run_isolated(_prepare, prepare, limits=limits, limiter=limiter))

    async with anyio.create_task_group() as group:
        for _ in range(workers):
            group.start_soon(warm_one)
    log.info("sandbox.warmed", workers=workers, network_isolated=all(isolated))


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent dies, however that happens. Linux only; else nothing."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


# --- In the worker ---

_network_isolated: bool | None = None


def _work(parent_pid: int, limits: SandboxLimits, job: bytes) -> Any:
    if _network_isolated is None:
        _confine(parent_pid)
    _limit(limits)
    try:
        function, args = pickle.loads(job)  # from our own parent, by a pipe of ours  # nosec B301
        return function(*args)
    except MemoryError as error:
        needed = f"{limits.memory_bytes / 1024**3:.1f} GB"
        raise Rejected("too_large_to_decode", f"the file needs more than {needed} of memory to decode") from error
    except Rejected:
        raise
    except Exception as bug:
        # The traceback would stay behind in the worker.
        bug.add_note(traceback.format_exc())
        raise


def _confine(parent_pid: int) -> None:
    """Give up for ever what no job needs."""
    global _network_isolated
    die_with_parent()
    if os.getppid() != parent_pid:
        os._exit(1)  # the parent died before it could be watched
    # A signal to the whole group stops the parent, which stops its workers; to them alone it would look like a crash.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # a pipe that nobody reads: a talkative library would hang on it
    for name in os.environ.keys() - _KEPT_ENVIRONMENT:
        del os.environ[name]
    _network_isolated = sys.platform == "linux" and _leave_network()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    if sys.platform != "win32":
        os.nice(5)
        _set_soft_limit(resource.RLIMIT_CORE, 0)
        _set_soft_limit(resource.RLIMIT_NOFILE, _OPEN_FILES)


def _leave_network() -> bool:
    """Move to an empty network namespace: as root, or by way of a user namespace where those are allowed."""
    unshare = ctypes.CDLL(None).unshare
    user, group = os.getuid(), os.getgid()
    if unshare(_CLONE_NEWNET) == 0:
        return True
    if unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return False
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        Path(f"/proc/self/{name}").write_text(text)
    return True


def _limit(limits: SandboxLimits) -> None:
    """Set the limits of one job."""
    if sys.platform != "win32":
        _set_soft_limit(resource.RLIMIT_AS, limits.memory_bytes)
        _set_soft_limit(resource.RLIMIT_FSIZE, limits.file_bytes)
        # Behind the clock of the parent, for the case that the parent itself is stuck.
        _set_soft_limit(resource.RLIMIT_CPU, math.ceil(time.process_time() + 2 * limits.wall_clock_s + 5))


if sys.platform != "win32":

    def _set_soft_limit(which: int, value: int) -> None:
        _, hard = resource.getrlimit(which)
        resource.setrlimit(which, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _prepare(prepare: Callable[[], object]) -> bool:
    prepare()
    return bool(_network_isolated)
