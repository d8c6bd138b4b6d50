"""What happens to an upload, from the first request to the day it is deleted?"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from ulid import ULID

from services.ingest.decision import Decision
from services.ingest.settings import IngestSettings
from services.ingest.songs import Duplicate, Rejection, Song, Status
from services.ingest.store import (
    SongStore,
    list_undecided,
    release_content,
    still_ready,
    unlist,
)
from services.ingest.words import matches, words_of
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
)
from shared.runtime.identity import Identity
from shared.storage.blobs import BlobStore, SignedRequest
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
    """A registered song, and the requests that bring its bytes: one, or one for each part; none where they are here."""

    song: Song
    request: SignedRequest | None
    parts: tuple[Part, ...] = ()


class IngestService:
    """Registers uploads, takes them in, decides what they are, edits and deletes songs."""

    def __init__(self, store: SongStore, blobs: BlobStore, decision: Decision, settings: IngestSettings) -> None:
        self._store = store
        self._blobs = blobs
        self._decision = decision
        self._settings = settings

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
    ) -> Upload:
        """Begin an upload straight to the bucket.

        Raises
        ------
        Rejected
            The file is too large (status 413).
        """
        if size_bytes > self._settings.max_song_bytes:
            reason = f"the file has {size_bytes} bytes; at most {self._settings.max_song_bytes} are accepted"
            raise Rejected("too_large", reason, status=413)
        new = Song(str(ULID()), owner.user_id, file_name, size_bytes, content_type, _now(), typed)
        if size_bytes > self._settings.multipart_above_bytes:
            upload_id = await self._blobs.open_multipart(new.blob_key, content_type=content_type)
            new = new.revised(upload_id=upload_id)
        request = f"{file_name}|{size_bytes}|{content_type}|{typed.model_dump_json()}"
        song = await self._store.add(new, idempotency_key, hashlib.sha256(request.encode()).hexdigest())
        if song.song_id == new.song_id:
            log.info("song.registered", song_id=song.song_id, size_bytes=size_bytes)
        elif new.upload_id is not None:  # the same request made a song before
            await self._blobs.abort_multipart(new.blob_key, new.upload_id)
        return await self._sign(song)

    async def _sign(self, song: Song) -> Upload:
        if song.status is not Status.AWAITING_UPLOAD:  # else the bytes of a song of the library could be replaced
            return Upload(song, None)
        valid_s = self._settings.upload_url_s
        if song.upload_id is None:
            request = await self._blobs.sign_put(
                song.blob_key, size_bytes=song.size_bytes, content_type=song.content_type, valid_s=valid_s
            )
            return Upload(song, request)
        parts = []
        for number, start in enumerate(range(0, song.size_bytes, self._settings.part_bytes), start=1):
            size = min(self._settings.part_bytes, song.size_bytes - start)
            request = await self._blobs.sign_part(
                song.blob_key, song.upload_id, number, size_bytes=size, valid_s=valid_s
            )
            parts.append(Part(number, size, request))
        return Upload(song, None, tuple(parts))

    async def complete(self, owner: Identity, song_id: str) -> Song:
        """Take the uploaded bytes over; asking again changes nothing.

        Raises
        ------
        Rejected
            The bytes have not arrived (status 409).
        """
        song = await self._own(owner, song_id)
        if song.status is not Status.AWAITING_UPLOAD:
            return song
        if song.upload_id is not None:
            await self._blobs.complete_multipart(song.blob_key, song.upload_id, size_bytes=song.size_bytes)
        blob = await self._blobs.head(song.blob_key)
        if blob is None or blob.size_bytes != song.size_bytes:
            arrived = 0 if blob is None else blob.size_bytes
            reason = f"{arrived} of {song.size_bytes} bytes have arrived; upload the file, then complete again"
            raise Rejected("upload_incomplete", reason, status=409)
        sha256 = await self._blobs.sha256(song.blob_key)
        try:
            return await self._accept(song, sha256)
        except ConditionFailed:  # the same request arrived twice at once, or the known song was deleted
            return await self.complete(owner, song_id)

    async def _accept(self, song: Song, sha256: str) -> Song:
        known = await self._store.owner_of_content(sha256)
        if known is not None:
            proof = Duplicate(known.song_id, "bytes", "same_recording", 1.0, 0)
            return await self.refuse_duplicate(song, proof, content_sha256=sha256, also=[still_ready(known)])
        after = song.becomes(Status.UPLOADED, content_sha256=sha256)
        await self._store.change(song, after, [_uploaded(after)])
        log.info("song.uploaded", song_id=song.song_id, size_bytes=song.size_bytes)
        return after

    async def get(self, song_id: str) -> Song:
        """Return a song."""
        return await self._store.get(song_id)

    async def known_song(self, song: Song) -> Song | None:
        """Return the song that a duplicate is a duplicate of."""
        return await self._store.find(song.duplicate.song_id) if song.duplicate else None

    async def find(
        self, *, query: str, status: Status | None, artist: str, album: str, limit: int, cursor: str | None
    ) -> tuple[list[Song], str | None]:
        """Return songs that match all that is asked, and the cursor of the next page."""
        wanted = words_of(query, artist, album)
        if not wanted and (query or artist or album):
            return [], None  # nothing but signs, which no song is found by
        if wanted:
            rarest = max(wanted, key=len)
            songs, following = await self._store.find_by_word(rarest, limit=limit, cursor=cursor)
        else:
            songs, following = await self._store.list_page(status=status, limit=limit, cursor=cursor)
        kept = [
            song
            for song in songs
            if (status is None or song.status is status)
            and matches(query, song.title, song.artist, song.album, song.isrc or "")
            and matches(artist, song.artist)
            and matches(album, song.album)
        ]
        return kept, following

    async def edit(self, owner: Identity, song_id: str, typed: Tags) -> Song:
        """Replace what the owner has said about a song; fields not given keep their value."""
        song = await self._own(owner, song_id)
        after = song.revised(typed=song.typed.model_copy(update=typed.model_dump(exclude_unset=True)))
        also: list[Write] = []
        if song.status is Status.READY:
            also += await self._store.rewrite_entry(after)
            await self._store.replace_words(song, after)
        try:
            return await self._store.change(song, after, also=also)
        except ConditionFailed:
            return await self.edit(owner, song_id, typed)

    async def delete(self, owner: Identity, song_id: str) -> None:
        """Delete a song; the bytes and the fingerprint go when the event is heard."""
        song = await self._own(owner, song_id)
        after = song.becomes(Status.DELETED)
        also: list[Write] = [unlist(song_id)]
        if song.status is Status.READY:
            also += [*await self._store.bury_entry(after), release_content(song)]
        try:
            await self._store.change(song, after, [SongDeleted(song_id=song_id, revision=after.revision)], also=also)
        except ConditionFailed:
            return await self.delete(owner, song_id)
        await self._store.forget_words(song)
        log.info("song.deleted", song_id=song_id)
        return None

    async def _own(self, owner: Identity, song_id: str) -> Song:
        song = await self._store.get(song_id)
        if song.owner != owner.user_id and not owner.is_admin:
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

    async def on_song_fingerprint_failed(self, event: SongFingerprintFailed) -> None:
        """Tell the owner why the upload can't become a song."""
        song = await self._store.find(event.song_id)
        if song is not None and song.status is Status.UPLOADED:
            await self._reject(song, Rejection(event.code, event.reason))

    async def on_song_ended(self, event: SongEvent) -> None:
        """Remove the bytes of an upload that did not become a song, or is none any more."""
        song = await self._store.find(event.song_id)
        if song is not None and song.status in (Status.DUPLICATE, Status.REJECTED, Status.DELETED):
            if song.upload_id is not None:
                await self._blobs.abort_multipart(song.blob_key, song.upload_id)
            await self._blobs.delete(song.blob_key)

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
            evidence="bytes" if proof.evidence == "bytes" else "sound",
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


def _now() -> str:
    return datetime.now(UTC).isoformat()
