"""Which threshold and which confidence do the measured scores ask for?

``python -m bench.calibration --music FOLDER`` divides music into a library and unknown songs as `bench.recognition`
does, asks the index about degraded clips of both, and fits two sets of constants: the score of an answer, in
`services.matcher.parameters`, to the tail of the best wrong scores, and `shared.confidence` to what was right.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from bench.clips import cut, generator, plan
from bench.degrade import CONDITIONS
from bench.noises import crowd
from bench.recognition import CROWD_S, read_music, say
from bench.songs import overlapping, split
from services.fingerprint.constellation import fingerprint_clip
from services.matcher.index import Index
from services.matcher.scoring import answer_threshold
from shared.audio.decode import decode
from shared.confidence import CLEAR_LEAD, CLEAR_MARGIN
from shared.errors import Rejected
from shared.fingerprint import SAMPLE_RATE_HZ

FALSE_POSITIVES = 0.002
"""Share of the clips of unknown songs that may be named: less than half of the 0.5 % that are promised."""

TAIL = 0.1
"""Share of the best wrong scores to which the exponential tail is fitted."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The best song for a clip: its score and that of the next one, in nats, and whether it is the right one."""

    score: float
    rival_score: float
    is_known: bool
    is_right: bool


def ask(arguments: argparse.Namespace) -> tuple[list[Heard], int]:
    """Return the best song of every clip, and how many songs the library has."""
    heard = read_music(arguments.music, arguments.jobs)
    songs = split(heard, overlapping({song.digest: one.fingerprint for song, one in heard.items()}), arguments.seed)
    index = Index()
    for song in songs.known:
        index.add(song.digest, 0, heard[song].fingerprint)
    index.merge()
    planned = plan(songs, list(CONDITIONS.values()), (10, 5, 3), arguments.clips, arguments.clips, arguments.seed)
    voices = crowd(CROWD_S, generator(arguments.seed, "crowd"))
    best: list[Heard] = []
    with tempfile.TemporaryDirectory(prefix="tunescout-bench-") as folder:
        say(f"{len(songs.known)} songs in the library, {len(songs.unknown)} unknown; {len(planned)} clips")
        for one in cut(planned, voices, Path(folder), arguments.seed, arguments.jobs):
            try:
                clip = fingerprint_clip(decode(one.path, sample_rate_hz=SAMPLE_RATE_HZ).samples)
            except Rejected:
                continue
            found = index.search(clip, limit=2)
            scores = [match.score for match in found] + [0.0, 0.0]
            right = songs.same_sound[one.clip.song.digest] if one.clip.is_known else frozenset()
            best.append(Heard(scores[0], scores[1], one.clip.is_known, bool(found) and found[0].song_id in right))
    return best, len(songs.known)


def answer_score(wrong: Sequence[float], library: int) -> float:
    """Return the score that `FALSE_POSITIVES` of the wrong songs reach, for a library of one song.

    The tail beyond the upper `TAIL` is taken as exponential, which the maximum of many Poisson counts has.
    """
    begin = float(np.quantile(wrong, 1 - TAIL))
    excess = float(np.mean([score - begin for score in wrong if score > begin]))
    return begin + excess * math.log(TAIL / FALSE_POSITIVES) - math.log(library)


def confidence_of(best: Sequence[Heard], threshold: float) -> NDArray[np.float64]:
    """Return base, slope of the margin and slope of the lead of the logistic that fits best."""
    features = np.array(
        [(1.0, min(one.score - threshold, CLEAR_MARGIN), min(one.score - one.rival_score, CLEAR_LEAD)) for one in best]
    )
    signs = np.array([1.0 if one.is_right else -1.0 for one in best])

    def loss(weights: NDArray[np.float64]) -> float:
        return float(np.logaddexp(0, -signs * (features @ weights)).sum())

    bounds = [(None, None), (0.0, None), (0.0, None)]
    return np.asarray(minimize(loss, np.array([-5.0, 0.02, 0.7]), bounds=bounds).x, np.float64)


def main() -> None:
    """Print the constants, and with ``--json`` one JSON object as the last line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, nargs="+", default=[], help="folders of audio files, searched deeply")
    parser.add_argument("--seed", type=int, default=1, help="decides over unknown songs, places and noise")
    parser.add_argument("--clips", type=int, default=10, help="clips of known and of unknown songs per condition")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes that read music and cut clips")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    arguments = parser.parse_args()
    best, library = ask(arguments)
    unknown = [one.score for one in best if not one.is_known]
    base, margin_slope, lead_slope = confidence_of(best, answer_threshold(library)).tolist()
    figures = {
        "library": library,
        "clips": len(best),
        "unknown_clips": len(unknown),
        "ANSWER_SCORE": round(answer_score(unknown, library), 2),
        "CONFIDENCE_BASE": round(base, 2),
        "MARGIN_SLOPE": round(margin_slope, 3),
        "LEAD_SLOPE": round(lead_slope, 3),
        "unknown_named_now": float(np.mean(np.array(unknown) >= answer_threshold(library))),
    }
    for name, figure in figures.items():
        print(f"{name:<20}{figure:>12}")
    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
