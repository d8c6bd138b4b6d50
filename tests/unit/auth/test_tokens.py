"""Which tokens open a door, before, while and after keys are rotated?"""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from jwt.algorithms import OKPAlgorithm, RSAAlgorithm
from pydantic import SecretStr, ValidationError

from services.auth.keys import FILE_NAME, SigningKeys, load_keys, rotated, watch
from services.auth.settings import AuthSettings
from services.hosting import rotate_keys
from shared.errors import Rejected
from shared.runtime.identity import AUDIENCE, ISSUER, TOKEN_TYPE, Identity, PublishedKeys
from shared.storage.personal import MARKED_S
from tests.unit.auth.conftest import Served, bearer, newcomer

ADA = Identity("01ADA", "ada", "contributor", "01SESSION")


def signing_key(pem: bytes) -> Ed25519PrivateKey:
    key = load_pem_private_key(pem, password=None)
    assert isinstance(key, Ed25519PrivateKey)
    return key


def claims(**changes: Any) -> dict[str, Any]:
    now = datetime.now(UTC)
    right = {"iss": ISSUER, "aud": AUDIENCE, "sub": "01ADA", "iat": now, "exp": now + timedelta(minutes=10)}
    return {name: value for name, value in (right | changes).items() if value is not None}


LATER = datetime.now(UTC) + timedelta(hours=1)
BEFORE = datetime.now(UTC) - timedelta(hours=1)
WRONG = {
    "other audience": ({"aud": "somebody-else"}, {}),
    "no audience": ({"aud": None}, {}),
    "other issuer": ({"iss": "somebody-else"}, {}),
    "other type": ({}, {"typ": "JWT"}),
    "no type": ({}, {"typ": None}),
    "other key id": ({}, {"kid": "0" * 16}),
    "issued in the future": ({"iat": LATER, "exp": LATER + timedelta(minutes=10)}, {}),
    "not valid yet": ({"nbf": LATER}, {}),
    "expired": ({"iat": BEFORE, "exp": BEFORE + timedelta(minutes=10)}, {}),
    "no expiry": ({"exp": None}, {}),
    "nobody": ({"sub": None}, {}),
}


@pytest.mark.parametrize(("changes", "header"), WRONG.values(), ids=WRONG.keys())
async def test_a_token_that_is_not_ours_today_is_refused(changes: dict[str, Any], header: dict[str, Any]) -> None:
    pem = rotated(b"")
    published, kid = PublishedKeys(None), SigningKeys(pem).key_set["keys"][0]["kid"]
    published.publish(SigningKeys(pem).key_set)
    headers = {"typ": TOKEN_TYPE, "kid": kid}
    right = jwt.encode(claims(), signing_key(pem), "EdDSA", headers=headers)
    assert (await published.verify(right)).user_id == "01ADA"

    wrong = jwt.encode(claims(**changes), signing_key(pem), "EdDSA", headers=headers | header)
    with pytest.raises(Rejected) as refusal:
        await published.verify(wrong)
    assert refusal.value.status == 401


def encoded(part: dict[str, Any] | bytes) -> str:
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def by_hmac(header: dict[str, Any], body: dict[str, Any], secret: bytes) -> str:
    # By hand, because the library refuses to take a public key for a secret.
    signed = f"{encoded(header | {'alg': 'HS256'})}.{encoded(body)}"
    return f"{signed}.{encoded(hmac.digest(secret, signed.encode(), 'sha256'))}"


def test_no_setting_makes_tokens_that_outlive_the_memory_of_a_deleted_account() -> None:
    with pytest.raises(ValidationError):
        AuthSettings(access_token_s=MARKED_S)


async def test_a_token_without_a_signature_or_of_another_key_or_algorithm_is_refused() -> None:
    pem = rotated(b"")
    keys, published, rsa = SigningKeys(pem), PublishedKeys(None), generate_private_key(65537, 2048)
    public = keys.key_set["keys"][0]
    of_rsa = {**RSAAlgorithm.to_jwk(rsa.public_key(), as_dict=True), "kid": "rsa", "alg": "RS256", "use": "sig"}
    published.publish({"keys": [of_rsa, *keys.key_set["keys"]]})
    header, body = {"typ": TOKEN_TYPE, "kid": public["kid"]}, claims()
    right = jwt.encode(body, signing_key(pem), "EdDSA", headers=header)
    raw, signature = (base64.urlsafe_b64decode(part + "==") for part in (public["x"], right.split(".")[2]))
    of_another_admin = f"{right.split('.')[0]}.{encoded({**jwt_body(right), 'role': 'admin'})}.{encoded(signature)}"
    unsaid = {"typ": TOKEN_TYPE, "alg": "EdDSA"}
    in_pem = signing_key(pem).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    forged = {
        "unsigned": jwt.encode(body, "", "none", headers=header),
        "unsigned in other letters": f"{encoded(header | {'alg': 'nOnE'})}.{right.split('.')[1]}.",
        "signature left out": right.rpartition(".")[0] + ".",
        "another key": jwt.encode(body, Ed25519PrivateKey.generate(), "EdDSA", headers=header),
        "the public key as a secret": by_hmac(header, jwt_body(right), raw),
        "the public key in PEM as a secret": by_hmac(header, jwt_body(right), in_pem),
        "another algorithm": jwt.encode(body, rsa, "RS256", headers=header | {"kid": "rsa"}),
        "a key of another algorithm": jwt.encode(body, signing_key(pem), "EdDSA", headers=header | {"kid": "rsa"}),
        "an algorithm that is not told": f"{encoded(header)}.{right.split('.')[1]}.{encoded(signature)}",
        "a key of its own": jwt.encode(body, KEY, "EdDSA", headers=header | {"jwk": OWN_JWK, "kid": "own"}),
        "extensions that must be understood": jwt.encode(
            body, signing_key(pem), "EdDSA", headers=header | {"crit": ["b64"], "b64": True}
        ),
        "tampered": of_another_admin,
        "a header that is no object": f"{encoded(b'[]')}.{right.split('.')[1]}.{encoded(signature)}",
        "claims that are no object": signed_by_hand(unsaid | header, b"[]", signing_key(pem)),
        "a subject that is no text": signed_by_hand(unsaid | header, {**jwt_body(right), "sub": 1}, signing_key(pem)),
        **{text: text for text in ("", "a.b.c", "ü.ü.ü", right + ".", right + "." + right)},
    }

    assert (await published.verify(right)).user_id == "01ADA"
    believed = [name for name, token in forged.items() if await is_believed(published, token)]
    assert believed == []


async def is_believed(published: PublishedKeys, token: str) -> bool:
    try:
        await published.verify(token)
    except Rejected as refusal:
        return refusal.status != 401
    return True


KEY = Ed25519PrivateKey.generate()
OWN_JWK = OKPAlgorithm.to_jwk(KEY.public_key(), as_dict=True)


def jwt_body(token: str) -> dict[str, Any]:
    body: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return body


def signed_by_hand(header: dict[str, Any], body: dict[str, Any] | bytes, key: Ed25519PrivateKey) -> str:
    signed = f"{encoded(header)}.{encoded(body)}"
    return f"{signed}.{encoded(key.sign(signed.encode()))}"


async def test_a_rotation_signs_with_a_key_that_was_published_before_and_keeps_the_old_one() -> None:
    pem = rotated(b"")
    for _ in range(3):
        following = rotated(pem)
        before, after = SigningKeys(pem), SigningKeys(following)
        knows_the_past, knows_the_present = PublishedKeys(None), PublishedKeys(None)
        knows_the_past.publish(before.key_set)
        knows_the_present.publish(after.key_set)

        old, new = before.sign(ADA, life_s=60), after.sign(ADA, life_s=60)

        assert jwt.get_unverified_header(old)["kid"] != jwt.get_unverified_header(new)["kid"]
        assert await knows_the_past.verify(new) == await knows_the_present.verify(old) == ADA
        pem = following
    with pytest.raises(Rejected):
        await knows_the_present.verify(SigningKeys(rotated(b"")).sign(ADA, life_s=60))
    assert "PRIVATE" not in json.dumps(after.key_set)
    assert all("d" not in key for key in after.key_set["keys"])


async def test_an_instance_with_a_single_key_can_rotate(tmp_path: Path) -> None:
    single = b"".join(rotated(b"").partition(b"-----END PRIVATE KEY-----\n")[:2])
    old = SigningKeys(single).sign(ADA, life_s=60)
    published = PublishedKeys(None)
    published.publish(SigningKeys(rotated(single)).key_set)

    assert await published.verify(old) == ADA
    assert len(published._keys) == 3
    with pytest.raises(SystemExit, match="no private key"):
        load_keys(SecretStr("nonsense"), environment="production", data_dir=tmp_path)


async def test_a_running_service_takes_over_what_the_command_has_rotated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNESCOUT_DATA_DIR", str(tmp_path))
    keys, published = load_keys(None, environment="local", data_dir=tmp_path), PublishedKeys(None)
    old = keys.sign(ADA, life_s=60)
    watching = asyncio.create_task(watch(keys, published, tmp_path / FILE_NAME))

    rotate_keys()
    async with asyncio.timeout(30):
        while keys.sign(ADA, life_s=60).split(".")[0] == old.split(".")[0]:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.05)

    assert await published.verify(old) == await published.verify(keys.sign(ADA, life_s=60)) == ADA
    assert (tmp_path / FILE_NAME).stat().st_mode & 0o777 == 0o600
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


def test_configured_keys_are_rotated_in_the_text_that_is_returned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TUNESCOUT_DATA_DIR", str(tmp_path))
    before = rotated(b"")
    monkeypatch.setenv("TUNESCOUT_AUTH_SIGNING_KEY", before.decode())

    after = rotate_keys()

    assert after is not None
    assert after.startswith(before.decode())
    assert not (tmp_path / FILE_NAME).exists()


# --- Keys of machines ---


@pytest.mark.parametrize(
    ("scope", "open_doors"),
    [("read", ["/read"]), ("identify", ["/identify"]), ("upload", ["/upload"]), ("write", ["/write"])],
)
async def test_a_key_opens_what_its_scopes_name_and_nothing_else(
    client: httpx.AsyncClient, scope: str, open_doors: list[str]
) -> None:
    ada = await newcomer(client, "ada")
    created = await client.post("/v1/auth/api-keys", json={"name": "radio", "scopes": [scope]}, headers=bearer(ada))
    machine = bearer((await client.post("/v1/auth/token", json={"api_key": created.json()["api_key"]})).json())

    opened = [
        path
        for method, path in (("GET", "/read"), ("POST", "/identify"), ("POST", "/upload"), ("POST", "/write"))
        if (await client.request(method, path, headers=machine)).status_code == 200
    ]

    assert opened == open_doors
    for method, path in (("GET", "sessions"), ("POST", "logout-everywhere"), ("GET", "api-keys"), ("GET", "invites")):
        refused = await client.request(method, f"/v1/auth/{path}", headers=machine)
        assert (refused.status_code, refused.json()["code"]) == (403, "session_needed")


async def test_a_key_is_shown_once_and_worthless_once_revoked(served: Served, client: httpx.AsyncClient) -> None:
    ada, eve = await newcomer(client, "ada"), await newcomer(client, "eve")
    body = {"name": "radio", "scopes": ["identify", "read"]}
    created = (await client.post("/v1/auth/api-keys", json=body, headers=bearer(ada))).json()
    text = created.pop("api_key")

    listed = await client.get("/v1/auth/api-keys", headers=bearer(ada))
    assert listed.json() == {"api_keys": [created]}
    kept = await served.accounts.query(f"user#{text.split('.')[1]}", sk_prefix="key#")
    assert text.split(".")[-1] not in str(kept.items)
    assert len(kept.items) == 1

    await client.delete(f"/v1/auth/api-keys/{created['key_id']}", headers=bearer(eve))
    assert (await client.post("/v1/auth/token", json={"api_key": text})).status_code == 200
    assert (await client.post("/v1/auth/token", json={"api_key": text + "x"})).status_code == 401
    await client.delete(f"/v1/auth/api-keys/{created['key_id']}", headers=bearer(ada))
    assert (await client.post("/v1/auth/token", json={"api_key": text})).status_code == 401


async def test_a_key_names_each_scope_once(client: httpx.AsyncClient) -> None:
    ada = await newcomer(client, "ada")
    twice = {"name": "radio", "scopes": ["read", "read"]}

    assert (await client.post("/v1/auth/api-keys", json=twice, headers=bearer(ada))).status_code == 422
