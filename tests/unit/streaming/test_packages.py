"""Is a package what its manifests say, and does it sound like the song?"""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import av
import m3u8
import numpy as np
import pytest
import soundfile
from mpegdash.parser import MPEGDASHParser
from numpy.typing import NDArray

from services.streaming.encoder import SEGMENT_S, SHORTEST_TAIL_S, encode, package_rate_hz
from services.streaming.manifests import dash_manifest, master_playlist, media_playlist
from services.streaming.package import Package, init_name, package_of, segment_name
from shared.audio.source import DecodeLimits
from tunescout.synthesis import tune

Samples = NDArray[np.float32]

FRAME = 1024


@dataclass(frozen=True)
class Made:
    """A song, and the package that was made of it."""

    song: Samples
    sample_rate_hz: int
    folder: Path
    package: Package

    def heard(self, rendition: str) -> Samples:
        """What a decoder makes of a rendition, shape (frames, 2): without what the edit list cuts off."""
        numbers = range(1, len(self.package.segment_samples) + 1)
        names = [init_name(rendition), *(segment_name(rendition, number) for number in numbers)]
        whole = io.BytesIO(b"".join((self.folder / name).read_bytes() for name in names))
        with av.open(whole, mode="r", format="mp4") as container:
            frames = [frame.to_ndarray() for frame in container.decode(audio=0)]
        return np.concatenate(frames, axis=1).T.astype(np.float32)

    @cached_property
    def sizes(self) -> dict[str, int]:
        return {str(path.relative_to(self.folder)): path.stat().st_size for path in self.folder.glob("*k/*")}


def make(folder: Path, song: Samples, sample_rate_hz: int) -> Made:
    source, target = folder / "song.wav", folder / "package"
    soundfile.write(source, song, sample_rate_hz, subtype="FLOAT")
    encoding = encode(source, target, DecodeLimits())
    package = package_of("song", encoding.sample_rate_hz, encoding.segment_samples, encoding.renditions)
    return Made(song, sample_rate_hz, target, package)


@pytest.fixture(scope="module", params=[(44_100, 9.2), (48_000, 8.3)], ids=["44.1 kHz", "48 kHz with a short tail"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    rate_hz, length_s = request.param
    song = np.stack([tune(seed, length_s, rate_hz) for seed in (70, 71)], axis=1)
    return make(tmp_path_factory.mktemp("made"), song, rate_hz)


def test_segments_are_as_long_as_the_song(made: Made) -> None:
    assert sum(made.package.segment_samples) == len(made.song)
    assert made.package.segment_samples[-1] >= SHORTEST_TAIL_S * made.package.sample_rate_hz
    assert max(made.package.segment_samples) < (SEGMENT_S + 0.5) * made.package.sample_rate_hz


def test_every_rendition_sounds_like_the_song_at_the_same_places(made: Made) -> None:
    for rendition in made.package.renditions:
        heard = made.heard(rendition.name)
        # Some decoders leave the end of the last frame in.
        assert 0 <= len(heard) - len(made.song) < FRAME
        for side in (0, 1):
            alike = np.corrcoef(heard[: len(made.song), side], made.song[:, side])[0, 1]
            # Two unrelated tunes side by side are more than 64 kbps can hold to the letter.
            assert alike > (0.99 if rendition.bit_rate_bps > 64_000 else 0.92), rendition.name


def test_hls_playlists_tell_lengths_and_rates_as_they_are(made: Made) -> None:
    master = m3u8.loads(master_playlist(made.package))

    assert [variant.uri for variant in master.playlists] == ["128k.m3u8", "64k.m3u8", "256k.m3u8"]
    variants = {variant.uri: variant for variant in master.playlists}
    for rendition in made.package.renditions:
        variant = variants[f"{rendition.name}.m3u8"]
        playlist = m3u8.loads(media_playlist(made.package, rendition))
        assert (playlist.playlist_type, playlist.is_endlist) == ("vod", True)
        lengths_s = [segment.duration for segment in playlist.segments]
        assert sum(lengths_s) == pytest.approx(len(made.song) / made.sample_rate_hz, abs=FRAME / made.sample_rate_hz)
        assert all(round(length_s) <= playlist.target_duration for length_s in lengths_s)
        sizes = [made.sizes[segment.uri] for segment in playlist.segments]
        rates_bps = [8 * size / length_s for size, length_s in zip(sizes, lengths_s, strict=True)]
        assert max(rates_bps) <= variant.stream_info.bandwidth < 1.01 * max(rates_bps)
        assert variant.stream_info.average_bandwidth == pytest.approx(8 * sum(sizes) / sum(lengths_s), rel=1e-4)
        assert playlist.segment_map[0].uri in made.sizes


def test_the_dash_manifest_tells_the_same(made: Made) -> None:
    manifest = MPEGDASHParser.parse(dash_manifest(made.package))
    adaptation = manifest.periods[0].adaptation_sets[0]
    template = adaptation.segment_templates[0]
    lengths = [entry.d for entry in template.segment_timelines[0].Ss for _ in range((entry.r or 0) + 1)]

    assert tuple(lengths) == made.package.segment_samples
    assert template.timescale == made.package.sample_rate_hz
    for representation, rendition in zip(adaptation.representations, made.package.renditions, strict=True):
        assert representation.id == rendition.name
        for number, length in enumerate(lengths, start=1):
            size = made.sizes[
                template.media.replace("$RepresentationID$", representation.id).replace("$Number%05d$", f"{number:05}")
            ]
            assert 8 * size * template.timescale / length <= representation.bandwidth


def test_a_mono_song_is_as_loud_on_both_sides_as_it_is(tmp_path: Path) -> None:
    song = tune(72, 3.0, 22_050)

    made = make(tmp_path, song, 22_050)

    heard = made.heard("256k")[::2][: len(song)]
    assert np.allclose(heard[:, 0], heard[:, 1], atol=1e-3)
    assert np.sqrt(np.mean(heard[:, 0] ** 2)) == pytest.approx(np.sqrt(np.mean(song**2)), rel=0.02)


@pytest.mark.parametrize(
    ("song_hz", "package_hz"),
    [(8_000, 48_000), (11_025, 44_100), (44_100, 44_100), (48_000, 48_000), (88_200, 44_100), (192_000, 48_000)],
)
def test_a_package_has_the_rate_of_its_song_or_of_its_family(song_hz: int, package_hz: int) -> None:
    assert package_rate_hz(song_hz) == package_hz
