"""How does one get packages of npm, with or without Node.js on the machine?"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from deploy.local.cache import REPOSITORY, cached
from deploy.local.process import StartFailed

_REQUIREMENTS = REPOSITORY / "requirements" / "node.txt"
_DEADLINE_S = 600.0
_OLDEST = (20, 19)
"""The oldest Node.js that our packages run on; an older one of the machine is left alone."""


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
        _run([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder, _with_node(npm))

    return cached(f"{project.name}-{sha256(locked).hexdigest()[:12]}", install) / "node_modules"


def run_script(project: Path, script: str) -> None:
    """Run a script of a project's ``package.json`` with the packages that it needs, and show what it says.

    Raises
    ------
    StartFailed
        The packages did not come, or the script failed.
    """
    modules, link = node_modules(project), project / "node_modules"
    is_folder = link.is_dir() and not link.is_symlink()  # of somebody who uses npm by hand
    if not is_folder and link.resolve() != modules.resolve():
        link.unlink(missing_ok=True)
        link.symlink_to(modules)
    npm = _npm()
    done = subprocess.run(
        [npm, "run", "--silent", script],
        cwd=project,
        env=_with_node(npm),
        stdin=subprocess.DEVNULL,
        timeout=_DEADLINE_S,
        check=False,
    )
    if done.returncode:
        raise StartFailed(f"`npm run {script}` of {project.name}/ ended with status {done.returncode}")


def _with_node(npm: Path) -> dict[str, str]:
    return {**os.environ, "PATH": f"{npm.parent}{os.pathsep}{os.environ['PATH']}"}


def _npm() -> Path:
    """Return the npm of the machine if its Node.js is new enough, or else one from the Python package index."""
    if (found := shutil.which("npm")) and _version(Path(found)) >= _OLDEST:
        return Path(found)
    digest = sha256(_REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()[:12]
    return cached(f"node-{digest}", _install_node) / "bin" / "npm"


def _version(npm: Path) -> tuple[int, ...]:
    node = shutil.which("node", path=f"{npm.parent}{os.pathsep}{os.environ['PATH']}")
    if node is None:
        return ()
    said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    return tuple(int(part) for part in re.findall(r"\d+", said)[:2])


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
