"""Who is asking? Tokens are issued by the auth service and verified where they arrive, with its published keys."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import httpx
import jwt
from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes
from jwt.algorithms import OKPAlgorithm

from shared.errors import Rejected, Unavailable

ALGORITHM = "EdDSA"
ISSUER = "tunescout"
AUDIENCE = "tunescout-api"
TOKEN_TYPE = "at+jwt"  # a name, no secret  # nosec B105
CLOCK_LEEWAY_S = 10
REFETCH_PAUSE_S = 5.0
KEYS_LIFE_S = 600.0
"""So long keys are used before they are asked for again, because one may have been withdrawn."""

Scope = Literal["read", "identify", "upload", "write"]
"""What a token that was got for an API key is good for; `write` is every change that is neither of the other two."""
_SAFE_METHODS = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who has signed in.

    Parameters
    ----------
    role : str
        ``listener``: searches, plays and asks; ``contributor``: uploads too; ``admin``: runs the instance.
    session_id : str or None
        The session that the token belongs to; None where a machine has got it for an API key.
    scopes : frozenset of str or None
        All that the token is good for; None for everything that the role permits.
    """

    user_id: str
    username: str
    role: str
    session_id: str | None = None
    scopes: frozenset[str] | None = None

    @property
    def is_admin(self) -> bool:
        """Whether this person runs the instance."""
        return self.role == "admin"


class PublishedKeys:
    """The public keys of the auth service, by key id.

    Parameters
    ----------
    url : str or None
        Where auth publishes them; read when an unknown key id appears, at most once in `REFETCH_PAUSE_S`. None where
        this process hosts auth itself: then nobody else's keys count.
    """

    def __init__(self, url: str | None) -> None:
        self._url = url
        self._keys: dict[str, Any] = {}
        self._fetched_at = -math.inf
        self._failure: Exception | None = None
        self._fetching = asyncio.Lock()

    def publish(self, key_set: dict[str, Any]) -> None:
        """Take over a JSON Web Key Set: fetched, or of the auth service in this very process."""
        usable = (key for key in key_set["keys"] if key.get("alg") == ALGORITHM)
        self._keys = {key["kid"]: OKPAlgorithm.from_jwk(key) for key in usable}

    async def verify(self, token: str) -> Identity:
        """Check a token's signature, issuer, audience, type and times.

        Raises
        ------
        Rejected
            The token is not ours, altered or expired (status 401).
        Unavailable
            The auth service did not tell its keys.
        """
        try:
            key = await self._find(_key_id(token))
            claims = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                leeway=CLOCK_LEEWAY_S,
                options={"require": ["exp", "iat", "sub", "aud", "iss"]},
            )
        except jwt.ExpiredSignatureError:
            raise Rejected(
                "token_expired", "the access token has expired; refresh it or log in again", status=401
            ) from None
        except jwt.InvalidTokenError:
            raise Rejected("token_invalid", "the access token is not valid here; log in again", status=401) from None
        return _identity(claims)

    async def _find(self, key_id: str) -> Any:
        if self._url is not None and self._is_due(key_id):
            async with self._fetching:
                if self._is_due(key_id):
                    await self._fetch(self._url)
        if key_id in self._keys:
            return self._keys[key_id]
        if self._failure is not None:
            raise Unavailable("the keys of the auth service cannot be read") from self._failure
        raise jwt.InvalidTokenError("unknown key")

    def _is_due(self, key_id: str) -> bool:
        age_s = time.monotonic() - self._fetched_at
        return age_s >= (KEYS_LIFE_S if key_id in self._keys else REFETCH_PAUSE_S)

    async def _fetch(self, url: str) -> None:
        try:
            async with httpx.AsyncClient(timeout=5, trust_env=False) as client:
                answer = (await client.get(url)).raise_for_status()
            self.publish(answer.json())
            self._failure = None
        except (httpx.HTTPError, jwt.InvalidKeyError, ValueError, KeyError) as error:
            self._failure = error
        # After a failure too: requests that wait for one another's attempts would wait for ever.
        self._fetched_at = time.monotonic()


def _key_id(token: str) -> str:
    header = jwt.get_unverified_header(token)
    if header.get("typ") != TOKEN_TYPE or header.get("alg") != ALGORITHM:
        raise jwt.InvalidTokenError("not an access token")
    return str(header.get("kid"))


def _identity(claims: dict[str, Any]) -> Identity:
    scope, session_id = claims.get("scope"), claims.get("sid")
    return Identity(
        user_id=claims["sub"],
        username=str(claims.get("name", "")),
        role=str(claims.get("role", "listener")),
        session_id=None if session_id is None else str(session_id),
        scopes=None if scope is None else frozenset(str(scope).split()),
    )


_bearer = HTTPBearer(auto_error=False, description="An access token of `POST /v1/auth/login`.")


Credentials = Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]


async def _verified(request: Request, credentials: Credentials) -> Identity:
    if credentials is None:
        raise Rejected("not_signed_in", "log in first: this needs an access token", status=401)
    keys: PublishedKeys = request.app.state.keys
    return await keys.verify(credentials.credentials)


async def signed_in(
    needed: SecurityScopes, request: Request, identity: Annotated[Identity, Depends(_verified)]
) -> Identity:
    """Return who is asking, or refuse with 401, or with 403 where the token is not good for this route.

    A route that names no scope needs ``read`` where it only reads, else ``write``.
    """
    scopes = needed.scopes or ["read" if request.method in _SAFE_METHODS else "write"]
    if identity.scopes is not None and not identity.scopes.issuperset(scopes):
        reason = f"this needs a key with the scope {' and '.join(scopes)}"
        raise Rejected("scope_missing", reason, status=403)
    return identity


SignedIn = Annotated[Identity, Depends(signed_in)]
"""A route's parameter of this type makes the route private."""

Asking = Annotated[Identity, Security(signed_in, scopes=["identify"])]
"""A route's parameter of this type makes the route private, and open to keys that may ask for the names of songs."""


async def in_session(identity: Annotated[Identity, Depends(_verified)]) -> Identity:
    """Return who is asking, if a person has signed in: a machine's key decides nothing about its owner's account."""
    if identity.session_id is None:
        raise Rejected("session_needed", "an API key cannot do this: log in with the password", status=403)
    return identity


InSession = Annotated[Identity, Depends(in_session)]
"""A route's parameter of this type keeps the keys of machines out."""


async def uploader(identity: SignedIn) -> Identity:
    """Return who is asking, if they may add songs."""
    if identity.role not in ("contributor", "admin"):
        reason = f"a {identity.role} cannot upload: ask the admin for the role contributor"
        raise Rejected("role_missing", reason, status=403)
    return identity


Uploader = Annotated[Identity, Security(uploader, scopes=["upload"])]
"""A route's parameter of this type lets only those in who may add songs."""


async def maybe_signed_in(request: Request, credentials: Credentials) -> Identity | None:
    """Return who is asking, if they say so and it is true."""
    if credentials is None:
        return None
    try:
        return await _verified(request, credentials)
    except Rejected:
        return None


MaybeSignedIn = Annotated[Identity | None, Depends(maybe_signed_in)]
"""A route's parameter of this type tells who is asking, where the route is open to everybody."""
