"""What happens to an upload, from the first request to the day it is deleted?"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from ulid import ULID

from services.ingest import sorting
from services.ingest.decision import Decision
from services.ingest.listing import words_of_song
from services.ingest.settings import IngestSettings
from services.ingest.songs import Duplicate, Rejection, Song, Status
from services.ingest.sorting import Order
from services.ingest.store import (
    SongStore,
    list_undecided,
    release_content,
    still_ready,
    unlist,
)
from services.ingest.usage import Quotas, Usage
from services.ingest.words import have_all, words_of
from shared.catalogue import Visibility
from shared.errors import Rejected
from shared.events import (
    SongDeleted,
    SongDuplicateDetected,
    SongEvent,
    SongFingerprinted,
    SongFingerprintFailed,
    SongRejected,
    SongUploaded,
    Tags,
    UserDeleted,
)
from shared.runtime.identity import Identity
from shared.storage.blobs import UPLOADS, BlobStore, SignedRequest
from shared.storage.tables import ConditionFailed, Write

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a large upload."""

    number: int
    size_bytes: int
    request: SignedRequest


@dataclass(frozen=True, slots=True)
class Upload:
    """A registered song, and the requests that bring its bytes: one, or one for each part; none where they are here.

    Attributes
    ----------
    arrived : tuple of int
        Numbers of the parts that the store has already, whole.
    """

    song: Song
    request: SignedRequest | None
    parts: tuple[Part, ...] = ()
    arrived: tuple[int, ...] = ()


class IngestService:
    """Registers uploads, takes them in, decides what they are, edits and deletes songs."""

    def __init__(self, store: SongStore, blobs: BlobStore, decision: Decision, settings: IngestSettings) -> None:
        self._store = store
        self._blobs = blobs
        self._decision = decision
        self._settings = settings
        self.quotas = Quotas(settings.quota_songs, settings.quota_bytes, settings.quota_jobs)

    # --- What people ask for ---

    async def register(
        self,
        owner: Identity,
        *,
        file_name: str,
        size_bytes: int,
        content_type: str,
        typed: Tags,
        idempotency_key: str | None,
        visibility: Visibility | None = None,
    ) -> Upload:
        """Begin an upload straight to the bucket.

        Raises
        ------
        Rejected
            The file is too large (status 413), or too much for the owner's quotas (403, or 429).
        """
        if size_bytes > self._settings.max_song_bytes:
            reason = f"the file has {size_bytes} bytes; at most {self._settings.max_song_bytes} are accepted"
            raise Rejected("too_large", reason, status=413)
        new = Song(
            *(str(ULID()), owner.user_id, file_name, size_bytes, content_type, _now(), typed),
            visibility=visibility or self._settings.visibility,
        )
        if size_bytes > self._settings.multipart_above_bytes:
            upload_id = await self._blobs.open_multipart(new.upload_key, content_type=content_type)
            new = new.revised(upload_id=upload_id)
        request = f"{file_name}|{size_bytes}|{content_type}|{typed.model_dump_json()}|{visibility}"
        digest = hashlib.sha256(request.encode()).hexdigest()
        try:
            song = await self._store.add(new, idempotency_key, digest, quotas=self.quotas)
        except Rejected:
            await self._forget_parts(new)
            raise
        if song.song_id == new.song_id:
            log.info("song.registered", song_id=song.song_id, size_bytes=size_bytes)
        else:  # the same request made a song before
            await self._forget_parts(new)
        return await self._sign(song)

    async def _forget_parts(self, song: Song) -> None:
        if song.upload_id is not None:
            await self._blobs.abort_multipart(song.upload_key, song.upload_id)

    async def _sign(self, song: Song) -> Upload:
        if song.status is not Status.AWAITING_UPLOAD:
            return Upload(song, None)
        valid_s = self._settings.upload_url_s
        if song.upload_id is None:
            request = await self._blobs.sign_put(
                song.upload_key, size_bytes=song.size_bytes, content_type=song.content_type, valid_s=valid_s
            )
            return Upload(song, request)
        sizes_bytes = await self._blobs.arrived_parts(song.upload_key, song.upload_id)
        is_joined = not sizes_bytes and await self._is_joined(song)
        parts = []
        for number, start in enumerate(range(0, song.size_bytes, self._settings.part_bytes), start=1):
            size = min(self._settings.part_bytes, song.size_bytes - start)
            request = await self._blobs.sign_part(
                song.upload_key, song.upload_id, number, size_bytes=size, valid_s=valid_s
            )
            parts.append(Part(number, size, request))
        arrived = (part.number for part in parts if is_joined or sizes_bytes.get(part.number) == part.size_bytes)
        return Upload(song, None, tuple(parts), tuple(arrived))

    async def _is_joined(self, song: Song) -> bool:
        """Tell whether an earlier `complete` broke off behind the joining of the parts."""
        return any([await self._blobs.head(key) is not None for key in (song.upload_key, song.blob_key)])

    async def upload(self, owner: Identity, song_id: str) -> Upload:
        """Return fresh requests that bring the bytes of a song, to go on with an upload that broke off."""
        return await self._sign(await self._changeable(owner, song_id, by_admins=False))

    async def complete(self, owner: Identity, song_id: str) -> Song:
        """Take the uploaded bytes over; asking again changes nothing.

        Raises
        ------
        Rejected
            The bytes have not arrived (status 409).
        """
        song = await self._changeable(owner, song_id, by_admins=False)
        if song.status is not Status.AWAITING_UPLOAD:
            return song
        await self._store.require_open_account(owner.user_id)
        try:
            await self._take_over(song)
        except Rejected:
            if await self._blobs.head(song.blob_key) is None:  # otherwise moved before a crash, or at this moment
                raise
        sha256 = await self._blobs.sha256(song.blob_key)
        try:
            return await self._accept(song, sha256)
        except ConditionFailed:  # the same request arrived twice at once, or this song or the known one was deleted
            await self._remove_if_ended(song_id)
            return await self.complete(owner, song_id)

    async def _take_over(self, song: Song) -> None:
        """Move the bytes to where nobody can write."""
        if song.upload_id is not None:
            await self._blobs.complete_multipart(song.upload_key, song.upload_id, size_bytes=song.size_bytes)
        blob = await self._blobs.head(song.upload_key)
        if blob is None or blob.size_bytes != song.size_bytes:
            arrived = 0 if blob is None else blob.size_bytes
            reason = f"{arrived} of {song.size_bytes} bytes have arrived; upload the file, then complete again"
            raise Rejected("upload_incomplete", reason, status=409)
        await self._blobs.move(song.upload_key, song.blob_key)

    async def _accept(self, song: Song, sha256: str) -> Song:
        known = await self._store.owner_of_content(sha256)
        if known is not None:
            proof = Duplicate(known.song_id, "bytes", "same_recording", 1.0, 0)
            return await self.refuse_duplicate(song, proof, content_sha256=sha256, also=[still_ready(known)])
        after = song.becomes(Status.UPLOADED, content_sha256=sha256)
        await self._store.change(song, after, [_uploaded(after)])
        log.info("song.uploaded", song_id=song.song_id, size_bytes=song.size_bytes)
        return after

    async def get(self, asking: Identity, song_id: str) -> Song:
        """Return a song that somebody sees; all others are as if they were not (status 404)."""
        return await self._store.get(song_id, asking.user_id)

    async def known_songs(self, asking: Identity, songs: Iterable[Song]) -> dict[str, Song]:
        """Return by their ids those of the songs that the given ones are duplicates of which somebody sees."""
        known = await self._store.find_many(song.duplicate.song_id for song in songs if song.duplicate is not None)
        return {song.song_id: song for song in known if song.is_visible_to(asking.user_id)}

    async def usage(self, owner: Identity) -> Usage:
        """Return how much somebody keeps."""
        return await self._store.usage(owner.user_id)

    async def find(
        self,
        asking: Identity,
        *,
        query: str = "",
        status: Status | None = None,
        artist: str | None = None,
        album: str | None = None,
        only_own: bool = False,
        order: Order | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[Song], str | None]:
        """Return songs that somebody sees and that match all that is asked, and the cursor of the next page.

        Songs of an artist or an album are in its order; those found by words in the order of these words; others in the
        given order, newest first where there is none.
        """
        words = words_of(query)
        if query and not words:
            return [], None  # nothing but signs, which no song is found by
        order, beginning = _place(order, artist, album)
        if (words or order is not None) and status not in (None, Status.READY):
            return [], None  # only songs of the library are sorted, and found by words
        listing, user_id = self._store.listing, asking.user_id
        if words and not beginning:
            return await listing.by_words(user_id, words, only_own=only_own, limit=limit, cursor=cursor)

        def keep(song: Song) -> bool:
            return (status is None or song.status is status) and (not words or have_all(words_of_song(song), words))

        return await listing.in_order(
            order, user_id, beginning=beginning, only_own=only_own, keep=keep, limit=limit, cursor=cursor
        )

    async def parts(
        self,
        asking: Identity,
        *,
        artist: str | None = None,
        album: str | None = None,
        only_own: bool = False,
        order: Order | None = None,
        cursor: str | None = None,
    ) -> tuple[int, list[str], str | None]:
        """Count the songs that `find` returns without words, and tell where in them one can begin to read.

        Returns
        -------
        tuple of int, list of str, str or None
            How many songs, the cursors behind each `PART` of them, and where to count on where there are more.
        """
        order, beginning = _place(order, artist, album)
        return await self._store.listing.parts(
            order, asking.user_id, beginning=beginning, only_own=only_own, cursor=cursor
        )

    async def edit(self, asking: Identity, song_id: str, typed: Tags, visibility: Visibility | None = None) -> Song:
        """Replace what is said about a song, and who sees it; what is not given stays as it is."""
        song = await self._changeable(asking, song_id)
        after = song.revised(
            typed=song.typed.model_copy(update=typed.model_dump(exclude_unset=True)),
            visibility=visibility or song.visibility,
        )
        await self._store.add_words(after)
        also = await self._store.rewrite_entry(after) if song.status is Status.READY else []
        try:
            await self._store.change(song, after, also=also)
        except ConditionFailed:
            return await self.edit(asking, song_id, typed, visibility)
        await self._store.replace_words(song, after)
        if after.visibility != song.visibility:
            log.info("song.visibility_changed", song_id=song_id, visibility=after.visibility, by=asking.user_id)
        return after

    async def delete(self, asking: Identity, song_id: str) -> Song:
        """Delete a song and return it as it was; the bytes and the fingerprint go when the event is heard."""
        song = await self._changeable(asking, song_id)
        try:
            await self._delete(song)
        except ConditionFailed:
            return await self.delete(asking, song_id)
        return song

    async def _delete(self, song: Song) -> None:
        after = song.becomes(Status.DELETED)
        also: list[Write] = [unlist(song.song_id)]
        if song.status is Status.READY:
            also += [*await self._store.bury_entry(after), release_content(song)]
        await self._store.change(song, after, [SongDeleted(song_id=song.song_id, revision=after.revision)], also=also)
        await self._store.replace_words(song, after)
        log.info("song.deleted", song_id=song.song_id)

    async def _changeable(self, asking: Identity, song_id: str, *, by_admins: bool = True) -> Song:
        song = await self._store.get(song_id, asking.user_id)
        if song.owner != asking.user_id and not (by_admins and asking.is_admin):
            raise Rejected("not_yours", "only its owner may change a song", status=403)
        return song

    # --- What the other services report ---

    async def on_song_fingerprinted(self, event: SongFingerprinted) -> None:
        """Note what was read from the file, then decide."""
        song = await self._store.find(event.song_id)
        if song is None or event.revision > song.revision:
            log.warning("event.ignored", song_id=event.song_id, event_name=event.name)
            return
        if song.status is Status.UPLOADED:
            after = song.becomes(
                Status.FINGERPRINTED,
                duration_s=event.duration_s,
                audio_format=event.audio_format,
                tags=event.tags,
                cover_key=event.cover_key,
            )
            song = await self._store.change(song, after, also=[list_undecided(song.song_id)])
            log.info("song.fingerprinted", song_id=song.song_id, duration_s=event.duration_s)
        if song.status is Status.FINGERPRINTED:
            await self._decision.decide(song.song_id, self.refuse_duplicate)
        elif song.status is Status.DELETED:  # its fingerprint and cover may have come behind the word to remove them
            after = song.revised()
            await self._store.change(song, after, [SongDeleted(song_id=song.song_id, revision=after.revision)])

    async def on_song_fingerprint_failed(self, event: SongFingerprintFailed) -> None:
        """Tell the owner why the upload can't become a song."""
        song = await self._store.find(event.song_id)
        if song is not None and song.status is Status.UPLOADED:
            await self._reject(song, Rejection(event.code, event.reason))

    async def on_song_ended(self, event: SongEvent) -> None:
        """Remove the bytes of an upload that did not become a song, or is none any more."""
        await self._remove_if_ended(event.song_id)

    async def _remove_if_ended(self, song_id: str) -> None:
        song = await self._store.find(song_id)
        if song is not None and song.status in (Status.DUPLICATE, Status.REJECTED, Status.DELETED):
            await self._forget_parts(song)
            await self._blobs.delete(song.upload_key)
            await self._blobs.delete(song.blob_key)

    async def on_user_deleted(self, event: UserDeleted) -> None:
        """Delete all songs of somebody who has left. Whoever does it again goes on where it stopped."""
        await self._store.close_account(event.user_id)
        cursor: str | None = None
        while True:
            songs, cursor = await self._store.listing.all_of(event.user_id, cursor=cursor)
            for song in songs:
                await self._delete_as_it_is(song.song_id)
            if cursor is None:
                break
        log.info("account.emptied", user_id=event.user_id)

    async def _delete_as_it_is(self, song_id: str) -> None:
        while (song := await self._store.find(song_id)) is not None and song.status is not Status.DELETED:
            with contextlib.suppress(ConditionFailed):  # it has changed: look again
                await self._delete(song)

    async def refuse_duplicate(
        self, song: Song, proof: Duplicate, *, content_sha256: str | None = None, also: list[Write]
    ) -> Song:
        """End an upload as a duplicate of a song of the library.

        Raises
        ------
        ConditionFailed
            The song, or the known one, has changed meanwhile.
        """
        after = song.becomes(Status.DUPLICATE, duplicate=proof, content_sha256=content_sha256 or song.content_sha256)
        event = SongDuplicateDetected(
            song_id=song.song_id,
            revision=after.revision,
            duplicate_of=proof.song_id,
            evidence=proof.evidence,
            relation=proof.relation,
            overlap=proof.overlap,
            offset_ms=proof.offset_ms,
        )
        await self._store.change(song, after, [event], also=[unlist(song.song_id), *also])
        log.info("song.duplicate_detected", song_id=song.song_id, duplicate_of=proof.song_id, evidence=proof.evidence)
        return after

    # --- What nobody reports ---

    async def resume(self, song: Song) -> None:
        """Set a song going that has not moved for long."""
        log.warning("song.resumed", song_id=song.song_id, status=song.status)
        if song.status is Status.UPLOADED:
            after = song.announced_again()
            await self._store.change(song, after, [_uploaded(after)])
        elif song.status is Status.FINGERPRINTED:
            await self._decision.decide(song.song_id, self.refuse_duplicate)

    async def abandon(self, song: Song) -> None:
        """Give an upload up that was never finished."""
        await self._reject(song, Rejection("upload_abandoned", "the upload was never finished"))

    async def discard_strays(self, *, before: datetime) -> None:
        """Remove what was sent again by an address that was good for a while longer than its song was awaited."""
        old = [blob.key for blob in await self._blobs.list(UPLOADS) if blob.modified_at < before]
        songs = {
            song.upload_key: song for song in await self._store.find_many(key.removeprefix(UPLOADS) for key in old)
        }
        for key in old:
            if key not in songs or songs[key].status is not Status.AWAITING_UPLOAD:
                await self._blobs.delete(key)
                log.info("upload.discarded", blob_key=key)

    async def _reject(self, song: Song, rejection: Rejection) -> None:
        after = song.becomes(Status.REJECTED, rejection=rejection)
        event = SongRejected(
            song_id=song.song_id, revision=after.revision, code=rejection.code, reason=rejection.reason
        )
        await self._store.change(song, after, [event], also=[unlist(song.song_id)])
        log.info("song.rejected", song_id=song.song_id, code=rejection.code)


def _uploaded(song: Song) -> SongUploaded:
    assert song.content_sha256 is not None
    return SongUploaded(
        song_id=song.song_id,
        revision=song.revision,
        blob_key=song.blob_key,
        size_bytes=song.size_bytes,
        content_sha256=song.content_sha256,
    )


def _place(order: Order | None, artist: str | None, album: str | None) -> tuple[Order | None, str]:
    """Return in which order songs are read, and what their sort keys begin with."""
    return (order, "") if artist is None and album is None else sorting.place_of(artist, album)


def _now() -> str:
    return datetime.now(UTC).isoformat()
