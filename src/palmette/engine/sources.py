"""Where the inputs of a task come from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from palmette.domain.artifact import Artifact
from palmette.domain.values import Json
from palmette.engine.placeholders import WORKSPACE, mentioned


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """A value that is known once the task is planned: a constant, a parameter of the pipeline, an item of a loop."""

    value: Json
    #: another task decided it: it is an item of a list that one made
    made: bool = False


@dataclass(frozen=True, kw_only=True)
class Template:
    """A constant of the document with placeholders in it. In data they mean nothing; here they stand for values."""

    #: a text, or a list or struct that holds some
    value: Json
    #: the task it was written for
    task: str
    #: what the placeholders of input parameters stand for
    fillings: Mapping[str, Source] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Produced:
    """An output of another task or group. Of a loop: the list of what its iterations made, in their order."""

    task: str
    output: str
    #: of a parameter: what stands in where the producer made none
    default: Json = None


@dataclass(frozen=True, kw_only=True)
class Part:
    """A part of a value, chosen by an expression over ``string_value``."""

    of: Source
    selector: str
    #: what stands in where there is no such value
    default: Json = None


@dataclass(frozen=True, kw_only=True)
class Ending:
    """The final status of a task or group, as KFP words it."""

    task: str


@dataclass(frozen=True, kw_only=True)
class Held:
    """An artifact that is known once the task is planned: an item of a loop."""

    artifact: Artifact


Source: TypeAlias = Fixed | Template | Produced | Part | Ending
Artifacts: TypeAlias = Produced | Held


def outside(source: Source) -> bool:
    """Whether nothing that another task of the run did goes into it."""
    match source:
        case Fixed(made=made):
            return not made
        case Part(of=of):
            return outside(of)
        case Template(fillings=fillings):
            return all(outside(each) for each in fillings.values())
        case _:
            return False


def names_workspace(source: Source) -> bool:
    """Whether the path of the run's shared directory goes into it."""
    match source:
        case Template(value=value, fillings=fillings):
            words = (match["word"] for match in mentioned(value))
            return WORKSPACE in words or any(names_workspace(each) for each in fillings.values())
        case Part(of=of):
            return names_workspace(of)
        case _:
            return False


def with_default(source: Source | None, default: Json) -> Source:
    """The source, falling back to a default where it yields nothing."""
    match source:
        case None:
            return Fixed(value=default)
        case Fixed(value=None):
            return Fixed(value=default, made=source.made)
        case Produced(task=task, output=output, default=None):
            return Produced(task=task, output=output, default=default)
        case Part(of=of, selector=selector, default=None):
            return Part(of=of, selector=selector, default=default)
        case _:
            return source


def origin(source: Source | Artifacts | None) -> Produced | None:
    """The output of another task that it comes from, if there is one."""
    match source:
        case Produced():
            return source
        case Part(of=of):
            return origin(of)
        case _:
            return None
