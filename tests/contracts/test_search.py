"""A search in SQL finds what reading every run one by one finds, on both databases."""

from __future__ import annotations

import math
import operator
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palmette.domain import query as q
from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.grammar import parse
from palmette.domain.metric import MetricPoint
from palmette.domain.query import Group, Kind, Operator
from palmette.domain.run import Change, Git, PointsLogged, Process, Run, RunChanged, Setting, TaskChanged, TaskRecord
from palmette.domain.states import RunState, TaskState
from palmette.store import database, leases, metrics, runs, search, tasks
from palmette.store.database import Store
from palmette.store.ledger import RunLedger
from palmette.store.schema import runs as run_table

# The strategies below are long when written out.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

NOW = 1_800_000_000.0
WORDS = ["Margin", "memory", "50%", "a_b", "naïve", "ÉTÉ", "IA-1", "x'y", '"', "\\"]
NUMBERS = [-1.0, 0.0, 0.001, 0.5, 0.9, 1.0, 5.0, 1e300]
NAMES = ["lr", "penalty", "deep.flag"]
METRICS = ["auc", "val.loss", "odd name"]
STEPS = ["fetch_data", "fit", "loop-1.0.fit"]


@dataclass(frozen=True)
class Known:
    """A run with all that a search may ask of it."""

    run: Run
    tasks: tuple[TaskRecord, ...]
    metrics: tuple[metrics.Summary, ...]


@dataclass(frozen=True, repr=False)
class Crowd:
    """A store, and what is in it."""

    store: Store
    every: list[Known]


def made(chance: random.Random, number: int) -> Run:
    def said(count: int) -> str:
        return " ".join(chance.choices(WORDS, k=count))

    values = {
        "lr": chance.choice([*NUMBERS, None, True, "1.0", 5]),
        "penalty": chance.choice(["l1", "L2", "l_1", "", [1, 2], None]),
        "deep.flag": chance.random() < 0.5,
    }
    return Run(
        id=f"{chance.choice('ab')}{number:011}",
        project="clinic",
        algorithm=chance.choice(["tumour", "digits"]),
        preset=chance.choice(["full", "toy"]),
        name=said(chance.randint(0, 2)),
        note=said(chance.randint(0, 3)),
        settings=tuple(Setting(name=name, value=values[name]) for name in NAMES if chance.random() < 0.7),
        git=Git(
            branch=chance.choice(["main", "feature/IA-1_x", ""]),
            commit=chance.choice(["ab" * 20, "cd" * 20, ""]),
            author=chance.choice(["Ada", "ada", ""]),
            message=said(chance.randint(0, 3)),
            dirty=chance.random() < 0.5,
        ),
        ticket=chance.choice(["IA-1", "IA-17", ""]),
        trigger=chance.choice(["cli", "ci"]),
        sweep=chance.choice(["", "s1"]),
        created=NOW - chance.choice([0, 60, 86_400, 7 * 86_400, 7 * 86_400 + 0.5]) - number % 3,
        tags=tuple(tag for tag in ("champion", "b%") if chance.random() < 0.3),
    )


def lived(chance: random.Random, run: Run) -> Iterator[Change]:
    yield RunChanged(state=RunState.RUNNING, time=run.created + 1)
    for task in ("fetch-data", "fit", "loop-1.0.fit"):
        state = chance.choice([TaskState.PENDING, TaskState.SUCCEEDED, TaskState.FAILED, TaskState.CACHED])
        if state is TaskState.PENDING:
            continue
        rows = chance.choice([{}, {"rows": 10}, {"rows": 200}])
        table = Artifact(
            type="system.Dataset", digest=f"sha256:{chance.choice('ab') * 64}", size=5, filename="x", metadata=rows
        )
        outputs = Outputs(artifacts={"output": table}) if state.good else None
        if state is not TaskState.CACHED:
            yield TaskChanged(task=task, state=TaskState.RUNNING, time=run.created + 1)
        yield TaskChanged(
            task=task, state=state, time=run.created + chance.choice([2.0, 61.0, 3_601.0]), outputs=outputs
        )
        for name in METRICS:
            if chance.random() < 0.4:
                values = chance.choices([*NUMBERS, math.nan], k=chance.randint(1, 3))
                points = tuple(MetricPoint(name=name, value=value, step=None, time=1.0) for value in values)
                yield PointsLogged(task=task, serial=1, points=points, position=1 + METRICS.index(name))
    if chance.random() < 0.8:
        state = chance.choice([RunState.SUCCEEDED, RunState.FAILED])
        message = chance.choice(WORDS) if state is RunState.FAILED else ""
        yield RunChanged(state=state, time=run.created + chance.choice([1.0, 61.0, 3_601.0]), message=message)


def filled(store: Store) -> list[Known]:
    """Thirty runs, and one of another project that no search may find."""
    chance = random.Random(5)
    for number in range(30):
        run = made(chance, number)
        planned = (TaskRecord(name="fetch-data", component="fetch_data"), TaskRecord(name="fit", component="fit"))
        runs.create(store, run, (*planned, TaskRecord(name="loop-1.0.fit", component="fit")))
        lease = leases.take(store, run.id, "h", Process(pid=1, start=1, boot="b"), alive=bool)
        ledger = RunLedger(store, lease, lambda _: True)
        for change in lived(chance, run):
            ledger.record([change])
        leases.release(store, lease)
    runs.create(store, replace(made(chance, 30), project="other"))
    found = [row.run.id for row in runs.page(store, runs.Filter(project="clinic"), limit=100)]
    return [
        Known(run=runs.get(store, id), tasks=tasks.of_run(store, id), metrics=metrics.of_run(store, id)) for id in found
    ]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def crowd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crowd]:
    if request.param == "sqlite":
        where = str(tmp_path_factory.mktemp("crowd"))
    else:
        where = request.getfixturevalue("cluster").create("crowd")
    store = database.open(where)
    yield Crowd(store, filled(store))
    store.close()


# Reading every run.


SIGNS: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.EQUAL: operator.eq,
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.MORE: operator.gt,
    Operator.AT_LEAST: operator.ge,
}


def lower(text: str) -> str:
    return "".join(mark.lower() if mark.isascii() else mark for mark in text)


def holds(node: q.Node, known: Known) -> bool:
    match node:
        case q.And(parts):
            return all(holds(part, known) for part in parts)
        case q.Or(parts):
            return any(holds(part, known) for part in parts)
        case q.Not(part):
            return not holds(part, known)
        case q.Words(text):
            run = known.run
            said = (run.name, run.note, run.git.message, run.message, run.ticket)
            return text.casefold() in "\n".join(filter(None, said)).casefold()
        case q.Defined(field):
            return defined(field, known)
        case q.Compare(field, sign, value):
            return any(compared(field.kind, each, sign, value) for each in values(field, known))


def defined(field: q.Field, known: Known) -> bool:
    if field.group is Group.CONFIG:
        return known.run.config.get(field.name) is not None
    if field.group is Group.METRIC and field.aspect == "last":
        return any(each.name == field.name for each in known.metrics)
    return any(each not in ("", None) for each in values(field, known))


def named(name: str, task: TaskRecord) -> bool:
    return task.name == name if "." in name else task.component == name


def values(field: q.Field, known: Known) -> list[Any]:
    run = known.run
    match field.group:
        case Group.CONFIG:
            return [run.config.get(field.name)]
        case Group.METRIC:
            attribute = {"last": "last", "min": "low", "max": "high"}[field.aspect]
            return [getattr(each, attribute) for each in known.metrics if each.name == field.name]
        case Group.STEP:
            return [of_task(task, field.aspect) for task in known.tasks if named(field.name, task)]
        case Group.DATA:
            made = [each for task in known.tasks for each in task.outputs.artifacts.values() if shown(field.name, task)]
            if field.aspect == "rows":
                return [each.metadata.get("rows") for each in made]
            return [each.size if field.aspect == "size" else each.digest.removeprefix("sha256:") for each in made]
        case _:
            return of_run(field.name, run)


def shown(name: str, task: TaskRecord) -> bool:
    return task.name == name.replace("_", "-")


def of_task(task: TaskRecord, aspect: str) -> Any:
    if aspect == "state":
        return task.state.value
    if aspect == "cached":
        return task.state is TaskState.CACHED if task.ended is not None else None
    return None if task.ended is None or task.started is None else task.ended - task.started


def of_run(name: str, run: Run) -> list[Any]:
    git = run.git
    duration = None if run.started is None or run.ended is None else run.ended - run.started
    found = {
        "branch": git.branch,
        "commit": git.commit,
        "author": git.author,
        "dirty": git.dirty,
        "state": run.state.value,
        "duration": duration,
    }
    if name == "tag":
        return list(run.tags)
    if name == "message":
        return [git.message, run.message]
    return [found[name] if name in found else getattr(run, name)]


def compared(kind: Kind, known: Any, sign: Operator, value: Any) -> bool:
    if known is None or (isinstance(known, float) and math.isnan(known)):
        return False
    match value:
        case q.Scalar(text, number):
            if sign is Operator.CONTAINS:
                return isinstance(known, str) and lower(text) in lower(known)
            as_number = number is not None and isinstance(known, int | float) and SIGNS[sign](known, number)
            return as_number or (sign is Operator.EQUAL and isinstance(known, str) and known == text)
        case q.Span(begin, end):
            match sign:
                case Operator.EQUAL:
                    return known == begin if begin == end else begin <= known < end
                case Operator.LESS | Operator.AT_LEAST:
                    return SIGNS[sign](known, begin)
                case Operator.AT_MOST:
                    return known <= end if begin == end else known < end
                case _:
                    return known > end if begin == end else known >= end
        case _:
            if sign is Operator.CONTAINS:
                return lower(value) in lower(known)
            return known.startswith(value) if kind is Kind.PREFIX else SIGNS[sign](known, value)


# Any query.


def field_names() -> st.SearchStrategy[q.Field]:
    names = [
        *q.RUN_FIELDS,
        *(f"config.{name}" for name in [*NAMES, "gone"]),
        *(f"metric.{name}{aspect}" for name in METRICS for aspect in ("", ".min", ".max")),
        *(f"step.{name}.{aspect}" for name in STEPS for aspect in ("state", "duration", "cached")),
        *(f"data.{name}{aspect}" for name in STEPS[:2] for aspect in ("", ".rows", ".size")),
    ]
    found = [q.field_at(tuple(name.split("."))) for name in names]
    return st.sampled_from([field for field in found if field is not None])


def value_of(field: q.Field, sign: Operator) -> st.SearchStrategy[Any]:
    texts = st.sampled_from(
        ["main", "ada", "Ada", "IA-1", "tumour", "toy", "ci", "champion", "b%", "%", "_", "l1", "", *WORDS]
    )
    spans = [q.Span(NOW - 7 * 86_400, NOW - 7 * 86_400), q.Span(NOW - 86_400, NOW), q.Span(NOW, NOW)]
    scalars = [q.Scalar(str(number), number) for number in NUMBERS] + [q.Scalar("5"), q.Scalar("true", 1.0)]
    ordered = sign in (Operator.LESS, Operator.AT_MOST, Operator.MORE, Operator.AT_LEAST)
    match field.kind:
        case Kind.TEXT:
            return texts
        case Kind.PREFIX:
            return st.sampled_from(["a", "ab", "abab", "c", "b000", "zz", "a" * 64])
        case Kind.STATE:
            return st.sampled_from([state.value for state in (RunState if field.group is Group.RUN else TaskState)])
        case Kind.FLAG:
            return st.booleans()
        case Kind.MOMENT:
            return st.sampled_from(spans)
        case Kind.ANY:
            return st.sampled_from(scalars) if ordered else st.one_of(st.sampled_from(scalars), texts.map(q.Scalar))
        case _:
            return st.sampled_from([*NUMBERS, 60.0, 5.0, 10.0, 199.0])


@st.composite
def comparisons(draw: st.DrawFn) -> q.Node:
    field = draw(field_names())
    sign = draw(st.sampled_from(q.OPERATORS[field.kind]))
    return q.Compare(field, sign, draw(value_of(field, sign)))


NODES = st.recursive(
    st.one_of(comparisons(), field_names().map(q.Defined), st.sampled_from(WORDS).map(q.Words)),
    lambda inner: st.one_of(
        inner.map(q.Not),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: q.And(tuple(parts))),
        st.lists(inner, min_size=1, max_size=3).map(lambda parts: q.Or(tuple(parts))),
    ),
    max_leaves=6,
)
QUICK = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@QUICK
@given(node=NODES, planned=st.booleans())
def test_a_search_finds_what_reading_every_run_finds(crowd: Crowd, node: q.Node, planned: bool) -> None:
    store, every = crowd.store, crowd.every
    found = search.ids(store, "clinic", q.Query(where=node), few=0 if planned else search.FEW)
    assert list(found) == [known.run.id for known in every if holds(node, known)]


ALIKE = [["config.lr"], ["config.penalty"], ["metric.auc", "metric.auc.min", "metric.auc.max"], ["metric.odd name"]]


@st.composite
def alike(draw: st.DrawFn) -> q.Node:
    """Several conditions on one config field or metric, which a run's rows may meet together or each on its own."""
    field = q.field_at(tuple(draw(st.sampled_from(draw(st.sampled_from(ALIKE)))).split(".")))
    assert field is not None
    signs = st.sampled_from(q.OPERATORS[field.kind])
    one = signs.flatmap(lambda sign: value_of(field, sign).map(lambda value: q.Compare(field, sign, value)))
    return q.And(tuple(draw(st.lists(st.one_of(one, st.just(q.Defined(field))), min_size=2, max_size=4))))


@QUICK
@given(node=alike(), denied=st.booleans(), planned=st.booleans())
def test_conditions_on_one_field_may_be_met_by_different_tasks(
    crowd: Crowd, node: q.Node, denied: bool, planned: bool
) -> None:
    asked = q.Not(node) if denied else node
    found = search.ids(crowd.store, "clinic", q.Query(where=asked), few=0 if planned else search.FEW)
    assert list(found) == [known.run.id for known in crowd.every if holds(asked, known)]


@QUICK
@given(node=NODES, field=field_names().filter(q.sortable), descending=st.booleans(), limit=st.integers(1, 40))
def test_a_sorted_search_is_in_order_and_ends_with_what_has_no_value(
    crowd: Crowd, node: q.Node, field: q.Field, descending: bool, limit: int
) -> None:
    store, every = crowd.store, crowd.every
    query = q.Query(where=node, sort=q.Sort(field, descending))
    found = search.find(store, "clinic", query, limit=limit, few=0)
    meant = {known.run.id: known for known in every if holds(node, known)}
    assert found.total == len(meant)
    assert len(found.runs) == min(limit, len(meant))
    best = max if descending else min
    keys = {id: best(key(field, known, descending), default=None) for id, known in meant.items()}
    with_value = sorted((value, id) for id, value in keys.items() if value is not None)
    expected = [id for _, id in (with_value[::-1] if descending else with_value)]
    expected += [id for id in meant if keys[id] is None]
    assert [row.run.id for row in found.runs] == expected[:limit]


def key(field: q.Field, known: Known, descending: bool) -> list[Any]:
    """What a run is sorted by; of a config field numbers come before texts, whichever way it is sorted."""
    found = values(field, known)[-1 if field.name == "message" else 0 :]
    if field.group is Group.CONFIG:
        return [(isinstance(each, str) != descending, each) for each in found if isinstance(each, int | float | str)]
    return [each for each in found if each not in ("", None) and not (isinstance(each, float) and math.isnan(each))]


# By hand.


def ask(store: Store, text: str, **options: Any) -> search.Found:
    return search.find(store, "clinic", parse(text, now=NOW), **{"limit": 50, **options})


def test_pages_follow_each_other_and_the_total_is_of_all(crowd: Crowd) -> None:
    store, every = crowd.store, crowd.every
    for text in ("", "sort config.lr", "sort -created"):
        whole = [row.run.id for row in ask(store, text).runs]
        parts = [row.run.id for offset in (0, 12, 24) for row in ask(store, text, limit=12, offset=offset).runs]
        assert parts == whole
        assert len(whole) == len(every) == ask(store, text, limit=1).total


def test_a_querys_own_limit_holds_for_pages_and_total(crowd: Crowd) -> None:
    store = crowd.store
    assert len(ask(store, "limit 5").runs) == ask(store, "limit 5").total == 5
    assert len(ask(store, "limit 5", limit=3, offset=3).runs) == 2


@pytest.mark.parametrize("text", ["'); DROP TABLE runs; --", "%", "_", "\\", "*", '"', "\0", "\ud800"])
def test_a_value_is_only_ever_a_value(crowd: Crowd, text: str) -> None:
    store = crowd.store
    field = q.Field(Group.RUN, "branch", Kind.TEXT)
    for node in (q.Compare(field, Operator.EQUAL, text), q.Compare(field, Operator.CONTAINS, text)):
        assert search.ids(store, "clinic", q.Query(where=node)) == (
            tuple(row.run.id for row in ask(store, "branch contains _").runs)
            if text == "_" and node.operator is Operator.CONTAINS
            else ()
        )


def test_what_is_written_later_is_found(store: Store, accept: Callable[..., Run]) -> None:
    run = accept(note="first thoughts")
    assert [row.run.id for row in ask(store, "THOUGHTS").runs] == [run.id]
    runs.note(store, run.id, "second guess")
    assert ask(store, "thoughts").total == 0
    assert [row.run.id for row in ask(store, "'second GUESS'").runs] == [run.id]


def test_what_every_run_has_is_undefined_in_none_until_one_comes_without(
    store: Store, accept: Callable[..., Run]
) -> None:
    def without() -> tuple[str, ...]:
        return search.ids(store, "clinic", parse("config.lr is undefined or config.lr = 7", now=NOW), few=0)

    accept(id="number", settings=(Setting(name="lr", value=0.1),))
    accept(id="text", settings=(Setting(name="lr", value="auto"),))
    assert without() == ()
    accept(id="null", settings=(Setting(name="lr", value=None),))
    assert without() == ("null",)
    accept(id="list", settings=(Setting(name="lr", value=[]),))
    assert without() == ("null",)


@pytest.mark.parametrize("length", [1, 199, 200, 201, 3_900])
def test_a_config_value_is_found_however_long_it_is(store: Store, accept: Callable[..., Run], length: int) -> None:
    chance = random.Random(length)
    long = "".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789é漢", k=length))
    run = accept(settings=(Setting(name="text", value=long),))
    accept(id="other", settings=(Setting(name="text", value=long + "."),))
    asked = (f'config.text = "{long}"', f'not config.text = "{long}."', f'config.text is defined and id = "{run.id}"')
    for text in asked:
        assert search.ids(store, "clinic", parse(text, now=NOW), few=0) == (run.id,)


def test_more_than_are_counted_are_said_to_be_more(store: Store) -> None:
    runs.create(store, Run(id="r", project="clinic", algorithm="a", created=1.0))
    columns = [column.name for column in run_table.columns]
    taken = ", ".join("CAST(n.i AS TEXT)" if name == "id" else f'r."{name}"' for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    for begin, last, more in ((1, search.CAP - 1, False), (search.CAP, search.CAP, True)):
        with store.write() as connection:
            connection.exec_driver_sql(
                f"""
                INSERT INTO runs ({names})
                WITH RECURSIVE n(i) AS (SELECT {begin} UNION ALL SELECT i + 1 FROM n WHERE i < {last})
                SELECT {taken} FROM n, runs r WHERE r.id = 'r'
                """
            )
        for text in ("", "algorithm = a", "sort created", "sort -algorithm"):
            assert (ask(store, text).total, ask(store, text).more) == (search.CAP, more)
            assert len(ask(store, text, limit=30, offset=990).runs) == (11 if more else 10)
