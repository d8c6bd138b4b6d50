"""Does an uploaded song get its loudness, its outline and its equalized files, wherever the service runs?"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile
from scipy.signal import sosfilt

from deploy.local.one_process import OneProcess
from shared.errors import Rejected
from tests.e2e.conftest import new_client
from tests.e2e.music import SAMPLE_RATE_HZ, SONG_S, song, write
from tests.e2e.test_main_job import upload_one
from tunescout.client import Client

pytestmark = pytest.mark.timeout(300)


async def get(client: Client, path: str) -> Any:
    """Ask as long as the answer says that one should ask again."""
    async with asyncio.timeout(120):
        while (answer := await client.ask("GET", path)).status_code == 202:  # noqa: ASYNC110
            await asyncio.sleep(1)
    return answer.json()


async def rendered(client: Client, song_id: str, **wish: Any) -> dict[str, Any]:
    """Ask for a render and follow it to its end."""
    path = f"/v1/songs/{song_id}/renders"
    asked = (await client.ask("POST", path, json=wish)).json()
    events = await client.ask("GET", f"{path}/{asked['id']}/events", timeout=120)
    last = [line for line in events.text.splitlines() if line.startswith("data: ")][-1]
    made: dict[str, Any] = json.loads(last.removeprefix("data: "))
    return made


async def test_song_is_measured_and_rendered_as_its_owner_likes_it(client: Client, tmp_path: Path) -> None:
    path = write(tmp_path / "song.flac", song(310))
    uploaded = await upload_one(client, path)
    loudness = await get(client, f"/v1/songs/{uploaded.id}/loudness")
    assert -40 < loudness["integrated_lufs"] < 0
    assert loudness["gain_db"] <= -18 - loudness["integrated_lufs"] + 1e-9
    outline = await get(client, f"/v1/songs/{uploaded.id}/waveform")
    assert max(outline["data"]) == round(127 * float(song(310).max()))

    preset = "/v1/equalizer/presets/mine"
    saved = await client.ask("PUT", preset, json={"bass_db": 3, "high_pass_hz": 60})
    with pytest.raises(Rejected, match="If-Match"):
        await client.ask("PUT", preset, json={"bass_db": 4})
    await client.ask(
        "PUT", preset, json={"bass_db": 5, "high_pass_hz": 60}, headers={"If-Match": saved.headers["ETag"]}
    )
    with pytest.raises(Rejected, match="another device"):
        await client.ask("DELETE", preset, headers={"If-Match": saved.headers["ETag"]})

    made = await rendered(client, uploaded.id, preset="mine", format="wav", bit_depth=24)

    assert (made["status"], made["settings"]["bass_db"]) == ("ready", 5)
    async with httpx.AsyncClient(timeout=30) as anybody:
        download = await anybody.get(made["download"]["url"])
    (tmp_path / "made.wav").write_bytes(download.content)
    heard, rate_hz = soundfile.read(tmp_path / "made.wav")
    answer = await client.ask(
        "GET", f"/v1/equalizer/response?bass_db=5&high_pass_hz=60&sample_rate_hz={SAMPLE_RATE_HZ}"
    )
    filters = answer.json()
    sections = [[*one["feedforward"], *one["feedback"]] for one in filters["sections"]]
    expected = filters["gain"] * sosfilt(sections, soundfile.read(path)[0])
    assert rate_hz == SAMPLE_RATE_HZ
    assert np.abs(heard - expected).max() < 2**-23

    await client.ask("DELETE", f"/v1/songs/{uploaded.id}")
    with pytest.raises(Rejected):
        await client.ask("GET", f"/v1/songs/{uploaded.id}/loudness")


async def test_render_survives_the_death_of_its_process(one_process: OneProcess, tmp_path: Path) -> None:
    async with await new_client(one_process.url) as client:
        uploaded = await upload_one(client, write(tmp_path / "song.wav", np.tile(song(311), 4)))
        path = f"/v1/songs/{uploaded.id}/renders"
        asked = (await client.ask("POST", path, json={"preset": "vocal", "format": "m4a"})).json()
        one_process.kill()
        one_process.start()

        made = await rendered(client, uploaded.id, preset="vocal", format="m4a")

        assert (made["id"], made["status"]) == (asked["id"], "ready")
        assert made["duration_s"] == pytest.approx(4 * SONG_S)
