"""Where do calls that block run? In a few threads of their adapter, with a deadline, never on the event loop."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from shared.errors import Unavailable

P = ParamSpec("P")
T = TypeVar("T")


class Threads:
    """A bounded pool of threads for the blocking calls of one adapter.

    Parameters
    ----------
    name : str
        What the threads talk to; it names them, and the failure when the deadline passes.
    size : int
        How many calls run at once; more wait in line.
    deadline_s : float
        How long a caller waits, in line and for the call. The call itself cannot be stopped and may still take effect.
    """

    def __init__(self, name: str, *, size: int, deadline_s: float = 30.0) -> None:
        self._name = name
        self._deadline_s = deadline_s
        self._executor = ThreadPoolExecutor(size, thread_name_prefix=name)

    async def run(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a blocking call and return what it returns.

        Raises
        ------
        Unavailable
            The deadline passed.
        """
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._deadline_s):
                return await loop.run_in_executor(self._executor, functools.partial(call, *args, **kwargs))
        except TimeoutError as error:
            raise Unavailable(f"{self._name} did not answer within {self._deadline_s:g} s") from error

    async def close(self) -> None:
        """Let running calls finish and end the threads."""
        await asyncio.to_thread(self._executor.shutdown, cancel_futures=True)
