"""How two configs differ, and for what reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from palmette.comparison.changes import ConfigChange, ConfigEdit
from palmette.comparison.sides import Side, union
from palmette.domain.run import Setting, Source
from palmette.domain.values import Json

#: what somebody asked for, as opposed to what the code says
_ASKED = (Source.OVERRIDE, Source.FILE)


def config(head: Side, baseline: Side) -> tuple[ConfigChange, ...]:
    """The fields whose values differ, in the order of the head's config."""
    before = {setting.name: setting for setting in baseline.run.settings}
    after = {setting.name: setting for setting in head.run.settings}
    # What an imported run does not say may have been anything.
    silent = {name for name in before if head.run.imported and name not in after}
    silent |= {name for name in after if baseline.run.imported and name not in before}
    return tuple(
        ConfigChange(name=name, before=was, after=now, edit=_edit(was, now))
        for name in union(after, before)
        for was, now in [(before.get(name), after.get(name))]
        if name not in silent and (was is None or now is None or not same(was.value, now.value))
    )


def same(one: Json, other: Json) -> bool:
    """Whether two values mean the same to a step: 1 is 1.0, and neither is True."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    if isinstance(one, Sequence) and isinstance(other, Sequence):
        return len(one) == len(other) and all(map(same, one, other))
    # What is no number is itself, and not another one.
    return one == other or (one != one and other != other)


def _edit(before: Setting | None, after: Setting | None) -> ConfigEdit:
    if before is None:
        return ConfigEdit.ADDED
    if after is None:
        return ConfigEdit.REMOVED
    sources = {before.source, after.source}
    if not sources.isdisjoint(_ASKED):
        return ConfigEdit.OVERRIDE
    return ConfigEdit.DEFAULT if sources == {Source.DEFAULT} else ConfigEdit.PRESET
