"""Does a person get in, stay in and get out again, on pages that everybody can use?"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, async_playwright, expect

from deploy.local.chromium import chromium
from deploy.local.web import WEB
from tests.e2e.conftest import REPOSITORY, OneProcess

PICTURES = Path(os.environ.get("TUNESCOUT_TEST_PICTURES") or REPOSITORY / "var" / "pictures")
"""Where pictures of all pages go, to be looked at."""
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PAGES = {
    "login": ("/login", "Log in"),
    "signup": ("/signup", "Make an account"),
    "library": ("/", "Library"),
    "equalizer": ("/equalizer", "Equalizer"),
    "account": ("/account", "Account"),
    "nowhere": ("/nowhere", "Not found"),
}
"""Every page by the name of its picture: where it is, and its heading."""
PASSWORD = "a long pass phrase"
AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"


@dataclass
class Visitor:
    """Somebody with a browser of their own, and what it complained about."""

    context: BrowserContext
    url: str
    complaints: list[str] = field(default_factory=list)

    async def open(self, path: str = "/") -> Page:
        """Open an address in a tab."""
        page = await self.context.new_page()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await page.goto(self.url + path)
        return page

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


@pytest.fixture(scope="module")
async def browser(pages: Path) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-background-networking"]
        )
        yield browser
        await browser.close()


async def new_visitor(browser: Browser, url: str, **options: Any) -> Visitor:
    context = await browser.new_context(locale="en-GB", **options)
    context.set_default_timeout(15_000)
    return Visitor(context, url)


@pytest.fixture
async def visitor(browser: Browser, one_process: OneProcess) -> AsyncIterator[Visitor]:
    visitor = await new_visitor(browser, one_process.url)
    yield visitor
    await visitor.context.close()
    assert visitor.complaints == []


async def sign_up(page: Page) -> str:
    name = f"visitor-{secrets.token_hex(4)}"
    await page.get_by_role("link", name="Make an account").click()
    await expect(heading(page, "Make an account")).to_be_visible()
    await page.get_by_label("User name").fill(name)
    await page.get_by_label("Password").fill(PASSWORD)
    await page.get_by_role("button", name="Make an account").click()
    await expect(page.get_by_role("navigation")).to_be_visible()
    return name


async def log_in(page: Page, name: str, password: str = PASSWORD) -> None:
    await page.get_by_label("User name").fill(name)
    await page.get_by_label("Password").fill(password)
    await page.get_by_role("button", name="Log in").click()


def heading(page: Page, words: str) -> Locator:
    return page.get_by_role("heading", name=words, exact=True, level=1)


async def test_person_comes_back_to_where_they_wanted_and_ends_a_session_elsewhere(
    visitor: Visitor, browser: Browser
) -> None:
    page = await visitor.open("/account")
    name = await sign_up(page)
    await expect(heading(page, "Account")).to_be_visible()
    await page.get_by_role("button", name="Log out", exact=True).click()
    await expect(heading(page, "Log in")).to_be_visible()
    assert visitor.complaints == []

    await log_in(page, name, "another pass phrase")
    await expect(page.get_by_text("The user name or the password is wrong.")).to_be_visible()
    visitor.complaints.clear()  # browsers complain about every refusal
    await log_in(page, name)
    await expect(heading(page, "Account")).to_be_visible()

    elsewhere = await new_visitor(browser, visitor.url)
    other = await elsewhere.open()
    await log_in(other, name)
    await expect(heading(other, "Library")).to_be_visible()
    await page.reload()
    await page.get_by_role("button", name=re.compile("End the session")).click()
    await expect(page.get_by_role("button", name=re.compile("End the session"))).to_have_count(0)
    await other.reload()
    await expect(heading(other, "Log in")).to_be_visible()
    await elsewhere.context.close()


async def test_session_survives_tabs_that_reload_at_once_and_in_the_middle_of_a_refresh(visitor: Visitor) -> None:
    page = await visitor.open()
    await sign_up(page)
    tabs = [page, await visitor.open("/account"), await visitor.open()]

    for _ in range(2):  # the scripts have run and asked for a token, and their answers are lost
        await asyncio.gather(*(tab.reload(wait_until="domcontentloaded") for tab in tabs))
    await asyncio.gather(*(tab.reload() for tab in tabs))

    for tab, words in zip(tabs, ("Library", "Account", "Library"), strict=True):
        await expect(heading(tab, words)).to_be_visible(timeout=20_000)

    await tabs[1].get_by_role("button", name="Log out", exact=True).click()
    for tab in tabs:
        await expect(heading(tab, "Log in")).to_be_visible()


async def test_account_ends_with_its_password_and_nothing_else(visitor: Visitor) -> None:
    page = await visitor.open("/account")
    await sign_up(page)
    new_password = "another long pass phrase"
    await page.get_by_label("Password so far").fill(PASSWORD)
    await page.get_by_label("New password").fill(new_password)
    await page.get_by_role("button", name="Change the password").click()
    await expect(page.get_by_text("Your password is changed.")).to_be_visible()

    await page.get_by_role("button", name=re.compile("Delete my account")).click()
    await page.get_by_label("Your password").fill(PASSWORD)
    await page.get_by_role("button", name="Delete everything").click()
    await expect(page.get_by_text("The password is wrong.")).to_be_visible()
    visitor.complaints.clear()
    await page.get_by_label("Your password").fill(new_password)
    await page.get_by_role("button", name="Delete everything").click()
    await expect(heading(page, "Log in")).to_be_visible()


async def test_page_has_no_barrier_and_no_scrolling_sideways_in_any_size_or_light(
    browser: Browser, one_process: OneProcess
) -> None:
    # Axe is added as a script.
    visitor = await new_visitor(browser, one_process.url, bypass_csp=True, reduced_motion="reduce")
    page = await visitor.open()
    for name, (path, words) in PAGES.items():
        if name == "library":
            await page.goto(f"{visitor.url}/login")
            await sign_up(page)
        await page.goto(visitor.url + path)
        await expect(heading(page, words)).to_be_visible()
        await expect(page.locator(".skeleton")).to_have_count(0)
        await look_at(page, name)
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog")).to_be_visible()
    await look_at(page, "shortcuts")
    await visitor.context.close()
    assert visitor.complaints == []


async def look_at(page: Page, name: str) -> None:
    """Take pictures, and let axe find what keeps people out."""
    await page.add_script_tag(path=AXE)
    for size, (width, height) in SIZES.items():
        await page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            await page.emulate_media(color_scheme=scheme)
            await page.screenshot(path=PICTURES / f"{name}-{size}-{scheme}.png")
            found = await page.evaluate("axe.run().then((found) => found.violations)")
            grave = [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")]
            assert grave == [], (name, size, scheme)
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, size)
