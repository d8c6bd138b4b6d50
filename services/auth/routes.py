"""What can a client ask of auth over HTTP?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Path, Query, Request, Response

from services.auth.accounts import Accounts
from services.auth.api_keys import ApiKeys
from services.auth.cookie import RefreshCookie
from services.auth.doors import Doors
from services.auth.keys import SigningKeys
from services.auth.schemas import (
    AccessToken,
    Account,
    ApiKeyBody,
    ApiKeyList,
    Confirmation,
    CreatedApiKey,
    CreatedInvite,
    Credentials,
    Exchange,
    InviteBody,
    InviteList,
    NewAccount,
    NewApiKey,
    NewInvite,
    PasswordChange,
    RefreshToken,
    RoleChange,
    SessionBody,
    SessionList,
    SignupDoor,
    TokenPair,
    UserBody,
    UserPage,
)
from services.auth.service import AuthService
from services.auth.sessions import Sessions
from shared.errors import Rejected
from shared.runtime.audit import Address
from shared.runtime.identity import InSession, SignedIn
from shared.runtime.problems import PROBLEM_RESPONSES

AGENT_CHARACTERS = 200
Id = Annotated[str, Path(min_length=1, max_length=64)]


def routes(
    service: AuthService,
    accounts: Accounts,
    sessions: Sessions,
    api_keys: ApiKeys,
    keys: SigningKeys,
    cookie: RefreshCookie,
    doors: Doors,
) -> APIRouter:
    """Return the routes under ``/v1/auth``."""
    router = APIRouter(prefix="/v1/auth", tags=["auth"], responses=PROBLEM_RESPONSES)

    # --- To come in ---

    @router.get("/signup")
    async def signup_door() -> SignupDoor:
        """Tell who may make an account, before somebody fills in a form."""
        return SignupDoor(signup=await service.signup())

    @router.post("/signup", status_code=201)
    async def sign_up(account: NewAccount, address: Address) -> Account:
        """Make an account. The first one runs the instance."""
        await doors.sign_up(address)
        return Account.of(await service.sign_up(account.username, account.password, account.invite, address))

    @router.post("/login")
    async def log_in(
        credentials: Credentials,
        address: Address,
        request: Request,
        response: Response,
        user_agent: Annotated[str, Header()] = "",
    ) -> TokenPair | AccessToken:
        """Sign in with a password. The refresh token is in the answer, or, if so wished, in a cookie."""
        if credentials.session == "cookie":
            cookie.require_own_page(request)
        agent = user_agent[:AGENT_CHARACTERS]
        async with doors.log_in(address):
            tokens = await service.log_in(credentials.username, credentials.password, agent, address)
        if credentials.session == "token":
            return TokenPair.of(tokens)
        cookie.put(response, tokens.refresh_token)
        return AccessToken.of(tokens)

    @router.post("/refresh")
    async def refresh(
        address: Address, request: Request, response: Response, body: RefreshToken | None = None
    ) -> TokenPair | AccessToken:
        """Exchange a refresh token, which works once, for new tokens. Used again, it ends the session.

        Without one in the body, the token of the cookie is taken, and the next one goes into the cookie.
        """
        if body is not None and body.refresh_token is not None:
            return TokenPair.of(await sessions.refresh(body.refresh_token, address))
        token = cookie.read(request)
        if token is None:
            raise Rejected("session_ended", "there is no refresh token; log in", status=401)
        tokens = await sessions.refresh(token, address)
        cookie.put(response, tokens.refresh_token)
        return AccessToken.of(tokens)

    @router.post("/token")
    async def token(body: Exchange, address: Address) -> AccessToken:
        """Exchange an API key for an access token."""
        async with doors.exchange(address):
            access_token, life_s = await api_keys.exchange(body.api_key, address)
        return AccessToken(access_token=access_token, expires_in_s=life_s)

    @router.get("/keys")
    async def get_keys() -> dict[str, Any]:
        """Publish the keys that verify access tokens, as a JSON Web Key Set."""
        return keys.key_set

    # --- To leave ---

    @router.post("/logout", status_code=204)
    async def log_out(address: Address, request: Request, response: Response, body: RefreshToken | None = None) -> None:
        """End the session of the token in the body, or else of the one in the cookie."""
        if body is not None and body.refresh_token is not None:
            await sessions.end(body.refresh_token, address)
            return
        token = cookie.read(request)
        if token is not None:
            await sessions.end(token, address)
        cookie.clear(response)

    @router.post("/logout-everywhere", status_code=204)
    async def log_out_everywhere(who: InSession, address: Address, response: Response) -> None:
        """End all sessions, this one too."""
        await service.end_all_sessions(who, address)
        cookie.clear(response)

    @router.get("/sessions")
    async def list_sessions(who: InSession) -> SessionList:
        """List the sessions that have not ended, newest first."""
        return SessionList(sessions=[SessionBody.of(session, who) for session in await service.list_sessions(who)])

    @router.delete("/sessions/{session_id}", status_code=204)
    async def end_session(who: InSession, session_id: Id, address: Address) -> None:
        """End a session; access tokens of it live on for their few minutes."""
        await service.end_session(who, session_id, address)

    # --- The account ---

    @router.get("/me")
    async def me(identity: SignedIn) -> Account:
        """Tell who is signed in."""
        return Account.of(identity)

    @router.post("/password", status_code=204)
    async def change_password(who: InSession, change: PasswordChange, address: Address) -> None:
        """Set another password. All other sessions end; API keys stay."""
        async with doors.confirm(who.user_id, address):
            await service.change_password(who, change.old_password, change.new_password, address)

    @router.post("/delete-account", status_code=204)
    async def delete_account(who: InSession, confirmation: Confirmation, address: Address, response: Response) -> None:
        """Delete the account with its sessions, keys and songs. The only admin cannot."""
        async with doors.confirm(who.user_id, address):
            await service.delete_account(who, confirmation.password, address)
        cookie.clear(response)

    # --- Keys of machines ---

    @router.post("/api-keys", status_code=201)
    async def create_api_key(who: InSession, new: NewApiKey, address: Address) -> CreatedApiKey:
        """Make a key for a machine. Its text is in this answer and nowhere else."""
        key, text = await api_keys.create(who.user_id, new.name, new.scopes, address)
        return CreatedApiKey.of(key, api_key=text)

    @router.get("/api-keys")
    async def list_api_keys(who: InSession) -> ApiKeyList:
        """List your machines' keys, newest first."""
        return ApiKeyList(api_keys=[ApiKeyBody.of(key) for key in await api_keys.list(who.user_id)])

    @router.delete("/api-keys/{key_id}", status_code=204)
    async def revoke_api_key(who: InSession, key_id: Id, address: Address) -> None:
        """Revoke a key; access tokens that were got for it live on for their few minutes."""
        await api_keys.revoke(who.user_id, key_id, address)

    # --- For admins: invites, and the accounts of all ---

    @router.post("/invites", status_code=201)
    async def create_invite(who: InSession, new: NewInvite, address: Address) -> CreatedInvite:
        """Invite somebody. The code is in this answer and nowhere else, and works once."""
        invite, code = await service.create_invite(await accounts.require_admin(who), new.role, address)
        return CreatedInvite.of(invite, code=code)

    @router.get("/invites")
    async def list_invites(who: InSession) -> InviteList:
        """List the invites that are still good."""
        await accounts.require_admin(who)
        return InviteList(invites=[InviteBody.of(invite) for invite in await service.list_invites()])

    @router.delete("/invites/{invite_id}", status_code=204)
    async def withdraw_invite(who: InSession, invite_id: Id, address: Address) -> None:
        """Withdraw an invite."""
        await service.withdraw_invite(await accounts.require_admin(who), invite_id, address)

    @router.get("/users")
    async def list_users(
        who: InSession,
        limit: Annotated[int, Query(ge=1, le=100)] = 100,
        cursor: Annotated[str | None, Query(max_length=512, description="`next_cursor` of the page before.")] = None,
    ) -> UserPage:
        """List all accounts, oldest first, page by page."""
        await accounts.require_admin(who)
        users, next_cursor = await accounts.list(cursor, limit)
        return UserPage(users=[UserBody.of(user) for user in users], next_cursor=next_cursor)

    @router.patch("/users/{user_id}")
    async def change_role(who: InSession, user_id: Id, change: RoleChange, address: Address) -> UserBody:
        """Give somebody another role. Tokens they have keep the old one for their few minutes; the next has the new."""
        admin = await accounts.require_admin(who)
        return UserBody.of(await accounts.change_role(admin, user_id, change.role, address))

    @router.delete("/users/{user_id}", status_code=204)
    async def delete_user(who: InSession, user_id: Id, address: Address) -> None:
        """Delete somebody's account with its sessions, keys and songs. The only admin's cannot be."""
        await accounts.delete(await accounts.require_admin(who), user_id, address)

    return router
