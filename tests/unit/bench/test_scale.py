"""Is an index filled with songs that look like music, and is what is hidden among them found?"""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest

from bench import scale
from bench.clips import Clip
from bench.made_up_songs import Material, made_up, name
from bench.songs import Song
from services.fingerprint.constellation import fingerprint_clip, fingerprint_song
from services.matcher.index import Index
from services.matcher.segment import Segment
from shared.fingerprint import ALGORITHM, FRAME_RATE_HZ, STEPS_PER_BIN, Fingerprint
from tunescout.synthesis import tune

SECONDS = 30.0


@pytest.fixture(scope="module")
def material() -> Material:
    return Material.of([fingerprint_song(tune(seed, 40.0, 8_000)) for seed in range(3)])


def test_a_made_up_song_is_found_by_a_passage_of_its_own_peaks(material: Material) -> None:
    index = Index()
    index.adopt(Segment.of_columns(made_up(material, range(20), SECONDS, np.random.default_rng(1))))
    (segment,) = index.segments
    for part in range(20):
        times, peaks = segment.peaks(part, 1_100, 1_700)
        steps = peaks & np.uint16(511 * STEPS_PER_BIN + 3)
        levels = np.full(len(times), 100, np.uint8)
        passage = Fingerprint(ALGORITHM, 600 / FRAME_RATE_HZ, times - np.uint32(1_100), steps, levels)
        best = index.search(passage)[0]
        assert best.song_id == segment.song_id(int(segment.songs[part]))
        assert best.is_answer


def test_made_up_songs_are_as_long_as_asked_and_as_dense_as_music(material: Material) -> None:
    columns = made_up(material, range(5, 45), SECONDS, np.random.default_rng(2))
    assert [song for song, _ in columns.entries] == [name(number) for number in range(5, 45)]
    assert (columns.postings >> 16 < 40).all()
    assert ((columns.postings & 0xFFFF) < SECONDS * FRAME_RATE_HZ).all()
    real = len(material.times) / (material.lengths.sum() / FRAME_RATE_HZ)
    assert len(columns.peak_frames) / (40 * SECONDS) == pytest.approx(real, rel=0.2)


def test_songs_hidden_among_made_up_ones_are_named_and_strangers_are_not(tmp_path: Path, material: Material) -> None:
    music = [tune(seed, 20.0, 8_000) for seed in range(10, 14)]
    hidden = {f"hidden {number}": fingerprint_song(song) for number, song in enumerate(music[:2])}
    questions = [
        scale.Question(
            Clip("clean", 5, number, Song(Path(), f"{number}", 20.0), number < 2),
            fingerprint_clip(song[40_000:80_000]),
            frozenset({f"hidden {number}"} & hidden.keys()),
        )
        for number, song in enumerate(music)
    ]
    arguments = Namespace(songs=[6, 12], seconds=SECONDS, lengths=[5], seed=1, jobs=1)
    figures = scale.measure(scale.Trial(material, hidden, questions, {"real_hashes_per_s": 97.0}), tmp_path, arguments)
    assert [step["songs"] for step in figures["steps"]] == [8, 14]
    for step in figures["steps"]:
        assert [cell["recall"] for cell in step["cells"]] == [1.0]
        assert step["false_positives"] == 0.0
        assert step["postings"] == pytest.approx(step["songs"] * 97.0 * SECONDS, rel=0.3)
