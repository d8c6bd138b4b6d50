"""By which words is a song found?"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_WORD = re.compile(r"\w+")
MAX_WORDS = 40
MAX_WORD_LENGTH = 40


def words_of(*texts: str) -> list[str]:
    """Return the distinct words of the texts, without case and accents, in order."""
    folded = " ".join(fold(text) for text in texts)
    words = dict.fromkeys(word[:MAX_WORD_LENGTH] for word in _WORD.findall(folded))
    return list(words)[:MAX_WORDS]


def fold(text: str) -> str:
    """Return the text as it is compared: lower case, accents removed."""
    if text.isascii():
        return text.lower()  # the same, and quick
    # Letters may only get a case, or accents to remove, by being decomposed, and the other way round.
    folded = unicodedata.normalize("NFKD", text).casefold()
    decomposed = unicodedata.normalize("NFKD", folded)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter))


def have_all(words: Sequence[str], wanted: Sequence[str]) -> bool:
    """Tell whether each wanted word begins one of the words."""
    return all(any(word.startswith(one) for word in words) for one in wanted)
