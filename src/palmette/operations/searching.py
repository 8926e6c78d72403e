"""Search runs, and keep searches under a name."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Final

from palmette.domain import query as q
from palmette.domain.grammar import parse
from palmette.domain.query import Field, Group, Kind, Operator
from palmette.domain.values import Json
from palmette.errors import NotFound, QueryError, UsageError
from palmette.operations.details import Row
from palmette.operations.home import Home, interrupted
from palmette.store import answers, metrics, search, views
from palmette.store.views import View

_NAME: Final = re.compile(r"\w[\w.-]{0,62}")
#: how many are shown where nobody says how many
USUAL: Final = 20
#: how many are shown at the most
MOST: Final = 10_000


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which runs a list shows."""

    #: in the language of searches; "@NAME" begins one that was saved
    text: str = ""
    #: fields of a run → the value each must have, beside the query
    exact: Mapping[str, str] = field(default_factory=dict)
    #: "-metric.auc"; over the query's own
    sort: str = ""
    #: None: as the query says, else the usual number
    limit: int | None = None
    #: "config.C"; empty: those that the query names
    columns: tuple[str, ...] = ()
    #: with every metric of each run, not only the declared ones
    every_metric: bool = False

    @property
    def anything(self) -> bool:
        """Whether no run is left out."""
        return not self.text.strip() and not self.exact


@dataclass(frozen=True, kw_only=True)
class Listing:
    """The runs that were found, and what is known of the others."""

    rows: tuple[Row, ...]
    #: how many there are in all, and whether there are more than that
    total: int
    more: bool
    #: what to show of each run beside what is always shown, and each run's values
    columns: tuple[Field, ...] = ()
    cells: tuple[Mapping[Field, Json], ...] = ()
    #: why there may be nothing, one sentence each
    hints: tuple[str, ...] = ()


#: of a home that is not there yet
NOTHING: Final = Listing(rows=(), total=0, more=False)


def runs(home: Home, wanted: Wanted, *, now: float | None = None) -> Listing:
    """The runs that are wanted; `now` is what spans such as -7d are counted from."""
    query, columns = read(home, wanted, now=_moment(now))
    if query.limit is not None and not 0 < query.limit <= MOST:
        raise UsageError(f"a list has 1 to {MOST:,} runs, and not {query.limit}")
    found = search.find(home.store, home.project, replace(query, limit=None), limit=query.limit or USUAL)
    rows = tuple(
        Row(
            run=entry.run,
            metrics=metrics.last(home.store, entry.run.id) if wanted.every_metric else entry.metrics,
            tasks=sum(entry.tasks.values()),
            cached=entry.cached,
            interrupted=interrupted(entry.run),
        )
        for entry in found.runs
    )
    return Listing(
        rows=rows,
        total=found.total,
        more=found.more,
        columns=columns,
        cells=tuple(answers.values(home.store, [row.run for row in rows], columns)),
        hints=() if rows else tuple(_hints(home, query)),
    )


def read(home: Home, wanted: Wanted, *, now: float) -> tuple[q.Query, tuple[Field, ...]]:
    """The query that is meant, and the columns that it asks for. QueryError where it cannot be read."""
    known = _Known(home)
    query = _whole(home, wanted.text, now, known)
    fields = q.fields_of(query)
    parts = [query.where, *(_equal(name, value) for name, value in wanted.exact.items())]
    query = replace(query, where=q.And(tuple(parts)) if len(parts) > 1 else query.where)
    if wanted.sort:
        query = replace(query, sort=_parsed(home, f"sort {wanted.sort}", now, known).sort)
        fields = q.fields_of(query)
    columns = tuple(column(name, known) for name in wanted.columns)
    shown = columns or tuple(each for each in fields if each.group is not Group.RUN)
    return replace(query, limit=query.limit if wanted.limit is None else wanted.limit), shown


class _Known(Sequence[str]):
    """The names of config fields and metrics, asked for only when something is not understood."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._names: Sequence[str] | None = None

    def _found(self) -> Sequence[str]:
        if self._names is None:
            self._names = answers.names(self._home.store, self._home.project)
        return self._names

    def __len__(self) -> int:
        return len(self._found())

    def __getitem__(self, place: int) -> str:  # type: ignore[override]
        return self._found()[place]


def column(name: str, known: Sequence[str] = ()) -> Field:
    """The field with that name; UsageError if there is none."""
    found = q.field_at(tuple(name.split(".")))
    if found is not None:
        return found
    close = get_close_matches(name, [*q.RUN_FIELDS, *known], n=3)
    hint = (
        f"Did you mean {' or '.join(close)}?" if close else "Name fields as in a query: config.C, metric.auc, branch."
    )
    raise UsageError(f"there is no column {name!r}", hint)


def _whole(home: Home, text: str, now: float, known: Sequence[str]) -> q.Query:
    """The query; one that begins with @NAME adds to what was saved."""
    text = text.strip()
    if not text.startswith("@"):
        return _parsed(home, text, now, known)
    name, _, rest = text[1:].partition(" ")
    kept = _parsed(home, view(home, name).query, now, known)
    more = _parsed(home, re.sub(r"(?i)^\s*and\s", "", rest), now, known)
    return q.Query(where=q.And((kept.where, more.where)), sort=more.sort or kept.sort, limit=more.limit or kept.limit)


def _parsed(home: Home, text: str, now: float, known: Sequence[str]) -> q.Query:
    query = parse(text, now=now, known=known)
    # A single word that is an algorithm's name means that algorithm: `palmette runs tumour`.
    if isinstance(query.where, q.Words) and " " not in query.where.text:
        algorithm = q.Compare(q.Field(Group.RUN, "algorithm", Kind.TEXT), Operator.EQUAL, query.where.text)
        if search.find(home.store, home.project, q.Query(where=algorithm), limit=1).total:
            return replace(query, where=algorithm)
    return query


def _equal(name: str, value: str) -> q.Node:
    if q.RUN_FIELDS.get(name) not in (Kind.TEXT, Kind.PREFIX, Kind.STATE):
        raise UsageError(f"runs cannot be told apart by {name!r} so", "Write it into the query.")
    return q.Compare(q.Field(Group.RUN, name, q.RUN_FIELDS[name]), Operator.EQUAL, value)


def _hints(home: Home, query: q.Query) -> list[str]:
    """What is named that no run has."""
    found = []
    for each in q.fields_of(query):
        if answers.unknown(home.store, each):
            known = [name.partition(".") for name in answers.names(home.store, home.project)]
            close = get_close_matches(each.name, [name for group, _, name in known if group == each.group], n=2)
            meant = " or ".join(f"{each.group}.{name}" for name in close)
            found.append(f"No run has {each.group}.{each.name}." + (f" Did you mean {meant}?" if meant else ""))
    return found


# Views.


def _moment(now: float | None) -> float:
    if now is None:
        return time.time()
    # Beyond it the calendar ends.
    if not 0 <= now < 2.5e11:
        raise UsageError(f"{now} is no time in seconds since 1970")
    return now


def save(home: Home, name: str, wanted: Wanted, *, now: float | None = None) -> None:
    """Keep a query that can be read under a name, in place of the one that has it."""
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a view", "Use letters, digits and _ . -, at most 63 of them.")
    text = wanted.text.strip()
    if text.startswith("@"):
        raise UsageError("a view cannot be made of a view", "Write the query itself.")
    if not text:
        raise QueryError("there is no query to save", 'Write one: palmette runs "branch = main" --save NAME.')
    if wanted.exact or wanted.sort or wanted.limit:
        raise UsageError("only the query itself is saved", "Write state = failed, sort FIELD, limit 5 in the query.")
    _parsed(home, text, _moment(now), _Known(home))
    views.save(home.store, home.project, name, text)


def saved(home: Home) -> tuple[View, ...]:
    """The views, by name."""
    return views.saved(home.store, home.project)


def view(home: Home, name: str) -> View:
    """The view with that name; NotFound says which there are."""
    there = {each.name: each for each in saved(home)}
    if name in there:
        return there[name]
    close = get_close_matches(name, there, n=1)
    listed = f"There are: {', '.join(there)}." if there else "None is saved yet: palmette runs QUERY --save NAME."
    raise NotFound(f"there is no view {name!r}", f"Did you mean {close[0]}?" if close else listed)


def remove(home: Home, name: str) -> None:
    """Forget a view."""
    views.remove(home.store, home.project, view(home, name).name)
