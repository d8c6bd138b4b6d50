"""May one more question be asked now, or would it only make all others late?"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from shared.errors import Unavailable

FEW = 8
"""So many questions are always let in: what is learnt from few of them says little about many."""
SMOOTHING = 0.1
LEAST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0


class Admission:
    """Bounds the questions under way, and lets none in that can't be answered before its deadline.

    By Little's law (https://doi.org/10.1287/opre.9.3.383) questions wait as long as those under way, divided by the
    number that is answered in a second. Each answer teaches that rate: it took so long, among so many.

    Parameters
    ----------
    most : int
        Questions under way at the same time, in this process.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._seconds_each = 0.0
        self.under_way = 0

    @contextlib.contextmanager
    def place(self, patience_s: float) -> Iterator[None]:
        """Take a place for one question that must be answered within `patience_s` seconds.

        Raises
        ------
        Unavailable
            Too many are under way; `retry_after_s` tells when half of them will be answered.
        """
        wait_s = self._seconds_each * (self.under_way + 1)
        if self.under_way >= self._most or (self.under_way >= FEW and wait_s > patience_s):
            pause_s = min(max(wait_s / 2, LEAST_PAUSE_S), LONGEST_PAUSE_S)
            raise Unavailable(f"{self.under_way} questions are waiting for an answer already", retry_after_s=pause_s)
        self.under_way += 1
        try:
            yield
        finally:
            self.under_way -= 1

    def learn(self, took_s: float, among: int) -> None:
        """Learn from an answer that took so many seconds, of a question that was one of `among` when it was asked."""
        self._seconds_each += SMOOTHING * (took_s / max(among, 1) - self._seconds_each)
