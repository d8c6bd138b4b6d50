"""Is a song measured when somebody wants to know, and only once?"""

from __future__ import annotations

import asyncio

import httpx
import numpy as np
import pytest

from services.streaming.loudness import Loudness
from tests.unit.streaming.conftest import RATE_HZ, Listening, music


async def measured(listener: httpx.AsyncClient, path: str) -> httpx.Response:
    """Ask as long as the answer says that one should ask again."""
    async with asyncio.timeout(60):
        while (answer := await listener.get(path)).status_code == 202:
            assert int(answer.headers["Retry-After"]) > 0
            assert answer.json() == {"status": "being_measured"}
            await asyncio.sleep(0.1)
    return answer


async def test_loudness_of_an_old_song_is_measured_on_demand(listening: Listening, listener: httpx.AsyncClient) -> None:
    samples = music(5)
    song = await listening.add_song(samples)
    assert (await listener.get(f"/v1/songs/{song}/loudness")).status_code == 202

    found = (await measured(listener, f"/v1/songs/{song}/loudness")).json()

    expected = Loudness(RATE_HZ, 2)
    expected.feed(samples)
    loudness = expected.result()
    assert found["integrated_lufs"] == pytest.approx(loudness.integrated_lufs, abs=0.01)
    assert found["range_lu"] == pytest.approx(loudness.range_lu, abs=0.01)
    assert found["true_peak_dbtp"] == pytest.approx(loudness.true_peak_dbtp, abs=0.01)
    assert found["target_lufs"] == -18
    assert found["gain_db"] == pytest.approx(-18 - found["integrated_lufs"])
    louder = (await listener.get(f"/v1/songs/{song}/loudness?target_lufs=-14")).json()
    assert louder["gain_db"] == pytest.approx(min(-14 - found["integrated_lufs"], -1 - found["true_peak_dbtp"]))


async def test_outline_of_a_song_comes_as_numbers_and_as_a_picture(
    listening: Listening, listener: httpx.AsyncClient
) -> None:
    song = await listening.add_song(music(4))

    found = (await measured(listener, f"/v1/songs/{song}/waveform")).json()
    picture = await listener.get(f"/v1/songs/{song}/waveform.svg")

    minima, maxima = np.array(found["data"]).reshape(1800, 2).T
    assert (found["bits"], found["length"]) == (8, 1800)
    assert maxima[:890].max() <= 6
    assert maxima[910:].min() >= 20
    assert (minima < 0).all()
    assert picture.headers["Content-Type"] == "image/svg+xml"
    assert picture.text.count("<path") == 1
    assert len(picture.content) < 40_000


async def test_song_that_cannot_be_measured_says_so(listening: Listening, listener: httpx.AsyncClient) -> None:
    song = await listening.add_song(music(0.1))
    await listening.runtime.blobs.put(f"songs/{song}", b"RIFF but no more", content_type="audio/wav")

    answer = await measured(listener, f"/v1/songs/{song}/waveform")

    assert (answer.status_code, answer.json()["code"]) == (404, "not_measurable")


async def test_song_that_is_gone_has_no_measurement(listening: Listening, listener: httpx.AsyncClient) -> None:
    song = await listening.add_song(music(0.5))
    await measured(listener, f"/v1/songs/{song}/loudness")

    await listening.delete_song(song)

    assert (await listener.get(f"/v1/songs/{song}/loudness")).json()["code"] == "song_not_found"
