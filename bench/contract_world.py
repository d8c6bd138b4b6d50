"""What must be in a running service, so that requests made up from its description meet something?"""

from __future__ import annotations

import asyncio
import io
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, Self

import httpx
import soundfile

from tunescout.client import Client
from tunescout.importing import AudioFile, Watcher, import_files
from tunescout.session import Account, owner_account
from tunescout.synthesis import tune

Role = Literal["admin", "contributor"]
ROLES: tuple[Role, ...] = ("admin", "contributor")
PASSWORD = "correct horse battery staple"  # of accounts that live as long as the run  # nosec B105
SAMPLE_RATE_HZ = 11_025
SONG_S = 12.0
CLIP_S = 4.0
UPLOAD_DEADLINE_S = 180.0
PACKAGE_DEADLINE_S = 120.0


@dataclass(frozen=True, slots=True)
class Person:
    """An account of the run."""

    user_id: str
    username: str
    role: str
    api_key: str


@dataclass(frozen=True, slots=True)
class World:
    """What the run may count on: it is there from the first request to the last.

    Attributes
    ----------
    people : dict of str to Person
        Who asks, by role; and `owner`, who made them.
    songs : dict of str to str
        Ids of songs that are ready, by the role of who owns them: an admin's is shared.
    renders : list of str
        Ids of equalized files. Presets are named as roles.
    media : dict of str to dict of str to str
        What is in the path of each one's packaged song: `song_id`, `package_id` and `grant`.
    """

    url: str
    people: dict[str, Person]
    songs: dict[str, str]
    renders: list[str]
    media: dict[str, dict[str, str]]

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` has written."""
        fields = json.loads(path.read_text())
        fields["people"] = {name: Person(**one) for name, one in fields["people"].items()}
        return cls(**fields)

    def save(self, path: Path) -> None:
        """Write it where the process that sends the requests reads it."""
        path.write_text(json.dumps(asdict(self)))


async def made(url: str, data_dir: Path | None, folder: Path, roles: Sequence[Role] = ROLES) -> World:
    """Make accounts, and with each of them a song and all that can be made of it, in a running service.

    Parameters
    ----------
    url : str
        Where the service is.
    data_dir : Path or None
        Its data folder, where the password of its owner is; None where nobody has an account yet.
    folder : Path
        For the songs on their way.
    """
    suffix = secrets.token_hex(4)
    account = owner_account(data_dir) if data_dir else None
    if account is None:
        account = Account(url, f"owner-{suffix}", PASSWORD)
        async with Client(url, patience_s=60) as stranger:
            await stranger.sign_up(account.username, account.password)
    async with Client(url, account=Account(url, account.username, account.password), patience_s=60) as owner:
        world = World(url, {"owner": await _person(owner)}, {}, [], {})
        for role in roles:
            account = Account(url, f"{role}-{suffix}", PASSWORD)
            async with Client(url, account=account, patience_s=60) as client:
                await client.sign_up(account.username, account.password)
                user_id = (await client.ask("GET", "/v1/auth/me")).json()["user_id"]
                await owner.ask("PATCH", f"/v1/auth/users/{user_id}", json={"role": role})
                await client.log_in(account.username, account.password)  # now with the role
                world.people[role] = await _person(client)
                await _make(client, world, role, folder)
    return world


async def _person(client: Client) -> Person:
    me = (await client.ask("GET", "/v1/auth/me")).json()
    key = await client.ask("POST", "/v1/auth/api-keys", json={"name": "contract", "scopes": ["read", "write"]})
    return Person(me["user_id"], me["username"], me["role"], key.json()["api_key"])


async def _make(client: Client, world: World, role: Role, folder: Path) -> None:
    """Make a song, and all else that has an id."""
    path, seed = folder / f"{role}.flac", secrets.randbelow(1_000_000)
    await asyncio.to_thread(soundfile.write, path, tune(seed, SONG_S, SAMPLE_RATE_HZ), SAMPLE_RATE_HZ)
    watcher = Watcher()
    await import_files(client, [AudioFile(path)], watcher, parallel=1, deadline_s=UPLOAD_DEADLINE_S)
    song = watcher.outcomes[0].song
    if song is None or song.status != "ready":
        raise RuntimeError(f"the song did not become ready: {watcher.outcomes}")
    world.songs[role] = song.id
    await client.ask("PATCH", f"/v1/songs/{song.id}", json={"visibility": "shared" if role == "admin" else "private"})
    await client.ask("PUT", f"/v1/equalizer/presets/{role}", json={"bass_db": 3.0})
    await client.ask("POST", "/v1/queries", content=clip(seed))
    rendered = await client.ask("POST", f"/v1/songs/{song.id}/renders", json={"preset": role})
    world.renders.append(rendered.json()["id"])
    await client.package(song.id)
    world.media[role] = await asyncio.wait_for(_package(client, song.id), PACKAGE_DEADLINE_S)


async def _package(client: Client, song_id: str) -> dict[str, str]:
    """Return what is in the path of a package, as soon as there is one."""
    while (stream := (await client.ask("GET", f"/v1/songs/{song_id}/stream")).json()["package"]) is None:  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    *_, package_id, grant, _ = httpx.URL(stream["hls_url"]).path.split("/")
    return {"song_id": song_id, "package_id": package_id, "grant": grant}


def clip(seed: int) -> bytes:
    """Return some seconds of a tune as a WAV file."""
    file = io.BytesIO()
    soundfile.write(file, tune(seed, CLIP_S, SAMPLE_RATE_HZ), SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return file.getvalue()
