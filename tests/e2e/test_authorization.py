"""Who may do what? A row for each operation of the API, tried by everybody on a private song, a shared one and none."""

from __future__ import annotations

import json
import secrets
import struct
import time
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import BaseRoute, Route
from ulid import ULID

from deploy.local.one_process import OneProcess
from services.auth.keys import FILE_NAME, SigningKeys, rotated
from services.hosting import SERVICES, application, openapi
from shared.runtime.identity import Identity
from shared.runtime.settings import Settings
from tests.e2e.music import SAMPLE_RATE_HZ, write
from tunescout.synthesis import tune

Body = dict[str, Any]


class Door(Enum):
    """What a route asks of whoever knocks, before it looks at any song."""

    OPEN = "nothing: whoever comes, a token is not looked at"
    SIGNED_IN = "a token; that of a machine's key has the scope"
    UPLOADER = "a token, the scope, and a role that may add songs"
    SESSION = "a person who has signed in with a password; no machine's key"
    ADMIN = "such a person, who is an admin"
    GRANT = "a grant in the path; whoever has a token besides is the one whom it was given to"


class Reach(Enum):
    """Whose songs a route reaches. What somebody does not see answers 404, as if it had never been."""

    NONE = "it is about no song, and everything else is one's own"
    SEEN = "one's own songs, and those that are shared"
    OWN_OR_MODERATED = "one's own; an admin reaches shared ones, too"
    OWN = "one's own alone"


@dataclass(frozen=True, slots=True)
class Row:
    """Who is let in, and what the request is.

    Attributes
    ----------
    scope : str
        What a machine's key must be good for.
    ok : int
        Status for those who are let in.
    but : mapping of str to str
        Exceptions: the code of the refusal of somebody who would else be let in.
    path, json, content, headers : object
        A valid request; a name in braces stands for what the instance has under it.
    is_last : bool
        Whether what it reaches is gone afterwards, so that each time another one is taken.
    """

    door: Door
    scope: str = "read"
    reach: Reach = Reach.NONE
    ok: int = 200
    json: Body | None = None
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    path: Mapping[str, str] = field(default_factory=dict)
    but: Mapping[str, str] = field(default_factory=dict)
    is_last: bool = False


OPEN, SIGNED_IN, UPLOADER, SESSION, ADMIN, GRANT = Door
SEEN, OWN_OR_MODERATED, OWN = Reach.SEEN, Reach.OWN_OR_MODERATED, Reach.OWN
SONG_S = 6.0
PASSWORD = "a long pass phrase"
NEW_SONG = {"file_name": "a.wav", "size_bytes": 5, "content_type": "audio/wav"}
NEW_KEY = {"name": "radio", "scopes": ["read"]}
SAME_PASSWORD = {"old_password": "{password}", "new_password": "{password}"}
OWN_NAME = {"name": "{asker}"}
FILE = {"rendition": "128k", "file": "init.mp4"}
ANY = {"If-Match": "*"}
FORGOTTEN = {"ended": "preset_not_found"}
GONE = {"ended": "account_closed"}

# fmt: off
ROWS = {
    # --- Accounts ---
    "GET /v1/auth/signup": Row(OPEN),
    "POST /v1/auth/signup": Row(OPEN, ok=201, json={"username": "{new}", "password": PASSWORD}),
    "POST /v1/auth/login": Row(OPEN, json={"username": "{owner}", "password": PASSWORD}),
    "POST /v1/auth/refresh": Row(OPEN, json={"refresh_token": "{refresh_token}"}),
    "POST /v1/auth/token": Row(OPEN, json={"api_key": "{api_key}"}),
    "GET /v1/auth/keys": Row(OPEN),
    "POST /v1/auth/logout": Row(OPEN, ok=204, json={"refresh_token": "unknown"}),
    "POST /v1/auth/logout-everywhere": Row(SESSION, ok=204),
    "GET /v1/auth/sessions": Row(SESSION),
    "DELETE /v1/auth/sessions/{session_id}": Row(SESSION, ok=204, path={"session_id": "{unknown}"}),
    "GET /v1/auth/me": Row(SIGNED_IN),
    "POST /v1/auth/password": Row(SESSION, ok=204, json=SAME_PASSWORD, but={"ended": "wrong_password"}),
    # Let in, and told that the password is wrong: the one called "ended" has given the right one.
    "POST /v1/auth/delete-account": Row(SESSION, ok=403, json={"password": "not the password"}),
    "GET /v1/auth/api-keys": Row(SESSION),
    "POST /v1/auth/api-keys": Row(SESSION, ok=201, json=NEW_KEY, but={"ended": "account_deleted"}),
    "DELETE /v1/auth/api-keys/{key_id}": Row(SESSION, ok=204, path={"key_id": "{unknown}"}),
    "GET /v1/auth/invites": Row(ADMIN),
    "POST /v1/auth/invites": Row(ADMIN, ok=201, json={"role": "listener"}),
    "DELETE /v1/auth/invites/{invite_id}": Row(ADMIN, ok=204, path={"invite_id": "{unknown}"}),
    "GET /v1/auth/users": Row(ADMIN),
    "PATCH /v1/auth/users/{user_id}": Row(ADMIN, path={"user_id": "{bystander}"}, json={"role": "contributor"}),
    "DELETE /v1/auth/users/{user_id}": Row(ADMIN, ok=204, path={"user_id": "{bystander}"}, is_last=True),
    # --- Songs ---
    "GET /v1/songs": Row(SIGNED_IN),
    "GET /v1/songs/parts": Row(SIGNED_IN),
    "GET /v1/songs/usage": Row(SIGNED_IN),
    "GET /v1/artists": Row(SIGNED_IN),
    "GET /v1/albums": Row(SIGNED_IN),
    "POST /v1/songs": Row(UPLOADER, "upload", ok=201, json=NEW_SONG, but=GONE),
    "GET /v1/songs/{song_id}/upload": Row(UPLOADER, "upload", OWN),
    "POST /v1/songs/{song_id}/complete": Row(UPLOADER, "upload", OWN, ok=202),
    "GET /v1/songs/{song_id}": Row(SIGNED_IN, reach=SEEN),
    "GET /v1/songs/{song_id}/cover": Row(SIGNED_IN, reach=SEEN, ok=307),
    "GET /v1/songs/{song_id}/events": Row(SIGNED_IN, reach=SEEN),
    "PATCH /v1/songs/{song_id}": Row(SIGNED_IN, "write", OWN_OR_MODERATED, json={"album": "Odd"}),
    "DELETE /v1/songs/{song_id}": Row(SIGNED_IN, "write", OWN_OR_MODERATED, ok=204, is_last=True),
    # --- Listening ---
    "GET /v1/songs/{song_id}/stream": Row(SIGNED_IN, reach=SEEN),
    "GET /v1/songs/{song_id}/loudness": Row(SIGNED_IN, reach=SEEN),
    "GET /v1/songs/{song_id}/waveform": Row(SIGNED_IN, reach=SEEN),
    "GET /v1/songs/{song_id}/waveform.svg": Row(SIGNED_IN, reach=SEEN),
    "GET /v1/songs/{song_id}/package": Row(SIGNED_IN, reach=SEEN),
    "GET /v1/songs/{song_id}/package/events": Row(SIGNED_IN, reach=SEEN),
    "POST /v1/songs/{song_id}/package": Row(SIGNED_IN, "write", OWN_OR_MODERATED, ok=202),
    "GET /v1/media/{song_id}/{package_id}/{grant}/{manifest}": Row(GRANT, path={"manifest": "master.m3u8"}),
    "GET /v1/media/{song_id}/{package_id}/{grant}/{rendition}/{file}": Row(GRANT, ok=307, path=FILE),
    # --- The equalizer ---
    "GET /v1/equalizer/response": Row(SIGNED_IN),
    "GET /v1/equalizer/response.svg": Row(SIGNED_IN),
    "GET /v1/equalizer/presets": Row(SIGNED_IN),
    "GET /v1/equalizer/presets/{name}": Row(SIGNED_IN, path={"name": "vocal"}),
    "PUT /v1/equalizer/presets/{name}": Row(SIGNED_IN, "write", ok=201, json={"bass_db": 3}, path=OWN_NAME),
    "DELETE /v1/equalizer/presets/{name}": Row(SIGNED_IN, "write", ok=204, path=OWN_NAME, headers=ANY, but=FORGOTTEN),
    "GET /v1/equalizer/default": Row(SIGNED_IN),
    "PUT /v1/equalizer/default": Row(SIGNED_IN, "write", json={"preset": "vocal"}),
    "GET /v1/songs/{song_id}/equalizer": Row(SIGNED_IN, reach=SEEN),
    "PUT /v1/songs/{song_id}/equalizer": Row(SIGNED_IN, "write", SEEN, json={"preset": "vocal"}),
    "DELETE /v1/songs/{song_id}/equalizer": Row(SIGNED_IN, "write", SEEN, ok=204),
    "POST /v1/songs/{song_id}/renders": Row(SIGNED_IN, "write", SEEN, json={"preset": "flat"}),
    "GET /v1/songs/{song_id}/renders/{render_id}": Row(SIGNED_IN, reach=SEEN),
    "GET /v1/songs/{song_id}/renders/{render_id}/events": Row(SIGNED_IN, reach=SEEN),
    "GET /v1/songs/{song_id}/renders/{render_id}/picture.svg": Row(SIGNED_IN, reach=SEEN),
    # --- Questions ---
    "GET /v1/queries": Row(SIGNED_IN),
    "GET /v1/queries/limits": Row(SIGNED_IN),
    "DELETE /v1/queries": Row(SIGNED_IN, "write", ok=204),
    "DELETE /v1/queries/{query_id}": Row(SIGNED_IN, "write", ok=204, path={"query_id": "{unknown}"}),
    "POST /v1/queries": Row(SIGNED_IN, "identify", content=b"no audio, which is answered quickly"),
}
UNDOCUMENTED = {
    "GET /live", "GET /ready", "GET /metrics", "GET /openapi.json",  # probes, and the document itself
    "GET /blobs/{key:path}", "HEAD /blobs/{key:path}", "PUT /blobs/{key:path}",  # a signature permits them
    "GET /{path:of_pages}", "HEAD /{path:of_pages}",  # the files of the web client
}
# fmt: on

STATUS = {
    "not_signed_in": 401, "token_invalid": 401, "token_expired": 401, "account_closed": 401, "account_deleted": 401,
    "session_needed": 403, "scope_missing": 403, "role_missing": 403, "not_yours": 403, "grant_invalid": 403,
    "wrong_password": 403, "song_not_found": 404, "preset_not_found": 404,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asker:
    """Somebody who asks; `wrong` is why their token is none, `scope` all that a key of the owner's is good for."""

    name: str
    token: str | None
    password: str = PASSWORD
    role: str = "contributor"
    wrong: str | None = None
    scope: str | None = None

    @property
    def is_owner(self) -> bool:
        return self.name == "owner" or self.scope is not None

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}


def refusal(row: Row, who: Asker, which: str) -> str | None:
    """Return the code with which somebody is refused; `which` is one of private, shared and unknown."""
    if row.door is OPEN:
        return None
    if row.door is GRANT:
        is_somebody_else = who.wrong is None and not who.is_owner
        return "grant_invalid" if which == "unknown" or is_somebody_else else None
    if who.wrong is not None:
        return who.wrong
    if row.door in (SESSION, ADMIN) and who.scope is not None:
        return "session_needed"
    if who.scope not in (None, row.scope):
        return "scope_missing"
    if (row.door is ADMIN and who.role != "admin") or (row.door is UPLOADER and who.role == "listener"):
        return "role_missing"
    if row.reach is not Reach.NONE and (which == "unknown" or (which == "private" and not who.is_owner)):
        return "song_not_found"
    is_reached = row.reach in (Reach.NONE, SEEN) or who.is_owner
    if not is_reached and not (row.reach is OWN_OR_MODERATED and who.role == "admin"):
        return "not_yours"
    return row.but.get(who.name)


# --- The instance ---

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def with_cover(mp3: bytes) -> bytes:
    """The song behind an ID3 tag with a picture (ID3v2.3.0, 4.15)."""
    picture = b"\0image/png\0\3\0" + b64decode(PIXEL)
    frame = b"APIC" + struct.pack(">IH", len(picture), 0) + picture
    return b"ID3\3\0\0" + bytes(len(frame) >> shift & 0x7F for shift in (21, 14, 7, 0)) + frame + mp3


class Instance:
    """A running service, everybody who asks, and songs of which each is there in full: cover, package, render."""

    def __init__(self, process: OneProcess, folder: Path) -> None:
        self.http = httpx.Client(base_url=process.url, timeout=30)
        self.names = {"unknown": str(ULID()), "owner": f"owner-{secrets.token_hex(4)}"}
        self.askers = list(self._askers(process.folder / "data"))
        self._owner = next(who for who in self.askers if who.name == "owner")
        self._admin = next(who for who in self.askers if who.name == "admin")
        self._folder = folder
        self._seed = 70_000
        self._spare: list[str] = []
        self.songs = {"unknown": self.names["unknown"]}
        made = self._upload(5)
        self.songs["private"], self.songs["shared"], *self._spare = made
        for one in made[1:]:
            self.ask(self._owner, "PATCH", f"/v1/songs/{one}", json={"visibility": "shared"})
        self.media = {which: self._prepare(self.songs[which]) for which in ("private", "shared")}
        self.media["unknown"] = self.media["private"]

    def ask(self, who: Asker, method: str, address: str, **options: Any) -> Any:
        answer = self.http.request(method, address, headers=who.headers, **options)
        assert answer.status_code < 300, answer.text
        return answer.json() if answer.content and "json" in answer.headers["content-type"] else answer.text

    def _askers(self, data: Path) -> Iterable[Asker]:
        nobody = Asker("nobody", None, wrong="not_signed_in")
        yield nobody
        keys = SigningKeys((data / FILE_NAME).read_bytes())
        self._newcomer()  # the bystander
        owner = Asker("owner", self._newcomer(self.names["owner"]))
        who = self.ask(owner, "GET", "/v1/auth/me")
        identity = Identity(who["user_id"], who["username"], who["role"], "a session")
        yield Asker("garbage", "garbage", wrong="token_invalid")
        yield Asker("expired", keys.sign(identity, life_s=-60), wrong="token_expired")
        yield Asker("other key", SigningKeys(rotated(b"")).sign(identity, life_s=60), wrong="token_invalid")
        yield owner
        for scope in ("read", "identify", "upload", "write"):
            new = self.ask(owner, "POST", "/v1/auth/api-keys", json={"name": scope, "scopes": [scope]})
            self.names["api_key"] = new["api_key"]
            token = self.ask(nobody, "POST", "/v1/auth/token", json={"api_key": new["api_key"]})["access_token"]
            yield Asker(f"key to {scope}", token, scope=scope)
        kept = json.loads((data / "owner.json").read_text())
        machine = kept["username"], kept["password"]
        admin = Asker("admin", self._log_in(*machine), machine[1], role="admin")
        yield Asker("other", self._newcomer())
        yield Asker("listener", self._newcomer(role="listener", made_so_by=admin), role="listener")
        ended = Asker("ended", self._newcomer())
        self.ask(ended, "POST", "/v1/auth/delete-account", json={"password": PASSWORD})
        yield ended
        yield admin  # the last: what it is asked to remove is gone

    def _newcomer(self, name: str | None = None, *, role: str = "", made_so_by: Asker | None = None) -> str:
        account = {"username": name or f"somebody-{secrets.token_hex(6)}", "password": PASSWORD}
        user = self.http.post("/v1/auth/signup", json=account).raise_for_status().json()
        if made_so_by is not None:
            self.ask(made_so_by, "PATCH", f"/v1/auth/users/{user['user_id']}", json={"role": role})
        self.names.setdefault("bystander", user["user_id"])
        return self._log_in(account["username"], PASSWORD)

    def _log_in(self, username: str, password: str) -> str:
        account = {"username": username, "password": password}
        answer = self.http.post("/v1/auth/login", json=account).raise_for_status().json()
        self.names["refresh_token"] = answer["refresh_token"]
        return str(answer["access_token"])

    def _register(self, new: Body) -> Any:
        return self.ask(self._owner, "POST", "/v1/songs", json=new)

    def _upload(self, number: int) -> list[str]:
        made = []
        for _ in range(number):
            self._seed += 1
            plain = write(self._folder / "song.mp3", tune(self._seed, SONG_S, SAMPLE_RATE_HZ))
            mp3 = with_cover(plain.read_bytes())
            new = {"file_name": "song.mp3", "size_bytes": len(mp3), "content_type": "audio/mpeg"}
            registered = self._register(new)
            request = registered["upload"]["request"]
            httpx.put(request["url"], content=mp3, headers=request["headers"]).raise_for_status()
            made.append(registered["song"]["id"])
            self.ask(self._owner, "POST", f"/v1/songs/{made[-1]}/complete")
        for one in made:
            self.ask(self._owner, "GET", f"/v1/songs/{one}/events")
            assert self.ask(self._owner, "GET", f"/v1/songs/{one}")["status"] == "ready"
        return made

    def _prepare(self, song_id: str) -> dict[str, str]:
        """Have everything made of a song that there is, and return where its package and its render are."""
        address = f"/v1/songs/{song_id}"
        self.ask(self._owner, "POST", f"{address}/package")
        render = self.ask(self._owner, "POST", f"{address}/renders", json={"preset": "flat"})["id"]
        self.ask(self._owner, "GET", f"{address}/renders/{render}/events")
        self.ask(self._owner, "GET", f"{address}/package/events")
        while "status" in self.ask(self._owner, "GET", f"{address}/loudness"):
            time.sleep(0.1)
        master = self.ask(self._owner, "GET", f"{address}/stream")["package"]["hls_url"]
        *_, package_id, grant, _ = master.split("/")
        return {"package_id": package_id, "grant": grant, "render_id": render}

    def request(self, operation: str, who: Asker, which: str, *, is_let_in: bool) -> httpx.Response:
        """Try an operation."""
        row = ROWS[operation]
        method, template = operation.split()
        if row.is_last and is_let_in and row.reach is not Reach.NONE:
            song_id = self._spare.pop() if which == "shared" else self._register(NEW_SONG)["song"]["id"]
        else:
            song_id = self.songs[which]
        names = {**self.names, "asker": who.name, "password": who.password, "new": f"new-{secrets.token_hex(6)}"}
        fields = {name: value.format(**names) for name, value in row.path.items()}
        address = template.format(**{"song_id": song_id, **self.media[which], **fields})
        body = None
        if row.json is not None:
            body = {
                name: value.format(**names) if isinstance(value, str) else value for name, value in row.json.items()
            }
        answer = self.http.request(
            method, address, headers={**who.headers, **row.headers}, json=body, content=row.content
        )  # fmt: skip
        if "refresh_token" in answer.text:
            self.names["refresh_token"] = answer.json()["refresh_token"]
        return answer


@pytest.fixture(scope="module")
def instance(one_process: OneProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    instance = Instance(one_process, tmp_path_factory.mktemp("songs"))
    yield instance
    instance.http.close()


# --- The rules ---


def test_every_operation_has_a_row_and_every_row_an_operation() -> None:
    documented = {f"{method.upper()} {one}" for one, methods in openapi()["paths"].items() for method in methods}
    app, _ = application(Settings(), SERVICES)

    assert set(ROWS) == documented
    assert _operations(app.routes) - documented <= UNDOCUMENTED


def _operations(routes: Iterable[BaseRoute]) -> set[str]:
    found: set[str] = set()
    for route in routes:
        if isinstance(route, Route):
            found |= {f"{method} {route.path}" for method in route.methods or ()}
        else:
            found |= _operations(route.original_router.routes)  # type: ignore[attr-defined]  # FastAPI does not type it
    return found - {"HEAD /openapi.json"}


@pytest.mark.parametrize("operation", ROWS)
def test_everybody_gets_what_the_row_says(instance: Instance, operation: str) -> None:
    row = ROWS[operation]
    askers = instance.askers
    if row.door is OPEN:
        askers = [who for who in askers if who.name in ("nobody", "garbage", "owner")]
    about = ("private", "shared", "unknown") if row.reach is not Reach.NONE or row.door is GRANT else ("unknown",)
    found, expected = {}, {}
    for who in askers:
        for which in about:
            code = refusal(row, who, which)
            answer = instance.request(operation, who, which, is_let_in=code is None)
            expected[who.name, which] = (row.ok, None) if code is None else (STATUS[code], code)
            found[who.name, which] = (answer.status_code, _code(answer) if code is not None else None)

    assert found == expected


@pytest.mark.parametrize("operation", [name for name, row in ROWS.items() if row.reach is not Reach.NONE])
def test_private_song_of_another_is_answered_as_one_that_never_was(instance: Instance, operation: str) -> None:
    strangers = [who for who in instance.askers if who.name in ("nobody", "other", "listener", "admin", "ended")]
    method, template = operation.split()

    def answers(which: str, who: Asker) -> list[tuple[int, dict[str, str], str]]:
        address = template.format(song_id=instance.songs[which], **instance.media["private"])
        asked = [
            instance.request(operation, who, which, is_let_in=False),
            instance.http.request(method, address, headers=who.headers, json={"nonsense": []}),
            instance.http.request(method, address, headers=who.headers, content=b"{"),
            instance.http.head(address, headers=who.headers),
            instance.http.options(address, headers=who.headers),
        ]
        return [_seen(answer, instance.songs[which]) for answer in asked]

    for who in strangers:
        assert answers("private", who) == answers("unknown", who), who.name


def _seen(answer: httpx.Response, song_id: str) -> tuple[int, dict[str, str], str]:
    """What somebody learns from an answer, but for what they have said themselves, and what differs each time."""
    headers = {name: value for name, value in answer.headers.items() if name not in ("date", "x-request-id")}
    body = answer.text.replace(song_id, "").replace(answer.headers["x-request-id"], "")
    return answer.status_code, headers, body


def _code(answer: httpx.Response) -> str | None:
    is_problem = answer.headers.get("content-type") == "application/problem+json"
    return str(answer.json()["code"]) if is_problem else None
