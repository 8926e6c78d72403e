"""The reference is what the code says, and the code's every door is in it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import click
import pytest

import palmette
from palmette import errors, testing
from palmette.authoring.steps import Options
from palmette.cli.app import palmette as command
from palmette.cli.lazy import VERBS
from palmette.client import homes
from palmette.client import runs as client
from palmette.domain.states import AttemptState, RunState, TaskState
from palmette.operations.settings import SETTINGS
from palmette.store import schema

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def made() -> Mapping[str, str]:
    """The pages as the code has them now."""
    sys.path.insert(0, str(ROOT / "scripts"))
    try:
        import reference
    finally:
        sys.path.pop(0)
    return reference.pages()


def page(name: str) -> str:
    return (REFERENCE / name).read_text(encoding="utf-8")


def test_the_committed_reference_is_what_the_code_says(made: Mapping[str, str]) -> None:
    stale = [name for name, text in made.items() if not (REFERENCE / name).exists() or page(name) != text]
    assert not stale, f"run `make docs`: {stale}"
    begins = "<!-- Written by"
    written = {path.name for path in REFERENCE.iterdir() if path.read_text(encoding="utf-8").startswith(begins)}
    assert written == set(made)


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        assert found is not None
        yield f"{path} {name}", found
        if isinstance(found, click.Group):
            yield from commands(found, f"{path} {name}")


def test_every_verb_and_option_is_documented_and_explained() -> None:
    text = page("cli.md")
    for path, verb in commands(command, "palmette"):
        assert f"# {path}\n" in text, path
        assert verb.help, f"{path} says nothing of itself"
        for parameter in verb.params:
            if isinstance(parameter, click.Option) and not parameter.hidden:
                assert parameter.opts[-1] in text, f"{path} {parameter.name}"
                assert parameter.help, f"{path} {parameter.name} says nothing of itself"
    assert set(VERBS) <= {path.split()[1] for path, _ in commands(command, "palmette")}


def test_what_every_command_prints_as_json_is_documented() -> None:
    text = page("json.md")
    printing = [
        path for path, verb in commands(command, "palmette") if any(each.name == "as_json" for each in verb.params)
    ]
    assert [path for path in printing if f"`{path}" not in text and path.rpartition(" ")[2] != "list"] == []


def test_every_setting_is_documented() -> None:
    assert re.findall(r"^## (.+)$", page("settings.md"), re.MULTILINE) == [option.name for option in SETTINGS]


def test_every_variable_that_the_code_reads_is_documented() -> None:
    text = page("settings.md")
    source = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "src").rglob("*.py"))
    named = set(re.findall(r"""["'](PALMETTE_[A-Z]+)["']""", source))
    named |= set(re.findall(r"""\benviron(?:\.get\(|\[)["'](\w+)["']""", source))
    usual = {"PATH", "HOME"}
    assert sorted(name for name in named - usual if f"`{name}`" not in text) == []


def test_every_error_is_documented_with_its_exit_code() -> None:
    text = page("errors.md")
    for found in vars(errors).values():
        if isinstance(found, type) and issubclass(found, errors.PalmetteError):
            assert re.search(rf"^\| `{found.__name__}` \| {found.exit_code} \| .+ \|$", text, re.MULTILINE), found


def test_every_exit_code_stands_where_the_command_is_explained() -> None:
    codes = {
        found.exit_code
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, errors.PalmetteError)
    }
    tree = page("errors.md")
    assert sorted(code for code in codes if not re.search(rf"\b{code}\b", tree)) == []


def test_everything_that_the_package_exports_is_documented() -> None:
    assert re.findall(r"^## (.+)$", page("authoring.md"), re.MULTILINE) == palmette.__all__


def test_what_drives_runs_from_python_is_documented() -> None:
    text = page("python.md")
    assert re.findall(r"^## palmette\.(\w+)$", text, re.MULTILINE) == ["run", "get", "runs", "compare", "connect"]
    for kind in (client.Run, client.Task, client.Output, homes.Home):
        shown = text.partition(f"## {kind.__name__}\n")[2].partition("\n## ")[0]
        members = [name for name in vars(kind) if not name.startswith("_")]
        assert [name for name in members if f"`{name}" not in shown] == []
        assert "|  |" not in shown, "a member says nothing of itself"


def test_everything_that_tests_may_use_is_documented() -> None:
    assert re.findall(r"^## (.+)$", page("testing.md"), re.MULTILINE) == testing.__all__


def test_every_page_is_listed() -> None:
    listed = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").glob("*/*.md")]
    assert [path for path in pages if f"({path})" not in listed] == []


def test_every_option_of_a_step_is_explained() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `[^`]+` \| (.*) \|$", page("authoring.md"), re.MULTILINE)
    assert {name for name, _ in rows} == set(Options.__annotations__)
    assert [name for name, meaning in rows if not meaning.strip()] == []


def test_every_state_is_documented() -> None:
    text = page("json.md")
    states = [state.value for kind in (RunState, TaskState, AttemptState) for state in kind]
    assert [state for state in states if f"`{state.lower()}`" not in text] == []
    drawn = (ROOT / "docs" / "explanation" / "states.md").read_text(encoding="utf-8")
    assert [state for state in states if state not in drawn] == []


def test_every_table_of_a_store_is_documented() -> None:
    assert re.findall(r"^## (.+)$", page("store.md"), re.MULTILINE) == list(schema.metadata.tables)
