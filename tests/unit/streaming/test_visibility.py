"""Does nobody learn of a song that they may not see, whatever they ask of streaming?"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from services.hosting import openapi
from tests.unit.streaming.conftest import Listening, music, told

BODIES = {"PUT": {"preset": "flat"}, "POST": {}}
FLAT = {"settings": {}, "format": "wav"}


@pytest.fixture
async def owner(listening: Listening) -> AsyncIterator[httpx.AsyncClient]:
    async with listening.new_listener() as client:
        yield client


async def id_of(person: httpx.AsyncClient) -> str:
    return str((await person.get("/v1/auth/me")).json()["user_id"])


def routes_of_a_song() -> list[tuple[str, str]]:
    """Return every route about one song, except those of players, who show a grant."""
    paths = openapi()["paths"]
    return [
        (method.upper(), path)
        for path, methods in paths.items()
        if "{song_id}" in path and not path.startswith("/v1/media")
        for method, operation in methods.items()
        if not {"playback", "equalizer"}.isdisjoint(operation["tags"])
    ]


async def said(person: httpx.AsyncClient, method: str, path: str, song_id: str) -> dict[str, Any]:
    """Return all that an answer tells, but for the id that was asked for and that of the request."""
    answer = await person.request(method, path.replace("{song_id}", song_id), json=BODIES.get(method))
    body: dict[str, Any] = json.loads(answer.text.replace(song_id, "it"))
    body.pop("request_id", None)
    return {"headers": answer.headers.keys(), "status": answer.status_code, **body}


async def test_private_song_of_somebody_else_answers_as_one_that_never_was(
    listening: Listening, listener: httpx.AsyncClient, owner: httpx.AsyncClient
) -> None:
    song = await listening.add_song(music(0.1), owner=await id_of(owner), visibility="private")
    render = (await owner.post(f"/v1/songs/{song}/renders", json=FLAT)).json()["id"]
    routes = routes_of_a_song()
    assert len(routes) >= 13

    async with listening.admin() as admin:
        for person in (listener, admin):
            for method, path in routes:
                hidden, unknown = [
                    await said(person, method, path.replace("{render_id}", render), song_id)
                    for song_id in (song, "0" * len(song))
                ]
                assert hidden == unknown, (method, path)
                assert (hidden["status"], hidden["code"]) == (404, "song_not_found"), (method, path)

    assert (await owner.get(f"/v1/songs/{song}/stream")).status_code == 200
    assert (await owner.get(f"/v1/songs/{song}/renders/{render}")).status_code == 200


async def test_shared_song_is_played_by_all_and_packaged_anew_by_its_owner_and_admins(
    listening: Listening, listener: httpx.AsyncClient, owner: httpx.AsyncClient
) -> None:
    song = await listening.add_song(music(0.1), owner=await id_of(owner))

    assert (await listener.get(f"/v1/songs/{song}/stream")).status_code == 200
    assert (await listener.put(f"/v1/songs/{song}/equalizer", json={"preset": "vocal"})).status_code == 200
    assert (await listener.post(f"/v1/songs/{song}/renders", json=FLAT)).status_code in (200, 202)
    refused = await listener.post(f"/v1/songs/{song}/package")
    assert (refused.status_code, refused.json()["code"]) == (403, "not_yours")
    async with listening.admin() as admin:
        assert [(await one.post(f"/v1/songs/{song}/package")).status_code for one in (owner, admin)] == [202, 202]


async def test_who_follows_a_song_hears_no_more_when_it_is_shared_no_more(
    listening: Listening, listener: httpx.AsyncClient
) -> None:
    song = await listening.add_song(music(0.1))
    following = asyncio.create_task(listener.get(f"/v1/songs/{song}/package/events"))
    await asyncio.sleep(0.1)  # so that it has begun

    await listening.unshare(song)

    async with asyncio.timeout(30):
        assert [one["status"] for one in told(await following)] == ["waiting"]
