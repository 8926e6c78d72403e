"""What a query asks, as SQL. A value is always a bound parameter, and pieces of text are found without patterns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, assert_never

from sqlalchemy import ColumnElement, Select, and_, case, exists, false, func, intersect, or_, select, true, union_all
from sqlalchemy.sql.selectable import FromClause

from palmette.domain import query as q
from palmette.domain.query import Group, Kind, Operator
from palmette.domain.states import TaskState
from palmette.store.columns import plain
from palmette.store.schema import LONGEST, SHORT, artifacts, runs, settings, summaries, tags, tasks, texts
from palmette.store.statements import begins
from palmette.store.texts import folded

#: fields of a run → its columns; a comparison holds if it does for one of them
COLUMNS: Final[dict[str, tuple[ColumnElement[Any], ...]]] = {
    "algorithm": (runs.c.algorithm,),
    "author": (runs.c.git_author,),
    "branch": (runs.c.git_branch,),
    "commit": (runs.c.git_commit,),
    "created": (runs.c.created,),
    "dirty": (runs.c.git_dirty,),
    "duration": (runs.c.ended - runs.c.started,),
    "ended": (runs.c.ended,),
    "id": (runs.c.id,),
    "message": (runs.c.git_message, runs.c.message),
    "name": (runs.c.name,),
    "note": (runs.c.note,),
    "origin": (runs.c.origin,),
    "preset": (runs.c.preset,),
    "started": (runs.c.started,),
    "state": (runs.c.state,),
    "sweep": (runs.c.sweep,),
    "ticket": (runs.c.ticket,),
    "trigger": (runs.c.trigger,),
}

#: those that stand in `texts` too, where a piece of them is found sooner
_SAID: Final = ("message", "name", "note")

METRICS: Final = {"last": summaries.c.last, "min": summaries.c.low, "max": summaries.c.high}
SIZES: Final = {"rows": artifacts.c.rows, "size": artifacts.c.size}


@dataclass(frozen=True)
class Rows:
    """Rows of a table beside `runs`, of which one or more has to be the run's."""

    table: FromClause
    #: which rows they are among those of a run: what its key asks
    named: ColumnElement[bool]
    #: what is in them
    held: ColumnElement[bool] = field(default_factory=true)
    #: all rows of the table (of one name, at best) are looked at to find them
    scanned: bool = False
    #: what is in them stands in no index: only the named ones are counted
    outside: bool = False
    #: a handful among many: what PostgreSQL had better begin with
    rare: bool = False
    #: a row of each of these, which one look at the run's rows can tell
    parts: tuple[Rows, ...] = ()
    #: what is in them, as one of these, each of which stands in an index with the name
    either: tuple[ColumnElement[bool], ...] = ()

    @property
    def condition(self) -> ColumnElement[bool]:
        """Both."""
        return and_(self.named, self.held)

    @property
    def ranges(self) -> tuple[ColumnElement[bool], ...]:
        """The same in parts: for each an index leads to its rows, and no other row is read."""
        return tuple(and_(self.named, each) for each in self.either or (self.held,))

    def probe(self, dialect: str) -> ColumnElement[bool]:
        """Whether the run at hand has such a row."""
        own = and_(self.table.c.run == runs.c.id, self.named)
        if self.parts:
            each = [func.max(case((part.held, 1), else_=0)) for part in self.parts]
            return func.coalesce(select(sum(each[1:], each[0])).where(own).scalar_subquery(), 0) == len(each)
        # SQLite knows no better than to take an index of values for it: one that it does not understand it leaves.
        held = opaque(self.held) if dialect == "sqlite" else self.held
        found = exists(select(1).select_from(self.table).where(own, held))
        # Of names and values together PostgreSQL knows too little to order joins. This way it asks run by run, the
        # newest first, and has all rows at hand in a hash where they fit.
        return found.is_(true()) if dialect == "postgresql" and not self.rare else found

    @property
    def keys(self) -> Select[Any]:
        """The runs that have."""
        if self.parts:
            return select(intersect(*(part.keys for part in self.parts)).subquery().c.run)
        each = [select(self.table.c.run).where(part) for part in self.ranges]
        return each[0] if len(each) == 1 else select(union_all(*each).subquery().c.run)


def opaque(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """The same condition, in a form for which SQLite takes no index."""
    return case((condition, 1), else_=0) == 1


#: a condition of a query: of the run's own row, or of rows beside it
Leaf = ColumnElement[bool] | Rows


@dataclass(frozen=True)
class Condition:
    """A query's conditions with the leaves in SQL: "and", "or", "not", or a leaf."""

    operator: str
    parts: tuple[Condition, ...] = ()
    leaf: Leaf | None = None

    def sql(self, of: Callable[[Rows], ColumnElement[bool]]) -> ColumnElement[bool]:
        """The whole condition; `of` says how rows beside the run are asked for."""
        inner = [part.sql(of) for part in self.parts]
        match self.operator:
            case "and":
                return and_(true(), *inner)
            case "or":
                return or_(false(), *inner)
            case "not":
                return ~inner[0]
            case _:
                assert self.leaf is not None
                return of(self.leaf) if isinstance(self.leaf, Rows) else self.leaf

    def without(self, rows: Rows) -> Condition:
        """What is left to ask of runs that have these rows; all of it, if they are not what has to hold anyway."""
        if self.leaf is rows:
            return Condition("and")
        parts = [part.without(rows) for part in self.parts] if self.operator == "and" else self.parts
        return replace(self, parts=tuple(parts))

    def settled(self, always: Collection[Rows]) -> Condition:
        """What is left to ask where every run has these rows."""
        if isinstance(self.leaf, Rows) and self.leaf in always:
            return Condition("and")
        return replace(self, parts=tuple(part.settled(always) for part in self.parts))

    def rows(self) -> Iterator[Rows]:
        """The leaves that are rows beside the run."""
        if isinstance(self.leaf, Rows):
            yield self.leaf
        for part in self.parts:
            yield from part.rows()


def condition(node: q.Node, dialect: str) -> Condition:
    """The condition that a query states."""
    match node:
        case q.And(parts):
            return Condition("and", _joined([condition(part, dialect) for part in parts], dialect))
        case q.Or(parts):
            return Condition("or", tuple(condition(part, dialect) for part in parts))
        case q.Not(part):
            return Condition("not", (condition(part, dialect),))
        case q.Words(text):
            return _leaf(_said(text, dialect))
        case q.Defined(field) if field.group is Group.CONFIG:
            return Condition("or", tuple(map(_leaf, _valued(field.name, dialect))))
        case q.Defined(field):
            return _leaf(_defined(field))
        case q.Compare(field, operator, value):
            return _compared(field, operator, value, dialect)
        case _:
            assert_never(node)


def _leaf(leaf: Leaf) -> Condition:
    return Condition("leaf", leaf=leaf)


def _joined(parts: Sequence[Condition], dialect: str) -> tuple[Condition, ...]:
    """Parts that all have to hold; those that ask the same rows of a run are one."""
    found: list[Condition] = []
    for part in parts:
        for place, other in enumerate(found):
            both = _both(other.leaf, part.leaf, dialect)
            if both is not None:
                found[place] = _leaf(both)
                break
        else:
            found.append(part)
    return tuple(found)


def _both(one: Leaf | None, other: Leaf | None, dialect: str) -> Rows | None:
    if not (isinstance(one, Rows) and isinstance(other, Rows)):
        return None
    if one.table is not other.table or not one.named.compare(other.named):
        return None
    if one.table in (settings, texts):
        # A run has one row of them.
        return replace(one, held=and_(one.held, other.held), scanned=one.scanned or other.scanned, either=())
    if one.table is summaries and dialect == "sqlite":
        # A metric has a row of each task that logged it: one may answer this, and another that.
        return Rows(summaries, one.named, scanned=True, parts=(*(one.parts or [one]), *(other.parts or [other])))
    return None


def _said(text: str, dialect: str) -> Rows:
    return Rows(texts, true(), _contains(texts.c.text, folded(plain(text)), dialect), scanned=True)


def _compared(field: q.Field, operator: Operator, value: q.Value, dialect: str) -> Condition:
    if field.group is not Group.RUN:
        return _leaf(_rows(field, operator, value, dialect))
    if field.name == "tag":
        return _leaf(_tagged(operator, value, dialect))
    parts = [_leaf(_holds(column, field.kind, operator, value, dialect)) for column in COLUMNS[field.name]]
    found = parts[0] if len(parts) == 1 else Condition("or", tuple(parts))
    if field.name in _SAID and isinstance(value, str) and value:
        return Condition("and", (_leaf(_said(value, dialect)), found))
    return found


def _tagged(operator: Operator, value: q.Value, dialect: str) -> Rows:
    holds = _holds(tags.c.tag, Kind.TEXT, operator, value, dialect)
    return Rows(tags, holds, rare=True) if operator is Operator.EQUAL else Rows(tags, true(), holds)


def _rows(field: q.Field, operator: Operator, value: q.Value, dialect: str) -> Rows:
    """Which rows of a config field, a metric, a step or a step's data."""
    match field.group:
        case Group.CONFIG:
            assert isinstance(value, q.Scalar)
            held = _setting(operator, value, dialect)
            either = tuple(held) if len(held) > 1 and dialect == "sqlite" else ()
            scanned = operator is Operator.CONTAINS
            return Rows(settings, settings.c.name == field.name, or_(*held), scanned=scanned, either=either)
        case Group.METRIC:
            holds = _holds(METRICS[field.aspect], field.kind, operator, value, dialect)
            return Rows(summaries, summaries.c.name == field.name, holds, scanned=field.aspect != "last")
        case Group.STEP:
            return _tasks(field.name, _task(field, operator, value, dialect))
        case _:
            return _data(field, operator, value, dialect)


def _setting(operator: Operator, value: q.Scalar, dialect: str) -> Sequence[ColumnElement[bool]]:
    """What a config value has to be: one of these."""
    if operator is Operator.CONTAINS:
        return [and_(settings.c.text.is_not(None), _holds(settings.c.text, Kind.TEXT, operator, value.text, dialect))]
    text = plain(value.text)
    # A short text is in the index of short ones alone.
    indexed = SHORT if dialect == "postgresql" and len(text) <= LONGEST else settings.c.text.is_not(None)
    as_text = and_(indexed, settings.c.text == text)
    if value.number is None:
        return [as_text]
    as_number = _holds(settings.c.number, Kind.NUMBER, operator, value.number, dialect)
    # An unquoted number may be text too, "12" for a version.
    return [as_number, as_text] if operator is Operator.EQUAL else [as_number]


def known_as(name: str) -> ColumnElement[bool]:
    """Whether a task is known as that step: by the step's name; one of several in a loop by its own."""
    named, held = _step(name)
    return and_(named, held)


def _step(name: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The same in two parts: the one that an index answers first."""
    if "." in name:
        return tasks.c.name == name, true()
    names = list(dict.fromkeys([name, task_name(name)]))
    return tasks.c.component.in_([*names, ""]), or_(tasks.c.component != "", tasks.c.name.in_(names))


def task_name(step: str) -> str:
    """A step's name as Kubeflow spells it, and so its task's."""
    return step.replace("_", "-")


def _tasks(name: str, held: ColumnElement[bool]) -> Rows:
    named, rest = _step(name)
    return Rows(tasks, named, and_(rest, held), scanned="." not in name)


def _task(field: q.Field, operator: Operator, value: q.Value, dialect: str) -> ColumnElement[bool]:
    match field.aspect:
        case "state":
            return tasks.c.state == value
        case "cached":
            cached = tasks.c.state == TaskState.CACHED.value
            return cached if value else and_(~cached, tasks.c.ended.is_not(None))
        case _:
            return _holds(tasks.c.ended - tasks.c.started, field.kind, operator, value, dialect)


def _data(field: q.Field, operator: Operator, value: q.Value, dialect: str) -> Rows:
    if field.aspect in SIZES:
        return _artifacts(field.name, _holds(SIZES[field.aspect], field.kind, operator, value, dialect))
    given = plain(str(value))
    prefix = given if ":" in given else f"sha256:{given}"
    return _artifacts(field.name, begins(artifacts.c.digest, prefix, dialect))


def _artifacts(step: str, held: ColumnElement[bool]) -> Rows:
    # Not by name, or SQLite takes the index that begins with it, and goes through all runs.
    return Rows(artifacts, true(), and_(artifacts.c.task == task_name(step), held))


def _defined(field: q.Field) -> Leaf:
    match field.group:
        case Group.METRIC:
            held = true() if field.aspect == "last" else METRICS[field.aspect].is_not(None)
            return Rows(summaries, summaries.c.name == field.name, held)
        case Group.STEP:
            over = tasks.c.ended.is_not(None)
            timed = and_(over, tasks.c.started.is_not(None))
            return _tasks(field.name, {"state": true(), "cached": over}.get(field.aspect, timed))
        case Group.DATA:
            held = artifacts.c.rows.is_not(None) if field.aspect == "rows" else true()
            return _artifacts(field.name, held)
        case _ if field.name == "tag":
            return Rows(tags, true())
        case _:
            return or_(*(_there(column, field.kind) for column in COLUMNS[field.name]))


def _valued(name: str, dialect: str) -> list[Rows]:
    """A number, a text, or what is neither but not null either: each in an index of its own."""
    named, number, text = settings.c.name == name, settings.c.number, settings.c.text
    if dialect == "postgresql":
        short, other = SHORT, and_(number.is_(None), SHORT.is_not(true()))
    else:
        # Three indexes begin with the name, and without statistics SQLite took any of them: the one that was made last.
        # In one alone the run comes next.
        short, other = text.is_not(None), and_(func.coalesce(number, text).is_(None), settings.c.run > "")
    return [
        Rows(settings, named, number.is_not(None)),
        Rows(settings, named, short),
        Rows(settings, and_(named, other), settings.c.value != "null", outside=True),
    ]


def _there(column: ColumnElement[Any], kind: Kind) -> ColumnElement[bool]:
    return column != "" if kind in (Kind.TEXT, Kind.PREFIX, Kind.STATE) else column.is_not(None)


# One value against another.


def _holds(
    column: ColumnElement[Any], kind: Kind, operator: Operator, value: q.Value, dialect: str
) -> ColumnElement[bool]:
    """The comparison, which is false, never NULL, where there is no value: so that "not" is its opposite."""
    found = _plainly(column, kind, operator, value, dialect)
    return found if kind not in (Kind.NUMBER, Kind.DURATION, Kind.MOMENT) else and_(column.is_not(None), found)


def _plainly(
    column: ColumnElement[Any], kind: Kind, operator: Operator, value: q.Value, dialect: str
) -> ColumnElement[bool]:
    if isinstance(value, q.Span):
        return _in_time(column, operator, value)
    if operator is Operator.CONTAINS:
        lower = func.lower(column.collate("C")) if dialect == "postgresql" else func.lower(column)
        return _contains(lower, _lower(plain(str(value))), dialect)
    if kind is Kind.PREFIX:
        return begins(column, plain(str(value)), dialect)
    if kind is Kind.FLAG:
        return column.is_(bool(value))
    return _ordered(column, operator, plain(value) if isinstance(value, str) else value)


def _ordered(column: ColumnElement[Any], operator: Operator, value: object) -> ColumnElement[bool]:
    match operator:
        case Operator.EQUAL | Operator.CONTAINS:
            return column == value
        case Operator.LESS:
            return column < value
        case Operator.AT_MOST:
            return column <= value
        case Operator.MORE:
            return column > value
        case Operator.AT_LEAST:
            return column >= value
        case _:
            assert_never(operator)


def _in_time(column: ColumnElement[Any], operator: Operator, span: q.Span) -> ColumnElement[bool]:
    """A day is later than another when it begins after the other's end."""
    if span.begin == span.end:
        return _ordered(column, operator, span.begin)
    match operator:
        case Operator.EQUAL | Operator.CONTAINS:
            return and_(column >= span.begin, column < span.end)
        case Operator.LESS:
            return column < span.begin
        case Operator.AT_MOST:
            return column < span.end
        case Operator.MORE:
            return column >= span.end
        case Operator.AT_LEAST:
            return column >= span.begin
        case _:
            assert_never(operator)


def _contains(column: ColumnElement[Any], piece: str, dialect: str) -> ColumnElement[bool]:
    find = func.strpos if dialect == "postgresql" else func.instr
    return find(column, piece) > 0


def _lower(text: str) -> str:
    """Without the case of A to Z: what both databases do alike."""
    return "".join(chr(ord(mark) + 32) if "A" <= mark <= "Z" else mark for mark in text)
