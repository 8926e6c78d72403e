"""Which point of a sweep did best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from palmette.domain.states import RunState
from palmette.domain.values import Json, canonical
from palmette.operations.sweeps import Member, Sweep


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A point without its seed, and how its runs did by the metric that decides."""

    values: tuple[Json, ...]
    #: of the runs that have the metric, in the order of their beginning
    runs: tuple[str, ...]
    scores: tuple[float, ...]
    #: how many of its runs failed, or lack the metric
    without: int = 0

    @property
    def mean(self) -> float | None:
        """The mean over the seeds; None if no run has the metric."""
        return fmean(self.scores) if self.scores else None

    @property
    def deviation(self) -> float | None:
        """The standard deviation over the seeds; None for a single one."""
        return stdev(self.scores) if len(self.scores) > 1 else None


def columns(sweep: Sweep) -> tuple[str, ...]:
    """The fields that vary, but for the seed: what the standings have a column for."""
    return tuple(name for name in sweep.names if not _is_seed(sweep, name))


def _is_seed(sweep: Sweep, name: str) -> bool:
    return bool(sweep.wish.seeds) and name == sweep.wish.seed_field


def standings(sweep: Sweep, members: Sequence[Member]) -> list[Standing]:
    """The points, the best one first; those of which nothing is known last. A run that is not over does not count, nor
    one that was canceled; of several runs of one point the newest counts."""
    newest = {canonical(list(member.values)): member for member in members if member.over}
    groups: dict[bytes, list[Member]] = {}
    for member in newest.values():
        groups.setdefault(canonical(list(_kept(sweep, member))), []).append(member)
    found = [_standing(sweep, group) for group in groups.values()]
    sign = -1 if sweep.goal == "max" else 1
    return sorted(found, key=lambda each: (each.mean is None, sign * (each.mean or 0.0)))


def _kept(sweep: Sweep, member: Member) -> tuple[Json, ...]:
    return tuple(value for name, value in zip(sweep.names, member.values, strict=True) if not _is_seed(sweep, name))


def _standing(sweep: Sweep, group: Sequence[Member]) -> Standing:
    good = [each for each in group if each.run.state is RunState.SUCCEEDED and sweep.metric in each.metrics]
    return Standing(
        values=_kept(sweep, group[0]),
        runs=tuple(each.run.id for each in good),
        scores=tuple(each.metrics[sweep.metric] for each in good),
        without=len(group) - len(good),
    )
