"""How do we ask the service over HTTP, when tokens expire and the service may be restarting?"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from shared.errors import Rejected, Unavailable
from tunescout import session as sessions
from tunescout.answers import FINAL, AccessToken, Identification, Registration, Said, Song, SongPage, Tokens
from tunescout.session import Account, Session

S = TypeVar("S", bound=Said)

BUSY = frozenset({429, 502, 503, 504})
"""Statuses that say: the same request may succeed later."""

FIRST_PATIENCE_S = 3.0
"""How long a service that never answered is waited for: most likely nobody started it."""

LEAVING_S = 2.0
LONGEST_PAUSE_S = 10.0
POLL_S = 1.0


class Client:
    """One person's conversation with one service. Use it as an async context manager.

    Parameters
    ----------
    server : str
        Base URL of the service.
    account : Account or None
        Who asks; None means whoever is logged in.
    api_key : str or None
        The key of a machine that asks, instead of either of them.
    ask_password : callable
        Tells the password of a login that has ended, by its name, or None where nobody knows it.
    patience_s : float
        How long one request is tried again while a service that has answered before is away, in seconds.
    """

    def __init__(
        self,
        server: str,
        *,
        account: Account | None = None,
        api_key: str | None = None,
        ask_password: Callable[[str], str | None] = lambda _: None,
        patience_s: float = 60.0,
    ) -> None:
        self.server = server.rstrip("/")
        self._account = account
        self._api_key = api_key
        self._ask_password = ask_password
        self._patience_s = patience_s
        self._answered = False
        self._session: Session | None = None
        self._signing_in = asyncio.Lock()
        timeout = httpx.Timeout(30.0, connect=5.0)
        self._api = httpx.AsyncClient(base_url=self.server, timeout=timeout)
        # Signed URLs carry their own permission: the bearer token must never reach a store.
        self._store = httpx.AsyncClient(timeout=timeout)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._account is not None and self._session is not None:  # else each command would leave a session behind
            with contextlib.suppress(httpx.HTTPError):
                ended = {"refresh_token": self._session.refresh_token}
                await self._api.post("/v1/auth/logout", json=ended, timeout=LEAVING_S)
        await self._api.aclose()
        await self._store.aclose()

    async def sign_up(self, username: str, password: str, *, invite: str | None = None) -> None:
        """Make an account, with the code of an invite where one is needed.

        Raises
        ------
        Rejected
            The name is taken, or the service refuses the name or the password.
        """
        await self._ask("POST", "/v1/auth/signup", json={"username": username, "password": password, "invite": invite})

    async def log_in(self, username: str, password: str) -> Session:
        """Log in and return the session, without storing it.

        Raises
        ------
        Rejected
            Name or password are wrong.
        """
        said = await self._ask("POST", "/v1/auth/login", json={"username": username, "password": password})
        tokens = _read(Tokens, said.content)
        self._session = Session(self.server, username, tokens.access_token, tokens.refresh_token)
        return self._session

    async def log_out(self) -> None:
        """End the stored login, here and at the service."""
        async with sessions.alone(patience_s=self._patience_s):
            stored = sessions.load(self.server)
            if stored is None:
                return
            sessions.forget(self.server)
        await self._ask("POST", "/v1/auth/logout", json={"refresh_token": stored.refresh_token})

    async def register(self, fields: dict[str, Any], *, idempotency_key: str) -> Registration:
        """Announce a file. The same key again answers the same song."""
        said = await self.ask("POST", "/v1/songs", json=fields, headers={"Idempotency-Key": idempotency_key})
        return _read(Registration, said.content)

    async def store(self, build: Callable[[], httpx.Request]) -> None:
        """Send a signed request to the store; it is built anew for every try, because its body can be read only once.

        Raises
        ------
        Rejected
            The store refuses, for example because the signature has expired.
        Unavailable
            The store stayed away.
        """
        response = await self._send(self._store, build)
        if not response.is_success:
            raise Rejected("not_stored", f"the store refused it ({response.status_code})", status=422)

    async def complete(self, song_id: str) -> Song:
        """Tell that the bytes are all stored."""
        return _read(Song, (await self.ask("POST", f"/v1/songs/{song_id}/complete")).content)

    async def song(self, song_id: str) -> Song:
        """Return one song."""
        return _read(Song, (await self.ask("GET", f"/v1/songs/{song_id}")).content)

    async def songs(self, **filters: str | int | None) -> AsyncIterator[Song]:
        """Iterate over songs, page by page. Filters are those of ``GET /v1/songs``."""
        params = {name: value for name, value in filters.items() if value is not None}
        while True:
            page = _read(SongPage, (await self.ask("GET", "/v1/songs", params=params)).content)
            for song in page.songs:
                yield song
            if page.next_cursor is None:
                return
            params["cursor"] = page.next_cursor

    async def edit(self, song_id: str, **fields: str | int | None) -> Song:
        """Change what is said about a song, or who sees it. Fields are those of ``PATCH /v1/songs/{id}``."""
        return _read(Song, (await self.ask("PATCH", f"/v1/songs/{quote(song_id, safe='')}", json=fields)).content)

    async def package(self, song_id: str) -> None:
        """Have a song packaged anew."""
        await self.ask("POST", f"/v1/songs/{quote(song_id, safe='')}/package")

    async def identify(self, clip: bytes) -> Identification:
        """Name the song in an encoded clip of audio."""
        headers = {"Content-Type": "application/octet-stream"}
        said = await self.ask("POST", "/v1/queries", content=clip, headers=headers)
        return _read(Identification, said.content)

    async def follow(self, song_id: str, changed: Callable[[Song], None]) -> Song:
        """Wait until nothing more happens to an upload and return its end. The caller sets the deadline."""
        last_id = ""
        while True:
            headers = {"Last-Event-ID": last_id} if last_id else {}
            try:
                request = self._authorised("GET", f"/v1/songs/{song_id}/events", headers=headers)
                response = await self._api.send(request, stream=True)
                try:
                    async for event_id, data in _server_sent_events(response):
                        last_id = event_id
                        song = _read(Song, data)
                        changed(song)
                        if song.status in FINAL:
                            return song
                finally:
                    await response.aclose()
            except httpx.TransportError:
                pass  # The question below waits for a service that restarts, and fails if it stays away.
            song = await self.song(song_id)
            if song.status in FINAL:
                return song
            await asyncio.sleep(POLL_S)

    async def ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        """Send a request as the person who is logged in, with a fresh token when the old one has expired.

        Raises
        ------
        Rejected
            The service refuses: nobody is logged in, or its problem document says why.
        Unavailable
            The service stayed away for longer than our patience.
        """
        if self._session is None:
            await self._sign_in(instead_of=None)
        used = self._session
        response = await self._send(self._api, lambda: self._authorised(method, path, **options))
        if response.status_code == httpx.codes.UNAUTHORIZED:
            await self._sign_in(instead_of=used)
            response = await self._send(self._api, lambda: self._authorised(method, path, **options))
        return _accepted(response)

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        return _accepted(await self._send(self._api, lambda: self._api.build_request(method, path, **options)))

    def _authorised(self, method: str, path: str, **options: Any) -> httpx.Request:
        request = self._api.build_request(method, path, **options)
        if self._session is not None:
            request.headers["Authorization"] = f"Bearer {self._session.access_token}"
        return request

    async def _sign_in(self, *, instead_of: Session | None) -> None:
        async with self._signing_in:
            if self._session != instead_of:
                return  # Another task of this process was first.
            if self._api_key is not None:
                said = await self._ask("POST", "/v1/auth/token", json={"api_key": self._api_key})
                self._session = Session(self.server, "", _read(AccessToken, said.content).access_token, "")
                return
            if self._account is not None:
                await self.log_in(self._account.username, self._account.password)
                return
            async with sessions.alone(patience_s=self._patience_s):
                await self._take_up(instead_of)

    async def _take_up(self, used: Session | None) -> None:
        stored = sessions.load(self.server)
        if stored is None:
            await self._ask("GET", "/live")  # A service that is not there is the better explanation.
            raise Rejected("not_logged_in", f"nobody is logged in at {self.server}: try tunescout login", status=401)
        # What is stored is a login, or the fresh tokens of another process, unless we have used it already.
        self._session = await self._refresh(stored) if stored == used else stored

    async def _refresh(self, old: Session) -> Session:
        try:
            said = await self._ask("POST", "/v1/auth/refresh", json={"refresh_token": old.refresh_token})
        except Rejected as refused:
            # A token works once: when its answer is lost on the way, only the password helps.
            password = self._ask_password(old.username)
            if password is None:
                reason = f"the login of {old.username} has ended: try tunescout login or tunescout logout"
                raise Rejected("login_ended", reason, status=401) from refused
            following = await self.log_in(old.username, password)
        else:
            tokens = _read(Tokens, said.content)
            following = Session(self.server, old.username, tokens.access_token, tokens.refresh_token)
        sessions.save(following)
        return following

    async def _send(self, http: httpx.AsyncClient, build: Callable[[], httpx.Request]) -> httpx.Response:
        started = time.monotonic()
        pause_s = 0.25
        while True:
            wait_s: float | None = None
            try:
                response = await http.send(build())
            except httpx.LocalProtocolError:
                raise  # Our own request is wrong, and would be again.
            except httpx.TransportError as error:
                trouble = f"{http.base_url or self.server} does not answer ({type(error).__name__})"
            else:
                self._answered = True
                if response.status_code not in BUSY:
                    return response
                trouble = f"the service is busy: {_problem(response)[1]}"
                wait_s = _retry_after_s(response)
            if wait_s is None:
                wait_s = pause_s * random.uniform(0.5, 1.0)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
            patience_s = self._patience_s if self._answered else min(FIRST_PATIENCE_S, self._patience_s)
            if time.monotonic() + wait_s - started > patience_s:
                raise Unavailable(trouble, retry_after_s=wait_s)
            await asyncio.sleep(wait_s)


def _accepted(response: httpx.Response) -> httpx.Response:
    if response.is_success:
        return response
    code, reason = _problem(response)
    raise Rejected(code, reason, status=response.status_code)


def _read(kind: type[S], said: bytes | str) -> S:
    try:
        return kind.model_validate_json(said)
    except ValidationError as error:
        reason = "the server does not answer as this version of Tune Scout expects"
        raise Rejected("unexpected_answer", reason, status=502) from error


def _problem(response: httpx.Response) -> tuple[str, str]:
    """Return code and sentence of a problem document (RFC 9457), or the bare status of anything else."""
    try:
        body = response.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        body = {}
    sentence = body.get("detail") or body.get("title") or f"HTTP {response.status_code} {response.reason_phrase}"
    return str(body.get("code") or f"http_{response.status_code}"), str(sentence)


def _retry_after_s(response: httpx.Response) -> float | None:
    """Return the seconds that ``Retry-After`` asks for: a number or a date (RFC 9110, section 10.2.3)."""
    value = response.headers.get("Retry-After")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None


async def _server_sent_events(response: httpx.Response) -> AsyncIterator[tuple[str, str]]:
    """Iterate over the ids and data of a stream of server-sent events; an error status is an empty stream."""
    if not response.is_success:
        return
    event_id, data = "", ""
    async for line in response.aiter_lines():
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "id":
            event_id = value
        elif field == "data":
            data += value + "\n"
        elif not line and data:
            yield event_id, data
            data = ""
