"""How do FFmpeg's libraries decode a file inside this process?"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Self

import av
from av.audio.frame import AudioFrame
from av.audio.resampler import AudioResampler
from av.audio.stream import AudioStream
from av.stream import Discard

from shared.audio.sniff import FileKind
from shared.audio.source import BLOCK_S, CODECS, RESAMPLER_OPTIONS, DecodeLimits, Header, Samples
from shared.errors import Rejected
from shared.events import AudioFormat


class PyavSource:
    """A file opened with PyAV, by the demuxer of its kind alone.

    Parameters
    ----------
    path : Path
        The file.
    kind : FileKind
        What it is.
    limits : DecodeLimits
        Checked again on every decoded frame, because a stream can change on the way.

    Raises
    ------
    Rejected
        ``damaged``, ``no_audio_stream`` or ``unsupported_codec``.
    """

    def __init__(self, path: Path, kind: FileKind, limits: DecodeLimits) -> None:
        self.broken = False
        self._limits = limits
        self._kind = kind
        # The file is handed over open: without a name FFmpeg cannot mistake it for a URL, nor look beside it.
        self._file = path.open("rb")
        try:
            self._container = av.open(
                self._file,
                mode="r",
                format=kind.demuxer,
                container_options={"codec_whitelist": ",".join(sorted(CODECS)), "protocol_whitelist": "pipe"},
                metadata_errors="replace",
                buffer_size=256 * 1024,
            )
        except av.FFmpegError as error:
            self._file.close()
            if isinstance(error, MemoryError):
                raise
            raise Rejected("damaged", f"the {kind.container} file is damaged: its header cannot be read") from error
        if not self._container.streams.audio:
            self.__exit__()
            raise Rejected("no_audio_stream", f"the {kind.container} file holds no audio")
        self._stream: AudioStream = self._container.streams.audio[0]
        if self._stream.codec_context is None:
            self.__exit__()
            raise Rejected("unsupported_codec", f"the audio in the {kind.container} file has no known encoding")
        for stream in self._container.streams:
            if stream.index != self._stream.index:
                stream.discard = Discard.all

    @property
    def header(self) -> Header:
        """What the file claims."""
        codec = self._stream.codec_context
        return Header(
            decoder=codec.name,
            audio_format=AudioFormat(
                container=self._kind.container,
                codec=codec.codec.canonical_name,
                sample_rate_hz=codec.sample_rate,
                channels=codec.channels,
                bit_rate_bps=codec.bit_rate or self._container.bit_rate or None,
            ),
            duration_s=self._claimed_duration_s(),
        )

    def _claimed_duration_s(self) -> float | None:
        if not self._kind.states_duration:
            return None
        if self._stream.duration is not None and self._stream.time_base is not None:
            return float(self._stream.duration * self._stream.time_base)
        return None if self._container.duration is None else self._container.duration / av.time_base

    def blocks(self, sample_rate_hz: int, limit_s: float) -> Iterator[Samples]:
        """Decode, mix down to mono and resample; see `Source.blocks`. The caller stops when it has enough."""
        # Blocks that are longer than the frames of a codec save a third of the time.
        for frame in self.converted("mono", sample_rate_hz, BLOCK_S * sample_rate_hz):
            yield frame.to_ndarray()[0]

    def converted(self, layout: str, sample_rate_hz: int, frame_size: int) -> Iterator[AudioFrame]:
        """Decode and convert to float32, packed; pass over what is damaged.

        Parameters
        ----------
        layout : {"mono", "stereo"}
            Channels to mix to.
        sample_rate_hz : int
            Rate of the frames, in Hz.
        frame_size : int
            Samples of each channel in a frame; the last one may have fewer.
        """
        resampler, shape = None, None
        for frame in self._frames():
            new_shape = (frame.format.name, frame.layout.name, frame.sample_rate)
            if new_shape != shape:
                self._limits.check(frame.sample_rate, frame.layout.nb_channels)
                yield from _resampled(resampler, None)
                resampler = AudioResampler("flt", layout, sample_rate_hz, frame_size, RESAMPLER_OPTIONS)
                shape = new_shape
            frame.pts = None  # gaps in the timestamps are no sound
            yield from _resampled(resampler, frame)
        yield from _resampled(resampler, None)

    def _frames(self) -> Iterator[AudioFrame]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError as error:
                if isinstance(error, MemoryError):
                    raise
                self.broken = True
                return
            try:
                frames = packet.decode()
            except av.FFmpegError as error:
                if isinstance(error, MemoryError):
                    raise
                self.broken = True
            else:
                yield from frames

    def __enter__(self) -> Self:
        """Return the source."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self._container.close()
        self._file.close()


def _resampled(resampler: AudioResampler | None, frame: AudioFrame | None) -> list[AudioFrame]:
    return [] if resampler is None else resampler.resample(frame)
