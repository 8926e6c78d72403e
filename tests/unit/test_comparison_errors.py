"""How often verdicts are wrong, on a small scale; `python -m benchmarks.errors` is the large one."""

from __future__ import annotations

import numpy as np
import pytest
from benchmarks.errors.rates import allowed, measure, outcomes, table
from benchmarks.errors.worlds import worlds

from palmette.comparison.verdict import Outcome

WORLDS = {world.name: world for world in worlds()}
#: comparisons in which nothing differs, fewer where one takes longer
QUICK = {
    "accuracy, 143 examples": 600,
    "AUC, 143 examples": 400,
    "log loss, 143 examples": 400,
    "F1, 143 examples": 100,
    "R²": 25,
    "3 seeds a side, the same": 300,
    "3 and 10 other seeds": 200,
    "12 earlier runs": 200,
}


@pytest.mark.parametrize("name", QUICK)
def test_at_most_a_twentieth_of_null_comparisons_is_called_better_or_worse(name: str) -> None:
    random, count = np.random.default_rng(11), QUICK[name]
    few = min(count, 40)
    found = outcomes(WORLDS[name], 0.0, count, random)
    assert (found[Outcome.BETTER] + found[Outcome.WORSE]) / count <= allowed(0.05, count)
    real = outcomes(WORLDS[name], WORLDS[name].effect, few, random)
    assert real[Outcome.WORSE] / few > 2 * found[Outcome.WORSE] / count, "what is there is found, too"
    assert real[Outcome.BETTER] <= 1


def test_a_rate_above_what_is_promised_is_seen() -> None:
    world = WORLDS["AUC, 143 examples"]
    # Were each null comparison a real one, the promise would be seen to be broken.
    found = outcomes(world, world.effect, 60, np.random.default_rng(1))
    assert found[Outcome.WORSE] / 60 > allowed(0.05, 60)


def test_a_world_is_measured_in_full() -> None:
    found = measure(WORLDS["accuracy, 60 examples"], 80, seed=1)
    assert found.kept
    assert 0.0 < found.inconclusive <= 1.0 - found.wrong
    assert "| accuracy, 60 examples | McNemar | model | 80 |" in table([found])
