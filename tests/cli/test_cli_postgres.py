"""The verbs on a store whose records are on a PostgreSQL server."""

from __future__ import annotations

import os
from typing import Any


def test_runs_are_made_found_compared_imported_and_collected_there(tiny: Any, cluster: Any) -> None:
    store = {"PALMETTE_STORE": cluster.create(f"cli_{os.getpid()}")}

    first = tiny.run("example", environ=store)
    second = tiny.run("example", "held_out=4", environ=store)
    assert second.cached == set()
    again = tiny.run("example", environ=store)
    assert again.cached == {"build_and_fit", "evaluate_model", "report"}

    assert [run["run_id"] for run in tiny.json("runs", environ=store)] == [
        run["run_id"] for run in (again, second, first)
    ]
    assert "held_out  3 → 4" in tiny("diff", second["run_id"], first["run_id"], environ=store).out

    tiny.write("old.csv", "held_out,mae\n5,0.5\n")
    assert len(tiny.json("import", "old.csv", "--algorithm", "example", environ=store)["imported"]) == 1
    assert len(tiny.json("runs", environ=store)) == 4

    done = tiny.json("gc", "--keep-last", "1", "--yes", environ=store)
    assert {first["run_id"], second["run_id"]} < set(done["collected_runs"])
    assert tiny.json("gc", "--run", first["run_id"], "--yes", environ=store)["deleted_runs"] == [first["run_id"]]
    assert len(tiny.json("runs", environ=store)) == 3
    assert not tiny.exists(".palmette/store.db")


def test_bytes_that_runs_on_a_server_need_are_not_collected_for_a_local_store(tiny: Any, cluster: Any) -> None:
    tiny.run("example")
    tiny.run("example", "held_out=4", environ={"PALMETTE_STORE": cluster.create(f"both_{os.getpid()}")})

    said = tiny("gc", code=69).err

    assert "postgresql" in said
    assert "PALMETTE_STORE" in said
