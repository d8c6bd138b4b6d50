"""Which service does a command ask, and as whom?"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from shared.runtime.settings import Settings
from tunescout import session as sessions
from tunescout.client import Client

Server = Annotated[
    str | None,
    typer.Option("--server", envvar="TUNESCOUT_SERVER", metavar="URL", help="The service to ask.", show_default=False),
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", metavar="FOLDER", help="Where everything is kept on this machine.", show_default=False),
]


def set_environment(**values: object) -> None:
    """Set TUNESCOUT_ variables, which this process and the services in it read their settings from."""
    os.environ.update({f"TUNESCOUT_{name}": str(value) for name, value in values.items() if value is not None})


def server_url(server: str | None) -> str:
    """Return the URL of the service that is meant."""
    url = (server or Settings().public_base()).rstrip("/")
    if urlsplit(url).scheme not in {"http", "https"} or not urlsplit(url).hostname:
        raise typer.BadParameter(f"{url} is no URL of a service", param_hint="--server")
    return url


def client_of(server: str | None) -> Client:
    """Return a client of a machine with a key, of whoever is logged in, or else of the owner of this machine."""
    url = server_url(server)
    if api_key := os.environ.get("TUNESCOUT_API_KEY"):
        return Client(url, api_key=api_key)
    account = sessions.account_for(url, Settings().data_dir) if sessions.load(url) is None else None
    return Client(url, account=account, ask_password=_ask_password)


def _ask_password(username: str) -> str | None:
    """Return the password of a login that has ended, where there is somebody or something to tell it."""
    if (password := os.environ.get("TUNESCOUT_PASSWORD")) is not None:
        return password
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    asked: str = typer.prompt(f"The login of {username} has ended. Password", hide_input=True, err=True)
    return asked


async def answer_of(server: str | None, method: str, path: str, **options: Any) -> Any:
    """Return what the service answers to one request."""
    async with client_of(server) as client:
        answer = await client.ask(method, path, **options)
        return answer.json() if answer.content else None
