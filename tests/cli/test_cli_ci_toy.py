"""`palmette ci plan`, `toy` and `run`: by the job itself, and on a server."""

from __future__ import annotations

import re
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.test_cli_served import House

if TYPE_CHECKING:
    from conftest import Hub, Project

SLOW = """
    import time
    from dataclasses import dataclass
    from pathlib import Path
    from palmette import Metric, Metrics, algorithm, step
    from team.words import count

    @dataclass(frozen=True)
    class Config:
        gate: str = ""
        bad: bool = False

    @step(fresh="1d")
    def wait(gate: str) -> int:
        Path("{here}/began").touch()
        while gate and not Path(gate).exists():
            time.sleep(0.02)
        return count("a b")

    @step
    def judge(ready: int, bad: bool) -> Metrics:
        if bad:
            raise ValueError("it diverged")
        return {"auc": ready / 4}

    @algorithm(config=Config, presets={"toy": Config(gate="{here}/gate")}, metrics=[Metric("auc", goal="max")])
    def slow(config):
        judge(wait(config.gate), config.bad)
"""
QUICK = """
    from palmette import algorithm, step
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class Config:
        seed: int = 0

    @step
    def draw(seed: int) -> int:
        return seed

    @algorithm(config=Config, presets={"toy": Config(seed=1)})
    def quick(config):
        draw(config.seed)
"""
WORDS = "def count(text):\n    return len(text.split())\n"


def job(number: int, pipeline: int, **more: str) -> dict[str, str]:
    """The variables of a job of GitLab's."""
    usual = {"CI": "true", "CI_JOB_ID": str(number), "CI_PIPELINE_ID": str(pipeline), "CI_DEFAULT_BRANCH": "main"}
    return {**usual, **more}


#: it was to be over long ago
LATE = {"CI_JOB_STARTED_AT": "2020-01-01T00:00:00Z", "CI_JOB_TIMEOUT": "600"}


@pytest.fixture
def team(bare: Project) -> Project:
    bare.write("algorithms/slow.py", SLOW)
    bare.write("algorithms/quick.py", QUICK)
    bare.write("team/__init__.py", "")
    bare.write("team/words.py", WORDS)
    bare.write(".gitignore", ".palmette/\n__pycache__/\ngate\nbegan\n")
    bare.git("init", "--initial-branch=main")
    commit(bare)
    return bare


def commit(team: Project) -> None:
    team.git("add", ".")
    team.git("commit", "--message=on")


def rows(store: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{store / 'store.db'}?mode=ro", uri=True, timeout=60)) as connection:
        return connection.execute(query).fetchall()


def told(found: Any, key: str = "state") -> dict[str, Any]:
    return {each["algorithm"]: each[key] for each in found["runs"]}


def test_a_commit_is_tried_with_what_changed_and_the_rest_is_noted(team: Project) -> None:
    team.touch("gate")
    plan = team.json("ci", "plan")
    assert {each["algorithm"]: each["finding"] for each in plan["algorithms"]} == {
        "quick": "never tried",
        "slow": "never tried",
    }
    assert plan["remarks"] == ["nothing was ever run here, so all are tried"]
    assert not team.exists(".palmette")

    first = team.json("ci", "toy", environ=job(1, 1))
    assert told(first) == {"quick": "succeeded", "slow": "succeeded"}
    store = team.directory / ".palmette"
    where = rows(
        store,
        "SELECT runs.algorithm, preset, trigger, git_branch, experiments.name FROM runs JOIN experiments"
        " ON experiments.id = runs.experiment ORDER BY runs.algorithm",
    )
    assert where == [("quick", "toy", "ci", "main", "main"), ("slow", "toy", "ci", "main", "main")]

    team.write("team/words.py", f"# Words, as they are counted.\n{WORDS}")
    commit(team)
    second = team.json("ci", "toy", environ=job(2, 2))
    assert told(second) == {"quick": "unchanged", "slow": "unchanged"}
    assert told(second, "run_id") == told(first, "run_id")

    settings = team.directory / "pyproject.toml"
    usual = settings.read_text()
    settings.write_text(f'{usual}\n[tool.palmette.ci]\ntoy = "all"\n')
    everything = team.json("ci", "plan")
    assert [each["finding"] for each in everything["algorithms"]] == ["asked for", "asked for"]
    settings.write_text(usual)

    team.replace("algorithms/slow.py", 'gate="', 'bad=True, gate="')
    commit(team)
    third = team("ci", "toy", environ=job(3, 3), code=3)
    assert third.out.splitlines()[0].startswith("quick  unchanged")
    assert third.out.splitlines()[1].endswith("algorithms/slow.py changed")
    assert "ValueError: it diverged" in third.err
    assert "error: slow failed" in third.err
    assert "\x1b" not in third.out + third.err
    kept = rows(store, "SELECT algorithm, unchanged, reason FROM checks ORDER BY created, algorithm")
    assert len(kept) == 6
    assert kept[-2:] == [
        ("quick", 1, f"unchanged since {told(first, 'run_id')['quick']}"),
        ("slow", 0, "algorithms/slow.py changed"),
    ]
    again = team.json("ci", "plan")
    assert [each["finding"] for each in again["algorithms"]] == ["unchanged", "failed last"]
    assert len(rows(store, "SELECT id FROM runs")) == 3


def test_all_that_is_wrong_is_said_and_the_others_are_tried(team: Project) -> None:
    team.touch("gate")
    team.replace("algorithms/quick.py", 'presets={"toy": Config(seed=1)}', "presets=dict([])")
    found = team("ci", "toy", "--json", code=2)
    assert told(found.json) == {"quick": "not begun", "slow": "succeeded"}
    assert "toy" in found.err
    typed = {"PALMETTE_OVERRIDES": "'gat=two words' bad=$(touch$IFS.pwned)"}
    wrong = team("ci", "run", "slow", environ=typed, code=2)
    assert "gat=two words" in wrong.err
    assert "not begun    the config cannot be used" in wrong.out
    tried = [(each["algorithm"], each["kind"], each["run_id"]) for each in team.json("branches", "main")["tried"]]
    assert ("quick", "toy", None) in tried
    assert "variant" not in [kind for _, kind, _ in tried]
    assert "bad=$(touch$IFS.pwned)" in wrong.err
    assert "no-such" not in team("ci", "run", "slow", "gat=1", environ={"PALMETTE_OVERRIDES": "no-such=1"}, code=2).err
    assert "--no-wait leaves the runs to nobody" in team("ci", "run", "slow", "--no-wait", code=2).err
    assert "20m" in team("ci", "toy", "--wait", "soon", code=2).err
    assert "exclude each other" in team("ci", "toy", "--wait", "20m", "--no-wait", code=2).err
    unknown = team("ci", "plan", "quik", "slwo", code=2).err
    assert [name for name in ("Did you mean quick?", "Did you mean slow?") if name not in unknown] == []

    # Where the source tells it, it is known before anything is tried, and fails nothing.
    team.replace("algorithms/quick.py", "presets=dict([])", "presets={}")
    plan = team("ci", "plan")
    assert plan.out.startswith("quick  no toy preset    whether it trains is not tried\n")
    lacking = 'note: quick has no toy preset; give one: @algorithm(config=Config, presets={"toy": Config(…)})'
    assert lacking in plan.err
    without = team("ci", "toy", "--json")
    assert told(without.json) == {"quick": "not tried", "slow": "succeeded"}
    assert lacking in without.err


def test_a_job_that_is_ended_leaves_its_run_to_the_next_one(team: Project) -> None:
    late = team("ci", "toy", "slow", "--json", environ=job(1, 7, **LATE), code=6)
    assert "still running" in late.err
    run = told(late.json, "run_id")["slow"]

    (team.directory / "began").unlink(missing_ok=True)
    process = team.start("ci", "toy", "slow", environ=job(2, 7))
    team.eventually(lambda: team.exists("began"))
    process.send_signal(signal.SIGTERM)
    ended = team.finished(process, 143)
    assert f"slow {run} goes on: palmette show {run}" in ended.err

    team.touch("gate")
    third = team.json("ci", "toy", "slow", environ=job(3, 7))
    assert (told(third, "run_id"), told(third, "attached")) == ({"slow": run}, {"slow": True})
    assert rows(team.directory / ".palmette", "SELECT id, state FROM runs") == [(run, "SUCCEEDED")]


@pytest.fixture
def served(team: Project, hub: Hub) -> Project:
    """Runs are kept by a server, and nobody executes them."""
    team.environ["PALMETTE_ON"] = hub.of(team.directory.parent / "store")
    return team


def test_two_jobs_at_once_and_one_that_is_started_again_have_one_run(served: Project) -> None:
    store = served.directory.parent / "store"
    jobs = [served.start("ci", "toy", "--no-wait", "--json", environ=job(number, 9)) for number in (1, 2)]
    for each in jobs:
        served.finished(each, 0)
    runs = rows(store, "SELECT id, git_branch, git_commit FROM runs ORDER BY algorithm")
    assert len(runs) == 2
    assert [run for run, *_ in runs] == [run for (run,) in rows(store, "SELECT run FROM checks ORDER BY algorithm")]

    late = served("ci", "toy", "--json", environ=job(3, 9, **LATE), code=6)
    assert told(late.json, "attached") == {"quick": True, "slow": True}
    other = served("ci", "toy", "--json", environ=job(4, 10, **LATE), code=6)
    assert told(other.json, "run_id") == told(late.json, "run_id")
    assert rows(store, "SELECT count(*) FROM runs") == [(2,)]
    assert rows(store, "SELECT settled FROM checks") == [(None,), (None,)]

    served("ci", "toy", "quick", "--rerun", "--no-wait", environ=job(5, 10))
    assert rows(store, "SELECT algorithm, count(*) FROM runs GROUP BY algorithm") == [("quick", 2), ("slow", 1)]
    assert [name for (name,) in rows(store, "SELECT name FROM experiments")] == ["main"]


def test_a_server_that_does_not_answer_leaves_everything_to_be_tried(team: Project) -> None:
    team.environ["PALMETTE_ON"] = "http://127.0.0.1:9"
    plan = team("ci", "plan", "--json")
    assert [(each["run"], each["finding"]) for each in plan.json["algorithms"]] == [(True, "not known")] * 2
    assert "cannot be asked for, so all are tried" in plan.json["remarks"][0]
    assert "127.0.0.1:9" in team("ci", "toy", code=69).err


@pytest.fixture
def house(tmp_path: Path, user: dict[str, str]) -> Iterator[House]:
    top = tmp_path / "house"
    (top / "run").mkdir(mode=0o700, parents=True)
    own = {"HOME": top, "XDG_RUNTIME_DIR": top / "run", "XDG_CACHE_HOME": top / "cache", "XDG_CONFIG_HOME": top / "c"}
    made = House(top, {**user, **{name: str(path) for name, path in own.items()}, "PALMETTE_IDLE": "5"})
    made.start()
    yield made
    made.kill()


def test_a_server_executes_what_the_branch_has(team: Project, house: House) -> None:
    team.environ["PALMETTE_ON"] = house.url
    team.git("checkout", "-b", "feature/IA-1742-doc-type")
    team.touch("gate")

    toy = team("ci", "toy", "slow", environ=job(1, 1))
    assert "slow" in toy.out
    lines = [line.split(" after ")[0].split()[2] for line in toy.err.splitlines() if line.startswith("slow ")]
    assert lines[0] == "begun:"
    assert lines[-1] == "succeeded"
    full = team("ci", "run", "--json", "--", "slow", "bad=true", environ=job(2, 1), code=3)
    assert "ValueError: it diverged" in full.err
    assert re.search(rf"palmette logs \w+ --on {house.url} · ", full.err)
    assert house.rows("SELECT kind, preset, state, ticket FROM checks JOIN runs ON runs.id = run ORDER BY kind") == [
        ("toy", "toy", "SUCCEEDED", "IA-1742"),
        ("variant", "full", "FAILED", "IA-1742"),
    ]
