"""Does the launcher leave nothing behind, and does it say why something did not start?"""

import json
import os
import sys
import time
from pathlib import Path

import pytest

from deploy.local import state
from deploy.local.process import Process, StartFailed

# A leader that starts a worker, writes both ids down, and takes its time to end.
FAMILY = """
import json, os, signal, subprocess, sys, time
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
if sys.argv[1] == "obedient":
    signal.signal(signal.SIGTERM, lambda *_: (open("ended", "w").close(), sys.exit(0)))
else:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
with open("pids.part", "w") as part:
    json.dump([os.getpid(), worker.pid], part)
os.rename("pids.part", "pids")
time.sleep(600)
"""


def family(folder: Path, manner: str) -> Process:
    return Process(
        "family",
        [sys.executable, "-c", FAMILY, manner],
        folder,
        is_ready=(folder / "pids").exists,
        grace_s=0.5 if manner == "stubborn" else 10.0,
    )


def pids(folder: Path) -> list[int]:
    return list(json.loads((folder / "pids").read_text()))


def wait_until_gone(ids: list[int]) -> None:
    deadline = time.monotonic() + 30
    while any(state.birth(pid) for pid in ids):
        assert time.monotonic() < deadline, f"some of {ids} still run"
        time.sleep(0.02)


def test_a_killed_process_takes_its_workers_along(tmp_path: Path) -> None:
    process = family(tmp_path, "obedient")
    process.start()
    process.kill()
    wait_until_gone(pids(tmp_path))
    assert not (tmp_path / "ended").exists()


@pytest.mark.parametrize("manner", ["obedient", "stubborn"])
def test_a_stopped_process_ends_in_order_or_is_killed(tmp_path: Path, manner: str) -> None:
    process = family(tmp_path, manner)
    process.start()
    process.stop()
    wait_until_gone(pids(tmp_path))
    assert (tmp_path / "ended").exists() == (manner == "obedient")


def test_a_killed_process_starts_again(tmp_path: Path) -> None:
    process = family(tmp_path, "obedient")
    process.start()
    first = pids(tmp_path)
    process.kill()
    (tmp_path / "pids").unlink()
    process.start()
    assert pids(tmp_path) != first
    process.kill()


def test_what_ends_before_it_is_ready_says_why(tmp_path: Path) -> None:
    process = Process("mute", [sys.executable, "-c", "raise SystemExit('no such disk')"], tmp_path, is_ready=bool)
    with pytest.raises(StartFailed, match="no such disk"):
        process.start()


def test_what_is_never_ready_is_ended(tmp_path: Path) -> None:
    process = Process(
        "slow", [sys.executable, "-c", "import time; time.sleep(600)"], tmp_path, is_ready=bool, deadline_s=0.3
    )
    with pytest.raises(StartFailed, match="was not ready after"):
        process.start()
    assert process.pid is not None
    wait_until_gone([process.pid])


def test_a_later_process_with_the_same_id_is_left_alone() -> None:
    me = state.Running("me", os.getpid(), "another birth", 5.0)
    assert not me.is_alive()
    me.end()
