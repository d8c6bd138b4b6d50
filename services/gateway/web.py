"""Where does a browser get the pages from? From here, as files that were built before: `make web`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from starlette.convertors import StringConvertor, register_url_convertor

from shared.errors import Rejected

BUILT: Final = Path(__file__).parent / "static"
"""What `web/` is built to, and what wheels and images have in it."""

_NAME = re.compile(r"\w[\w.-]{0,99}(?:/\w[\w.-]{0,99})?", re.ASCII)  # no step back, nothing hidden
_FOR_EVER = "public, max-age=31536000, immutable"
_ENCODINGS = (("br", ".br"), ("gzip", ".gz"))
_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".html": "text/html",
    ".webmanifest": "application/manifest+json",
}
_NOT_BUILT = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Tune Scout</title>
<h1>Tune Scout is running, without its pages</h1>
<p>They have not been built. In its folder, run <code>make web</code>, then start the service again.
It needs no Node.js on this machine.</p>
<p>The API works (<a href="/openapi.json">openapi.json</a>), and so does the command line
(<code>tunescout --help</code>).</p>
"""


class _OfPages(StringConvertor):
    """A path that is not the API's; there, an unknown address or method must stay the problem that it is."""

    regex = r"(?!(?:v1|blobs|live|ready|metrics|openapi\.json)(?:/|$)).*"


register_url_convertor("of_pages", _OfPages())


def web_routes(built: Path = BUILT) -> APIRouter:
    """Return the routes of the pages; they come after all others.

    Files are served as they are. At any other address a browser gets the one page, whose script knows what is there.

    Parameters
    ----------
    built : Path
        The folder with the built files; where it has none, the page says how to make them.
    """
    router = APIRouter(include_in_schema=False)

    @router.api_route("/{path:of_pages}", methods=["GET", "HEAD"])
    async def page(path: str, request: Request) -> Response:
        if _NAME.fullmatch(path) and (built / path).is_file():
            return _file(built / path, request, is_for_ever=path.startswith("assets/"))
        if path and "text/html" not in request.headers.get("accept", ""):
            raise Rejected("not_found", "there is nothing at this address", status=404)
        if not (built / "index.html").is_file():
            return HTMLResponse(_NOT_BUILT, status_code=503)
        return _file(built / "index.html", request)

    return router


def _file(path: Path, request: Request, *, is_for_ever: bool = False) -> FileResponse:
    # What has the hash of its content in its name never changes; all else is asked for again.
    headers = {"Cache-Control": _FOR_EVER if is_for_ever else "no-cache", "Vary": "Accept-Encoding"}
    accepted = request.headers.get("accept-encoding", "")
    for encoding, suffix in _ENCODINGS:
        smaller = path.with_name(path.name + suffix)
        if encoding in accepted and smaller.is_file():
            headers["Content-Encoding"] = encoding
            return FileResponse(smaller, headers=headers, media_type=_TYPES.get(path.suffix))
    return FileResponse(path, headers=headers, media_type=_TYPES.get(path.suffix))
