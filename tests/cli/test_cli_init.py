"""`palmette init`, and the first run after it."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Project


def test_an_empty_directory_becomes_a_project_that_runs_at_once(empty: Project) -> None:
    done = empty("init")
    assert "wrote  pyproject.toml" in done.out
    assert "Next: palmette run example" in done.out
    settings = tomllib.loads((empty.directory / "pyproject.toml").read_text())
    assert settings["project"]["name"] == "place"
    assert settings["tool"]["palmette"] == {"algorithms": ["algorithms"]}
    run = empty.json("run", "example")
    assert run["state"] == "succeeded"
    assert run["metrics"]["mae"] > 0


def test_settings_are_added_to_a_pyproject_that_is_there(empty: Project) -> None:
    before = '[project]\nname = "theirs"\nversion = "3"\n\n[tool.other]\nkept = true  # a remark'
    path = empty.write("pyproject.toml", before)
    empty("init")
    assert path.read_text().startswith(before + "\n")
    assert tomllib.loads(path.read_text())["tool"]["palmette"] == {"algorithms": ["algorithms"]}
    assert empty.json("run", "example")["project"] == "theirs"


def test_a_second_call_changes_nothing(empty: Project) -> None:
    empty("init")
    empty.write("algorithms/example.py", "# mine now\n")
    before = {path: path.read_bytes() for path in empty.directory.rglob("*") if path.is_file()}
    done = empty("init")
    assert "kept   pyproject.toml" in done.out
    assert "kept   algorithms/" in done.out
    assert {path: path.read_bytes() for path in empty.directory.rglob("*") if path.is_file()} == before


def test_a_directory_may_be_named_and_is_made(empty: Project) -> None:
    done = empty("init", "training")
    assert "cd training && palmette run example" in done.out
    assert (empty.directory / "training" / "algorithms" / "example.py").is_file()


def test_a_pyproject_that_is_no_toml_is_left_alone(empty: Project) -> None:
    path = empty.write("pyproject.toml", "[project\n")
    done = empty("init", code=2)
    assert "is not TOML" in done.err
    assert path.read_text() == "[project\n"
    assert not (empty.directory / "algorithms").exists()


def test_what_it_writes_is_what_a_linter_likes(tiny: Project) -> None:
    source = (tiny.directory / "algorithms" / "example.py").read_text()
    assert max(map(len, source.splitlines())) <= 120
    compile(source, str(Path("example.py")), "exec", dont_inherit=True)
