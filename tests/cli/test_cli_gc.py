"""Garbage is shown before it goes, and rules let go what they say."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def age(project: Any) -> None:
    """Let everything that is stored have been needed long ago."""
    for path in (project.directory / ".palmette" / "blobs").rglob("*"):
        os.utime(path, (1, path.stat().st_mtime))


def stored(project: Any) -> set[Path]:
    return {path for path in (project.directory / ".palmette" / "blobs").rglob("*") if path.is_file()}


def test_where_there_is_nothing_to_collect_that_is_said(tiny: Any) -> None:
    assert "Nothing to collect." in tiny("gc").err
    assert tiny.json("gc")["bytes"] == 0
    tiny.run("example")
    age(tiny)
    assert tiny.json("gc")["kinds"] == []


def test_nothing_is_deleted_before_it_is_asked_for(tiny: Any) -> None:
    run = tiny.run("example")
    tiny.run("example", "held_out=4")
    age(tiny)
    before = stored(tiny)

    shown = tiny("gc", "--keep-last", "1")

    assert "1 run would give up what their steps made" in shown.out
    assert "Nothing was deleted" in shown.err
    assert max(map(len, shown.out.splitlines())) <= 80
    assert stored(tiny) == before

    done = tiny.json("gc", "--keep-last", "1", "--yes")
    assert (done["done"], done["collected_runs"]) == (True, [run["run_id"]])
    assert stored(tiny) < before


def test_a_run_whose_bytes_went_says_so_and_is_executed_anew(tiny: Any) -> None:
    run = tiny.run("example")
    tiny.run("example", "held_out=4")
    age(tiny)
    tiny("gc", "--keep-last", "1", "--yes")

    said = tiny("artifacts", "get", run["run_id"], "report", code=2).err
    assert "was collected on 20" in said
    assert "by palmette gc --keep-last 1" in said
    assert tiny.show(run["run_id"])["metrics"] == run["metrics"]

    again = tiny.run("example")
    assert "report" not in again.cached
    tiny("artifacts", "get", again["run_id"], "report", "-o", "copy.html")


def test_what_speaks_for_a_run_keeps_it(tiny: Any) -> None:
    run = tiny.run("example", "--tag", "champion")

    assert "1 run kept: 1 tagged" in tiny("gc", "--keep-last", "0").err
    said = tiny("gc", "--run", "last", code=2).err
    assert f"{run['run_id']}: is tagged" in said
    assert f"palmette tag -d {run['run_id']} champion" in said


def test_whole_runs_go_by_name_and_by_search(tiny: Any) -> None:
    first, second, third = (tiny.run("example", f"held_out={number}") for number in (3, 4, 5))

    assert "1 run would be deleted" in tiny("gc", "--run", first["run_id"]).out
    tiny("gc", "--run", first["run_id"], "--yes")
    assert {run["run_id"] for run in tiny.json("runs")} == {second["run_id"], third["run_id"]}

    tiny("gc", "--runs", "config.held_out = 4", "--yes")
    assert [run["run_id"] for run in tiny.json("runs")] == [third["run_id"]]
    assert not (tiny.directory / ".palmette" / "runs" / second["run_id"]).exists() or tiny.json("gc")["waiting_bytes"]


def test_rules_that_make_no_sense_are_refused(tiny: Any) -> None:
    tiny.run("example")
    for arguments, words in (
        (("--older-than", "9y"), "'9y' is no age"),
        (("--keep-last", "1", "--run", "last"), "Call palmette gc twice"),
        (("--runs", "state = failed limit 5"), "Leave out `sort` and `limit`"),
        (("--runs", ""), "at least one"),
        (("--run", "nope"), "there is no run 'nope'"),
    ):
        assert words in tiny("gc", *arguments, code=2).err
