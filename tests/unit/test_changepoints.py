"""Where a series changes its level: false alarms, what is found, and what it is computed from."""

from __future__ import annotations

import numpy as np
import pytest

from palmette.comparison.changepoints import FEWEST, LEVEL, _contrast, changes


def _series(seed: int, n: int, *steps: tuple[int, float]) -> list[float]:
    values = np.random.default_rng(seed).normal(size=n)
    for at, size in steps:
        values[at:] += size
    found: list[float] = values.tolist()
    return found


def test_noise_alone_changes_as_seldom_as_the_level_says() -> None:
    alarms = sum(bool(changes(_series(seed, 24))) for seed in range(300))
    # Three standard errors of 300 draws.
    assert alarms <= 300 * LEVEL + 3 * (300 * LEVEL * (1 - LEVEL)) ** 0.5


def test_a_clear_step_is_found_within_a_commit_and_a_drop_that_was_mended_with_both_its_ends() -> None:
    steps = [changes(_series(seed, 40, (26, 4.0))) for seed in range(30)]
    assert sum(any(abs(each.at - 26) <= 1 for each in found) for found in steps) >= 28
    dips = [{each.at for each in changes(_series(seed, 40, (15, -5.0), (20, 5.0)))} for seed in range(30)]
    assert sum(bool({14, 15, 16} & found) and bool({19, 20, 21} & found) for found in dips) >= 28


def test_a_change_tells_the_levels_on_both_sides_up_to_the_next_one() -> None:
    values = [0.9] * 10 + [0.8] * 10 + [0.95] * 10
    first, second = changes(values)
    assert [first.at, second.at] == [10, 20]
    assert [first.before, first.after, second.before, second.after] == pytest.approx([0.9, 0.8, 0.8, 0.95])
    assert 0.0 < first.p <= LEVEL


def test_the_same_numbers_give_the_same_changes_whatever_their_unit_is() -> None:
    values = _series(5, 60, (30, 3.0))
    first = changes(values)
    assert first == changes(values)
    assert [each.at for each in first] == [each.at for each in changes([1e6 - 1e-3 * value for value in values])]


@pytest.mark.parametrize("values", [[], [1.0], [1.0, 2.0, 3.0], [0.5] * 50, [0.1 + 0.2] * 3 + [0.3] * 3])
def test_nothing_is_said_of_too_few_numbers_and_of_numbers_that_differ_by_rounding(values: list[float]) -> None:
    assert changes(values) == ()


def test_a_lone_number_far_off_is_no_change() -> None:
    values = _series(2, 40)
    values[20] += 30.0
    assert not changes(values)


def test_the_contrast_is_the_difference_of_means_in_units_of_its_error() -> None:
    values = np.array(_series(1, 12, (7, 2.0)))
    (found,), (at,) = _contrast(values[None, :], [(np.array([0]), 12)])
    noise = np.sqrt(np.mean(np.diff(values) ** 2) / 2)
    naive = {
        place: abs(values[:place].mean() - values[place:].mean()) / (noise * np.sqrt(1 / place + 1 / (12 - place)))
        for place in range(FEWEST, 12 - FEWEST + 1)
    }
    assert found == pytest.approx(max(naive.values()))
    assert at == max(naive, key=lambda place: naive[place])
