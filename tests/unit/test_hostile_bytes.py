"""Do the readers of stored and sent bytes give back what was written, or refuse, and nothing else?"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.matcher.array_file import ArrayFile, ArrayWriter, DamagedError, _beginning
from services.matcher.manifest import Manifest
from shared.errors import Rejected
from shared.events import EVENTS, REPLY
from shared.storage.paging import cursor_behind, read_cursor

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=9)
anything = st.recursive(scalars, lambda some: st.lists(some, max_size=4) | st.dictionaries(st.text(max_size=9), some))
one_folder = settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], max_examples=50
)


@given(st.lists(st.text(min_size=1), min_size=1, max_size=3))
def test_a_cursor_says_where_it_was_made(position: list[str]) -> None:
    assert read_cursor(cursor_behind(*position), len(position)) == position


def position_of(cursor: str, parts: int) -> list[str] | None:
    try:
        return read_cursor(cursor, parts)
    except Rejected as refusal:
        return None if refusal.code == "cursor_invalid" else []


@given(st.text(st.characters()) | st.text("eyJbIjAsXQ=-_", max_size=40), st.integers(1, 3))
def test_a_cursor_that_nobody_made_is_refused(cursor: str, parts: int) -> None:
    position = position_of(cursor, parts)
    assert position is None or len(position) == parts
    assert all(part.encode() for part in position or ())


@given(anything, st.integers(1, 3))
def test_a_cursor_of_other_content_is_refused(content: object, parts: int) -> None:
    cursor = cursor_behind(content)  # type: ignore[arg-type]  # as a forger would
    assert position_of(cursor, parts) in (None, [content])


@given(st.binary(max_size=200) | anything.map(lambda content: json.dumps(content).encode()), st.sampled_from([*EVENTS]))
def test_a_message_of_any_content_is_read_or_refused(body: bytes, event: str) -> None:
    for read in (REPLY.validate_json, EVENTS[event].model_validate_json):
        with pytest.raises(ValueError, match="validation error"):
            read(body)


@one_folder
@given(st.binary(max_size=300), st.booleans())
def test_a_file_of_any_bytes_is_no_index(tmp_path: Path, data: bytes, begins_well: bool) -> None:
    (tmp_path / "manifest").write_bytes(b"TSARRAYS\x01\0\0\0" * begins_well + data)
    with pytest.raises(DamagedError):
        Manifest.read(tmp_path)


@one_folder
@given(anything | st.fixed_dictionaries({"facts": anything, "arrays": st.lists(st.lists(scalars, max_size=4))}))
def test_a_file_with_right_checksums_and_a_wrong_description_is_damaged(tmp_path: Path, said: object) -> None:
    description = json.dumps(said).encode()
    begin = -(-(32 + len(description)) // 64) * 64
    (tmp_path / "forged").write_bytes(_beginning(description, begin, begin, 0)[0])
    with pytest.raises(DamagedError):
        ArrayFile.open(tmp_path / "forged")


@one_folder
@given(st.integers(0, 2**31), st.sampled_from(["cut", "added", "changed", "moved"]), st.integers(1, 255))
def test_a_damaged_file_of_arrays_is_found_to_be_damaged(tmp_path: Path, place: int, kind: str, value: int) -> None:
    path = tmp_path / "arrays"
    with ArrayWriter(path, {"song": 1}, {"a": ("<u4", 20), "b": ("|u1", 3)}) as writer:
        writer.append("a", np.arange(20, dtype=np.uint32))
        writer.append("b", np.arange(3, dtype=np.uint8))
        writer.finish()
    data = path.read_bytes()
    at = place % len(data)
    path.write_bytes(
        {
            "cut": data[:at],
            "added": data[:at] + bytes((value,)) + data[at:],
            "changed": data[:at] + bytes((data[at] ^ value,)) + data[at + 1 :],
            "moved": data[at:] + data[:at] if at else data[1:],
        }[kind]
    )
    with pytest.raises(DamagedError):
        ArrayFile.open(path).verify()
