"""How does a RabbitMQ node run here without Docker and without root?"""

from __future__ import annotations

import re
import secrets
import shutil
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from deploy.local.cache import cached
from deploy.local.debian import unpack_rabbitmq
from deploy.local.ports import free_block, is_listening
from deploy.local.process import Process, StartFailed

_USER = "tunescout"
_START_DEADLINE_S = 90.0
_ELECTION_DEADLINE_S = 20.0
"""From the start on; a queue that was killed while it was declared never elects a leader."""
_STOP_GRACE_S = 20.0
"""An orderly stop takes about 6 s on an idle machine."""

_RECOVERED = re.compile(r"Recovering (\d+) queues of type rabbit_quorum_queue")
_ELECTED = re.compile(r"queue ('.*' in vhost '.*'): candidate -> leader")

_CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
default_user = {user}
default_pass = {password}
log.console = true
log.file = false
vm_memory_high_watermark.absolute = 1GB
disk_free_limit.absolute = 200MB
"""


@dataclass(frozen=True, slots=True)
class Installation:
    """Where the programs of RabbitMQ and of Erlang are."""

    server: Path
    erlang_bin: Path
    epmd: Path

    @classmethod
    def below(cls, root: Path) -> Installation | None:
        """Find what Debian's packages put below `root`."""
        # The wrapper in /usr/sbin is for root and for the user `rabbitmq` only.
        servers = sorted(root.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin/rabbitmq-server"))
        daemons = sorted(root.glob("usr/lib/erlang/erts-*/bin/epmd"))
        erlang_bin = root / "usr/lib/erlang/bin"
        return cls(servers[-1], erlang_bin, daemons[-1]) if servers and daemons and erlang_bin.exists() else None

    @classmethod
    def on_path(cls) -> Installation | None:
        """Find what other systems' package managers have installed."""
        server, erl, epmd = (shutil.which(program) for program in ("rabbitmq-server", "erl", "epmd"))
        return cls(Path(server), Path(erl).parent, Path(epmd)) if server and erl and epmd else None


def find_installation() -> Installation:
    """Return the installed RabbitMQ, or one unpacked in the cache, which may be a download of 33 MB."""
    found = Installation.below(Path("/")) or Installation.on_path()
    if found:
        return found
    try:
        found = Installation.below(cached("rabbitmq", unpack_rabbitmq))
    except StartFailed as why:
        raise StartFailed(
            "the tests need a RabbitMQ: start Docker, install the package `rabbitmq-server`, or name a running one in "
            f"TUNESCOUT_TEST_BROKER_URL. Downloading one did not work: {why}"
        ) from why
    if found is None:
        raise StartFailed("the downloaded packages hold no RabbitMQ: delete the cache and try again")
    return found


class RabbitMQ:
    """A node run by the Erlang of this machine, with everything it writes in one folder.

    Its port, and what it stored durably, outlive `stop` and `kill`.

    Parameters
    ----------
    folder : Path
        For data, configuration and log.
    base_port : int or None
        First of three ports; AMQP is on this one. None takes free ones.

    Raises
    ------
    StartFailed
        No way leads to a RabbitMQ on this machine; the message names them all.
    """

    def __init__(self, folder: Path, base_port: int | None = None) -> None:
        installation = find_installation()
        base_port = base_port or free_block(3)
        self.port = base_port
        self._folder = folder
        self._password = _password(folder)
        epmd_port, distribution_port = base_port + 1, base_port + 2
        environment = {
            "PATH": f"{installation.erlang_bin}:{installation.server.parent}:/usr/sbin:/usr/bin:/sbin:/bin",
            # Erlang keeps the cookie of its nodes there.
            "HOME": str(folder),
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            # The script then becomes the node instead of watching it.
            "RUNNING_UNDER_SYSTEMD": "true",
            "RABBITMQ_NODENAME": "tunescout@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(base_port),
            "RABBITMQ_DIST_PORT": str(distribution_port),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "generated"),
            "RABBITMQ_SCHEMA_DIR": str(folder / "schema"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                "-kernel inet_dist_use_interface {127,0,0,1} +sbwt none +sbwtdcpu none +sbwtdio none"
            ),
        }
        # The packaged epmd does not start by itself, and one each keeps nodes of the same name apart.
        self._epmd = Process(
            "epmd",
            [installation.epmd, "-address", "127.0.0.1", "-port", str(epmd_port)],
            folder,
            is_ready=lambda: is_listening(epmd_port),
            environment=environment,
        )
        self._log_before = 0
        self._election_ends = 0.0
        self._node = Process(
            "rabbitmq",
            [installation.server],
            folder,
            is_ready=self._is_ready,
            environment=environment,
            deadline_s=_START_DEADLINE_S,
            grace_s=_STOP_GRACE_S,
        )

    @property
    def url(self) -> str:
        """The amqp:// URL, with user and password."""
        return f"amqp://{_USER}:{self._password}@127.0.0.1:{self.port}/"

    @property
    def processes(self) -> list[Process]:
        """The node and its port mapper."""
        return [self._node, self._epmd]

    def start(self) -> None:
        """Start the node and wait until it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        configuration = self._folder / "rabbitmq.conf"
        configuration.touch(mode=0o600)
        configuration.write_text(_CONFIGURATION.format(port=self.port, user=_USER, password=self._password))
        (self._folder / "enabled_plugins").write_text("[].\n")
        for part in ("data", "generated", "schema"):
            (self._folder / part).mkdir(exist_ok=True)
        self._log_before = self._node.log.stat().st_size if self._node.log.exists() else 0
        self._election_ends = time.monotonic() + _ELECTION_DEADLINE_S
        self._epmd.start()
        try:
            self._node.start()
        except BaseException:
            self._epmd.kill()
            raise

    def _is_ready(self) -> bool:
        # Before version 4, a queue that a client asks for something before it has elected its leader may never do so.
        with self._node.log.open(errors="replace") as log:
            log.seek(self._log_before)
            said = log.read()
        recovered = sum(int(count) for count in _RECOVERED.findall(said))
        is_led = len(set(_ELECTED.findall(said))) >= recovered
        return (is_led or time.monotonic() > self._election_ends) and speaks_amqp(self.port)

    def stop(self) -> None:
        """Shut the node down in order."""
        self._node.stop()
        self._epmd.stop()

    def kill(self) -> None:
        """End the node as a power cut would. A quorum queue younger than about 2 s may be lost."""
        self._node.kill()
        self._epmd.kill()


def _password(folder: Path) -> str:
    """Return the password of the node in `folder`, which is fixed when its database is first made."""
    kept = folder / "password"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        kept.touch(mode=0o600)
        kept.write_text(secrets.token_urlsafe(24))
    return kept.read_text()


def speaks_amqp(port: int, host: str = "127.0.0.1") -> bool:
    """Tell whether the port greets an AMQP client; the node opens it a moment before it does."""
    with suppress(OSError), socket.create_connection((host, port), timeout=2.0) as connection:
        connection.sendall(b"AMQP\x00\x00\x09\x01")
        return connection.recv(1) == b"\x01"
    return False
