"""Find runs: a query's conditions, its order, and how many there are.

PostgreSQL knows how its values are spread and plans by itself. SQLite is told: either all runs are walked, newest
first, until enough are found, or the rows of the rarest condition lead to their runs. Counting a range of an index
costs next to nothing, and a sample of the newest runs shows how many hold, so the cheaper way can be taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, Text, and_, func, literal_column, select, true, union

from palmette.domain import query as q
from palmette.domain.query import Group
from palmette.store import runs as stored
from palmette.store.conditions import COLUMNS, METRICS, SIZES, Condition, Rows, condition, known_as, opaque, task_name
from palmette.store.database import Store
from palmette.store.estimate import WALKED, Estimate
from palmette.store.runs import Listed
from palmette.store.schema import artifacts, runs, settings, summaries, tasks

#: the most that are counted
CAP: Final = 1_000

#: of the newest runs, how many show what is frequent
_SAMPLE: Final = 300
#: keeping so many in order is much cheaper than sorting all
_FIRST: Final = 1_000
#: in so few runs nothing needs planning
FEW: Final = 2_000
_NEWEST: Final = (runs.c.created.desc(), runs.c.id.desc())


@dataclass(frozen=True, kw_only=True)
class Found:
    """A page of what a query finds."""

    runs: tuple[Listed, ...]
    #: how many there are in all, at most `CAP`
    total: int
    #: there are more than that
    more: bool = False


def find(store: Store, project: str, query: q.Query, *, limit: int, offset: int = 0, few: int = FEW) -> Found:
    """Up to `limit` of the project's runs, in the query's order, after the first `offset`; its own limit holds for the
    total too. `few` is how many runs are searched without planning."""
    most = query.limit if query.limit is not None else offset + limit
    with store.read() as connection:
        search = _Search(connection, project, query, few)
        ids = search.newest(max(CAP + 1, 0 if query.sort else min(offset + limit, most)))
        total = len(ids) if query.limit is None else min(len(ids), query.limit)
        if query.sort:
            ids = search.sorted(ids, min(offset + limit, most))
        page = ids[offset : min(offset + limit, most)]
        return Found(runs=tuple(stored.listed(connection, page)), total=min(total, CAP), more=total > CAP)


def ids(store: Store, project: str, query: q.Query, *, few: int = FEW) -> tuple[str, ...]:
    """The ids of all runs that a query finds, newest first, whatever its order and limit."""
    with store.read() as connection:
        return tuple(_Search(connection, project, query, few).newest(None))


class _Search:
    """One search within a transaction."""

    def __init__(self, connection: Connection, project: str, query: q.Query, few: int) -> None:
        self._connection, self._few = connection, few
        self._query = query
        self._dialect = connection.dialect.name
        self._lite = self._dialect == "sqlite"
        self._condition = condition(query.where, self._dialect)
        self._within = and_(runs.c.project == project if project else true(), stored.LISTED)
        if not self._lite:
            # Its compiler takes longer than a search.
            connection.execute(select(func.set_config("jit", "off", True)))

    def newest(self, most: int | None) -> list[str]:
        """The ids of the newest runs that are meant, so many at most."""
        found = self._plan(most) if self._lite else self._walk(self._condition, ())
        found = found.order_by(*_NEWEST)
        return list(self._connection.execute(found if most is None else found.limit(most)).scalars())

    def sorted(self, newest: Sequence[str], most: int) -> list[str]:
        """The first ids in the query's order; `newest` are all that are meant, or more than can be sorted at hand."""
        sort = self._query.sort
        assert sort is not None
        few = newest if len(newest) <= CAP else None
        found: dict[str, None] = {}
        for keyed in self._orders(sort, few):
            # A run may have several rows, of which the first one counts.
            window, seen = most - len(found), -1
            while len(found) < most and seen != window:
                rows = self._connection.execute(keyed.limit(window)).scalars().all()
                found.update(dict.fromkeys(rows))
                seen, window = (window, window) if len(rows) < window else (-1, 4 * window)
            if len(found) >= most:
                break
        return list(found)[:most]

    def _orders(self, sort: q.Sort, few: Sequence[str] | None) -> Iterator[Select[Any]]:
        """Selections of ids, each in order, that one after the other are all runs that are meant."""
        keys = sort_keys(sort.field)
        for rows, value in keys:
            key = value.collate("C") if isinstance(value.type, Text) and not self._lite else value
            if rows is None:
                yield from self._by_column(sort, key, _there(value), few)
                continue
            own = (
                rows.table.c.run.in_(few)
                if few is not None
                else select(1)
                .select_from(runs)
                .where(runs.c.id == rows.table.c.run, self._within, self._probing)
                .exists()
            )
            yield _ordered(select(rows.table.c.run).where(rows.condition, own), key, rows.table.c.run, sort)
        without = [~rows.probe(self._dialect) if rows else ~_there(value) for rows, value in keys]
        meant = runs.c.id.in_(few) if few is not None else and_(self._within, self._probing)
        yield select(runs.c.id).where(meant, *without).order_by(*_NEWEST)

    def _by_column(
        self, sort: q.Sort, key: ColumnElement[Any], there: ColumnElement[bool], few: Sequence[str] | None
    ) -> Iterator[Select[Any]]:
        """By a column of the run's own."""
        if few is not None:
            yield _ordered(select(runs.c.id).where(runs.c.id.in_(few), there), key, runs.c.id, sort)
            return
        every = select(runs.c.id).where(self._within, there)
        if not self._lite:
            yield _ordered(every.where(self._probing), key, runs.c.id, sort)
            return
        # The first runs in order, then all, from one index; then only so many are looked at as are shown. A limit, even
        # none, keeps SQLite from turning it round.
        for first in (_FIRST, -1):
            inner = _ordered(every, key, runs.c.id, sort).limit(first).subquery()
            own = select(1).select_from(runs).where(runs.c.id == inner.c.id, self._probing)
            yield select(inner.c.id).where(own.exists())

    @property
    def _probing(self) -> ColumnElement[bool]:
        return self._condition.sql(lambda rows: rows.probe(self._dialect))

    def _walk(self, asked: Condition, gathered: Collection[Rows]) -> Select[Any]:
        def ask(rows: Rows) -> ColumnElement[bool]:
            # The plus keeps SQLite from going through these one by one: they only filter.
            return literal_column("+runs.id").in_(rows.keys) if rows in gathered else rows.probe(self._dialect)

        return select(runs.c.id).where(self._within, asked.sql(ask))

    # SQLite.

    def _plan(self, most: int | None) -> Select[Any]:
        """The cheapest way to the newest `most` runs."""
        leaves = list(dict.fromkeys(each for rows in self._condition.rows() for each in (rows, *rows.parts)))
        count = self._connection.execute(select(literal_column("max(rowid)")).select_from(runs)).scalar() or 0
        if not leaves or count <= self._few:
            return self._walk(self._condition, ())
        held, shares = self._sample(leaves)
        known = Estimate(count, {rows: self._size(rows, count, shares[rows]) for rows in leaves})
        always = [rows for rows in leaves if rows.table is settings and not rows.outside and not rows.scanned]
        # A config field is one row a run: as many as there can be runs, and every run has it.
        self._condition = self._condition.settled([rows for rows in always if known.sizes[rows] >= count])
        ordered = known.ordered(self._condition)
        reached = count if most is None else min(count, most * (_SAMPLE + 1) / (held + 0.5))
        asked, gathered = known.walk(ordered, reached)
        led = known.cover(ordered)
        if led is not None:
            size = sum(known.sizes[rows] for rows in led)
            if sum(map(known.gathering, led)) + size + known.walk(ordered, size)[0] < WALKED * reached + asked:
                keys = led[0].keys if len(led) == 1 else union(*(rows.keys for rows in led))
                # Those of a condition that has to hold anyway are not asked for it again.
                rest = ordered.without(led[0]) if len(led) == 1 else ordered
                probing = rest.sql(lambda rows: rows.probe(self._dialect))
                return select(runs.c.id).where(runs.c.id.in_(keys), opaque(self._within), probing)
        return self._walk(ordered, gathered)

    def _sample(self, leaves: Sequence[Rows]) -> tuple[int, dict[Rows, float]]:
        """Of the newest runs, how many are meant, and which share of them has each kind of rows."""
        asked = [func.total(rows.probe(self._dialect)) for rows in leaves if rows.scanned]
        newest = select(runs.c.id).where(self._within).order_by(*_NEWEST).limit(_SAMPLE)
        among = select(func.total(self._probing), *asked).where(runs.c.id.in_(newest))
        held, *each = self._connection.execute(among).one()
        scanned = [rows for rows in leaves if rows.scanned]
        shares = dict.fromkeys(leaves, 0.0)
        shares.update({rows: (found + 0.5) / _SAMPLE for rows, found in zip(scanned, each, strict=True)})
        return int(held), shares

    def _size(self, rows: Rows, count: int, share: float) -> float:
        """How many rows there are; of what has to be searched through, a guess."""
        if rows.scanned:
            return share * count
        ranges = [rows.named] if rows.outside else rows.ranges
        counted = [select(func.count()).select_from(rows.table).where(each) for each in ranges]
        return float(sum(self._connection.execute(each).scalar_one() for each in counted))


# The order.


def sort_keys(field: q.Field) -> list[tuple[Rows | None, ColumnElement[Any]]]:
    """What a field is sorted by: a column of the run's own, or of rows beside it; of a config field numbers come
    before texts."""
    match field.group:
        case Group.RUN:
            return [(None, COLUMNS[field.name][-1])]
        case Group.CONFIG:
            columns: list[Any] = [settings.c.number, settings.c.text]
            own = settings.c.name == field.name
        case Group.METRIC:
            columns, own = [METRICS[field.aspect]], summaries.c.name == field.name
        case Group.STEP:
            columns, own = [tasks.c.ended - tasks.c.started], known_as(field.name)
        case _:
            columns, own = [SIZES[field.aspect]], artifacts.c.task == task_name(field.name)
    table = columns[0].table if hasattr(columns[0], "table") else tasks
    return [(Rows(table, own, column.is_not(None)), column) for column in columns]


def _there(column: ColumnElement[Any]) -> ColumnElement[bool]:
    return column != "" if isinstance(column.type, Text) else column.is_not(None)


def _ordered(found: Select[Any], key: ColumnElement[Any], id: ColumnElement[str], sort: q.Sort) -> Select[Any]:
    return found.order_by(key.desc(), id.desc()) if sort.descending else found.order_by(key, id)
