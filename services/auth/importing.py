"""Which accounts does an older system hand over, and can all of them come in?"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ValidationError
from ulid import ULID

from services.auth.names import Username, fold
from services.auth.schemas import Role
from services.auth.store import ADMIN, AccountStore, User
from shared.errors import Rejected

# The last letter of a salt stands for two bits: any other makes bcrypt fail.
_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}", re.ASCII)
COSTS = range(4, 17)
"""Exponents of 2 that bcrypt knows, up to where one login takes seconds of a core."""
BAD_LINES_TOLD = 20


def _verifiable(text: str) -> str:
    found = _BCRYPT.fullmatch(text)
    if found is None:
        raise ValueError("not a hash of bcrypt ($2a$, $2b$ or $2y$)")
    if int(found[1]) not in COSTS:
        raise ValueError(f"the cost of a hash is {COSTS[0]} to {COSTS[-1]}")
    return text


class OldAccount(BaseModel):
    """One line of a file: an account as the older system knows it."""

    username: Username
    password_hash: Annotated[str, AfterValidator(_verifiable)]
    role: Role = "listener"


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file."""

    added: int
    skipped: Sequence[str]


def read_accounts(text: str) -> list[OldAccount]:
    """Return the accounts of a file: JSON, one object a line, or CSV with a line of names.

    The names are ``username``, ``password_hash`` and, where it is not ``listener``, ``role``.

    Raises
    ------
    Rejected
        Some lines are no accounts, or there is none; the reason has their numbers, and no hash.
    """
    accounts: dict[str, OldAccount] = {}
    bad: list[str] = []
    for number, fields in _lines(text):
        try:
            account = OldAccount.model_validate(fields)
        except ValidationError as error:  # whose text would show the hash
            wrong = (f"{'.'.join(map(str, one['loc'])) or 'text'}: {one['msg']}" for one in error.errors())
            bad.append(f"line {number}: {'; '.join(wrong)}")
            continue
        if fold(account.username) in accounts:
            bad.append(f"line {number}: this user name is in an earlier line too")
        accounts[fold(account.username)] = account
    if bad:
        more = [f"and {len(bad) - BAD_LINES_TOLD} more"] if len(bad) > BAD_LINES_TOLD else []
        raise Rejected("import_invalid", "\n".join(["nothing was imported", *bad[:BAD_LINES_TOLD], *more]))
    if not accounts:
        raise Rejected("import_invalid", "there is no account in this file")
    return list(accounts.values())


def _lines(text: str) -> Iterator[tuple[int, Any]]:
    text = text.removeprefix("\ufeff")
    if not text.lstrip().startswith("{"):
        rows = csv.DictReader(text.splitlines(), restkey="more")
        for row in rows:
            # Cells that are missing or empty are fields that were left out.
            yield rows.line_num, {name: cell for name, cell in row.items() if cell}
        return
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except ValueError:
                yield number, None


async def import_accounts(store: AccountStore, accounts: Sequence[OldAccount]) -> Imported:
    """Add accounts whose names are free. Can be repeated: what is there is skipped.

    Raises
    ------
    Rejected
        Nobody is there yet, and none of these accounts would run the instance.
    """
    is_empty = not await store.has_users()
    if is_empty:
        # The first account of an instance runs it, whoever signs up meanwhile.
        accounts = sorted(accounts, key=lambda account: account.role != ADMIN)
        if accounts[0].role != ADMIN:
            raise Rejected("admin_needed", "there are no accounts yet, so one of these must have the role admin")
    skipped: list[str] = []
    for number, account in enumerate(accounts):
        now = datetime.now(UTC).isoformat()
        user = User(str(ULID()), account.username, account.password_hash, account.role, now, revision=1)
        if not await store.add_user(user, is_first=is_empty and number == 0):
            skipped.append(account.username)
    return Imported(len(accounts) - len(skipped), skipped)
