"""Where are downloaded servers kept, so that they are fetched once?"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]


def cached(name: str, build: Callable[[Path], None]) -> Path:
    """Return the cached folder `name`, built by `build` on first use; others wait for the one who builds.

    The cache is ``TUNESCOUT_CACHE_DIR``, or ``.cache`` in the checkout.
    """
    cache = Path(os.environ.get("TUNESCOUT_CACHE_DIR") or REPOSITORY / ".cache").resolve()
    cache.mkdir(parents=True, exist_ok=True)
    folder, complete = cache / name, cache / name / ".complete"
    with (cache / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not complete.exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            build(folder)
            complete.touch()
    return folder
