"""Texts of tickets, on every database."""

from __future__ import annotations

from palmette.domain.branches import Ticket
from palmette.store import tickets
from palmette.store.database import Store


def test_a_title_is_not_lost_to_a_tracker_that_did_not_answer(store: Store) -> None:
    titled = Ticket(key="IA-1", title="DOC TYPE \0ü", url="https://x/IA-1", status="Open")
    failed = Ticket(key="IA-1", why="JIRA timed out", pending=True)
    tickets.keep(store, "ia", [failed, Ticket(key="IA-2", why="not visible")], now=1.0)
    assert tickets.known(store, "ia", ["IA-1"]) == {"IA-1": (failed, 1.0)}
    tickets.keep(store, "ia", [titled], now=2.0)
    tickets.keep(store, "ia", [failed], now=3.0)
    tickets.keep(store, "other", [Ticket(key="IA-1", title="theirs")], now=4.0)

    found, looked = tickets.known(store, "ia", ["IA-1", "IA-3"])["IA-1"]
    assert (found.title, found.status, found.pending, looked) == ("DOC TYPE \ufffdü", "Open", False, 2.0)
    tickets.keep(store, "ia", [Ticket(key="IA-1", title="NEW")], now=5.0)
    assert tickets.known(store, "ia", ["IA-1"])["IA-1"][0].title == "NEW"
    assert list(tickets.known(store, "other", ["IA-1", "IA-2"])) == ["IA-1"]
