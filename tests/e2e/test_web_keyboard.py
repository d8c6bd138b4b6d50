"""Can somebody do everything who has a keyboard and nothing else?"""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, FileChooser, Locator, Page, expect

from tests.e2e.music import noisy_clip, song, write
from tests.e2e.visitor import NO_FILE_PICKER, PASSWORD, heading, new_name, new_visitor

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

NORTH, SOUTH = 821, 822
FATE_MS = 60_000
LONGEST_WAY = 60
IS_SEEN = """(element) => {
  const { x, y, width, height } = element.getBoundingClientRect();
  const top = document.elementFromPoint(x + width / 2, y + height / 2);
  const label = element.labels?.[0];
  return top !== null && (element.contains(top) || top.contains(element) || (label?.contains(top) ?? false));
}"""
"""Whether nothing covers an element."""


async def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until something has the focus, and see it there."""
    for _ in range(LONGEST_WAY):
        if await target.count() == 1 and await target.evaluate("(element) => element === document.activeElement"):
            assert await target.evaluate(IS_SEEN)
            return
        await page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not lead to {target}")


async def follow(page: Page, name: str) -> None:
    """Go to another page by the navigation."""
    await tab_to(page, page.get_by_role("navigation").get_by_role("link", name=name))
    await page.keyboard.press("Enter")
    await expect(heading(page, name)).to_be_focused()


async def choose(page: Page, choosers: asyncio.Queue[FileChooser], button: str, *paths: Path) -> None:
    """Choose files behind a button."""
    await tab_to(page, page.get_by_role("button", name=button))
    await page.keyboard.press("Enter")
    async with asyncio.timeout(30):
        await (await choosers.get()).set_files(paths)


async def test_keyboard_alone_signs_up_uploads_searches_plays_equalizes_recognises_and_logs_out(
    browser: Browser, url: str, tmp_path: Path
) -> None:
    visitor = await new_visitor(browser, url)
    await visitor.context.add_init_script(NO_FILE_PICKER)
    page = await visitor.open()
    choosers: asyncio.Queue[FileChooser] = asyncio.Queue()
    page.on(
        "filechooser", choosers.put_nowait
    )  # from the beginning: keys are faster than whoever begins to wait for it
    await tab_to(page, page.get_by_role("link", name="Make an account"))
    await page.keyboard.press("Enter")
    await expect(heading(page, "Make an account")).to_be_focused()
    await tab_to(page, page.get_by_label("User name"))
    await page.keyboard.type(new_name())
    await tab_to(page, page.get_by_label("Password"))
    await page.keyboard.type(PASSWORD)
    await page.keyboard.press("Enter")
    await expect(heading(page, "Library")).to_be_visible()

    await follow(page, "Upload")
    north, south = write(tmp_path / "North.wav", song(NORTH)), write(tmp_path / "South.wav", song(SOUTH))
    await choose(page, choosers, "Choose files", north, south)
    ready = page.get_by_role("list", name="Uploads").get_by_text("In your library")
    await expect(ready).to_have_count(2, timeout=FATE_MS)

    await follow(page, "Library")
    songs = page.get_by_role("button", name=re.compile("^Play (North|South)"))
    await expect(songs).to_have_count(2)
    await page.keyboard.press("/")
    await page.keyboard.type("nort")
    await expect(songs).to_have_count(1)
    await page.keyboard.press("Escape")
    await expect(songs).to_have_count(2)
    await page.keyboard.press("Escape")
    await page.keyboard.press("j")
    await expect(songs.first).to_be_focused()
    await page.keyboard.press("ArrowDown")
    await expect(songs.last).to_be_focused()
    await page.keyboard.press("Enter")
    bar = page.get_by_role("region", name="Player")
    await expect(bar.get_by_role("button", name="Pause")).to_be_visible()
    await page.keyboard.press(" ")
    await expect(bar.get_by_role("button", name="Play", exact=True)).to_be_visible()

    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog").get_by_text("Search")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("dialog")).to_have_count(0)
    await expect(songs.last).to_be_focused()

    await follow(page, "Equalizer")
    bass = page.get_by_role("slider", name="Bass")
    await tab_to(page, bass)
    await page.keyboard.press("ArrowRight")
    await page.keyboard.press("ArrowRight")
    await expect(bass).to_have_attribute("aria-valuetext", "+1 dB")
    wav = page.get_by_role("radio", name="FLAC")
    await tab_to(page, wav)
    await page.keyboard.press("ArrowRight")
    await expect(page.get_by_role("radio", name="WAV")).to_be_checked()

    await follow(page, "Recognise")
    clip = tmp_path / "clip.wav"
    clip.write_bytes(noisy_clip(SOUTH, begin_s=4, duration_s=7, snr_db=10))
    await choose(page, choosers, "Choose a recording", clip)
    await expect(page.get_by_role("heading", name="South")).to_be_visible(timeout=30_000)

    await follow(page, "Account")
    await tab_to(page, page.get_by_role("button", name="Log out", exact=True))
    await page.keyboard.press("Enter")
    await expect(heading(page, "Log in")).to_be_visible()
    await visitor.leave()
