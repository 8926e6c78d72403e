"""`palmette promote`, and the name that it gives a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import palmette
from palmette.domain.hosting import Role
from palmette.operations import tokens
from palmette.operations.home import serve_home

if TYPE_CHECKING:
    from conftest import Hub, Project

BOUND = """
    from dataclasses import dataclass
    from pathlib import Path
    from typing import Annotated
    from palmette import Format, Metric, Metrics, algorithm, step

    @dataclass(frozen=True)
    class Config:
        value: float = 0.9

    @step
    def fit(value: float) -> Path:
        Path("weights").write_text(str(value))
        return Path("weights")

    @step
    def judge(weights: Path) -> Metrics:
        return Metrics(auc=float(weights.read_text()))

    @algorithm(
        config=Config,
        presets={"toy": Config(value=0.95)},
        metrics=[Metric("auc", primary=True, minimum=0.8, max_drop=0.01)],
    )
    def bound(config: Config) -> None:
        judge(fit(config.value))
"""


@pytest.fixture
def bound(bare: Project, hub: Hub) -> Project:
    """A project in which no run was promoted yet; what looks is asked on a server, too."""
    bare.write("algorithms/bound.py", BOUND)
    bare.write(".gitignore", ".palmette/\n__pycache__/\n")
    bare.git("init", "--initial-branch=main")
    bare.git("add", ".")
    bare.git("commit", "--message=Start")
    bare.server = hub.of(bare.directory / ".palmette")
    return bare


def test_what_is_promoted_is_found_by_the_alias_and_by_whoever_asks_later(bound: Project) -> None:
    first = bound.run("bound")["run_id"]
    assert "No promotions yet" in bound("promote").err

    said = bound("promote", "last", "--as", "production").out
    assert f"bound@production is {first} now." in said
    assert "gate auc, minimum 0.8: passed" in said
    assert f"bound@production is {first} already." in bound("promote", first, "--as", "production").out

    bound.run("bound", "value=0.85")
    assert bound.show("bound@production")["run_id"] == first
    assert palmette.get("bound@production", project=bound.directory).id == first
    assert palmette.connect(bound.server).run("bound@production").id == first
    bound("artifacts", "get", "bound@production", "fit", "-o", "here")
    bound("artifacts", "get", "bound@production", "fit", "-o", "there", "--on", bound.server)
    assert [(bound.directory / name).read_text() for name in ("here", "there")] == ["0.9", "0.9"]
    assert "the run made no model" in bound("artifacts", "get", "bound@production", code=2).err
    assert "There is bound@production." in bound("show", "bound@staging", code=2).err

    [kept] = bound.json("promote", "--list", "bound")
    assert (kept["alias"], kept["run_id"], kept["by"], kept["current"]) == ("bound@production", first, "Ada", True)
    assert "1 run kept: 1 promoted" in bound("gc", "--keep-last", "1").err
    assert "was promoted" in bound("gc", "--run", first, code=2).err


def test_gates_hold_unless_somebody_says_why_not(bound: Project) -> None:
    first = bound.run("bound")["run_id"]
    bound("promote", "last", "--as", "production", "--reason", "the first")
    low, unsure = (bound.run("bound", f"value={value}")["run_id"] for value in (0.7, 0.95))

    failed = bound("promote", low, "--as", "production", code=4).err
    assert "auc: failed: it is 0.7, and the bound is 0.8" in failed
    assert "--force --reason TEXT" in failed
    assert "auc: inconclusive" in bound("promote", unsure, "--as", "production", code=5).err
    assert "--force needs a reason" in bound("promote", low, "--as", "production", "--force", code=2).err
    assert bound.show("bound@production")["run_id"] == first

    done = bound.json("promote", low, "--as", "production", "--force", "--reason", "an old device")
    assert (done["run_id"], done["before"], done["forced"], done["gate"]) == (low, first, True, "failed")
    assert done["baseline"] == first
    listed = bound("promote", "--list").out
    assert all(words in listed for words in ("failed, forced", "an old device", "the first"))


def test_a_run_that_cannot_be_promoted_is_refused_with_every_reason(bound: Project) -> None:
    bound.run("bound", "--preset", "toy")
    bound.write("notes.py", "x = 1\n")
    assert bound.run("bound", "--preset", "toy")["git"]["dirty"] is False
    with (bound.directory / "algorithms" / "bound.py").open("a") as file:
        file.write("# to be seen\n")
    bound.run("bound", "--preset", "toy", "value=0.5")

    told = bound("promote", "last", "--as", "production", code=1).err
    assert all(words in told for words in ("it is a toy run", "it was made of uncommitted changes"))
    bound.run("bound")
    assert "Commit and train again" in bound("promote", "last", "--as", "production", code=1).err
    bound("promote", "last", "--as", "production", "--allow-dirty")
    assert bound.json("promote")[0]["dirty"] is True
    for alias in ("a/b", "a@b", "", ".."):
        assert "is no alias" in bound("promote", "last", "--as", alias, code=2).err
    assert "say RUN and --as ALIAS" in bound("promote", "last", code=2).err


def test_a_rollback_goes_back_one_promotion_each_time(bound: Project) -> None:
    first, second, third = (bound.run("bound", f"value={value}")["run_id"] for value in (0.85, 0.9, 0.95))
    for run in (first, second, third):
        bound("promote", run, "--as", "production", "--force", "--reason", "to be tried")

    def back(code: int = 0) -> str:
        bound("promote", "bound", "--as", "production", "--rollback", "--reason", "it harms", code=code)
        return str(bound.show("bound@production")["run_id"])

    assert back() == second
    bound("promote", third, "--as", "production", "--force", "--reason", "once more")
    assert [back(), back(), back(code=1)] == [second, first, first]
    log = bound.json("promote", "--list")
    assert [each["serial"] for each in log] == [7, 6, 5, 4, 3, 2, 1]
    assert [each["run_id"] for each in log] == [first, second, third, second, third, second, first]
    assert "no run is bound@staging" in bound("promote", "bound", "--as", "staging", "--rollback", code=2).err


def test_a_server_keeps_whose_token_it_was(bound: Project, hub: Hub) -> None:
    run = bound.run("bound")["run_id"]
    home = serve_home(bound.directory / ".palmette", None)
    strict = hub.of(bound.directory / ".palmette", host="0.0.0.0")
    token = {role: tokens.create(home, f"ci-{role}", role, lifetime=None).secret for role in (Role.READ, Role.RUN)}
    home.store.close()

    bound.server = ""
    asked = ("promote", "last", "--as", "production", "--on", strict)
    may = {"PALMETTE_TOKEN": token[Role.RUN]}
    assert "needs one with the role run" in bound(*asked, code=77, environ={"PALMETTE_TOKEN": token[Role.READ]}).err
    assert f"bound@production is {run} now" in bound(*asked, environ=may).out
    assert bound.json("promote")[0]["by"] == "ci-run"
    bound.run("bound", "value=0.1")
    assert "auc: failed" in bound(*asked, code=4, environ=may).err
    [kept] = bound.json("promote", "--list", "--on", strict, environ=may)
    assert (kept["run_id"], kept["serial"]) == (run, 1)
