"""What can be read off the code, so that no document says anything else?

``python -m docs.generate`` writes the catalogue of events, the AsyncAPI and OpenAPI documents, the table of settings
and the responses of the equalizer beside this file. A test compares what is committed with what the code says.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import json
import os
import pkgutil
import types
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

import services
import services.hosting
import shared.runtime.settings
from services.streaming.equalizer import EqualizerSettings, equalizer
from services.streaming.equalizer_routes import EqualizerResponse
from services.streaming.presets import BUILT_IN
from shared.events import EVENTS, AnyReply, Event, Message
from shared.messaging.bus import Subscription
from shared.messaging.rabbit import describe

FOLDER = Path(__file__).parent
NOTICE = "<!-- Written by `python -m docs.generate`. Change the code, not this file. -->"


@dataclass(frozen=True, slots=True)
class Variable:
    """One environment variable that some process reads."""

    name: str
    default: str
    description: str


def documents() -> dict[str, str]:
    """Return the text of every generated document by its file name."""
    heard = subscriptions()
    with _nothing_set():
        api = services.hosting.openapi()
        settings = settings_page()
    return {
        "events.md": events_page(heard),
        "settings.md": settings,
        "asyncapi.json": _as_json(describe(heard)),
        "openapi.json": _as_json(api),
        "equalizer-responses.json": json.dumps(equalizer_responses()) + "\n",
    }


def subscriptions() -> list[Subscription[Any]]:
    """Return what all services hear when nothing is set."""
    with _nothing_set():
        return services.hosting.subscriptions()


@contextmanager
def _nothing_set() -> Iterator[None]:
    """Take away what this machine sets, so that the documents are the same everywhere."""
    before = dict(os.environ)
    with TemporaryDirectory() as folder:
        for variable in before:
            if variable.startswith(("TUNESCOUT_", "XDG_")):
                del os.environ[variable]
        os.environ["TUNESCOUT_DATA_DIR"] = folder
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def main() -> None:
    """Write every document."""
    for name, text in documents().items():
        (FOLDER / name).write_text(text)


def _as_json(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


# --- The equalizer --------------------------------------------------------------------------------------------------

_REMARKABLE = {
    "everything": EqualizerSettings(
        bass_db=10, mid_db=-7.5, treble_db=6, high_pass_hz=20, high_pass_order=8, low_pass_hz=18_000, headroom_db=3
    ),
    "narrow band": EqualizerSettings(band_pass_low_hz=900, band_pass_high_hz=1_000, band_pass_order=8),
    "wide band": EqualizerSettings(band_pass_low_hz=20, band_pass_high_hz=20_000, band_pass_order=2),
}
"""Beside the presets: what a second implementation is most likely to get wrong."""


def equalizer_responses() -> dict[str, Any]:
    """Return what the equalizer does with each preset, and more, for whoever computes the same elsewhere."""
    responses = []
    for number, (name, settings) in enumerate({**BUILT_IN, **_REMARKABLE}.items()):
        worked_out = equalizer(settings, (44_100, 48_000)[number % 2])
        body = EqualizerResponse.of(settings, worked_out).model_dump(
            include={"sample_rate_hz", "headroom_db", "response_db"}
        )
        body["headroom_db"] = round(body["headroom_db"], 6)
        body["response_db"] = [round(level, 3) for level in body["response_db"]]
        responses.append({"name": name, "settings": settings.model_dump(exclude_defaults=True), **body})
    return {"responses": responses}


# --- Events ---------------------------------------------------------------------------------------------------------


def events_page(heard: Sequence[Subscription[Any]]) -> str:
    """Return the catalogue of events: what each says, field by field, and who hears it."""
    lines = [
        NOTICE,
        "# Events",
        "The facts that services tell each other, on the topic exchange `tunescout.events` with the event's name as "
        "routing key. The body is JSON; times are RFC 3339 in UTC, bytes are base64url. A queue named `a.b` belongs to "
        "the service `a`; private queues exist once for each replica. [asyncapi.json](asyncapi.json) says the same for "
        "machines.",
        "Every event also has an `id` (UUID), the same for every delivery of a fact, and `occurred_at` (time). Fields "
        "may be added at any time: ignore those you do not know. A field never changes its name, meaning or unit.",
    ]
    for event in EVENTS.values():
        lines += [f"## {event.name}", f"Version {event.schema_version}. {_summary(event)}", *_fields_table(event)]
        lines.append(f"Heard by {_hearers(event, heard)}.")
    lines += [
        "# Replies",
        "Answers to questions, sent to the inbox `reply_to` of whoever asked. `kind` tells them apart.",
    ]
    for reply in _reply_classes():
        lines += [f"## {reply.__name__}", _summary(reply), *_fields_table(reply)]
    lines += ["# Parts", "What events and replies are made of."]
    for part in _parts([*EVENTS.values(), *_reply_classes()]):
        lines += [f"## {part.__name__}", _summary(part), *_fields_table(part)]
    return "\n\n".join(lines) + "\n"


def _hearers(event: type[Event], heard: Sequence[Subscription[Any]]) -> str:
    queues = sorted((each.queue, each.private) for each in heard if each.event is event)
    return ", ".join(f"`{queue}`{' (private)' if private else ''}" for queue, private in queues) or "nobody yet"


def _reply_classes() -> tuple[type[Message], ...]:
    union, _ = get_args(AnyReply)
    return get_args(union)


def _parts(models: Sequence[type[BaseModel]]) -> list[type[BaseModel]]:
    found: dict[type[BaseModel], None] = {}
    for model in models:
        for field in model.model_fields.values():
            found |= dict.fromkeys(_models_in(field.annotation))
    return list(found)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if inspect.isclass(annotation) and issubclass(annotation, Message):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _summary(model: type) -> str:
    return inspect.cleandoc(model.__doc__ or "")


def _fields_table(model: type[BaseModel]) -> list[str]:
    rows = ["| field | type | |", "|---|---|---|"]
    for name, field in model.model_fields.items():
        if name not in Event.model_fields:
            rows.append(f"| `{name}` | {_type_words(field.annotation)} | {field.description or ''} |")
    return ["\n".join(rows)]


def _type_words(annotation: Any) -> str:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type_words(arguments[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(_type_words(argument) for argument in arguments)
    if origin is tuple:
        return f"list of {_type_words(arguments[0])}"
    if annotation is type(None):
        return "null"
    if issubclass(annotation, Message):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    name: str = annotation.__name__
    return {"str": "text", "int": "integer", "float": "number", "datetime": "time"}.get(name, name)


# --- Settings -------------------------------------------------------------------------------------------------------


def settings_classes() -> list[type[BaseSettings]]:
    """Return the settings of every process, then those of each service that has some."""
    modules = [shared.runtime.settings]
    for service in pkgutil.iter_modules(services.__path__):
        name = f"services.{service.name}.settings"
        if service.ispkg and importlib.util.find_spec(name):
            modules.append(importlib.import_module(name))
    return [
        thing
        for module in modules
        for thing in vars(module).values()
        if inspect.isclass(thing) and issubclass(thing, BaseSettings) and thing.__module__ == module.__name__
    ]


def variables(settings: type[BaseSettings]) -> list[Variable]:
    """Return every environment variable that a settings class reads."""
    config = settings.model_config
    return list(_variables(settings, config.get("env_prefix", ""), config.get("env_nested_delimiter") or "__"))


def _variables(model: type[BaseModel], prefix: str, delimiter: str) -> Iterator[Variable]:
    for name, field in model.model_fields.items():
        variable = f"{prefix}{name}".upper()
        if inspect.isclass(field.annotation) and issubclass(field.annotation, BaseModel):
            yield from _variables(field.annotation, f"{variable}{delimiter}", delimiter)
        else:
            yield Variable(variable, _default_words(field), field.description or "")


def _default_words(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.get_default(call_default_factory=True, validated_data={})
    if default is None:
        return "unset"
    if isinstance(default, Path):
        return f"`{default}`".replace(str(Path.home()), "~")
    if isinstance(default, list | bool):
        return f"`{json.dumps(default, default=str)}`"
    # What is worked out when the process starts is another on every machine.
    return f"`{default}`" if field.default_factory is None else "of the machine"


def settings_page() -> str:
    """Return the table of all settings."""
    lines = [
        NOTICE,
        "# Settings",
        "Every setting is an environment variable with a default that suits one machine. Lists are JSON. Credentials "
        "for S3 and DynamoDB come from where AWS's own tools look for them, for example `AWS_ACCESS_KEY_ID`.",
    ]
    for settings in settings_classes():
        rows = ["| variable | default | |", "|---|---|---|"]
        rows += [f"| `{each.name}` | {each.default} | {each.description} |" for each in variables(settings)]
        title = _summary(settings).splitlines()[0].rstrip(".").replace("``", "`")
        lines += [f"## {title}", "\n".join(rows)]
    return "\n\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
