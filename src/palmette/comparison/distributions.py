"""The few distributions that verdicts need, in the standard library alone."""

from __future__ import annotations

from functools import lru_cache
from math import erfc, exp, inf, lgamma, log, log1p, pi, sqrt
from statistics import NormalDist
from typing import Final

_STANDARD: Final = NormalDist()
#: a continued fraction's smallest denominator and relative precision
_TINY: Final = 1e-300
_PRECISION: Final = 1e-15


def normal_quantile(probability: float) -> float:
    """Where the standard normal distribution has this much below it."""
    return _STANDARD.inv_cdf(probability)


def normal_tail(z: float) -> float:
    """How much of the standard normal distribution lies above, precise far out, too."""
    return erfc(z / sqrt(2.0)) / 2.0


def student_tail(t: float, freedom: float) -> float:
    """How much of Student's distribution lies above `t`; the freedom need not be a whole number."""
    if t < 0:
        return 1.0 - student_tail(-t, freedom)
    if t == inf:
        return 0.0
    square = t * t
    if square <= 1.0:
        # Near the middle the complement is the precise one.
        return 0.5 - incomplete_beta(0.5, freedom / 2.0, square / (freedom + square)) / 2.0
    return incomplete_beta(freedom / 2.0, 0.5, freedom / (freedom + square)) / 2.0


@lru_cache(maxsize=4096)
def student_quantile(probability: float, freedom: float) -> float:
    """Where Student's distribution has this much below it."""
    if not (0.0 < probability < 1.0 and freedom > 0.0):
        raise ValueError(f"no quantile {probability} of Student's distribution with {freedom} degrees of freedom")
    if probability < 0.5:
        return -student_quantile(1.0 - probability, freedom)
    wanted, low, high = 1.0 - probability, 0.0, 1.0
    while student_tail(high, freedom) > wanted:
        low, high = high, high * 2.0
    t = max(low, min(high, normal_quantile(probability)))
    for _ in range(200):
        excess = student_tail(t, freedom) - wanted
        low, high = (t, high) if excess > 0.0 else (low, t)
        # Newton's step, or half of what is left where that leads out of it.
        step = t + excess / _student_density(t, freedom)
        following = step if low <= step <= high else (low + high) / 2.0
        if abs(following - t) <= 1e-15 * following:
            break
        t = following
    return t


def _student_density(t: float, freedom: float) -> float:
    scale = lgamma((freedom + 1.0) / 2.0) - lgamma(freedom / 2.0) - log(freedom * pi) / 2.0
    return exp(scale - (freedom + 1.0) / 2.0 * log1p(t * t / freedom))


def binomial_below(count: int, trials: int, share: float) -> float:
    """The probability of at most so many successes."""
    if count < 0:
        return 0.0
    return 1.0 if count >= trials else incomplete_beta(trials - count, count + 1.0, 1.0 - share)


def binomial_at(count: int, trials: int, share: float) -> float:
    """The probability of exactly so many successes, for a share strictly between 0 and 1."""
    ways = lgamma(trials + 1.0) - lgamma(count + 1.0) - lgamma(trials - count + 1.0)
    return exp(ways + count * log(share) + (trials - count) * log1p(-share))


def incomplete_beta(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function, by its continued fraction (Lentz's method)."""
    if x <= 0.0 or x >= 1.0:
        return float(x >= 1.0)
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - incomplete_beta(b, a, 1.0 - x)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x))
    return front * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1.0))
    found = d
    for step in range(1, 100_000):
        even = step * (b - step) * x / ((a + 2 * step - 1.0) * (a + 2 * step))
        odd = -(a + step) * (a + b + step) * x / ((a + 2 * step) * (a + 2 * step + 1.0))
        for term in (even, odd):
            d = 1.0 / _away(1.0 + term * d)
            c = _away(1.0 + term / c)
            found *= c * d
        if abs(c * d - 1.0) < _PRECISION:
            break
    return found


def _away(value: float) -> float:
    """Away from zero, by which it would be divided."""
    return value if abs(value) > _TINY else _TINY
