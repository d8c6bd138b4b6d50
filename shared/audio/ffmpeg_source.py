"""How do the ``ffmpeg`` and ``ffprobe`` programs decode a file, for those who patch or confine them on their own?"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np

from shared.audio.sandbox import die_with_parent
from shared.audio.sniff import FileKind
from shared.audio.source import BLOCK_S, CODECS, RESAMPLER_OPTIONS, DecodeLimits, Header, Samples
from shared.errors import Rejected
from shared.events import AudioFormat

_PROBE_TIMEOUT_S = 60.0


def probe_command(path: Path, kind: FileKind) -> list[str]:
    """Return the command that prints what the file claims, as JSON."""
    entries = "stream=codec_name,sample_rate,channels,duration,bit_rate:format=duration,bit_rate"
    shown = ["-select_streams", "a", "-show_entries", entries, "-of", "json"]
    return ["ffprobe", "-v", "quiet", *_confined_input(path, kind), *shown]


def decode_command(path: Path, kind: FileKind, sample_rate_hz: int, limit_s: float) -> list[str]:
    """Return the command that writes mono float32 samples to its standard output.

    Nothing is guessed and nothing but this file is opened: the demuxer is forced and alone on its whitelist, so are the
    decoders, and no protocol reaches the network.
    """
    resampler = "aresample=" + ":".join(f"{name}={value}" for name, value in RESAMPLER_OPTIONS.items())
    decoded = ["-map", "0:a:0", "-vn", "-sn", "-dn", "-t", f"{limit_s:.3f}"]
    written = ["-af", resampler, "-ac", "1", "-ar", str(sample_rate_hz), "-f", "f32le", "pipe:1"]
    return ["ffmpeg", "-v", "quiet", "-nostdin", "-threads", "1", *_confined_input(path, kind), *decoded, *written]


def _confined_input(path: Path, kind: FileKind) -> list[str]:
    demuxer = ["-f", kind.demuxer, "-format_whitelist", kind.demuxer]
    whitelists = ["-protocol_whitelist", "file,pipe", "-codec_whitelist", ",".join(sorted(CODECS))]
    return [*demuxer, *whitelists, "-i", f"file:{path.absolute()}"]


class FfmpegSource:
    """A file opened by the ``ffmpeg`` program; parameters and errors are those of `PyavSource`."""

    def __init__(self, path: Path, kind: FileKind, limits: DecodeLimits) -> None:
        self.broken = False
        self._path = path
        self._kind = kind
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        try:
            probe = subprocess.run(
                probe_command(path, kind), capture_output=True, timeout=_PROBE_TIMEOUT_S, preexec_fn=die_with_parent
            )
        except subprocess.TimeoutExpired as error:
            raise Rejected("too_slow_to_decode", f"the header was not read within {_PROBE_TIMEOUT_S:g} s") from error
        if probe.returncode != 0:
            raise Rejected("damaged", f"the {kind.container} file is damaged: its header cannot be read")
        claims: dict[str, Any] = json.loads(probe.stdout)
        if not claims.get("streams"):
            raise Rejected("no_audio_stream", f"the {kind.container} file holds no audio")
        self._stream: dict[str, Any] = claims["streams"][0]
        self._format: dict[str, Any] = claims.get("format", {})

    @property
    def header(self) -> Header:
        """What the file claims."""
        codec = self._stream.get("codec_name", "unknown")
        bit_rate = self._stream.get("bit_rate") or self._format.get("bit_rate")
        duration = self._stream.get("duration") or self._format.get("duration")
        return Header(
            decoder=codec,
            audio_format=AudioFormat(
                container=self._kind.container,
                codec=codec,
                sample_rate_hz=int(self._stream.get("sample_rate", 0)),
                channels=int(self._stream.get("channels", 0)),
                bit_rate_bps=int(bit_rate) if bit_rate else None,
            ),
            duration_s=float(duration) if duration and self._kind.states_duration else None,
        )

    def blocks(self, sample_rate_hz: int, limit_s: float) -> Iterator[Samples]:
        """Decode, mix down to mono and resample; see `Source.blocks`."""
        self._process = subprocess.Popen(
            decode_command(self._path, self._kind, sample_rate_hz, limit_s),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            preexec_fn=die_with_parent,
        )
        output = self._process.stdout
        assert output is not None
        while block := output.read(BLOCK_S * sample_rate_hz * 4):
            yield np.frombuffer(block, np.float32, count=len(block) // 4)
        self.broken = self._process.wait() != 0

    def __enter__(self) -> Self:
        """Return the source."""
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the program."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
