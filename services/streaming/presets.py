"""Which equalizer presets does somebody have, and which one plays?

A preset that two devices change at once is never lost silently: whoever replaces one says which version they have seen.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from services.streaming.equalizer import EqualizerSettings
from shared.errors import Rejected
from shared.storage.personal import PersonalItems, personal_partition
from shared.storage.tables import Absent, Condition, ConditionFailed, Delete, Equals, Item, Key, Put, Table

MAX_PRESETS = 100
MAX_NAME = 64
FLAT = "flat"
BUILT_IN: Mapping[str, EqualizerSettings] = {
    FLAT: EqualizerSettings(),
    "bass-boost": EqualizerSettings(bass_db=6),
    "treble-boost": EqualizerSettings(treble_db=5),
    "loudness": EqualizerSettings(bass_db=5, mid_db=-1, treble_db=3.5),
    "vocal": EqualizerSettings(bass_db=-3, mid_db=4, treble_db=1, high_pass_hz=80, high_pass_order=2),
    "small-speakers": EqualizerSettings(bass_db=3, treble_db=2, high_pass_hz=120),
    "night": EqualizerSettings(bass_db=-5, mid_db=1.5),
    "telephone": EqualizerSettings(band_pass_low_hz=300, band_pass_high_hz=3_400),
}
"""Presets that everybody has and nobody changes."""


def _checked(name: str) -> str:
    if not name.isprintable() or name != name.strip() or "/" in name or name in {".", ".."}:
        raise ValueError("a name has no control characters, no slash, and no space at its ends")
    if "\N{REPLACEMENT CHARACTER}" in name:
        raise ValueError("a name is UTF-8")
    return name


_PATTERN = r"^[^\p{C}\p{Z}/](([^\p{C}\p{Z}/]| )*[^\p{C}\p{Z}/])?$"
PresetName = Annotated[str, Field(json_schema_extra={"pattern": _PATTERN}), AfterValidator(_checked)]
"""A name that can be shown and be a step of a path. Its length is bounded where it comes in."""


@dataclass(frozen=True, slots=True)
class Preset:
    """Settings with a name. `etag` names this version: equal settings have equal tags (RFC 9110, 8.8.3)."""

    name: str
    settings: EqualizerSettings
    etag: str
    is_built_in: bool = False

    @classmethod
    def of(cls, name: str, settings: EqualizerSettings) -> Preset:
        """Return a preset with its tag."""
        digest = hashlib.sha256(settings.model_dump_json().encode()).hexdigest()
        return cls(name, settings, f'"{digest[:16]}"')

    @classmethod
    def built_in(cls, name: str) -> Preset:
        """Return a preset that everybody has."""
        return dataclasses.replace(cls.of(name, BUILT_IN[name]), is_built_in=True)


@dataclass(frozen=True, slots=True)
class Choice:
    """The preset that plays a song, and who chose it: the song's own, somebody's default, or nobody."""

    preset: Preset
    chosen_for: Literal["song", "default", "nothing"]


class PresetChanged(Exception):
    """Somebody would have replaced or removed a version that they had not seen.

    Attributes
    ----------
    code : {"precondition_required", "precondition_failed"}
        They said nothing about what they had seen (status 428), or something else is there now (status 412).
    current : Preset or None
        What is there.
    """

    def __init__(self, code: Literal["precondition_required", "precondition_failed"], current: Preset | None) -> None:
        super().__init__(code)
        self.code = code
        self.current = current


@dataclass(frozen=True, slots=True)
class Seen:
    """What a client has seen of a preset before it changes it: the headers ``If-Match`` and ``If-None-Match``."""

    etags: frozenset[str] | None = None
    anything: bool = False
    nothing: bool = False

    @classmethod
    def of(cls, if_match: str | None, if_none_match: str | None) -> Seen:
        """Read the headers; weak tags match nothing (RFC 9110, 13.1.1)."""
        tags = None if if_match is None else frozenset(tag.strip() for tag in if_match.split(","))
        return cls(tags, anything=if_match == "*", nothing=if_none_match is not None and if_none_match.strip() == "*")

    def check(self, current: Preset | None) -> None:
        """Raise `PresetChanged` unless this is the version that was seen."""
        if self.etags is None:
            if current is not None:
                raise PresetChanged("precondition_failed" if self.nothing else "precondition_required", current)
        elif current is None or not (self.anything or current.etag in self.etags):
            raise PresetChanged("precondition_failed", current)


class PresetStore:
    """Presets and choices by user, in the table `LISTENING`."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._personal = PersonalItems(table)

    async def find(self, user_id: str, name: str) -> Preset | None:
        """Return somebody's preset, or a built-in one."""
        if name in BUILT_IN:
            return Preset.built_in(name)
        item = await self._table.get(_preset_key(user_id, name))
        return None if item is None else _preset(item)

    async def get(self, user_id: str, name: str) -> Preset:
        """Return somebody's preset, or a built-in one.

        Raises
        ------
        Rejected
            There is none (status 404).
        """
        preset = await self.find(user_id, name)
        if preset is None:
            raise Rejected("preset_not_found", f"there is no preset {name!r}", status=404)
        return preset

    async def all(self, user_id: str) -> list[Preset]:
        """Return the built-in presets, then somebody's own by name."""
        page = await self._table.query(personal_partition(user_id), sk_prefix="preset#", limit=2 * MAX_PRESETS)
        return [*map(Preset.built_in, BUILT_IN), *map(_preset, page.items)]

    async def put(self, user_id: str, preset: Preset, seen: Seen) -> bool:
        """Make or replace a preset, and tell whether it is new.

        Raises
        ------
        PresetChanged
            What is there is not what was seen.
        Rejected
            The name is that of a built-in preset (status 409), or there are too many (status 409).
        """
        _check_own(preset.name)
        current = await self.find(user_id, preset.name)
        seen.check(current)
        if current is None and len(await self.all(user_id)) >= MAX_PRESETS + len(BUILT_IN):
            reason = f"nobody can have more than {MAX_PRESETS} presets; remove one first"
            raise Rejected("too_many_presets", reason, status=409)
        key = _preset_key(user_id, preset.name)
        item: Item = {"pk": key.pk, "sk": key.sk, "settings": preset.settings.model_dump_json(), "etag": preset.etag}
        try:
            await self._table.transact([Put(item, _unchanged(current))])
        except ConditionFailed:  # changed between the look and the write
            return await self.put(user_id, preset, seen)
        await self._personal.settle(user_id)
        return current is None

    async def delete(self, user_id: str, name: str, seen: Seen) -> None:
        """Remove a preset. What it was chosen for falls back to the default, or to flat.

        Raises
        ------
        PresetChanged
            What is there is not what was seen.
        Rejected
            There is none (status 404), or it is built in (status 409).
        """
        _check_own(name)
        current = await self.get(user_id, name)
        seen.check(current)
        try:
            await self._table.transact([Delete(_preset_key(user_id, name), _unchanged(current))])
        except ConditionFailed:
            await self.delete(user_id, name, seen)

    # --- Which one plays ---

    async def choose(self, user_id: str, name: str, song_id: str | None) -> None:
        """Choose a preset for a song, or as the default of all songs without one; the last choice counts.

        Raises
        ------
        Rejected
            There is no such preset (status 404).
        """
        await self.get(user_id, name)
        key = _choice_key(user_id, song_id)
        await self._table.put({"pk": key.pk, "sk": key.sk, "preset": name})
        await self._personal.settle(user_id)

    async def forget(self, user_id: str) -> None:
        """Forget all about somebody whose account is gone."""
        await self._personal.erase(user_id)

    async def unchoose(self, user_id: str, song_id: str | None) -> None:
        """Choose none; repeating it is no error."""
        await self._table.delete(_choice_key(user_id, song_id))

    async def chosen(self, user_id: str, song_id: str | None) -> Choice:
        """Return the preset that plays a song; without a song, the default."""
        keys = (
            [_choice_key(user_id, None)]
            if song_id is None
            else [_choice_key(user_id, song_id), _choice_key(user_id, None)]
        )
        items = await self._table.batch_get(keys)
        for key in keys:
            preset = await self.find(user_id, str(items[key]["preset"])) if key in items else None
            if preset is not None:  # a preset that was removed is chosen for nothing any more
                return Choice(preset, "default" if key == _choice_key(user_id, None) else "song")
        return Choice(Preset.built_in(FLAT), "nothing")


def _check_own(name: str) -> None:
    if name.casefold() in BUILT_IN:
        reason = f"{name} is built in and cannot be changed; save yours under another name"
        raise Rejected("preset_built_in", reason, status=409)


def _unchanged(current: Preset | None) -> Condition:
    return Absent() if current is None else Equals("etag", current.etag)


def _preset_key(user_id: str, name: str) -> Key:
    return Key(personal_partition(user_id), f"preset#{name}")


def _choice_key(user_id: str, song_id: str | None) -> Key:
    return Key(personal_partition(user_id), "equalizer" if song_id is None else f"equalizer#{song_id}")


def _preset(item: Item) -> Preset:
    settings = EqualizerSettings.model_validate_json(str(item["settings"]))
    return Preset(str(item["sk"]).removeprefix("preset#"), settings, str(item["etag"]))
