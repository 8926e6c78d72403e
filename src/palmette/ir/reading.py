"""Text from anyone → plain JSON values: bounded in size, depth and expansion, with the line of what is wrong."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from palmette.domain.values import Json
from palmette.errors import SpecError
from palmette.ir.embedded import real, whole

#: bytes of a pipeline file; what KFP's own server takes
MAX_SIZE: Final = 32 * 1024 * 1024
#: nested lists and mappings; what protocol buffers' JSON takes
MAX_DEPTH: Final = 100
#: values in a file, each alias counted as all it stands for
MAX_VALUES: Final = 1_000_000

#: Signs of a number in YAML, and what every number is below: more than that no double holds.
_LONGEST_NUMBER: Final = 400
_INFINITE: Final = 2**1024

_Loader: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PLAIN_TAGS: Final = {
    "tag:yaml.org,2002:str",
    "tag:yaml.org,2002:timestamp",  # text, as it is for KFP's server
    "tag:yaml.org,2002:value",
}


def documents(text: str | bytes) -> list[Json]:
    """The documents of a YAML or JSON file. SpecError names line and column of what cannot be read."""
    if isinstance(text, bytes):
        try:
            text = text[: MAX_SIZE + 1].decode("utf-8-sig")
        except UnicodeDecodeError as error:
            if len(text) <= MAX_SIZE:
                raise SpecError(f"the pipeline file is not UTF-8 text: byte {error.start} is {error.reason}") from None
    if len(text) > MAX_SIZE:
        raise SpecError(
            f"the pipeline file is larger than {MAX_SIZE // 1024 // 1024} MiB",
            "Fetch large data from storage when the step runs, instead of writing it into the pipeline.",
        )
    assert isinstance(text, str)
    if text.lstrip()[:1] == "{":
        try:
            return [_from_json(text)]
        except json.JSONDecodeError:
            pass  # YAML may begin with a brace too, and says more of what is wrong
    return _from_yaml(text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
        raise SpecError(f"{twice!r} stands twice in one mapping of the pipeline file")
    return found


def _no_constant(name: str) -> Any:
    raise SpecError(f"{name} is not a number that a pipeline can hold")


def _from_json(text: str) -> Json:
    try:
        value: Json = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=real, parse_int=whole
        )
    except RecursionError:
        raise _too_deep() from None
    except json.JSONDecodeError:
        raise
    except ValueError as error:
        raise SpecError(f"the pipeline file holds a number that none can be: {error}") from None
    _count(value)
    return value


def _count(value: Json) -> None:
    """Refuse what `_from_yaml` would."""
    level, depth, values = [value], 0, 0
    while level:
        depth, values = depth + 1, values + len(level)
        if depth > MAX_DEPTH:
            raise _too_deep()
        if values > MAX_VALUES:
            raise _too_many()
        level = [
            inner
            for entry in level
            if isinstance(entry, (dict, list))
            for inner in (entry.values() if isinstance(entry, dict) else entry)
        ]


def _too_deep(place: str = "") -> SpecError:
    return SpecError(f"the pipeline file nests deeper than {MAX_DEPTH} levels{place}")


def _too_many(place: str = "") -> SpecError:
    return SpecError(
        f"the pipeline file holds more than {MAX_VALUES:,} values{place}",
        "An alias (*name) counts as all that its anchor (&name) stands for.",
    )


@dataclass
class _Open:
    """A list or mapping that is being read."""

    container: Any
    anchor: str | None
    #: values and characters read before it
    values: int
    characters: int
    #: the key that waits for its value, and whether one does
    key: Any = None
    keyed: bool = False
    merged: dict[str, Any] = field(default_factory=dict)


#: the key of a mapping that is merged in; no text is equal to it
_MERGE: Final[Any] = object()


def _from_yaml(text: str) -> list[Json]:
    loader = _Loader(text)
    try:
        return list(_Builder(loader).documents())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise SpecError(f"the pipeline file is not YAML{place}: {error.problem or error.context}") from None
    except yaml.YAMLError as error:
        raise SpecError(f"the pipeline file is not YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise _too_deep() from None
    finally:
        loader.dispose()


class _Builder:
    """Values from the parser's events, without recursion; shared values stay shared."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader
        self._stack: list[_Open] = []
        #: anchor → value, values it stands for, characters it stands for
        self._anchors: dict[str, tuple[Any, int, int]] = {}
        self._values = 0
        self._characters = 0

    def documents(self) -> Iterator[Json]:
        """Each document's value."""
        while self._loader.check_event():
            event = self._loader.get_event()
            match event:
                case yaml.DocumentStartEvent():
                    self._anchors.clear()
                    self._root = None
                case yaml.DocumentEndEvent():
                    yield self._root
                case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                    self._begin(event)
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self._end(event)
                case yaml.ScalarEvent():
                    self._spend(1, len(event.value), event)
                    value = self._scalar(event)
                    if event.anchor:
                        self._anchors[event.anchor] = (value, 1, len(event.value))
                    self._place(value, event)
                case yaml.AliasEvent():
                    self._alias(event)
                case _:
                    pass

    def _fail(self, what: str, event: Any) -> SpecError:
        mark = event.start_mark
        return SpecError(f"the pipeline file, line {mark.line + 1}, column {mark.column + 1}: {what}")

    def _spend(self, values: int, characters: int, event: Any) -> None:
        self._values += values
        self._characters += characters
        if self._values > MAX_VALUES or self._characters > MAX_SIZE:
            raise _too_many(f", line {event.start_mark.line + 1}")

    def _begin(self, event: Any) -> None:
        mapping = isinstance(event, yaml.MappingStartEvent)
        expected = f"tag:yaml.org,2002:{'map' if mapping else 'seq'}"
        if event.tag not in (None, "!", expected):
            raise self._fail(f"the tag {event.tag} is not allowed", event)
        if len(self._stack) >= MAX_DEPTH:
            raise _too_deep(f", line {event.start_mark.line + 1}")
        self._spend(1, 0, event)
        self._stack.append(_Open({} if mapping else [], event.anchor, self._values - 1, self._characters))
        if event.anchor:
            self._anchors.pop(event.anchor, None)

    def _end(self, event: Any) -> None:
        done = self._stack.pop()
        value = {**done.merged, **done.container} if done.merged else done.container
        if done.anchor:
            self._anchors[done.anchor] = (value, self._values - done.values, self._characters - done.characters)
        self._place(value, event)

    def _alias(self, event: Any) -> None:
        if event.anchor not in self._anchors:
            raise self._fail(f"*{event.anchor} stands for nothing before it", event)
        value, values, characters = self._anchors[event.anchor]
        self._spend(values, characters, event)
        self._place(value, event)

    def _place(self, value: Any, event: Any) -> None:
        if not self._stack:
            self._root = value
            return
        top = self._stack[-1]
        if isinstance(top.container, list):
            top.container.append(value)
        elif not top.keyed:
            if not isinstance(value, str) and value is not _MERGE:
                raise self._fail(f"the key {value!r} is not text; put it in quotes", event)
            if value in top.container:
                raise self._fail(f"{value!r} stands twice in one mapping", event)
            top.key, top.keyed = value, True
        else:
            top.keyed = False
            if top.key is _MERGE:
                self._merge(top, value, event)
            else:
                top.container[top.key] = value

    def _merge(self, top: _Open, value: Any, event: Any) -> None:
        for entry in reversed(value if isinstance(value, list) else [value]):
            if not isinstance(entry, dict):
                raise self._fail("<< takes a mapping or a list of mappings", event)
            top.merged.update(entry)

    def _scalar(self, event: Any) -> Json:
        tag = event.tag
        if tag is None or tag == "!":
            tag = self._loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        if tag in _PLAIN_TAGS:
            return str(event.value)
        if tag == "tag:yaml.org,2002:merge":
            return _MERGE if self._key_comes() else str(event.value)
        node = yaml.ScalarNode(tag, event.value, event.start_mark, event.end_mark)
        kind = tag.rpartition(":")[2]
        if not tag.startswith("tag:yaml.org,2002:") or kind not in ("null", "bool", "int", "float"):
            raise self._fail(f"the tag {tag} is not allowed", event)
        if len(event.value) > _LONGEST_NUMBER and kind in ("int", "float"):
            raise self._fail(f"{event.value[:20]}… is not a number that a pipeline can hold", event)
        try:
            value: Json = getattr(self._loader, f"construct_yaml_{kind}")(node)
        except (ValueError, KeyError):
            raise self._fail(f"{event.value[:80]!r} is not a number that can be read", event) from None
        if isinstance(value, (int, float)) and not abs(value) < _INFINITE:
            raise self._fail(f"{event.value[:40]} is not a number that a pipeline can hold", event)
        return value

    def _key_comes(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].container, dict) and not self._stack[-1].keyed
