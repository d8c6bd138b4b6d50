"""Which songs are in the library, and which are unknown to it?

The content of the files decides, not their names or places: whoever has the same music gets the same two sets. Songs
that are the same recording, or parts of one, stay together in the library, and each of them is a right answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from services.matcher.index import Index
from shared.fingerprint import Fingerprint

UNKNOWN_SHARE = 0.2
"""Share of the songs that the library never hears of."""


@dataclass(frozen=True, slots=True)
class Song:
    """A file of music.

    Attributes
    ----------
    path : Path
        The file.
    digest : str
        Hash of its content.
    duration_s : float
        Length of its sound, in seconds.
    """

    path: Path
    digest: str
    duration_s: float


@dataclass(frozen=True, slots=True)
class Split:
    """The two sets, each in the order of their digests.

    Attributes
    ----------
    known, unknown : tuple of Song
        Disjoint.
    same_sound : mapping of str to frozenset of str
        Digests of a song and of all songs that overlap with it; every one of them is a right answer.
    """

    known: tuple[Song, ...]
    unknown: tuple[Song, ...]
    same_sound: Mapping[str, frozenset[str]]


def digest(path: Path) -> str:
    """Return the hash of a file's content."""
    with path.open("rb") as file:
        hashed = blake2b(digest_size=16)
        while chunk := file.read(1 << 20):
            hashed.update(chunk)
    return hashed.hexdigest()


def overlapping(fingerprints: Mapping[str, Fingerprint]) -> dict[str, frozenset[str]]:
    """Return for every song all songs that share its sound, itself among them, by whole-song comparison.

    Parameters
    ----------
    fingerprints : mapping of str to Fingerprint
        At song density, by digest.
    """
    index = Index()
    for name, fingerprint in fingerprints.items():
        index.add(name, 0, fingerprint)
    index.merge()
    groups = {name: {name} for name in fingerprints}
    for name, fingerprint in fingerprints.items():
        for found in index.compare(name, fingerprint):
            if groups[name] is not groups[found.song_id]:
                groups[name] |= groups[found.song_id]
                groups.update(dict.fromkeys(groups[name], groups[name]))
    return {name: frozenset(group) for name, group in groups.items()}


def split(songs: Iterable[Song], same_sound: Mapping[str, frozenset[str]], seed: int) -> Split:
    """Divide songs into a library and unknown songs, as their digests and the seed say.

    Raises
    ------
    ValueError
        There are too few songs for two sets.
    """
    by_digest = {song.digest: song for song in songs}
    alone = [name for name in by_digest if len(same_sound[name]) == 1]
    lots = sorted(alone, key=lambda name: blake2b(f"{seed} {name}".encode()).digest())
    chosen = set(lots[: max(1, round(UNKNOWN_SHARE * len(by_digest)))])
    library = _sorted(song for name, song in by_digest.items() if name not in chosen)
    unknown = _sorted(by_digest[name] for name in chosen)
    if not library or not unknown:
        raise ValueError("at least two different songs are needed: one for the library, one that is unknown")
    return Split(library, unknown, same_sound)


def _sorted(songs: Iterable[Song]) -> tuple[Song, ...]:
    return tuple(sorted(songs, key=lambda song: song.digest))
