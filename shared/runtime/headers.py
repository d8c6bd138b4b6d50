"""What does every answer tell a browser, so that it protects whoever uses it?

The headers are those that OWASP's cheat sheet on HTTP headers and the REST one ask for
(https://cheatsheetseries.owasp.org/cheatsheets/HTTP_Headers_Cheat_Sheet.html).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",  # addresses hold grants
    "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=(self), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_HSTS = "max-age=31536000"
_DATA = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
"""For what is no page: a browser that shows it all the same loads and runs nothing."""
DATA_HEADERS: Final = {
    **_ALWAYS,
    "Content-Security-Policy": _DATA,
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""All of them, for an answer that no route has made."""


def page_policy(bucket_origin: str) -> str:
    """Return the Content-Security-Policy of pages; players of HLS make their media and workers as `blob:`."""
    return "; ".join(
        (
            "default-src 'self'",
            f"connect-src 'self' {bucket_origin}",
            f"media-src 'self' blob: {bucket_origin}",
            f"img-src 'self' blob: data: {bucket_origin}",
            "worker-src 'self' blob:",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )


class ProtectiveHeaders:
    """ASGI middleware: adds the headers that protect whoever uses a browser.

    Parameters
    ----------
    app : ASGIApp
        What is behind.
    bucket_origin : str
        Where pages upload to, and play from.
    is_https : bool
        Whether clients reach us by https alone.
    """

    def __init__(self, app: ASGIApp, *, bucket_origin: str, is_https: bool) -> None:
        self._app = app
        self._page_policy = page_policy(bucket_origin)
        self._always: Sequence[tuple[str, str]] = [
            *_ALWAYS.items(),
            *([("Strict-Transport-Security", _HSTS)] if is_https else []),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._protect(MutableHeaders(scope=message))
            await send(message)

        await self._app(scope, receive, send_protected if scope["type"] == "http" else send)

    def _protect(self, headers: MutableHeaders) -> None:
        for name, value in self._always:
            headers[name] = value
        # A route that knows better has said so.
        is_page = headers.get("Content-Type", "").startswith("text/html")
        headers.setdefault("Content-Security-Policy", self._page_policy if is_page else _DATA)
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        headers.setdefault("Cache-Control", "private, no-cache" if "ETag" in headers else "no-store")
