"""Is everything at hand on a phone: with a thumb, upright, on 390 by 844 pixels?"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.e2e.music import noisy_clip, song, write
from tests.e2e.visitor import AXE, BARRIERS, NO_FILE_PICKER, PASSWORD, heading, new_name, new_visitor

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

WIDTH, HEIGHT = 390, 844
EAST = 823
FATE_MS = 60_000


async def go(page: Page, name: str) -> None:
    """Go to another page by the navigation; it fits, and everything on it can be hit."""
    await page.get_by_role("navigation").get_by_role("link", name=name).tap()
    await expect(heading(page, name)).to_be_visible()
    await expect(page.locator(".skeleton")).to_have_count(0)
    await assert_it_fits(page)


async def assert_it_fits(page: Page) -> None:
    assert await page.evaluate("document.documentElement.scrollWidth") <= WIDTH
    if not await page.evaluate("'axe' in window"):
        await page.add_script_tag(path=AXE)
    grave = [one for one in await page.evaluate(BARRIERS) if one["impact"] in ("serious", "critical")]
    assert grave == [], (page.url, [(one["id"], one["nodes"][0]["html"]) for one in grave])


async def choose(page: Page, button: Locator, path: Path) -> None:
    async with page.expect_file_chooser() as chooser:
        await button.tap()
    await (await chooser.value).set_files(path)


async def test_thumb_alone_signs_up_uploads_plays_equalizes_recognises_and_logs_out(
    browser: Browser, url: str, tmp_path: Path
) -> None:
    visitor = await new_visitor(
        browser,
        url,
        viewport={"width": WIDTH, "height": HEIGHT},
        device_scale_factor=2,
        is_mobile=True,
        has_touch=True,
        reduced_motion="reduce",
        bypass_csp=True,  # axe is a script
    )
    await visitor.context.add_init_script(NO_FILE_PICKER)
    page = await visitor.open()
    await page.get_by_role("link", name="Make an account").tap()
    await expect(heading(page, "Make an account")).to_be_visible()
    await assert_it_fits(page)
    await page.get_by_label("User name").fill(new_name())
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Make an account").tap()
    await expect(heading(page, "Library")).to_be_visible()

    await go(page, "Upload")
    path = write(tmp_path / "East of here and a good deal further than one would walk in a day.wav", song(EAST))
    await choose(page, page.get_by_role("button", name="Choose files"), path)
    await expect(page.get_by_role("list", name="Uploads")).to_contain_text("In your library", timeout=FATE_MS)
    await assert_it_fits(page)

    await go(page, "Library")
    await page.get_by_role("button", name=re.compile("^Play East")).tap()
    bar = page.get_by_role("region", name="Player")
    await expect(bar.get_by_role("button", name="Pause")).to_be_visible()
    await assert_it_fits(page)
    await page.get_by_role("button", name=re.compile("^More for East")).tap()
    await expect(page.get_by_role("menuitem", name="Delete")).to_be_in_viewport()
    await assert_it_fits(page)
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Open the player").tap()
    sheet = page.get_by_role("dialog")
    await expect(sheet.get_by_role("slider", name="Position in the song")).to_be_in_viewport()
    await assert_it_fits(page)
    await sheet.get_by_role("button", name="Pause").tap()
    await expect(sheet.get_by_role("button", name="Play", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Close the player").tap()

    await go(page, "Equalizer")
    treble = page.get_by_role("slider", name="Treble").first
    await treble.scroll_into_view_if_needed()
    box = await treble.bounding_box()
    assert box is not None
    await treble.tap(position={"x": box["width"] * 0.9, "y": box["height"] / 2})
    await expect(treble).to_have_attribute("aria-valuetext", re.compile(r"\+[7-9]"))

    await go(page, "Recognise")
    clip = tmp_path / "clip.wav"
    clip.write_bytes(noisy_clip(EAST, begin_s=4, duration_s=7, snr_db=10))
    await choose(page, page.get_by_role("button", name="Choose a recording"), clip)
    await expect(page.get_by_role("heading", name=re.compile("^East"))).to_be_in_viewport(timeout=30_000)
    await assert_it_fits(page)

    await go(page, "Account")
    await page.get_by_role("button", name="Log out", exact=True).tap()
    await expect(heading(page, "Log in")).to_be_visible()
    await visitor.leave()
