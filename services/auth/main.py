"""How is auth put together?"""

from __future__ import annotations

import asyncio
import json
import secrets
from pathlib import Path

from services.auth.accounts import Accounts
from services.auth.api_keys import ApiKeys
from services.auth.cookie import RefreshCookie
from services.auth.doors import Doors
from services.auth.keys import FILE_NAME, load_keys, watch
from services.auth.passwords import Passwords
from services.auth.routes import routes
from services.auth.service import AuthService
from services.auth.sessions import Sessions
from services.auth.settings import AuthSettings
from services.auth.store import ACCOUNTS, ADMIN, AccountStore
from shared.errors import Rejected
from shared.messaging.outbox import Outbox
from shared.runtime.app import Runtime, ServiceApp
from shared.runtime.audit import Audit
from shared.runtime.limits import LIMITS, RateLimits
from shared.runtime.private_file import write_private
from shared.runtime.settings import Settings

OWNER = "owner"


def build(runtime: Runtime) -> ServiceApp:
    """Wire auth."""
    settings = AuthSettings()
    common = runtime.settings
    keys = load_keys(settings.signing_key, environment=common.environment, data_dir=common.data_dir)
    runtime.keys.publish(keys.key_set)
    table = runtime.table(ACCOUNTS)
    outbox = Outbox(table, ACCOUNTS.indexes[0], runtime.bus)
    store = AccountStore(table, outbox)
    audit = Audit(runtime.bus)
    accounts = Accounts(store, audit)
    sessions = Sessions(store, keys, audit, settings)
    service = AuthService(store, accounts, Passwords(), sessions, runtime.bus, audit, settings)
    api_keys = ApiKeys(store, keys, audit, settings)
    doors = Doors(RateLimits(runtime.table(LIMITS)), audit, settings)
    cookie = RefreshCookie(common.public_base(), life_s=settings.refresh_token_s)

    async def start() -> None:
        if "gateway" in runtime.hosted and common.environment == "local":
            await _make_owner(service, store, common)

    async def follow_rotations() -> None:
        if settings.signing_key is None:
            await watch(keys, runtime.keys, common.data_dir / FILE_NAME)

    router = routes(service, accounts, sessions, api_keys, keys, cookie, doors)
    return ServiceApp("auth", router=router, start=start, background=[outbox.relay, follow_rotations])


async def _make_owner(service: AuthService, store: AccountStore, settings: Settings) -> None:
    """Give the person who owns this machine an account, so that the command line works at once and nothing is open."""
    path = settings.data_dir / "owner.json"
    has_users = await store.has_users()
    if path.exists() or not has_users:
        password = await asyncio.to_thread(_owner_password, path, settings.public_base())
        if not has_users:
            try:
                await service.add_user(OWNER, password, role=ADMIN, is_first=True)
            except Rejected as refused:  # requests are served already: somebody has signed up meanwhile
                if refused.code != "signup_overtaken":
                    raise
                await asyncio.to_thread(path.unlink)


def _owner_password(path: Path, server: str) -> str:
    # Written before the account is made, and read again after a crash between the two: the password is never lost.
    # Written again at each start, because the port may have changed.
    password = json.loads(path.read_text())["password"] if path.exists() else secrets.token_urlsafe(24)
    assert isinstance(password, str)
    content = {"server": server, "username": OWNER, "password": password}
    write_private(path, json.dumps(content).encode())
    return password
