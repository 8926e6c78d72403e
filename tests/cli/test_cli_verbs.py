"""What holds for every verb alike: its help, its errors, its JSON, and its screens."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click
import pytest
from rich.cells import cell_len

from palmette.cli.app import palmette
from palmette.cli.lazy import GROUPS, VERBS

if TYPE_CHECKING:
    from pathlib import Path

    from conftest import Project

#: a step whose name fills a screen, a loop of many items, a long reason, and values that must not reach a terminal as
#: they are
WIDE = '''
    from dataclasses import dataclass
    from palmette import HTML, Metric, Metrics, algorithm, collect, each, step, when

    LONG = "the_length_of_a_text_counted_in_characters_by_python_itself_and_by_nobody_else"

    @dataclass(frozen=True)
    class Config:
        """Wide."""
        count: int = 12
        text: str = "größe 日本語のとても長い値です" * 6
        odd: str = "two\\nlines \\x1b[31mred\\x1b[0m [bold]"
        a_field_with_a_name_that_goes_on_and_on_until_there_is_no_room_left_for_its_value: float = 2.0
        fails: bool = False

    @step
    def items(count: int) -> list[int]:
        return list(range(count))

    @step
    def fit(item: int) -> float:
        print("\\x1b[32mfitting\\x1b[0m", item)
        return item / 3

    @step
    def a_step_with_a_name_that_is_as_long_as_the_screen_is_wide_and_then_even_a_little_longer(text: str) -> str:
        return text * 3

    @step
    def score(values: list[float], text: str, odd: str, factor: float, fails: bool) -> Metrics:
        if fails:
            raise ValueError("x" * 100 + " [red]" + odd)
        return {LONG: len(text) * factor, "mean": sum(values) / len(values)}

    @step
    def never(value: float) -> HTML:
        return HTML("<p>")

    @algorithm(config=Config, metrics=[Metric(LONG, goal="max", primary=True), Metric("mean", goal="min")])
    def wide(config):
        for item in each(items(config.count)):
            value = fit(item)
        values = collect(value)
        text = a_step_with_a_name_that_is_as_long_as_the_screen_is_wide_and_then_even_a_little_longer(config.text)
        field = config.a_field_with_a_name_that_goes_on_and_on_until_there_is_no_room_left_for_its_value
        score(values, text, config.odd, field, config.fails)
        with when(field > 1000.5):
            never(field)
'''
RUN = ("rerun", "debug", "resume", "cancel", "reproduce", "show", "logs", "artifacts", "diff", "why", "tag", "note")
#: what such a verb needs behind the run
MORE = {"debug": ["fit"], "tag": ["a"], "note": ["a"]}
#: what needs no project: a server and what it keeps, and what this user knows of servers
PROJECTLESS = ("init", "completion", "serve", "token", "secret", "configmap", "volume", "login", "logout")
#: verbs that take the terminal, or whose output is a program, or nothing but help
TALKING = ("palmette debug", "palmette completion", "palmette ci")
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def commands(group: click.Group = palmette, path: str = "palmette") -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(click.Context(group)):
        found = group.get_command(click.Context(group), name)
        assert found is not None
        yield f"{path} {name}", found
        if isinstance(found, click.Group):
            yield from commands(found, f"{path} {name}")


COMMANDS = dict(commands())


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory, user: dict[str, str], project_type: type[Project]) -> Project:
    """A project with runs that are hard to show."""
    directory: Path = tmp_path_factory.mktemp("wide")
    project = project_type(directory, dict(user))
    project.write(
        "pyproject.toml",
        f"""
        [project]
        name = "wide"
        version = "1"

        [tool.palmette]
        algorithms = ["algorithms"]
        python = "{sys.executable}"
        """,
    )
    project.write("algorithms/wide.py", WIDE)
    project.git("init", "--initial-branch=feature/IA-1742-a-branch-with-a-name-as-long-as-teams-like-them")
    project.git("add", ".")
    project.git("commit", "--message", "Say [bold]much[/bold] more than fits on a line of a screen " * 3)
    project("run", "wide", "--tag", "first")
    project("run", "wide", "count=14", "fails=true", "text=kürzer", code=3)
    project("runs", "config.count > 13", "--save", "many")
    return project


#: every verb that shows something of runs that are there
SCREENS = [
    ["runs"],
    ["runs", "--columns", "config.text,config.odd,branch,started"],
    ["runs", "--columns", "config.count"],
    ["runs", "nothing like it"],
    ["views"],
    ["sweeps"],
    ["show"],
    ["show", "--", "wide"],
    ["artifacts"],
    ["diff"],
    ["why"],
    ["check"],
    ["capture", "wide", "--explain"],
    ["gc"],
    ["tag", "last"],
    ["note", "last"],
]


def unfit(text: str) -> list[str]:
    """The lines that do not fit the screen, or hold what a terminal would act upon."""
    lines = ESCAPES.sub("", text).replace("\r\n", "\n").split("\n")
    return [line for line in lines if cell_len(line) > 80 or re.search(r"[\x00-\x08\x0b-\x1f\x7f]", line)]


def test_every_verb_stands_under_one_heading_in_the_order_of_the_list() -> None:
    assert [name for names in GROUPS.values() for name in names] == list(VERBS)


@pytest.mark.parametrize("path", COMMANDS)
def test_help_has_an_example_and_fits_a_screen(path: str) -> None:
    context = click.Context(COMMANDS[path], info_name=path, terminal_width=80, max_content_width=80)
    shown = COMMANDS[path].get_help(context).splitlines()
    assert [line for line in shown[1:] if re.search(rf"^ .*\b{path}\b", line)], "no example"
    assert [line for line in shown if len(line) > 80] == []
    vague = re.compile(r"^  -.*(?<!--note) TEXT |INTEGER")
    assert [line for line in shown if vague.search(line)] == [], "an option that does not say what"


@pytest.mark.parametrize("path", [path for path in COMMANDS if path not in TALKING])
def test_every_command_prints_json(path: str) -> None:
    assert any("--json" in each.opts for each in COMMANDS[path].params)


@pytest.mark.parametrize("verb", RUN)
def test_an_unknown_run_is_one_line_and_a_hint(wide: Project, verb: str) -> None:
    ended = wide(verb, "zzzz", *MORE.get(verb, []), code=2)
    assert ended.out == ""
    assert ended.err == "error: there is no run 'zzzz'\nAlgorithms with runs: wide. `palmette runs` lists them.\n"


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in PROJECTLESS])
def test_outside_of_a_project_every_verb_says_so_and_leaves_nothing(empty: Project, verb: str) -> None:
    table = empty.directory.parent / "old.csv"
    table.write_text("id,state\na,done\n")
    needed = {verb: ["x"] for verb in ("run", "compile", "capture", "history", "leaderboard")} | {
        "import": [str(table)],
        "ci": ["plan"],
    }
    more = needed.get(verb, ["last", *MORE.get(verb, [])] if verb in RUN else [])
    ended = empty(verb, *more, code=2)
    assert (ended.out, ended.err.splitlines()[1:]) == ("", ["`palmette init` makes a project."])
    assert not any(empty.directory.iterdir())


def test_where_a_server_was_started_without_a_project_its_runs_are_asked_of_it(empty: Project) -> None:
    (empty.directory / ".palmette").mkdir()
    assert "palmette login URL, then --on NAME" in empty("runs", code=2).err


def test_where_nothing_was_run_lists_are_empty_and_the_rest_says_what_to_do(tiny: Project) -> None:
    before = sorted(tiny.directory.iterdir())
    for verb in ("runs", "sweeps", "views"):
        assert tiny.json(verb) == []
        ended = tiny(verb)
        assert (ended.out, "palmette run" in ended.err) == ("", True)
    assert tiny("gc").out == ""
    for verb in RUN:
        ended = tiny(verb, "last", *MORE.get(verb, []), code=2)
        assert (ended.out, ended.err.splitlines()[1:]) == ("", ["Start one: palmette run ALGORITHM."])
    assert sorted(tiny.directory.iterdir()) == before


def test_json_is_one_value_with_the_states_that_are_typed_in_searches(wide: Project) -> None:
    asked: list[list[str]] = [words for words in SCREENS if words[0] != "show" or len(words) == 1]
    asked += [["logs"], ["compile", "wide"], ["artifacts", "list", "last"], ["views", "list"]]
    for words in asked:
        said = json.dumps(wide.json(*words))
        assert set(re.findall(r'"state": "(\w+)"', said)) <= {"succeeded", "failed", "cached", "skipped"}, words
    (newest,) = wide.json("runs", "--limit", "1", "--columns", "state")
    assert newest["state"] == "failed"
    assert wide("runs", "--limit", "1", "--csv").out.splitlines()[1].split(",")[2] == "failed"


@pytest.mark.parametrize("words", SCREENS, ids=" ".join)
def test_a_screen_of_80_columns_holds_it(wide: Project, words: list[str]) -> None:
    code, sent = wide.terminal(*words)
    assert code == 0
    assert unfit(sent) == []


@pytest.mark.parametrize("words", [*SCREENS, ["logs"]], ids=" ".join)
def test_what_is_piped_has_no_colours_and_no_control_characters(wide: Project, words: list[str]) -> None:
    ended = wide(*words)
    assert re.findall(r"[\x00-\x08\x0b-\x1f\x7f]", ended.out + ended.err) == []


def test_iterations_of_a_loop_are_one_line_each_screen(wide: Project) -> None:
    assert re.search(r"fit\[…\] +done", wide("show", "wide").out)
    assert "fit[…].output" in wide("artifacts").out
    assert re.search(r"fit\[…\]  12 iterations reused from", wide("why").out)
    assert wide("logs").err.count("fit[…]") == 1


def test_a_failure_is_told_in_the_words_of_the_screens(wide: Project) -> None:
    both = [each["run_id"] for each in wide.json("runs")[:2]]
    steps = wide("diff", *both).out.partition("\nsteps\n")[2]
    assert re.search(r"^  score +done → failed$", steps, re.MULTILINE)
    failed: dict[str, Any] = next(each for each in wide.json("diff", *both)["tasks"] if each["task"] == "score")
    assert (failed["before"], failed["after"]) == ("succeeded", "failed")


@pytest.mark.parametrize("words", [["run", "wide", "--tag", "a b"], ["rerun", "last", "--tag", "a b"]], ids=" ".join)
def test_what_is_no_tag_is_refused_before_a_run_has_it(wide: Project, words: list[str]) -> None:
    known = len(wide.json("runs"))
    assert "  a b: this is no tag\n" in wide(*words, code=2).err
    assert len(wide.json("runs")) == known


def test_a_certificate_without_a_place_is_refused_before_the_run(wide: Project) -> None:
    ended = wide("reproduce", "wide", "-o", "nowhere/c.md", code=2)
    assert ended.err.startswith("error: nowhere/c.md cannot be written: there is no directory nowhere\n")


@pytest.mark.parametrize("verb", ["runs", "sweeps", "views", "gc"])
def test_a_store_that_was_mistyped_is_named(tiny: Project, verb: str) -> None:
    ended = tiny(verb, environ={"PALMETTE_STORE": str(tiny.directory / "typo")})
    assert f"There is no store in {tiny.directory}/typo, which PALMETTE_STORE names, and no such" in ended.err
    assert not tiny.exists("typo")


def test_options_that_would_say_nothing_are_refused(wide: Project) -> None:
    for words in (["--times", "3"], ["--dialect", "2.5"], ["--pipeline", __file__, "wide"]):
        assert "See `palmette check --help`." in wide("check", *words, code=2).err
    assert "exclude each other" in wide("logs", "--follow", "--json", code=2).err
    assert "exclude each other" in wide("note", "last", "text", "--clear", code=2).err
