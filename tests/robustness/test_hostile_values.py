"""Texts that look like code, paths, placeholders or commands to a terminal are data, wherever they pass through."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.robustness.conftest import Small, make_small

NASTY = (
    "it's",
    'say "hi"',
    "back\\slash\\",
    "']",
    "'] == 'x' || '1' == '1",
    "inputs.parameter_values['a']",
    "{{$.pipeline_job_name}}",
    "{{$.inputs.parameters['text']}}",
    "../../etc/passwd",
    "--out",
    "$(id) `id` ; {output}",
    "",
    "true",
    "1",
    "a\nb",
    "ü ✓",
    "\x1b[31mred\x1b]0;title\x07",
)

ALGORITHM = f"""
from palmette import algorithm, collect, command, each, one_of, otherwise, step, when

NASTY = {NASTY!r}


@step
def texts() -> list[str]:
    return list(NASTY)


@step
def same(text: str) -> str:
    return text


@step
def tell(text: str, how: str) -> str:
    return how + text


show = command(
    ["python", "-c", "import json, sys; json.dump(sys.argv[2:], open(sys.argv[1], 'w'))", "{{output}}", "{{text}}",
     "-{{text}}"],
    inputs={{"text": str}},
    outputs=list[str],
)


@step
def check(found: list[str], shown: list[list[str]], told: list[str]) -> None:
    assert found == list(NASTY), found
    assert shown == [[text, "-" + text] for text in NASTY], shown
    assert told == ["equal " + text for text in NASTY], told


@algorithm
def small() -> None:
    for text in each(texts()):
        passed = same(text)
        shown = show(text)
        with when(passed == text):
            good = tell(text, "equal ")
        with otherwise():
            bad = tell(text, "other ")
        told = same(one_of(good, bad))
    check(collect(passed), collect(shown), collect(told))


@algorithm
def compared() -> None:
    for text in NASTY:
        if "{{{{$" not in text:  # that means something in a document
            with when(same(text) != text):
                tell("", "other")
            with when(same(text) == text + "x"):
                tell("", "other")
"""


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[Small]:
    project = make_small(tmp_path / "user", tmp_path / "project", ALGORITHM)
    yield project
    project.end()


def test_items_of_a_loop_are_what_they_are_in_steps_commands_and_conditions(hostile: Small) -> None:
    done = hostile("run", "small")
    shown = hostile("show", "last")
    assert not [sign for sign in done.out + done.err + shown.out if not (sign.isprintable() or sign == "\n")]


def test_constants_in_conditions_are_what_they_are(hostile: Small) -> None:
    hostile("run", "compared")
    states = hostile.rows("SELECT DISTINCT component, state FROM tasks WHERE component LIKE 'tell%'")
    assert {state for _, state in states} == {"SKIPPED"}
    said = hostile.rows("SELECT message FROM tasks WHERE message LIKE '%1%==%1%' AND message LIKE '%!=%'")
    literal, plain = r"'\'] == \'x\' || \'1\' == \'1'", "'] == 'x' || '1' == '1"
    assert set(said) == {(f"condition not met: same-9 != {literal}, where same-9 is {plain}",)}
