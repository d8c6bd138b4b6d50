"""How soon does a replica answer again after a restart?

``python -m bench.restart --songs 100000`` makes a catalogue and an index of made-up songs with a few peaks each, and
then opens the index as a restarted replica does: the files are mapped and the summaries compared, so that the size of
the songs matters little and their number is what counts. Some songs come and go while it is away.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from services.matcher.index import Index, warm_up
from services.matcher.replica import Replica
from services.matcher.settings import MatcherSettings
from shared.catalogue import SONGS, Contents, Library, LibraryEntry, count_in, count_out
from shared.fingerprint import ALGORITHM, FRAME_RATE_HZ, Fingerprint
from shared.sharding import Shard
from shared.storage.fingerprints import FINGERPRINTS, FingerprintStore
from shared.storage.sqlite import SqliteTable
from shared.storage.tables import Put

WHOLE = Shard(0, 1)
REVISION = 4


def made_up(seed: int, peaks: int) -> Fingerprint:
    """Return a fingerprint of 10 s."""
    rng = np.random.default_rng(seed)
    frames = np.sort(rng.integers(0, int(10 * FRAME_RATE_HZ), peaks)).astype(np.uint32)
    frequencies, levels = rng.integers(80, 1_997, peaks, np.uint16), rng.integers(120, 180, peaks, np.uint8)
    return Fingerprint(ALGORITHM, 10.0, frames, frequencies, levels)


def build(folder: Path, songs: int, peaks: int) -> None:
    """Make and save an index."""
    index = Index.open(folder)

    def each() -> Iterator[tuple[str, int, Fingerprint]]:
        for number in range(songs):
            yield name(number), REVISION, made_up(number, peaks)

    index.add_many(each())
    index.merge()
    index.save()
    index.close()


def name(number: int) -> str:
    """Return the id of a song."""
    return f"song-{number:08d}"


async def measure(folder: Path, args: argparse.Namespace) -> dict[str, float | int]:
    """Return how long each step of a restart takes, in seconds."""
    songs, peaks = (SqliteTable(folder / "tables.sqlite", spec) for spec in (SONGS, FINGERPRINTS))
    library, fingerprints = Library(songs), FingerprintStore(peaks)
    await asyncio.to_thread(build, folder / "index", args.songs, args.peaks)
    await songs.batch_write([LibraryEntry(name(number), REVISION).item() for number in range(args.songs)])
    before = await library.summaries(WHOLE.virtual_shards)
    found = {virtual: Contents.of(await library.of_virtual_shard(virtual)) for virtual in WHOLE.virtual_shards}
    await library.correct_summaries(before, found)
    figures: dict[str, float | int] = {"songs": args.songs}
    for changed in (0, args.changed):
        for number in range(changed):
            gone = LibraryEntry(name(number), REVISION)
            came = LibraryEntry(name(args.songs + number), REVISION)
            await songs.transact(
                [Put(LibraryEntry(name(number), REVISION + 1, is_deleted=True).item()), count_out(gone)]
            )
            await fingerprints.put(came.song_id, made_up(args.songs + number, args.peaks))
            await songs.transact([Put(came.item()), count_in(came)])
        replica = Replica(WHOLE, library, fingerprints, MatcherSettings(), folder=folder / "index")
        began_s = time.perf_counter()
        await replica.open()
        opened_s = time.perf_counter()
        await replica.load()
        active_s = time.perf_counter()
        assert replica.is_active
        assert replica.index.song_count == args.songs
        figures[f"open_s after {changed} changes"] = round(opened_s - began_s, 3)
        figures[f"catch_up_s after {changed} changes"] = round(active_s - opened_s, 3)
        figures[f"active_s after {changed} changes"] = round(active_s - began_s, 3)
        await replica.close()
    await songs.close()
    await peaks.close()
    return figures


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--songs", type=int, default=100_000)
    parser.add_argument("--peaks", type=int, default=40, help="of each song")
    parser.add_argument("--changed", type=int, default=500, help="songs that come, and as many that go, meanwhile")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    warm_up()
    with tempfile.TemporaryDirectory(prefix="tunescout-restart-") as folder:
        figures = asyncio.run(measure(Path(folder), args))
    for key, value in figures.items():
        print(f"{key:32} {value}")
    if args.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
