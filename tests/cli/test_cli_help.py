"""What `palmette --help` says, and what it costs."""

from __future__ import annotations

import importlib
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from palmette.cli.lazy import VERBS

if TYPE_CHECKING:
    from conftest import Project

HEAVY = ("sqlalchemy", "alembic", "rich", "yaml", "packaging", "sqlite3")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], []])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = f"""
import atexit, sys
atexit.register(lambda: print("LOADED", *sorted({set(HEAVY)!r} & set(sys.modules))))
from palmette.cli import main
main({arguments!r})
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "LOADED"


def test_run_imports_nothing_heavy_before_the_projects_interpreter_is_started() -> None:
    code = f"import sys, palmette.cli.run; print(*sorted({set(HEAVY)!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_a_comparison_that_lacks_nothing_does_not_load_what_executes() -> None:
    heavy = {
        "palmette.operations.running",
        "palmette.compile",
        "palmette.engine.loop",
        "sqlalchemy.dialects.postgresql",
    }
    code = f"import sys, palmette.cli.diff; print(*sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


@pytest.mark.parametrize("verb", VERBS)
def test_the_list_of_commands_says_of_each_what_it_says_itself(verb: str) -> None:
    module, name, line = VERBS[verb]
    command = getattr(importlib.import_module(module), name)
    assert command.name == verb
    assert command.help.splitlines()[0] == line


@pytest.mark.parametrize("verb", VERBS)
def test_every_option_says_what_it_does(verb: str) -> None:
    module, name, _ = VERBS[verb]
    command = getattr(importlib.import_module(module), name)
    for one in (command, *getattr(command, "commands", {}).values()):
        for parameter in one.params:
            assert parameter.param_type_name == "argument" or parameter.help, f"{one.name} {parameter.name}"


def test_help_fits_80_columns_and_names_every_verb(empty: Project) -> None:
    out = empty("--help").out
    assert all(f"\n  {verb} " in out for verb in VERBS)
    for verb in VERBS:
        out += empty(verb, "--help").out
    assert max(map(len, out.splitlines())) <= 80


def test_a_mistyped_verb_gets_a_guess(empty: Project) -> None:
    done = empty("shwo", code=2)
    assert done.err == "error: there is no command 'shwo'\nDid you mean show?\nSee `palmette --help`.\n"


def test_without_a_verb_the_help_is_shown(empty: Project) -> None:
    assert empty().out == empty("--help").out
    assert empty().err == ""


def test_wrong_usage_names_the_help_of_the_verb(empty: Project) -> None:
    done = empty("run", "--fast", code=2)
    assert done.err.startswith("error: ")
    assert "See `palmette run --help`." in done.err


def test_without_a_project_every_verb_says_how_to_make_one(empty: Project) -> None:
    for arguments in (["run", "x"], ["runs"], ["show"], ["check"], ["diff"], ["resume"], ["capture", "x"]):
        assert "`palmette init` makes a project." in empty(*arguments, code=2).err


def test_another_directory_can_be_named(tiny: Project) -> None:
    tiny.write("c.toml", "held_out = 5\n")
    run = tiny("-C", str(tiny.directory), "run", "example", "--config", "c.toml", "--json", cwd=tiny.directory.parent)
    assert run.json["config"] == {"held_out": 5}
    tiny("-C", str(tiny.directory), "artifacts", "get", "last", "report", cwd=tiny.directory.parent)
    assert tiny.exists("output.html")
