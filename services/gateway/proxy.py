"""How does a request reach a service that this process does not host?"""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Collection
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any

import httpx
import structlog
from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.types import Send

from shared.errors import Rejected, Unavailable
from shared.runtime.description import merged
from shared.runtime.settings import ServiceUrls

log = structlog.get_logger()

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
_HOP_BY_HOP = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "proxy-authorization"}
)
# Whoever is behind believes what is said of the client, so it must be said by us.
_NOT_HANDED_ON = _HOP_BY_HOP | {"x-forwarded-for", "x-forwarded-proto", "forwarded", "x-request-id"}
_NOT_HANDED_BACK = _HOP_BY_HOP | {"date"}
# Long silences belong to server-sent events, which send a heartbeat every 15 s.
_TIMEOUT = httpx.Timeout(connect=3, read=60, write=60, pool=10)
# Each of them holds a connection, so that any bound on their number would let those who listen lock out all others.
# Services keep one that rests for 5 s: what is sent on it when they close it is lost.
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=20, keepalive_expiry=3)

_PATHS: dict[str, tuple[str, ...]] = {
    # The first path that fits wins, so what streaming answers below a song comes before the songs themselves.
    "auth": ("/v1/auth/{rest:path}",),
    "streaming": (
        "/v1/songs/{song_id}/stream",
        "/v1/songs/{song_id}/package",
        "/v1/songs/{song_id}/package/{rest:path}",
        "/v1/songs/{song_id}/loudness",
        "/v1/songs/{song_id}/waveform",
        "/v1/songs/{song_id}/waveform.svg",
        "/v1/songs/{song_id}/equalizer",
        "/v1/songs/{song_id}/renders",
        "/v1/songs/{song_id}/renders/{rest:path}",
        "/v1/equalizer/{rest:path}",
        "/v1/media/{rest:path}",
    ),
    "ingest": ("/v1/songs", "/v1/songs/{rest:path}", "/v1/artists", "/v1/albums"),
}


class _HandedBack(StreamingResponse):
    async def stream_response(self, send: Send) -> None:
        try:
            await super().stream_response(send)
        except httpx.TransportError as error:  # without its end the client knows that the answer is not whole
            log.warning("answer.broken", reason=str(error) or type(error).__name__)


class Proxy:
    """Hands requests on, as they are, to the services that are elsewhere. They verify tokens themselves."""

    def __init__(self, urls: ServiceUrls, hosted: Collection[str]) -> None:
        self.router = APIRouter(include_in_schema=False)
        self._clients = {
            service: httpx.AsyncClient(
                base_url=getattr(urls, service),
                timeout=_TIMEOUT,
                limits=_LIMITS,
                trust_env=False,  # tokens go to the service and to no proxy of the machine's
                # It would keep one client's cookies, and send them along with the requests of all others.
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            )
            for service in _PATHS
            if service not in hosted
        }
        for service in self._clients:
            for path in _PATHS[service]:
                self.router.add_api_route(path, self._endpoint(service), methods=METHODS, response_model=None)
        self.router.add_api_route("/openapi.json", self._describe)

    async def _describe(self, request: Request) -> dict[str, Any]:
        """Return the OpenAPI document of this process and of all services behind it."""
        own = copy.deepcopy(request.app.openapi())
        return merged([own, *await asyncio.gather(*(_description(*one) for one in self._clients.items()))])

    def _endpoint(self, service: str):  # type: ignore[no-untyped-def]  # the route's signature is read at run time
        async def hand_on(request: Request) -> StreamingResponse:
            return await self._forward(self._clients[service], service, request)

        return hand_on

    async def _forward(self, client: httpx.AsyncClient, service: str, request: Request) -> StreamingResponse:
        named = ",".join(request.headers.getlist("connection")).lower().split(",")
        left_out = _NOT_HANDED_ON.union(name.strip() for name in named)
        headers = [(name, value) for name, value in request.headers.raw if name.decode() not in left_out]
        headers.append((b"x-forwarded-proto", request.url.scheme.encode()))
        if request.client is not None:
            headers.append((b"x-forwarded-for", request.client.host.encode()))
        if (request_id := request.scope.get("request_id")) is not None:
            headers.append((b"x-request-id", request_id.encode()))
        outgoing = client.build_request(
            request.method,
            _address(request),
            headers=headers,
            content=request.stream() if _has_body(request) else None,
        )
        try:
            answer = await client.send(outgoing, stream=True)
        except httpx.TransportError as error:
            raise Unavailable(f"the {service} service does not answer") from error
        handed_back = _HandedBack(_body(answer), status_code=answer.status_code)
        # Each by itself: cookies can't be joined.
        handed_back.raw_headers = [
            (lower, value)
            for name, value in answer.headers.raw
            if (lower := name.lower()).decode() not in _NOT_HANDED_BACK
        ]
        return handed_back

    async def close(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()


def _address(request: Request) -> httpx.URL:
    if not {".", ".."}.isdisjoint(request.scope["path"].split("/")):  # httpx would follow them, to other routes
        raise Rejected("path_invalid", "a path has no steps that are . or ..", status=400)
    # As it came: what is decoded may be no valid address.
    raw_path, query = request.scope["raw_path"], request.scope["query_string"]
    try:
        return httpx.URL(raw_path=raw_path + b"?" + query if query else raw_path)
    except httpx.InvalidURL:
        raise Rejected("path_invalid", "a path has no signs that addresses do not have", status=400) from None


async def _description(service: str, client: httpx.AsyncClient) -> dict[str, Any]:
    try:
        answer = await client.get("/openapi.json")
        document: dict[str, Any] = answer.raise_for_status().json()
    except httpx.HTTPError as error:
        raise Unavailable(f"the {service} service does not answer") from error
    return document


def _has_body(request: Request) -> bool:
    return "content-length" in request.headers or "transfer-encoding" in request.headers


async def _body(answer: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for block in answer.aiter_raw():
            yield block
    finally:
        await answer.aclose()
