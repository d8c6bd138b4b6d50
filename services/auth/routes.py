"""What can a client ask of auth over HTTP?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Header, Path, Request
from pydantic import AfterValidator, BaseModel, Field

from services.auth.api_keys import ApiKeys
from services.auth.keys import SigningKeys
from services.auth.service import AuthService
from services.auth.sessions import Sessions, Tokens
from services.auth.settings import AuthSettings
from services.auth.store import ApiKey, Invite, Session, User
from shared.errors import Rejected
from shared.runtime.identity import Identity, InSession, Scope, SignedIn
from shared.runtime.limits import RateLimits, address_of
from shared.runtime.problems import PROBLEM_RESPONSES

AGENT_CHARACTERS = 200


def _printable(name: str) -> str:
    if not name.isprintable() or name != name.strip():
        raise ValueError("a user name has printable characters only, and no space at its ends")
    return name


Username = Annotated[str, Field(min_length=3, max_length=64), AfterValidator(_printable)]


NewPassword = Annotated[str, Field(min_length=12, max_length=128, description="12 to 128 characters of any kind.")]
Password = Annotated[str, Field(max_length=128)]
Id = Annotated[str, Path(min_length=1, max_length=64)]


class NewAccount(BaseModel):
    """Who wants an account."""

    username: Username
    password: NewPassword
    invite: str | None = Field(None, max_length=64, description="The code of an invite, where one is needed.")


class Credentials(BaseModel):
    """Who wants to sign in."""

    username: str = Field(max_length=64)
    password: Password


class RefreshToken(BaseModel):
    """A session to go on with, or to end."""

    refresh_token: str = Field(max_length=128)


class PasswordChange(BaseModel):
    """The password so far, and the next one."""

    old_password: Password
    new_password: NewPassword


class Confirmation(BaseModel):
    """The password, because what follows can't be taken back."""

    password: Password


class Account(BaseModel):
    """An account as its owner sees it."""

    user_id: str
    username: str
    role: str

    @classmethod
    def of(cls, somebody: User | Identity) -> Account:
        """Return the HTTP form."""
        return cls(user_id=somebody.user_id, username=somebody.username, role=somebody.role)


class AccessToken(BaseModel):
    """An access token for requests."""

    access_token: str
    token_type: str = "Bearer"
    expires_in_s: int


class TokenPair(AccessToken):
    """An access token for requests, and a refresh token to get the next one."""

    refresh_token: str

    @classmethod
    def of(cls, tokens: Tokens) -> TokenPair:
        """Return the HTTP form."""
        return cls(
            access_token=tokens.access_token, expires_in_s=tokens.expires_in_s, refresh_token=tokens.refresh_token
        )


class SessionBody(BaseModel):
    """A login that has not ended."""

    session_id: str
    agent: str = Field(description="What the client said it was, at login.")
    created_at: datetime
    used_at: datetime = Field(description="When tokens were last issued for it.")
    expires_at: datetime
    is_this: bool = Field(description="Whether the request that asks belongs to it.")

    @classmethod
    def of(cls, session: Session, who: Identity) -> SessionBody:
        """Return the HTTP form."""
        return cls(
            session_id=session.session_id,
            agent=session.agent,
            created_at=datetime.fromisoformat(session.created_at),
            used_at=datetime.fromisoformat(session.used_at),
            expires_at=datetime.fromtimestamp(session.expires_at, UTC),
            is_this=session.session_id == who.session_id,
        )


class SessionList(BaseModel):
    """Logins, newest first."""

    sessions: list[SessionBody]


class NewInvite(BaseModel):
    """What the invited will be."""

    role: Literal["listener", "contributor"] = "contributor"


class InviteBody(BaseModel):
    """The permission to make one account."""

    invite_id: str
    role: str
    created_at: datetime
    expires_at: datetime

    @classmethod
    def of(cls, invite: Invite, **members: Any) -> Self:
        """Return the HTTP form."""
        return cls(
            invite_id=invite.code_hash,
            role=invite.role,
            created_at=datetime.fromisoformat(invite.created_at),
            expires_at=datetime.fromtimestamp(invite.expires_at, UTC),
            **members,
        )


class CreatedInvite(InviteBody):
    """An invite with its code, which is told only now."""

    code: str


class InviteList(BaseModel):
    """Invites that are still good."""

    invites: list[InviteBody]


class NewApiKey(BaseModel):
    """What a machine is to be called, and what it may do."""

    name: str = Field(min_length=1, max_length=100)
    scopes: set[Scope] = Field(min_length=1)


class ApiKeyBody(BaseModel):
    """A machine's key, without what makes it one."""

    key_id: str
    name: str
    scopes: list[str]
    created_at: datetime

    @classmethod
    def of(cls, key: ApiKey, **members: Any) -> Self:
        """Return the HTTP form."""
        return cls(
            key_id=key.key_id,
            name=key.name,
            scopes=key.scopes,
            created_at=datetime.fromisoformat(key.created_at),
            **members,
        )


class CreatedApiKey(ApiKeyBody):
    """A key with its text, which is told only now."""

    api_key: str


class ApiKeyList(BaseModel):
    """Keys, newest first."""

    api_keys: list[ApiKeyBody]


class Exchange(BaseModel):
    """A machine's key."""

    api_key: str = Field(max_length=200)


def routes(
    service: AuthService,
    sessions: Sessions,
    api_keys: ApiKeys,
    keys: SigningKeys,
    limits: RateLimits,
    settings: AuthSettings,
) -> APIRouter:
    """Return the routes under ``/v1/auth``."""
    router = APIRouter(prefix="/v1/auth", tags=["auth"], responses=PROBLEM_RESPONSES)
    wrong_per_minute = settings.wrong_passwords_per_minute

    # --- To come in ---

    @router.post("/signup", status_code=201)
    async def sign_up(account: NewAccount, request: Request) -> Account:
        """Make an account. The first one runs the instance."""
        await limits.take("sign-up", address_of(request), per_minute=settings.signups_per_minute)
        return Account.of(await service.sign_up(account.username, account.password, account.invite))

    @router.post("/login")
    async def log_in(
        credentials: Credentials, request: Request, user_agent: Annotated[str, Header()] = ""
    ) -> TokenPair:
        """Sign in with a password."""
        agent = user_agent[:AGENT_CHARACTERS]
        async with limits.take_if_rejected("login", address_of(request), per_minute=wrong_per_minute):
            return TokenPair.of(await service.log_in(credentials.username, credentials.password, agent))

    @router.post("/refresh")
    async def refresh(body: RefreshToken) -> TokenPair:
        """Exchange a refresh token, which works once, for new tokens. Used again, it ends the session."""
        return TokenPair.of(await sessions.refresh(body.refresh_token))

    @router.post("/token")
    async def token(body: Exchange, request: Request) -> AccessToken:
        """Exchange an API key for an access token."""
        async with limits.take_if_rejected("API key", address_of(request), per_minute=wrong_per_minute):
            access_token, life_s = await api_keys.exchange(body.api_key)
        return AccessToken(access_token=access_token, expires_in_s=life_s)

    @router.get("/keys")
    async def get_keys() -> dict[str, Any]:
        """Publish the keys that verify access tokens, as a JSON Web Key Set."""
        return keys.key_set

    # --- To leave ---

    @router.post("/logout", status_code=204)
    async def log_out(body: RefreshToken) -> None:
        """End a session."""
        await sessions.end(body.refresh_token)

    @router.post("/logout-everywhere", status_code=204)
    async def log_out_everywhere(who: InSession) -> None:
        """End all sessions, this one too."""
        await service.end_all_sessions(who)

    @router.get("/sessions")
    async def list_sessions(who: InSession) -> SessionList:
        """List the sessions that have not ended, newest first."""
        return SessionList(sessions=[SessionBody.of(session, who) for session in await service.list_sessions(who)])

    @router.delete("/sessions/{session_id}", status_code=204)
    async def end_session(who: InSession, session_id: Id) -> None:
        """End a session; access tokens of it live on for their few minutes."""
        await service.end_session(who, session_id)

    # --- The account ---

    @router.get("/me")
    async def me(identity: SignedIn) -> Account:
        """Tell who is signed in."""
        return Account.of(identity)

    @router.post("/password", status_code=204)
    async def change_password(who: InSession, change: PasswordChange) -> None:
        """Set another password. All other sessions end; API keys stay."""
        async with limits.take_if_rejected("password", who.user_id, per_minute=wrong_per_minute):
            await service.change_password(who, change.old_password, change.new_password)

    @router.post("/delete-account", status_code=204)
    async def delete_account(who: InSession, confirmation: Confirmation) -> None:
        """Delete the account with its sessions and keys."""
        async with limits.take_if_rejected("password", who.user_id, per_minute=wrong_per_minute):
            await service.delete_account(who, confirmation.password)

    # --- Keys of machines ---

    @router.post("/api-keys", status_code=201)
    async def create_api_key(who: InSession, new: NewApiKey) -> CreatedApiKey:
        """Make a key for a machine. Its text is in this answer and nowhere else."""
        key, text = await api_keys.create(who.user_id, new.name, new.scopes)
        return CreatedApiKey.of(key, api_key=text)

    @router.get("/api-keys")
    async def list_api_keys(who: InSession) -> ApiKeyList:
        """List your machines' keys, newest first."""
        return ApiKeyList(api_keys=[ApiKeyBody.of(key) for key in await api_keys.list(who.user_id)])

    @router.delete("/api-keys/{key_id}", status_code=204)
    async def revoke_api_key(who: InSession, key_id: Id) -> None:
        """Revoke a key; access tokens that were got for it live on for their few minutes."""
        await api_keys.revoke(who.user_id, key_id)

    # --- Invites ---

    @router.post("/invites", status_code=201)
    async def create_invite(who: InSession, new: NewInvite) -> CreatedInvite:
        """Invite somebody. The code is in this answer and nowhere else, and works once."""
        invite, code = await service.create_invite(_admin(who), new.role)
        return CreatedInvite.of(invite, code=code)

    @router.get("/invites")
    async def list_invites(who: InSession) -> InviteList:
        """List the invites that are still good."""
        _admin(who)
        return InviteList(invites=[InviteBody.of(invite) for invite in await service.list_invites()])

    @router.delete("/invites/{invite_id}", status_code=204)
    async def withdraw_invite(who: InSession, invite_id: Id) -> None:
        """Withdraw an invite."""
        _admin(who)
        await service.withdraw_invite(invite_id)

    return router


def _admin(who: Identity) -> Identity:
    if not who.is_admin:
        raise Rejected("role_missing", "only the admin may do this", status=403)
    return who
