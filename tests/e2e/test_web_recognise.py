"""Does the page name what its microphone hears, and say honestly when it cannot?"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Browser, Page, Route, expect

from tests.e2e.music import SAMPLE_RATE_HZ, noisy_clip, wav
from tests.e2e.test_main_job import upload_one
from tests.e2e.visitor import Visitor, heading, log_in, look_at, new_visitor, open_browser
from tunescout.client import Client
from tunescout.session import Account
from tunescout.synthesis import tune

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SONG, UNKNOWN = 701, 702
BEGIN_S = 6.0


@dataclass(frozen=True, slots=True)
class Room:
    """A room in which a song of somebody's library is played, and a browser that hears it."""

    browser: Browser
    username: str
    password: str
    title: str

    async def enter(self, url: str, *, may_listen: bool = True, **options: object) -> tuple[Visitor, Page]:
        """Open the page as the owner of the song."""
        visitor = await new_visitor(self.browser, url, **options)
        if may_listen:
            await visitor.context.grant_permissions(["microphone"])
        page = await visitor.open("/recognise")
        await log_in(page, self.username, self.password)
        await expect(heading(page, "Recognise")).to_be_visible()
        return visitor, page


@pytest.fixture(scope="module")
async def room(pages: Path, url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Room]:
    folder = tmp_path_factory.mktemp("room")
    played = folder / "played.wav"
    played.write_bytes(noisy_clip(SONG, begin_s=BEGIN_S, duration_s=14, snr_db=10))
    whole = folder / "Song of the room.wav"
    whole.write_bytes(noisy_clip(SONG, begin_s=0, duration_s=20, snr_db=60))
    account = Account(url, f"host-{secrets.token_hex(4)}", secrets.token_urlsafe(12))
    microphone = ["--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={played}"]
    async with Client(url, account=account, patience_s=120) as client, open_browser(*microphone) as browser:
        await client.sign_up(account.username, account.password)
        uploaded = await client.edit((await upload_one(client, whole)).id, title="Clearing", artist="The Woods")
        yield Room(browser, account.username, account.password, uploaded.title or "")


async def test_what_is_played_in_the_room_is_named_explained_and_remembered_until_it_is_forgotten(
    room: Room, url: str
) -> None:
    visitor, page = await room.enter(url)
    await page.goto(url)
    await expect(heading(page, "Library")).to_be_visible()
    await page.keyboard.press("r")
    await expect(page.get_by_role("button", name="Stop listening")).to_be_visible()
    await expect(page.get_by_role("heading", name=room.title)).to_be_visible()
    await expect(page.get_by_role("button", name="Listen again")).to_be_visible()
    into = await page.get_by_text("into the song · ").first.inner_text()
    minutes, seconds = map(int, into.split()[0].split(":"))
    heard_s = minutes * 60 + seconds - BEGIN_S
    assert 1 < heard_s < 15

    await page.get_by_text("Why this song?").click()
    await expect(page.get_by_role("img", name="marks of the song")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("heading", name="What is playing?")).to_be_visible()
    await page.reload()
    history = page.get_by_role("region", name="Asked before")
    await expect(history.get_by_role("listitem")).to_have_count(1)
    await history.get_by_role("button", name=f"Forget {room.title}").click()
    await expect(history).to_have_count(0)
    await visitor.leave()


async def test_recordings_that_cannot_be_named_say_why_and_what_to_try(room: Room, url: str) -> None:
    visitor, page = await room.enter(url)
    unknown = wav(tune(UNKNOWN, 8.0, SAMPLE_RATE_HZ))
    silent = wav(np.zeros(5 * SAMPLE_RATE_HZ, np.float32))
    answers = {
        unknown: ("Not known", "another performance"),
        silent: ("Too quiet to tell", "closer to the loudspeaker"),
        b"%PDF-1.7 " + bytes(5000): ("That cannot be heard", "Try another recording"),
    }
    for clip, (said, advice) in answers.items():
        await page.get_by_label("Recording to recognise").set_input_files(
            {"name": "clip.wav", "mimeType": "audio/wav", "buffer": clip}
        )
        await expect(page.get_by_role("heading", name=said)).to_be_visible()
        await expect(page.get_by_text(advice)).to_be_visible()
    await page.get_by_role("button", name="Forget all").click()
    await page.get_by_role("dialog").get_by_role("button", name="Forget all").click()
    await expect(page.get_by_role("region", name="Asked before")).to_have_count(0)
    await visitor.leave()


async def test_microphone_that_is_not_allowed_is_explained_and_a_file_still_works(room: Room, url: str) -> None:
    visitor, page = await room.enter(url, may_listen=False)
    await page.get_by_role("button", name="Listen", exact=True).click()
    await expect(page.get_by_role("heading", name="The microphone is not allowed")).to_be_visible()
    clip = noisy_clip(SONG, begin_s=3, duration_s=6, snr_db=10)
    await page.get_by_label("Recording to recognise").set_input_files(
        {"name": "clip.wav", "mimeType": "audio/wav", "buffer": clip}
    )
    await expect(page.get_by_role("heading", name=room.title)).to_be_visible()
    await expect(page.get_by_role("button", name="Play from there")).to_be_visible()
    await visitor.leave()


async def test_every_state_has_no_barrier(room: Room, url: str) -> None:
    visitor, page = await room.enter(url, reduced_motion="reduce", bypass_csp=True)  # axe is a script
    has_looked = asyncio.Event()

    async def answer_later(route: Route) -> None:
        await has_looked.wait()
        await route.continue_()

    await page.route("**/v1/queries?*", answer_later)
    await page.get_by_role("button", name="Listen", exact=True).click()
    await expect(page.get_by_role("heading", name="Listening …")).to_be_visible()
    await look_at(page, "recognise-listening")
    has_looked.set()
    await expect(page.get_by_role("heading", name=room.title)).to_be_visible(timeout=30_000)
    await page.get_by_text("Why this song?").click()
    await expect(page.get_by_role("img", name="marks of the song")).to_be_visible()
    await look_at(page, "recognise-found")

    await page.get_by_label("Recording to recognise").set_input_files(
        {"name": "clip.wav", "mimeType": "audio/wav", "buffer": wav(tune(UNKNOWN, 8.0, SAMPLE_RATE_HZ))}
    )
    await expect(page.get_by_role("heading", name="Not known")).to_be_visible()
    await look_at(page, "recognise-unknown")
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("region", name="Asked before").get_by_role("listitem").nth(1)).to_be_visible()
    await look_at(page, "recognise-history")
    await visitor.context.clear_permissions()
    await page.get_by_role("button", name="Listen", exact=True).click()
    await expect(page.get_by_role("heading", name="The microphone is not allowed")).to_be_visible()
    await look_at(page, "recognise-refused")
    await visitor.leave()
