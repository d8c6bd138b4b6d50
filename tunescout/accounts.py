"""What can somebody do about accounts from the command line: their own, their machines', and those of others?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import typer

from shared.errors import Rejected
from tunescout import session as sessions
from tunescout.client import Client
from tunescout.console import Json, perform, say
from tunescout.service import DataDir, Server, answer_of, server_url, set_environment

api_keys = typer.Typer(help="Keys of machines, for scripts and monitors.", no_args_is_help=True)
users = typer.Typer(help="The accounts of everybody, for admins.", no_args_is_help=True)

Name = Annotated[str, typer.Option("--username", "-u", prompt=True, help="Name of the account.")]
Password = Annotated[
    str,
    typer.Option(
        "--password", envvar="TUNESCOUT_PASSWORD", prompt=True, hide_input=True, help="Asked for if not given."
    ),
]
User = Annotated[str, typer.Argument(metavar="USER", help="Name or id of the account.")]


def signup(
    username: Name,
    password: Password,
    invite: Annotated[str | None, typer.Option(metavar="CODE", help="Where one is needed.", show_default=False)] = None,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Make an account and log in with it."""
    _log_in(server, username, password, as_json=as_json, sign_up=True, invite=invite)


def login(username: Name, password: Password, server: Server = None, as_json: Json = False) -> None:
    """Log in. The login is kept for the commands that follow; without one, the owner of this machine asks."""
    _log_in(server, username, password, as_json=as_json, sign_up=False)


def _log_in(
    server: str | None, username: str, password: str, *, as_json: bool, sign_up: bool, invite: str | None = None
) -> None:
    async def ask() -> None:
        async with Client(server_url(server)) as client:
            if sign_up:
                await client.sign_up(username, password, invite=invite)
            session = await client.log_in(username, password)
            async with sessions.alone():
                sessions.save(session)

    perform(ask())
    say({"server": server_url(server), "username": username}, f"logged in as {username}", as_json=as_json)


def logout(server: Server = None, as_json: Json = False) -> None:
    """Forget the login, here and at the service."""

    async def ask() -> None:
        async with Client(server_url(server)) as client:
            await client.log_out()

    perform(ask())
    say({"server": server_url(server)}, "logged out", as_json=as_json)


def invite(
    role: Annotated[str, typer.Option(help="contributor or listener.")] = "contributor",
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Invite somebody: print a code that makes one account."""
    made = perform(answer_of(server, "POST", "/v1/auth/invites", json={"role": role}))
    say(made, f"{made['code']}  for one {made['role']}, until {made['expires_at']}", as_json=as_json)


@api_keys.command("create")
def create_api_key(
    name: Annotated[str, typer.Argument(help="What the machine is called.")],
    scope: Annotated[list[str], typer.Option(help="read, identify, upload or write; may be repeated.")],
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Make a key and print it, this once. Commands use the one in TUNESCOUT_API_KEY."""
    made = perform(answer_of(server, "POST", "/v1/auth/api-keys", json={"name": name, "scopes": scope}))
    say(made, made["api_key"], as_json=as_json)


@api_keys.command("list")
def list_api_keys(server: Server = None, as_json: Json = False) -> None:
    """List your keys, without what makes them keys; with --json, one a line."""
    for key in perform(answer_of(server, "GET", "/v1/auth/api-keys"))["api_keys"]:
        say(key, f"{key['key_id']}  {key['name']}  {', '.join(key['scopes'])}", as_json=as_json)


@api_keys.command("revoke")
def revoke_api_key(
    key_id: Annotated[str, typer.Argument(metavar="KEY", help="Its id, as the list shows it.")],
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Make a key worthless."""
    perform(answer_of(server, "DELETE", f"/v1/auth/api-keys/{quote(key_id, safe='')}"))
    say({"revoked": key_id}, "revoked", as_json=as_json)


@users.command("list")
def list_users(server: Server = None, as_json: Json = False) -> None:
    """List all accounts, oldest first; with --json, one a line."""
    for user in perform(_all_users(server)):
        say(user, f"{user['user_id']}  {user['role']:<11}  {user['username']}", as_json=as_json)


@users.command("role")
def change_role(
    user: User,
    role: Annotated[str, typer.Argument(help="listener, contributor or admin.")],
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Give somebody another role. It is felt within ten minutes."""
    changed = perform(_answer_about(user, server, "PATCH", json={"role": role}))
    say(changed, f"{changed['username']} is {changed['role']} now", as_json=as_json)


@users.command("delete")
def delete_user(
    user: User,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    server: Server = None,
    as_json: Json = False,
) -> None:
    """Delete somebody's account with its sessions, keys and songs."""
    if not yes:
        typer.confirm(f"Delete the account {user} with all of its songs?", abort=True, err=True)
    perform(_answer_about(user, server, "DELETE"))
    say({"deleted": user}, "deleted", as_json=as_json)


@users.command("import")
def import_users(
    file: Annotated[
        Path,
        typer.Argument(exists=True, dir_okay=False, help="CSV, or JSON lines: username, password_hash, role."),
    ],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Take over accounts of an older system, by their names and hashes of bcrypt, on the machine of the service.

    A file with a bad line changes nothing. Names that exist are skipped. Hashes become Argon2id at the first login.
    """
    set_environment(DATA_DIR=data_dir)
    from services.hosting import import_accounts

    async def import_file() -> Any:
        try:
            return await import_accounts(file.read_text(encoding="utf-8"))
        except UnicodeDecodeError:
            raise Rejected("import_invalid", f"{file} is not UTF-8") from None

    imported = perform(import_file())
    names = f" ({', '.join(imported.skipped)})" if imported.skipped else ""
    words = f"{imported.added} accounts imported, {len(imported.skipped)} skipped because their names exist{names}"
    say({"added": imported.added, "skipped": list(imported.skipped)}, words, as_json=as_json)


async def _all_users(server: str | None) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    params: dict[str, str] = {}
    while True:
        page = await answer_of(server, "GET", "/v1/auth/users", params=params)
        found += page["users"]
        if page["next_cursor"] is None:
            return found
        params = {"cursor": page["next_cursor"]}


async def _answer_about(user: str, server: str | None, method: str, **options: Any) -> Any:
    everybody = await _all_users(server)
    by_name = {one["username"].casefold(): one["user_id"] for one in everybody}
    is_id = any(one["user_id"] == user for one in everybody)  # which somebody else may have taken as a name
    user_id = user if is_id else by_name.get(user.casefold(), user)
    return await answer_of(server, method, f"/v1/auth/users/{quote(user_id, safe='')}", **options)
