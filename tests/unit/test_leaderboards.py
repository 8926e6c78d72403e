"""Leaderboards: what counts, in which order, and which of the first are not told apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from benchmarks.trained import Past, Told
from rich.console import Console

from palmette.authoring.results import Evaluation
from palmette.domain.graph import MetricSpec
from palmette.domain.states import RunState
from palmette.operations import leaderboards
from palmette.present import leaderboards as screens
from palmette.store import promotions
from palmette.store.promotions import Promotion

SPEC = MetricSpec(name="accuracy", goal="max", primary=True, of="sklearn.metrics._classification:accuracy_score")
LABELS = np.arange(300) % 2


@pytest.fixture
def past(tmp_path: Path) -> Past:
    return Past(tmp_path)


def _tested(wrong: int, *, first: int = 0, keys: int = 0) -> Evaluation:
    """So many wrong answers, from the n-th example on; of examples that begin with that key."""
    answers = LABELS.copy()
    answers[first : first + wrong] = 1 - answers[first : first + wrong]
    return Evaluation(labels=LABELS, predictions=answers, keys=np.arange(300) + keys, train_keys=np.array([-1]))


def _add(past: Past, wrong: int, **more: object) -> str:
    evaluation = more.pop("evaluation", _tested(wrong, first=wrong % 7))
    given = {"numbers": {"accuracy": 1 - wrong / 300}, "metrics": (SPEC,), "evaluation": evaluation, **more}
    return past.add(Told(**given))  # type: ignore[arg-type]


def test_the_best_stands_first_and_those_that_chance_may_have_put_there_are_counted(past: Past) -> None:
    runs = {wrong: _add(past, wrong, branch="topic", config={"C": 1}) for wrong in (40, 12, 90, 14, 10)}
    (ranking,) = leaderboards.leaderboard(past.home, "tumour").rankings
    assert [each.run for each in ranking.placed] == [runs[wrong] for wrong in (10, 12, 14, 40, 90)]
    assert (ranking.tied, ranking.examples) == (3, 300)
    assert [each.behind for each in ranking.placed] == [False, False, False, True, True]
    assert ranking.placed[4].method == "McNemar"
    assert "the first 3 are not told apart" in next(iter(screens.ties(ranking)))


def test_other_test_data_are_ranked_apart_the_newest_first(past: Past) -> None:
    old = [_add(past, wrong, evaluation=_tested(wrong)) for wrong in (1, 2)]
    new = [_add(past, wrong, evaluation=_tested(wrong, keys=1_000)) for wrong in (30, 20)]
    board = leaderboards.leaderboard(past.home, "tumour")
    assert [[each.run for each in ranking.placed] for ranking in board.rankings] == [[new[1], new[0]], old]
    console = Console(width=80)
    with console.capture() as capture:
        console.print(screens.screen(board, 2_000.0))
    assert "not ranked together" in capture.get()
    assert max(map(len, capture.get().splitlines())) <= 80


def test_runs_with_overrides_count_and_say_so_and_those_without_a_result_are_counted(past: Past) -> None:
    _add(past, 5, overrides=("C",), config={"C": 0.1, "seed": 0}, commit="a" * 40, dirty=True)
    _add(past, 6, state=RunState.FAILED)
    _add(past, 7, numbers={"other": 1.0})
    _add(past, 8, trigger="comparison")
    _add(past, 9, preset="toy")
    board = leaderboards.leaderboard(past.home, "tumour")
    ((placed,),) = [ranking.placed for ranking in board.rankings]
    assert (dict(placed.overrides), placed.dirty) == ({"C": "0.1"}, True)
    assert (board.total, board.passed) == (1, {"failed": 1, "without accuracy": 1})


def test_an_alias_stands_beside_its_run(past: Past) -> None:
    run = _add(past, 5)
    made = Promotion(project="clinic", algorithm="tumour", alias="production", run=run)
    promotions.add(past.home.store, made, after=0)
    ((placed,),) = [ranking.placed for ranking in leaderboards.leaderboard(past.home, "tumour").rankings]
    assert placed.aliases == ("production",)


def test_the_smallest_is_the_best_where_that_is_the_goal_and_without_predictions_nothing_is_said(past: Past) -> None:
    loss = MetricSpec(name="loss", goal="min")
    for value in (0.3, 0.2, float("nan")):
        past.add(Told(numbers={"loss": value, "cost": value}, metrics=(loss,)))
    (ranking,) = leaderboards.leaderboard(past.home, "tumour").rankings
    assert [each.value for each in ranking.placed] == [0.2, 0.3]
    assert (ranking.tied, ranking.examples, ranking.placed[1].outcome) == (1, None, "")
    assert "no evaluation" in ranking.placed[1].reason
    assert leaderboards.leaderboard(past.home, "tumour", metric="cost").remarks
    assert leaderboards.leaderboard(past.home, "tumour", limit=1).shown == 1
