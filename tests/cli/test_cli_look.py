"""The verbs that look at runs: `runs`, `show`, `logs`, `artifacts`, `tag`, `note`."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Hub, Project

SETTINGS = f"""
[tool.palmette]
name = "made"
python = "{sys.executable}"
"""

MADE = """
    from dataclasses import dataclass
    from pathlib import Path
    from palmette import HTML, Metrics, algorithm, step

    @dataclass(frozen=True)
    class Config:
        seed: int = 0

    @step
    def pages(seed: int) -> tuple[HTML, Path]:
        print("first line")
        print("second line")
        folder = Path("folder")
        (folder / "inner").mkdir(parents=True)
        (folder / "a.txt").write_text("a")
        (folder / "inner" / "b.txt").write_text("b")
        return HTML("<p>hello"), folder

    @step
    def count(page: HTML) -> Metrics:
        print("third line")
        return Metrics(length=len(page))

    @algorithm(config=Config, presets={"toy": Config(seed=1)})
    def made(config: Config) -> None:
        page, _ = pages(config.seed)
        count(page)
"""


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, user: dict[str, str], project_type: type[Project]) -> Path:
    """A project with one run that made a file and a directory."""
    project = project_type(tmp_path_factory.mktemp("once"), dict(user))
    project.write("pyproject.toml", SETTINGS)
    project.write("algorithms/made.py", MADE)
    project.run("made")
    return project.directory


@pytest.fixture
def made(once: Path, tmp_path: Path, user: dict[str, str], project_type: type[Project], hub: Hub) -> Iterator[Project]:
    """A copy of it, to change; looked at here and on a server."""
    shutil.copytree(once, tmp_path / "made")
    project = project_type(tmp_path / "made", dict(user), hub.of(tmp_path / "made" / ".palmette"))
    yield project
    project.end()


# Lists


def test_runs_are_listed_newest_first_as_a_table_json_and_csv(made: Project) -> None:
    newer = made.run("made", "--preset", "toy")
    rows = made.json("runs")
    assert [row["preset"] for row in rows] == ["toy", "full"]
    assert rows[0]["run_id"] == newer["run_id"]
    assert {"run_id", "state", "algorithm", "config", "metrics"} <= set(rows[0])
    table = list(csv.DictReader(io.StringIO(made("runs", "--csv").out)))
    assert [row["config.seed"] for row in table] == ["1", "0"]
    assert [row["metric.length"] for row in table] == ["8.0", "8.0"]
    out = made("runs").out
    assert newer["run_id"] in out
    assert "\x1b" not in out
    assert not [line for line in out.splitlines() if line != line.rstrip()]


def test_runs_of_several_algorithms_share_a_column_of_metrics(made: Project) -> None:
    metrics = ', metrics=[Metric("size"), Metric("double", primary=True)])\n    def other'
    text = MADE.replace("HTML, Metrics", "HTML, Metric, Metrics").replace(")\n    def made", metrics)
    made.write("algorithms/other.py", text.replace("Metrics(length=", "Metrics(size=1.0, double=2 * "))
    made.run("other")
    head, other, _ = made("runs").out.splitlines()
    assert head.split()[-2:] == ["double", "what"]
    assert " 16" in other
    assert "double" not in other
    made.write(
        "algorithms/third.py",
        text.replace("other", "third")
        .replace('"size"), Metric("double"', '"double"), Metric("size"')
        .replace("Metrics(length=", "Metrics(double=1.0, size=3 * "),
    )
    made.run("third")
    head, third, other, _ = made("runs").out.splitlines()
    assert head.split()[-2:] == ["metric", "what"]
    assert "size 24" in third
    assert "double 16" in other
    assert made("runs", "other").out.splitlines()[0].split()[-3:] == ["double", "size", "what"]


def test_lists_can_be_narrowed(made: Project) -> None:
    made.run("made", "--preset", "toy", "--tag", "keep")
    for narrowed in (["--preset", "toy"], ["--tag", "keep"], ["--limit", "1"]):
        assert [row["preset"] for row in made.json("runs", *narrowed)] == ["toy"]
    assert made.json("runs", "--state", "failed") == []
    assert "No run matches." in made("runs", "other").err


def test_where_nothing_ran_looking_says_so_and_leaves_nothing_behind(tiny: Project) -> None:
    for verb in (["show"], ["logs"], ["artifacts"], ["diff"], ["why"], ["tag", "last", "x"]):
        assert "palmette run ALGORITHM" in tiny(*verb, code=2).err
    assert "palmette run ALGORITHM" in tiny("runs").err
    assert not tiny.exists(".palmette")


def test_an_empty_list_is_still_a_list(tiny: Project) -> None:
    assert tiny.json("runs") == []


def test_a_run_can_be_named_in_several_ways(made: Project) -> None:
    [row] = made.json("runs")
    for name in (row["run_id"], row["run_id"][:4], "last", "made"):
        assert made.show(name)["run_id"] == row["run_id"]
    assert "zzzz" in made("show", "zzzz", code=2).err


def test_a_screen_shows_all_of_a_run(made: Project) -> None:
    out = made("show").out
    for word in ("succeeded", "seed", "pages", "count", "length", "pages.output_1", "HTML"):
        assert word in out
    assert not [line for line in out.splitlines() if line != line.rstrip()]


# Logs


def test_logs_name_the_step_unless_one_is_named(made: Project) -> None:
    assert made("logs").out == "pages │ first line\npages │ second line\ncount │ third line\n"
    assert made("logs", "last", "count").out == "third line\n"
    assert "Did you mean pages?" in made("logs", "last", "page", code=2).err


def test_a_step_that_was_reused_says_where_its_log_is(made: Project) -> None:
    first = made.show()["run_id"]
    made.run("made")
    done = made("logs", "last", "count")
    assert done.out == ""
    assert f"palmette logs {first} count" in done.err


def test_a_step_that_was_silent_before_it_was_reused_is_not_looked_up(made: Project) -> None:
    made.replace("algorithms/made.py", 'print("third line")', "pass")
    made.run("made")
    made.run("made")
    err = made("logs", "last").err
    assert "pages was reused" in err
    assert "count was reused" not in err


# Artifacts


def test_artifacts_are_listed_with_their_kind_and_size(made: Project) -> None:
    entries = {entry["name"]: entry for entry in made.json("artifacts", "list")}
    assert entries["pages.output_1"]["type"] == "system.HTML"
    assert entries["pages.output_1"]["size"] == 8
    assert entries["pages.output_2"]["size"] == 2
    assert "pages.output_2" in made("artifacts").out
    assert made("artifacts", "made").out == made("artifacts", "list", "last").out


def test_a_file_is_fetched_under_its_own_name_or_another(made: Project) -> None:
    made("artifacts", "get", "last", "pages.output_1")
    assert (made.directory / "output_1.html").read_text() == "<p>hello"
    missing = made("artifacts", "get", "last", "pages.output_1", "-o", "deep/page.html", code=2)
    assert "there is no directory" in missing.err
    (made.directory / "deep").mkdir()
    made("artifacts", "get", "last", "pages.output_1", "-o", "deep/page.html")
    assert (made.directory / "deep" / "page.html").read_text() == "<p>hello"
    made("artifacts", "get", "last", "pages.output_1", "-o", "deep")
    assert (made.directory / "deep" / "output_1.html").read_text() == "<p>hello"
    assert os.access(made.directory / "output_1.html", os.W_OK)


def test_a_directory_is_fetched_whole(made: Project) -> None:
    made("artifacts", "get", "last", "pages.output_2", "-o", "copy")
    assert (made.directory / "copy" / "a.txt").read_text() == "a"
    assert (made.directory / "copy" / "inner" / "b.txt").read_text() == "b"


def test_what_is_there_is_replaced_only_if_asked(made: Project) -> None:
    made.write("output_1.html", "mine")
    assert "--force" in made("artifacts", "get", "last", "pages.output_1", code=2).err
    assert (made.directory / "output_1.html").read_text() == "mine"
    made("artifacts", "get", "last", "pages.output_1", "--force")
    assert (made.directory / "output_1.html").read_text() == "<p>hello"


def test_a_step_with_several_artifacts_asks_which(made: Project) -> None:
    done = made("artifacts", "get", "last", "pages", code=2)
    assert "pages.output_1, pages.output_2" in done.err
    assert "count.output" in made("artifacts", "get", "last", "none", code=2).err


def test_a_hostile_name_in_the_store_leads_nowhere(made: Project) -> None:
    for number, name in enumerate(["../escaped", "/tmp/escaped-palmette", "..", "a/../../escaped", "nul\0l", ""]):
        lie(made, name)
        into = made.directory / f"into{number}"
        into.mkdir()
        before = set(made.directory.parent.glob("**/*"))
        made("-C", str(into), "artifacts", "get", "last", "pages.output_1")
        new = {path for path in set(made.directory.parent.glob("**/*")) - before if ".palmette" not in path.parts}
        assert [path.parent for path in new] == [into]


def lie(made: Project, name: str) -> None:
    """Write a file name into the store that no step could have given."""
    with sqlite3.connect(made.directory / ".palmette" / "store.db") as store:
        rows = store.execute("SELECT rowid, metadata FROM artifacts").fetchall()
        for number, metadata in rows:
            hostile = json.dumps(json.loads(metadata) | {"filename": name})
            store.execute("UPDATE artifacts SET metadata = ? WHERE rowid = ?", (hostile, number))
    store.close()


# Labels


def test_tags_and_notes_are_written_read_and_removed(made: Project) -> None:
    assert made("tag", "last", "good", "candidate").out == "candidate\ngood\n"
    assert made("tag", "last", "-d", "good").out == "candidate\n"
    made("note", "last", "worth a second look")
    assert made("note", "last").out == "worth a second look\n"
    assert made.show()["note"] == "worth a second look"
    made("note", "last", "-", typed="from a pipe\n")
    assert made("note", "last").out == "from a pipe\n"
    made("note", "last", "--clear")
    assert made("note", "last").out == ""
    assert made.show()["tags"] == ["candidate"]


def test_every_wrong_tag_is_told_at_once(made: Project) -> None:
    done = made("tag", "last", "fine", "not fine", "#no", code=2)
    assert "not fine" in done.err
    assert "#no" in done.err
    assert made.show()["tags"] == []


def test_a_reader_that_leaves_early_is_no_error(made: Project) -> None:
    process = made.start("logs")
    assert process.stdout is not None
    process.stdout.close()
    process.wait(60)
    assert process.stderr is not None
    assert "Traceback" not in process.stderr.read()
