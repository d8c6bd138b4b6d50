"""How are the pages built and checked, with or without Node.js on the machine? `python -m deploy.local.web build`."""

from __future__ import annotations

import fcntl
import sys
from pathlib import Path

from deploy.local.cache import REPOSITORY
from deploy.local.node import run_script
from deploy.local.process import StartFailed

WEB = REPOSITORY / "web"
_BUILT = REPOSITORY / "services" / "gateway" / "static" / "index.html"


def built_pages() -> Path:
    """Return the first of the built pages, after building all if something in `web/` is newer.

    Raises
    ------
    StartFailed
        The packages did not come, or the build failed.
    """
    (REPOSITORY / ".cache").mkdir(exist_ok=True)
    with (REPOSITORY / ".cache" / "pages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _BUILT.exists() or _BUILT.stat().st_mtime < max(path.stat().st_mtime for path in _sources()):
            run_script(WEB, "build")
    return _BUILT


def _sources() -> list[Path]:
    tops = [path for path in WEB.iterdir() if path.name != "node_modules"]
    return [*tops, *(path for top in tops if top.is_dir() for path in top.rglob("*"))]


def main() -> None:
    """Build the pages if something is newer than they are, or run another script of `web/package.json`."""
    [script] = sys.argv[1:]
    try:
        built_pages()
        if script != "build":
            run_script(WEB, script)
    except StartFailed as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
