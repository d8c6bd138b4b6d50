"""Does a browser play what the equalizer says, and do presets and files keep it?"""

from __future__ import annotations

import asyncio
import base64
import re
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray
from playwright.async_api import Browser, Page, expect

from services.streaming.equalizer import EqualizerSettings, equalizer, frequencies_hz
from services.streaming.presets import BUILT_IN
from tests.e2e.test_main_job import upload_one
from tests.e2e.visitor import Visitor, heading, log_in, look_at, new_visitor
from tunescout.client import Client
from tunescout.session import Account

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

RATE_HZ = 44_100
LENGTH_S = 60
TITLE = "Steady Rain"
PERIOD_S = 0.5
"""The song repeats itself so often, so that any such stretch of it has the same spectrum."""

TAP = """
window.tap = { filters: [], made: [] };
const connect = AudioNode.prototype.connect;
AudioNode.prototype.connect = function (to, ...rest) {
  if (to instanceof AudioDestinationNode) Object.assign(tap, { context: to.context, last: this });
  return connect.call(this, to, ...rest);
};
for (const name of ["BiquadFilterNode", "IIRFilterNode", "GainNode"]) {
  window[name] = class extends window[name] {
    constructor(...given) { super(...given); tap.made.push(this); }
  };
}
tap.wait = async (holds) => { while (!holds()) await new Promise((next) => setTimeout(next, 20)); };
tap.kind = (kind) => tap.made.filter((node) => node instanceof kind);
tap.capture = () => {
  const { context, last } = tap;
  tap.analyser ??= last.connect(new AnalyserNode(context, { fftSize: 32768 }));
  const samples = new Float32Array(context.sampleRate / 2);
  tap.analyser.getFloatTimeDomainData(samples);
  const bytes = new Uint8Array(samples.buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return btoa(text);
};
"""
RESPONSE = """(frequencies) => {
  const total = new Float64Array(frequencies.length);
  const [headroom] = tap.kind(GainNode);
  for (const node of [...tap.kind(BiquadFilterNode), ...tap.kind(IIRFilterNode).slice(tap.before)]) {
    const magnitude = new Float32Array(frequencies.length);
    node.getFrequencyResponse(new Float32Array(frequencies), magnitude, new Float32Array(frequencies.length));
    magnitude.forEach((one, i) => { total[i] += 20 * Math.log10(Math.max(one, 1e-12)); });
  }
  return [...total.map((level) => level + 20 * Math.log10(headroom.gain.value))];
}"""
SETTLED = """([gains, gain, count]) => tap.wait(() =>
  tap.kind(BiquadFilterNode).every((node, i) => Math.abs(node.gain.value - gains[i]) < 1e-4)
  && Math.abs(tap.kind(GainNode)[0].gain.value - gain) < 1e-5
  && tap.kind(IIRFilterNode).length - tap.before === count)"""

AFTER_A_WHILE = """() => {
  tap.capture();
  const until = tap.context.currentTime + 0.8;
  return tap.wait(() => tap.context.currentTime >= until);
}"""

Lines = NDArray[np.float64]
"""Power at 0, 2, 4 … Hz: the song is noise that repeats itself, so there is nothing between."""


@dataclass(frozen=True, slots=True)
class Listener:
    """Somebody who hears the song in a browser, and may ask the service for the truth."""

    visitor: Visitor
    page: Page
    client: Client
    account: Account

    async def choose(self, preset: str) -> None:
        """Press the button of a preset."""
        await self.page.get_by_role("radio", name=preset).check(force=True)

    async def lines(self) -> Lines:
        """Return what is heard, as soon as something is heard and stays the same."""
        found = await self._captured()
        async with asyncio.timeout(30):
            while True:
                before, found = found, await self._captured()
                levels = third_octaves_db(found)
                if levels.max() > -100 and np.abs(levels - third_octaves_db(before)).max() < 0.05:
                    return found

    async def _captured(self) -> Lines:
        # A while later by the clock of the loudspeaker, all that the analyser holds is from after now.
        async with asyncio.timeout(10):
            await self.page.evaluate(AFTER_A_WHILE)
        return lines(np.frombuffer(base64.b64decode(await self.page.evaluate("tap.capture()")), np.float32))


def lines(period: NDArray[np.float32]) -> Lines:
    power: Lines = np.abs(np.fft.rfft(period.astype(np.float64))) ** 2 / len(period) ** 2
    return power


def third_octaves_db(power: Lines) -> NDArray[np.float64]:
    """Return the level of each third of an octave from 31.5 Hz to 16 kHz."""
    centres = 1000 * 2 ** (np.arange(-15, 13) / 3)
    hz = np.arange(len(power)) / PERIOD_S
    inside = [(hz >= centre * 2 ** (-1 / 6)) & (hz < centre * 2 ** (1 / 6)) for centre in centres]
    return np.array([10 * np.log10(power[band].sum() + 1e-20) for band in inside])


def steady_rain() -> NDArray[np.float32]:
    """Noise with about the spectrum of music, the same in every period."""
    random = np.random.default_rng(int.from_bytes(secrets.token_bytes(4)))
    frames = int(RATE_HZ * PERIOD_S)
    hz = np.arange(frames // 2 + 1) / PERIOD_S
    period = np.fft.irfft(np.exp(2j * np.pi * random.random(len(hz))) / np.sqrt(np.maximum(hz, 20)), frames)
    return np.tile(0.25 * period / np.abs(period).max(), int(LENGTH_S / PERIOD_S)).astype(np.float32)


@pytest.fixture(scope="module")
async def listener(browser: Browser, url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Listener]:
    path = tmp_path_factory.mktemp("rain") / "rain.wav"
    soundfile.write(path, steady_rain(), RATE_HZ)
    account = Account(url, f"listener-{secrets.token_hex(4)}", secrets.token_urlsafe(12))
    async with Client(url, account=account, patience_s=120) as client:
        await client.sign_up(account.username, account.password)
        await client.edit((await upload_one(client, path)).id, title=TITLE, artist="The Roof")
        visitor = await new_visitor(browser, url)
        await visitor.context.add_init_script(TAP)
        await visitor.context.add_init_script("localStorage.setItem('tunescout.player.loudness', '0')")
        page = await visitor.open()
        await log_in(page, account.username, account.password)
        yield Listener(visitor, page, client, account)
        await visitor.leave()


async def play(page: Page) -> None:
    """Play the song from its beginning, and open the page of the equalizer."""
    await page.get_by_role("link", name="Library", exact=True).click()
    await page.get_by_role("button", name=re.compile(f"^Play .*{TITLE}|^Play$")).first.click()
    await page.get_by_role("link", name="Equalizer", exact=True).click()
    await expect(heading(page, "Equalizer")).to_be_visible()
    await expect(page.get_by_text(f"You hear {TITLE}")).to_be_visible()


@pytest.fixture
async def playing(listener: Listener) -> Listener:
    """The song plays, and the page of the equalizer is open."""
    page = listener.page
    await play(page)
    async with asyncio.timeout(10):
        await page.evaluate("tap.wait(() => tap.context?.state === 'running')")
    return listener


async def test_bass_that_is_moved_is_heard_as_the_service_computes_it(playing: Listener) -> None:
    await playing.choose("Flat")
    before = await playing.lines()

    bass = playing.page.get_by_role("slider", name="Bass").first
    await bass.fill("6")
    after = await playing.lines()

    expected = equalizer(EqualizerSettings(bass_db=6), RATE_HZ).response_db(np.arange(len(before)) / PERIOD_S)
    computed = third_octaves_db(before * 10 ** (expected / 10))
    assert third_octaves_db(after) == pytest.approx(computed, abs=0.5)
    assert await bass.get_attribute("aria-valuetext") == "+6 dB"
    await expect(playing.page.get_by_text("Everything plays 6 dB quieter")).to_be_visible()

    await bass.press("0")
    await expect(bass).to_have_value("0")


async def test_every_preset_is_played_with_the_response_of_the_service(playing: Listener) -> None:
    page = playing.page
    rate_hz = int(await page.evaluate("tap.context.sampleRate"))
    for name in (*list(BUILT_IN)[1:], "flat"):
        answer = (
            await playing.client.ask(
                "GET", "/v1/equalizer/response", params={"preset": name, "sample_rate_hz": rate_hz}
            )
        ).json()
        settings = EqualizerSettings(**answer["settings"])
        gains = [settings.bass_db, settings.mid_db, settings.treble_db]
        filters = len(answer["sections"]) - np.count_nonzero(gains)

        await page.evaluate("tap.before = tap.kind(IIRFilterNode).length")
        await playing.choose(name.capitalize().replace("-", " "))
        async with asyncio.timeout(10):
            await page.evaluate(SETTLED, [gains, answer["gain"], int(filters)])
        played = np.array(await page.evaluate(RESPONSE, frequencies_hz().tolist()))

        expected = np.array(answer["response_db"])
        audible = expected > -120
        assert played[audible] == pytest.approx(expected[audible], abs=0.01), name


async def test_file_sounds_as_what_was_heard(playing: Listener, tmp_path: Path) -> None:
    page = playing.page
    await playing.choose("Vocal")
    heard = third_octaves_db(await playing.lines())

    await page.get_by_role("radio", name="WAV").press("Space")
    await page.get_by_role("radio", name="24 bits").press("Space")
    await page.get_by_role("button", name="Make the file").click()
    link = page.get_by_role("link", name=re.compile("Download"))
    await expect(link).to_be_visible(timeout=60_000)
    async with page.expect_download() as download:
        await link.click()
    path = tmp_path / (await download.value).suggested_filename
    await (await download.value).save_as(path)
    samples, rate_hz = soundfile.read(path, dtype="float32")

    assert path.name == f"The Roof - {TITLE}.wav"
    assert (rate_hz, len(samples)) == (RATE_HZ, LENGTH_S * RATE_HZ)
    assert heard == pytest.approx(third_octaves_db(lines(samples[-int(RATE_HZ * PERIOD_S) :])), abs=0.5)
    await page.get_by_role("button", name="Before and after").click()
    await expect(page.get_by_role("img", name=re.compile("before and after")).locator("svg")).to_be_visible()


async def test_preset_is_kept_and_nothing_that_another_device_has_made_of_it_is_lost(playing: Listener) -> None:
    page = playing.page
    await playing.choose("Flat")
    await page.get_by_role("slider", name="Treble").first.fill("4.5")
    await page.get_by_role("button", name="Save as").click()
    await page.get_by_label("Name").fill("Attic")
    await page.get_by_role("button", name="Save", exact=True).click()
    await page.get_by_role("button", name="Use for this song").click()
    await expect(page.get_by_text(f"“{TITLE}” always plays with “Attic” now.")).to_be_visible()

    etag = (await playing.client.ask("GET", "/v1/equalizer/presets/Attic")).headers["ETag"]
    await playing.client.ask(
        "PUT", "/v1/equalizer/presets/Attic", headers={"If-Match": etag}, json={"bass_db": -2, "treble_db": 1}
    )
    await page.get_by_role("slider", name="Mid").first.fill("-1")
    await page.get_by_role("button", name="Save “Attic”").click()
    decision = page.get_by_role("dialog")
    await expect(decision.get_by_text(re.compile("Bass .2 dB, treble .1 dB"))).to_be_visible()
    playing.visitor.complaints.clear()  # browsers complain about every refusal
    await decision.get_by_role("button", name="Take the other").click()
    await expect(page.get_by_role("slider", name="Bass").first).to_have_value("-2")

    await page.reload()
    await expect(page.get_by_role("radio", name="Attic")).to_be_visible()
    await page.get_by_role("link", name="Library", exact=True).click()
    await page.get_by_role("button", name=re.compile(f"^Play .*{TITLE}|^Play$")).first.click()
    await page.get_by_role("link", name="Equalizer", exact=True).click()
    await expect(page.get_by_role("radio", name="Attic")).to_be_checked()
    await expect(page.get_by_role("button", name="Plays this song")).to_be_visible()


async def test_equalizer_and_its_files_have_no_barrier(browser: Browser, listener: Listener, url: str) -> None:
    visitor = await new_visitor(browser, url, reduced_motion="reduce", bypass_csp=True)  # axe is a script
    page = await visitor.open()
    await log_in(page, listener.account.username, listener.account.password)
    await play(page)
    await page.get_by_role("slider", name="Bass").first.fill("5")
    await page.get_by_role("slider", name="Treble").first.fill("-3.5")
    await look_at(page, "equalizer-playing")
    await page.get_by_role("button", name="Make the file").click()
    await expect(page.get_by_role("link", name=re.compile("Download"))).to_be_visible(timeout=60_000)
    await page.get_by_role("button", name="Before and after").click()
    await expect(page.get_by_role("img", name=re.compile("before and after")).locator("svg")).to_be_visible()
    await page.get_by_role("heading", name="Make a file").evaluate("(heading) => heading.scrollIntoView()")
    await look_at(page, "equalizer-file")
    await visitor.leave()
