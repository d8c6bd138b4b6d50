"""Does the command line manage a real account, and ask as a machine?"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
import uvicorn
from typer.testing import CliRunner, Result

from tests.unit.auth.conftest import serve
from tunescout.client import Client
from tunescout.main import app
from tunescout.session import Account


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A running auth service."""
    config = uvicorn.Config(serve(tmp_path).app, host="127.0.0.1", port=0, log_level="error")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
        assert thread.is_alive()
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(10)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments], env={"COLUMNS": "200"})


def last_line(result: Result) -> str:
    return result.stdout.splitlines()[-1]  # the service of the test logs to the same output


def test_an_admin_invites_and_a_machine_asks_with_a_key(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESCOUT_SERVER", url)
    signup = ("signup", "--password", "a long pass phrase", "--username")
    assert run(*signup, "admin").exit_code == 0

    code = json.loads(last_line(run("invite", "--role", "listener", "--json")))["code"]
    made = json.loads(last_line(run("api-keys", "create", "radio", "--scope", "read", "--json")))
    assert last_line(run("api-keys", "list")) == f"{made['key_id']}  radio  read"

    monkeypatch.setenv("TUNESCOUT_API_KEY", made["api_key"])
    assert "an API key cannot do this" in run("api-keys", "list").stderr
    monkeypatch.delenv("TUNESCOUT_API_KEY")

    assert last_line(run("api-keys", "revoke", made["key_id"])) == "revoked"
    monkeypatch.setenv("TUNESCOUT_API_KEY", made["api_key"])
    assert "unknown or was revoked" in run("api-keys", "list").stderr
    monkeypatch.delenv("TUNESCOUT_API_KEY")
    assert run(*signup, "listener", "--invite", code).exit_code == 0
    assert "only an admin" in run("invite").stderr


def test_an_admin_lists_changes_and_deletes_accounts_by_name(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESCOUT_SERVER", url)
    for name in ("Ada", "admin"):
        run("signup", "--password", "a long pass phrase", "--username", name)
    assert "only an admin" in run("users", "list").stderr  # the first one is
    run("login", "--password", "a long pass phrase", "--username", "Ada")

    assert last_line(run("users", "role", "ADMIN", "admin")) == "admin is admin now"
    listed = [line.split()[1:] for line in run("users", "list").stdout.splitlines() if line.startswith("0")]
    assert sorted(listed) == [["admin", "Ada"], ["admin", "admin"]]
    assert last_line(run("users", "delete", "admin", "--yes")) == "deleted"
    assert "no such user" in run("users", "delete", "admin", "--yes").stderr
    assert "only admin" in run("users", "role", "ada", "listener").stderr


async def test_who_asks_with_a_password_leaves_no_session_behind(url: str) -> None:
    account = Account(url, "admin", "a long pass phrase")
    async with Client(url) as newcomer:
        await newcomer.sign_up(account.username, account.password)
    for _ in range(2):
        async with Client(url, account=account) as client:
            listed = (await client.ask("GET", "/v1/auth/sessions")).json()["sessions"]
            assert [one["is_this"] for one in listed] == [True]


def test_an_id_means_its_owner_although_somebody_else_is_called_so(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNESCOUT_SERVER", url)
    signup = ("signup", "--password", "a long pass phrase", "--username")
    run(*signup, "admin")
    user_id = next(line.split()[0] for line in run("users", "list").stdout.splitlines() if line.endswith("admin"))
    run(*signup, user_id)
    run("login", "--password", "a long pass phrase", "--username", "admin")

    assert last_line(run("users", "role", user_id, "admin")) == "admin is admin now"


def test_accounts_of_an_older_system_are_imported_beside_the_running_service(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNESCOUT_SERVER", url)
    run("signup", "--password", "a long pass phrase", "--username", "admin")
    hashed = bcrypt.hashpw(b"short", bcrypt.gensalt(4)).decode()
    file = tmp_path / "users.csv"
    file.write_text(f"username,password_hash,role\nADMIN,{hashed},admin\nada,{hashed},contributor\nbob,{hashed},\n")

    imported = run("users", "import", str(file), "--data-dir", str(tmp_path))

    assert last_line(imported) == "2 accounts imported, 1 skipped because their names exist (ADMIN)"
    listed = [line.split()[1:] for line in run("users", "list").stdout.splitlines() if line.startswith("0")]
    assert sorted(listed) == [["admin", "admin"], ["contributor", "ada"], ["listener", "bob"]]
    assert run("login", "--password", "short", "--username", "ada").exit_code == 0
    again = run("users", "import", str(file), "--data-dir", str(tmp_path), "--json")
    assert json.loads(last_line(again)) == {"added": 0, "skipped": ["ADMIN", "ada", "bob"]}
