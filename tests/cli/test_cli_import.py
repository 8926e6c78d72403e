"""Old results become runs that can be searched, shown and compared with."""

from __future__ import annotations

import json
from typing import Any

MLFLOW = """
    run_id,status,start_time,end_time,params.held_out,params.gone,metrics.mae,tags.mlflow.user,artifact_uri
    3f2a,FINISHED,2024-03-01 10:00:00+00:00,2024-03-01 10:02:00+00:00,4,x,0.7,ada,file:///a
    77bc,FAILED,2024-03-02 10:00:00+00:00,,5,,,ada,file:///b
"""


def test_an_export_becomes_runs_that_are_shown_and_compared(tiny: Any) -> None:
    tiny.write("old.csv", MLFLOW)

    shown = tiny("import", "old.csv", "--algorithm", "example", "--dry-run")
    assert "params.held_out config.held_out 4" in " ".join(shown.out.split())
    assert "left out: artifact_uri" in shown.err
    assert tiny("runs").out == ""

    assert "2 runs of example imported" in tiny("import", "old.csv", "--algorithm", "example").err

    newest, oldest = tiny.json("runs")
    assert (newest["state"], newest["duration_seconds"], newest["metrics"]) == ("failed", None, {})
    assert (oldest["state"], oldest["duration_seconds"], oldest["metrics"]) == ("succeeded", 120.0, {"mae": 0.7})
    assert oldest["config"] == {"held_out": 4, "gone": "x"}
    assert (oldest["trigger"], oldest["git"]["author"]) == ("import", "ada")
    assert "imported from old.csv" in tiny("show", oldest["run_id"]).out
    tiny.run("example", "held_out=3")
    compared = tiny("diff", "last", oldest["run_id"]).out
    assert "held_out  4 → 3" in compared
    assert "code, data and environment are not known" in compared


def test_a_row_that_is_imported_twice_is_one_run(tiny: Any) -> None:
    tiny.write("old.csv", MLFLOW)
    tiny("import", "old.csv", "--algorithm", "example")

    again = tiny.json("import", "old.csv", "--algorithm", "example")

    assert (again["imported"], len(again["known"])) == ([], 2)
    assert len(tiny.json("runs")) == 2


def test_rows_without_a_name_are_known_by_what_they_say(tiny: Any) -> None:
    tiny.write("old.csv", "held_out,mae\n4,0.5\n4,0.5\n4,0.6\n")

    assert len(tiny.json("import", "old.csv", "--algorithm", "example")["imported"]) == 2
    assert tiny.json("import", "old.csv", "--algorithm", "example")["imported"] == []


def test_every_wrong_cell_is_named_at_once_and_nothing_is_imported(tiny: Any) -> None:
    tiny.write("old.csv", "started,held_out,mae,state\n2024-13-01,x,0.5,fine\n2024-01-01,4,much,ok\n")

    said = tiny("import", "old.csv", "--algorithm", "example", code=2).err

    assert [line.split(":")[0].strip() for line in said.splitlines() if ", column" in line] == [
        "line 2, column 'started'",
        "line 2, column 'held_out'",
        "line 2, column 'state'",
        "line 3, column 'mae'",
    ]
    assert not tiny.exists(".palmette/store.db")


def test_what_is_not_understood_is_asked_for(tiny: Any) -> None:
    tiny.write("old.csv", "lr,auc\n1,2\n")

    said = tiny("import", "old.csv", "--algorithm", "example", code=2).err
    assert "--map lr=config.NAME" in said
    assert "column 'auc'" in said
    assert "--algorithm" in tiny("import", "old.csv", code=2).err

    tiny("import", "old.csv", "--algorithm", "example", "--map", "lr=config.lr", "--ignore", "auc")
    assert [run["config"] for run in tiny.json("runs")] == [{"lr": 1}]


def test_what_runs_prints_can_be_imported_elsewhere(tiny: Any) -> None:
    tiny.run("example", "held_out=4", "--tag", "champion", "--note", "good")
    tiny.run("example")
    table, objects = tiny("runs", "--csv").out, tiny.json("runs")
    for name, text in (("runs.csv", table), ("runs.json", json.dumps(objects))):
        tiny.write(name, text)
        store = {"PALMETTE_STORE": str(tiny.directory / f"store-{name}")}
        tiny("import", name, environ=store)

        again = tiny.json("runs", environ=store)

        for was, now in zip(objects, again, strict=True):
            for key in ("run_id", "state", "algorithm", "preset", "config", "metrics", "created_at"):
                assert now[key] == was[key], key
    assert again[1]["tags"] == ["champion"]
    assert again[1]["note"] == "good"
    assert tiny("runs", "--csv", environ={"PALMETTE_STORE": str(tiny.directory / "store-runs.csv")}).out == table


def test_results_of_an_algorithm_that_is_gone_are_taken_for_what_they_look_like(tiny: Any) -> None:
    tiny.write("old.json", json.dumps([{"config": {"lr": 0.1, "layers": [1, 2]}, "metrics": {"auc": 0.5}}]))

    said = tiny("import", "old.json", "--algorithm", "ancient").err

    assert "the project has no algorithm ancient now" in said
    assert [run["config"] for run in tiny.json("runs")] == [{"lr": 0.1, "layers": [1, 2]}]
