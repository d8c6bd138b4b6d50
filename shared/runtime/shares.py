"""How much may one user have under way at the same time, so that something is left for all others?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from shared.errors import TooMany


class Shares:
    """Counts what is under way in this process, by user.

    Parameters
    ----------
    most : int
        Bound for each user.
    what : str
        What is counted, in the plural.
    retry_after_s : float
        When it may have ended, in seconds.
    """

    def __init__(self, most: int, what: str, *, retry_after_s: float) -> None:
        self._most = most
        self._what = what
        self._retry_after_s = retry_after_s
        self._under_way: Counter[str] = Counter()

    @contextmanager
    def place(self, user_id: str) -> Iterator[None]:
        """Count one more until it has ended.

        Raises
        ------
        TooMany
            So many of this user are under way already.
        """
        if self._under_way[user_id] >= self._most:
            reason, code = f"{self._most} {self._what} of yours are under way", f"too_many_{self._what.split()[0]}"
            raise TooMany(reason, retry_after_s=self._retry_after_s, code=code)
        self._under_way[user_id] += 1
        try:
            yield
        finally:
            self._under_way[user_id] -= 1
            self._under_way += Counter()  # forgets who has none
