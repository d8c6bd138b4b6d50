"""Does all that a person comes for work in one visit: a song is brought, heard, equalized, rendered and recognised?"""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pytest
import soundfile
from playwright.async_api import Browser, Page, expect
from scipy.signal import resample_poly, sosfilt

from services.streaming.equalizer import EqualizerSettings, equalizer
from tests.e2e.ear import EAR, Heard, Place, Samples, hear, place, third_octaves_db
from tests.e2e.visitor import NO_FILE_PICKER, choose, heading, new_visitor, open_browser, sign_up
from tunescout.clip import write_mp3, write_noisy_clip
from tunescout.importing import audio_files
from tunescout.synthesis import tune

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

RATE_HZ = 44_100
SONG_S = 40.0
CLIP_S = 15.0
TITLE = "Lanterns"
SETTINGS = EqualizerSettings(bass_db=6, treble_db=-4)
FATE_MS = 120_000


@dataclass(frozen=True)
class Music:
    """A song, the same in another encoding, and a noisy clip of it as a microphone hears it."""

    song: Path
    copy: Path
    clip: Path
    clip_begin_s: float

    @cached_property
    def _read(self) -> tuple[Samples, int]:
        samples, rate_hz = soundfile.read(self.song, dtype="float32", always_2d=True)
        return np.repeat(samples, 2, axis=1)[:, :2] if samples.shape[1] == 1 else samples[:, :2], rate_hz

    def sound(self, rate_hz: int) -> Samples:
        """Return the song, float32 of shape (frames, 2)."""
        samples, own_rate_hz = self._read
        if rate_hz == own_rate_hz:
            return samples
        divisor = np.gcd(rate_hz, own_rate_hz)
        resampled: Samples = resample_poly(samples, rate_hz // divisor, own_rate_hz // divisor).astype(np.float32)
        return resampled

    def equalized(self, rate_hz: int) -> Samples:
        """Return the song as the equalizer of the service computes it."""
        filters = equalizer(SETTINGS, rate_hz)
        made: Samples = (filters.gain * sosfilt(filters.sections, self.sound(rate_hz), axis=0)).astype(np.float32)
        return made


@pytest.fixture(scope="module")
def music(tmp_path_factory: pytest.TempPathFactory) -> Music:
    """The first song of TUNESCOUT_TEST_MUSIC, a file or a folder, or a tune whose sides differ."""
    folder = tmp_path_factory.mktemp("journey")
    if given := os.environ.get("TUNESCOUT_TEST_MUSIC"):
        song = next(audio_files([Path(given)])).path
    else:
        song = folder / "song.flac"
        soundfile.write(song, np.stack([tune(seed, SONG_S, RATE_HZ) for seed in (511, 512)], axis=1), RATE_HZ)
    copy, clip = folder / "copy.mp3", folder / "clip.wav"
    write_mp3(song, copy, bit_rate=96_000)
    begin_s = write_noisy_clip(song, clip, duration_s=CLIP_S, snr_db=10, seed=1)
    return Music(song, copy, clip, begin_s)


@pytest.fixture
async def hearing_browser(pages: Path, music: Music) -> AsyncIterator[Browser]:
    """A browser whose microphone hears the clip."""
    del pages
    async with open_browser(
        "--use-fake-device-for-media-stream", f"--use-file-for-fake-audio-capture={music.clip}%noloop"
    ) as browser:
        yield browser


@pytest.mark.parametrize("url", [pytest.param("one_process", marks=pytest.mark.core), "stack"], indirect=True)
async def test_song_is_brought_heard_equalized_rendered_and_recognised_in_one_visit(
    hearing_browser: Browser, url: str, music: Music, tmp_path: Path
) -> None:
    visitor = await new_visitor(hearing_browser, url, permissions=["microphone"])
    await visitor.context.add_init_script(NO_FILE_PICKER)
    await visitor.context.add_init_script(EAR)
    page = await visitor.open()
    await sign_up(page)

    await bring(page, music)
    await go(page, "Library")
    await page.get_by_role("button", name=f"Play {TITLE}").click()
    await set_own_loudness(page)
    await until_heard(page, music.sound)

    await go(page, "Equalizer")
    await page.get_by_role("slider", name="Bass").first.fill(str(SETTINGS.bass_db))
    await page.get_by_role("slider", name="Treble").first.fill(str(SETTINGS.treble_db))
    heard, there = await until_heard(page, music.equalized)
    assert_same_spectrum(heard, there)

    made, rate_hz = soundfile.read(await render(page, tmp_path), dtype="float32", always_2d=True)
    middle = made[len(made) // 2 :][: 4 * rate_hz]
    part = Heard((middle[:, 0], middle[:, -1]), rate_hz)
    there = place(part, music.equalized(rate_hz))
    assert there.likeness > 0.999
    assert there.gain_db == pytest.approx(0, abs=0.1)
    assert_same_spectrum(part, there)

    await page.keyboard.press(" ")
    await recognise(page, music)
    await go(page, "Account")
    await page.get_by_role("button", name="Log out", exact=True).click()
    await expect(heading(page, "Log in")).to_be_visible()
    await visitor.leave()


async def go(page: Page, name: str) -> None:
    await page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
    await expect(heading(page, name)).to_be_visible()


async def bring(page: Page, music: Music) -> None:
    """Upload the song, and then the same in another encoding."""
    await page.get_by_role("navigation").get_by_role("link", name="Upload").click()
    rows = page.get_by_role("list", name="Uploads").locator("> li")
    await choose(page, music.song)
    await rows.get_by_role("button", name="More about").click()
    await expect(rows).to_contain_text("In your library", timeout=FATE_MS)
    await rows.get_by_label("Title").fill(TITLE)
    await rows.get_by_role("button", name="Save").click()
    await expect(rows.get_by_text(TITLE, exact=True)).to_be_visible()

    await choose(page, music.copy)
    twin = rows.filter(has_text="Known already")
    await expect(twin).to_be_visible(timeout=FATE_MS)
    await expect(twin).to_contain_text(f"It is already here as {TITLE}")
    await expect(twin).to_contain_text("It is the same recording, though the file is another one.")
    await expect(twin).to_contain_text(re.compile(r"Overlap(9\d|100) %"))


async def set_own_loudness(page: Page) -> None:
    """Play songs as loud as they are."""
    await page.get_by_role("button", name="Sound", exact=True).click()
    await page.get_by_role("checkbox", name="Same loudness").uncheck()
    await page.keyboard.press("Escape")


async def until_heard(page: Page, sound: Callable[[int], Samples]) -> tuple[Heard, Place]:
    """Wait until something is heard without a break, and as loud as it should be."""
    found = None
    try:
        async with asyncio.timeout(30):
            while True:
                if heard := await hear(page):
                    found = place(heard, sound(heard.sample_rate_hz))
                    if found.likeness >= 0.99 and found.gain_db == pytest.approx(0, abs=0.1):
                        return heard, found
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(found) from None


def assert_same_spectrum(heard: Heard, there: Place) -> None:
    """In every third of an octave that is no more than 60 dB below the loudest, within 0.5 dB."""
    for side, part in zip(heard.sides, there.parts, strict=True):
        expected = third_octaves_db(part, heard.sample_rate_hz)
        audible = expected > expected.max() - 60
        assert third_octaves_db(side, heard.sample_rate_hz)[audible] == pytest.approx(expected[audible], abs=0.5)


async def render(page: Page, folder: Path) -> Path:
    """Have the song made into a file, and download it."""
    await page.get_by_role("radio", name="WAV").check()
    await page.get_by_role("radio", name="24 bits").check()
    await page.get_by_role("button", name="Make the file").click()
    link = page.get_by_role("link", name=re.compile("Download"))
    await expect(link).to_be_visible(timeout=FATE_MS)
    async with page.expect_download() as download:
        await link.click()
    path = folder / (await download.value).suggested_filename
    await (await download.value).save_as(path)
    assert TITLE in path.name
    return path


async def recognise(page: Page, music: Music) -> None:
    """Let the page name what its microphone hears, and tell where in the song it is."""
    await go(page, "Recognise")
    await page.get_by_role("button", name="Listen", exact=True).click()
    await expect(page.get_by_role("heading", name=TITLE)).to_be_visible(timeout=30_000)
    into = await page.get_by_text("into the song · ").first.inner_text()
    minutes, seconds = map(int, into.split()[0].split(":"))
    assert music.clip_begin_s < 60 * minutes + seconds < music.clip_begin_s + CLIP_S + 5
