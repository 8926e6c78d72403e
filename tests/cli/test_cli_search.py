"""`palmette runs` as a search, and `palmette views`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from palmette.domain.run import Git, Run, Setting
from palmette.store import database, runs
from palmette.store.database import Store

if TYPE_CHECKING:
    from conftest import Hub, Project


def write(store: Store, number: int, *, branch: str, C: float, note: str = "", algorithm: str = "tumour") -> None:
    settings = (Setting(name="C", value=C), Setting(name="penalty", value="l1"))
    run = Run(
        id=f"run{number:09}",
        project="clinic",
        algorithm=algorithm,
        settings=settings,
        git=Git(branch=branch, commit=f"{number}" * 40),
        note=note,
        created=1_700_000_000.0 + number,
    )
    runs.create(store, run)


@pytest.fixture
def searched(empty: Project, hub: Hub) -> Project:
    """A project with three runs in its store, that nobody had to execute; looked at here and on a server."""
    empty.server = hub.of(empty.directory / ".palmette")
    (empty.directory / "pyproject.toml").write_text('[project]\nname = "clinic"\n\n[tool.palmette]\n')
    store = database.open(empty.directory / ".palmette")
    write(store, 1, branch="main", C=0.1, note="out of memory")
    write(store, 2, branch="main", C=1.0)
    write(store, 3, branch="feat/x", C=1.0, algorithm="digits")
    store.close()
    return empty


def found(project: Project, *arguments: str) -> str:
    """The last digits of the runs that are found."""
    return "".join(run["run_id"][-1] for run in project("runs", "--json", *arguments).json)


def test_words_of_the_shell_make_one_query(searched: Project) -> None:
    assert found(searched, "branch", "=", "main", "and", "config.C", "<", "1") == "1"
    assert found(searched, "note", "contains", "out of") == "1"
    assert found(searched, "'out of memory'") == "1"
    assert found(searched, "tumour") == "21", "an algorithm's name means its runs"
    assert found(searched, "tumour", "--branch", "main", "--sort", "config.C") == "12"
    assert found(searched, "sort", "-config.C", "limit", "1") == "3"


def test_a_list_says_how_many_there_are_beside_those_it_shows(searched: Project) -> None:
    shown = searched("runs", "-n", "2")
    assert shown.err == "(2 of 3; --limit shows more)\n"
    assert searched("runs", "branch = main").err == ""


def test_the_fields_of_the_query_are_the_columns(searched: Project) -> None:
    assert searched("runs", "config.C >= 1").out.split("\n")[0].split() == [
        "run",
        "algorithm",
        "state",
        "age",
        "C",
        "what",
    ]
    assert searched("runs", "tumour", "--columns", "config.C,branch", "--csv").out == (
        "run_id,config.C,branch\nrun000000002,1.0,main\nrun000000001,0.1,main\n"
    )
    assert searched("runs", "digits", "--columns", "config.C", "--json").json == [
        {"run_id": "run000000003", "config.C": 1.0}
    ]
    assert "Did you mean config.C?" in searched("runs", "--columns", "confg.C", code=2).err


def test_what_cannot_be_read_is_pointed_at(searched: Project) -> None:
    told = searched("runs", "branch = main and C > 0", code=2)
    assert told.err == (
        "error: there is no field 'C'\n  branch = main and C > 0\n                    ^\nDid you mean config.C?\n"
    )
    assert told.out == ""


def test_nothing_found_says_what_to_try(searched: Project) -> None:
    assert searched("runs", "branch = gone").err == (
        "No run matches.\nLeave a condition out, or see all: palmette runs.\n"
    )
    assert searched("runs", "config.Cx = 1").err == "No run matches.\nNo run has config.Cx. Did you mean config.C?\n"


def test_a_search_is_kept_under_a_name(searched: Project) -> None:
    assert "No views yet" in searched("views").err
    searched("runs", "branch = main sort config.C", "--save", "ours")
    assert found(searched, "@ours") == found(searched, "--view", "ours") == "12"
    assert found(searched, "@ours", "config.C = 1") == "2"
    assert searched("views").out == "@ours  branch = main sort config.C\n"
    assert searched("views", "--json").json[0]["query"] == "branch = main sort config.C"
    assert "Did you mean ours?" in searched("runs", "@our", code=2).err
    searched("views", "remove", "@ours")
    assert searched("views", "--json").json == []


def test_only_a_query_that_can_be_read_is_kept(searched: Project) -> None:
    assert "no query to save" in searched("runs", "--save", "x", code=2).err
    assert "is no name" in searched("runs", "tumour", "--save", "a b", code=2).err
    assert "only the query itself" in searched("runs", "tumour", "--branch", "main", "--save", "x", code=2).err
    assert searched("views", "--json").json == []


def test_of_two_presets_none_wins(searched: Project) -> None:
    for verb in (["runs"], ["run", "tumour"]):
        assert "--preset is given 2 times: a, b" in searched(*verb, "--preset", "a", "--preset", "b", code=2).err


def test_an_empty_place_that_was_named_is_said_to_be_one(searched: Project) -> None:
    typo = {"PALMETTE_STORE": str(searched.directory / "typo")}
    assert f"There is no store in {typo['PALMETTE_STORE']}, which PALMETTE_STORE names" in (
        searched("runs", environ=typo).err
    )
    assert "PALMETTE_STORE names that place" in searched("show", environ=typo, code=2).err
    assert not Path(typo["PALMETTE_STORE"]).exists()


def test_a_run_has_the_ticket_of_its_branch(tiny: Project) -> None:
    tiny.git("init", "-q", "-b", "feature/IA-1742-doc-type")
    tiny.git("add", ".")
    tiny.git("-c", "user.name=A", "-c", "user.email=a@b.c", "commit", "-q", "-m", "Widen the margin")
    tiny("run", "example")
    assert len(tiny("runs", "--json", "ticket = IA-1742 and margin and step.fit.state is undefined").json) == 1
    assert tiny("runs", "--json", "ticket = IA-1").json == []
