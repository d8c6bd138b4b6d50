"""How do made-up requests sign in, without ending the accounts that they sign in with?

Schemathesis loads this file in its own process (``SCHEMATHESIS_HOOKS``). Accounts and songs that the run lives on are
in the file that ``CONTRACT_WORLD`` names. Whoever would end or change one of them gets one made for that instead:

- what ends its own account or sessions is asked by a throw-away account, whose password the dictionaries know; when
  that worked, the next one is made;
- whom an admin demotes or deletes, and which song somebody deletes, is a new one where it would be one of the run's.

Tokens live for minutes, so everybody signs in again and again, by password.
"""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import Any

import httpx
import schemathesis
from hypothesis import strategies as st
from schemathesis import AuthContext, Case, HookContext, Response
from schemathesis.core.failures import Failure
from schemathesis.openapi.checks import EnsureResourceAvailability, RejectedPositiveData

from bench.contract_world import PASSWORD, World, clip

ENDING = frozenset(
    {
        "POST /v1/auth/delete-account",
        "POST /v1/auth/logout-everywhere",
        "POST /v1/auth/password",
        "DELETE /v1/auth/sessions/{session_id}",
    }
)
"""What ends the account that asks, or its sessions."""
KEPT_USERS = frozenset({"PATCH /v1/auth/users/{user_id}", "DELETE /v1/auth/users/{user_id}"})
KEPT_SONGS = frozenset({"DELETE /v1/songs/{song_id}"})
OPAQUE = "a cursor or a name is text like any other; which ones there are, a schema can't say"
TWO_FIELDS = "a rule about two fields, which JSON Schema does not have"
STATE = "right in itself, and not for what is there now"
LIMIT = "a limit that is a setting of the instance"
CATEGORIES = "generated text has characters that Unicode has not assigned"
FOLDED = "no schema can tell how long a text is when its letters are folded"
RIGHTLY_REFUSED = {
    "cursor_invalid": OPAQUE,
    "nothing_left": TWO_FIELDS,
    "preset_or_settings": TWO_FIELDS,
    "idempotency_key_reused": STATE,
    "precondition_failed": STATE,
    "precondition_required": STATE,
    "too_large": LIMIT,
    "a band-pass needs both band_pass_low_hz and band_pass_high_hz": TWO_FIELDS,
    "band_pass_low_hz must be below band_pass_high_hz": TWO_FIELDS,
    "there is no readable character in it": CATEGORIES,
    "a user name has printable characters only, and no space at its ends": CATEGORIES,
    "a user name has fewer letters that stand for many": FOLDED,
    "a name has no control characters, no slash, and no space at its ends": CATEGORIES,
    "a name is UTF-8": CATEGORIES,
}
"""Which requests fit their schema and are refused all the same, by the code of the problem or the sentence, and why."""
SIGNED_IN_S = 240
DEADLINE_S = 60.0

world = World.load(Path(os.environ["CONTRACT_WORLD"]))
role = os.environ["CONTRACT_ROLE"]
http = httpx.Client(base_url=world.url, timeout=DEADLINE_S)
throw_away: list[tuple[str, float]] = []
"""The token of the account that is used up next, if there is one, and when it was issued on the monotonic clock."""


def _token(username: str) -> str:
    body = {"username": username, "password": PASSWORD}
    token: str = http.post("/v1/auth/login", json=body).raise_for_status().json()["access_token"]
    return token


def _new_user() -> dict[str, Any]:
    body = {"username": f"passing-{secrets.token_hex(8)}", "password": PASSWORD}
    user: dict[str, Any] = http.post("/v1/auth/signup", json=body).raise_for_status().json()
    return user


def _new_song(authorization: str) -> str:
    body = {"file_name": "passing.wav", "size_bytes": 1000}
    answer = http.post("/v1/songs", json=body, headers={"Authorization": authorization}).raise_for_status()
    song_id: str = answer.json()["song"]["id"]
    return song_id


@schemathesis.auth(refresh_interval=SIGNED_IN_S)
class OfTheRun:
    """Signs requests of the run's own account."""

    def get(self, case: Case[Any], context: AuthContext) -> str:
        """Return an access token."""
        return _token(world.people[role].username)

    def set(self, case: Case[Any], token: str, context: AuthContext) -> None:
        """Put it into a request."""
        if context.operation.label in ENDING:
            if not throw_away or time.monotonic() - throw_away[0][1] > SIGNED_IN_S:
                throw_away[:] = [(_token(_new_user()["username"]), time.monotonic())]
            token = throw_away[0][0]
        case.headers["Authorization"] = f"Bearer {token}"


@schemathesis.hook
def before_call(context: HookContext, case: Case[Any], kwargs: dict[str, Any]) -> None:
    """Put a new account or song in the place of one that the run lives on."""
    given = case.path_parameters or {}
    kept_users = {person.user_id for person in world.people.values()}
    if case.operation.label in KEPT_USERS and given.get("user_id") in kept_users:
        case.path_parameters["user_id"] = _new_user()["user_id"]
    if case.operation.label in KEPT_SONGS and given.get("song_id") in world.songs.values():
        case.path_parameters["song_id"] = _new_song(f"Bearer {_token(world.people[role].username)}")


@schemathesis.hook
def after_call(context: HookContext, case: Case[Any], response: Response) -> None:
    """Give up a throw-away account that was used up."""
    if case.operation.label in ENDING and response.status_code == 204:
        throw_away.clear()


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    """Let nothing pass but a refusal that is right though no schema can say why."""
    if isinstance(failure, RejectedPositiveData):
        return not set(_reasons(response)) <= RIGHTLY_REFUSED.keys()
    if isinstance(failure, EnsureResourceAvailability):
        return bool(response.json()["code"] != "no_cover")  # the song is there, and its file carried no picture
    return True


def _reasons(response: Response) -> list[str]:
    problem = response.json()
    if problem["code"] != "invalid_request":
        return [problem["code"]]
    return [error["detail"].removeprefix("Value error, ") for error in problem["errors"]]


CLIPS = st.one_of(st.sampled_from([clip(seed) for seed in range(3)]), st.binary(min_size=1, max_size=2000))
schemathesis.openapi.media_type("audio/*", CLIPS)
schemathesis.openapi.media_type("application/octet-stream", CLIPS)
