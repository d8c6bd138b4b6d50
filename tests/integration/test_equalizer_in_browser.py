"""Does a browser that takes the server's coefficients play what the server renders?"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import Page, async_playwright

from deploy.local.chromium import chromium
from services.streaming.equalizer import Equalizer, EqualizerSettings, equalized, equalizer, frequencies_hz
from services.streaming.equalizer_routes import EqualizerResponse
from services.streaming.presets import BUILT_IN

BANDS = EqualizerSettings(bass_db=10, mid_db=-7.5, treble_db=6)

RENDER = """async ([answer, samples]) => {
  const bytes = Uint8Array.from(atob(samples), (one) => one.charCodeAt(0));
  const input = new Float32Array(bytes.buffer);
  const context = new OfflineAudioContext(1, input.length, answer.sample_rate_hz);
  const buffer = context.createBuffer(1, input.length, answer.sample_rate_hz);
  buffer.copyToChannel(input, 0);
  let node = new AudioBufferSourceNode(context, { buffer });
  node.start();
  for (const section of answer.sections) node = node.connect(new IIRFilterNode(context, section));
  node.connect(new GainNode(context, { gain: answer.gain })).connect(context.destination);
  const output = new Uint8Array((await context.startRendering()).getChannelData(0).buffer);
  let text = "";
  for (let i = 0; i < output.length; i += 4096) text += String.fromCharCode(...output.subarray(i, i + 4096));
  return btoa(text);
}"""

RESPONSE = """([settings, rate, frequencies]) => {
  const context = new OfflineAudioContext(1, 1, rate);
  const total = new Float64Array(frequencies.length);
  for (const [type, frequency, gain] of [
    ["lowshelf", 100, settings.bass_db], ["peaking", 1000, settings.mid_db], ["highshelf", 8000, settings.treble_db],
  ]) {
    const magnitude = new Float32Array(frequencies.length);
    const node = new BiquadFilterNode(context, { type, frequency, gain, Q: 0.7 });
    node.getFrequencyResponse(new Float32Array(frequencies), magnitude, new Float32Array(frequencies.length));
    magnitude.forEach((one, i) => { total[i] += 20 * Math.log10(one); });
  }
  return [...total];
}"""


@pytest.fixture(scope="module")
async def page() -> AsyncIterator[Page]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield await browser.new_page()
        await browser.close()


async def rendered(page: Page, answer: EqualizerResponse, samples: NDArray[np.float32]) -> NDArray[np.float32]:
    output: str = await page.evaluate(RENDER, [answer.model_dump(), base64.b64encode(samples.tobytes()).decode()])
    return np.frombuffer(base64.b64decode(output), np.float32)


@pytest.mark.parametrize("rate_hz", [44_100, 48_000])
async def test_browser_plays_presets_as_the_server_renders_them(page: Page, rate_hz: int) -> None:
    samples = np.random.default_rng(9).uniform(-0.25, 0.25, (rate_hz, 1)).astype(np.float32)

    for settings in (*BUILT_IN.values(), BANDS):
        worked_out: Equalizer = equalizer(settings, rate_hz)
        expected = np.concatenate(list(equalized([samples], worked_out)))[:, 0]
        heard = await rendered(page, EqualizerResponse.of(settings, worked_out), samples[:, 0])
        noise = np.sqrt(np.mean((heard - expected) ** 2) / np.mean(expected**2))
        assert 20 * np.log10(noise + 1e-12) < -90


@pytest.mark.parametrize("rate_hz", [44_100, 48_000])
async def test_bands_are_those_of_web_audio(page: Page, rate_hz: int) -> None:
    worked_out = equalizer(BANDS, rate_hz)
    asked: list[Any] = [BANDS.model_dump(), rate_hz, frequencies_hz().tolist()]

    drawn = np.array(await page.evaluate(RESPONSE, asked))

    assert drawn - worked_out.headroom_db == pytest.approx(worked_out.response_db(frequencies_hz()), abs=0.01)
