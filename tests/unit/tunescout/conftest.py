from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.tunescout.small_service import SmallService


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A person's folders that no other test and no real login shares."""
    for name in ("config", "cache", "data"):
        monkeypatch.setenv(f"XDG_{name.upper()}_HOME", str(tmp_path / "home" / name))
    for name in ("TUNESCOUT_SERVER", "TUNESCOUT_DATA_DIR", "TUNESCOUT_PORT", "TUNESCOUT_PUBLIC_URL"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home"


@pytest.fixture
def service() -> Iterator[SmallService]:
    running = SmallService()
    yield running
    running.stop()
