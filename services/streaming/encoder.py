"""How does a song become segments of AAC in several qualities, and its loudness and outline, by one decoding?

Runs in a worker process, because the bytes may be hostile.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any
from xml.etree import ElementTree  # nosec B405

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from numpy.typing import NDArray

from services.streaming.decoding import open_song
from services.streaming.loudness import Loudness
from services.streaming.measurements import Measurement
from services.streaming.package import Rendition, StoredFile, init_name, rates_bps, segment_name
from services.streaming.waveform import Waveform
from shared.audio.source import DecodeLimits

BIT_RATES_KBPS = (64, 128, 256)
SEGMENT_S = 4
SHORTEST_TAIL_S = 0.45
"""A last segment below this joins the one before it, which is then still rounded down to `SEGMENT_S`: a few frames are
mostly header, and their rate would be announced as the peak of the whole rendition."""

_FRAME = 1024  # samples in a frame of AAC-LC
_BITEXACT = 1 << 23  # AV_CODEC_FLAG_BITEXACT: no version in the bytes, so that equal songs make equal packages
_BITEXACT_FILE = 0x400  # AVFMT_FLAG_BITEXACT: none in the headers either
_NICENESS = 15  # a question that is asked meanwhile goes first
_MPD = "{urn:mpeg:dash:schema:mpd:2011}"

Block = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Encoding:
    """What was made of a song."""

    sample_rate_hz: int
    segment_samples: tuple[int, ...]
    renditions: tuple[Rendition, ...]
    measurement: Measurement


def encode(path: Path, folder: Path, limits: DecodeLimits) -> Encoding:
    """Write all renditions of a song into a folder.

    Parameters
    ----------
    path : Path
        The song.
    folder : Path
        Where its files go, below the names of `package`; made, and emptied where it is there.
    limits : DecodeLimits
        What the song may ask for.

    Raises
    ------
    Rejected
        As `open_song` and its blocks raise it.
    """
    # Niceness belongs to a thread, and is never given back: a thread that ends leaves the worker as it was.
    with ThreadPoolExecutor(1, initializer=_give_way) as thread:
        return thread.submit(_encode, path, folder, limits).result()


def _give_way() -> None:
    if sys.platform == "linux":
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)


def _encode(path: Path, folder: Path, limits: DecodeLimits) -> Encoding:
    shutil.rmtree(folder, ignore_errors=True)  # a worker may have died over it
    folder.mkdir()
    with open_song(path, limits) as song:
        loudness, waveform = Loudness(song.sample_rate_hz, song.channels), Waveform()
        writer = _Writer(folder, package_rate_hz(song.sample_rate_hz))
        for block in song.blocks:
            loudness.feed(block)
            waveform.feed(block)
            writer.write(block, song.sample_rate_hz)
    writer.close()
    segment_samples = _join_tail(folder, writer.sample_rate_hz, _segment_samples(folder))
    renditions = tuple(_rendition(folder, kbps, segment_samples, writer.sample_rate_hz) for kbps in BIT_RATES_KBPS)
    measurement = Measurement(loudness.result(), waveform.result())
    return Encoding(writer.sample_rate_hz, segment_samples, renditions, measurement)


def package_rate_hz(sample_rate_hz: int) -> int:
    """Return the rate of the package of a song: that of its family which every browser plays."""
    return 48_000 if sample_rate_hz % 8_000 == 0 else 44_100


class _Writer:
    """Encodes blocks to all renditions and cuts them into segments.

    The muxer for DASH is used for its segments alone: manifests are written elsewhere, from what it did. It is not
    asked for the brand of CMAF, because it leaves the edit list out then, and everything is played 1,024 samples late.
    """

    def __init__(self, folder: Path, sample_rate_hz: int) -> None:
        self.sample_rate_hz = sample_rate_hz
        for number in range(len(BIT_RATES_KBPS)):
            (folder / str(number)).mkdir()  # the muxer makes no folders
        self._container = av.open(
            str(_manifest(folder)),
            "w",
            format="dash",
            options={
                "seg_duration": str(SEGMENT_S),
                "frag_type": "none",
                "use_template": "1",
                "use_timeline": "1",
                "adaptation_sets": "id=0,streams=a",
                "init_seg_name": "$RepresentationID$/init.mp4",
                "media_seg_name": "$RepresentationID$/$Number%05d$.m4s",
            },
        )
        self._container.flags = int(self._container.flags) | _BITEXACT_FILE
        self._streams = [self._add_stream(kbps) for kbps in BIT_RATES_KBPS]
        self._resampler = AudioResampler("fltp", "stereo", sample_rate_hz, _FRAME)
        self._written = 0

    def _add_stream(self, kbps: int) -> Any:
        stream = self._container.add_stream("aac", rate=self.sample_rate_hz, layout="stereo")
        stream.bit_rate = 1000 * kbps
        stream.codec_context.flags |= _BITEXACT
        return stream

    def write(self, block: Block, rate_hz: int) -> None:
        """Encode a block of that rate, mono or stereo."""
        # libswresample would make a mono song 3 dB quieter; players do not.
        stereo = np.repeat(block, 2, axis=1) if block.shape[1] == 1 else block
        frame = AudioFrame.from_ndarray(stereo.reshape(1, -1), format="flt", layout="stereo")
        frame.sample_rate = rate_hz
        self._encode(self._resampler.resample(frame))

    def close(self) -> None:
        """Finish all files."""
        self._encode(self._resampler.resample(None))
        for stream in self._streams:
            self._container.mux(stream.encode(None))
        self._container.close()

    def _encode(self, frames: list[AudioFrame]) -> None:
        for frame in frames:
            frame.pts, frame.time_base = self._written, Fraction(1, self.sample_rate_hz)
            self._written += frame.samples
            for stream in self._streams:
                self._container.mux(stream.encode(frame))


def _manifest(folder: Path) -> Path:
    return folder / "muxed.mpd"


def _segment_samples(folder: Path) -> tuple[int, ...]:
    """Return the length of each segment, as the muxer cut all renditions."""
    # Written by our own muxer a moment ago, in a folder of our own: nothing of it comes from the song.
    timelines = [
        tuple(
            int(entry.attrib["d"]) for entry in timeline.iter(f"{_MPD}S") for _ in range(int(entry.get("r", "0")) + 1)
        )
        for timeline in ElementTree.parse(_manifest(folder)).iter(f"{_MPD}SegmentTimeline")  # nosec B314
    ]
    if len(timelines) != len(BIT_RATES_KBPS) or len(set(timelines)) != 1:
        raise RuntimeError("the renditions were not cut at the same places")
    return timelines[0]


def _join_tail(folder: Path, sample_rate_hz: int, segment_samples: tuple[int, ...]) -> tuple[int, ...]:
    """Append a last segment that is too short to the one before it."""
    if len(segment_samples) < 2 or segment_samples[-1] >= SHORTEST_TAIL_S * sample_rate_hz:
        return segment_samples
    *kept, before, tail = segment_samples
    for number in range(len(BIT_RATES_KBPS)):
        last = folder / segment_name(str(number), len(segment_samples))
        with (folder / segment_name(str(number), len(segment_samples) - 1)).open("ab") as file:
            file.write(last.read_bytes())
        last.unlink()
    return (*kept, before + tail)


def _rendition(folder: Path, kbps: int, segment_samples: tuple[int, ...], sample_rate_hz: int) -> Rendition:
    name = f"{kbps}k"
    (folder / str(BIT_RATES_KBPS.index(kbps))).rename(folder / name)
    numbers = range(1, len(segment_samples) + 1)
    segments = tuple(_stored(folder / segment_name(name, number)) for number in numbers)
    peak_bps, average_bps = rates_bps(segments, segment_samples, sample_rate_hz)
    return Rendition(
        name=name,
        bit_rate_bps=1000 * kbps,
        init=_stored(folder / init_name(name)),
        segments=segments,
        peak_bps=peak_bps,
        average_bps=average_bps,
    )


def _stored(path: Path) -> StoredFile:
    data = path.read_bytes()
    return StoredFile(size_bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
