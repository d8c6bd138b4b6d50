from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from anyio import CapacityLimiter

from shared.audio.sandbox import SandboxLimits, run_isolated, warm_up
from shared.errors import Rejected
from tests.unit.audio import jobs

ROOT = Path(__file__).parents[3]


async def test_a_job_runs_in_a_worker_that_is_used_again() -> None:
    await warm_up(1, os.getpid)
    assert await run_isolated(jobs.double, 21) == 42
    first = await run_isolated(jobs.process_id_after, 0.0)
    assert first != os.getpid()
    assert await run_isolated(jobs.process_id_after, 0.0) == first


async def test_warm_workers_are_as_many_as_wanted() -> None:
    await warm_up(2, os.getpid)
    slots = CapacityLimiter(2)
    first, second = await asyncio.gather(*(run_isolated(jobs.process_id_after, 0.5, limiter=slots) for _ in range(2)))
    assert first != second


async def test_an_endless_job_is_killed_at_its_limit(tmp_path: Path) -> None:
    await warm_up(1, os.getpid)
    with pytest.raises(Rejected) as rejected:
        await run_isolated(jobs.spin_for_ever, tmp_path / "pid", limits=SandboxLimits(wall_clock_s=2.0))
    assert rejected.value.code == "too_slow_to_decode"
    assert not is_running(int((tmp_path / "pid").read_text()))


async def test_a_job_that_takes_too_much_memory_is_refused_and_its_worker_lives_on() -> None:
    worker = await run_isolated(jobs.process_id_after, 0.0)
    limits = SandboxLimits(memory_bytes=2 * 1024**3)
    with pytest.raises(Rejected) as rejected:
        await run_isolated(jobs.take_memory, 3 * 1024**3, limits=limits)
    assert rejected.value.code == "too_large_to_decode"
    assert await run_isolated(jobs.process_id_after, 0.0) == worker


async def test_a_crash_refuses_its_own_job_and_disturbs_no_other() -> None:
    await warm_up(2, os.getpid)
    crash = asyncio.create_task(run_isolated(jobs.crash))
    neighbour = asyncio.create_task(run_isolated(jobs.process_id_after, 1.0))
    with pytest.raises(Rejected) as rejected:
        await crash
    assert rejected.value.code == "damaged"
    assert await neighbour != os.getpid()
    assert await run_isolated(jobs.double, 4) == 8


async def test_the_victim_of_a_dying_worker_is_tried_once_more(tmp_path: Path) -> None:
    assert await run_isolated(jobs.crash_once, tmp_path / "mark") == "survived"


async def test_a_refusal_arrives_with_all_its_fields() -> None:
    with pytest.raises(Rejected) as rejected:
        await run_isolated(jobs.refuse)
    assert (rejected.value.code, rejected.value.reason, rejected.value.status) == (
        "silence",
        "the audio is silent",
        418,
    )


async def test_a_bug_arrives_with_its_traceback() -> None:
    with pytest.raises(KeyError, match="missing") as bug:
        await run_isolated(jobs.stumble)
    assert "in stumble" in bug.value.__notes__[0]


async def test_a_cancelled_job_is_killed(tmp_path: Path) -> None:
    job = asyncio.create_task(run_isolated(jobs.spin_for_ever, tmp_path / "pid"))
    process_id = await asyncio.to_thread(announced, tmp_path / "pid")
    job.cancel()
    with pytest.raises(asyncio.CancelledError):
        await job
    assert not is_running(process_id)


async def test_a_worker_knows_no_secrets_and_writes_no_large_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hidden")
    environment = await run_isolated(jobs.environment)
    assert "PATH" in environment
    assert not [name for name in environment if name.startswith(("AWS", "TUNESCOUT", "PYTEST"))]
    with pytest.raises(OSError, match="too large"):
        await run_isolated(jobs.write_file, tmp_path / "large", 2000, limits=SandboxLimits(file_bytes=1000))


async def test_a_worker_can_open_few_files_and_gain_no_rights() -> None:
    assert await run_isolated(jobs.open_files_limit) == 256
    if sys.platform == "linux":
        assert "NoNewPrivs:\t1" in await run_isolated(jobs.own_status)


async def test_a_worker_reaches_no_network_where_the_platform_lets_it_leave() -> None:
    leave = (
        "import ctypes, sys; unshare = ctypes.CDLL(None).unshare; sys.exit(0 > unshare(1 << 30) and unshare(5 << 28))"
    )
    trial = await asyncio.create_subprocess_exec(sys.executable, "-c", leave)
    can_leave = await trial.wait() == 0
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert await run_isolated(jobs.is_connected, server.getsockname()[1]) is not can_leave


async def test_the_processor_limit_grows_with_every_job() -> None:
    limits = SandboxLimits(wall_clock_s=50.0)
    assert await run_isolated(jobs.processor_limit_s, limits=limits) >= 105
    assert await run_isolated(jobs.processor_limit_s, limits=SandboxLimits(wall_clock_s=10.0)) < 105


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_workers_die_with_a_killed_parent_even_while_they_are_busy(tmp_path: Path, loop: str) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        f"import {loop}, pathlib\n"
        "from shared.audio.sandbox import run_isolated\n"
        "from tests.unit.audio.jobs import spin_for_ever\n"
        "if __name__ == '__main__':\n"
        f"    {loop}.run(run_isolated(spin_for_ever, pathlib.Path({str(tmp_path / 'pid')!r})))\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen([sys.executable, str(program)], env=environment, stderr=subprocess.DEVNULL) as parent:
        worker = announced(tmp_path / "pid")
        parent.kill()
        parent.wait()
    deadline = time.monotonic() + 30
    while is_running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(worker)


def announced(path: Path) -> int:
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_text()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return int(path.read_text())


def is_running(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
