"""What do requests and answers of auth look like?"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, Field

from services.auth.names import Username
from services.auth.sessions import TOKEN_CHARACTERS, Tokens
from services.auth.store import ApiKey, Invite, Session, User
from shared.runtime.identity import Identity, Scope

Role = Literal["listener", "contributor", "admin"]

NewPassword = Annotated[str, Field(min_length=12, max_length=128, description="12 to 128 characters of any kind.")]
Password = Annotated[str, Field(max_length=128)]


class NewAccount(BaseModel):
    """Who wants an account."""

    username: Username
    password: NewPassword
    invite: str | None = Field(None, max_length=64, description="The code of an invite, where one is needed.")


class SignupDoor(BaseModel):
    """Who may make an account: everybody, those who are invited, or nobody."""

    signup: Literal["open", "invite", "closed"]


class Credentials(BaseModel):
    """Who wants to sign in."""

    username: str = Field(max_length=64)
    password: Password
    session: Literal["token", "cookie"] = Field(
        "token",
        description="Where the refresh token goes: into the answer, or, for a page of this server in a browser, "
        "into a cookie that no script can read.",
    )


class RefreshToken(BaseModel):
    """A session to go on with, or to end."""

    refresh_token: str | None = Field(
        None, max_length=TOKEN_CHARACTERS, description="Left out by a browser that keeps it in the cookie."
    )


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
    def of(cls, somebody: User | Identity) -> Self:
        """Return the HTTP form."""
        return cls.model_validate(somebody, from_attributes=True)


class AccessToken(BaseModel):
    """An access token for requests."""

    access_token: str
    token_type: str = "Bearer"
    expires_in_s: int

    @classmethod
    def of(cls, tokens: Tokens) -> Self:
        """Return the HTTP form."""
        return cls.model_validate(tokens, from_attributes=True)


class TokenPair(AccessToken):
    """An access token for requests, and a refresh token to get the next one."""

    refresh_token: str


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


def _without_repetition(scopes: object) -> object:
    if isinstance(scopes, list) and any(scope in scopes[:place] for place, scope in enumerate(scopes)):
        raise ValueError("a scope is named once")
    return scopes


class NewApiKey(BaseModel):
    """What a machine is to be called, and what it may do."""

    name: str = Field(min_length=1, max_length=100)
    scopes: Annotated[set[Scope], Field(min_length=1), BeforeValidator(_without_repetition)]


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


class UserBody(Account):
    """An account as an admin sees it."""

    role: Role
    created_at: datetime


class UserPage(BaseModel):
    """Accounts, oldest first, and where the next page begins."""

    users: list[UserBody]
    next_cursor: str | None


class RoleChange(BaseModel):
    """What somebody may do from now on."""

    role: Role
