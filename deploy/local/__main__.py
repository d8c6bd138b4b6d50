"""How is a local stack started, looked at and ended? ``python -m deploy.local up|status|down|servers``."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from deploy.local import state
from deploy.local.cache import REPOSITORY
from deploy.local.process import StartFailed, end_in_order_when_asked
from deploy.local.stack import Stack

app = typer.Typer(help="RabbitMQ, S3, DynamoDB and every service, without Docker.", no_args_is_help=True)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Folder = Annotated[Path, typer.Option(help="Where the stack keeps its data, logs and secrets.")]
BasePort = Annotated[int | None, typer.Option(min=1024, max=55000, help="First of 50 ports; free ones if not given.")]
FOLDER = REPOSITORY / "var" / "stack"
STATE = "stack.json"


@app.command()
def up(
    folder: Folder = FOLDER,
    base_port: BasePort = None,
    shards: Annotated[int, typer.Option(min=1, max=16, help="Shards of the index.")] = 2,
    replicas: Annotated[int, typer.Option(min=1, max=4, help="Processes that hold each shard.")] = 1,
) -> None:
    """Start everything and leave it running."""
    kept = state.load(folder / STATE)
    if kept and any(process.is_alive() for process in (*kept.services, *kept.servers)):
        err.print(f"a stack runs already in {folder}: look at it with `status`, end it with `down`")
        raise typer.Exit(1)
    # The same ports as last time, so that links and running clients stay valid.
    stack = _made(folder, base_port or (kept.base_port if kept else None), shards, replicas)
    out.print(f"starting RabbitMQ, S3, DynamoDB and {len(stack.services)} services in {folder} ...")
    try:
        stack.start()
        state.save(folder / STATE, stack)
    except StartFailed as why:
        _fail(why)
    out.print(f"ready: {stack.url}   API: {stack.url}/openapi.json   logs: {folder}")


@app.command()
def status(folder: Folder = FOLDER) -> None:
    """Show which processes run; exit with 1 unless all do."""
    kept = state.load(folder / STATE)
    if kept is None:
        out.print(f"no stack was started in {folder}")
        raise typer.Exit(1)
    out.print(kept.url)
    alive = []
    for process in (*kept.services, *kept.servers):
        alive.append(process.is_alive())
        out.print(f"{process.name:20} {process.pid:>8}  {'running' if alive[-1] else 'ended'}")
    if not all(alive):
        raise typer.Exit(1)


@app.command()
def down(folder: Folder = FOLDER) -> None:
    """End everything; data stays."""
    kept = state.load(folder / STATE)
    if kept is None:
        out.print(f"no stack was started in {folder}")
        return
    for wave in (kept.services, kept.servers):
        with ThreadPoolExecutor(max_workers=16) as pool:
            list(pool.map(state.Running.end, wave))
    out.print("ended")


@app.command()
def servers(folder: Folder = REPOSITORY / "var" / "servers", base_port: BasePort = None) -> None:
    """Start RabbitMQ, S3 and DynamoDB only, print the settings that lead to them, and stay until Ctrl-C."""
    stack = _made(folder, base_port, 1, 1)
    try:
        stack.start_servers()
        for name, value in stack.settings.items():
            out.print(f"export {name}='{value}'")
        signal.pause()
    except StartFailed as why:
        _fail(why)
    except KeyboardInterrupt:
        pass
    finally:
        stack.stop()


def _made(folder: Path, base_port: int | None, shards: int, replicas: int) -> Stack:
    end_in_order_when_asked()
    try:
        return Stack(folder, base_port, shards, replicas)
    except (StartFailed, ValueError) as why:
        _fail(why)


def _fail(why: Exception) -> NoReturn:
    err.print(str(why), markup=False)
    raise typer.Exit(1) from why


if __name__ == "__main__":
    app()
