"""`palmette run` in projects as the tools of the trade lay them out, with real environments and real installs."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Installer, Place

WORD = 'def word() -> str:\n    return "{}"\n'
HATCHLING = """
    [build-system]
    requires = ["hatchling"]
    build-backend = "hatchling.build"

    [tool.hatch.build.targets.wheel]
    packages = ["{}"]
"""
SETUPTOOLS = """
    [build-system]
    requires = ["setuptools>=68"]
    build-backend = "setuptools.build_meta"

    [tool.setuptools.packages.find]
    where = ["{}"]
"""


def test_a_project_that_uv_manages(installer: Installer, place: Place, tool: Path) -> None:
    place.project("theirs.words", HATCHLING.format("src/theirs"))
    place.write("src/theirs/__init__.py")
    place.write("src/theirs/words.py", WORD.format("managed"))
    installer.uv("sync", "--project", place.directory, "--python", installer.python("3.11"))
    assert place.look(tool) == ("managed", place.directory / ".venv")


def test_an_environment_that_uv_was_told_to_put_elsewhere(installer: Installer, place: Place, tool: Path) -> None:
    place.project("words")
    place.write("words.py", WORD.format("elsewhere"))
    elsewhere = place.directory.parent / "environments" / "theirs"
    installer.environment(elsewhere)
    assert place.look(tool, UV_PROJECT_ENVIRONMENT=str(elsewhere)) == ("elsewhere", elsewhere)


def test_a_project_as_poetry_lays_it_out(installer: Installer, place: Place, tool: Path) -> None:
    place.project("theirs", '\n[tool.poetry]\npackages = [{ include = "theirs" }]\n')
    place.write("poetry.lock", '[metadata]\nlock-version = "2.1"\npython-versions = ">=3.11"\ncontent-hash = "0"\n')
    place.write("theirs/__init__.py", WORD.format("poetry"))
    installer.environment(place.directory / ".venv")
    assert place.look(tool) == ("poetry", place.directory / ".venv")


def test_an_active_conda_environment_which_has_no_pyvenv_cfg(installer: Installer, place: Place, tool: Path) -> None:
    place.project("words")
    place.write("words.py", WORD.format("conda"))
    base = installer.python("3.11").resolve().parent.parent
    prefix = place.directory.parent / "conda" / "envs" / "theirs"
    (prefix / "bin").mkdir(parents=True)
    # What makes a prefix: the interpreter's links, and its library beside them.
    (prefix / "bin" / "python").symlink_to(base / "bin" / "python3.11")
    (prefix / "conda-meta").mkdir()
    word, _ = place.look(tool, CONDA_PREFIX=str(prefix), CONDA_DEFAULT_ENV="theirs")
    assert word == "conda"
    (prefix / "bin" / "python").unlink()
    refused = place(tool, "run", "look", code=69, CONDA_PREFIX=str(prefix), CONDA_DEFAULT_ENV="theirs")
    assert "CONDA_PREFIX" in refused


@pytest.mark.parametrize("backend", [HATCHLING.format("src/theirs"), SETUPTOOLS.format("src")], ids=["pth", "finder"])
def test_the_project_is_installed_editable_from_src(
    installer: Installer, place: Place, tool: Path, backend: str
) -> None:
    place.project("theirs.words", backend)
    place.write("src/theirs/__init__.py")
    place.write("src/theirs/words.py", WORD.format("first"))
    python = installer.environment(place.directory / ".venv")
    installer.uv("pip", "install", "--python", python, "--editable", place.directory)
    assert place.look(tool) == ("first", place.directory / ".venv")
    place.write("src/theirs/words.py", WORD.format("second"))
    assert place.look(tool) == ("second", place.directory / ".venv")


def test_the_project_is_installed_editable_from_its_root(installer: Installer, place: Place, tool: Path) -> None:
    place.project("theirs.words", SETUPTOOLS.format(".") + '    include = ["theirs*"]\n')
    place.write("theirs/__init__.py")
    place.write("theirs/words.py", WORD.format("flat"))
    python = installer.environment(place.directory / ".venv")
    installer.uv("pip", "install", "--python", python, "--editable", place.directory)
    assert place.look(tool) == ("flat", place.directory / ".venv")


def test_an_ordinary_install_of_the_project_never_wins_over_its_source(
    installer: Installer, place: Place, tool: Path
) -> None:
    place.project("theirs.words", HATCHLING.format("src/theirs"))
    place.write("src/theirs/__init__.py")
    place.write("src/theirs/words.py", WORD.format("installed"))
    python = installer.environment(place.directory / ".venv")
    installer.uv("pip", "install", "--python", python, place.directory)
    place.write("src/theirs/words.py", WORD.format("edited since"))
    assert place.look(tool)[0] == "edited since"


def test_a_member_of_a_workspace(installer: Installer, place: Place, tool: Path) -> None:
    place.write(
        "pyproject.toml",
        '[project]\nname = "whole"\nversion = "1"\nrequires-python = ">=3.11"\n\n'
        '[tool.uv.workspace]\nmembers = ["members/*"]\n',
    )
    place.project("words", HATCHLING.format("words.py"), at="members/theirs")
    place.write("members/theirs/words.py", WORD.format("member"))
    installer.uv("sync", "--all-packages", "--project", place.directory, "--python", installer.python("3.11"))
    assert place.look(tool, cwd="members/theirs") == ("member", place.directory / ".venv")
    assert (place.directory / "members" / "theirs" / ".palmette").is_dir()


def test_namespace_packages_have_no_init(installer: Installer, place: Place, tool: Path) -> None:
    place.project("company.training.words", HATCHLING.format("src/company"))
    place.write("src/company/training/words.py", WORD.format("namespace"))
    python = installer.environment(place.directory / ".venv")
    installer.uv("pip", "install", "--python", python, "--editable", place.directory)
    assert place.look(tool) == ("namespace", place.directory / ".venv")


def test_a_project_in_a_directory_of_a_repository(installer: Installer, place: Place, tool: Path) -> None:
    subprocess.run(["git", "init", "--quiet", "--initial-branch=main", place.directory], check=True)
    place.write("pyproject.toml", '[project]\nname = "whole"\nversion = "1"\n')
    place.project("words", at="training/theirs")
    place.write("training/theirs/words.py", WORD.format("below"))
    installer.environment(place.directory / ".venv")
    run = place.json(tool, "run", "look", cwd="training/theirs")
    assert run["git"]["branch"] == "main"
    assert place.look(tool, cwd="training/theirs") == ("below", place.directory / ".venv")
    (place.directory / "training" / "theirs" / "deeper").mkdir()
    assert place.look(tool, cwd="training/theirs/deeper")[0] == "below"
    assert not (place.directory / ".palmette").exists()


def test_an_environment_without_pip_or_any_package(installer: Installer, place: Place, tool: Path) -> None:
    place.project("words")
    place.write("words.py", WORD.format("bare"))
    python = installer.environment(place.directory / "venv")
    assert not list(python.parents[1].glob("lib/python*/site-packages/*.dist-info"))
    assert place.look(tool) == ("bare", place.directory / "venv")
