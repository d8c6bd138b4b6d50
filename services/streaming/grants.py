"""Who may play this package, and until when?

A grant is a signed token in the path, because players cannot send headers with every segment. It opens one package of
one song for one user, and nothing else.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import jwt

from shared.errors import Rejected

ALGORITHM = "HS256"
AUDIENCE = "tunescout-media"


@dataclass(frozen=True, slots=True)
class Grant:
    """The permission of a user to play a package."""

    user_id: str
    song_id: str
    package_id: str
    expires_at: datetime


class Grants:
    """Gives grants, and tells whether one is good.

    Parameters
    ----------
    read_key : callable
        Returns the key that all replicas of this service share; called once.
    """

    def __init__(self, read_key: Callable[[], Awaitable[bytes]]) -> None:
        self._read_key = read_key
        self._key: bytes | None = None

    async def give(self, user_id: str, song_id: str, package_id: str, *, valid_s: float) -> tuple[Grant, str]:
        """Return a grant, and the token that proves it."""
        expires_at = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=round(valid_s))
        claims = {"aud": AUDIENCE, "sub": user_id, "song": song_id, "package": package_id, "exp": expires_at}
        token = jwt.encode(claims, await self._shared_key(), algorithm=ALGORITHM)
        return Grant(user_id, song_id, package_id, expires_at), token

    async def check(self, token: str, song_id: str, package_id: str) -> Grant:
        """Return the grant that a token proves.

        Raises
        ------
        Rejected
            It is none of ours, was altered, has expired, or is for another song or package (all with status 403).
        """
        try:
            claims = jwt.decode(
                token,
                await self._shared_key(),
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                options={"require": ["aud", "exp", "sub", "song", "package"]},
            )
        except jwt.ExpiredSignatureError:
            raise Rejected("grant_expired", "the grant has expired; ask for the stream again", status=403) from None
        except jwt.InvalidTokenError:
            raise Rejected("grant_invalid", "this is no grant to play anything", status=403) from None
        if (claims["song"], claims["package"]) != (song_id, package_id):
            raise Rejected("grant_invalid", "the grant is for something else", status=403)
        return Grant(claims["sub"], song_id, package_id, datetime.fromtimestamp(claims["exp"], UTC))

    async def _shared_key(self) -> bytes:
        if self._key is None:
            self._key = await self._read_key()
        return self._key
