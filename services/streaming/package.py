"""What is a package? One song in several qualities, each cut into segments at the same places."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from fractions import Fraction

from pydantic import BaseModel, ConfigDict

CODEC = "mp4a.40.2"
"""AAC-LC, as RFC 6381 names it."""
CONTENT_TYPE = "audio/mp4"
DESCRIPTION = "package.json"
"""The blob with the package itself, written after all others: where it is, they are."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class StoredFile(_Part):
    """A file of a package."""

    size_bytes: int
    sha256: str


class Rendition(_Part):
    """A song in one quality."""

    name: str
    """Its folder in the package, for example ``128k``."""
    bit_rate_bps: int
    codec: str = CODEC
    init: StoredFile
    """What a player needs before the first segment."""
    segments: tuple[StoredFile, ...]
    peak_bps: int
    """Rate of the densest segment."""
    average_bps: int


class Package(_Part):
    """A song, packaged. Written once and never changed, so that whoever plays it never meets another one half-way."""

    package_id: str
    song_id: str
    sample_rate_hz: int
    segment_samples: tuple[int, ...]
    """Length of each segment, the same in all renditions."""
    renditions: tuple[Rendition, ...]

    @property
    def duration_s(self) -> float:
        """Length of the song, in seconds."""
        return sum(self.segment_samples) / self.sample_rate_hz

    @property
    def prefix(self) -> str:
        """What the keys of all its blobs begin with."""
        return package_prefix(self.song_id, self.package_id)

    def files(self) -> Iterator[str]:
        """Yield the names of all its audio below the prefix."""
        for rendition in self.renditions:
            yield init_name(rendition.name)
            for number in range(1, len(rendition.segments) + 1):
                yield segment_name(rendition.name, number)


def package_of(
    song_id: str, sample_rate_hz: int, segment_samples: tuple[int, ...], renditions: tuple[Rendition, ...]
) -> Package:
    """Return a package whose id is a digest of its content: equal packages of a song are one."""
    digest = hashlib.sha256()
    for rendition in renditions:
        for file in (rendition.init, *rendition.segments):
            digest.update(bytes.fromhex(file.sha256))
    return Package(
        package_id=digest.hexdigest()[:20],
        song_id=song_id,
        sample_rate_hz=sample_rate_hz,
        segment_samples=segment_samples,
        renditions=renditions,
    )


def rates_bps(
    segments: tuple[StoredFile, ...], segment_samples: tuple[int, ...], sample_rate_hz: int
) -> tuple[int, int]:
    """Return the peak and the average rate of a rendition, in bits per second (RFC 8216, 4.3.4.2).

    The peak is above every segment's rate, also where durations are rounded to microseconds.
    """
    bits = [8 * sample_rate_hz * segment.size_bytes for segment in segments]
    peak = max(Fraction(size, samples) for size, samples in zip(bits, segment_samples, strict=True))
    return math.floor(peak) + 1, math.ceil(Fraction(sum(bits), sum(segment_samples)))


def package_prefix(song_id: str, package_id: str) -> str:
    """Return what the keys of all blobs of a package begin with."""
    return f"packages/{song_id}/{package_id}/"


def init_name(rendition: str) -> str:
    """Return the name of a rendition's header in its package."""
    return f"{rendition}/init.mp4"


def segment_name(rendition: str, number: int) -> str:
    """Return the name of a rendition's segment, counted from 1, in its package."""
    return f"{rendition}/{number:05}.m4s"
