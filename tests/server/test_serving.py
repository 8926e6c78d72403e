"""`palmette serve` executes what is handed in, and stops as it is told."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from benchmarks.soak.hosting import PALMETTE, PATIENCE, Hosting, Server, chain

ALGORITHM = """
from palmette import algorithm, step


def helper() -> int:
    return 42


@step
def answer() -> int:
    return helper()


@algorithm
def far() -> None:
    answer()
"""


@pytest.fixture(scope="module")
def hosting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosting]:
    made = Hosting(directory=tmp_path_factory.mktemp("hosting"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def server(hosting: Hosting) -> Server:
    return hosting.start("--runs", "2")


def wait_for(gate: Path) -> str:
    return f"until [ -e {gate} ]; do sleep 0.02; done"


def attempts(hosting: Hosting, run: str) -> list[tuple[str, int, int, str]]:
    rows = hosting.rows("SELECT * FROM attempts WHERE run = ? ORDER BY task, serial", run)
    return [(row["task"], row["serial"], row["number"], row["state"]) for row in rows]


def begun(hosting: Hosting, run: str, task: str) -> bool:
    return bool(hosting.rows("SELECT 1 FROM attempts WHERE run = ? AND task = ? AND pid IS NOT NULL", run, task))


def test_what_is_handed_in_is_executed(hosting: Hosting, server: Server) -> None:
    run = server.submit(chain("echo one", "echo two"))
    assert hosting.ended([run]) == {run: "SUCCEEDED"}
    assert attempts(hosting, run) == [("step-1", 1, 1, "SUCCEEDED"), ("step-2", 1, 1, "SUCCEEDED")]


def test_the_worker_comes_again_when_it_dies_and_so_do_its_runs(hosting: Hosting, server: Server) -> None:
    gate = hosting.directory / "worker-gate"
    run = server.submit(chain(wait_for(gate)))
    hosting.until(lambda: begun(hosting, run, "step-1"))
    (worker,) = (
        one for one in hosting.working() if "operations.working" in one.command and one.parent == server.process.pid
    )
    worker.kill()
    gate.touch()
    assert hosting.ended([run]) == {run: "SUCCEEDED"}
    assert attempts(hosting, run) == [("step-1", 1, 1, "LOST"), ("step-1", 2, 1, "SUCCEEDED")]


def test_no_owner_s_or_experiment_s_runs_hold_up_those_of_others(hosting: Hosting, server: Server) -> None:
    gate = hosting.directory / "fair-gate"
    other = server.ask("POST", "/experiments", {"display_name": "other"})["experiment_id"]
    many = [server.submit(chain(wait_for(gate))) for _ in range(4)]
    body = {"display_name": "run", "experiment_id": other, "pipeline_spec": chain("true")}
    hosting.until(lambda: sum(begun(hosting, run, "step-1") for run in many) == 2)
    late = server.ask("POST", "/runs", body)["run_id"]
    gate.touch()
    assert set(hosting.ended([*many, late]).values()) == {"SUCCEEDED"}
    started = {row["id"]: row["started"] for row in hosting.rows("SELECT id, started FROM runs")}
    assert sorted([*many, late], key=started.__getitem__).index(late) <= 3


def test_a_run_that_failed_goes_on_under_its_id_and_keeps_what_is_good(hosting: Hosting, server: Server) -> None:
    gate = hosting.directory / "retry-gate"
    run = server.submit(chain("echo good", f"test -e {gate}", "echo last", retries=1))
    assert hosting.ended([run]) == {run: "FAILED"}
    gate.touch()
    server.ask("POST", f"/runs/{run}:retry")
    assert hosting.ended([run]) == {run: "SUCCEEDED"}
    assert attempts(hosting, run) == [
        ("step-1", 1, 1, "SUCCEEDED"),
        ("step-2", 1, 1, "FAILED"),
        ("step-2", 2, 2, "FAILED"),
        ("step-2", 3, 1, "SUCCEEDED"),
        ("step-3", 1, 1, "SUCCEEDED"),
    ]


def test_a_run_is_terminated_whether_it_runs_or_waits(hosting: Hosting, server: Server) -> None:
    gate = hosting.directory / "no-gate"
    runs = [server.submit(chain(wait_for(gate))) for _ in range(3)]
    hosting.until(lambda: sum(begun(hosting, run, "step-1") for run in runs) == 2)
    for run in reversed(runs):
        server.ask("POST", f"/runs/{run}:terminate")
    assert set(hosting.ended(runs).values()) == {"CANCELED"}
    assert not hosting.rows("SELECT 1 FROM attempts WHERE run = ?", runs[2])


def test_what_cannot_go_on_ends_with_its_reason(hosting: Hosting, server: Server) -> None:
    run = server.submit(chain("echo gone > /dev/null"))
    hosting.ended([run])
    broken = server.submit(chain("exit 3"))
    assert hosting.ended([broken]) == {broken: "FAILED"}
    (row,) = hosting.rows("SELECT message FROM tasks WHERE run = ?", broken)
    assert row["message"] == "exit code 3"


def test_a_pipeline_that_brings_its_code_along_needs_no_project_and_no_install(
    hosting: Hosting, server: Server, tmp_path: Path
) -> None:
    (tmp_path / "algorithms.py").write_text(ALGORITHM)
    settings = f'[project]\nname = "far"\n[tool.palmette]\nlock = "none"\npython = "{sys.executable}"\n'
    (tmp_path / "pyproject.toml").write_text(settings)
    compiled = [PALMETTE, "compile", "far", "-o", "far.yaml"]
    subprocess.run(compiled, cwd=tmp_path, env=hosting.environment, check=True, capture_output=True)
    pipeline, platform = yaml.safe_load_all((tmp_path / "far.yaml").read_text())
    run = server.submit({"pipeline_spec": pipeline, "platform_spec": platform})
    assert hosting.ended([run]) == {run: "SUCCEEDED"}
    (made,) = hosting.rows("SELECT value FROM parameters WHERE run = ?", run)
    assert made["value"] == "42"
    how = {row["task"]: row["how"] for row in hosting.rows("SELECT task, how FROM attempts WHERE run = ?", run)}
    assert how["answer"] == "fork"


def test_a_port_that_is_taken_is_one_error(hosting: Hosting, server: Server) -> None:
    port = server.url.rpartition(":")[2]
    code, said = hosting.refused("--port", port)
    assert code == 2
    assert f"error: port {port} of 127.0.0.1 is taken" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(("how", "states"), [("finish", ["SUCCEEDED"]), ("requeue", ["LOST", "SUCCEEDED"])])
def test_a_server_that_is_stopped_lets_tasks_finish_or_takes_them_up_again(
    tmp_path: Path, how: str, states: list[str]
) -> None:
    hosting = Hosting(directory=tmp_path / "hosting")
    gate = tmp_path / "gate"
    try:
        first = hosting.start("--on-stop", how)
        run = first.submit(chain(wait_for(gate), "echo last"))
        hosting.until(lambda: begun(hosting, run, "step-1"))
        first.process.send_signal(signal.SIGTERM)
        if how == "finish":
            hosting.until(lambda: "Ctrl-C again ends them now" in hosting.log.read_text())
            gate.touch()
        assert first.process.wait(PATIENCE) == 0
        assert hosting.states([run]) == {run: "RUNNING"}
        assert not begun(hosting, run, "step-2")
        assert not hosting.working()
        gate.touch()
        hosting.start()
        assert hosting.ended([run]) == {run: "SUCCEEDED"}
        assert [state for task, _, _, state in attempts(hosting, run) if task == "step-1"] == states
    finally:
        hosting.close()


def test_a_store_whose_bytes_lie_elsewhere_is_refused(tmp_path: Path, cluster: object) -> None:
    hosting = Hosting(directory=tmp_path / "hosting", database=cluster.create("elsewhere"))  # type: ignore[attr-defined]
    try:
        assert hosting.start().stop() == 0
        code, said = hosting.refused(home=tmp_path / "another")
        assert code == 69
        assert "error: the bytes of the store" in said
    finally:
        hosting.close()


def test_the_first_answer_waits_for_nothing_that_only_other_answers_need() -> None:
    first = "import sys, palmette.cli.serve, palmette.server.serving, palmette.operations.presence"
    command = [sys.executable, "-c", f"{first}; print(*sys.modules)"]
    modules = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    heavy = {"alembic", "rich", "packaging", "yaml", "cryptography", "prometheus_client", "palmette.kfpapi"}
    assert "palmette.server.serving" in modules
    assert not heavy & set(modules)
