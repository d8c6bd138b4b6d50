"""How does the whole of Tune Scout run in one process, awaited and ended like any other server?"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.local.cache import REPOSITORY
from deploy.local.ports import answers, free_block
from deploy.local.process import Process

_READY_DEADLINE_S = 120.0
"""On a busy machine with two cores."""


class OneProcess(Process):
    """Every service in one process, on a free port.

    Parameters
    ----------
    folder : Path
        For its log and, in `data`, all that it keeps.
    environment : mapping
        Settings besides.
    program : sequence of str
        What Python runs.
    probe : str
        Which probe tells that it is there: it is alive before all behind it is ready.
    """

    def __init__(
        self,
        folder: Path,
        *,
        environment: Mapping[str, str] | None = None,
        program: Sequence[str] = ("-m", "services"),
        probe: str = "/ready",
    ) -> None:
        self.port = free_block(1)
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.data = folder / "data"
        super().__init__(
            "one-process",
            [sys.executable, *program],
            folder,
            is_ready=lambda: answers(self.port, probe),
            environment={
                "PYTHONPATH": str(REPOSITORY),
                "TMPDIR": str(folder),
                "TUNESCOUT_DATA_DIR": str(self.data),
                "TUNESCOUT_PORT": str(self.port),
                **(environment or {}),
            },
            deadline_s=_READY_DEADLINE_S,
        )
