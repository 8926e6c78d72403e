"""Completion in real shells: what a terminal shows after the tabulator key."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from palmette.cli import shapes
from palmette.cli.app import palmette
from palmette.cli.completion import offers, parted
from palmette.domain.run import Git, Run, Setting, TaskRecord
from palmette.store import database, runs

if TYPE_CHECKING:
    from conftest import Project

SOURCE = """
from dataclasses import dataclass
from typing import Literal

import palmette

raise SystemExit("completion executes no code of the project")


@dataclass(frozen=True)
class Config:
    penalty: Literal["l1", "l2"] = "l2"
    pure: bool = False
    seed: int = 0


@palmette.algorithm(config=Config, presets={"toy": Config(seed=1)})
def tumour(config: Config):
    pass
"""
PATIENCE = 60.0


@pytest.fixture
def coded(empty: Project) -> Project:
    """A project with an algorithm, and a run in its store."""
    (empty.directory / "pyproject.toml").write_text('[project]\nname = "clinic"\n\n[tool.palmette]\n')
    (empty.directory / "algorithms").mkdir()
    (empty.directory / "algorithms" / "tumour.py").write_text(SOURCE)
    store = database.open(empty.directory / ".palmette")
    run = Run(
        id="abcd00000000",
        project="clinic",
        algorithm="tumour",
        settings=(Setting(name="penalty", value="l1"),),
        git=Git(branch="feature/long"),
        tags=("champion",),
    )
    runs.create(store, run, [TaskRecord(name="build-and-fit", component="build_and_fit")])
    store.close()
    return empty


def answered(project: Project, line: str) -> list[str]:
    """What the scripts are told for a line."""
    asked = {"_PALMETTE_COMPLETE": "bash", "_PALMETTE_LINE": line}
    done = project(environ=asked)
    assert done.err == ""
    return done.out.split("\n")[:-1]


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("palmette rese", []),
        ("palmette resu", ["resume"]),
        ("palmette run ", ["tumour"]),
        ("palmette run tumour p", ["penalty=", "pure="]),
        ("palmette run tumour penalty=", ["penalty=l1", "penalty=l2"]),
        ("palmette run tumour pure=t", ["pure=true"]),
        ("palmette run tumour --preset ", ["full", "toy"]),
        ("palmette run tumour --pre", ["--preset"]),
        ("palmette run --config ", []),
        ("palmette completion ", ["bash", "zsh", "fish"]),
        ("palmette views r", ["remove"]),
        ("palmette show ab", ["abcd00000000"]),
        ("palmette show l", ["last"]),
        ("palmette why abcd b", ["build_and_fit"]),
        ("palmette tag last c", ["champion"]),
        ("palmette runs bra", ["branch"]),
        ("palmette runs config.", ["config.penalty"]),
        ("palmette runs branch = ", ["feature/long"]),
        ("palmette runs branch=f", ["branch=feature/long"]),
        ("palmette runs state = succ", ["succeeded"]),
        ("palmette runs config.penalty = ", ["l1"]),
        ("palmette runs branch is ", ["defined", "undefined"]),
        ("palmette runs --sta", ["--state"]),
        ("palmette runs --state fa", ["failed"]),
        ("palmette runs 'never closed", []),
        ("palmette nothing here ", []),
        ("", []),
    ],
)
def test_what_may_follow_is_offered(coded: Project, line: str, offered: list[str]) -> None:
    if line:
        assert answered(coded, line) == offered
    else:
        assert "run" in answered(coded, line)


def test_where_there_is_no_project_nothing_is_offered_and_nothing_said(empty: Project) -> None:
    assert answered(empty, "palmette run ") == []
    assert answered(empty, "palmette show ") == []
    assert "run" in answered(empty, "palmette ru")


def test_what_commands_take_is_kept_as_it_is(tmp_path: Path) -> None:
    environ = {"XDG_CACHE_HOME": str(tmp_path)}
    first = shapes.shape(palmette, environ)
    assert list(tmp_path.rglob("*.json"))
    assert shapes.shape(palmette, environ) == first
    assert offers(first, "palmette run --pre") == [
        spelling for each in first.commands["run"].options for spelling in each.spelled
    ]


def test_a_line_is_parted_as_a_shell_does() -> None:
    assert parted("palmette runs 'a b' c") == (["palmette", "runs", "a b"], "c")
    assert parted("palmette run ") == (["palmette", "run"], "")
    assert parted("palmette runs 'a b") == (["palmette", "runs"], "a b")


class Terminal:
    """A shell in a terminal of its own."""

    def __init__(self, command: list[str], project: Project) -> None:
        self._master, slave = pty.openpty()
        environ = project.environ | {"TERM": "dumb", "PS1": "ready> "}
        environ["PATH"] = f"{Path(sys.executable).parent}:{environ['PATH']}"
        self._process = subprocess.Popen(
            command, stdin=slave, stdout=slave, stderr=slave, cwd=project.directory, env=environ, start_new_session=True
        )
        os.close(slave)
        self.seen = ""

    def type(self, keys: str, until: str) -> str:
        """Press keys, and read until this appears; what came until then."""
        os.write(self._master, keys.encode())
        begin = len(self.seen)
        while until not in self.seen[begin:]:
            ready, _, _ = select.select([self._master], [], [], PATIENCE)
            assert ready, f"{until!r} never came: {self.seen[begin:]!r}"
            self.seen += os.read(self._master, 4096).decode(errors="replace")
        return self.seen[begin:]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)


@pytest.fixture
def terminal(coded: Project) -> Iterator[object]:
    opened: list[Terminal] = []

    def open_one(*command: str) -> Terminal:
        if shutil.which(command[0]) is None:
            pytest.skip(f"{command[0]} is not installed (Debian: apt-get install {command[0]})")
        opened.append(Terminal(list(command), coded))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


def test_bash_completes_names_and_choices(terminal: object) -> None:
    shell = terminal("bash", "--norc", "--noprofile", "-i")  # type: ignore[operator]
    shell.type('eval "$(palmette completion bash)"; echo load""ed\n', "loaded")
    shell.type("palmette run tum\t", "tumour ")
    shell.type("pen\t", "penalty=")
    shell.type("l1 --pres\t", "--preset ")
    shell.type("t\t", "toy")
    shell.type("\x15palmette runs branch=fea\t", "branch=feature/long")


def test_zsh_completes_names_and_choices(terminal: object) -> None:
    shell = terminal("zsh", "-f", "-i")  # type: ignore[operator]
    shell.type('autoload -U compinit; compinit -u -D; eval "$(palmette completion zsh)"; echo load""ed\n', "loaded")
    shell.type("palmette run tum\t", "our ")
    shell.type("pen\t", "alty=")
    shell.type("l1 --pres\t", "et ")
    shell.type("t\t", "oy")


def test_fish_completes_names_and_choices(coded: Project) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed (Debian: apt-get install fish)")

    def completed(line: str) -> list[str]:
        program = f"palmette completion fish | source; complete -C '{line}'"
        environ = coded.environ | {"PATH": f"{Path(sys.executable).parent}:{coded.environ['PATH']}"}
        done = subprocess.run(
            ["fish", "--no-config", "-c", program],
            cwd=coded.directory,
            env=environ,
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.split()

    assert completed("palmette run tum") == ["tumour"]
    assert completed("palmette run tumour penalty=") == ["penalty=l1", "penalty=l2"]
    assert completed("palmette runs branch = ") == ["feature/long"]


def test_it_is_installed_where_the_shell_looks(coded: Project, tmp_path: Path) -> None:
    home = {"HOME": str(tmp_path)}
    for shell, place in (
        ("bash", ".local/share/bash-completion/completions/palmette"),
        ("fish", ".config/fish/completions/palmette.fish"),
    ):
        assert coded("completion", shell, "--install", environ=home).out == f"wrote {tmp_path / place}\n"
        assert (tmp_path / place).read_text() == coded("completion", shell).out
    assert "fpath=" in coded("completion", "zsh", "--install", environ=home).err
