"""Where is a browser to test with? On the PATH; as root on Debian or Ubuntu, a missing one is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from deploy.local.process import StartFailed

_PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
_INSTALL = ("apt-get update", "apt-get install --yes --no-install-recommends chromium")
_DEADLINE_S = 600.0


def chromium() -> Path:
    """Return the program: ``TUNESCOUT_TEST_BROWSER``, or one on the PATH, or one that is installed now.

    Raises
    ------
    StartFailed
        There is none and none can be installed; the words say what to do.
    """
    if given := os.environ.get("TUNESCOUT_TEST_BROWSER"):
        return Path(given)
    found = _on_path()
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _install()
        found = _on_path()
    if found is None:
        raise StartFailed(
            "there is no Chromium here. Install it (on Debian and Ubuntu: sudo apt-get install chromium), or set "
            "TUNESCOUT_TEST_BROWSER to the program of a Chrome or Chromium"
        )
    return found


def _on_path() -> Path | None:
    return next((Path(found) for program in _PROGRAMS if (found := shutil.which(program))), None)


def _install() -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    for command in _INSTALL:
        done = subprocess.run(
            command.split(), env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_DEADLINE_S
        )
        # A third party's mirror may be away when the index is read; what counts is whether the packages come.
        if done.returncode and command == _INSTALL[-1]:
            raise StartFailed(f"`{command}` failed:\n{done.stderr.decode(errors='replace')[-1000:]}")
