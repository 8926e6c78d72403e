"""The runs of an algorithm, best first, and which of them are not told apart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from palmette.authoring.results import Evaluation
from palmette.comparison.judgement import Question, judge
from palmette.comparison.pairs import Unpaired, pair
from palmette.comparison.verdict import Outcome
from palmette.domain.graph import MetricSpec
from palmette.domain.run import TaskRecord
from palmette.domain.states import RunState, became
from palmette.errors import UsageError
from palmette.operations import evaluations, histories
from palmette.operations.evaluations import Kept
from palmette.operations.home import Home
from palmette.store import promotions, trainings, trends
from palmette.store.trends import Past

#: runs that are shown where nobody says how many, and at most
USUAL: Final = 20
MOST: Final = 1_000
#: runs that are held against the best one of their test data
_JUDGED: Final = 100


@dataclass(frozen=True, kw_only=True)
class Placed:
    """A run and its number."""

    run: str
    value: float
    preset: str
    branch: str = ""
    commit: str = ""
    dirty: bool = False
    #: when it was created, seconds since the epoch
    created: float = 0.0
    #: "C=0.1": field → value as JSON text
    overrides: Mapping[str, str] = field(default_factory=dict)
    sweep: str = ""
    #: "production"
    aliases: tuple[str, ...] = ()
    #: other runs that reused this very number
    again: int = 0
    #: whether the best one is better, by their predictions: "worse", "equivalent", "inconclusive"; empty for the best
    #: one itself, and where it is not known
    outcome: str = ""
    #: its number minus that of the best one: the 95 % interval, and the method
    low: float | None = None
    high: float | None = None
    method: str = ""
    #: why that is not known, as a fragment of a sentence
    reason: str = ""

    @property
    def behind(self) -> bool:
        """Whether it is told apart from the best one."""
        return self.outcome in (Outcome.WORSE, Outcome.BETTER)


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Runs with the same test data, best first."""

    placed: tuple[Placed, ...]
    #: how many examples they were tested on; None where that is not known
    examples: int | None = None

    @property
    def tied(self) -> int:
        """How many of the first are not told apart, by evidence."""
        count = 1
        for each in self.placed[1:]:
            if not each.outcome or each.behind:
                break
            count += 1
        return count


@dataclass(frozen=True, kw_only=True)
class Board:
    """A leaderboard: runs on different test data are ranked apart, those on the newest run's first."""

    algorithm: str
    metric: str
    #: "max" or "min"
    goal: str = ""
    preset: str = ""
    rankings: tuple[Ranking, ...] = ()
    #: runs that count, shown or not
    total: int = 0
    #: why runs do not count → how many
    passed: Mapping[str, int] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()

    @property
    def shown(self) -> int:
        """How many there are in it."""
        return sum(len(each.placed) for each in self.rankings)


def leaderboard(home: Home, algorithm: str, *, metric: str = "", preset: str = "full", limit: int = USUAL) -> Board:
    """The best runs of an algorithm that succeeded, on all branches, by a metric (the primary one by default); those on
    the same test data are held against the best one by their predictions."""
    if not 0 < limit <= MOST:
        raise UsageError(f"a leaderboard has 1 to {MOST:,} runs, and not {limit}")
    recent = histories.require(home, algorithm, preset)
    metric, goal = histories.metric_of(home, recent, metric)
    declared = next((each for each in recent.metrics if each.name == metric), None)
    spec = declared or MetricSpec(name=metric, goal=goal or "max")
    passed: Counter[str] = Counter()
    ranked, tasks = _ranked(home, recent, spec, preset, passed)
    shown = ranked[:limit]
    remarks = [] if goal else [f"no goal is declared for {metric}: the largest is taken for the best"]
    return Board(
        algorithm=algorithm,
        metric=metric,
        goal=spec.goal,
        preset=preset,
        rankings=_grouped(home, spec, shown, tasks),
        total=len(ranked),
        passed={reason: count for reason, count in passed.items() if count},
        remarks=tuple(remarks),
    )


def _ranked(
    home: Home, recent: Past, spec: MetricSpec, preset: str, passed: Counter[str]
) -> tuple[list[Placed], dict[str, str]]:
    """The runs that count, best first, each number once; and which task logged it, by run."""
    known = trends.newest(home.store, recent.project, recent.algorithm, preset=preset)
    over = [each for each in known if each.state is RunState.SUCCEEDED]
    others = [each.state for each in known if each.state is not RunState.SUCCEEDED]
    passed.update(became(state) if state.final else "not over" for state in others)
    readings = trainings.readings(home.store, [each.run for each in over], [spec.name])
    numbers = {
        run: found[spec.name] for run, found in readings.items() if found and math.isfinite(found[spec.name].value)
    }
    passed[f"without {spec.name}"] += len(over) - len(numbers)
    tasks = {run: found.task for run, found in numbers.items()}
    makers = trends.makers(home.store, tasks)
    aliases = _aliases(home, recent)
    alike: dict[str, list[Past]] = {}
    for each in over:
        if each.run in numbers:
            alike.setdefault(makers[each.run], []).append(each)
    placed = [_placed(each, numbers[each[0].run].value, aliases) for each in alike.values()]
    sign = -1.0 if spec.goal == "max" else 1.0
    return sorted(placed, key=lambda each: (sign * each.value, -each.created, each.run)), tasks


def _aliases(home: Home, recent: Past) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for each in promotions.current(home.store, project=recent.project, algorithm=recent.algorithm):
        found.setdefault(each.run, []).append(each.alias)
    return found


def _placed(runs: Sequence[Past], value: float, aliases: Mapping[str, Sequence[str]]) -> Placed:
    """Runs that share a number, the newest first, as one: by the one with an alias, else by the newest."""
    first = next((each for each in runs if each.run in aliases), runs[0])
    return Placed(
        run=first.run,
        value=value,
        preset=first.preset,
        branch=first.branch,
        commit=first.commit,
        dirty=first.dirty,
        created=first.created,
        overrides=first.overrides,
        sweep=first.sweep,
        aliases=tuple(sorted({alias for each in runs for alias in aliases.get(each.run, ())})),
        again=len(runs) - 1,
    )


def _grouped(home: Home, spec: MetricSpec, shown: Sequence[Placed], tasks: Mapping[str, str]) -> tuple[Ranking, ...]:
    """The runs by their test data, each held against the best one of its group."""
    loaded = _loaded(home, [each.run for each in shown[:_JUDGED]], tasks)
    groups: dict[str, list[Placed]] = {}
    for each in shown:
        groups.setdefault(_tested(loaded.get(each.run)), []).append(each)
    found = [
        Ranking(placed=tuple(_held(spec, group, loaded)), examples=_examples(loaded.get(group[0].run)))
        for group in groups.values()
    ]
    return tuple(sorted(found, key=lambda each: max(one.created for one in each.placed), reverse=True))


def _loaded(home: Home, ids: Sequence[str], tasks: Mapping[str, str]) -> dict[str, Evaluation]:
    """The evaluations beside which the numbers were logged, else the last ones; what is there twice is read once."""
    known = trends.evaluations(home.store, ids)
    read: dict[str, Evaluation | None] = {}
    found: dict[str, Evaluation] = {}
    for run in ids:
        made = known[run]
        if not made:
            continue
        task = tasks[run] if tasks[run] in made else [*made][-1]
        artifact = made[task]
        if artifact.digest not in read:
            kept = Kept(task=TaskRecord(name=task), output="", artifact=artifact)
            read[artifact.digest] = evaluations.load(home, kept).evaluation
        evaluation = read[artifact.digest]
        if evaluation is not None:
            found[run] = evaluation
    return found


def _tested(evaluation: Evaluation | None) -> str:
    """What stands for the test data: the keys with their labels, in whatever order; empty where they are not known."""
    if evaluation is None or evaluation.keys is None or evaluation.labels is None:
        return ""
    keys, labels = np.asarray(evaluation.keys), np.asarray(evaluation.labels)
    pairs = zip(keys.tolist(), labels.tolist(), strict=True)
    # The sum does not depend on the order, and one process hashes the same value the same way.
    total = sum(hash((key, str(label))) for key, label in pairs)
    return f"{len(keys)} {total}"


def _examples(evaluation: Evaluation | None) -> int | None:
    return None if evaluation is None or evaluation.keys is None else len(evaluation.keys)


def _held(spec: MetricSpec, group: Sequence[Placed], loaded: Mapping[str, Evaluation]) -> list[Placed]:
    """Each run of a group beside the best one, by the same evidence as a verdict."""
    best = group[0]
    return [best, *(_against(spec, each, best, loaded) for each in group[1:])]


def _against(spec: MetricSpec, each: Placed, best: Placed, loaded: Mapping[str, Evaluation]) -> Placed:
    for side, name in ((each, "no evaluation that can be read"), (best, "the best one has none that can be read")):
        if side.run not in loaded:
            return replace(each, reason=name)
    both = pair(loaded[each.run], loaded[best.run])
    if isinstance(both, Unpaired):
        return replace(each, reason=both.reason)
    verdict = judge([Question(metric=spec, head=each.value, baseline=best.value)], both).metrics[0]
    evidence = verdict.evidence
    if evidence is None:
        reason = next((refused.reason for refused in verdict.refused), verdict.reason)
        return replace(each, reason=reason)
    return replace(
        each,
        outcome=verdict.outcome.value,
        low=evidence.wide.low,
        high=evidence.wide.high,
        method=evidence.method.name,
    )
