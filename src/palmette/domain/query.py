"""What can be asked of runs: fields, conditions, an order. `grammar` reads it from text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias


class Kind(StrEnum):
    """What the values of a field are, and so which comparisons make sense."""

    TEXT = "text"
    #: text that the beginning of is enough: an id, a commit, a digest
    PREFIX = "the beginning of an id"
    STATE = "a state"
    NUMBER = "a number"
    MOMENT = "a time"
    DURATION = "a duration"
    FLAG = "true or false"
    #: a config value: a number, a text or a flag
    ANY = "a value"


class Group(StrEnum):
    """Whose a field is."""

    RUN = "run"
    CONFIG = "config"
    METRIC = "metric"
    STEP = "step"
    DATA = "data"


class Operator(StrEnum):
    """How a field is compared; `!=` and `in` are made of these."""

    EQUAL = "="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="
    CONTAINS = "contains"


@dataclass(frozen=True)
class Field:
    """Something that can be compared, or sorted by."""

    group: Group
    #: the run's own field, the config field, the metric, the step
    name: str
    kind: Kind
    #: of a metric "last", "min", "max"; of a step "state", "duration", "cached"; of data "digest", "rows", "size"
    aspect: str = ""

    def __str__(self) -> str:
        if self.group is Group.RUN:
            return self.name
        return ".".join(filter(None, [self.group.value, self.name, self.aspect if self.aspect not in IMPLIED else ""]))


@dataclass(frozen=True)
class Span:
    """A time that was given, as long as it was given precisely: a day has an end."""

    begin: float
    end: float


@dataclass(frozen=True)
class Scalar:
    """A config value: as it was written, and as a number where it is one and stands without quotes."""

    text: str
    number: float | None = None


Value: TypeAlias = str | float | bool | Span | Scalar


@dataclass(frozen=True)
class Compare:
    """The field has a value for which the comparison holds; of several values one is enough."""

    field: Field
    operator: Operator
    value: Value


@dataclass(frozen=True)
class Defined:
    """The field has a value."""

    field: Field


@dataclass(frozen=True)
class Words:
    """The text, in any case, is part of what is said of the run."""

    text: str


@dataclass(frozen=True)
class Not:
    """The part does not hold."""

    part: Node


@dataclass(frozen=True)
class And:
    """All parts hold; with no parts, always."""

    parts: tuple[Node, ...] = ()


@dataclass(frozen=True)
class Or:
    """At least one part holds."""

    parts: tuple[Node, ...]


Node: TypeAlias = Compare | Defined | Words | Not | And | Or


@dataclass(frozen=True)
class Sort:
    """By this field; runs without a value come last, equal ones newest first."""

    field: Field
    descending: bool = False


@dataclass(frozen=True, kw_only=True)
class Query:
    """Which runs, in which order, and how many of them."""

    where: Node = And()
    #: None: newest first
    sort: Sort | None = None
    limit: int | None = None


#: the fields of a run itself
RUN_FIELDS: Final = {
    "algorithm": Kind.TEXT,
    "author": Kind.TEXT,
    "branch": Kind.TEXT,
    "commit": Kind.PREFIX,
    "created": Kind.MOMENT,
    "dirty": Kind.FLAG,
    "duration": Kind.DURATION,
    "ended": Kind.MOMENT,
    "id": Kind.PREFIX,
    "message": Kind.TEXT,
    "name": Kind.TEXT,
    "note": Kind.TEXT,
    "origin": Kind.TEXT,
    "preset": Kind.TEXT,
    "started": Kind.MOMENT,
    "state": Kind.STATE,
    "sweep": Kind.TEXT,
    "tag": Kind.TEXT,
    "ticket": Kind.TEXT,
    "trigger": Kind.TEXT,
}

#: group → its aspects, and what each is
ASPECTS: Final = {
    Group.METRIC: {"last": Kind.NUMBER, "min": Kind.NUMBER, "max": Kind.NUMBER},
    Group.STEP: {"state": Kind.STATE, "duration": Kind.DURATION, "cached": Kind.FLAG},
    Group.DATA: {"digest": Kind.PREFIX, "rows": Kind.NUMBER, "size": Kind.NUMBER},
}

#: the aspects that need not be written
IMPLIED: Final = ("last", "digest")

#: what makes sense for values of each kind
OPERATORS: Final = {
    Kind.TEXT: (Operator.EQUAL, Operator.CONTAINS),
    Kind.PREFIX: (Operator.EQUAL,),
    Kind.STATE: (Operator.EQUAL,),
    Kind.FLAG: (Operator.EQUAL,),
    Kind.ANY: tuple(Operator),
    **dict.fromkeys(
        (Kind.NUMBER, Kind.MOMENT, Kind.DURATION),
        (Operator.EQUAL, Operator.LESS, Operator.AT_MOST, Operator.MORE, Operator.AT_LEAST),
    ),
}

#: words that mean something by themselves; quoted, they are words
KEYWORDS: Final = ("and", "or", "not", "contains", "is", "in", "sort", "limit")


def field_at(path: tuple[str, ...]) -> Field | None:
    """The field with this dotted name; None if there is none. Config fields, metrics and steps may have any name."""
    if len(path) == 1:
        kind = RUN_FIELDS.get(path[0])
        return None if kind is None else Field(Group.RUN, path[0], kind)
    if path[0] == Group.CONFIG and all(path):
        return Field(Group.CONFIG, ".".join(path[1:]), Kind.ANY)
    if path[0] not in (Group.METRIC, Group.STEP, Group.DATA) or not all(path):
        return None
    group = Group(path[0])
    aspects = ASPECTS[group]
    *name, last = path[1:]
    if name and last in aspects:
        return Field(group, ".".join(name), aspects[last], last)
    implied = next((aspect for aspect in aspects if aspect in IMPLIED), "")
    return Field(group, ".".join(path[1:]), aspects[implied], implied) if implied else None


def sortable(field: Field) -> bool:
    """Whether runs can stand in its order: not by what is no more than yes or no, or has several values."""
    if field.group is Group.RUN:
        return field.name != "tag"
    return field.kind in (Kind.ANY, Kind.NUMBER, Kind.DURATION)


def fields_of(query: Query) -> tuple[Field, ...]:
    """The fields that a query names, in its order, each once: what its reader wants to see."""
    found: list[Field] = []

    def gather(node: Node) -> None:
        match node:
            case Compare(field) | Defined(field):
                found.append(field)
            case Not(part):
                gather(part)
            case And(parts) | Or(parts):
                for each in parts:
                    gather(each)
            case Words():
                pass

    gather(query.where)
    return tuple(dict.fromkeys([*found, *([query.sort.field] if query.sort else [])]))
