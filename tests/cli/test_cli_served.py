"""Verbs that execute, on a server of somebody else's: a home, a user's directory and an interpreter of its own."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.cli.wards import WARD

if TYPE_CHECKING:
    from conftest import Project

PALMETTE = Path(sys.executable).parent / "palmette"
PATIENCE = 120.0


@dataclass
class House:
    """A server that executes, and can be killed and started again."""

    directory: Path
    environ: dict[str, str]
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def store(self) -> Path:
        return self.directory / "store"

    def start(self) -> None:
        options = ["--port", str(self.port), "--home", self.store, "--python", sys.executable, "--json"]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [PALMETTE, "serve", *options],
                cwd=self.directory,
                env=self.environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, (self.directory / "log").read_text()
        self.port = int(json.loads(line)["url"].rpartition(":")[2])

    def kill(self) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        self.process.kill()
        self.process.wait(PATIENCE)
        self.process.stdout.close()

    def rows(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(f"file:{self.store / 'store.db'}?mode=ro", uri=True, timeout=60)) as connection:
            return connection.execute(query, values).fetchall()


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, user: dict[str, str]) -> Iterator[House]:
    top = tmp_path_factory.mktemp("house")
    (top / "run").mkdir(mode=0o700)
    own = {"HOME": top, "XDG_RUNTIME_DIR": top / "run", "XDG_CACHE_HOME": top / "cache", "XDG_CONFIG_HOME": top / "c"}
    made = House(top, {**user, **{name: str(path) for name, path in own.items()}, "PALMETTE_IDLE": "5"})
    made.start()
    yield made
    made.kill()


@pytest.fixture
def away(bare: Project, house: House) -> Project:
    """A project whose runs are executed there, unless something else is said."""
    bare.environ["PALMETTE_ON"] = house.url
    bare.write("algorithms/far.py", FAR)
    bare.write("data/names.txt", "Ada\nGrace\n")
    bare.replace("pyproject.toml", 'name = "tiny"', f'name = "{bare.directory.parent.name.replace("_", "-")}"')
    return bare


FAR = """
    import time
    from dataclasses import dataclass
    from pathlib import Path
    from palmette import InputFile, Metric, Metrics, algorithm, log_metric, step

    @dataclass(frozen=True)
    class Config:
        names: InputFile = "data/names.txt"
        gate: str = ""
        bad: bool = False
        seed: int = 0

    @step
    def read(names: Path, seed: int) -> list:
        print("read", seed)
        return names.read_text().split()

    @step
    def wait(gate: str) -> int:
        while gate and not Path(gate).exists():
            time.sleep(0.02)
        return 1

    @step
    def judge(names: list, ready: int, bad: bool) -> Metrics:
        log_metric("loss", 0.5, step=0)
        if bad and not Path("{here}/mended").exists():
            print("about to fail")
            raise ValueError("bad it is")
        return Metrics(count=float(len(names)))

    @algorithm(config=Config, metrics=[Metric("count")], presets={"other": Config(seed=7)})
    def far(config: Config) -> None:
        judge(read(config.names, config.seed), wait(config.gate), config.bad)
"""


def test_a_run_is_executed_there_and_shown_as_if_it_were_here(away: Project, house: House) -> None:
    done = away("run", "far", "seed=3", "--tag", "first", "--note", "why")
    assert "✓ judge" in done.err
    assert "  count 2\n" in done.err
    run = away.show()
    assert (run["state"], run["tags"], run["note"]) == ("succeeded", ["first"], "why")
    assert house.rows("SELECT queue, experiment <> '' FROM runs WHERE id = ?", run["run_id"]) == [("server", 1)]
    assert not away.exists(".palmette")


def test_what_another_run_made_there_is_used_again(away: Project) -> None:
    assert away.run("far").cached == set()
    assert away.run("far").cached >= {"read", "wait", "judge"}


def test_a_failed_run_says_why_and_goes_on_there_once_it_is_mended(away: Project) -> None:
    failed = away("run", "far", "bad=true", code=3)
    assert "about to fail" in failed.err
    run = away.json("runs")[0]["run_id"]
    away.touch("mended")
    went_on = away("resume", run)
    assert "done already" in went_on.err
    assert "✓ read" not in went_on.err
    assert away.show(run)["state"] == "succeeded"
    assert "it succeeded" in away("resume", run, code=2).err


def test_a_run_is_executed_again_there_with_another_setting_or_other_code(away: Project) -> None:
    first = away.run("far", "--preset", "other")
    second = away.json("rerun", first["run_id"], "seed=8")
    assert (second["origin"], second["preset"]) == (first["run_id"], "other")
    assert away("logs", second["run_id"], "read").out == "read 8\n"
    away.replace("algorithms/far.py", 'print("read", seed)', 'print("read anew", seed)')
    third = away.json("rerun", first["run_id"], "--current")
    assert away("logs", third["run_id"], "read").out == "read anew 7\n"


def test_the_end_is_asked_for_once_and_the_run_is_canceled_there(away: Project, house: House) -> None:
    process = away.start("run", "far", f"gate={away.directory}/never")
    away.eventually(lambda: house.rows(RUNNING, "wait", f"%{away.directory}/never%"))
    process.send_signal(signal.SIGINT)
    away.finished(process, 130)
    assert away.show()["state"] == "canceled"


RUNNING = """SELECT 1 FROM attempts JOIN settings ON settings.run = attempts.run
    WHERE attempts.task = ? AND attempts.pid IS NOT NULL AND settings.value LIKE ?"""


def test_a_server_that_is_killed_and_comes_again_is_waited_for(away: Project, house: House) -> None:
    gate = away.directory / "gate"
    process = away.start("run", "far", f"gate={gate}", "--json")
    away.eventually(lambda: house.rows(RUNNING, "wait", f"%{gate}%"))
    house.kill()
    house.start()
    gate.touch()
    run = away.finished(process, 0).json
    assert run["state"] == "succeeded"
    assert house.rows("SELECT count(*) FROM runs WHERE project = ?", run["project"]) == [(1,)]


def test_who_detaches_may_watch_later(away: Project) -> None:
    gate = away.directory / "gate"
    run = away("run", "far", f"gate={gate}", "--detach").out.strip()
    process = away.start("resume", run)
    assert process.stderr is not None
    while f"· {run}" not in process.stderr.readline():
        assert process.poll() is None
    gate.touch()
    assert f"run {run} succeeded" in away.finished(process, 0).err
    assert "belongs to a server" in away("run", "far", "--detach", "--on", "local", code=2).err
    assert "the server says itself" in away("run", "far", "--containers", "process", code=2).err


def test_all_that_the_server_lacks_is_said_and_nothing_is_left_behind(away: Project, house: House) -> None:
    away.replace("algorithms/far.py", "@step\ndef read", '@step(secrets=["FAR_TOKEN"])\ndef read')
    before = house.rows("SELECT count(*) FROM runs")
    refused = away("run", "far", "names=file:///nowhere/at/all", code=2, environ={"FAR_TOKEN": "of this machine"})
    assert "FAR_TOKEN: the server does not have this secret" in refused.err
    assert "the server has no /nowhere/at/all" in refused.err
    assert house.rows("SELECT count(*) FROM runs") == before


def test_the_points_of_a_sweep_are_executed_there_and_what_they_share_once(away: Project, house: House) -> None:
    done = away("run", "far", "seed=1,2", "bad=true,false", code=3)
    assert "4 runs" in done.err
    found = away.json("sweep")
    assert sorted(each["state"] for each in found["runs"]) == ["failed", "failed", "succeeded", "succeeded"]
    executed = "SELECT count(*) FROM attempts JOIN runs ON runs.id = attempts.run WHERE runs.sweep = ? AND task = ?"
    assert house.rows(executed, found["sweep_id"], "wait") == [(1,)]
    assert not away.exists(".palmette")


def test_a_sweep_that_was_left_is_taken_up(away: Project) -> None:
    sweep = away("run", "far", "seed=1,2", "--detach").out.strip()
    done = away("resume", sweep)
    assert "runs are done already" in done.err
    assert {each["state"] for each in away.json("sweep", sweep)["runs"]} == {"succeeded"}
    named = away("sweep", sweep, "--on", away.environ["PALMETTE_ON"])
    assert f"palmette sweep {sweep} --on {away.environ['PALMETTE_ON']}" in named.out


def test_a_run_is_reproduced_there(away: Project) -> None:
    run = away.run("far")["run_id"]
    made = away.json("reproduce", run)
    assert made["reproduced"] is True
    assert made["again"]["host"] == made["run"]["host"]
    assert made["run"]["host"]["cpus"] > 0
    assert "no environment of the project's own" in away("reproduce", run, "--environment", "current", code=2).err


def test_a_comparison_has_executed_there_what_it_needs_once(away: Project, house: House) -> None:
    away.write("algorithms/ward.py", WARD)
    away.write("rows", "150")
    baseline = away.run("ward")["run_id"]
    away.write("rows", "180")
    head = away.run("ward", "shift=0.1")["run_id"]
    compared = away.json("diff", head, baseline)
    assert compared["examples"] == ["baseline rescored, none left out"]
    extra = "SELECT purpose, r.id, r.queue, r.state FROM extras JOIN runs AS r ON r.id = extras.run WHERE head = ?"
    executed = house.rows(extra, head)
    assert sorted((row[0], *row[2:]) for row in executed) == [
        ("resampled", "server", "SUCCEEDED"),
        ("rescored", "server", "SUCCEEDED"),
    ]
    away("diff", head, baseline)
    assert house.rows(extra, head) == executed
    assert {row["run_id"] for row in away.json("runs")} == {head, baseline}
    # Or both are trained on the same data.
    run = away.run("ward", "shift=0.1", "--data-of", baseline)
    assert run.cached == {"fetch"}
    assert f"on the data of run {baseline}" in away("show").out
    # A value that the data were not made with is said where they are shown, too.
    away.replace("algorithms/ward.py", "def fetch()", "def fetch(test: int = 30)")
    giver = away.run("ward")["run_id"]
    away.replace("algorithms/ward.py", "table = fetch()", "table = fetch(config.test)")
    away("run", "ward", "test=60", "--data-of", giver)
    assert away.show()["notices"][1:] == ["fetch was given test=30 there"]
