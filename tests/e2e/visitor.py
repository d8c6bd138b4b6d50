"""Who comes to the pages, with which browser, and what do they do on every one of them?"""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, async_playwright, expect

from deploy.local.chromium import chromium
from deploy.local.web import WEB

PATIENCE_MS = 15_000
"""On a busy machine."""
expect.set_options(timeout=PATIENCE_MS)

PICTURES = Path(os.environ.get("TUNESCOUT_TEST_PICTURES") or WEB.parent / "var" / "pictures")
"""Where pictures of all pages go, to be looked at."""
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PASSWORD = "a long pass phrase"
AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
NO_FILE_PICKER = "Object.defineProperty(window, 'showOpenFilePicker', { value: undefined })"
"""Playwright drives the choice of files that all browsers have, and not the one that only some have."""
BARRIERS = "axe.run({ rules: { 'target-size': { enabled: true } } }).then((found) => found.violations)"
"""What axe finds, targets of less than 24 pixels too."""


@asynccontextmanager
async def open_browser(*arguments: str) -> AsyncIterator[Browser]:
    """Run Chromium, with more arguments than it always gets."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(), args=["--no-sandbox", "--disable-background-networking", *arguments]
        )
        yield browser
        await browser.close()


@dataclass
class Visitor:
    """Somebody with a browser of their own, and what it complained about; the name is that of their account."""

    context: BrowserContext
    url: str
    name: str = ""
    complaints: list[str] = field(default_factory=list)

    async def open(self, path: str = "/") -> Page:
        """Open an address in a tab."""
        page = await self.context.new_page()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await page.goto(self.url + path)
        return page

    async def leave(self) -> None:
        """Close the browser, which may have complained about nothing."""
        await self.context.close()
        assert self.complaints == []

    def _note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)


async def new_visitor(browser: Browser, url: str, **options: Any) -> Visitor:
    context = await browser.new_context(locale="en-GB", **options)
    context.set_default_timeout(PATIENCE_MS)
    return Visitor(context, url)


def new_name() -> str:
    return f"visitor-{secrets.token_hex(4)}"


async def sign_up(page: Page) -> str:
    name = new_name()
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


async def choose(page: Page, *paths: Path) -> None:
    """Upload files."""
    async with page.expect_file_chooser() as chooser:
        await page.get_by_role("button", name="Choose files").click()
    await (await chooser.value).set_files(paths)


async def look_at(page: Page, name: str) -> None:
    """Take pictures in all sizes and lights, and let axe find what keeps people out."""
    await page.add_script_tag(path=AXE)
    for size, (width, height) in SIZES.items():
        await page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            # Without motion, or colours are halfway between two.
            await page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            await page.screenshot(path=PICTURES / f"{name}-{size}-{scheme}.png")
            found = await page.evaluate(BARRIERS)
            grave = [one for one in found if one["impact"] in ("serious", "critical")]
            assert grave == [], (name, size, scheme, [(one["id"], one["nodes"][0]["html"]) for one in grave])
        assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (name, size)
