"""How soon does a browser show a library of 50,000 songs, and does it keep up with who scrolls through it?

The songs are those of `bench.browsing`, the pages are the built ones, the browser is a real one without a window; its
scroll bar is dragged by the mouse. A long task is one that keeps the page from doing anything else for 50 ms.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.async_api import BrowserContext, Page, async_playwright, expect

from bench.browsing import ACCOUNT, arguments, folder_of, large_library
from deploy.local.chromium import chromium
from deploy.local.web import built_pages

WIDTH, HEIGHT = 1440, 900
PATIENCE_MS = 30_000
OBSERVED = """
window.longTasks = [];
new PerformanceObserver((list) => {
  for (const { startTime, duration } of list.getEntries()) window.longTasks.push([startTime, duration]);
}).observe({ type: "longtask", buffered: true });
new MutationObserver((_, observer) => {
  if (!document.querySelector(".song strong")) return;
  observer.disconnect();
  // The task after the next frame: what the frame shows has been painted.
  requestAnimationFrame(() => setTimeout(() => (window.firstRows = performance.now())));
}).observe(document, { childList: true, subtree: true });
"""
"""Notes when the first songs are seen, in milliseconds since the navigation began, and all long tasks."""
SHOWN = """
() => new Promise((resolve) => {
  const began = performance.now();
  const look = () => {
    const row = document.elementFromPoint(innerWidth / 3, innerHeight / 2)?.closest("li");
    if (row?.querySelector("strong")) resolve(performance.now() - began);
    else requestAnimationFrame(look);
  };
  look();
})
"""
"""How long it takes, in milliseconds, until a song is in the middle of the window."""


@dataclass
class Steps:
    """What was done with the list, and what it cost."""

    page: Page
    took: dict[str, dict[str, float]] = field(default_factory=dict)

    async def do(self, name: str, act: Callable[[], Awaitable[object]]) -> None:
        """Do something, wait until songs are shown, and note long tasks meanwhile."""
        since = await self.page.evaluate("performance.now()")
        await act()
        async with asyncio.timeout(PATIENCE_MS / 1000):
            shown_ms = await self.page.evaluate(SHOWN)
        await self.page.wait_for_timeout(300)  # what is late counts too
        tasks = [ms for at, ms in await self.page.evaluate("window.longTasks") if at >= since]
        self.took[name] = {
            "shown_after_ms": round(shown_ms, 1),
            "long_tasks": len(tasks),
            "longest_task_ms": round(max(tasks, default=0.0), 1),
            "at": round(await self.page.evaluate("scrollY / (document.documentElement.scrollHeight - innerHeight)"), 3),
        }


async def first_rows(context: BrowserContext, url: str, times: int) -> list[float]:
    """Open the library in new tabs; return when its first songs were seen, in milliseconds."""
    seen: list[float] = []
    for _ in range(times):
        page = await context.new_page()
        await page.goto(url)
        await expect(page.locator(".song strong").first).to_be_visible(timeout=PATIENCE_MS)
        await page.wait_for_timeout(500)
        seen.append(round(await page.evaluate("window.firstRows"), 1))
        await page.close()
    return seen


async def scroll(page: Page, songs: int) -> dict[str, dict[str, float]]:
    """Go through the list with the wheel, the scroll bar and the keyboard, order it, and search."""
    steps = Steps(page)
    await expect(page.get_by_text(f"{songs:,} songs")).to_be_visible(timeout=PATIENCE_MS)
    await page.mouse.move(WIDTH / 2, HEIGHT / 2)

    async def turn_the_wheel() -> None:
        for _ in range(60):
            await page.mouse.wheel(0, 900)
            await page.wait_for_timeout(16)

    async def drag(from_y: float, to_y: float) -> None:
        await page.mouse.move(WIDTH - 7, from_y)
        await page.mouse.down()
        await page.mouse.move(WIDTH - 7, to_y, steps=60)
        await page.mouse.up()

    await steps.do("wheel, 54,000 pixels", turn_the_wheel)
    await page.evaluate("scrollTo(0, 0)")
    await steps.do("scroll bar to the middle", lambda: drag(20, HEIGHT / 2))
    await steps.do("scroll bar to the end", lambda: drag(HEIGHT / 2, HEIGHT + 50))
    await page.locator(".song-play:visible").last.focus()
    for key in ("Home", "End", "PageUp", "Home"):
        await steps.do(f"key {key}", lambda key=key: page.keyboard.press(key))  # type: ignore[misc]
    await steps.do("order by title", lambda: page.get_by_label("Order").select_option("title"))
    await expect(page.get_by_text(f"{songs:,} songs")).to_be_visible(timeout=PATIENCE_MS)
    await steps.do("order by title, scroll bar to the end", lambda: drag(20, HEIGHT + 50))
    await page.keyboard.press("/")
    await steps.do("type in the search", lambda: page.keyboard.type("lubo mo", delay=80))
    for tab in ("Artists", "Albums"):
        await page.get_by_role("link", name=tab).click()
        await expect(page.locator(".group").first).to_be_visible(timeout=PATIENCE_MS)
        await page.mouse.move(WIDTH / 2, HEIGHT / 2)
        await steps.do(f"{tab.lower()}, wheel", turn_the_wheel)
    return steps.took


async def measure(url: str, songs: int, times: int) -> dict[str, Any]:
    """Log in, open the library, and go through it."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium(),
            args=["--no-sandbox", "--disable-background-networking"],
            ignore_default_args=["--hide-scrollbars"],
        )
        context = await browser.new_context(viewport={"width": WIDTH, "height": HEIGHT}, locale="en-GB")
        await context.add_init_script(OBSERVED)
        page = await context.new_page()
        await page.goto(url)
        await page.get_by_label("User name").fill(ACCOUNT["username"])
        await page.get_by_label("Password").fill(ACCOUNT["password"])
        await page.get_by_role("button", name="Log in").click()
        await expect(page.locator(".song strong").first).to_be_visible(timeout=PATIENCE_MS)
        figures = {"first_rows_ms": await first_rows(context, url, times), "steps": await scroll(page, songs)}
        await browser.close()
    return figures


def main() -> None:
    """Measure and print."""
    parser = arguments(__doc__)
    parser.add_argument("--times", type=int, default=5, help="how often the library is opened")
    args = parser.parse_args()
    built_pages()
    with (
        folder_of(args) as folder,
        large_library(folder, args.songs, args.seed) as library,
    ):
        figures = asyncio.run(measure(library.url, args.songs, args.times))
    load = os.getloadavg()[0]
    print(f"{args.songs} songs, filled in {library.filled_s} s, load {load:.1f}")
    print("first songs seen after " + ", ".join(f"{ms:.0f}" for ms in figures["first_rows_ms"]) + " ms")
    for name, one in figures["steps"].items():
        print(f"{name:38} " + "  ".join(f"{what} {value:7}" for what, value in one.items()))
    if args.json:
        print(json.dumps({"songs": args.songs, "filled_s": library.filled_s, "load": load, **figures}))


if __name__ == "__main__":
    main()
