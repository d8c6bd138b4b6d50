"""After how many seconds of noisy music does the page name the song that its microphone hears?

``python -m bench.microphone --music FOLDER [--server URL]`` imports the folder, then opens the page in a Chromium whose
microphone plays some seconds of one song with white noise, presses the button and waits for the name: a browser for
each song. What is measured is all that a person waits for but the permission: capturing, asking, answering, showing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from playwright.async_api import Page, Playwright, Response, async_playwright
from playwright.async_api import TimeoutError as NothingShown

from deploy.local.chromium import chromium
from shared.audio.decode import decode
from tunescout.client import Client
from tunescout.clip import mix
from tunescout.importing import Watcher, audio_files, import_files
from tunescout.session import Account

SAMPLE_RATE_HZ = 48_000
PLAYED_S = 20.0
"""How much of a song the microphone hears: more than the page listens."""
PATIENCE_MS = 40_000
HEARD_S = "15 * Number(document.querySelector('.ear').style.getPropertyValue('--heard'))"


@dataclass(frozen=True, slots=True)
class Heard:
    """What a page said about one song.

    Attributes
    ----------
    named : str or None
        The title that was shown.
    is_right : bool
        Whether it is that of the song.
    audio_s : float
        How much the microphone had heard when the answer was shown.
    asked_bytes : int
        What all questions had in their bodies together.
    offset_error_ms : float or None
        How far the place in the song is off.
    """

    file: str
    named: str | None
    is_right: bool
    audio_s: float
    questions: int
    asked_bytes: int
    offset_error_ms: float | None


def record(path: Path, noisy: Path, *, snr_db: float, seed: int) -> float:
    """Write some seconds of a song with noise; return where in the song they begin, in seconds."""
    rng = np.random.default_rng([seed, *path.name.encode()])
    samples = decode(path, sample_rate_hz=SAMPLE_RATE_HZ).samples
    length = min(len(samples), round(PLAYED_S * SAMPLE_RATE_HZ))
    begin = int(rng.integers(0, len(samples) - length + 1))
    noise = rng.standard_normal(length, dtype=np.float32)
    mixture = mix(samples[begin : begin + length], noise, snr_db)
    soundfile.write(noisy, mixture, SAMPLE_RATE_HZ, subtype="PCM_16")
    return begin / SAMPLE_RATE_HZ


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page has shown: the last answer, the bytes of each question, the name, and the audio that it took."""

    answer: dict[str, Any]
    asked_bytes: list[int]
    named: str | None
    audio_s: float


async def listen(playwright: Playwright, account: Account, microphone: Path) -> Shown:
    """Open the page with a microphone that plays a file."""
    browser = await playwright.chromium.launch(
        executable_path=chromium(),
        args=[
            "--no-sandbox",
            "--use-fake-ui-for-media-stream",
            "--use-fake-device-for-media-stream",
            f"--use-file-for-fake-audio-capture={microphone}%noloop",
        ],
    )
    try:
        page: Page = await browser.new_page()
        answers: list[Response] = []
        page.on("response", lambda one: answers.append(one) if "/v1/queries?" in one.url else None)
        await page.goto(f"{account.server}/login?to=/recognise")
        await page.get_by_label("User name").fill(account.username)
        await page.get_by_label("Password").fill(account.password)
        await page.get_by_role("button", name="Log in").click()
        await page.get_by_role("button", name="Listen", exact=True).click()
        await page.locator(".recognise-answered, .recognise-failed").wait_for(timeout=PATIENCE_MS)
        audio_s: float = await page.evaluate(HEARD_S)
        name = page.locator(".found h2")
        named = await name.inner_text() if await name.count() else None
        asked = [one for one in answers if one.request.method == "POST"]
        sizes = [int((await one.request.all_headers()).get("content-length", 0)) for one in asked]
        return Shown(await asked[-1].json(), sizes, named, audio_s)
    except NothingShown:
        return Shown({}, [], None, PATIENCE_MS / 1000)
    finally:
        await browser.close()


async def measure(arguments: argparse.Namespace) -> list[Heard]:
    """Import, record, listen."""
    account = Account(arguments.server, f"bench-{secrets.token_hex(4)}", secrets.token_urlsafe(16))
    watcher = Watcher()
    async with Client(arguments.server) as client:
        await client.sign_up(account.username, account.password)
    async with Client(arguments.server, account=account) as client:
        await import_files(client, audio_files([arguments.music]), watcher, visibility="shared")  # for the next run too
    ids = {
        outcome.file.path: outcome.song.duplicate.song_id if outcome.song.duplicate else outcome.song.id
        for outcome in watcher.outcomes
        if outcome.song is not None and outcome.song.status in ("ready", "duplicate")
    }
    results = []
    async with async_playwright() as playwright:
        for path, song_id in sorted(ids.items()):
            with tempfile.TemporaryDirectory() as folder:
                noisy = Path(folder) / "microphone.wav"
                begin_s = await asyncio.to_thread(record, path, noisy, snr_db=arguments.snr, seed=arguments.seed)
                results.append(_judged(path, song_id, begin_s, await listen(playwright, account, noisy)))
            print(f"{path.name:40} {results[-1].audio_s:5.1f} s  {results[-1].named or '-'}")
    return results


def _judged(path: Path, song_id: str | None, begin_s: float, shown: Shown) -> Heard:
    match = shown.answer.get("match")
    is_right = shown.named is not None and match is not None and match["song"]["id"] == song_id
    return Heard(
        path.name,
        shown.named,
        is_right,
        round(shown.audio_s, 2),
        len(shown.asked_bytes),
        sum(shown.asked_bytes),
        round(abs(match["offset_ms"] - 1000 * begin_s), 1) if match and is_right else None,
    )


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, required=True, help="folder of songs")
    parser.add_argument("--server", default="http://127.0.0.1:8000", help="a running service with its pages")
    parser.add_argument("--snr", type=float, default=10.0, help="signal-to-noise ratio, in dB")
    parser.add_argument("--within", type=float, default=5.0, help="seconds of audio that a person should wait at most")
    parser.add_argument("--seed", type=int, default=1, help="chooses the places")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    arguments = parser.parse_args()
    results = asyncio.run(measure(arguments))
    right = [result for result in results if result.is_right]
    waits = [result.audio_s for result in right] or [float("nan")]
    figures = {
        "songs": len(results),
        "right": len(right),
        "wrong": sum(result.named is not None and not result.is_right for result in results),
        "right_in_time": sum(result.audio_s <= arguments.within for result in right),
        "audio_p50_s": round(float(np.median(waits)), 2),
        "audio_max_s": round(max(waits), 2),
    }
    for name, value in figures.items():
        print(f"{name:20} {value}")
    if arguments.json:
        print(json.dumps({**figures, "each": [asdict(result) for result in results]}))


if __name__ == "__main__":
    main()
