"""The tests' forks of the command are the command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project


@pytest.mark.parametrize(("arguments", "code"), [(["runs"], 0), (["shwo"], 2)])
def test_a_fork_of_the_command_says_what_a_new_interpreter_does(tiny: Project, arguments: list[str], code: int) -> None:
    assert tiny.warm is not None
    assert tiny.warm.serves(tiny.environ)
    assert tiny(*arguments, code=code) == tiny.cold(*arguments, environ=tiny.environ)


def test_a_fork_of_the_command_has_surroundings_of_its_own(tiny: Project) -> None:
    tiny.write("elsewhere/pyproject.toml", "[tool.palmette]\nalgorithms = [\n")
    before = tiny("runs")
    assert "elsewhere" in tiny("runs", code=2, cwd=tiny.directory / "elsewhere").err
    assert "/nowhere" in tiny("runs", environ={"PALMETTE_STORE": "/nowhere"}).err
    assert tiny("runs") == before


def test_what_an_interpreter_reads_when_it_starts_gets_a_new_one(tiny: Project) -> None:
    assert tiny.warm is not None
    assert not tiny.warm.serves(tiny.environ | {"PYTHONUTF8": "0"})
