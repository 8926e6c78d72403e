"""Finding the project, reading its settings, choosing its Python."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from palmette.errors import InterpreterError, ProjectError
from palmette.operations import continuing
from palmette.operations.project import Project, discover, find, interpreter
from palmette.operations.settings import SETTINGS, Kind, Settings, parse

ALGORITHM = """
from palmette import algorithm

@algorithm
def tumour(config):
    pass
"""


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def project(root: Path, settings: str = "", **files: str) -> Project:
    write(root, {"pyproject.toml": f'[project]\nname = "clinic"\n[tool.palmette]\n{settings}', **files})
    return find(root, {})


def environment(directory: Path) -> Path:
    subprocess.run([sys.executable, "-m", "uv", "venv", "-q", "--python", sys.executable, directory], check=True)
    return directory


# Finding


def test_the_nearest_pyproject_with_settings_upwards_makes_the_project(tmp_path: Path) -> None:
    project(tmp_path, **{"pkg/inner/pyproject.toml": "[tool.black]\n"})
    found = find(tmp_path / "pkg" / "inner", {})
    assert (found.root, found.name, found.home) == (tmp_path, "clinic", tmp_path / ".palmette")


def test_without_settings_the_nearest_one_with_an_algorithm_makes_it(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": "", "algorithms/tumour.py": ALGORITHM, "a/pyproject.toml": ""})
    assert find(tmp_path / "a", {}).root == tmp_path


def test_a_project_whose_only_algorithm_is_half_written_is_found(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": "", "algorithms.py": "from palmette import algorithm\ndef ("})
    assert find(tmp_path, {}).root == tmp_path


@pytest.mark.parametrize("files", [{}, {"pyproject.toml": "[project]\nname = 'x'\n", "x.py": "x = 1"}])
def test_no_project_says_how_to_make_one(tmp_path: Path, files: dict[str, str]) -> None:
    write(tmp_path, files)
    with pytest.raises(ProjectError, match="palmette init"):
        find(tmp_path, {})


def test_a_broken_pyproject_is_named_with_the_place(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": "[tool.palmette\n"})
    with pytest.raises(ProjectError, match=r"pyproject\.toml is not TOML: .*line 1"):
        find(tmp_path, {})


# Settings


def test_every_setting_is_described_and_becomes_a_field_with_the_default_it_states() -> None:
    by_field = {option.name.replace("-", "_"): option for option in SETTINGS}
    assert list(by_field) == sorted(by_field, key=[*by_field].index)
    assert set(by_field) == {entry.name for entry in fields(Settings)}
    for name, option in by_field.items():
        default = getattr(Settings(), name)
        if option.kind is Kind.CI:
            assert continuing.read(option.default) == (default, ())
            continue
        assert (list(default) if option.kind is Kind.TEXTS and default is not None else default) == option.default
        assert option.description.endswith(".")


def test_all_wrong_settings_are_told_at_once_with_what_is_allowed(tmp_path: Path) -> None:
    settings = 'source_roots = ["lib"]\nclosure = "some"\ngpus = -1\ninstall = 1\nalgorithms = ["gone"]\nzebra = 1\n'
    with pytest.raises(ProjectError) as caught:
        project(tmp_path, settings)
    said = {problem.where.split()[-1]: f"{problem.what} {problem.hint}" for problem in caught.value.problems}
    assert list(said) == ["source_roots", "closure", "gpus", "install", "zebra", "algorithms"]
    assert "'source-roots'" in said["source_roots"]
    assert 'not "definitions" or "package"' in said["closure"]
    assert "-1 is not a whole number" in said["gpus"]
    assert "Known settings" in said["zebra"]
    assert "no module gone" in said["algorithms"]


@pytest.mark.parametrize("value", [True, 1.5, "2", -1])
def test_a_count_takes_nothing_but_a_count(value: bool | float | str) -> None:
    assert len(parse({"gpus": value})[1]) == 1


def test_a_table_that_is_none_is_a_problem(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": "[tool]\npalmette = 3\n"})
    with pytest.raises(ProjectError, match="must be a table"):
        find(tmp_path, {})


def test_paths_that_are_not_there_are_problems(tmp_path: Path) -> None:
    with pytest.raises(ProjectError) as caught:
        project(tmp_path, 'source-roots = ["lib"]\nlock = "pins.txt"')
    assert [problem.what for problem in caught.value.problems] == [
        f"there is no directory {tmp_path / 'lib'}",
        f"there is no file {tmp_path / 'pins.txt'}",
    ]


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"algorithms/a.py": ""}, ["."]),
        ({"src/clinic/__init__.py": ""}, ["src"]),
        ({"src/clinic/__init__.py": "", "tests/__init__.py": ""}, ["src"]),
        ({"src/clinic/__init__.py": "", "algorithms/a.py": ""}, ["src", "."]),
        ({"src/clinic/__init__.py": "", "shared/__init__.py": ""}, ["src", "."]),
    ],
)
def test_source_roots_are_src_and_the_directory_itself_if_it_holds_packages(
    tmp_path: Path, files: dict[str, str], expected: list[str]
) -> None:
    assert project(tmp_path, **files).roots == tuple(tmp_path / entry for entry in expected)


def test_the_store_variable_precedes_the_setting_and_is_relative_to_the_user(tmp_path: Path) -> None:
    project(tmp_path, 'home = "runs"', **{"sub/x.py": ""})
    homes = {
        value: find(tmp_path / "sub", {"PALMETTE_STORE": value, "HOME": "/h"}).home
        for value in ("", "here", "/abs", "~/x")
    }
    assert homes == {
        "": tmp_path / "runs",
        "here": tmp_path / "sub" / "here",
        "/abs": Path("/abs"),
        "~/x": Path("/h/x"),
    }


def test_a_store_url_is_a_database_and_an_unknown_one_an_error(tmp_path: Path) -> None:
    project(tmp_path)
    url = "postgresql://db/runs"
    assert find(tmp_path, {"PALMETTE_STORE": url}).database == url
    with pytest.raises(ProjectError, match="ftp://"):
        find(tmp_path, {"PALMETTE_STORE": "ftp://db/runs"})


# Python


def test_the_environment_of_the_project_wins_over_one_activated_elsewhere_and_says_so(tmp_path: Path) -> None:
    other, own = environment(tmp_path / "other"), environment(tmp_path / "clinic" / ".venv")
    chosen = interpreter(project(tmp_path / "clinic"), {"VIRTUAL_ENV": str(other)})
    assert chosen.executable == own / "bin" / "python"
    assert chosen.executable.is_symlink()
    assert str(other) in chosen.note


def test_an_environment_activated_in_the_project_wins_over_its_usual_one(tmp_path: Path) -> None:
    environment(tmp_path / ".venv")
    active = environment(tmp_path / "py311")
    chosen = interpreter(project(tmp_path), {"VIRTUAL_ENV": str(active)})
    assert (chosen.executable, chosen.why, chosen.note) == (active / "bin" / "python", "VIRTUAL_ENV", "")


def test_an_environment_activated_elsewhere_serves_a_project_without_its_own(tmp_path: Path) -> None:
    other = environment(tmp_path / "other")
    assert interpreter(project(tmp_path / "clinic"), {"VIRTUAL_ENV": str(other)}).why == "VIRTUAL_ENV"


def test_a_member_uses_the_environment_of_its_workspace(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": '[tool.uv.workspace]\nmembers = ["packages/*"]\n'})
    shared = environment(tmp_path / ".venv")
    member = project(tmp_path / "packages" / "clinic")
    assert interpreter(member, {}).executable == shared / "bin" / "python"
    assert interpreter(member, {"UV_PROJECT_ENVIRONMENT": ".venv"}).why == "UV_PROJECT_ENVIRONMENT"


def test_a_directory_of_a_repository_uses_the_repositorys_environment(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    shared = environment(tmp_path / ".venv")
    assert interpreter(project(tmp_path / "ml"), {"PATH": ""}).executable == shared / "bin" / "python"


def test_conda_counts_unless_it_is_only_the_base(tmp_path: Path) -> None:
    conda = environment(tmp_path / "conda")
    clinic = project(tmp_path / "clinic")
    assert interpreter(clinic, {"CONDA_PREFIX": str(conda), "CONDA_DEFAULT_ENV": "ml"}).why == "CONDA_PREFIX"
    path = {"PATH": str(conda / "bin")}
    on_path = interpreter(clinic, {"CONDA_PREFIX": str(conda), "CONDA_DEFAULT_ENV": "base", **path})
    assert on_path.why.startswith("python3 on the PATH")


def test_poetry_is_asked_where_its_lock_lies(tmp_path: Path) -> None:
    executable = environment(tmp_path / "hidden") / "bin" / "python"
    write(tmp_path, {"bin/poetry": f'#!/bin/sh\n[ "$*" = "--no-ansi env info -e" ] && echo {executable}\n'})
    (tmp_path / "bin" / "poetry").chmod(0o755)
    chosen = interpreter(project(tmp_path / "clinic", **{"poetry.lock": ""}), {"PATH": f"{tmp_path}/bin"})
    assert (chosen.executable, chosen.why) == (executable, "poetry env info")


@pytest.mark.parametrize("spelling", ["env", "env/bin/python", "python3"])
def test_the_setting_may_be_a_directory_an_executable_or_a_command(tmp_path: Path, spelling: str) -> None:
    directory = environment(tmp_path / "env")
    chosen = interpreter(project(tmp_path, f'python = "{spelling}"'), {"PATH": str(directory / "bin")})
    assert chosen.executable.parent == directory / "bin"
    assert chosen.why == "[tool.palmette] python"


def test_an_environment_whose_python_is_gone_says_so_and_who_chose_it(tmp_path: Path) -> None:
    python = environment(tmp_path / ".venv") / "bin" / "python"
    python.unlink()
    python.symlink_to(tmp_path / "gone")
    with pytest.raises(InterpreterError, match=r"link to .*gone, which is gone \(chosen by \.venv in"):
        interpreter(project(tmp_path), {})


def test_a_file_that_cannot_be_executed_and_a_command_that_is_nowhere_are_errors(tmp_path: Path) -> None:
    clinic = project(tmp_path, 'python = "env/bin/python"', **{"env/bin/python": ""})
    with pytest.raises(InterpreterError, match="cannot be executed"):
        interpreter(clinic, {})
    with pytest.raises(InterpreterError, match=r"no python3 on the PATH(.|\n)*uv sync"):
        interpreter(project(tmp_path, ""), {"PATH": str(tmp_path)})


def test_discover_searches_what_the_settings_name_and_else_all(tmp_path: Path) -> None:
    files = {"algorithms/tumour.py": ALGORITHM, "other.py": ALGORITHM.replace("tumour", "other")}
    assert list(discover(project(tmp_path, **files))) == ["tumour"]
    assert list(discover(project(tmp_path, 'algorithms = ["other", "algorithms.tumour"]'))) == ["other", "tumour"]
    (tmp_path / "algorithms" / "tumour.py").rename(tmp_path / "tumour.py")
    (tmp_path / "algorithms").rmdir()
    assert list(discover(project(tmp_path))) == ["other", "tumour"]
