"""Is a title that looks like a page, a path or a command anything but an odd name, wherever it is shown?"""

from __future__ import annotations

import json
import struct
import unicodedata
from pathlib import Path

import httpx
import pytest

from tests.e2e.music import song, wav, write
from tests.e2e.test_main_job import named, upload_one
from tunescout.client import Client

pytestmark = pytest.mark.timeout(300)

PAGE = "<img src=x onerror=alert(1)>"
KEPT = (
    PAGE,
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "=cmd|' /C calc'!A0",
    "'; DROP TABLE songs;--",
    "👩\u200d🎤 🎵",
)
CLEANED = {
    "a\r\nSet-Cookie: admin=1": "a Set-Cookie: admin=1",
    "\x1b[2J\x1b]0;owned\x07": "[2J ]0;owned",
    "nul\0byte.mp3": "nul byte.mp3",
    "\u202egnp.exe\u2066": "gnp.exe",
}
REFUSED = (b'"\\ud800"', b'"\\udfff.mp3"', b'"\\u0000"', json.dumps("x" * 10_000).encode(), b'["a"]', b"NaN")


def id3(**frames: str) -> bytes:
    """A tag with these frames, in UTF-8 (ID3v2.4.0)."""
    bodies = {name.encode(): b"\3" + text.encode() for name, text in frames.items()}
    written = b"".join(name + struct.pack(">IH", len(body), 0) + body for name, body in bodies.items())
    return b"ID3\x04\0\0" + bytes(len(written) >> shift & 0x7F for shift in (21, 14, 7, 0)) + written


async def registered(client: Client, **fields: str) -> dict[str, str]:
    answer = await client.ask("POST", "/v1/songs", json={"file_name": "song.mp3", "size_bytes": 9, **fields})
    return dict(answer.json()["song"])


async def test_odd_names_are_kept_as_they_are_or_without_what_nobody_can_read(client: Client) -> None:
    for name in KEPT:
        shown = await registered(client, title=name, file_name=name)
        assert (shown["title"], shown["file_name"]) == (name, name)
    for name, cleaned in CLEANED.items():
        shown = await registered(client, title=name, artist=name, file_name=name)
        assert (shown["title"], shown["artist"], shown["file_name"]) == (cleaned, cleaned, cleaned)


async def test_what_is_no_name_is_a_problem_that_names_the_field(client: Client, url: str) -> None:
    token = (await client.ask("GET", "/v1/songs")).request.headers["Authorization"]
    bodies = [b'{"size_bytes": 9, "file_name": ' + name + b"}" for name in REFUSED]
    bodies += [b'{"size_bytes": 9, "file_name": "a", "\\ud800": 1}', b'{"size_bytes": 9, "file_name": "a", "<b>": 1}']
    async with httpx.AsyncClient(base_url=url, timeout=30) as http:
        for body in bodies:
            headers = {"Authorization": token, "Content-Type": "application/json"}
            answer = await http.post("/v1/songs", content=body, headers=headers)
            assert answer.status_code == 422, body
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["code"] == "invalid_request"
            assert len(answer.content) < 2_000
        for name in ("%3Cimg%20src=x%3E", "..%2f..%2fetc%2fpasswd", "%00", "%ED%A0%80"):
            answer = await http.get(f"/v1/songs/{name}", headers={"Authorization": token})
            assert answer.status_code in (400, 404), name
            assert answer.headers["content-type"] == "application/problem+json"


async def test_a_song_with_an_odd_name_is_found_played_rendered_and_named_like_any_other(
    client: Client, tmp_path: Path
) -> None:
    artist, album = "../../etc/passwd\r\nX-Evil: 1", "\x1b[31m\u202ecod.exe"
    path = tmp_path / "..%2f..%2fetc%2fpasswd.mp3"
    mp3 = write(tmp_path / "plain.mp3", song(7_100)).read_bytes()
    path.write_bytes(id3(TIT2=PAGE, TPE1=artist, TALB=album) + mp3)

    ready = await upload_one(client, path)

    assert (ready.status, ready.file_name) == ("ready", path.name)
    assert (ready.title, ready.artist) == (PAGE, "../../etc/passwd X-Evil: 1")
    assert not [c for c in ready.album or "" if unicodedata.category(c)[0] == "C"]
    assert ready.id in [found.id async for found in client.songs(q="onerror", mine="true")]
    assert (await named(client, wav(song(7_100)[22_050:200_000]))).song.title == PAGE
    events = (await client.ask("GET", f"/v1/songs/{ready.id}/events")).text
    assert {line.partition(":")[0] for line in events.splitlines() if line} <= {"id", "event", "data", "retry", ""}
    assert json.loads(next(line for line in events.splitlines() if line.startswith("data:"))[5:])["id"] == ready.id


async def test_a_file_is_downloaded_under_a_name_that_no_system_takes_for_a_path(
    client: Client, tmp_path: Path
) -> None:
    path = write(tmp_path / "named.wav", song(7_101)[: 5 * 22_050])
    ready = await upload_one(client, path)
    names = {"title": f"{PAGE}\r\nX-Evil: 1" + "🎵" * 400, "artist": "../../etc/passwd" + "é" * 400}
    await client.ask("PATCH", f"/v1/songs/{ready.id}", json=names)
    asked = await client.ask("POST", f"/v1/songs/{ready.id}/renders", json={"format": "mp3"})
    render = f"/v1/songs/{ready.id}/renders/{asked.json()['id']}"
    await client.ask("GET", f"{render}/events")

    async with httpx.AsyncClient(timeout=30) as http:
        answer = await http.get((await client.ask("GET", render)).json()["download"]["url"])

    assert answer.status_code == 200
    assert "x-evil" not in answer.headers
    begin, _, name = answer.headers["content-disposition"].partition("UTF-8''")
    assert begin == "attachment; filename*="
    assert not set(name) & set('/\\<>\r\n"; ')
    assert name.endswith(".mp3")
    assert len(name) < 800
