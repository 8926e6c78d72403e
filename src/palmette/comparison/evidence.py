"""What is known of the difference between two runs in one metric, and how sure that is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from palmette.comparison.distributions import student_quantile, student_tail

#: the confidence of the interval that shows a difference, and of the one that shows that there is none to speak of:
#: two one-sided tests at 5 % are one interval of 90 %
WIDE: Final = 0.95
NARROW: Final = 0.90
LEVEL: Final = 0.05


class Scope(StrEnum):
    """What a verdict is about."""

    #: this one trained model; another training of the same code might be elsewhere
    MODEL = "model"
    #: the change itself, whatever the seed
    CHANGE = "change"


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to judge a difference, by the name that is shown, and where it is from."""

    name: str
    source: str
    #: what is counted: "examples", "seeds", "runs"
    unit: str = "examples"


@dataclass(frozen=True, kw_only=True)
class Interval:
    """Where a difference may lie."""

    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether there is a difference."""
        return self.low > 0.0 or self.high < 0.0

    def within(self, tolerance: float) -> bool:
        """Whether it is smaller than what matters, in either direction."""
        return -tolerance < self.low and self.high < tolerance


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """A difference, head minus baseline in the metric's own unit, and how sure it is."""

    method: Method
    scope: Scope
    #: the two numbers that are compared: those of the runs, means over seeds or earlier runs, or what is left of the
    #: examples once some are left out
    head: float
    baseline: float
    difference: float
    #: of 90 % and of 95 %
    narrow: Interval
    wide: Interval
    #: two-sided, that there is no difference
    p: float
    #: how many examples, seeds or runs it rests on: on the head's side, or in common
    n: int
    #: on the baseline's side, where that is another number
    n_baseline: int | None = None
    #: both sides said the same of every example
    identical: bool = False


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Evidence that was at hand, or nearly, and why it is not used. A fragment of a sentence, without a full stop."""

    method: Method
    reason: str


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """Two numbers, and the standard error of their difference with its degrees of freedom."""

    head: float
    baseline: float
    error: float
    freedom: float


def by_student(method: Method, scope: Scope, found: Estimate, n: int, n_baseline: int | None = None) -> Evidence:
    """Judge an estimate by Student's distribution."""
    difference = found.head - found.baseline
    narrow, wide = (student_quantile(0.5 + level / 2.0, found.freedom) * found.error for level in (NARROW, WIDE))
    return Evidence(
        method=method,
        scope=scope,
        head=found.head,
        baseline=found.baseline,
        difference=difference,
        narrow=Interval(low=difference - narrow, high=difference + narrow),
        wide=Interval(low=difference - wide, high=difference + wide),
        p=min(1.0, 2.0 * student_tail(abs(difference) / found.error, found.freedom)),
        n=n,
        n_baseline=n_baseline,
    )


SEEDS_PAIRED: Final = Method(name="paired t over seeds", source="Student 1908", unit="seeds")
SEEDS: Final = Method(name="Welch's t over seeds", source="Welch 1947; of unequal numbers Hsu 1938", unit="seeds")
MCNEMAR: Final = Method(name="McNemar", source="McNemar 1947, mid-p (Fagerland 2013); Newcombe 1998, method 10")
DELONG: Final = Method(name="DeLong", source="DeLong 1988, Sun & Xu 2014; Student's t with Satterthwaite's freedom")
PAIRED: Final = Method(name="paired t", source="Student 1908")
BOOTSTRAP: Final = Method(name="paired bootstrap", source="Efron 1979, symmetric bootstrap-t (Hall 1988)")
DELTA: Final = Method(name="delta method", source="Efron & Tibshirani 1993, chapter 21 (influence functions)")
REPLICATES: Final = Method(name="paired bootstrap", source="Efron & Tibshirani 1993, chapter 13.3 (standard interval)")
BAND: Final = Method(name="noise band", source="prediction interval of normal values (Hahn 1969)", unit="runs")
#: stands for all methods that look at the examples, where none of them can be used
EXAMPLES: Final = Method(name="predictions", source="")
SAME: Final = Method(name="identical outputs", source="nothing to estimate")
REUSED: Final = Method(name="outputs used again", source="nothing to estimate", unit="runs")


def identical(value: float, n: int, method: Method = SAME) -> Evidence:
    """Both sides said the same of everything: there is no difference, and no doubt of it."""
    nothing = Interval(low=0.0, high=0.0)
    return Evidence(
        method=method,
        scope=Scope.MODEL,
        head=value,
        baseline=value,
        difference=0.0,
        narrow=nothing,
        wide=nothing,
        p=1.0,
        n=n,
        identical=True,
    )
