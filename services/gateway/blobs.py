"""Who serves signed URLs when blobs are files? These routes do."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse
from starlette.requests import ClientDisconnect

from shared.errors import Rejected
from shared.storage.blobs import attachment, not_found
from shared.storage.files import FolderStore

# A blob is what some user uploaded: a browser must neither guess its type nor run anything in it.
_HARMLESS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",  # as of a bucket: the URL alone permits it, and no cookie
    "Cache-Control": "private, max-age=3600",
}


def blob_routes(store: FolderStore) -> APIRouter:
    """Return the routes below ``/blobs/``; each request is permitted by its signed URL alone."""
    router = APIRouter(include_in_schema=False)

    @router.api_route("/blobs/{key:path}", methods=["GET", "HEAD"])
    async def download(key: str, request: Request) -> FileResponse:
        grant = store.verify(request.method, key, request.query_params.multi_items())
        info = await store.head(grant.key)
        if info is None:
            raise not_found(grant.key)
        headers = dict(_HARMLESS)
        if grant.download_name is not None:
            headers["Content-Disposition"] = attachment(grant.download_name)
        return FileResponse(store.path(grant.key), media_type=info.content_type, headers=headers)

    @router.put("/blobs/{key:path}")
    async def upload(key: str, request: Request) -> Response:
        grant = store.verify(request.method, key, request.query_params.multi_items())
        announced = int(request.headers.get("content-length", 0))
        if grant.size_bytes is not None and announced > grant.size_bytes:
            reason = f"the URL permits {grant.size_bytes} bytes, not {announced}"
            raise Rejected("upload_too_large", reason, status=413)
        content_type = request.headers.get("content-type")
        if grant.content_type is not None and content_type != grant.content_type:
            reason = f"the URL permits {grant.content_type}, not {content_type}"
            raise Rejected("content_type_not_signed", reason, status=403)
        try:
            await store.receive(grant, request.stream())
        except ClientDisconnect:
            raise Rejected("upload_incomplete", "the client left before all bytes had arrived", status=400) from None
        return Response(status_code=200)

    return router
