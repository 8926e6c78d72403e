"""What may be typed next: names of the project's code and of its store, without running either.

Algorithms, presets and choices are read from source; names in use from the store's newest runs. Whatever cannot be
read offers nothing: a completion never complains.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property

from palmette.domain.query import ASPECTS, KEYWORDS, OPERATORS, RUN_FIELDS, Field, Group, Kind, field_at
from palmette.domain.states import RunState, TaskState
from palmette.operations.project import Project, look
from palmette.store import glance

_FILE = "store.db"


class Offers:
    """What there is to offer in a project."""

    def __init__(self, project: Project, elsewhere: Callable[[str, str], Sequence[str]] | None = None) -> None:
        self._project = project
        #: who is asked for the names in use, if they are not in the project's own home
        self._elsewhere = elsewhere

    def _names(self, what: str, name: str = "") -> Sequence[str]:
        project = self._project
        if self._elsewhere is not None:
            return self._elsewhere(what, name)
        return () if project.database else glance.names(project.home / _FILE, what, project.name, name)

    def _run(self, reference: str) -> str:
        project = self._project
        if self._elsewhere is not None:
            return glance.resolved(self._elsewhere, reference)
        return "" if project.database else glance.run(project.home / _FILE, reference, project.name)

    @cached_property
    def _source(self) -> Mapping[str, tuple[ast.Module, str]]:
        """Each algorithm's module, and the name of its function."""
        found = {}
        for name, entry in look(self._project).found.items():
            try:
                found[name] = (ast.parse(entry.file.read_bytes()), entry.qualname)
            except (OSError, SyntaxError, ValueError):
                continue
        return found

    def algorithms(self) -> Sequence[str]:
        """Those of the code, and those of runs."""
        return sorted({*look(self._project).found, *self._names("algorithm")})

    def algorithm_of(self, run: str) -> str:
        """The algorithm of the run that is named."""
        return next(iter(self._names("of", self._run(run))), "")

    def presets(self, algorithm: str) -> Sequence[str]:
        """Those that an algorithm declares; without one those of runs."""
        declared = _keyword(self._source.get(algorithm), "presets")
        if isinstance(declared, ast.Dict):
            keys = [key.value for key in declared.keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]
            return sorted({"full", *keys})
        return sorted({"full", *self._names("preset")})

    def fields(self, algorithm: str) -> Mapping[str, Sequence[str]]:
        """The config fields of an algorithm, each with its choices: from source, else from its newest run."""
        declared = dict(_fields(self._source.get(algorithm)))
        if declared:
            return declared
        newest = next(iter(self._names("last", algorithm)), "")
        return dict.fromkeys(self._names("field", newest), ())

    def runs(self) -> Sequence[str]:
        """References to runs: `last`, algorithms that have one, ids, newest first."""
        return ["last", *self._names("algorithm"), *self._names("id")] if self._names("id") else []

    def steps(self, run: str) -> Sequence[str]:
        """The steps of the run that is named."""
        return self._names("steps", self._run(run))

    def artifacts(self, run: str) -> Sequence[str]:
        """The artifacts of the run that is named."""
        return self._names("outputs", self._run(run))

    def tags(self) -> Sequence[str]:
        """Tags in use."""
        return sorted(self._names("tag"))

    def views(self) -> Sequence[str]:
        """Saved searches."""
        return self._names("view")

    def sweeps(self) -> Sequence[str]:
        """Sweeps that have runs."""
        return ["last", *self._names("sweep")]

    def query(self, before: Sequence[str], typed: str) -> Sequence[str]:
        """What may follow in a search, of whole words; of "branch=ma" that word with its value."""
        for sign in ("!=", "<=", ">=", "=", "<", ">"):
            name, found, _ = typed.partition(sign)
            if found and name:
                return [f"{name}{sign}{value}" for value in self._values(name)]
        if before and before[-1] in ("=", "!=", "contains") and len(before) > 1:
            return self._values(before[-2])
        if before and before[-1] == "is":
            return ["defined", "undefined"]
        field = _named(before[-1]) if before else None
        if field is not None and (len(before) < 2 or before[-2] not in ("=", "!=", "contains", "<", ">", "<=", ">=")):
            return [] if "sort" in before else [*(sign.value for sign in OPERATORS[field.kind]), "!=", "is"]
        return [*self._query_fields(), *(KEYWORDS if before else ("not", *(f"@{name}" for name in self.views())))]

    def _query_fields(self) -> Iterator[str]:
        yield from RUN_FIELDS
        for group in (Group.CONFIG, Group.METRIC, Group.STEP):
            for name in sorted(self._names(group.value)):
                if group is Group.STEP:
                    yield from (f"step.{name}.{aspect}" for aspect in ASPECTS[group])
                else:
                    yield f"{group}.{name}"

    def _values(self, name: str) -> Sequence[str]:
        field = _named(name)
        match field:
            case Field(Group.CONFIG, inner):
                return [_spelled(value) for value in self._names("value", inner)]
            case Field(kind=Kind.STATE):
                return [state.value.lower() for state in (RunState if field.group is Group.RUN else TaskState)]
            case Field(kind=Kind.FLAG):
                return ["true", "false"]
            case Field(kind=Kind.MOMENT):
                return ["today", "yesterday"]
            case Field(Group.RUN, known) if known in ("algorithm", "author", "branch", "id", "preset", "ticket", "tag"):
                return [_quoted(value) for value in self._names(known)]
            case _:
                return []


def _named(text: str) -> Field | None:
    return field_at(tuple(text.split(".")))


def _spelled(value: str) -> str:
    """A config value's JSON as one writes it."""
    try:
        found = json.loads(value)
    except ValueError:
        return value
    return _quoted(found) if isinstance(found, str) else value


def _quoted(text: str) -> str:
    return f"'{text}'" if " " in text else text


# Reading source.


def _keyword(source: tuple[ast.Module, str] | None, name: str) -> ast.expr | None:
    """What the decorator of an algorithm's function is given under this name."""
    if source is None:
        return None
    module, function = source
    for node in module.body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call):
                    return next((each.value for each in decorator.keywords if each.arg == name), None)
    return None


def _fields(source: tuple[ast.Module, str] | None) -> Iterator[tuple[str, Sequence[str]]]:
    """The annotated names of an algorithm's config class, where the class stands in the same module."""
    config = _keyword(source, "config")
    if source is None or not isinstance(config, ast.Name):
        return
    for node in source[0].body:
        if isinstance(node, ast.ClassDef) and node.name == config.id:
            for line in node.body:
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name):
                    yield line.target.id, tuple(_choices(line.annotation))


def _choices(annotation: ast.expr) -> Iterator[str]:
    """What an annotation allows, where that are only a few values."""
    for node in ast.walk(annotation):
        if isinstance(node, ast.Name) and node.id == "bool":
            yield from ("true", "false")
        if isinstance(node, ast.Subscript) and _last(node.value) == "Literal":
            inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            yield from (str(each.value) for each in inner if isinstance(each, ast.Constant))


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
