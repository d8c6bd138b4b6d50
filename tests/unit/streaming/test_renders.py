"""Does somebody who asks for an equalized file get it, made once, whatever happens meanwhile?"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import soundfile

from services.streaming.equalizer import EqualizerSettings
from services.streaming.renderer import MAX_RENDERS_OF_A_SONG, Renderer
from services.streaming.rendering import RenderSpec
from services.streaming.renders import Render, RenderStatus, RenderStore
from services.streaming.settings import StreamingSettings
from services.streaming.store import LISTENING
from shared.catalogue import SONGS, Library
from shared.errors import TooMany
from shared.events import RenderRequested
from shared.messaging.memory import MemoryBus
from shared.messaging.outbox import Outbox
from shared.storage.sqlite import SqliteTable
from tests.unit.streaming.conftest import RATE_HZ, Listening, music, told

WARM = {"bass_db": 4, "treble_db": -2.5}


async def finished(listener: httpx.AsyncClient, asked: httpx.Response) -> dict[str, Any]:
    """Follow a render to its end."""
    assert asked.status_code in (200, 202), asked.text
    async with asyncio.timeout(60):
        end: dict[str, Any] = told(await listener.get(f"{asked.headers['Location']}/events", timeout=60))[-1]
    return end


def own_renderer(listening: Listening, settings: StreamingSettings | None = None) -> tuple[Renderer, RenderStore]:
    """Return a replica of the one that the service runs, heard by no queue."""
    runtime = listening.runtime
    table = runtime.table(LISTENING)
    store = RenderStore(table, Outbox(table, LISTENING.indexes[0], runtime.bus))
    return Renderer(store, Library(runtime.table(SONGS)), runtime.blobs, settings or StreamingSettings()), store


async def test_asked_file_is_made_once_for_everybody(
    listening: Listening, listener: httpx.AsyncClient, tmp_path: Path
) -> None:
    song = await listening.add_song(music(3), title="Low/High")
    url, wish = f"/v1/songs/{song}/renders", {"settings": WARM, "format": "flac"}

    asked = await asyncio.gather(*(listener.post(url, json=wish) for _ in range(4)))
    assert {one.status_code for one in asked} == {202}
    assert len({one.json()["id"] for one in asked}) == 1
    made = await finished(listener, asked[0])

    assert (made["status"], made["progress"], made["failure"]) == ("ready", 1.0, None)
    assert (made["sample_rate_hz"], made["duration_s"]) == (RATE_HZ, 3.0)
    assert 3.5 < made["headroom_db"] <= 4
    download = await listener.get(made["download"]["url"])
    assert len(download.content) == made["size_bytes"]
    assert "Somebody%20-%20Low%2FHigh.flac" in download.headers["Content-Disposition"]
    (tmp_path / "got.flac").write_bytes(download.content)
    assert soundfile.info(tmp_path / "got.flac").frames == 3 * RATE_HZ

    [blob] = await listening.runtime.blobs.list(f"renders/{song}/")
    async with listening.new_listener() as other:
        again = await other.post(url, json={**wish, "settings": {**WARM, "high_pass_order": 8}})
    assert (again.status_code, again.json()["id"]) == (200, made["id"])
    assert await listening.runtime.blobs.list(f"renders/{song}/") == [blob]


async def test_render_shows_what_it_did_to_the_song(listening: Listening, listener: httpx.AsyncClient) -> None:
    song = await listening.add_song(music(1))
    asked = await listener.post(f"/v1/songs/{song}/renders", json={"settings": {"high_pass_hz": 5_000}})
    await finished(listener, asked)

    picture = await listener.get(f"{asked.headers['Location']}/picture.svg")

    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert picture.text.count("<path") == 1 + 6 + 2


async def test_preset_is_rendered_by_name_and_the_chosen_one_without(
    listening: Listening, listener: httpx.AsyncClient
) -> None:
    song = await listening.add_song(music(0.5))
    url = f"/v1/songs/{song}/renders"
    await listener.put(f"/v1/songs/{song}/equalizer", json={"preset": "vocal"})

    named = await listener.post(url, json={"preset": "vocal", "format": "wav", "bit_depth": 24})
    chosen = await listener.post(url, json={"bit_depth": 24})

    assert chosen.json()["id"] == named.json()["id"]
    assert chosen.json()["settings"]["mid_db"] == 4
    both = await listener.post(url, json={"preset": "vocal", "settings": WARM})
    assert (both.status_code, both.json()["code"]) == (422, "preset_or_settings")
    assert (await listener.post(url, json={"preset": "none such"})).status_code == 404
    assert (await listener.post(url, json={"bass_db": 3})).status_code == 422
    assert (await listener.post("/v1/songs/none/renders", json={})).status_code == 404
    assert (await listener.get(f"{url}/{32 * '0'}")).status_code == 404
    await finished(listener, named)


async def test_render_that_cannot_be_made_says_why_and_can_be_asked_for_again(
    listening: Listening, listener: httpx.AsyncClient
) -> None:
    song = await listening.add_song(music(0.5))
    key, whole = f"songs/{song}", await listening.runtime.blobs.get(f"songs/{song}")
    await listening.runtime.blobs.put(key, b"RIFF but no more", content_type="audio/wav")
    url = f"/v1/songs/{song}/renders"

    failed = await finished(listener, await listener.post(url, json={"settings": WARM}))
    assert (failed["status"], failed["download"]) == ("failed", None)
    assert failed["failure"]["code"] == "not_audio"

    await listening.runtime.blobs.put(key, whole, content_type="audio/wav")
    made = await finished(listener, await listener.post(url, json={"settings": WARM}))
    assert (made["id"], made["status"], made["failure"]) == (failed["id"], "ready", None)


async def test_render_that_was_interrupted_begins_again_and_ends_once(
    listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.streaming.renderer.PROGRESS_PAUSE_S", 0.01)  # to be seen in a short song, too
    renderer, store = own_renderer(listening)
    song = await listening.add_song(music(10))
    spec = RenderSpec(settings=EqualizerSettings(mid_db=3), format="m4a")
    asked = await renderer.ask("me", song, spec)
    event = RenderRequested(song_id=song, render_id=asked.render_id)

    interrupted = asyncio.create_task(renderer.on_render_requested(event))
    async with asyncio.timeout(60):
        while True:
            await asyncio.sleep(0.01)
            found = await store.find(song, asked.render_id)
            if found is not None and found.status is not RenderStatus.QUEUED:
                break
    interrupted.cancel()
    await asyncio.gather(interrupted, return_exceptions=True)
    await renderer.on_render_requested(event)  # while the service is making it too: it has heard of it as well

    ended = await store.find(song, asked.render_id)
    assert ended is not None
    assert ended.status is RenderStatus.READY
    assert ended.duration_s == 10
    [blob] = await listening.runtime.blobs.list(f"renders/{song}/")
    assert (blob.key, blob.size_bytes) == (ended.blob_key, ended.size_bytes)


async def test_song_with_many_renders_loses_the_one_that_was_asked_for_longest_ago(
    listening: Listening, listener: httpx.AsyncClient
) -> None:
    renderer, store = own_renderer(listening, StreamingSettings(renders_per_user=MAX_RENDERS_OF_A_SONG))
    song = await listening.add_song(music(0.1))
    oldest = await finished(listener, await listener.post(f"/v1/songs/{song}/renders", json={"settings": WARM}))
    for number in range(MAX_RENDERS_OF_A_SONG):
        await renderer.ask("me", song, RenderSpec(settings=EqualizerSettings(headroom_db=number / 2 + 3), format="mp3"))

    assert len([one async for one in store.of_song(song)]) == MAX_RENDERS_OF_A_SONG
    assert await store.find(song, oldest["id"]) is None
    assert f"renders/{song}/{oldest['id']}" not in await listening.blob_keys(f"renders/{song}/")
    await listening.delete_song(song)


async def test_number_of_renders_under_way_for_one_user_is_bounded(listening: Listening, tmp_path: Path) -> None:
    table = SqliteTable(tmp_path / "tables.sqlite", LISTENING)
    store = RenderStore(table, Outbox(table, LISTENING.indexes[0], MemoryBus(None)))  # nobody hears of them
    library, blobs = Library(listening.runtime.table(SONGS)), listening.runtime.blobs
    renderer = Renderer(store, library, blobs, StreamingSettings(renders_per_user=2))
    song = await listening.add_song(music(0.1))
    wishes = [RenderSpec(settings=EqualizerSettings(headroom_db=one), format="mp3") for one in range(1, 7)]

    asked = await asyncio.gather(*(renderer.ask("me", song, wish) for wish in wishes), return_exceptions=True)

    under_way = [one for one in asked if isinstance(one, Render)]
    refused = [one for one in asked if isinstance(one, TooMany)]
    assert (len(under_way), len(refused)) == (2, 4)
    assert {(one.code, one.retry_after_s > 0) for one in refused} == {("too_many_renders", True)}
    again = await renderer.ask("me", song, under_way[0].spec)
    assert again.render_id == under_way[0].render_id
    fresh = [wish for wish in wishes if wish.render_id(song) not in {one.render_id for one in under_way}]
    await renderer.ask("you", song, fresh[0])
    await store.change(under_way[0], status=RenderStatus.READY)
    await renderer.ask("me", song, fresh[1])
    with pytest.raises(TooMany):
        await renderer.ask("me", song, fresh[2])
    await table.close()


async def test_renders_go_with_their_song(listening: Listening, listener: httpx.AsyncClient) -> None:
    song = await listening.add_song(music(0.5))
    asked = await listener.post(f"/v1/songs/{song}/renders", json={"settings": WARM})
    await finished(listener, asked)

    await listening.delete_song(song)

    async with asyncio.timeout(30):
        while await listening.blob_keys(f"renders/{song}/"):  # noqa: ASYNC110 - the service sets no event here
            await asyncio.sleep(0.1)
    assert (await listener.get(asked.headers["Location"])).status_code == 404
    renderer, store = own_renderer(listening)
    await renderer.on_render_requested(RenderRequested(song_id=song, render_id=asked.json()["id"]))
    assert [one async for one in store.of_song(song)] == []


async def test_renders_that_nobody_asks_for_any_more_are_removed(
    listening: Listening, listener: httpx.AsyncClient
) -> None:
    renderer, _ = own_renderer(listening)
    song = await listening.add_song(music(0.5))
    url = f"/v1/songs/{song}/renders"
    made = await finished(listener, await listener.post(url, json={"settings": WARM}))

    await renderer.sweep(now=datetime.fromisoformat(made["expires_at"]) - timedelta(seconds=1))
    assert len(await listening.blob_keys(f"renders/{song}/")) == 1
    await renderer.sweep(now=datetime.now(UTC) + timedelta(days=30))
    assert await listening.blob_keys(f"renders/{song}/") == []

    assert (await listener.get(f"{url}/{made['id']}")).status_code == 404
    again = await finished(listener, await listener.post(url, json={"settings": WARM}))
    assert (again["id"], again["status"]) == (made["id"], "ready")


async def test_render_that_is_told_to_be_ready_is_there_though_it_was_about_to_be_removed(
    listening: Listening, tmp_path: Path
) -> None:
    table = SqliteTable(tmp_path / "tables.sqlite", LISTENING)
    store = RenderStore(table, Outbox(table, LISTENING.indexes[0], MemoryBus(None)))  # nobody hears of them
    blobs = listening.runtime.blobs
    renderer = Renderer(store, Library(listening.runtime.table(SONGS)), blobs, StreamingSettings(renders_per_user=50))
    song = await listening.add_song(music(0.1))
    for number in range(30):
        spec = RenderSpec(settings=EqualizerSettings(headroom_db=number + 1), format="mp3")
        asked = await renderer.ask("me", song, spec)
        yesterday = (datetime.now(UTC) - timedelta(days=1)).isoformat()
        made = await store.change(asked, status=RenderStatus.READY, expires_at=yesterday)
        assert made is not None
        await blobs.put(made.blob_key, b"file", content_type="audio/mpeg")

        told, _ = await asyncio.gather(renderer.ask("me", song, spec), renderer.sweep())

        is_there = await blobs.head(made.blob_key) is not None
        assert is_there == (told.status is RenderStatus.READY)
    await table.close()
