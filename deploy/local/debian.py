"""How does one get RabbitMQ without root? From Debian's or Ubuntu's packages, unpacked instead of installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from deploy.local.process import StartFailed

_ERLANG = (
    "asn1 base crypto eldap ftp inets mnesia os-mon parsetools public-key runtime-tools snmp ssl syntax-tools tftp "
    "tools xmerl"
)
_PACKAGES = ["rabbitmq-server", *(f"erlang-{application}" for application in _ERLANG.split())]
"""RabbitMQ and the Erlang applications that it needs. The libraries below them are on every machine that has apt."""

_APT_CONFIG = """
Dir::State "{apt}/state";
Dir::State::status "{apt}/status";
Dir::Cache "{apt}/cache";
Dir::Log "{apt}/log";
APT::Sandbox::User "root";
Acquire::Retries "3";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
"""


def unpack_rabbitmq(folder: Path) -> None:
    """Download the packages and unpack them into `folder`, with a package index of our own.

    Raises
    ------
    StartFailed
        The machine has no apt, or apt reaches no mirror.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise StartFailed("there is no apt here to download RabbitMQ with")
    apt, packages = folder / "apt", folder / "packages"
    for part in ("state/lists/partial", "cache/archives/partial", "log"):
        (apt / part).mkdir(parents=True)
    (apt / "status").touch()
    (apt / "apt.conf").write_text(_APT_CONFIG.format(apt=apt))
    packages.mkdir()
    environment = {**os.environ, "APT_CONFIG": str(apt / "apt.conf"), "LC_ALL": "C.UTF-8"}
    # A third party's mirror may be away; what counts is whether the packages come.
    updated = _run(["apt-get", "update"], packages, environment, may_fail=True)
    try:
        _run(["apt-get", "download", *_PACKAGES], packages, environment)
    except StartFailed as why:
        raise StartFailed(f"{why}\nBefore that, `apt-get update` said:\n{updated}") from why
    for package in packages.glob("*.deb"):
        _run(["dpkg-deb", "--extract", str(package), str(folder)], packages, environment)
    shutil.rmtree(packages)
    shutil.rmtree(apt)
    erl = folder / "usr/lib/erlang/bin/erl"
    erl.write_text(erl.read_text().replace("ROOTDIR=/usr/lib/erlang", f'ROOTDIR="{folder}/usr/lib/erlang"'))


def _run(command: list[str], folder: Path, environment: dict[str, str], *, may_fail: bool = False) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=300,
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise StartFailed(f"`{command[0]} {command[1]}` did not end within 300 s") from late
    said = (done.stdout + done.stderr).decode(errors="replace")[-1000:]
    if done.returncode and not may_fail:
        raise StartFailed(f"`{command[0]} {command[1]}` ended with status {done.returncode}:\n{said}")
    return said
