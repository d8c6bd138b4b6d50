"""What does the command line talk to in its tests? The service's HTTP interface on real sockets, without any music."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Header, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

PART_BYTES = 1 << 20


class SmallService:
    """Keeps uploads in memory. Bytes it has seen are duplicates; files that begin with ``bad`` are rejected."""

    def __init__(self) -> None:
        self.passwords = {"ada": "a long password"}
        self.valid_tokens: set[str] = set()
        self.songs: dict[str, dict[str, Any]] = {}
        self.stored: dict[str, dict[int, bytes]] = {}
        self.calls: Counter[str] = Counter()
        self.busy: dict[str, int] = {}
        self.expired_uploads = 0
        self.broken_streams = 0
        self.on_stored = threading.Event()
        self._keys: dict[str, str] = {}
        self._tokens = 0
        self._port = 0
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        config = uvicorn.Config(
            self._app(), host="127.0.0.1", port=self._port, log_level="error", timeout_graceful_shutdown=1
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        while not self._server.started:
            self._thread.join(0.01)
            assert self._thread.is_alive()
        self._port = self._server.servers[0].sockets[0].getsockname()[1]

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(10)

    def _app(self) -> FastAPI:
        app = FastAPI()
        app.middleware("http")(self._count_and_be_busy)
        app.get("/live")(self._live)
        app.post("/v1/auth/login")(self._login)
        app.post("/v1/auth/refresh")(self._refresh)
        app.put("/store/{song_id}/{number}")(self._put)
        signed_in = [Depends(self._authorise)]
        app.get("/v1/songs", dependencies=signed_in)(self._list)
        app.post("/v1/songs", dependencies=signed_in, status_code=201)(self._register)
        app.post("/v1/songs/{song_id}/complete", dependencies=signed_in, status_code=202)(self._complete)
        app.get("/v1/songs/{song_id}", dependencies=signed_in)(self._song)
        app.patch("/v1/songs/{song_id}", dependencies=signed_in)(self._edit)
        app.post("/v1/songs/{song_id}/package", dependencies=signed_in, status_code=202)(self._song)
        app.get("/v1/songs/{song_id}/events", dependencies=signed_in)(self._events)
        app.post("/v1/queries", dependencies=signed_in)(self._query)
        app.exception_handler(Refusal)(_problem)
        return app

    async def _count_and_be_busy(self, request: Request, call_next: Any) -> Response:
        call = f"{request.method} {request.url.path}"
        self.calls[call] += 1
        if self.busy.get(call, 0) > 0:
            self.busy[call] -= 1
            return JSONResponse({"title": "warming up"}, 503, {"Retry-After": "0.05"})
        response: Response = await call_next(request)
        return response

    async def _authorise(self, request: Request) -> None:
        if request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.valid_tokens:
            raise Refusal(401, "unauthorised", "the token is not valid")

    def _issue(self) -> dict[str, Any]:
        self._tokens += 1
        self.valid_tokens.add(f"access-{self._tokens}")
        return {
            "access_token": f"access-{self._tokens}",
            "refresh_token": f"refresh-{self._tokens}",
            "token_type": "bearer",
            "expires_in_s": 900,
        }

    async def _live(self) -> dict[str, str]:
        return {}

    async def _login(self, body: dict[str, str]) -> dict[str, Any]:
        if self.passwords.get(body["username"]) != body["password"]:
            raise Refusal(401, "wrong_password", "name or password are wrong")
        return self._issue()

    async def _refresh(self, body: dict[str, str]) -> dict[str, Any]:
        if body["refresh_token"] != f"refresh-{self._tokens}":
            raise Refusal(401, "reused", "this refresh token was used before")
        return self._issue()

    async def _register(self, request: Request, body: dict[str, Any]) -> dict[str, Any]:
        key = request.headers["Idempotency-Key"]
        song_id = self._keys.setdefault(key, f"song-{len(self.songs) + 1}")
        song = self.songs.setdefault(song_id, body | {"id": song_id, "status": "awaiting_upload"})
        base = f"{self.url}/store/{song_id}"
        signed = {"method": "PUT", "headers": {"x-signed": "yes"}, "expires_at": "2030-01-01T00:00:00Z"}
        if body["size_bytes"] <= PART_BYTES:
            return {"song": song, "upload": {"kind": "single", "request": signed | {"url": f"{base}/1"}}}
        sizes = [min(PART_BYTES, body["size_bytes"] - begin) for begin in range(0, body["size_bytes"], PART_BYTES)]
        parts = [signed | {"number": n, "size_bytes": s, "url": f"{base}/{n}"} for n, s in enumerate(sizes, 1)]
        upload = {"kind": "multipart", "part_size_bytes": PART_BYTES, "parts": parts}
        return {"song": song, "upload": upload | {"arrived": sorted(self.stored.get(song_id, {}))}}

    async def _put(self, song_id: str, number: int, request: Request) -> Response:
        assert "Authorization" not in request.headers
        assert request.headers["x-signed"] == "yes"
        assert "Content-Length" in request.headers
        if self.expired_uploads > 0:
            self.expired_uploads -= 1
            return Response("<Error><Code>AccessDenied</Code></Error>", 403)
        self.stored.setdefault(song_id, {})[number] = await request.body()
        self.on_stored.set()
        return Response()

    async def _complete(self, song_id: str) -> dict[str, Any]:
        self.songs[song_id]["status"] = "uploaded"
        return self.songs[song_id]

    def _decide(self, song_id: str) -> dict[str, Any]:
        song, sound = self.songs[song_id], self.bytes_of(song_id)
        same = next(
            (o for o in self.songs.values() if o["status"] == "ready" and self.bytes_of(o["id"]) == sound), None
        )
        if sound.startswith(b"bad"):
            song |= {"status": "rejected", "rejection": {"code": "not_audio", "reason": "this is not audio"}}
        elif same is not None and same is not song:
            song |= {"status": "duplicate", "duplicate": {"song_id": same["id"], "title": "it", "evidence": "bytes"}}
        else:
            song["status"] = "ready"
        return song

    def bytes_of(self, song_id: str) -> bytes:
        return b"".join(part for _, part in sorted(self.stored[song_id].items()))

    async def _song(self, song_id: str) -> dict[str, Any]:
        return self.songs[song_id]

    async def _edit(self, song_id: str, body: dict[str, Any]) -> dict[str, Any]:
        self.songs[song_id] |= body
        return self.songs[song_id]

    async def _events(self, song_id: str, last_event_id: Annotated[int, Header(ge=0)] = 0) -> StreamingResponse:
        def events() -> Iterator[str]:
            if last_event_id == 0:
                yield f": hello\n\nevent: song\nid: 1\ndata: {json.dumps(self.songs[song_id])}\n\n"
            if self.broken_streams > 0:
                self.broken_streams -= 1
                return
            yield f"event: song\nid: 2\ndata: {json.dumps(self._decide(song_id))}\n\n"

        return StreamingResponse(events(), media_type="text/event-stream")

    async def _list(self, q: str = "", status: str = "", cursor: int = 0, limit: int = 100) -> dict[str, Any]:
        found = [song for song in self.songs.values() if q in str(song.get("title")) and status in ("", song["status"])]
        more = cursor + limit < len(found)
        return {"songs": found[cursor : cursor + limit], "next_cursor": str(cursor + limit) if more else None}

    async def _query(self, request: Request) -> dict[str, Any]:
        clip = await request.body()
        answer = {"query_id": hashlib.sha256(clip).hexdigest(), "alternatives": [], "coverage": 1.0, "took_ms": 12.0}
        if clip.startswith(b"bad"):
            raise Refusal(422, "not_audio", "the clip is not audio")
        if clip.startswith(b"silent"):
            return answer | {"outcome": "no_match", "reason": "silence", "match": None}
        song = {"id": "song-1", "title": "\x1b[31m[bold]Über\u202e", "artist": None, "duration_ms": 200_000}
        match = {"song": song, "score": 40, "confidence": 0.99, "offset_ms": 83_500}
        return answer | {"outcome": "match", "reason": None, "match": match}


class Refusal(Exception):
    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(status, code, detail)
        self.status, self.code, self.detail = status, code, detail


def _problem(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, Refusal)
    body = {"title": "refused", "detail": error.detail, "status": error.status, "code": error.code}
    return JSONResponse(body, error.status, media_type="application/problem+json")
