"""How does a command speak to people and to programs, and with which code does it end?

Exit codes: 0 done, 1 refused or not found, 2 wrong usage, 3 the service is not available, 130 stopped by a signal.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from shared.errors import Rejected, Unavailable
from tunescout import terminal

T = TypeVar("T")

FAILED, UNAVAILABLE, INTERRUPTED = 1, 3, 130

Json = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else on standard output.")]

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def perform(work: Coroutine[Any, Any, T]) -> T:
    """Do the work of a command; what goes wrong becomes a sentence and an exit code."""
    with explained():
        return asyncio.run(work)


@contextmanager
def explained() -> Iterator[None]:
    """Turn what goes wrong inside into a sentence and an exit code."""
    try:
        yield
    except Rejected as refused:
        fail(refused.reason)
    except Unavailable as away:
        fail(away.reason, UNAVAILABLE)
    except (KeyboardInterrupt, asyncio.CancelledError):
        fail("stopped", INTERRUPTED)


def fail(reason: str, code: int = FAILED) -> NoReturn:
    """Say why nothing more is done, and end."""
    lines = (terminal.printable(line) for line in reason.splitlines())
    err.print(Text("\n".join(lines), style="red"), soft_wrap=True)
    raise typer.Exit(code)


def say(fields: dict[str, Any], words: str, *, as_json: bool) -> None:
    """Print a fact as JSON, or in words."""
    if as_json:
        print_json(fields)
    else:
        out.print(Text(terminal.printable(words)), soft_wrap=True)


def print_json(value: dict[str, Any]) -> None:
    """Print one line of JSON."""
    # Escapes of JSON keep control characters of titles away from the terminal.
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush()
