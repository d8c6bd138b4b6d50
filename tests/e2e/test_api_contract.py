"""Does every operation answer as the OpenAPI document says, whatever it is asked? A small part of `make contract`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.contract import SETTINGS, is_described, one_process, run
from bench.contract_world import made
from services.hosting import openapi

SEED = 1
EXAMPLES = 3


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path | None]]:
    """One process of its own: guesses without end would slow down everybody else of this address."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    with one_process(tmp_path) as service:
        yield service


async def test_every_answer_is_as_the_document_says(service: tuple[str, Path | None], tmp_path: Path) -> None:
    url, data_dir = service
    assert is_described(url)

    world = await made(url, data_dir, tmp_path, ["admin"])
    report = run(world, "admin", tmp_path, examples=EXAMPLES, seed=SEED, phases="fuzzing,stateful")

    assert not report.failures, report.log
    assert not report.errors, report.log
    assert report.operations == sum(map(len, openapi()["paths"].values()))
