"""A config dataclass as pipeline parameters, leaf by leaf, and back.

A field of a nested dataclass is the parameter "group.field". Fields that are computed (``init=False``) and class
variables are no parameters.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, is_dataclass, replace
from datetime import date, datetime
from functools import cache
from textwrap import dedent
from typing import Any

from palmette.authoring.parameters import Parameter, Unsupported, decode, encode, evaluated, named, parameter, plain
from palmette.authoring.source import place
from palmette.domain.graph import Field
from palmette.domain.values import Json
from palmette.errors import Problem


@dataclass(frozen=True)
class Leaf:
    """One parameter of a config: what the tool sees of it, and how its values are made."""

    field: Field
    kind: Parameter


@dataclass(frozen=True)
class Comment:
    """What the source says beside a field."""

    #: "algorithms/tumour.py:12"
    location: str = ""
    text: str = ""


def group(declared: Any) -> type | None:
    """The dataclass that a type is, if its fields are meant one by one."""
    bare, _ = plain(declared)
    return bare if isinstance(bare, type) and is_dataclass(bare) else None


@cache
def leaves(config: type) -> tuple[tuple[Leaf, ...], tuple[Problem, ...]]:
    """The parameters of a config in the order of its fields, and everything that is wrong with it."""
    if not (isinstance(config, type) and is_dataclass(config)):
        problem = Problem(where=named(config), what="a config is a dataclass", hint="Decorate it with @dataclass.")
        return (), (problem,)
    reading = _Reading()
    reading.read(config, "", None, ())
    found, problems = tuple(reading.leaves), reading.problems
    twins: dict[str, str] = {}
    for leaf in found:
        twin = twins.setdefault(leaf.field.name.replace(".", "_"), leaf.field.name)
        if twin != leaf.field.name:
            what = f"the fields {twin} and {leaf.field.name} have one name in a pipeline"
            problems.append(Problem(where=f"{leaf.field.location}, {config.__qualname__}", what=what))
    if not problems and not any(leaf.field.required for leaf in found):
        problems += _unmade(config, found)
    return found, tuple(problems)


def differences(found: tuple[Leaf, ...], config: Any) -> dict[str, Json]:
    """The values in which a config differs from the defaults; ValueError if one is not allowed."""
    values: dict[str, Json] = {}
    wrong: list[str] = []
    for leaf in found:
        try:
            value = encode(leaf.kind, _reach(config, leaf.field.name))
        except ValueError as error:
            wrong.append(f"{leaf.field.name}: {error}")
            continue
        if leaf.field.required or value != leaf.field.default:
            values[leaf.field.name] = value
    if wrong:
        raise ValueError("; ".join(wrong))
    return values


def build(config: type, values: Mapping[str, Any]) -> Any:
    """The config that parameter values by dotted name stand for; what is absent has its default."""
    return _build(config, leaves(config)[0], values)


def _build(config: type, found: tuple[Leaf, ...], values: Mapping[str, Any]) -> Any:
    made: dict[str, Any] = {}
    for leaf in found:
        if leaf.field.name in values or not leaf.field.required:
            value = decode(leaf.kind, values.get(leaf.field.name, leaf.field.default))
            *groups, last = leaf.field.name.split(".")
            inner = made
            for name in groups:
                inner = inner.setdefault(name, {})
            inner[last] = value
    return _make(config, made)


def _make(config: type, made: Mapping[str, Any]) -> Any:
    arguments = dict(made)
    for name, declared in _declared(config):
        nested = None if isinstance(declared, Unsupported) else group(declared)
        if nested is not None:
            arguments[name] = _make(nested, made.get(name, {}))
    return config(**arguments)


def _reach(config: Any, name: str) -> Any:
    for part in name.split("."):
        config = getattr(config, part)
    return config


def _unmade(config: type, found: tuple[Leaf, ...]) -> Iterator[Problem]:
    """What is wrong with the config that has every default."""
    where = f"{found[0].field.location if found else ''}, {config.__qualname__}".removeprefix(", ")
    try:
        changed = differences(found, _build(config, found, {}))
    except Exception as error:  # noqa: BLE001  (whatever the user's __post_init__ raises is to be reported)
        what = f"with its defaults it cannot be made: {type(error).__name__}: {error}"
        yield Problem(where=where, what=what)
        return
    for name in changed:
        hint = "Compute it inside a step, or declare it with field(init=False)."
        yield Problem(where=where, what=f"__post_init__ changes {name}, which no override would see", hint=hint)


class _Reading:
    """A walk through a config and the dataclasses in it."""

    def __init__(self) -> None:
        self.leaves: list[Leaf] = []
        self.problems: list[Problem] = []

    def read(self, config: type, prefix: str, made: tuple[Any, Any] | None, outer: tuple[type, ...]) -> None:
        """Read the fields of a class. `made` are two instances that a default gave, if one did."""
        said = comments(config)
        entries = {entry.name: entry for entry in dataclasses.fields(config)}
        for name, declared in _declared(config):
            comment = said.get(name, Comment())
            where = f"{comment.location}, {config.__qualname__}.{name}".removeprefix(", ")
            try:
                if isinstance(declared, Unsupported):
                    raise declared
                pair = self._pair(entries[name]) if made is None else (getattr(made[0], name), getattr(made[1], name))
                nested = group(declared)
                if nested is None:
                    self._add(declared, f"{prefix}{name}", pair, comment)
                elif nested in (*outer, config):
                    raise Unsupported(f"{named(nested)} holds itself")
                elif pair is not None and type(pair[0]) is not nested:
                    raise Unsupported(f"its default is no {named(nested)}")
                else:
                    self.read(nested, f"{prefix}{name}.", pair, (*outer, config))
            except (Unsupported, ValueError) as error:
                self.problems.append(Problem(where=where, what=str(error), hint=getattr(error, "hint", "")))

    def _pair(self, entry: dataclasses.Field[Any]) -> tuple[Any, Any] | None:
        factory = entry.default_factory
        if factory is MISSING:
            return None if entry.default is MISSING else (entry.default, entry.default)
        if getattr(factory, "__self__", None) in (date, datetime):
            raise _varying()
        try:
            return factory(), factory()
        except Exception as error:  # noqa: BLE001  (whatever the user's function raises is to be reported)
            raise Unsupported(f"its default cannot be made: {type(error).__name__}: {error}") from None

    def _add(self, declared: Any, name: str, pair: tuple[Any, Any] | None, comment: Comment) -> None:
        kind = parameter(declared)
        if kind is None:
            hint = "A field is a number, a text, a truth value, a date, a path, an Enum, a Literal, a list or mapping"
            raise Unsupported(f"{named(declared)} is no type of a config field", f"{hint} of those, or a dataclass.")
        required = pair is None and not kind.field.optional
        default: Json = None
        if pair is not None:
            default, again = (encode(kind, value) for value in pair)
            if default != again:
                raise _varying()
        if kind.field.optional and default is not None:
            hint = "Make its default None, and give the other value in a preset."
            raise Unsupported(f"an absent value means None, but its default is {default!r}", hint)
        changes: dict[str, Any] = {"name": name, "default": default, "required": required}
        field = replace(kind.field, **changes, description=comment.text, location=comment.location)
        self.leaves.append(Leaf(field, replace(kind, field=field)))


def _varying() -> Unsupported:
    return Unsupported("its default varies", "A default is the same every time: compute such a value inside a step.")


def _declared(config: type) -> Iterator[tuple[str, Any]]:
    """The names and types of the fields that make a config; Unsupported in place of a type that cannot be read."""
    for entry in dataclasses.fields(config):
        if entry.init:
            owners = (base for base in config.__mro__ if entry.name in inspect.get_annotations(base))
            module = sys.modules.get(next(owners, config).__module__)
            try:
                yield entry.name, evaluated(entry.type, vars(module) if module else {})
            except Unsupported as error:
                yield entry.name, error


def comments(config: type) -> dict[str, Comment]:
    """By field, where it is and its ``#:`` comment, behind it or above it. Empty without the source."""
    found: dict[str, Comment] = {}
    for base in reversed(config.__mro__[:-1]):
        try:
            source, first = inspect.getsourcelines(base)
            text = dedent("".join(source))
            body = ast.parse(text).body[0]
        except (OSError, TypeError, SyntaxError):
            continue
        file = inspect.getsourcefile(base) or ""
        for node in body.body if isinstance(body, ast.ClassDef) else ():
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                line = place(base.__module__, file, first + node.lineno - 1)
                found[node.target.id] = Comment(line, _comment(text.splitlines(), node))
    return found


def _comment(lines: list[str], node: ast.AnnAssign) -> str:
    behind = lines[(node.end_lineno or node.lineno) - 1].encode()[node.end_col_offset :].decode().strip()
    if behind.startswith("#:"):
        return behind[2:].strip()
    above: list[str] = []
    for line in reversed(lines[: node.lineno - 1]):
        if not line.strip().startswith("#:"):
            break
        above.insert(0, line.strip()[2:].strip())
    return " ".join(above)
