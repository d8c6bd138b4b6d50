"""Is whoever asks streaming for too much told when to come back, and nobody else?"""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from services.hosting import build
from services.streaming import main as streaming
from services.streaming.store import LISTENING
from shared.catalogue import SONGS
from shared.runtime.app import Process, web_app
from shared.runtime.identity import Identity, signed_in
from shared.runtime.limits import LIMITS
from shared.runtime.settings import Settings


@pytest.mark.parametrize(
    ("setting", "method", "path"),
    [("PLAYS", "GET", "stream"), ("RENDERS", "POST", "renders"), ("PACKAGES", "POST", "package")],
)
async def test_who_asks_too_often_is_told_when_to_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str, method: str, path: str
) -> None:
    monkeypatch.setenv(f"TUNESCOUT_STREAMING_{setting}_PER_MINUTE", "2")
    runtime, _ = build(Settings(data_dir=tmp_path), ["auth"])
    service = streaming.build(runtime)
    app = web_app(Process(runtime, [service]), runtime, [service], title="Limits", version="0")
    for spec in (SONGS, LISTENING, LIMITS):
        await runtime.table(spec).create()
    people = iter(["me", "me", "me", "you"])
    app.dependency_overrides[signed_in] = lambda: Identity(next(people), "name", "contributor")

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        answers = [await client.request(method, f"/v1/songs/none/{path}", json={}) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [404, 404, 429, 404]
    assert int(answers[2].headers["Retry-After"]) >= 1
    for table in runtime.tables.values():
        await table.close()
