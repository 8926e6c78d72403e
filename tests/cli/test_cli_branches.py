"""`palmette branches`, here and on a server."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from palmette.domain.branches import Branch, Check, Kind, Ticket
from palmette.domain.run import Git, Run
from palmette.domain.states import RunState
from palmette.store import branches, checks, database, runs

if TYPE_CHECKING:
    from conftest import Hub, Project

NAME = "feature/IA-1742-doc-type"
HEAD = "ab" * 20


@pytest.fixture
def begun(bare: Project) -> Project:
    """A project without a run."""
    bare.write("algorithms/nothing.py", "")
    return bare


@pytest.fixture
def known(begun: Project) -> Project:
    """A project with a branch that is worse, and one that only a run tells of."""
    store = database.open(begun.directory / ".palmette")
    tickets = (Ticket(key="IA-1742", title="DOC \x1b[31mTYPE"),)
    made = Branch(project="tiny", name=NAME, head=HEAD, target="main", ahead=3, merge_request="7", tickets=tickets)
    branches.change(store, made, lambda _: None)
    verdict = {"outcome": "worse", "primary": {"metric": "auc", "head": 0.7, "baseline": 0.8, "difference": -0.1}}
    for id, branch, state in (("head00000000", NAME, RunState.SUCCEEDED), ("mine00000000", "mine", RunState.FAILED)):
        git = Git(branch=branch, commit=HEAD)
        runs.create(store, Run(id=id, project="tiny", algorithm="tumour", git=git, state=state, created=1e9))
    of_head = Check(project="tiny", commit=HEAD, algorithm="tumour", kind=Kind.FULL, branch=NAME, verdict=verdict)
    checks.put(store, Check(**{**vars(of_head), "run": "head00000000"}))
    store.close()
    return begun


def test_branches_are_listed_by_what_they_need_and_shown_one_by_one(known: Project, hub: Hub) -> None:
    server = hub.of(known.directory / ".palmette")
    shown = known("branches", NAME).out
    # What to do next is to be done where the branch is.
    told = known("branches", NAME, "--on", server).out.splitlines()
    assert told[:-1] == shown.splitlines()[:-1]
    assert told[-1].endswith(f"palmette diff head00000000 --on {server}")
    known.server = server
    listed = known("branches").out.splitlines()
    assert [line.split()[:2] for line in listed[1:3]] == [["failed", "mine"], ["worse", NAME]]
    assert "+3" in listed[2]
    assert known.json("branches")["needs"] == {"failed": 1, "worse": 1}
    for said in (
        "[IA-1742] DOC  [31mTYPE",
        "3 ahead of main",
        "worse: auc 0.8000 → 0.7000",
        "palmette diff head00000000",
    ):
        assert said in shown
    assert "\x1b" not in shown
    assert known.json("branches", NAME)["head_tried"][0]["verdict"]["outcome"] == "worse"
    with urlopen(f"{known.server}/apis/palmette/v1/branches/{NAME}?project=tiny") as answer:
        assert json.load(answer)["branch"] == NAME
    code, screen = known.terminal("branches")
    assert code == 0
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen)
    assert NAME in plain
    assert max(map(len, plain.splitlines())) <= 80


def test_where_there_are_none_it_is_said_how_there_come_to_be_some(begun: Project) -> None:
    said = begun("branches")
    assert (said.out, "palmette ci init" in said.err) == ("", True)
    assert begun.json("branches") == {"branches": [], "total": 0, "needs": {}, "gone": 0}
    assert "there are no runs" in begun("branches", "main", code=2).err
    assert not begun.exists(".palmette")
