"""What can somebody learn of songs that others keep to themselves?"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from ulid import ULID

from services.ingest import listing
from services.ingest.songs import Status
from services.ingest.words import have_all, words_of
from shared.catalogue import Library
from shared.events import AuditRecorded, Tags
from shared.messaging.bus import Subscription
from shared.storage.paging import cursor_behind
from tests.unit.ingest.instance import Ingest, person

ROUTES = [
    ("GET", "/songs/{id}", None),
    ("PATCH", "/songs/{id}", {"title": "x"}),
    ("DELETE", "/songs/{id}", None),
    ("POST", "/songs/{id}/complete", None),
    ("GET", "/songs/{id}/cover", None),
    ("GET", "/songs/{id}/events", None),
]


async def everything(client: httpx.AsyncClient, limit: int, **params: Any) -> list[str]:
    """Ids of all pages of a listing; every page but the last is full."""
    ids: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.get("/songs", params={"limit": limit, **params, **cursor})).json()
        ids += [song["id"] for song in page["songs"]]
        if page["next_cursor"] is None:
            return ids
        assert len(page["songs"]) == limit
        cursor = {"cursor": page["next_cursor"]}


@pytest.mark.parametrize("role", ["listener", "contributor", "admin"])
async def test_private_song_of_another_is_answered_as_one_that_never_was(ingest: Ingest, role: str) -> None:
    private = [
        (await ingest.ready_song("ada")).song_id,
        (await ingest.upload("ada", visibility="shared")).song_id,  # shared when it is ready, which it is not
    ]
    never = str(ULID())
    async with ingest.client("eve", role) as eve:
        for method, path, body in ROUTES:
            unknown = await eve.request(method, path.replace("{id}", never), json=body)
            for song_id in private:
                answer = await eve.request(method, path.replace("{id}", song_id), json=body)
                assert answer.status_code == unknown.status_code, (method, path)
                assert answer.text.replace(song_id, never) == unknown.text
        assert unknown.status_code == 404
        assert unknown.json()["code"] == "song_not_found"


async def test_shared_song_is_seen_by_all_and_changed_by_its_owner_and_admins_alone(ingest: Ingest) -> None:
    song = await ingest.ready_song("ada", visibility="shared")
    path = f"/songs/{song.song_id}"
    moderated: list[AuditRecorded] = []

    async def hear(event: AuditRecorded) -> None:
        moderated.append(event)

    await ingest.bus.subscribe(Subscription(AuditRecorded, hear, queue="test.audit-recorded"))
    async with ingest.client("eve") as eve, ingest.client("root", "admin") as admin:
        assert (await eve.get(path)).json()["visibility"] == "shared"
        for method, body in (("PATCH", {"visibility": "private"}), ("DELETE", None)):
            refused = await eve.request(method, path, json=body)
            assert (refused.status_code, refused.json()["code"]) == (403, "not_yours")
        assert (await eve.post(f"{path}/complete")).status_code == 403

        assert (await admin.patch(path, json={"title": "Moderated"})).json()["title"] == "Moderated"
        assert (await admin.patch(path, json={"visibility": "private"})).status_code == 200

        assert [(await one.get(path)).status_code for one in (eve, admin)] == [404, 404]
        assert (await admin.delete(path)).status_code == 404
    await ingest.bus.unsubscribe("test.audit-recorded")
    done = [(event.action, event.actor, event.subject, event.detail) for event in moderated]
    assert done == [("song.moderated", "root", song.song_id, f"edited, {who}") for who in ("shared", "private")]


async def test_other_services_see_at_once_who_may_see_a_song(ingest: Ingest) -> None:
    song = await ingest.ready_song("ada", title="Old")
    library = Library(ingest.table)
    before = await library.get(song.song_id)

    await ingest.service.edit(person("ada"), song.song_id, Tags(), "shared")
    after = await library.get(song.song_id)

    assert before is not None
    assert after is not None
    assert (before.visibility, after.visibility) == ("private", "shared")
    assert before.revision == after.revision


async def test_listing_has_ones_own_and_the_shared_songs_newest_first_in_full_pages(ingest: Ingest) -> None:
    seen: list[str] = []
    for number in range(9):
        mine = await ingest.upload("eve") if number % 2 else await ingest.ready_song("eve", visibility="shared")
        seen.append(mine.song_id)
        await ingest.ready_song("ada")
        await asyncio.sleep(0.002)  # ids sort by milliseconds
        if number % 3 == 0:
            seen.append((await ingest.ready_song("ada", visibility="shared")).song_id)
            await asyncio.sleep(0.002)

    async with ingest.client("eve") as eve:
        for limit in (1, 2, 5, 200):
            assert await everything(eve, limit) == seen[::-1]
        ready = [one for one in seen[::-1] if (await ingest.service.get(person("eve"), one)).status is Status.READY]
        assert await everything(eve, 3, status="ready") == ready
        assert len(await everything(eve, 4, mine="true")) == 9


async def test_songs_of_others_change_neither_a_page_nor_its_cursor(ingest: Ingest) -> None:
    for _ in range(3):
        await ingest.ready_song("ada", title="Blue", visibility="shared")
    async with ingest.client("eve") as eve:
        asked: list[dict[str, Any]] = [{"limit": 2}, {"limit": 2, "q": "blu"}, {"limit": 3}, {"limit": 1, "q": "hid"}]
        before = [(await eve.get("/songs", params=params)).json() for params in asked]
        for title in ("Blue", "Hidden", "Aardvark", "Blub"):
            await ingest.ready_song("ada", title=title)
            await ingest.upload("ada", visibility="shared", typed=Tags(title=title))

        assert [(await eve.get("/songs", params=params)).json() for params in asked] == before


async def test_song_with_several_words_that_fit_is_found_once(ingest: Ingest) -> None:
    found = {
        (await ingest.ready_song("ada", title=f"typing typist typo {n}", visibility="shared")).song_id for n in "abc"
    }
    async with ingest.client("ada") as ada, ingest.client("eve") as eve:
        for client in (ada, eve):
            ids = await everything(client, 1, q="typ")
            assert (len(ids), set(ids)) == (3, found)


@pytest.mark.parametrize("compared", [1, 3, 1000])
async def test_songs_with_all_of_the_words_are_found_whichever_is_rare(
    ingest: Ingest, compared: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "FEW", (compared + 1) // 2)
    monkeypatch.setattr(listing, "MOST_COMPARED", compared)
    titles = ["blue moon", "blue moon", "a blue moth", "blue", "moon", "bluest moonlight", "a blot moves"]
    for number, title in enumerate(titles):
        await ingest.ready_song("eve" if number % 2 else "ada", title=title, visibility="shared")
    async with ingest.client("eve") as eve:
        for query in ("blue moon", "moon bl", "a mo blue", "bl blue", "bl mo", "a", "blue nothing", "m bl"):
            wanted = [title for title in titles if have_all(words_of(title), words_of(query))]
            for limit in (1, 2, 200):
                ids = await everything(eve, limit, q=query)
                found = [(await ingest.service.get(person("eve"), one)).title for one in ids]
                assert (sorted(found), len(set(ids))) == (sorted(wanted), len(ids)), (query, limit)


async def test_words_follow_a_song_that_is_renamed_and_unshared(ingest: Ingest) -> None:
    song = await ingest.ready_song("ada", title="Before", visibility="shared")
    async with ingest.client("ada") as ada, ingest.client("eve") as eve:

        async def finders(word: str) -> list[str]:
            return [name for name, one in (("ada", ada), ("eve", eve)) if await everything(one, 5, q=word)]

        await ada.patch(f"/songs/{song.song_id}", json={"title": "After"})
        assert (await finders("before"), await finders("after")) == ([], ["ada", "eve"])
        await ada.patch(f"/songs/{song.song_id}", json={"visibility": "private"})
        assert await finders("after") == ["ada"]
        await ada.delete(f"/songs/{song.song_id}")
        assert await finders("after") == []
    words = [item for place in ("of#ada", "shared") for item in (await ingest.table.query(f"words#{place}#af")).items]
    assert words == []


RUBBISH = [
    "",
    "x",
    "\u00e9",
    "bm9uc2Vuc2U",
    "WzFd",
    "W10",
    "bnVsbA",
    cursor_behind("a", "b"),
    cursor_behind("x" * 1400),
]
RUBBISH += [cursor_behind(position) for position in ("\x00", "a#", "#a", "a b", "a" * 41 + "#x", "song#\ud800", "../x")]


async def test_cursor_that_nobody_gave_is_refused(ingest: Ingest) -> None:
    await ingest.ready_song("eve", title="Any")
    async with ingest.client("eve") as eve:
        for cursor in RUBBISH:
            for params in ({}, {"q": "a"}):
                answer = await eve.get("/songs", params={"cursor": cursor, **params})
                assert (answer.status_code, answer.json()["code"]) == (422, "cursor_invalid"), cursor


async def test_duplicate_of_a_song_that_one_may_not_see_is_only_known_already(ingest: Ingest) -> None:
    private = await ingest.upload("ada", b"the same bytes")
    await ingest.fingerprint(private.song_id)
    shared = await ingest.ready_song("ada", title="Shared", visibility="shared")
    same_bytes = await ingest.upload("eve", b"the same bytes")
    same_sound = await ingest.upload("eve")
    await ingest.fingerprint(same_sound.song_id, sounds_like=private.song_id)
    visible = await ingest.upload("eve")
    await ingest.fingerprint(visible.song_id, sounds_like=shared.song_id)

    async with ingest.client("eve") as eve:
        songs = {song["id"]: song for song in (await eve.get("/songs")).json()["songs"]}
        told = (await eve.get(f"/songs/{same_bytes.song_id}")).text
        events = (await eve.get(f"/songs/{same_sound.song_id}/events")).text

        for upload in (same_bytes, same_sound):
            assert songs[upload.song_id]["status"] == "duplicate"
            assert set(songs[upload.song_id]["duplicate"].values()) == {None}
        assert private.song_id not in told + events
        proof = songs[visible.song_id]["duplicate"]
        assert (proof["song_id"], proof["title"], proof["evidence"]) == (shared.song_id, "Shared", "sound")

        await ingest.service.edit(person("ada"), shared.song_id, Tags(), "private")
        assert set((await eve.get(f"/songs/{visible.song_id}")).json()["duplicate"].values()) == {None}


async def test_stream_of_events_ends_when_the_song_is_not_seen_any_more(ingest: Ingest) -> None:
    song = await ingest.upload("ada")
    async with ingest.client("ada") as ada, ingest.client("eve") as eve:
        following = asyncio.create_task(ada.get(f"/songs/{song.song_id}/events"))
        await asyncio.sleep(0.1)  # so that it has begun

        await ingest.service.delete(person("ada"), song.song_id)

        async with asyncio.timeout(30):
            assert (await following).text.count("event: song") == 1
        assert (await eve.get(f"/songs/{song.song_id}/events")).status_code == 404
