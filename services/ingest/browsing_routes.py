"""What can a client ask about the artists and albums of a library over HTTP?"""

# No `annotations` of the future here: FastAPI reads a parameter's type from the real annotation.

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Query

from services.ingest.browsing import Browsing
from services.ingest.schemas import AlbumBody, AlbumPage, ArtistBody, ArtistPage
from shared.runtime.identity import SignedIn
from shared.runtime.problems import PROBLEM_RESPONSES

Beginning = Annotated[str, Query(max_length=200, description="How the name begins, whatever its case and accents.")]
Limit = Annotated[int, Query(ge=1, le=200)]
Mine = Annotated[bool, Query(description="Only songs of one's own count.")]
Cursor = Annotated[str | None, Query(max_length=4000)]


def browsing_routes(browsing: Browsing) -> APIRouter:
    """Return the routes ``/v1/artists`` and ``/v1/albums``."""
    router = APIRouter(prefix="/v1", tags=["songs"], responses=PROBLEM_RESPONSES)

    @router.get("/artists")
    async def artists(
        identity: SignedIn, q: Beginning = "", limit: Limit = 50, mine: Mine = False, cursor: Cursor = None
    ) -> ArtistPage:
        """List the artists of one's own songs and of those shared by others, by name, and count their songs."""
        found, following = await browsing.artists(
            identity.user_id, beginning=q, only_own=mine, limit=limit, cursor=cursor
        )
        return ArtistPage(
            artists=[ArtistBody(name=one.name, songs=one.songs, cover_song_id=one.cover_song_id) for one in found],
            next_cursor=following,
        )

    @router.get("/albums")
    async def albums(
        identity: SignedIn, q: Beginning = "", limit: Limit = 50, mine: Mine = False, cursor: Cursor = None
    ) -> AlbumPage:
        """List the albums of one's own songs and of those shared by others, by name, and count their songs."""
        found, following = await browsing.albums(
            identity.user_id, beginning=q, only_own=mine, limit=limit, cursor=cursor
        )
        return AlbumPage(albums=[AlbumBody(**asdict(one)) for one in found], next_cursor=following)

    return router
