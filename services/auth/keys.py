"""Which key signs the tokens, and what may everybody know of it?"""

from __future__ import annotations

import json
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

from shared.runtime.identity import ALGORITHM, AUDIENCE, ISSUER, TOKEN_TYPE, Identity
from shared.runtime.private_file import write_private


class SigningKey:
    """An Ed25519 key that signs access tokens."""

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self._key = key
        public = key.public_key()
        self._kid = sha256(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]

    @property
    def key_set(self) -> dict[str, Any]:
        """The public half as a JSON Web Key Set."""
        public = json.loads(OKPAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [{**public, "kid": self._kid, "alg": ALGORITHM, "use": "sig"}]}

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
        return jwt.encode(claims, self._key, algorithm=ALGORITHM, headers={"typ": TOKEN_TYPE, "kid": self._kid})


def load_signing_key(configured: SecretStr | None, *, environment: str, data_dir: Path) -> SigningKey:
    """Return the configured key, or the one of this machine, made at the first start.

    Raises
    ------
    SystemExit
        No key is configured, and this is not a local environment.
    """
    if configured is not None:
        key = load_pem_private_key(configured.get_secret_value().encode(), password=None)
        if not isinstance(key, Ed25519PrivateKey):
            raise SystemExit("TUNESCOUT_AUTH_SIGNING_KEY is not an Ed25519 private key")
        return SigningKey(key)
    if environment != "local":
        raise SystemExit("set TUNESCOUT_AUTH_SIGNING_KEY: outside the local environment no key is made up")
    return SigningKey(_local_key(data_dir / "signing-key.pem"))


def _local_key(path: Path) -> Ed25519PrivateKey:
    if not path.exists():
        pem = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(path, pem)
    key = load_pem_private_key(path.read_bytes(), password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return key
