"""What can a client ask of auth over HTTP?"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import AfterValidator, BaseModel, Field

from services.auth.keys import SigningKey
from services.auth.service import AuthService, Tokens
from shared.runtime.identity import Identity, SignedIn
from shared.runtime.problems import PROBLEM_RESPONSES


def _printable(name: str) -> str:
    if not name.isprintable() or name != name.strip():
        raise ValueError("a user name has printable characters only, and no space at its ends")
    return name


Username = Annotated[str, Field(min_length=3, max_length=64), AfterValidator(_printable)]


class NewAccount(BaseModel):
    """Who wants an account."""

    username: Username
    password: str = Field(min_length=12, max_length=128, description="12 to 128 characters of any kind.")


class Credentials(BaseModel):
    """Who wants to sign in."""

    username: str = Field(max_length=64)
    password: str = Field(max_length=128)


class RefreshToken(BaseModel):
    """A session to go on with, or to end."""

    refresh_token: str = Field(max_length=128)


class Account(BaseModel):
    """An account as its owner sees it."""

    user_id: str
    username: str
    role: str


class TokenPair(BaseModel):
    """An access token for requests, and a refresh token to get the next one."""

    access_token: str
    token_type: str = "Bearer"
    expires_in_s: int
    refresh_token: str

    @classmethod
    def of(cls, tokens: Tokens) -> TokenPair:
        """Return the HTTP form."""
        return cls(
            access_token=tokens.access_token, expires_in_s=tokens.expires_in_s, refresh_token=tokens.refresh_token
        )


def routes(service: AuthService, key: SigningKey) -> APIRouter:
    """Return the routes under ``/v1/auth``."""
    router = APIRouter(prefix="/v1/auth", tags=["auth"], responses=PROBLEM_RESPONSES)

    @router.post("/signup", status_code=201)
    async def sign_up(account: NewAccount) -> Account:
        """Make an account. The first one runs the instance."""
        user = await service.sign_up(account.username, account.password)
        return Account(user_id=user.user_id, username=user.username, role=user.role)

    @router.post("/login")
    async def log_in(credentials: Credentials) -> TokenPair:
        """Sign in with a password."""
        return TokenPair.of(await service.log_in(credentials.username, credentials.password))

    @router.post("/refresh")
    async def refresh(body: RefreshToken) -> TokenPair:
        """Exchange a refresh token, which works once, for new tokens."""
        return TokenPair.of(await service.refresh(body.refresh_token))

    @router.post("/logout", status_code=204)
    async def log_out(body: RefreshToken) -> None:
        """End a session."""
        await service.log_out(body.refresh_token)

    @router.get("/me")
    async def me(identity: SignedIn) -> Account:
        """Tell who is signed in."""
        return _account(identity)

    @router.get("/keys")
    async def keys() -> dict[str, Any]:
        """Publish the keys that verify access tokens, as a JSON Web Key Set."""
        return key.key_set

    return router


def _account(identity: Identity) -> Account:
    return Account(user_id=identity.user_id, username=identity.username, role=identity.role)
