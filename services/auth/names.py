"""What may a user name look like, and when are two the same?"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field


def fold(username: str) -> str:
    """Return the form of a name under which it must be unique."""
    return username.casefold()


def _printable(name: str) -> str:
    if not name.isprintable() or name != name.strip():
        raise ValueError("a user name has printable characters only, and no space at its ends")
    return name


Username = Annotated[str, Field(min_length=3, max_length=64), AfterValidator(_printable)]
