"""Who is asking, and how is that remembered between two commands?

A login is kept for each server in a file that only its user can read. Without a login, the account of the person who
owns this machine's own service is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from shared.errors import Rejected, Unavailable

LOCK_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Session:
    """A login at one server."""

    server: str
    username: str
    access_token: str
    refresh_token: str


@dataclass(frozen=True, slots=True)
class Account:
    """A name and a password, and the server that knows them."""

    server: str
    username: str
    password: str


def session_path() -> Path:
    """Return where logins are kept."""
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "tunescout" / "session.json"


def load(server: str) -> Session | None:
    """Return the login at a server, if there is one."""
    return _load_all().get(server)


def save(session: Session) -> None:
    """Keep a login, in place of an older one at the same server."""
    _store_all(_load_all() | {session.server: session})


def forget(server: str) -> None:
    """Drop the login at a server."""
    _store_all({name: session for name, session in _load_all().items() if name != server})


@contextlib.asynccontextmanager
async def alone(*, patience_s: float = 60.0) -> AsyncIterator[None]:
    """Keep other commands from changing logins meanwhile: a refresh token that two of them use ends the login of both.

    Raises
    ------
    Unavailable
        Another command did not end its change within our patience.
    """
    path = session_path().with_suffix(".lock")
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    deadline_s = time.monotonic() + patience_s
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not _is_locked(handle):
            if time.monotonic() > deadline_s:
                raise Unavailable("another command is changing the login")
            await asyncio.sleep(LOCK_POLL_S)
        yield
    finally:
        os.close(handle)  # gives the lock back


def _is_locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def owner_account(data_dir: Path) -> Account | None:
    """Return the account that the service in this data folder made for the machine's owner, if there is one."""
    try:
        stored = json.loads((data_dir / "owner.json").read_text())
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return None
    return Account(stored["server"].rstrip("/"), stored["username"], stored["password"])


def account_for(server: str, data_dir: Path) -> Account | None:
    """Return the owner's account if it may be shown to `server`: the one that made it, or one on this machine."""
    account = owner_account(data_dir)
    if account and (account.server == server or _is_this_machine(server)):
        return account
    return None


def _is_this_machine(server: str) -> bool:
    host = urlsplit(server).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _load_all() -> dict[str, Session]:
    path = session_path()
    try:
        stored = json.loads(path.read_text())
        return {server: Session(server=server, **fields) for server, fields in stored.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise Rejected("damaged_session", f"{path} is damaged: remove it and log in again") from error


def _store_all(sessions: dict[str, Session]) -> None:
    path = session_path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fields = {name: {k: v for k, v in asdict(one).items() if k != "server"} for name, one in sessions.items()}
    # A temporary file is made with mode 0600, and the replacement is all or nothing.
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".session-")
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(fields, file, indent=2)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
