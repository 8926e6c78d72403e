"""Config values: which one wins, and where it came from. Needs no user code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from palmette.domain.fields import FULL, Refused, accept, close, read
from palmette.domain.graph import Field
from palmette.domain.run import Setting, Source
from palmette.domain.values import Json
from palmette.errors import ConfigError, Problem


@dataclass(frozen=True)
class _Given:
    """A value that was given for a field, rightly or not."""

    name: str
    value: object
    source: Source
    #: the preset's name, the file's
    origin: str = ""
    #: the override as it was written
    text: str = ""

    @property
    def where(self) -> str:
        return self.text or (f"{self.origin}: {self.name}" if self.origin else self.name)


def settle(
    fields: Sequence[Field],
    presets: Mapping[str, Mapping[str, Json]],
    *,
    preset: str | None = None,
    file: Mapping[str, object] | None = None,
    file_name: str = "",
    overrides: Sequence[str] = (),
) -> tuple[Setting, ...]:
    """The value of every field and where it came from: the default, over it the preset's, the file's ("a.b", or b in
    a table a), the override's ("a.b=1"). ConfigError with every problem at once."""
    known = {field.name: field for field in fields}
    settings = {field.name: Setting(name=field.name, value=field.default) for field in fields if not field.required}
    problems: list[Problem] = []
    chosen = preset or FULL
    if chosen != FULL and chosen not in presets:
        names = [FULL, *sorted({*presets} - {FULL})]
        hint = close(chosen, names) or f"There are: {', '.join(names)}."
        problems.append(Problem(where="preset", what=f"no preset is named {chosen!r}", hint=hint))
    given = [_Given(name, value, Source.PRESET, chosen) for name, value in presets.get(chosen, {}).items()]
    given += [_Given(name, value, Source.FILE, file_name) for name, value in _flat(file or {}, known)]
    given += _parted(overrides, problems)
    for entry in given:
        field = known.get(entry.name)
        if field is None:
            problems.append(_unknown(entry, known))
            continue
        try:
            value = read(field, str(entry.value)) if entry.source is Source.OVERRIDE else accept(field, entry.value)
            settings[field.name] = Setting(name=field.name, value=value, source=entry.source, origin=entry.origin)
        except Refused as refusal:
            problems.append(Problem(where=entry.where, what=str(refusal), hint=refusal.hint))
    absent = [name for name in known if name not in settings and all(entry.name != name for entry in given)]
    problems += [Problem(where=name, what="it has no default", hint=f"Give it: {name}=VALUE.") for name in absent]
    if problems:
        raise ConfigError("the config cannot be used", problems=problems)
    return tuple(settings[name] for name in known)


def _parted(overrides: Sequence[str], problems: list[Problem]) -> list[_Given]:
    given: dict[str, _Given] = {}
    for text in overrides:
        name, sign, said = text.partition("=")
        name = name.strip()
        if not sign or not name:
            problems.append(Problem(where=text, what="this is no override", hint="Write NAME=VALUE."))
        elif name in given:
            problems.append(Problem(where=text, what=f"{name} is given twice"))
        else:
            given[name] = _Given(name, said, Source.OVERRIDE, text=text)
    return list(given.values())


def _flat(file: Mapping[str, object], known: Mapping[str, Field], prefix: str = "") -> Iterator[tuple[str, object]]:
    for key, value in file.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and name not in known:
            yield from _flat(value, known, f"{name}.")
        else:
            yield name, value


def _unknown(entry: _Given, known: Mapping[str, Field]) -> Problem:
    inside = [other for other in known if other.startswith(f"{entry.name}.")]
    if inside:
        hint = f"Set one of them: {', '.join(inside)}."
        return Problem(where=entry.where, what=f"{entry.name} is a group of fields", hint=hint)
    hint = close(entry.name, known) or (f"There are: {', '.join(known)}." if known else "The algorithm has no config.")
    return Problem(where=entry.where, what=f"there is no field {entry.name!r}", hint=hint)


def matching_preset(
    fields: Sequence[Field], presets: Mapping[str, Mapping[str, Json]], values: Mapping[str, Json]
) -> str:
    """The preset that has exactly these values, "full" before the others; empty if none has. An absent value is the
    default."""
    defaults = {field.name: field.default for field in fields}
    actual = {**defaults, **values}
    for name in (FULL, *(name for name in presets if name != FULL)):
        if {**defaults, **presets.get(name, {})} == actual:
            return name
    return ""


def check_values(fields: Sequence[Field], values: Mapping[str, object]) -> tuple[Problem, ...]:
    """What is wrong with parameter values that came from outside, a stock run form for one. An absent value is the
    default; names that are no fields are left alone."""
    problems: list[Problem] = []
    for field in fields:
        if field.name not in values and not field.required:
            continue
        try:
            accept(field, values.get(field.name))
        except Refused as refusal:
            problems.append(Problem(where=field.name, what=str(refusal), hint=refusal.hint))
    return tuple(problems)
