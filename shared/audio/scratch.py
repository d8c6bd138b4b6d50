"""Where does a job keep files of unknown origin, so that they are gone in the end though its process was killed?"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

_PREFIX = "tunescout-"
_REMOVING = threading.Lock()


@asynccontextmanager
async def scratch_folder() -> AsyncIterator[Path]:
    """Make a folder that is removed afterwards; the first one of a process removes those of dead processes, too."""
    # In threads, because the thousands of files of a package take a third of a second.
    await asyncio.to_thread(_remove_left_over_once)
    folder = tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-")
    try:
        yield Path(folder.name)
    finally:
        await asyncio.to_thread(folder.cleanup)


def _remove_left_over_once() -> None:
    with _REMOVING:  # a second one at once would remove the folder that was made after the first
        _remove_left_over()


@cache
def _remove_left_over() -> None:
    """Remove what killed processes left behind: in a loop of crashes over a large song it would fill the disk."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        process = folder.name.removeprefix(_PREFIX).partition("-")[0]
        if process.isdigit() and not _is_alive(int(process)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_alive(process: int) -> bool:
    if process == os.getpid():
        return False  # in containers, whose processes have the same numbers after every start
    if sys.platform == "win32":
        return True  # who asks there, kills
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True  # somebody else's
    return True
