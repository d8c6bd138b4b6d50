"""What does recognition look like? Draws the pictures of ``docs/recognition.md``.

``python -m bench.pictures [--music FOLDER]`` takes free demo music, or a folder of yours, and writes three pictures:
the constellation of a song, a noisy clip aligned with its song, and how often clips get the right name against how
often strangers get one.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from services.fingerprint.constellation import fingerprint_clip, fingerprint_song
from services.fingerprint.spectrogram import blocks
from services.matcher.index import Index
from services.matcher.landmarks import clip_landmarks, song_landmarks
from services.matcher.parameters import THOROUGH
from shared.audio.decode import decode
from shared.fingerprint import BIN_WIDTH_HZ, FRAME_RATE_HZ, SAMPLE_RATE_HZ, STEPS_PER_BIN, Fingerprint
from tunescout.clip import mix
from tunescout.demo_music import gather

Samples = NDArray[np.float32]
SHOWN_S = 8.0
CLIP_S = 10.0
SNRS_DB = (-5.0, -8.0, -11.0)
CLIPS_A_SONG = 6
ALIGNED_S = 0.05


@dataclass(frozen=True, slots=True)
class Recording:
    """A song, decoded."""

    name: str
    samples: Samples


def constellation(song: Recording) -> Figure:
    """Draw the beginning of a song's spectrogram and the peaks that are remembered of it."""
    part = song.samples[: round(SHOWN_S * SAMPLE_RATE_HZ)]
    power = np.concatenate([block.power[block.begin : block.end] for block in blocks(part, 0)])
    peaks = fingerprint_song(part)
    figure, axes = _figure("Time in the song (s)", "Frequency (Hz)")
    level = 10 * np.log10(power.T + 1e-9)
    top = float(level.max())
    extent = (0.0, len(power) / FRAME_RATE_HZ, 0.0, SAMPLE_RATE_HZ / 2)
    axes.imshow(level, origin="lower", aspect="auto", extent=extent, cmap="Greys", vmin=top - 70, vmax=top)
    axes.plot(peaks.frames / FRAME_RATE_HZ, _hertz(peaks), ".", color="tab:red", markersize=4)
    axes.set_title(f"{len(peaks.frames)} peaks in {SHOWN_S:g} s: the constellation")
    return figure


def aligned(song: Recording, noise_seed: int = 1) -> Figure:
    """Draw the hashes that a noisy clip shares with its song: true ones lie on one line."""
    begin = len(song.samples) // 3
    clip = _noisy(song.samples[begin : begin + round(CLIP_S * SAMPLE_RATE_HZ)], 0.0, noise_seed)
    asked, known = clip_landmarks(fingerprint_clip(clip), THOROUGH), song_landmarks(fingerprint_song(song.samples))
    order = np.argsort(known.hashes, kind="stable")
    first = np.searchsorted(known.hashes[order], asked.hashes, side="left")
    last = np.searchsorted(known.hashes[order], asked.hashes, side="right")
    in_clip = np.repeat(asked.anchors, last - first) / FRAME_RATE_HZ
    places = [order[low:high] for low, high in zip(first, last, strict=True) if high > low]
    in_song = known.anchors[np.concatenate(places)] / FRAME_RATE_HZ
    offsets = in_song - in_clip
    is_true = np.abs(offsets - begin / SAMPLE_RATE_HZ) < ALIGNED_S
    figure, axes = _figure("Time in the clip (s)", "Time in the song (s)", columns=2)
    axes.plot(in_clip[~is_true], in_song[~is_true], ".", markersize=4, color="tab:gray")
    axes.plot(in_clip[is_true], in_song[is_true], ".", markersize=6, color="tab:red")
    axes.set_title("Hashes that clip and song share, at 0 dB noise")
    histogram = figure.axes[1]
    histogram.hist(offsets, bins=np.arange(offsets.min(), offsets.max(), 2 * ALIGNED_S).tolist(), color="tab:red")
    histogram.set(
        title="The same by offset", xlabel="Time in the song less time in the clip (s)", ylabel="Shared hashes"
    )
    return figure


def receiver(songs: Sequence[Recording]) -> tuple[Figure, dict[str, float]]:
    """Draw recall against false positives as the threshold moves: half of the songs are known, half are strangers."""
    index = Index()
    known, strangers = songs[::2], songs[1::2]
    for song in known:
        index.add(song.name, 0, fingerprint_song(song.samples))
    figure, axes = _figure("Strangers that get a name", "Clips that get the right name")
    recalls = {}
    for snr_db in SNRS_DB:
        right = _scores(index, known, snr_db)
        wrong = _scores(index, strangers, snr_db)
        thresholds = np.unique(np.concatenate([right, wrong, [0.0]]))[::-1]
        false_positives = np.array([np.mean(wrong >= threshold) for threshold in thresholds])
        recall = np.array([np.mean(right >= threshold) for threshold in thresholds])
        axes.step(false_positives, recall, where="post", label=f"white noise at {snr_db:g} dB")
        recalls[f"recall_without_false_positive_at_{snr_db:g}_db"] = float(recall[false_positives == 0].max(initial=0))
    axes.set(
        xlim=(-0.01, 0.2),
        ylim=(0, 1.02),
        title=f"{CLIP_S:g} s clips of {len(known)} songs and {len(strangers)} strangers",
    )
    axes.legend(loc="lower right")
    return figure, recalls


def _scores(index: Index, songs: Sequence[Recording], snr_db: float) -> NDArray[np.float64]:
    """Return the score of the best song for each clip; that of a wrong song counts as none for a known one."""
    scores = []
    for number, song in enumerate(songs):
        length = round(CLIP_S * SAMPLE_RATE_HZ)
        places = np.linspace(0, max(0, len(song.samples) - length), CLIPS_A_SONG).astype(int)
        for place in places:
            clip = _noisy(song.samples[place : place + length], snr_db, number + int(place))
            found = index.search(fingerprint_clip(clip), limit=1)
            is_named = bool(found) and (song.name not in index or found[0].song_id == song.name)
            scores.append(found[0].score if is_named else 0.0)
    return np.array(scores)


def _noisy(clip: Samples, snr_db: float, seed: int) -> Samples:
    noise = np.random.default_rng(seed).standard_normal(len(clip), dtype=np.float32)
    return mix(clip, noise, snr_db)


def _hertz(peaks: Fingerprint) -> NDArray[np.float64]:
    return peaks.frequencies / STEPS_PER_BIN * BIN_WIDTH_HZ


def _figure(x: str, y: str, columns: int = 1) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes: Axes = figure.subplots(1, columns, squeeze=False)[0][0]
    axes.set(xlabel=x, ylabel=y)
    return figure, axes


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--music", type=Path, help="folder of songs; free demo music if not given")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"), help="where the pictures go")
    parser.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    arguments = parser.parse_args()
    mpl.rcParams["svg.hashsalt"] = "tunescout"
    music = gather(arguments.music)
    songs = [
        Recording(file.path.name, decode(file.path, sample_rate_hz=SAMPLE_RATE_HZ).samples)
        for file in (*music.songs, *music.held_back)
    ]
    curve, recalls = receiver(songs)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name, figure in {
        "constellation": constellation(songs[0]),
        "aligned": aligned(songs[0]),
        "receiver": curve,
    }.items():
        path = arguments.out / f"{name}.png"
        figure.savefig(path, dpi=110, metadata={"Software": None})
        print(f"wrote {path}, from {music.origin}")
    if arguments.json:
        print(json.dumps({"songs": len(songs), **recalls}))


if __name__ == "__main__":
    main()
