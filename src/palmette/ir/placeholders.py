"""The placeholders that a backend replaces when a task starts: ``{{$.inputs.parameters['name']}}`` and its kin."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from palmette.errors import Problem
from palmette.ir.dialects import Dialect
from palmette.ir.embedded import loads
from palmette.ir.spec import ComponentSpec

_TOKEN: Final = re.compile(r"\{\{\$(.*?)\}\}", re.DOTALL)
_NAME: Final = r"\['([^']+)'\]|\[\"([^\"]+)\"\]"
_ESCAPE: Final = re.compile(r"\.?json_escape\[\d+\]")
#: placeholders with a name; each with what it refers to and whether only Palmette's engine and Vertex know it
_NAMED: Final = (
    (re.compile(rf"\.inputs\.parameters(?:{_NAME})"), "input parameter", False),
    (re.compile(rf"\.inputs\.artifacts(?:{_NAME})\.(?:uri|path)"), "input artifact", False),
    (re.compile(rf"\.inputs\.artifacts(?:{_NAME})\.(?:name|metadata(?:\[[^\]]*\])?)"), "input artifact", True),
    (re.compile(rf"\.outputs\.parameters(?:{_NAME})\.output_file"), "output parameter", False),
    (re.compile(rf"\.outputs\.artifacts(?:{_NAME})\.(?:uri|path)"), "output artifact", False),
    (re.compile(rf"\.outputs\.artifacts(?:{_NAME})\.(?:name|metadata(?:\[[^\]]*\])?)"), "output artifact", True),
)
_PLAIN: Final = {
    "": False,
    ".pipeline_job_name": False,
    ".pipeline_job_resource_name": False,
    ".pipeline_job_uuid": False,
    ".pipeline_job_create_time_utc": False,
    ".pipeline_job_schedule_time_utc": False,
    ".pipeline_task_name": False,
    ".pipeline_task_uuid": False,
    ".workspace_path": False,
    ".pipeline_root": True,
    ".outputs.output_file": True,
    ".outputMetadataUri": True,
    ".output_metadata_uri": True,
}


@dataclass(frozen=True, kw_only=True)
class Names:
    """What a placeholder may refer to, by what `_NAMED` calls it."""

    known: dict[str, Collection[str]]

    @classmethod
    def of(cls, component: ComponentSpec, given: Collection[str] = ()) -> Names:
        """The component's inputs and outputs, and what its tasks give it beyond them."""
        return cls(
            known={
                "input parameter": {*component.input_definitions.parameters, *given},
                "input artifact": component.input_definitions.artifacts,
                "output parameter": component.output_definitions.parameters,
                "output artifact": component.output_definitions.artifacts,
            }
        )


def wrong_placeholders(text: str, names: Names, where: str, dialect: Dialect) -> Iterator[Problem]:
    """What is wrong with the placeholders of an argument, a constant or a setting."""
    for match in _TOKEN.finditer(text):
        if problem := _judge(match[1], names, where, dialect):
            yield problem
    if "{{$" in _TOKEN.sub("", text):
        yield Problem(where=where, what="a placeholder is not closed: {{$ without }}")
    if text.startswith(('{"Concat"', '{"IfPresent"')):
        yield from _structure(text, names, where, dialect)


def _judge(inner: str, names: Names, where: str, dialect: Dialect) -> Problem | None:
    bare, escapes = _ESCAPE.subn("", inner)
    if bare in _PLAIN:
        kind, name, only_here = "", "", _PLAIN[bare]
    else:
        found = _reference(bare)
        if found is None:
            return Problem(
                where=where,
                what=f"{_shown(inner)} is no placeholder that KFP knows",
                hint="Known are, for one, {{$}}, {{$.inputs.parameters['a']}} and {{$.outputs.artifacts['a'].path}}.",
            )
        kind, name, only_here = found
    if kind and name not in names.known[kind]:
        return Problem(where=where, what=f"{_shown(inner)} names no {kind} of the component")
    if (only_here or escapes) and dialect is not Dialect.PALMETTE:
        return Problem(where=where, what=f"{_shown(inner)} is not replaced on a KFP cluster")
    return None


def _reference(bare: str) -> tuple[str, str, bool] | None:
    for rule, kind, only_here in _NAMED:
        if match := rule.fullmatch(bare):
            return kind, match[1] or match[2], only_here
    return None


def _shown(inner: str) -> str:
    return "{{$" + (inner if len(inner) <= 80 else inner[:80] + "…") + "}}"


def _structure(text: str, names: Names, where: str, dialect: Dialect) -> Iterator[Problem]:
    try:
        value = loads(text)
    except ValueError:
        yield Problem(where=where, what="the structured placeholder is not JSON")
        return
    yield from _structured(value, names, where, dialect)


def _structured(value: Any, names: Names, where: str, dialect: Dialect) -> Iterator[Problem]:
    match value:
        case {"Concat": [*parts]}:
            if dialect is not Dialect.PALMETTE:
                yield Problem(
                    where=where,
                    what="Concat placeholders are not replaced on a KFP cluster",
                    hint="Give the parts as separate arguments.",
                )
            for part in parts:
                yield from _structured(part, names, where, dialect)
        case {"IfPresent": {"InputName": str(name), **rest}}:
            if name in names.known["input artifact"] and dialect is not Dialect.PALMETTE:
                yield Problem(where=where, what=f"IfPresent for the artifact {name} does not work on a KFP cluster")
            elif name not in names.known["input parameter"] and name not in names.known["input artifact"]:
                yield Problem(where=where, what=f"IfPresent names {name}, which is no input of the component")
            for branch in ("Then", "Else"):
                yield from _structured(rest.get(branch, ""), names, where, dialect)
        case [*parts]:
            for part in parts:
                yield from _structured(part, names, where, dialect)
        case str():
            pass  # its placeholders were seen in the text
        case _:
            yield Problem(where=where, what="the structured placeholder is neither Concat nor IfPresent")
