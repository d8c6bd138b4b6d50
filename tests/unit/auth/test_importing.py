"""Do the accounts of an older system come in whole, and nothing else with them?"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import bcrypt
import pytest

from services.auth.importing import read_accounts
from services.hosting import import_accounts
from shared.errors import Rejected
from tests.unit.auth.conftest import log_in, serve, sign_up

HASH = bcrypt.hashpw(b"old password", bcrypt.gensalt(4)).decode()
ADA = {"username": "ada", "password_hash": HASH, "role": "contributor"}


def as_json(*accounts: dict[str, str]) -> str:
    return "\n".join(json.dumps(account) for account in accounts)


def as_csv(*accounts: dict[str, str]) -> str:
    return "\r\n".join(
        [
            "role,username,email,password_hash",
            *(
                f"{one.get('role', '')},{one['username']},somebody@example.com,{one['password_hash']}"
                for one in accounts
            ),
        ]
    )


@pytest.mark.parametrize("write", [as_json, as_csv])
def test_both_forms_say_the_same(write: Callable[..., str]) -> None:
    accounts = read_accounts("\ufeff" + write(ADA, {"username": "Bob Ü", "password_hash": HASH}))

    assert [(one.username, one.password_hash, one.role) for one in accounts] == [
        ("ada", HASH, "contributor"),
        ("Bob Ü", HASH, "listener"),
    ]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"username": "x"}, "username"),
        ({"username": "ad\u0000a"}, "printable"),
        ({"username": "ADA"}, "earlier line"),
        ({"username": "eve", "password_hash": "$argon2id$v=19$m=19456,t=2,p=1$secret"}, "bcrypt"),
        ({"username": "eve", "password_hash": HASH[:-1]}, "bcrypt"),
        ({"username": "eve", "password_hash": f"{HASH[:28]}z{HASH[29:]}"}, "bcrypt"),
        ({"username": "eve", "password_hash": HASH.replace("$04$", "$31$")}, "cost"),
        ({"username": "eve", "role": "king"}, "role"),
    ],
)
async def test_a_bad_line_is_named_and_nothing_is_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bad: dict[str, str], why: str
) -> None:
    monkeypatch.setenv("TUNESCOUT_DATA_DIR", str(tmp_path))
    with pytest.raises(Rejected, match=f"line 2: .*{why}") as refusal:
        await import_accounts(as_json(ADA | {"role": "admin"}, ADA | bad))

    assert "$" not in refusal.value.reason.replace("($2a$, $2b$ or $2y$)", "")
    async with serve(tmp_path).client() as client:
        assert (await sign_up(client, "ada")).json()["role"] == "admin"  # nobody is there


@pytest.mark.parametrize("text", ["{not json", "no,names\nada,x", "username\nada", '{"username": 1}', "[]"])
def test_what_is_no_list_of_accounts_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match=r"line [12]|no account"):
        read_accounts(text)


async def test_an_instance_begins_with_the_admin_of_the_older_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNESCOUT_DATA_DIR", str(tmp_path))
    with pytest.raises(Rejected, match="role admin"):
        await import_accounts(as_json(ADA))

    assert (await import_accounts(as_json(ADA, ADA | {"username": "root", "role": "admin"}))).added == 2

    async with serve(tmp_path).client() as client:
        assert (await sign_up(client, "newcomer")).json()["role"] == "contributor"
        for name in ("ada", "root", "root"):
            await log_in(client, name, "old password")
