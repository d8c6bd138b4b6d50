"""Where does a job keep files of unknown origin, so that they are gone in the end though its process was killed?"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

_PREFIX = "tunescout-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder that is removed afterwards; the first one of a process removes those of dead processes, too."""
    _remove_left_over()
    with tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-") as folder:
        yield Path(folder)


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
