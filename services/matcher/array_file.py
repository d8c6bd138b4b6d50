"""How do arrays get to disk and back, so that damage is found and never taken for data?

A file of arrays never changes once it has its name. All numbers in it are little-endian:

====================  ==================================================================================================
bytes                 what
====================  ==================================================================================================
0 to 31               magic ``TSARRAYS``, format (u32), length of the description (u32), size of the file (u64), CRC-32
                      of the checks (u32), CRC-32 of all that stands before the arrays, this field taken as 0 (u32)
32 to ...             description, JSON in UTF-8: ``facts`` about the content, and for each of the ``arrays`` its name,
                      dtype, number of items and offset
at each offset        an array, and zeros up to the next multiple of 64
at the end            checks: for each array, a CRC-32 (u32) of every block of 1 MiB of it, its zeros included
====================  ==================================================================================================

So every byte is covered by a checksum, and each checksum but one by another. The checksum of the beginning covers them
all, which makes it the name of the content.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from services.matcher.disk import DISK, Disk

_HEADER = struct.Struct("<8sIIQII")
_MAGIC = b"TSARRAYS"
_FORMAT = 1
_ALIGNMENT = 64
_BLOCK_BYTES = 1 << 20
_MOST_DESCRIPTION = 1 << 24

Layout = Mapping[str, tuple[str, int]]
"""Dtype and number of items of each array, by name."""

Arrays = dict[str, NDArray[Any]]


class DamagedError(Exception):
    """A file is not what was written. The text says what is wrong with it."""


class ArraySink(Protocol):
    """Where arrays go piece by piece: to memory or to a file."""

    def append(self, name: str, piece: NDArray[Any]) -> None:
        """Put a piece behind those of the same array."""


class ArrayMemory:
    """Arrays that are filled in memory."""

    def __init__(self, layout: Layout) -> None:
        self.arrays: Arrays = {name: np.empty(count, dtype) for name, (dtype, count) in layout.items()}
        self._filled = dict.fromkeys(layout, 0)

    def append(self, name: str, piece: NDArray[Any]) -> None:
        """Put a piece behind those of the same array."""
        begin = self._filled[name]
        self.arrays[name][begin : begin + len(piece)] = piece
        self._filled[name] = begin + len(piece)


@dataclass(slots=True)
class _Span:
    """How far an array has been written."""

    dtype: np.dtype[Any]
    begin: int
    end: int
    next_begin: int
    written: int
    crc: int
    checks: list[int]


class ArrayWriter:
    """A file of arrays that is being written, under a temporary name until it is finished.

    Parameters
    ----------
    path : Path
        Its name when it is finished.
    facts : mapping
        What is to be known about the content; anything that JSON can say.
    layout : mapping
        Dtype and number of items of each array.
    disk : Disk
        What writes.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any], layout: Layout, disk: Disk = DISK) -> None:
        self._path, self._disk = path, disk
        self._temporary = path.with_name(path.name + ".tmp")
        self._description, offsets = _described(facts, layout)
        self._spans = {
            name: _Span(np.dtype(layout[name][0]), begin, begin + _size(*layout[name]), next_begin, begin, 0, [])
            for name, (begin, next_begin) in zip(layout, pairwise(offsets), strict=True)
        }
        self._begin, self._end = offsets[0], offsets[-1]
        self._file = disk.create(self._temporary)

    def append(self, name: str, piece: NDArray[Any]) -> None:
        """Put a piece behind those of the same array."""
        span = self._spans[name]
        self._write(span, np.ascontiguousarray(piece, span.dtype).view(np.uint8).data)

    def finish(self) -> int:
        """Give the file its name, with everything on the disk, and return the checksum that stands for its content."""
        for name, span in self._spans.items():
            if span.written != span.end:
                raise ValueError(f"{name} is not what was announced")
            self._write(span, memoryview(bytes(span.next_begin - span.end)))
            if (span.written - span.begin) % _BLOCK_BYTES:
                span.checks.append(span.crc)
        checks = np.array([check for span in self._spans.values() for check in span.checks], "<u4").tobytes()
        self._disk.write(self._file, checks, self._end)
        size = self._end + len(checks)
        begin, checksum = _beginning(self._description, self._begin, size, zlib.crc32(checks))
        self._disk.write(self._file, begin, 0)
        self._disk.sync(self._file)
        self._disk.close(self._file)
        self._file = -1
        self._disk.rename(self._temporary, self._path)
        return checksum

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Forget a file that was not finished."""
        if self._file >= 0:
            self._disk.close(self._file)
            self._disk.remove(self._temporary)

    def _write(self, span: _Span, data: memoryview) -> None:
        if span.written + len(data) > span.next_begin:
            raise ValueError("an array is longer than was announced")
        self._disk.write(self._file, data, span.written)
        while len(data):
            room = _BLOCK_BYTES - (span.written - span.begin) % _BLOCK_BYTES
            span.crc = zlib.crc32(data[:room], span.crc)
            span.written += len(data[:room])
            if len(data) >= room:
                span.checks.append(span.crc)
                span.crc = 0
            data = data[room:]


@dataclass(frozen=True, slots=True, eq=False)
class ArrayFile:
    """A file of arrays, mapped to memory.

    Attributes
    ----------
    path : Path
        The file.
    facts : dict
        What its writer said about the content.
    arrays : dict of str to ndarray
        Read-only views of the file.
    checksum : int
        Stands for the whole content.
    """

    path: Path
    facts: dict[str, Any]
    arrays: Arrays
    checksum: int
    _view: mmap.mmap
    _spans: tuple[tuple[str, int, int], ...]
    _checks: NDArray[np.uint32]

    @classmethod
    def open(cls, path: Path) -> ArrayFile:
        """Map a file, after a look at its beginning and its length; the arrays themselves are not read.

        Raises
        ------
        DamagedError
            The file is missing, too short or long, or its beginning is not what was written.
        """
        try:
            with path.open("rb") as file:
                view = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError) as error:  # an empty file cannot be mapped
            raise DamagedError(f"{path.name} can't be read: {error}") from error
        try:
            return cls._of(path, view)
        except (struct.error, ValueError, KeyError, TypeError) as error:
            raise DamagedError(f"{path.name} is damaged: {error}") from error

    @classmethod
    def _of(cls, path: Path, view: mmap.mmap) -> ArrayFile:
        magic, version, length, size, checks_crc, crc = _HEADER.unpack_from(view)
        if magic != _MAGIC or version != _FORMAT or length > _MOST_DESCRIPTION:
            raise ValueError(f"it does not begin as a file of format {_FORMAT} does")
        if size != len(view):
            raise ValueError(f"it has {len(view)} bytes instead of {size}")
        begin = _aligned(_HEADER.size + length)
        description = view[_HEADER.size : _HEADER.size + length]
        if (view[:begin], crc) != _beginning(description, begin, size, checks_crc):
            raise ValueError("its beginning differs from its checksum")
        said = json.loads(description)
        ends = [offset for *_, offset in said["arrays"][1:]]
        spans, arrays, blocks = [], {}, 0
        for (name, dtype, count, offset), end in zip(said["arrays"], [*ends, None], strict=True):
            next_begin = _aligned(offset + _size(dtype, count)) if end is None else end
            arrays[name] = np.frombuffer(view, dtype, count, offset)
            spans.append((name, offset, next_begin))
            blocks += -(-(next_begin - offset) // _BLOCK_BYTES)
        checks = np.frombuffer(view, "<u4", blocks, spans[-1][2])
        if zlib.crc32(checks.tobytes()) != checks_crc:
            raise ValueError("its checks differ from their checksum")
        return cls(path, said["facts"], arrays, crc, view, tuple(spans), checks)

    @property
    def data(self) -> bytes:
        """The whole file."""
        return self._view[:]

    @property
    def size_bytes(self) -> int:
        """Size of the file."""
        return self._spans[-1][2] + self._checks.nbytes

    def verify(self, threads: int = 1) -> None:
        """Read the whole file, and compare it with its checksums.

        The file is read and not looked at through memory, so that a bad sector is an error and ends no process.

        Raises
        ------
        DamagedError
            It is not what was written.
        """
        try:
            with self.path.open("rb", buffering=0) as file, ThreadPoolExecutor(threads) as pool:
                size = self.path.stat().st_size
                whole = pool.map(partial(_is_whole, file.fileno()), self._blocks(), self._checks.tolist())
                names = (name for name, begin, end in self._spans for _ in range(begin, end, _BLOCK_BYTES))
                damaged = sorted({name for name, is_whole in zip(names, whole, strict=True) if not is_whole})
        except OSError as error:
            raise DamagedError(f"{self.path.name} can't be read: {error}") from error
        if damaged or size != self.size_bytes:
            raise DamagedError(
                f"{self.path.name} is damaged: {', '.join(damaged) or 'its end'} differ from the checksum"
            )
        self.open(self.path)

    def _blocks(self) -> Iterator[tuple[int, int]]:
        for _, begin, end in self._spans:
            yield from ((block, min(block + _BLOCK_BYTES, end)) for block in range(begin, end, _BLOCK_BYTES))


def _is_whole(file: int, block: tuple[int, int], check: int) -> bool:
    begin, end = block
    return zlib.crc32(os.pread(file, end - begin, begin)) == check


def _beginning(description: bytes, begin: int, size: int, checks_crc: int) -> tuple[bytes, int]:
    """Return all that stands before the arrays, and its checksum."""

    def with_checksum(crc: int) -> bytes:
        header = _HEADER.pack(_MAGIC, _FORMAT, len(description), size, checks_crc, crc)
        return (header + description).ljust(begin, b"\0")

    crc = zlib.crc32(with_checksum(0))
    return with_checksum(crc), crc


def _described(facts: Mapping[str, Any], layout: Layout) -> tuple[bytes, list[int]]:
    """Return the description of a file, where each array begins in it, and where the last one ends."""

    def described(begin: int) -> tuple[bytes, list[int]]:
        sizes = (_aligned(_size(*shape)) for shape in layout.values())
        offsets = list(accumulate(sizes, initial=begin))
        table = [[name, *shape, offset] for (name, shape), offset in zip(layout.items(), offsets, strict=False)]
        return json.dumps({"facts": facts, "arrays": table}).encode(), offsets

    begin, (description, offsets) = 0, described(0)
    while begin != (begin := _aligned(_HEADER.size + len(description))):  # longer offsets make a longer description
        description, offsets = described(begin)
    return description, offsets


def _size(dtype: str, count: int) -> int:
    return np.dtype(dtype).itemsize * count


def _aligned(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT
