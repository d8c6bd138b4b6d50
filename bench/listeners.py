"""What do listeners get while the service is disturbed? They ask at a steady rate and know the truth."""

from __future__ import annotations

import asyncio
import io
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import httpx
import numpy as np
import soundfile

from tunescout.client import Client
from tunescout.clip import mix
from tunescout.importing import AudioFile, Watcher, import_files
from tunescout.session import Account
from tunescout.synthesis import tune

SAMPLE_RATE_HZ = 11_025
SONG_S = 20.0
CLIP_S = 5.0
SNR_DB = 15.0
ANSWER_TIMEOUT_S = 15.0

Verdict = Literal["right", "wrong", "inconclusive", "refused", "lost"]


@dataclass(frozen=True, slots=True)
class Question:
    """A clip, and which song it is from; None where no song of the library is right."""

    clip: bytes
    song_id: str | None


@dataclass(frozen=True, slots=True)
class Asked:
    """What became of a question.

    Attributes
    ----------
    at_s : float
        When it was asked, on the monotonic clock.
    verdict : str
        ``lost`` got no answer at all, ``refused`` was told to come back later, ``wrong`` was told a wrong song, or that
        there is none where there is one.
    """

    at_s: float
    took_ms: float
    verdict: Verdict
    said: str


@dataclass(slots=True)
class Report:
    """What became of all questions of a while."""

    asked: list[Asked] = field(default_factory=list)
    seconds: float = 0.0

    def count(self, verdict: Verdict) -> int:
        """Return how many questions ended so."""
        return sum(one.verdict == verdict for one in self.asked)

    def figures(self) -> dict[str, float | int]:
        """Return counts and percentiles."""
        took = [one.took_ms for one in self.asked if one.verdict == "right"] or [float("nan")]
        counts = Counter(one.verdict for one in self.asked)
        return {
            "asked": len(self.asked),
            **{name: counts[name] for name in ("right", "wrong", "inconclusive", "refused", "lost")},
            "queries_per_s": round(counts["right"] / self.seconds, 2) if self.seconds else 0.0,
            **{f"p{share}_ms": round(float(np.percentile(took, share)), 1) for share in (50, 95, 99, 100)},
        }


def wav(samples: np.ndarray[tuple[int, ...], np.dtype[np.float32]]) -> bytes:
    """Return samples as a WAV file."""
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE_HZ, format="WAV", subtype="PCM_16")
    return file.getvalue()


def clip_of(seed: int, begin_s: float) -> bytes:
    """Return a noisy clip of the tune of this seed."""
    begin = round(begin_s * SAMPLE_RATE_HZ)
    part = tune(seed, SONG_S, SAMPLE_RATE_HZ)[begin : begin + round(CLIP_S * SAMPLE_RATE_HZ)]
    noise = np.random.default_rng(seed).standard_normal(len(part), dtype=np.float32)
    return wav(mix(part, noise, SNR_DB))


class Listeners:
    """People who ask one running service for songs that they have uploaded, and for some that nobody has.

    Parameters
    ----------
    url : str
        The gateway.
    songs, strangers : int
        How many tunes are uploaded, and how many are asked for besides.
    """

    def __init__(self, url: str, *, songs: int = 12, strangers: int = 3, seed: int = 5000) -> None:
        self._url = url
        self._seeds = range(seed, seed + songs)
        self._strange_seeds = range(seed + songs, seed + songs + strangers)
        self._http = httpx.AsyncClient(base_url=url, timeout=ANSWER_TIMEOUT_S)
        self.questions: list[Question] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def upload(self, folder: Path) -> None:
        """Upload the songs, and keep the questions about them and about strangers."""
        account = Account(self._url, f"listener-{secrets.token_hex(6)}", secrets.token_urlsafe(12))
        async with Client(self._url, account=account, patience_s=120) as client:
            await client.sign_up(account.username, account.password)
            session = await client.log_in(account.username, account.password)
            self._http.headers["Authorization"] = f"Bearer {session.access_token}"
            paths = [folder / f"{seed}.wav" for seed in self._seeds]
            for seed, path in zip(self._seeds, paths, strict=True):
                await asyncio.to_thread(path.write_bytes, wav(tune(seed, SONG_S, SAMPLE_RATE_HZ)))
            watcher = Watcher()
            await import_files(client, [AudioFile(path) for path in paths], watcher, parallel=4, deadline_s=300)
        by_name = {outcome.file.path.name: outcome.song for outcome in watcher.outcomes}
        for seed, path in zip(self._seeds, paths, strict=True):
            song = by_name[path.name]
            if song is None or song.status != "ready":
                raise RuntimeError(f"{path.name} did not become a song: {song}")
            self.questions.append(Question(clip_of(seed, 4.0), song.id))
        self.questions += [Question(clip_of(seed, 4.0), None) for seed in self._strange_seeds]

    async def ask(self, question: Question, *, deadline_ms: int = 10_000) -> Asked:
        """Ask once, and judge the answer."""
        at_s = time.monotonic()
        try:
            response = await self._http.post(f"/v1/queries?deadline_ms={deadline_ms}", content=question.clip)
        except httpx.HTTPError as error:
            return Asked(at_s, _since_ms(at_s), "lost", repr(error))
        if response.status_code in (429, 503):
            return Asked(at_s, _since_ms(at_s), "refused", response.text)
        if not response.is_success:
            return Asked(at_s, _since_ms(at_s), "lost", response.text)
        answer = response.json()
        named = answer["match"]["song"]["id"] if answer["match"] else None
        verdict: Verdict = "right" if named == question.song_id else "wrong"
        if answer["outcome"] == "inconclusive":
            verdict = "inconclusive"
        return Asked(at_s, _since_ms(at_s), verdict, f"{answer['outcome']} {named} {answer['coverage']:.2f}")

    async def ask_while(self, disturbance: asyncio.Task[object], *, rate_hz: float) -> Report:
        """Ask at a steady rate, however long answers take, until the disturbance is over; then gather all answers."""
        report, asking = Report(), set[asyncio.Task[Asked]]()
        began_s = time.monotonic()
        number = 0
        while not disturbance.done():
            question = self.questions[number % len(self.questions)]
            asking.add(asyncio.create_task(self.ask(question)))
            number += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(disturbance), began_s + number / rate_hz - time.monotonic())
        report.asked = sorted(await asyncio.gather(*asking), key=lambda one: one.at_s)
        report.seconds = time.monotonic() - began_s
        await disturbance
        return report

    async def ask_together(self, at_once: int, *, seconds: float) -> Report:
        """Keep so many questions under way for some seconds."""
        report = Report()
        began_s = time.monotonic()

        async def one(first: int) -> None:
            number = first
            while time.monotonic() - began_s < seconds:
                report.asked.append(await self.ask(self.questions[number % len(self.questions)]))
                number += at_once

        await asyncio.gather(*map(one, range(at_once)))
        report.seconds = time.monotonic() - began_s
        return report


def unexpected(asked: Sequence[Asked]) -> list[str]:
    """Return what was said to questions that did not get the right answer."""
    return [f"{one.verdict} after {one.took_ms:.0f} ms: {one.said}" for one in asked if one.verdict != "right"]


def _since_ms(at_s: float) -> float:
    return (time.monotonic() - at_s) * 1000
