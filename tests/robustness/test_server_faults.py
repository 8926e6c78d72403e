"""A store that is away, locked or full, and a driver that stands still: servers wait, say so, and lose nothing."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import threading
import urllib.error
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from benchmarks.soak.hosting import Hosting, Server, chain

from palmette.domain.run import Process
from palmette.engine import processes
from palmette.operations.home import serve_home
from palmette.store import leases


@contextmanager
def hosted(directory: Path, database: str = "") -> Iterator[Hosting]:
    hosting = Hosting(directory=directory, database=database)
    try:
        yield hosting
    finally:
        hosting.close()


@contextmanager
def locked(hosting: Hosting) -> Iterator[None]:
    """Somebody else writes, and takes their time."""
    with closing(sqlite3.connect(hosting.store / "store.db", isolation_level=None, timeout=60)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            connection.execute("ROLLBACK")


def waiting_for(gate: Path) -> str:
    return f"until [ -e {gate} ]; do sleep 0.02; done"


def begun(hosting: Hosting, run: str) -> bool:
    return bool(hosting.rows("SELECT 1 FROM attempts WHERE run = ? AND pid IS NOT NULL", run))


def attempts(hosting: Hosting, run: str) -> list[tuple[str, str]]:
    rows = hosting.rows("SELECT task, state FROM attempts WHERE run = ? ORDER BY task, serial", run)
    return [(row["task"], row["state"]) for row in rows]


def fill(rest: Path) -> None:
    """Take all the space that is left."""
    with rest.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(b"x" * 4096):
            pass


def refusal(server: Server) -> tuple[int, str]:
    """What a server says that cannot accept a run now."""
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.submit(chain("true"))
    return refused.value.code, json.loads(refused.value.read())["message"]


@pytest.mark.timeout(300)
def test_a_database_that_is_started_again_costs_no_run_its_tasks(tmp_path: Path, cluster: Any) -> None:
    gate = tmp_path / "gate"
    with hosted(tmp_path / "hosting", cluster.create("restarted")) as hosting:
        server = hosting.start()
        run = server.submit(chain(waiting_for(gate), "true"))
        hosting.until(lambda: begun(hosting, run))
        cluster.stop()
        try:
            # What ends meanwhile is written down as soon as there is somewhere to.
            gate.touch()
            code, said = refusal(server)
        finally:
            cluster.start()
        assert code == 503
        assert said in ("the store cannot be read just now", f"the database {hosting.database} does not answer")
        assert "Traceback" not in said
        later = server.submit(chain("true"))
        assert set(hosting.ended([run, later]).values()) == {"SUCCEEDED"}
        assert attempts(hosting, run) == [("step-1", "SUCCEEDED"), ("step-2", "SUCCEEDED")]
        assert server.stop() == 0


@pytest.mark.timeout(300)
def test_who_is_locked_out_waits_and_a_server_leaves_without_waiting(tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with hosted(tmp_path / "hosting") as hosting:
        server = hosting.start("--on-stop", "requeue")
        run = server.submit(chain(waiting_for(gate), "true"))
        hosting.until(lambda: begun(hosting, run))
        accepted: list[str] = []
        with locked(hosting):
            gate.touch()
            handing_in = threading.Thread(target=lambda: accepted.append(server.submit(chain("true"))))
            handing_in.start()
            handing_in.join(0.5)
            assert not accepted
        handing_in.join()
        assert set(hosting.ended([run, *accepted]).values()) == {"SUCCEEDED"}
        assert attempts(hosting, run) == [("step-1", "SUCCEEDED"), ("step-2", "SUCCEEDED")]
        with locked(hosting):
            # Its patience with the store is a minute; that with its own end is shorter.
            server.process.send_signal(signal.SIGTERM)
            assert server.process.wait(40) == 0
        assert not hosting.working()


@pytest.mark.timeout(300)
def test_a_disk_that_fills_up_stops_runs_and_with_space_they_go_on(tmp_path: Path, disk: Callable[..., Path]) -> None:
    gate = tmp_path / "gate"
    with hosted(tmp_path / "hosting") as hosting:
        store = disk("hosting/store", "12m")
        server = hosting.start()
        run = server.submit(chain(waiting_for(gate), "true"))
        hosting.until(lambda: begun(hosting, run))
        rest = store / "rest"
        fill(rest)
        code, said = refusal(server)
        assert code == 503
        assert "no space is left" in said
        gate.touch()
        hosting.until(lambda: f"run {run} waits: no space is left" in hosting.log.read_text())
        rest.unlink()
        later = server.submit(chain("true"))
        assert set(hosting.ended([run, later]).values()) == {"SUCCEEDED"}
        assert [state for task, state in attempts(hosting, run) if state == "SUCCEEDED"] == ["SUCCEEDED"] * 2
        assert not list(store.glob("blobs/incoming/*"))


@pytest.mark.timeout(300)
def test_a_driver_that_was_overtaken_while_it_stood_still_does_no_harm(tmp_path: Path) -> None:
    gate, notes = tmp_path / "gate", tmp_path / "notes"
    with hosted(tmp_path / "hosting") as hosting:
        server = hosting.start()
        run = server.submit(chain(f"{waiting_for(gate)}; echo done >> {notes}", "true"))
        hosting.until(lambda: begun(hosting, run))
        (row,) = hosting.rows("SELECT lease_pid, epoch FROM runs WHERE id = ?", run)
        os.kill(row["lease_pid"], signal.SIGSTOP)
        home = serve_home(hosting.store)
        try:
            # Another host would have to wait for the silence; here the judgement that the holder is dead is given.
            taken = leases.take(home.store, run, os.uname().nodename, _me(), alive=lambda _: False)
            before = hosting.rows("SELECT * FROM attempts WHERE run = ?", run)
            gate.touch()
            hosting.until(notes.exists)
            os.kill(row["lease_pid"], signal.SIGCONT)
            hosting.until(lambda: f"run {run} waits" in hosting.log.read_text() or not _lives(row["lease_pid"]))
            assert hosting.rows("SELECT * FROM attempts WHERE run = ?", run) == before
            leases.release(home.store, taken)
        finally:
            home.store.close()
        assert hosting.ended([run]) == {run: "SUCCEEDED"}
        assert attempts(hosting, run) == [("step-1", "LOST"), ("step-1", "SUCCEEDED"), ("step-2", "SUCCEEDED")]
        assert server.stop() == 0
        assert not hosting.working()


def _me() -> Process:
    return processes.process_of(os.getpid())


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
