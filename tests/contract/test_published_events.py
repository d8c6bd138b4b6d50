"""Can every event that was ever published still be read?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shared.events import EVENTS, Event

SAMPLES = sorted((Path(__file__).parent / "events").glob("*.json"))


def event_class(sample: Path) -> type[Event]:
    name, _, _ = sample.stem.rpartition(".v")
    return EVENTS[name]


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_a_published_event_is_read_without_losing_a_word(sample: Path) -> None:
    published = json.loads(sample.read_text())

    read = event_class(sample).model_validate_json(sample.read_text())

    written = read.model_dump(mode="json")
    assert {field: written.get(field, "lost") for field in published} == published


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.stem)
def test_an_event_from_the_future_is_read_too(sample: Path) -> None:
    published = json.loads(sample.read_text())

    read = event_class(sample).model_validate(published | {"a_field_of_tomorrow": 1})

    assert read == event_class(sample).model_validate(published)


def test_every_published_shape_of_every_event_has_a_sample() -> None:
    shapes = {f"{name}.v{n}" for name, event in EVENTS.items() for n in range(1, event.schema_version + 1)}

    assert {sample.stem for sample in SAMPLES} == shapes
