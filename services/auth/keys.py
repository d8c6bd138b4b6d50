"""Which keys sign the tokens, when does the next one take over, and what may everybody know of them?

Keys are kept oldest first as PEM blocks, one after another. The last one waits: it is published but signs nothing yet.
The one before it signs, and older ones only verify. So whoever verifies knows a key before it signs, and for as long as
tokens of it are about; a rotation adds a key at the end and drops the oldest. A key that is alone signs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from jwt.algorithms import OKPAlgorithm
from pydantic import SecretStr

from shared.runtime.identity import ALGORITHM, AUDIENCE, ISSUER, TOKEN_TYPE, Identity, PublishedKeys
from shared.runtime.private_file import write_private

KEPT = 3
"""The one before, the one that signs, and the next one."""
WATCH_PAUSE_S = 2.0
FILE_NAME = "signing-key.pem"
_BLOCK = re.compile(rb"-----BEGIN PRIVATE KEY-----.+?-----END PRIVATE KEY-----\n?", re.DOTALL)


class SigningKeys:
    """Ed25519 keys, one of which signs access tokens.

    Parameters
    ----------
    pem : bytes
        Private keys, oldest first.

    Raises
    ------
    ValueError
        A block is not an Ed25519 private key, or there is none.
    """

    def __init__(self, pem: bytes) -> None:
        self._keys: Sequence[Ed25519PrivateKey] = ()
        self.replace(pem)

    def replace(self, pem: bytes) -> None:
        """Take over other keys."""
        self._keys = _read(pem)

    @property
    def key_set(self) -> dict[str, Any]:
        """The public halves as a JSON Web Key Set."""
        return {"keys": [_public(key) for key in self._keys]}

    def sign(self, identity: Identity, *, life_s: int) -> str:
        """Return an access token (RFC 9068) for somebody."""
        now = datetime.now(UTC)
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": identity.user_id,
            "name": identity.username,
            "role": identity.role,
            "iat": now,
            "exp": now + timedelta(seconds=life_s),
        }
        if identity.session_id is not None:
            claims["sid"] = identity.session_id
        if identity.scopes is not None:
            claims["scope"] = " ".join(sorted(identity.scopes))
        key = self._keys[-2] if len(self._keys) > 1 else self._keys[0]
        return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"typ": TOKEN_TYPE, "kid": _kid(key)})


def load_keys(configured: SecretStr | None, *, environment: str, data_dir: Path) -> SigningKeys:
    """Return the configured keys, or those of this machine, made at the first start.

    Raises
    ------
    SystemExit
        No key is configured, and this is not a local environment.
    """
    if configured is not None:
        try:
            return SigningKeys(configured.get_secret_value().encode())
        except ValueError as error:
            raise SystemExit(f"TUNESCOUT_AUTH_SIGNING_KEY: {error}") from None
    if environment != "local":
        raise SystemExit("set TUNESCOUT_AUTH_SIGNING_KEY: outside the local environment no key is made up")
    path = data_dir / FILE_NAME
    if not path.exists():
        write_private(path, rotated(b""))
    return SigningKeys(path.read_bytes())


def rotated(pem: bytes) -> bytes:
    """Return the keys of the time to come: the one that waited signs, another one waits, the oldest is gone."""
    blocks = _BLOCK.findall(pem)
    blocks = [block.strip() + b"\n" for block in blocks]
    blocks.append(_new())
    if len(blocks) < KEPT:  # nothing has waited yet
        blocks.append(_new())
    return b"".join(blocks[-KEPT:])


async def watch(keys: SigningKeys, published: PublishedKeys, path: Path) -> None:
    """Take over for ever what a rotation has written to the file of this machine."""
    known = b""
    while True:
        with contextlib.suppress(FileNotFoundError):  # made anew at the next start
            if (pem := await asyncio.to_thread(path.read_bytes)) != known:
                known = pem
                keys.replace(pem)
                published.publish(keys.key_set)
        await asyncio.sleep(WATCH_PAUSE_S)


def _read(pem: bytes) -> list[Ed25519PrivateKey]:
    keys = []
    for block in _BLOCK.findall(pem):
        key = load_pem_private_key(block, password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise ValueError("not an Ed25519 private key")  # noqa: TRY004 - the text is wrong
        keys.append(key)
    if not keys:
        raise ValueError("there is no private key in it")
    return keys


def _new() -> bytes:
    return Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _kid(key: Ed25519PrivateKey) -> str:
    return sha256(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def _public(key: Ed25519PrivateKey) -> dict[str, Any]:
    return {**json.loads(OKPAlgorithm.to_jwk(key.public_key())), "kid": _kid(key), "alg": ALGORITHM, "use": "sig"}
