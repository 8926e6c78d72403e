"""A branch's experiment and the text of its ticket."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from palmette.ci.experiments import file, foreseen
from palmette.domain.branches import Ticket
from palmette.domain.footer import signed, split
from palmette.domain.hosting import Experiment
from palmette.errors import AlreadyThere
from palmette.operations.placed import PlacedHost
from palmette.operations.places import Here
from palmette.operations.project import Project
from palmette.operations.scopes import Names
from palmette.operations.updates import Filing

BRANCH = "feature/IA-1742-doc-type"
NAMES = Names(prefix="", project="ia")
TOLD = (Ticket(key="IA-1742", title="DOC TYPE"),)
PENDING = (Ticket(key="IA-1742", why="JIRA does not answer", pending=True),)


@pytest.fixture
def host(tmp_path: Path) -> PlacedHost:
    return PlacedHost(Here(Project(root=tmp_path, name="ia", roots=(tmp_path,), home=tmp_path / ".palmette")))


def now(host: PlacedHost) -> Experiment:
    found = host.experiments.named(BRANCH)
    assert found is not None
    return found


def test_a_branch_has_one_experiment_with_its_tickets_text_and_a_footer(host: PlacedHost) -> None:
    assert foreseen(host, NAMES, BRANCH, TOLD).done is Filing.MADE
    made = file(host, NAMES, BRANCH, TOLD)
    before = now(host)
    again = file(host, NAMES, BRANCH, TOLD)

    text, facts = split(before.description)
    assert text == "[IA-1742] DOC TYPE"
    assert (facts["project"], facts["branch"], facts["tickets"]) == ("ia", BRANCH, ["IA-1742"])
    assert (made.done, again.done, again.id) == (Filing.MADE, Filing.FOUND, made.id)
    assert now(host) == before


def test_a_text_that_was_missing_is_filled_in_and_is_not_lost_while_the_tracker_is_down(host: PlacedHost) -> None:
    assert file(host, NAMES, BRANCH, PENDING).pending
    assert file(host, NAMES, BRANCH, TOLD).done is Filing.DESCRIBED
    assert split(now(host).description)[0] == "[IA-1742] DOC TYPE"

    file(host, NAMES, BRANCH, PENDING)
    assert split(now(host).description)[0] == "[IA-1742] DOC TYPE"

    file(host, NAMES, BRANCH, (replace(TOLD[0], title="DOCUMENT TYPE"),))
    assert split(now(host).description)[0] == "[IA-1742] DOCUMENT TYPE"


def test_what_a_person_wrote_stays(host: PlacedHost) -> None:
    file(host, NAMES, BRANCH, PENDING)
    there = now(host)
    host.experiments.describe(there.id, signed("Ask Ada", split(there.description)[1]))

    for tickets in (TOLD, PENDING, TOLD):
        file(host, NAMES, BRANCH, tickets)

    assert split(now(host).description)[0] == "Ask Ada"


def test_the_experiment_of_a_branch_that_comes_back_leaves_the_archive(host: PlacedHost) -> None:
    file(host, NAMES, BRANCH, TOLD)
    host.experiments.archive(now(host).id)

    assert file(host, NAMES, BRANCH, TOLD).done is Filing.RESTORED
    assert now(host).archived is None


def test_an_experiment_of_nobody_or_of_another_project_is_not_taken_over(host: PlacedHost) -> None:
    host.experiments.create(BRANCH, description=signed("", {"project": "other"}))

    with pytest.raises(AlreadyThere, match="which belongs to the project 'other'"):
        file(host, NAMES, BRANCH, TOLD)
