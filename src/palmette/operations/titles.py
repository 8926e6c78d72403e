"""What may be a name, a description or a tag on a host of pipelines."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from palmette.errors import Problem, UsageError

#: The longest names that a stock host takes, by noun.
LONGEST: Final = {"pipeline": 128, "version": 127, "experiment": 128, "recurring run": 128, "run": 256}
_TAG: Final = 63
_TAGS: Final = 64
_TEXT: Final = 65_536


def require(noun: str, name: str, *, tags: Mapping[str, str] | None = None, **texts: str) -> None:
    """UsageError with all that is wrong with a name, with tags, and with other texts by the names of their fields."""
    found = [*problems(noun, name), *_of_tags(tags or {})]
    found += [problem for field, text in texts.items() for problem in _of_text(field, text)]
    if found:
        raise UsageError(f"this {noun} cannot be made as it was asked for", problems=found)


def require_changes(noun: str, *, display_name: str | None, tags: Mapping[str, str] | None) -> None:
    """UsageError with all that is wrong with values that take the place of others; None for what stays."""
    named = problems(noun, display_name, field="display_name") if display_name is not None else ()
    found = [*named, *_of_tags(tags or {})]
    if found:
        raise UsageError(f"this {noun} cannot be changed as it was asked for", problems=found)


def problems(noun: str, name: str, *, field: str = "name") -> Iterator[Problem]:
    """What is wrong with a name."""
    longest = LONGEST[noun]
    if not name.strip():
        yield Problem(where=field, what=f"a {noun} needs a name")
    elif len(name) > longest:
        yield Problem(where=field, what=f"it has {len(name)} characters, and {longest} are the most")
    elif not name.isprintable():
        yield Problem(where=field, what="it holds a character that cannot be shown")


def _of_tags(tags: Mapping[str, str]) -> Iterator[Problem]:
    if len(tags) > _TAGS:
        yield Problem(where="tags", what=f"there are {len(tags)}, and {_TAGS} are the most")
    for key, value in tags.items():
        where = f"tags.{key[:_TAG]}"
        if not key.strip():
            yield Problem(where=where, what="a tag needs a name")
        for what, text in (("name", key), ("value", value)):
            if len(text) > _TAG:
                yield Problem(where=where, what=f"its {what} has {len(text)} characters, and {_TAG} are the most")
            elif not text.isprintable():
                yield Problem(where=where, what=f"its {what} holds a character that cannot be shown")


def _of_text(field: str, text: str) -> Iterator[Problem]:
    if len(text) > _TEXT:
        yield Problem(where=field, what=f"it has {len(text)} characters, and {_TEXT} are the most")
