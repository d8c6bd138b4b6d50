"""What may a user name look like, and when are two the same?"""

from __future__ import annotations

import re
import unicodedata
from typing import Annotated

from pydantic import AfterValidator, Field

MOST_FOLDED_CHARACTERS = 256
"""One letter can become 18 when it is folded, and a table's key holds 2 KB."""


def fold(username: str) -> str:
    """Return the form of a name under which it must be unique: without case, and however its letters were typed."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", username).casefold())


# Printable by their category, yet nothing to be seen: default ignorable (Unicode, DerivedCoreProperties), and blank.
_UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"


def _printable(name: str) -> str:
    if not name.isprintable() or name != name.strip() or re.search(f"[{_UNSEEN}]", name):
        raise ValueError("a user name has printable characters only, and no space at its ends")
    if len(fold(name)) > MOST_FOLDED_CHARACTERS:
        raise ValueError("a user name has fewer letters that stand for many")
    return name


# The same rule for who reads the description; people get the sentence.
_SEEN = rf"[^\p{{C}}\p{{Z}}{_UNSEEN}]"
_PATTERN = f"^{_SEEN}({_SEEN}| )*{_SEEN}$"
Username = Annotated[
    str, Field(min_length=3, max_length=64, json_schema_extra={"pattern": _PATTERN}), AfterValidator(_printable)
]
