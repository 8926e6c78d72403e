"""How often change points are seen where there are none, and missed where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from palmette.comparison.changepoints import LEVEL, changes

Array: TypeAlias = npt.NDArray[Any]

#: what a clear step must be found in, a commit to either side
FOUND: Final = 0.95


@dataclass(frozen=True, kw_only=True)
class Course:
    """A series that is drawn again and again."""

    name: str
    draw: Callable[[np.random.Generator], Array]
    #: where it changes; empty for nowhere
    at: tuple[int, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What was seen in many draws of a series, as shares."""

    course: Course
    #: all changes, each within one commit
    found: float
    #: a change where there is none
    false: float

    @property
    def kept(self) -> bool:
        """Whether what is promised holds; 0.65 points are the simulation's own error with 10,000 draws."""
        return self.found >= FOUND if self.course.at else self.false <= LEVEL + 0.0065


def courses() -> Iterator[Course]:
    """The series. Steps are in standard deviations of the noise."""
    for n in (8, 20, 50, 200):
        yield _still(n)
    yield Course(name="no change, heavy tails, 50 commits", draw=lambda rng: rng.standard_t(3, size=50))
    yield Course(name="no change, skewed, 50 commits", draw=lambda rng: rng.lognormal(size=50))
    for n, at, size in ((10, 5, 6.0), (20, 14, 4.0), (50, 25, 4.0), (200, 150, 4.0)):
        yield _step(n, at, size)
    yield Course(name="a drop of 5 mended after 5 of 50 commits", draw=lambda rng: _dip(rng, 50, 20, 25), at=(20, 25))


def sight(course: Course, draws: int, seed: int) -> Sight:
    """Draw it and look."""
    rng = np.random.default_rng(seed)
    found = false = 0
    for each in range(draws):
        seen = [change.at for change in changes(course.draw(rng).tolist(), seed=each)]
        found += all(any(abs(at - one) <= 1 for one in seen) for at in course.at)
        false += any(all(abs(at - one) > 1 for at in course.at) for one in seen)
    return Sight(course=course, found=found / draws, false=false / draws)


def table(rows: list[Sight]) -> str:
    """As Markdown."""
    lines = ["| series | found within a commit | seen where nothing changed |", "| --- | --- | --- |"]
    lines += [
        f"| {row.course.name} | {f'{100 * row.found:.2f} %' if row.course.at else ''} | {100 * row.false:.2f} % |"
        for row in rows
    ]
    return "\n".join(lines)


def _still(n: int) -> Course:
    return Course(name=f"no change, {n} commits", draw=lambda rng: rng.normal(size=n))


def _step(n: int, at: int, size: float) -> Course:
    def draw(rng: np.random.Generator) -> Array:
        return rng.normal(size=n) + size * (np.arange(n) >= at)

    return Course(name=f"a step of {size:.0f} at {at} of {n} commits", draw=draw, at=(at,))


def _dip(rng: np.random.Generator, n: int, low: int, high: int) -> Array:
    place = np.arange(n)
    return rng.normal(size=n) - 5.0 * ((place >= low) & (place < high))
