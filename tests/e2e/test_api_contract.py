"""Does every operation answer as the OpenAPI document says, whatever it is asked? A small part of `make contract`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench.contract import SETTINGS, is_described, one_process, run
from bench.contract_world import made
from services.hosting import openapi


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path | None]]:
    """One process of its own: guesses without end would slow down everybody else of this address."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    with one_process(tmp_path) as service:
        yield service


@pytest.mark.timeout(300)
def test_every_answer_is_as_the_document_says(service: tuple[str, Path | None], tmp_path: Path) -> None:
    world = asyncio.run(made(*service, tmp_path, ["admin"]))
    report = run(world, "admin", tmp_path, examples=3, seed=1, phases="fuzzing,stateful")

    assert not report.failures, report.log
    assert not report.errors, report.log
    assert report.operations == sum(map(len, openapi()["paths"].values()))


def test_service_describes_itself_as_the_committed_document_does(url: str) -> None:
    assert is_described(url)


@pytest.mark.parametrize("method", ["OPTIONS", "HEAD"])
def test_refused_method_is_answered_with_all_that_may_be_asked(url: str, method: str) -> None:
    answer = httpx.request(method, f"{url}/v1/songs", timeout=30)

    assert answer.status_code == 405
    assert sorted(answer.headers["allow"].split(", ")) == ["GET", "POST"]
