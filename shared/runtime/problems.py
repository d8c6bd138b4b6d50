"""What does a client read when something went wrong? RFC 9457 problem documents, for every error."""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import Any, Self

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import Rejected, TooMany, Unavailable

log = structlog.get_logger()


class Problem(BaseModel):
    """An error as RFC 9457 has it; `code` is the stable name that programs should compare."""

    type: str = Field("about:blank", description="URI path that identifies the kind of problem.")
    title: str
    status: int
    detail: str
    code: str
    instance: str | None = None
    request_id: str | None = Field(None, description="Find the request in the logs with it.")
    errors: list[dict[str, str]] | None = Field(None, description="Which field is wrong, for validation problems.")

    @classmethod
    def of(cls, status: int, code: str, detail: str, **members: Any) -> Self:
        """Build a problem; a kind of problem may have members of its own."""
        kind, title = f"/problems/{code.replace('_', '-')}", HTTPStatus(status).phrase
        return cls(type=kind, title=title, status=status, detail=detail, code=code, **members)


_BODY: dict[str, Any] = {
    "model": Problem,
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
PROBLEM_RESPONSES: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "The request is refused; `code` says why.", **_BODY},
    "503": {"description": "Not now; the same request may succeed after `Retry-After` seconds.", **_BODY},
}
"""Documents the problem bodies for every route that includes it; what is not among them is a bug of ours."""


_NAMES = {408: "body_too_slow", 413: "body_too_large", 416: "range_not_satisfiable"}
"""Other names than those of Python, which changes them."""


def _code(status: int) -> str:
    return _NAMES.get(status) or HTTPStatus(status).name.lower()


class Problems:
    """ASGI middleware: turns what the framework itself refuses, which is plain text, into problem documents.

    Parameters
    ----------
    app : ASGIApp
        What is behind.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        refused: Message | None = None
        text = b""

        async def send_problem(message: Message) -> None:
            nonlocal refused, text
            if message["type"] == "http.response.start" and _is_plain_refusal(message):
                refused = message
            elif refused is None:
                await send(message)
            else:
                text += message.get("body", b"")
                if not message.get("more_body", False):
                    await _as_problem(scope, refused, text.decode())(scope, receive, send)

        await self._app(scope, receive, send_problem)


def _is_plain_refusal(start: Message) -> bool:
    return start["status"] >= 400 and Headers(raw=start["headers"]).get("content-type", "").startswith("text/plain")


def _as_problem(scope: Scope, refused: Message, text: str) -> JSONResponse:
    status = refused["status"]
    answer = problem(Request(scope), status, _code(status), text or HTTPStatus(status).phrase)
    answer.raw_headers += [one for one in refused["headers"] if one[0] not in (b"content-type", b"content-length")]
    return answer


def install_problem_handlers(app: FastAPI) -> None:
    """Turn every exception that leaves a route into a problem document without internals."""

    @app.exception_handler(Rejected)
    async def on_rejected(request: Request, error: Rejected) -> JSONResponse:
        answer = problem(request, error.status, error.code, error.reason)
        if isinstance(error, TooMany):
            answer.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
        if error.status == HTTPStatus.UNAUTHORIZED:
            answer.headers["WWW-Authenticate"] = "Bearer"  # RFC 9110, 15.5.2
        return answer

    @app.exception_handler(Unavailable)
    async def on_unavailable(request: Request, error: Unavailable) -> JSONResponse:
        log.warning("request.deferred", route=_route(request), reason=error.reason)
        answer = problem(request, 503, "unavailable", f"{error.reason}; please try again")
        answer.headers["Retry-After"] = str(math.ceil(error.retry_after_s))
        return answer

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [
            {"pointer": "/" + "/".join(str(part) for part in one["loc"]), "detail": str(one["msg"])}
            for one in error.errors()
        ]
        detail = "; ".join(f"{one['pointer']}: {one['detail']}" for one in errors)
        return problem(request, 422, "invalid_request", detail, errors=errors)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> JSONResponse:
        answer = problem(request, error.status_code, _code(error.status_code), str(error.detail))
        answer.headers.update(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            answer.headers["Allow"] = _allowed(request) or answer.headers.get("Allow", "")
        return answer

    @app.exception_handler(ClientDisconnect)
    async def on_leaving(request: Request, error: ClientDisconnect) -> JSONResponse:
        return problem(request, 400, "client_left", "the client left before its whole request had arrived")

    @app.exception_handler(Exception)
    async def on_bug(request: Request, error: Exception) -> JSONResponse:
        log.error("request.failed", route=_route(request), exc_info=error)
        return problem(request, 500, "internal_error", "something went wrong on our side; it has been logged")


def _route(request: Request) -> str:
    # Not the path itself: it may hold what only the client should have.
    return getattr(request.scope.get("route"), "path", "unmatched")


def _allowed(request: Request) -> str:
    """Return what can be asked of a path; the router itself tells only of the first of its routes."""
    return ", ".join(request.app.openapi()["paths"].get(_route(request), ())).upper()


def problem(
    request: Request, status: int, code: str, detail: str, kind: type[Problem] = Problem, **members: Any
) -> JSONResponse:
    """Build a problem document; a kind of problem may have members of its own."""
    of_request = {"instance": request.url.path, "request_id": request.scope.get("request_id")}
    body = kind.of(status, code, detail, **of_request, **members)
    return JSONResponse(body.model_dump(exclude_none=True), status_code=status, media_type="application/problem+json")
