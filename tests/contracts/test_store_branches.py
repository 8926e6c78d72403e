"""Which commit of a branch is the newest, on every database."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from palmette.blobs import Blobs
from palmette.domain.branches import Branch, Ticket
from palmette.operations import branches
from palmette.operations.home import Home
from palmette.store import branches as rows
from palmette.store.database import Store

OLD, NEW = "a" * 40, "b" * 40


@pytest.fixture
def home(store: Store, tmp_path: Path) -> Home:
    return Home(directory=tmp_path, project="ia", store=store, blobs=Blobs(tmp_path / "blobs"))


def at(head: str, **values: Any) -> Branch:
    return Branch(**{"project": "ia", "name": "main", "head": head, "seen": 1.0, **values})


@pytest.mark.parametrize(
    ("before", "after", "told", "taken"),
    [
        pytest.param({}, {}, {}, True, id="nothing is known: who comes later is newer"),
        pytest.param({"order": 7}, {"order": 8}, {"descendants": [OLD]}, True, id="a reset branch: pipelines decide"),
        pytest.param({"order": 8}, {"order": 7}, {"ancestors": [OLD]}, False, id="an earlier pipeline that is late"),
        pytest.param({"order": 8}, {}, {"ancestors": [OLD]}, True, id="by hand, after a pipeline"),
        pytest.param({}, {}, {"descendants": [OLD]}, False, id="by hand, a commit that the branch has already"),
        pytest.param({"committed": 9.0}, {"committed": 5.0}, {"ancestors": [OLD]}, True, id="history before clocks"),
        pytest.param({"committed": 9.0}, {"committed": 5.0}, {}, False, id="another line, committed before"),
        pytest.param({"gone": 3.0}, {}, {"descendants": [OLD]}, True, id="a branch made again at an older commit"),
    ],
)
def test_an_older_commit_never_overtakes_a_newer_one(
    home: Home, before: dict[str, Any], after: dict[str, Any], told: dict[str, Any], taken: bool
) -> None:
    first = branches.advance(home, at(OLD, **{**before, "gone": None}))
    assert first.taken
    assert first.before is None
    if "gone" in before:
        rows.change(home.store, at(OLD), lambda known: replace(known, gone=before["gone"]))

    found = branches.advance(home, at(NEW, **after), **told)

    assert found.taken is taken
    assert bool(found.why) is not taken
    now = branches.named(home, "main")
    assert now is not None
    assert now == found.after
    assert (now.head, now.gone) == (NEW if taken else OLD, None)


def test_whoever_compared_with_another_head_than_the_branch_has_looks_again(home: Home) -> None:
    branches.advance(home, at(OLD))

    for compared in ("", "f" * 40):
        found = branches.advance(home, at(NEW), compared=compared)
        assert (found.taken, found.again) == (False, True)
        assert found.after == branches.named(home, "main") == found.before
    assert branches.advance(home, at(NEW), compared=OLD).taken


def test_the_same_commit_is_taken_again_and_forgets_nothing(home: Home) -> None:
    known = Ticket(key="IA-1", title="DOC TYPE")
    first = at(OLD, order=5, author="Ada", merge_request="7", experiment="e", ahead=2, tickets=(known,))
    branches.advance(home, first)

    again = branches.advance(home, at(OLD, seen=2.0, tickets=(Ticket(key="IA-1", pending=True),)))

    assert again.taken
    assert again.after == replace(first, seen=2.0)
    assert branches.known(home) == (again.after,)


def test_an_earlier_pipeline_of_the_newest_commit_takes_nothing_back(home: Home) -> None:
    branches.advance(home, at(OLD, order=5))
    branches.advance(home, at(NEW, order=9))
    assert branches.advance(home, at(NEW, order=4)).taken
    assert not branches.advance(home, at(OLD, order=5)).taken


def test_what_belongs_to_a_commit_goes_with_it(home: Home) -> None:
    branches.advance(home, at(OLD, order=5, author="Ada", experiment="e", ahead=2, fork="f" * 40))

    moved = branches.advance(home, at(NEW, order=6, author="Grace")).after

    assert moved == at(NEW, order=6, author="Grace", experiment="e")


def test_projects_do_not_meet(home: Home) -> None:
    other = replace(home, project="other")
    branches.advance(home, at(OLD))
    branches.advance(other, at(NEW))

    assert [each.head for each in branches.known(home)] == [OLD]
    assert [each.head for each in branches.known(other)] == [NEW]
    assert len(branches.known(replace(home, project=""))) == 2
    assert branches.named(other, "feature/x") is None


def test_of_pipelines_that_race_the_latest_is_what_stays(home: Home) -> None:
    heads = {order: f"{order:040x}" for order in range(1, 9)}

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda order: branches.advance(home, at(heads[order], order=order)), [3, 8, 1, 6, 2, 7, 5, 4]))

    now = branches.named(home, "main")
    assert now is not None
    assert (now.head, now.order) == (heads[8], 8)
