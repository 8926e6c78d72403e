"""Which indexes a search in SQLite reads is its own doing, not that of the order in which they were made."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from benchmarks import crowd, searches
from sqlalchemy import event
from sqlalchemy.engine import Engine

from palmette.domain.grammar import parse
from palmette.store import database, search
from palmette.store.database import Store

NOW = 1_800_000_000.0
BY_NUMBER, BY_TEXT, OTHER = "ix_settings_name_number_run", "ix_settings_name_text_run", "ix_settings_other"
ORDERS: list[Callable[[Iterable[Any]], Iterable[Any]]] = [sorted, lambda found: sorted(found, reverse=True)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    opened = database.open(tmp_path_factory.mktemp("plans"))
    crowd.fill(opened, 60, now=NOW)
    yield opened
    opened.close()


def made_again(store: Store, order: Callable[[Iterable[Any]], Iterable[Any]]) -> None:
    with store.write() as connection:
        own = "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        every = [tuple(row) for row in connection.exec_driver_sql(own)]
        for name, _ in every:
            connection.exec_driver_sql(f"DROP INDEX {name}")
        for _, statement in order(every):
            connection.exec_driver_sql(statement)


def plans(store: Store, text: str) -> list[str]:
    """How SQLite does what a search asks it to."""
    asked: list[tuple[str, Any]] = []

    def listen(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        asked.append((statement, values))

    event.listen(Engine, "before_cursor_execute", listen)
    try:
        search.find(store, crowd.PROJECT, parse(text, now=NOW), limit=20, few=0)
    finally:
        event.remove(Engine, "before_cursor_execute", listen)
    selects = [each for each in asked if each[0].startswith("SELECT")]
    with store.read() as connection:
        found = [connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {each[0]}", each[1]).all() for each in selects]
    return [row[3] for rows in found for row in rows]


def test_no_plan_of_a_search_depends_on_the_order_in_which_the_indexes_were_made(store: Store) -> None:
    asked = [*searches.SEARCHES.values(), "config.epochs = 10", "config.epochs is defined", "config.dataset is defined"]
    found = []
    for order in ORDERS:
        made_again(store, order)
        found.append({text: plans(store, text) for text in asked})
    assert found[0] == found[1]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("config.warmup is undefined", {BY_NUMBER: ">", BY_TEXT: ">", OTHER: ">"}),
        ("config.epochs = 10", {BY_NUMBER: "=", BY_TEXT: "="}),
        ("config.penalty = l1", {BY_TEXT: "="}),
        ("config.lr < 1e-3", {BY_NUMBER: "<"}),
    ],
)
def test_of_a_config_field_only_rows_with_such_a_value_are_gone_through(
    store: Store, order: Callable[[Iterable[Any]], Iterable[Any]], text: str, read: dict[str, str]
) -> None:
    made_again(store, order)
    through = [plan for plan in plans(store, text) if "SEARCH settings" in plan and "(name=?" in plan]
    assert {index for index in (BY_NUMBER, BY_TEXT, OTHER) if any(index in plan for plan in through)} == set(read)
    for index, sign in read.items():
        assert all(sign in plan.split("(name=?")[1] for plan in through if index in plan)
