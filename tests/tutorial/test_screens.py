"""Whoever follows a page to the letter sees what it shows."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def _program() -> ModuleType:
    """scripts/screens.py, which is a program and no package."""
    specification = importlib.util.spec_from_file_location("screens", ROOT / "scripts" / "screens.py")
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["screens"] = module
    specification.loader.exec_module(module)
    return module


screens = _program()
PAGES: list[Path] = screens.shown_pages()


@pytest.mark.slow
@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_shows_what_its_commands_print(path: Path, clinic_python: Path) -> None:
    with screens.reader(Path(sys.executable), clinic_python.parent.parent) as ada:
        followed = ada.follow(path.read_text(encoding="utf-8"))
    assert followed
    assert [f"$ {command.text}: {command.differs}" for command in followed if command.differs] == [], "run `make docs`"


def test_every_how_to_and_the_tutorial_are_followed() -> None:
    meant = [ROOT / "README.md", *(ROOT / "docs" / "how-to").glob("*.md"), *(ROOT / "docs" / "tutorial").glob("*.md")]
    assert sorted(PAGES) == sorted(meant)


# How lines are compared


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("run x44t6tzj3yzn succeeded in 0.6 s", "run cv3fpyh5vdxf succeeded in 12.1 s"),
        ("  auc  0.9950  0.9929", "  auc 0.9949   0.9931"),
        ("  report.output  HTML  320 B  9991238195ac", "  report.output  HTML  1.1 KiB  0123456789ab"),
        ("started  2026-11-22 03:13:17Z, took 0.5 s", "started  2027-01-01 00:00:00Z, took 3 m 07 s"),
        ("environment  Python 3.11.7, 11 packages", "environment  Python 3.13.0, 12 packages"),
        ("error: something long…", "error: something long that goes on"),
    ],
)
def test_what_is_another_one_each_time_does_not_count(shown: str, printed: str) -> None:
    assert screens.same(shown, printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("  ✓ report  done  0.1 s", "  = report  reused"),
        ("  auc  0.9950", "  auc  0.8950"),
        ("exit code 1", "exit code 2"),
        ("  C  1.0 → 0.1  override", "  C  1.0 → 0.1  preset"),
        ("error: something…", "note: something"),
    ],
)
def test_what_is_said_counts(shown: str, printed: str) -> None:
    assert not screens.same(shown, printed)


def test_outputs_that_changed_are_written_into_the_page() -> None:
    page = "Look:\n\n```console\n$ echo new; echo more\nold\n$ true\n```\n"
    commands = screens.commands(next(screens.blocks(page)))
    commands[0].printed = ["new", "more"]
    assert screens.rewritten(page, commands) == (page.replace("old\n", "new\nmore\n"), [])


def test_a_shortened_output_that_no_longer_fits_is_left_to_people() -> None:
    page = "```console\n$ echo new\nold…\n```\n"
    commands = screens.commands(next(screens.blocks(page)))
    commands[0].printed = ["new"]
    assert screens.rewritten(page, commands) == (page, ["$ echo new: old…"])
