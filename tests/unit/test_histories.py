"""A metric over commits: in which order, by which runs, with which band, and what was changed where it changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.trained import Past, Told
from rich.console import Console

from palmette.domain.graph import MetricSpec
from palmette.domain.lines import Commit
from palmette.domain.states import RunState
from palmette.errors import NotFound, UsageError
from palmette.operations import histories
from palmette.present import charts
from palmette.present import histories as screens
from palmette.store import commits

AUC = MetricSpec(name="auc", goal="max", primary=True)
NOISE = (0.0, 0.004, -0.003, 0.002, -0.004, 0.001, 0.003, -0.002, -0.001, 0.0035)


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return Past(tmp_path)


def _sha(number: int) -> str:
    return f"{number:040x}"


def _told(number: int, auc: float, **more: object) -> Told:
    given = {"config": {"C": 1.0}, "metrics": (AUC,), "commit": _sha(number), "numbers": {"auc": auc}, **more}
    return Told(**given)  # type: ignore[arg-type]


def _line(past: Past, *numbers: int) -> None:
    """The first-parent history, the oldest first."""
    known = [
        Commit(sha=_sha(number), parent=_sha(before) if before else "", committed=float(place))
        for place, (before, number) in enumerate(zip((0, *numbers), numbers, strict=False), 1)
    ]
    commits.keep(past.home.store, "clinic", known[::-1])


def test_commits_stand_in_their_own_order_with_the_newest_run_of_each_on_whatever_branch(past: Past) -> None:
    _line(past, 1, 2, 3, 4, 5)
    past.add(_told(4, 0.94))
    past.add(_told(1, 0.90))
    past.add(_told(2, 0.91))
    again = past.add(_told(2, 0.92, branch="topic"))
    past.add(_told(5, 0.95))
    found = histories.history(past.home, "tumour")
    assert [each.value for each in found.entries] == [0.90, 0.92, 0.94, 0.95]
    assert found.entries[1].run == again
    assert [each.skipped for each in found.entries] == [0, 0, 1, 0]
    assert found.passed == {"of a commit that has a newer one": 1}


def test_where_a_branch_left_its_target_unknown_only_what_ran_there_before_it_is_shown(past: Past) -> None:
    past.add(_told(1, 0.90))
    past.add(_told(2, 0.91, branch="topic"))
    past.add(_told(3, 0.92))
    found = histories.lately(past.home, "tumour", "topic")
    assert [(each.value, each.own) for each in found.entries] == [(0.90, False), (0.91, True)]
    assert (found.target, found.fork, len(found.remarks)) == ("main", 1, 1)


def test_runs_that_are_more_than_their_commit_or_less_than_a_result_are_counted_and_not_shown(past: Past) -> None:
    _line(past, 1, 2)
    for more in (
        {"overrides": ("C",)},
        {"dirty": True},
        {"state": RunState.FAILED},
        {"numbers": {"f1": 1.0}, "commit": _sha(1)},
        {"commit": _sha(99)},
        {"trigger": "comparison"},
        {"preset": "toy"},
    ):
        past.add(_told(2, 0.5, **more))
    past.add(_told(2, 0.9))
    found = histories.history(past.home, "tumour", "auc")
    assert [each.value for each in found.entries] == [0.9]
    assert found.passed == {
        "with overrides": 1,
        "with uncommitted changes": 1,
        "failed": 1,
        "without a number": 1,
        "of commits that are not in the first-parent history of main": 1,
    }


def test_the_band_is_that_of_earlier_trainings_and_begins_anew_with_the_data_or_the_config(past: Past) -> None:
    for number, noise in enumerate(NOISE, 1):
        past.add(_told(number, 0.9 + noise, data="monday" if number <= 6 else "tuesday"))
    past.add(_told(11, 0.99, data="tuesday"))
    past.add(_told(12, 0.9, data="tuesday", config={"C": 0.1}))
    entries = histories.history(past.home, "tumour").entries
    assert [each.band is not None for each in entries] == [*[False] * 4, True, True, *[False] * 4, True, False]
    assert [place for place, each in enumerate(entries) if each.outside] == [10]
    assert entries[6].changed == ("data",)
    assert (entries[11].changed, entries[11].edits) == (("config",), ("C 1.0 → 0.1",))


def test_a_model_that_was_used_again_is_one_training_for_the_band_and_for_the_change_points(past: Past) -> None:
    for number in range(1, 21):
        past.add(_told(number, 0.9 if number <= 10 else 0.95, model="one" if number <= 10 else "two"))
    found = histories.history(past.home, "tumour")
    assert not found.shifts
    assert not any(each.band for each in found.entries)
    assert sum(each.again for each in found.entries) == 18


def test_a_training_is_not_part_of_its_own_band(past: Past) -> None:
    for number, noise in enumerate((*NOISE[:5], NOISE[4]), 1):
        past.add(_told(number, 0.9 + noise, model=f"model {min(number, 5)}"))
    entries = histories.history(past.home, "tumour").entries
    assert entries[4].band is not None
    assert entries[5].band == entries[4].band


def test_a_change_of_level_is_laid_to_its_commit_with_what_was_changed_there(past: Past) -> None:
    for number, noise in enumerate([*NOISE, *NOISE], 1):
        level, strength = (0.9, 1.0) if number <= 10 else (0.95, 0.1)
        past.add(_told(number, level + noise, config={"C": strength}))
    found = histories.history(past.home, "tumour")
    (shift,) = found.shifts
    assert found.entries[shift.at].commit == _sha(11)
    assert screens.causes(found.entries[shift.at]) == "C 1.0 → 0.1"
    assert [each.at for each in histories.history(past.home, "tumour", last=12).shifts] == [2]
    assert histories.history(past.home, "tumour", last=5).shifts == ()
    assert [shift.before, shift.after] == pytest.approx([0.90005, 0.95005], abs=1e-3)


def test_the_screen_fits_eighty_columns_and_the_drawing_is_whole_whatever_the_texts_are(past: Past) -> None:
    for number, noise in enumerate([*NOISE, *NOISE], 1):
        past.add(_told(number, (0.9 if number <= 10 else 0.95) + noise, config={"solver": "x\x1b[31m" * number}))
    found = histories.history(past.home, "tumour")
    console = Console(width=80, record=True, force_terminal=False)
    with console.capture() as capture:
        console.print(screens.screen(found))
    lines = capture.get().splitlines()
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in capture.get()
    assert sum("┊" in line for line in lines) >= 5
    assert charts.lines(screens.chart(found)).count("<circle") == 20


def test_the_newest_commits_are_shown_and_the_others_counted(past: Past) -> None:
    for number in range(1, 8):
        past.add(_told(number, 0.9))
    found = histories.history(past.home, "tumour", last=3)
    assert ([each.commit for each in found.entries], found.older) == ([_sha(5), _sha(6), _sha(7)], 4)
    assert histories.history(past.home, "tumour", since=1_070.0).older == 6
    assert "4 commits before these" in screens.aside(found)


def test_what_is_not_there_is_said_with_what_there_is(past: Past) -> None:
    past.add(_told(1, 0.9))
    with pytest.raises(NotFound) as unknown:
        histories.history(past.home, "tumor")
    assert "Did you mean tumour?" in unknown.value.hint
    with pytest.raises(NotFound) as metric:
        histories.history(past.home, "tumour", "f1")
    assert "auc" in metric.value.hint
    with pytest.raises(NotFound) as preset:
        histories.history(past.home, "tumour", preset="small")
    assert "full" in preset.value.hint
    with pytest.raises(UsageError):
        histories.history(past.home, "tumour", last=0)
    nothing = histories.history(past.home, "tumour", branch="topic")
    assert "No run of tumour on topic yet" in screens.nothing(nothing)


def test_no_text_of_a_commit_is_a_formula_for_a_spreadsheet(past: Past) -> None:
    past.add(_told(1, 0.9))
    found = histories.history(past.home, "tumour")
    entry = replace(found.entries[0], author="@SUM(1)", subject="=1+2")
    _, row = screens.cells(replace(found, entries=(entry,)))
    assert row[2:3] + row[-2:] == ["0.9", "'@SUM(1)", "'=1+2"]
