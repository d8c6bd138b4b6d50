from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
HOLD = (
    "import asyncio, sys\n"
    "from shared.audio.scratch import scratch_folder\n"
    "async def hold():\n"
    "    async with scratch_folder() as folder:\n"
    "        (folder / 'song').write_bytes(b'audio')\n"
    "        print(folder, flush=True)\n"
    "        sys.stdin.read()\n"
    "asyncio.run(hold())\n"
)


def holder(folder: Path) -> tuple[subprocess.Popen[str], Path]:
    """A process that holds a scratch folder until its standard input ends."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    command = [sys.executable, "-c", HOLD]
    process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, Path(process.stdout.readline().strip())


def test_what_a_killed_process_left_goes_with_the_next_one_and_what_others_use_stays(tmp_path: Path) -> None:
    (tmp_path / "tunescout-of-somebody").mkdir()
    living, used = holder(tmp_path)
    killed, left = holder(tmp_path)
    killed.kill()
    killed.communicate()
    assert (left / "song").exists()

    following, own = holder(tmp_path)

    assert sorted(tmp_path.iterdir()) == sorted([tmp_path / "tunescout-of-somebody", used, own])
    for process in (living, following):
        process.communicate("")
    assert [path.name for path in tmp_path.iterdir()] == ["tunescout-of-somebody"]
