"""SIGKILL to servers in the middle of runs: every run ends as it should, and nothing is left behind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from benchmarks.soak.hosting import Hosting, chain
from benchmarks.soak.servers import trial


@pytest.mark.timeout(300)
def test_a_server_that_is_killed_and_started_again_ends_every_run(tmp_path: Path) -> None:
    hosting = Hosting(directory=tmp_path / "hosting")
    try:
        assert not trial(hosting, runs=8, kills=2, servers=1, seed=3)
    finally:
        hosting.close()


@pytest.mark.timeout(300)
def test_of_two_servers_on_one_database_one_goes_on_alone(tmp_path: Path, cluster: Any) -> None:
    hosting = Hosting(directory=tmp_path / "hosting", database=cluster.create("shared"))
    gate = tmp_path / "gate"
    try:
        first, second = hosting.start("--runs", "2"), hosting.start("--runs", "2")
        wait = f"until [ -e {gate} ]; do sleep 0.02; done"
        runs = [server.submit(chain(wait, "true")) for server in (first, second, first, second)]
        # Each drives two; as many tasks run as there are cores.
        hosting.until(lambda: len(hosting.rows("SELECT id FROM runs WHERE lease_pid IS NOT NULL")) == 4)
        hosting.until(lambda: hosting.rows("SELECT run FROM attempts WHERE pid IS NOT NULL"))
        first.process.kill()
        first.process.wait()
        gate.touch()
        assert set(hosting.ended(runs, 60).values()) == {"SUCCEEDED"}
        done = hosting.rows("SELECT run, task FROM attempts WHERE state = ?", "SUCCEEDED")
        assert len(done) == len({(row["run"], row["task"]) for row in done}) == 8
        assert second.stop() == 0
        assert not hosting.working()
    finally:
        hosting.close()


@pytest.mark.timeout(300)
def test_runs_leave_no_process_directory_lock_or_file_descriptor_behind(tmp_path: Path) -> None:
    hosting = Hosting(directory=tmp_path / "hosting")
    try:
        server = hosting.start()
        first = server.submit(chain("true"))
        hosting.ended([first])
        hosting.until(lambda: _held(hosting, server.process.pid)[0] == 2)
        before = _held(hosting, server.process.pid)
        hosting.ended([server.submit(chain("true")) for _ in range(10)])
        hosting.until(lambda: _held(hosting, server.process.pid) == before, 120)
        kept = {path.name for path in hosting.store.glob("runs/*/*/*/*")}
        assert kept == {"input.json", "log"}
        assert not list((hosting.directory / "temporary").iterdir())
    finally:
        hosting.close()


def _held(hosting: Hosting, server: int) -> tuple[int, int]:
    """How many processes work there, and how many files the worker has open."""
    working = hosting.working()
    (worker,) = (one.pid for one in working if one.parent == server)
    return len(working), sum(1 for _ in Path(f"/proc/{worker}/fd").iterdir())
