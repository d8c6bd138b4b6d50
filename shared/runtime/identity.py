"""Who is asking? Tokens are issued by the auth service and verified where they arrive, with its published keys."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import jwt
from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from jwt.algorithms import OKPAlgorithm

from shared.errors import Rejected, Unavailable

ALGORITHM = "EdDSA"
ISSUER = "tunescout"
AUDIENCE = "tunescout-api"
TOKEN_TYPE = "at+jwt"
CLOCK_LEEWAY_S = 10
REFETCH_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody who has signed in."""

    user_id: str
    username: str
    role: str

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
        self._keys = {key["kid"]: OKPAlgorithm.from_jwk(key) for key in key_set["keys"]}

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
        return Identity(claims["sub"], str(claims.get("name", "")), str(claims.get("role", "listener")))

    async def _find(self, key_id: str) -> Any:
        if key_id not in self._keys and self._url is not None:
            async with self._fetching:
                if key_id not in self._keys and time.monotonic() - self._fetched_at >= REFETCH_PAUSE_S:
                    await self._fetch(self._url)
        if key_id in self._keys:
            return self._keys[key_id]
        if self._failure is not None:
            raise Unavailable("the keys of the auth service cannot be read") from self._failure
        raise jwt.InvalidTokenError("unknown key")

    async def _fetch(self, url: str) -> None:
        try:
            async with httpx.AsyncClient(timeout=5) as client:
                answer = (await client.get(url)).raise_for_status()
            self.publish(answer.json())
            self._failure = None
        except (httpx.HTTPError, ValueError, KeyError) as error:
            self._failure = error
        # After a failure too: requests that wait for one another's attempts would wait for ever.
        self._fetched_at = time.monotonic()


def _key_id(token: str) -> str:
    header = jwt.get_unverified_header(token)
    if header.get("typ") != TOKEN_TYPE or header.get("alg") != ALGORITHM:
        raise jwt.InvalidTokenError("not an access token")
    return str(header.get("kid"))


_bearer = HTTPBearer(auto_error=False, description="An access token of `POST /v1/auth/login`.")


async def signed_in(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Identity:
    """Return who is asking, or refuse with 401."""
    if credentials is None:
        raise Rejected("not_signed_in", "log in first: this needs an access token", status=401)
    keys: PublishedKeys = request.app.state.keys
    return await keys.verify(credentials.credentials)


SignedIn = Annotated[Identity, Depends(signed_in)]
"""A route's parameter of this type makes the route private."""


async def maybe_signed_in(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Identity | None:
    """Return who is asking, if they say so and it is true."""
    if credentials is None:
        return None
    try:
        return await signed_in(request, credentials)
    except Rejected:
        return None


MaybeSignedIn = Annotated[Identity | None, Depends(maybe_signed_in)]
"""A route's parameter of this type tells who is asking, where the route is open to everybody."""
