"""How does one get packages of npm, with or without Node.js on the machine?"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from deploy.local.cache import REPOSITORY, cached
from deploy.local.process import StartFailed

_REQUIREMENTS = REPOSITORY / "requirements" / "node.txt"
_DEADLINE_S = 600.0


def node_modules(project: Path) -> Path:
    """Return the folder ``node_modules`` with what the lock file of a project names, checked by its hashes.

    Parameters
    ----------
    project : Path
        A folder with ``package.json`` and ``package-lock.json``.

    Raises
    ------
    StartFailed
        The package registry did not deliver it.
    """
    locked = (project / "package-lock.json").read_bytes()

    def install(folder: Path) -> None:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(project / name, folder)
        npm = _npm()
        environment = {**os.environ, "PATH": f"{npm.parent}{os.pathsep}{os.environ['PATH']}"}
        _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder, environment)

    return cached(f"{project.name}-{sha256(locked).hexdigest()[:12]}", install) / "node_modules"


def _npm() -> Path:
    """Return the npm of the machine, or one from the Python package index."""
    if found := shutil.which("npm"):
        return Path(found)
    digest = sha256(_REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return cached(f"node-{digest}", _install_node) / "bin" / "npm"


def _install_node(folder: Path) -> None:
    _run([sys.executable, "-m", "venv", folder], folder, os.environ)
    _run(
        [folder / "bin" / "python", "-m", "pip", "install", "-q", "--require-hashes", "-r", _REQUIREMENTS],
        folder,
        os.environ,
    )


def _run(command: list[str | Path], folder: Path, environment: os._Environ[str] | dict[str, str]) -> None:
    done = subprocess.run(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=_DEADLINE_S,
        check=False,
    )
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace")[-1000:]
        raise StartFailed(f"`{Path(command[0]).name} {command[1]}` ended with status {done.returncode}:\n{said}")
