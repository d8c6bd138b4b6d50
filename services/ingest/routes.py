"""What can a client ask about songs over HTTP?"""

# No `annotations` of the future here: a dependency that is defined in a function is read from the real annotation.

from collections.abc import AsyncIterable
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Header, Path, Query
from fastapi.responses import RedirectResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from services.ingest.schemas import EditedSong, NewSong, RegisteredSong, SongBody, SongPage, SongParts, UsageBody
from services.ingest.service import IngestService
from services.ingest.settings import IngestSettings
from services.ingest.songs import Song, Status
from services.ingest.sorting import Order
from shared.errors import Rejected
from shared.runtime.audit import Address, Audit
from shared.runtime.identity import Identity, SignedIn, Uploader
from shared.runtime.limits import RateLimits
from shared.runtime.problems import PROBLEM_RESPONSES
from shared.runtime.progress import Step, follow
from shared.runtime.streams import Listening
from shared.storage.blobs import BlobStore

COVER_URL_S = 300
POLL_PAUSE_S = 0.25
SongId = Annotated[str, Path(max_length=64)]
Artist = Annotated[
    str | None,
    Query(
        max_length=500,
        description="Only songs of this artist, whatever its case and accents; empty for songs of which nobody knows "
        "the artist. With `album`: whose album.",
    ),
]
Album = Annotated[
    str | None,
    Query(max_length=500, description="Only songs of this album; empty for songs of which nobody knows the album."),
]
Mine = Annotated[bool, Query(description="Only songs of one's own.")]
Sort = Annotated[
    Literal["newest"] | Order, Query(description="Other orders than newest have the songs that are ready.")
]
Cursor = Annotated[str | None, Query(max_length=4000)]


def routes(
    service: IngestService, blobs: BlobStore, limits: RateLimits, settings: IngestSettings, audit: Audit
) -> APIRouter:
    """Return the routes under ``/v1/songs``."""
    router = APIRouter(prefix="/v1/songs", tags=["songs"], responses=PROBLEM_RESPONSES)

    async def body(identity: Identity, song: Song) -> SongBody:
        return SongBody.of(song, await service.known_songs(identity, [song]))

    async def note(identity: Identity, song: Song, address: str, *, detail: str) -> None:
        if song.owner != identity.user_id:
            await audit.record(
                "song.moderated", actor=identity.user_id, subject=song.song_id, address=address, detail=detail
            )

    async def existing(identity: SignedIn, song_id: SongId) -> Song:
        return await service.get(identity, song_id)

    @router.post("", status_code=201)
    async def register(
        identity: Uploader,
        new: NewSong,
        idempotency_key: Annotated[str | None, Header(min_length=1, max_length=200)] = None,
    ) -> RegisteredSong:
        """Register a song and get the presigned request, or requests, that upload it."""
        await limits.take("upload", identity.user_id, per_minute=settings.uploads_per_minute)
        upload = await service.register(
            identity,
            file_name=new.file_name,
            size_bytes=new.size_bytes,
            content_type=new.content_type,
            typed=new.tags(),
            idempotency_key=idempotency_key,
            visibility=new.visibility,
        )
        return RegisteredSong.of(upload, await body(identity, upload.song), settings.part_bytes)

    @router.get("/{song_id}/upload")
    async def upload(identity: Uploader, song_id: SongId) -> RegisteredSong:
        """Return fresh presigned requests for an upload that broke off, and which parts have arrived."""
        await limits.take("upload", identity.user_id, per_minute=settings.uploads_per_minute)
        going_on = await service.upload(identity, song_id)
        return RegisteredSong.of(going_on, await body(identity, going_on.song), settings.part_bytes)

    @router.post("/{song_id}/complete", status_code=202)
    async def complete(identity: Uploader, song_id: SongId) -> SongBody:
        """Say that the bytes are uploaded. Safe to repeat."""
        return await body(identity, await service.complete(identity, song_id))

    @router.get("")
    async def find(
        identity: SignedIn,
        q: Annotated[str, Query(max_length=200, description="Words, or beginnings of words.")] = "",
        status: Status | None = None,
        artist: Artist = None,
        album: Album = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 50,
        mine: Mine = False,
        sort: Sort = "newest",
        cursor: Cursor = None,
    ) -> SongPage:
        """List one's own songs and those shared by others, newest first or sorted by name, or search by words.

        Words are looked for in title, artist, album and ISRC of songs that are ready; what is found comes in the order
        of the words. Songs of an artist come by album and track, those of an album by track, whatever `sort` says.
        """
        songs, following = await service.find(
            identity,
            query=q,
            status=status,
            artist=artist,
            album=album,
            only_own=mine,
            order=None if sort == "newest" else sort,
            limit=limit,
            cursor=cursor,
        )
        known = await service.known_songs(identity, songs)
        return SongPage(songs=[SongBody.of(song, known) for song in songs], next_cursor=following)

    @router.get("/parts")
    async def parts(
        identity: SignedIn,
        artist: Artist = None,
        album: Album = None,
        mine: Mine = False,
        sort: Sort = "newest",
        cursor: Cursor = None,
    ) -> SongParts:
        """Count what `GET /v1/songs` lists without words, and tell where one can begin to read: behind each 100 songs.

        Long lists are counted bit by bit: ask on with `next_cursor`, and add up.
        """
        songs, cursors, following = await service.parts(
            identity,
            artist=artist,
            album=album,
            only_own=mine,
            order=None if sort == "newest" else sort,
            cursor=cursor,
        )
        return SongParts(songs=songs, cursors=cursors, next_cursor=following)

    @router.get("/usage")
    async def usage(identity: SignedIn) -> UsageBody:
        """Return how much one keeps here, how much one may, and who sees what one adds."""
        return UsageBody.of(await service.usage(identity), service.quotas, settings.visibility)

    @router.get("/{song_id}")
    async def get(identity: SignedIn, song_id: SongId) -> SongBody:
        """Return a song."""
        return await body(identity, await service.get(identity, song_id))

    @router.patch("/{song_id}")
    async def edit(identity: SignedIn, song_id: SongId, edited: EditedSong, address: Address) -> SongBody:
        """Change what is said about a song, or who sees it; a tag set to null falls back to what the file says."""
        song = await service.edit(identity, song_id, edited.tags(), edited.visibility)
        await note(identity, song, address, detail=f"edited, {song.visibility}")
        return await body(identity, song)

    @router.delete("/{song_id}", status_code=204)
    async def delete(identity: SignedIn, song_id: SongId, address: Address) -> None:
        """Delete a song: it can't be found or played any more."""
        await note(identity, await service.delete(identity, song_id), address, detail="deleted")

    @router.get("/{song_id}/cover", status_code=307, response_class=RedirectResponse)
    async def cover(identity: SignedIn, song_id: SongId) -> RedirectResponse:
        """Redirect to the cover picture that the file carried."""
        song = await service.get(identity, song_id)
        if song.cover_key is None or song.status is not Status.READY:
            raise Rejected("no_cover", "this song has no cover picture", status=404)
        request = await blobs.sign_get(song.cover_key, valid_s=COVER_URL_S)
        return RedirectResponse(request.url, 307, headers={"Cache-Control": "private, max-age=240"})

    @router.get("/{song_id}/events", response_class=EventSourceResponse)
    async def events(
        identity: Listening,
        song: Annotated[Song, Depends(existing)],
        last_event_id: Annotated[int, Header(ge=0)] = 0,
    ) -> AsyncIterable[ServerSentEvent]:
        """Follow a song as server-sent events until its fate is known."""

        async def step() -> Step:
            now = await service.get(identity, song.song_id)
            return Step(len(now.history), await body(identity, now), now.status.is_final)

        async for event in follow(step, name="song", after=last_event_id, pause_s=POLL_PAUSE_S):
            yield event

    return router
