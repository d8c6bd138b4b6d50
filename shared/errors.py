"""Which two kinds of failure does everybody tell apart?

`Rejected` says that the input is wrong: its owner is told and the message is acknowledged. `Unavailable` says that
another system did not answer: the work is tried again. Anything else is a bug, and must be seen.
"""

from __future__ import annotations


class Rejected(Exception):
    """The input is wrong, and trying again cannot help.

    Parameters
    ----------
    code : str
        Stable machine-readable reason in snake case, for example ``silence``.
    reason : str
        A sentence for the owner of the input: lower case, no full stop, with the offending value.
    status : int
        The HTTP status that says the same.
    """

    def __init__(self, code: str, reason: str, *, status: int = 422) -> None:
        super().__init__(code, reason, status)
        self.code = code
        self.reason = reason
        self.status = status

    def __str__(self) -> str:
        return self.reason

    def __reduce__(self) -> tuple[object, ...]:
        # Raised in worker processes too, so it must survive pickling with its keyword-only argument.
        return _rejected, (self.code, self.reason, self.status)


class TooMany(Rejected):
    """Somebody asks for more than their share of something; later it is granted again (status 429).

    Parameters
    ----------
    reason : str
        A sentence for whoever asks.
    retry_after_s : float
        When it will be granted, in seconds from now.
    code : str
        What there is too much of.
    """

    def __init__(self, reason: str, *, retry_after_s: float, code: str = "too_many_requests") -> None:
        super().__init__(code, reason, status=429)
        self.retry_after_s = retry_after_s


def _rejected(code: str, reason: str, status: int) -> Rejected:
    return Rejected(code, reason, status=status)


class Unavailable(Exception):
    """Another system did not do its part in time; the same request may succeed later.

    Parameters
    ----------
    reason : str
        What did not answer, in a few words.
    retry_after_s : float
        A hint for the caller, in seconds.
    """

    def __init__(self, reason: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.retry_after_s = retry_after_s
