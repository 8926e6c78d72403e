"""The tool works when it is installed by itself, outside its repository."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Installer, Place

LOCK = Path(__file__).parents[2] / "requirements-dev.txt"


def first_hour(place: Place, palmette: Path) -> None:
    """What a newcomer types, in this order."""
    assert "palmette init && palmette run example" in place(palmette, "--help")
    assert "Next: palmette run example" in place(palmette, "init")
    assert "succeeded" in place(palmette, "run", "example")
    changed = place.json(palmette, "run", "example", "held_out=4")
    assert changed["state"] == "succeeded"
    assert {task["name"] for task in changed["tasks"] if not task["cached"]} >= {"build_and_fit", "evaluate_model"}
    assert "held_out  3 → 4" in place(palmette, "diff")
    place(palmette, "compile", "example", "-o", "example.yaml")
    assert "exec-build-and-fit:" in (place.directory / "example.yaml").read_text()


@pytest.mark.timeout(300)
def test_installed_by_uv_as_a_tool(installer: Installer, place: Place, tmp_path: Path) -> None:
    directories = {"UV_TOOL_DIR": str(tmp_path / "tools"), "UV_TOOL_BIN_DIR": str(tmp_path / "bin")}
    installer.uv(
        "tool", "install", "--python", installer.python("3.11"), "--constraints", LOCK, installer.wheel,
        environ=directories,
    )  # fmt: skip
    first_hour(place, tmp_path / "bin" / "palmette")


@pytest.mark.timeout(300)
def test_installed_by_pip_into_an_environment_of_its_own_as_pipx_does(
    installer: Installer, place: Place, tmp_path: Path
) -> None:
    own = tmp_path / "pipx" / "venvs" / "palmette"
    base = installer.python("3.11")
    installer.run(base, "-m", "venv", "--without-pip", own)
    # What is not compiled now is compiled when it is imported; of most of it nothing ever is.
    quietly = ("--quiet", "--disable-pip-version-check", "--no-compile")
    installer.run(base, "-m", "pip", "--python", own / "bin" / "python", "install", *quietly, installer.wheel)
    link = tmp_path / "bin" / "palmette"
    link.parent.mkdir()
    link.symlink_to(own / "bin" / "palmette")
    first_hour(place, link)


def test_the_tool_may_live_in_the_projects_environment(installer: Installer, place: Place) -> None:
    palmette = installer.tool(place.directory / ".venv", "3.11")
    first_hour(place, palmette)


def test_steps_find_nothing_of_the_tools_environment(installer: Installer, place: Place, tool: Path) -> None:
    place(tool, "init")
    installer.environment(place.directory / ".venv")
    place.write(
        "algorithms/curious.py",
        """
        from dataclasses import dataclass
        from importlib.util import find_spec

        from palmette import Metrics, algorithm, step


        @dataclass(frozen=True)
        class Config:
            pass


        @step
        def look() -> Metrics:
            return Metrics(click=float(find_spec("click") is not None), yaml=float(find_spec("yaml") is not None))


        @algorithm(config=Config)
        def curious(config: Config) -> None:
            look()
        """,
    )
    assert place.json(tool, "run", "curious")["metrics"] == {"click": 0.0, "yaml": 0.0}


def test_palmette_without_what_it_requires_is_enough_for_unit_tests(
    installer: Installer, place: Place, tool: Path
) -> None:
    place(tool, "init")
    python = installer.environment(place.directory / ".venv")
    installer.uv("pip", "install", "--python", python, "--no-deps", installer.wheel)
    place.write(
        "test_example.py",
        """
        from algorithms.example import build_and_fit

        model = build_and_fit({"x": [0.0, 1.0, 2.0, 9.0], "y": [1.0, 3.0, 5.0, 0.0]}, held_out=1)
        assert model == {"slope": 2.0, "intercept": 1.0}
        """,
    )
    place(python, "test_example.py", PYTHONPATH=".")
    # With palmette in the project's environment as well, the tool's own is what runs.
    assert place.json(tool, "run", "example")["state"] == "succeeded"
