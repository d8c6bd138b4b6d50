"""Does music get in by the pages, whatever it is and whatever happens on the way?"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
from playwright.async_api import Browser, Locator, Page, Route, expect

from tests.e2e.music import SAMPLE_RATE_HZ, song, write
from tests.e2e.visitor import NO_FILE_PICKER, PASSWORD, Visitor, choose, heading, look_at, new_visitor, sign_up
from tunescout.client import Client
from tunescout.session import Account

LARGE_BYTES = int(os.environ.get("TUNESCOUT_TEST_UPLOAD_BYTES") or 42_000_000)
"""Size of the upload whose tab is closed; in parts of 5 MiB, three of which are 37 % of it."""
FATE_MS = 60_000

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300 + LARGE_BYTES // 1_000_000)]


async def arrive(browser: Browser, url: str, **options: object) -> tuple[Visitor, Page]:
    """Sign somebody up who goes to the page at once."""
    visitor = await new_visitor(browser, url, **options)
    await visitor.context.add_init_script(NO_FILE_PICKER)
    page = await visitor.open("/upload")
    visitor.name = await sign_up(page)
    await expect(heading(page, "Upload")).to_be_visible()
    return visitor, page


def row(page: Page, title: str) -> Locator:
    return page.get_by_role("list", name="Uploads").get_by_role("listitem").filter(has_text=title).first


async def test_song_becomes_ready_its_other_encoding_a_duplicate_with_proof_and_a_text_is_not_taken(
    browser: Browser, url: str, tmp_path: Path
) -> None:
    write(tmp_path / "Morning walk.wav", song(811))
    write(tmp_path / "The same walk.mp3", song(811))
    (tmp_path / "Shopping list.mp3").write_text("bread, butter, strings\n" * 400)
    visitor, page = await arrive(browser, url)

    await choose(page, tmp_path / "Morning walk.wav")
    first = row(page, "Morning walk")
    await expect(first).to_contain_text("In your library", timeout=FATE_MS)
    await first.get_by_role("button", name="More about").click()
    await first.get_by_label("Title").fill("Evening walk")
    await first.get_by_role("button", name="Save").click()
    await expect(row(page, "Evening walk")).to_be_visible()

    await choose(page, tmp_path / "The same walk.mp3", tmp_path / "Shopping list.mp3")
    twin, bad = row(page, "The same walk"), row(page, "Shopping list")
    await expect(twin).to_contain_text("Known already", timeout=FATE_MS)
    await expect(twin).to_contain_text("It is already here as Evening walk")
    await expect(twin).to_contain_text(re.compile(r"Overlap(9\d|100) %"))
    await twin.get_by_role("button", name="Hear both").click()
    await expect(twin.get_by_role("button", name="Pause")).to_be_visible()
    await expect(twin.locator(".listening-time")).to_have_text(re.compile("0:0[2-9]"))
    await twin.get_by_role("radio", name="The song here").check()
    await expect(twin.locator(".listening-time")).to_have_text(re.compile("0:0[6-9]|0:1"))
    await twin.get_by_role("button", name="Pause").click()
    await expect(bad).to_contain_text("Not taken", timeout=FATE_MS)
    await expect(bad).to_contain_text("The file is")

    await page.get_by_role("button", name="Clear what is done").click()
    await expect(page.get_by_role("heading", name="Bring your music in")).to_be_visible()
    await visitor.leave()


def write_large(path: Path, seed: int, size_bytes: int) -> None:
    """Write music that fills so many bytes: what is loud in it changes from turn to turn, so that it never repeats."""
    channel = np.repeat(song(seed), 4)
    frames = (size_bytes - 44) // 6
    loudness = np.linspace(0.3, 0.9, 50)
    with soundfile.SoundFile(path, "w", 4 * SAMPLE_RATE_HZ, 2, "PCM_24") as file:
        for begin in range(0, frames, len(channel)):
            part = channel[: frames - begin] * loudness[begin // len(channel) % 50]
            file.write(np.column_stack([part, part]))


async def test_large_upload_whose_tab_is_closed_goes_on_where_it_was_and_arrives_byte_by_byte(
    browser: Browser, url: str, tmp_path: Path
) -> None:
    path = tmp_path / "Long night.wav"
    await asyncio.to_thread(write_large, path, 812, LARGE_BYTES)
    visitor, page = await arrive(browser, url)
    network = await visitor.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": LARGE_BYTES / 10}
    await network.send("Network.enable")
    await network.send("Network.emulateNetworkConditions", slow)

    await choose(page, path)
    await expect(row(page, "Long night")).to_contain_text(re.compile(r"[4-8]\d % of"), timeout=FATE_MS)
    await page.close()
    page = await visitor.open("/upload")
    long = row(page, "Long night")
    await expect(long).to_contain_text(re.compile(r"Stopped at [1-9]\d %"))
    stopped = re.search(r"Stopped at (\d+) %", await long.inner_text())
    assert stopped is not None
    assert 35 <= int(stopped[1]) < 90  # a busy machine is late to close the tab

    sent: list[int] = []
    page.on("requestfinished", lambda request: sent.append(1) if request.method == "PUT" else None)
    await choose(page, path)
    await expect(long).to_contain_text("In your library", timeout=FATE_MS + LARGE_BYTES / 2000)
    assert await stored_digest(visitor) == digest(path)
    assert len(sent) <= -(-path.stat().st_size // (5 << 20)) * 0.65 + 1
    await visitor.leave()


async def test_upload_outlives_any_number_of_signatures(browser: Browser, url: str, tmp_path: Path) -> None:
    await asyncio.to_thread(write_large, tmp_path / "Slow road.wav", 817, 32_000_000)
    visitor, page = await arrive(browser, url)
    seen: set[str] = set()

    async def refuse_at_first(route: Route) -> None:
        [part] = re.findall(r"part(?:Number)?=(\d+)", route.request.url)
        if part in seen:
            return await route.continue_()
        seen.add(part)
        return await route.fulfill(status=403, headers={"Access-Control-Allow-Origin": "*"})

    await page.route(re.compile(r"[?&]part(Number)?="), refuse_at_first)
    await choose(page, tmp_path / "Slow road.wav")
    await expect(row(page, "Slow road")).to_contain_text(re.compile("Listening|Comparing|library"), timeout=FATE_MS)
    assert len(seen) > 4
    await page.unroute_all()
    visitor.complaints.clear()  # of every refusal
    await visitor.leave()


async def stored_digest(visitor: Visitor) -> str:
    """Return the digest of the only song of somebody as it comes from the bucket."""
    account = Account(visitor.url, visitor.name, PASSWORD)
    found = hashlib.sha256()
    async with Client(visitor.url, account=account) as client, httpx.AsyncClient() as anybody:
        [song] = (await client.ask("GET", "/v1/songs?mine=true")).json()["songs"]
        stream = (await client.ask("GET", f"/v1/songs/{song['id']}/stream")).json()
        async with anybody.stream("GET", stream["url"]) as answer:
            async for part in answer.aiter_bytes():
                found.update(part)
    return found.hexdigest()


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


async def test_upload_goes_on_by_itself_where_the_browser_keeps_the_file(
    browser: Browser, url: str, tmp_path: Path
) -> None:
    content = write(tmp_path / "Kept.wav", song(813)).read_bytes()
    visitor, page = await arrive(browser, url)
    # A file in the browser's own storage has a handle like one of the disk, and nobody need be asked for it.
    await page.evaluate(
        """async (bytes) => {
            const root = await navigator.storage.getDirectory();
            const handle = await root.getFileHandle("Kept.wav", { create: true });
            const stream = await handle.createWritable();
            await stream.write(new Uint8Array(bytes));
            await stream.close();
        }""",
        list(content[: 44 + 200_000]),
    )
    picker = """Object.defineProperty(window, "showOpenFilePicker", { value: async () => {
        const root = await navigator.storage.getDirectory();
        return [await root.getFileHandle("Kept.wav")];
    } })"""
    await visitor.context.add_init_script(picker)
    await page.close()
    page = await visitor.open("/upload")
    await page.route("**/*", lose_what_is_sent)
    await page.get_by_role("button", name="Choose files").click()
    await expect(row(page, "Kept")).to_contain_text("Trying again")
    visitor.complaints.clear()  # browsers complain about connections that are lost
    await page.close()

    page = await visitor.open()
    await page.get_by_role("link", name="Upload").click()
    await expect(row(page, "Kept")).to_contain_text("In your library", timeout=FATE_MS)
    visitor.complaints.clear()
    await visitor.leave()


async def lose_what_is_sent(route: Route) -> None:
    await (route.abort() if route.request.method == "PUT" else route.continue_())


async def test_page_has_no_barrier(browser: Browser, url: str, tmp_path: Path) -> None:
    visitor, page = await arrive(browser, url, reduced_motion="reduce", bypass_csp=True)  # axe is a script
    await expect(page.get_by_text("You keep 0")).to_be_visible()
    await look_at(page, "upload-empty")

    write(tmp_path / "Morning walk.wav", song(814))
    write(tmp_path / "The same walk.mp3", song(814))
    (tmp_path / "Shopping list.mp3").write_text("bread, butter, strings\n" * 400)
    await choose(page, tmp_path / "Morning walk.wav")
    await expect(row(page, "Morning walk")).to_contain_text("In your library", timeout=FATE_MS)
    await choose(page, tmp_path / "The same walk.mp3", tmp_path / "Shopping list.mp3")
    await expect(row(page, "The same walk")).to_contain_text("Known already", timeout=FATE_MS)
    await expect(row(page, "Shopping list")).to_contain_text("Not taken", timeout=FATE_MS)
    await look_at(page, "upload-fates")

    network = await visitor.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 100_000}
    await network.send("Network.emulateNetworkConditions", slow)
    await choose(page, write(tmp_path / "Slow boat.wav", song(815)), write(tmp_path / "Slow train.wav", song(816)))
    await page.get_by_role("button", name="Pause Slow train").click()
    await page.get_by_role("button", name="More about Slow boat").click()
    await expect(row(page, "Slow boat")).to_contain_text(re.compile(r"[1-9]\d? % of"))
    await look_at(page, "upload-sending")
    await visitor.leave()
