"""Counting verdicts over many comparisons."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from benchmarks.errors.worlds import Known, Random, World
from palmette.comparison.judgement import judge
from palmette.comparison.verdict import Outcome


@dataclass(frozen=True, kw_only=True)
class Rates:
    """What became of comparisons of one world."""

    world: World
    comparisons: int
    #: shares of the comparisons in which nothing differs
    better: float
    worse: float
    inconclusive: float
    #: where the head is worse: how often that is found
    found: float
    #: where the head is worse by as much as the tolerance: how often the two are called equivalent
    missed: float

    @property
    def wrong(self) -> float:
        """Better and worse together though nothing differs."""
        return self.better + self.worse

    @property
    def most(self) -> float:
        """What is allowed to it."""
        return allowed(self.world.allowed, self.comparisons)

    @property
    def kept(self) -> bool:
        """Whether what is promised of comparisons in which nothing differs holds."""
        return self.wrong <= self.most


def measure(world: World, comparisons: int, seed: int) -> Rates:
    """Draw comparisons of a world, judge each, and count."""
    random = np.random.default_rng(seed)
    null = outcomes(world, 0.0, comparisons, random)
    real = outcomes(world, world.effect, max(1, comparisons // 4), random)
    edge = _loss(world, random, max(400, comparisons // 4))
    shown = Counter(_judged(_tolerant(world.draw(random, world.effect), edge)) for _ in range(comparisons // 4))
    return Rates(
        world=world,
        comparisons=comparisons,
        better=null[Outcome.BETTER] / comparisons,
        worse=null[Outcome.WORSE] / comparisons,
        inconclusive=null[Outcome.INCONCLUSIVE] / comparisons,
        found=real[Outcome.WORSE] / max(1, comparisons // 4),
        missed=shown[Outcome.EQUIVALENT] / max(1, comparisons // 4),
    )


def outcomes(world: World, effect: float, comparisons: int, random: Random) -> Counter[Outcome]:
    """Judge so many comparisons in which the head is worse by the effect."""
    return Counter(_judged(world.draw(random, effect)) for _ in range(comparisons))


def allowed(share: float, comparisons: int) -> float:
    """A share that is promised, and three standard errors of the simulation."""
    return share + 3.0 * sqrt(share * (1.0 - share) / comparisons)


def table(rows: Sequence[Rates]) -> str:
    """For eyes, in Markdown."""
    head = "| comparison | method | scope | drawn | better | worse | together | power | wrongly equivalent | |"
    lines = [head, "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"]
    for row in rows:
        shares = " | ".join(
            f"{100 * share:.2f} %" for share in (row.better, row.worse, row.wrong, row.found, row.missed)
        )
        verdict = "kept" if row.kept else f"MORE THAN {100 * row.most:.2f} %"
        world = row.world
        lines.append(f"| {world.name} | {world.method} | {world.scope} | {row.comparisons:,} | {shares} | {verdict} |")
    return "\n".join(lines)


def _judged(known: Known) -> Outcome:
    questions, pair = known
    return judge(questions, pair).outcome


def _loss(world: World, random: Random, draws: int) -> float:
    """By how much the head is worse on average, in the primary metric's own unit."""
    differences = []
    for _ in range(draws):
        (question, *_), _pair = world.draw(random, world.effect)
        heads, baselines = question.head_seeds.values(), question.baseline_seeds.values()
        head = np.mean([*heads]) if heads else question.head
        differences.append(head - (np.mean([*baselines]) if baselines else question.baseline))
    return abs(float(np.mean(differences)))


def _tolerant(known: Known, tolerance: float) -> Known:
    questions, pair = known
    return [replace(each, metric=replace(each.metric, tolerance=tolerance)) for each in questions], pair
