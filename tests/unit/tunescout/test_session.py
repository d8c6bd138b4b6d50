from __future__ import annotations

import pytest

from shared.errors import Rejected, Unavailable
from tunescout import session as sessions
from tunescout.session import Session

HOME = Session("http://127.0.0.1:8000", "ada", "access", "refresh")
WORK = Session("https://music.example", "ada", "other", "other")


def test_logins_of_several_servers_are_kept_apart() -> None:
    sessions.save(HOME)
    sessions.save(WORK)
    sessions.forget(HOME.server)
    assert sessions.load(HOME.server) is None
    assert sessions.load(WORK.server) == WORK


def test_logins_are_readable_by_their_user_alone() -> None:
    sessions.save(HOME)
    assert sessions.session_path().stat().st_mode & 0o777 == 0o600
    assert sessions.session_path().parent.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in sessions.session_path().parent.iterdir()] == ["session.json"]


async def test_logins_are_changed_by_one_command_at_a_time() -> None:
    async with sessions.alone():
        with pytest.raises(Unavailable, match="another command"):
            async with sessions.alone(patience_s=0):
                pass
    async with sessions.alone(patience_s=0):
        assert sessions.session_path().with_suffix(".lock").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "[]", '{"x": 1}', '{"x": {"username": "ada"}}'])
def test_damaged_file_is_named(content: str) -> None:
    sessions.save(HOME)
    sessions.session_path().write_text(content)
    with pytest.raises(Rejected, match=r"session\.json is damaged"):
        sessions.load(HOME.server)
