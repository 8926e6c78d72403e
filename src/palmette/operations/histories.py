"""A metric over the commits of a branch, from the runs that are kept."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import Final

from palmette.comparison.trends import Entry, Read, Shift, gaps, trend
from palmette.domain.grammar import parse
from palmette.domain.query import Compare
from palmette.domain.states import RunState, became
from palmette.errors import NotFound, UsageError
from palmette.operations import repetitions
from palmette.operations.home import Home
from palmette.store import answers, commits, trainings, trends
from palmette.store.trainings import Reading
from palmette.store.trends import Past

#: commits that are shown where nobody says how many, and at most
USUAL: Final = 200
MOST: Final = 2_000
#: runs whose target branches are counted, to know the usual one
_RECENT: Final = 50
_MAIN: Final = ("main", "master")


@dataclass(frozen=True, kw_only=True)
class History:
    """What a metric was, commit by commit, the oldest first."""

    algorithm: str
    metric: str
    #: "max" or "min"; empty for a metric that is not declared
    goal: str = ""
    preset: str = ""
    branch: str = ""
    #: the branch that this one left; empty for the target branch itself
    target: str = ""
    #: index of the first entry of the branch itself; None for the target branch, and where it has none
    fork: int | None = None
    entries: tuple[Entry, ...] = ()
    shifts: tuple[Shift, ...] = ()
    #: why runs do not count → how many
    passed: Mapping[str, int] = field(default_factory=dict)
    #: entries that are older than those
    older: int = 0
    #: what the reader should know, as sentences without a full stop
    remarks: tuple[str, ...] = ()


def history(
    home: Home,
    algorithm: str,
    metric: str = "",
    *,
    preset: str = "full",
    branch: str = "",
    last: int = USUAL,
    since: float | None = None,
) -> History:
    """A metric of an algorithm (its primary one by default) over the commits of a branch (by default of the one that
    its runs are compared with), a number a commit: that of its newest run that succeeded without overrides and
    uncommitted changes."""
    if not 0 < last <= MOST:
        raise UsageError(f"a history has 1 to {MOST:,} commits, and not {last}")
    return _history(home, algorithm, metric, preset=preset, branch=branch, last=last, since=since, reach=MOST)


def lately(home: Home, algorithm: str, branch: str) -> History:
    """The primary metric of an algorithm over the newest commits of a branch, as a page shows several at once: what is
    older than those counts for nothing."""
    return _history(home, algorithm, "", preset="full", branch=branch, last=USUAL, since=None, reach=2 * USUAL)


def _history(
    home: Home,
    algorithm: str,
    metric: str,
    *,
    preset: str,
    branch: str,
    last: int,
    since: float | None,
    reach: int,
) -> History:
    """Of so many commits at most."""
    recent = require(home, algorithm, preset)
    metric, goal = metric_of(home, recent, metric)
    line = _line(home, recent, preset, branch, reach)
    passed: Counter[str] = Counter()
    fitting = _fitting(line.runs, passed)
    places = [*_ordered(home, line, fitting, passed)]
    values = trainings.readings(home.store, [each.run for each in places], [metric])
    read = {run: found[metric] for run, found in values.items() if metric in found}
    known = [each for each in places if each.run in read and math.isfinite(read[each.run].value)]
    passed["without a number"] += len(places) - len(known)
    # What is not shown counts all the same: for the band, and for where the level changed.
    found = trend(_reads(home, known[-reach:], read, line))
    begin = max(len(found.entries) - last, sum(since is not None and each.time < since for each in found.entries))
    entries = found.entries[begin:]
    own = next((place for place, each in enumerate(entries) if each.own), None)
    return History(
        algorithm=algorithm,
        metric=metric,
        goal=goal,
        preset=preset,
        branch=line.branch,
        target=line.target,
        fork=own,
        entries=entries,
        shifts=tuple(replace(each, at=each.at - begin) for each in found.shifts if each.at >= begin),
        passed={reason: count for reason, count in passed.items() if count},
        older=len(known) - len(entries),
        remarks=line.remarks,
    )


def moment(text: str, now: float) -> float:
    """What "-30d" or "2026-01-31" means, in seconds since the epoch."""
    query = parse(f"started >= {text}", now=now)
    if not isinstance(query.where, Compare) or not isinstance(query.where.value, float):
        raise UsageError(f"{text!r} is no point in time", "Write a day or a span: 2026-01-31, -30d.")
    return query.where.value


def require(home: Home, algorithm: str, preset: str = "") -> Past:
    """The newest run of an algorithm; NotFound says which there are, and which presets."""
    found = trends.newest(home.store, home.project, algorithm, limit=1)
    if not found:
        known = trends.algorithms(home.store, home.project)
        close = get_close_matches(algorithm, known, n=1)
        there = f"Algorithms with runs: {', '.join(known)}." if known else f"Start one: palmette run {algorithm}."
        raise NotFound(f"there is no run of {algorithm!r}", f"Did you mean {close[0]}?" if close else there)
    with_preset = trends.newest(home.store, home.project, algorithm, preset=preset, limit=1) if preset else found
    if with_preset:
        return with_preset[0]
    if preset == "full":
        return found[0]
    presets = ", ".join(trends.presets(home.store, home.project, algorithm))
    raise NotFound(f"there is no run of {algorithm} with the preset {preset!r}", f"Presets with runs: {presets}.")


def metric_of(home: Home, recent: Past, metric: str) -> tuple[str, str]:
    """The metric that is meant, and its goal; NotFound says which there are."""
    declared = recent.metrics
    if not metric and declared:
        primary = next((each for each in declared if each.primary), declared[0])
        return primary.name, primary.goal
    goal = next((each.goal for each in declared if each.name == metric), "")
    names = answers.names(home.store, recent.project, recent.algorithm)
    logged = sorted({name.partition(".")[2] for name in names if name.startswith("metric.")})
    if metric in logged or goal:
        return metric, goal
    listed = f"{', '.join(logged[:12])}{' …' if len(logged) > 12 else ''}"
    there = f"Metrics of {recent.algorithm}: {listed}." if logged else f"No run of {recent.algorithm} logged any."
    if not metric:
        raise NotFound(f"{recent.algorithm} declares no metric, so one must be named", there)
    close = get_close_matches(metric, logged, n=2)
    meant = f"Did you mean {' or '.join(close)}?" if close else there
    raise NotFound(f"no run of {recent.algorithm} has a metric {metric!r}", meant)


@dataclass(frozen=True, kw_only=True)
class _Line:
    """The commits that a history goes along, and all runs that may speak for them."""

    branch: str
    #: empty for the target branch itself
    target: str
    runs: tuple[Past, ...]
    #: full SHAs of the target branch, the oldest first; empty where they are not known
    chain: tuple[str, ...]
    remarks: tuple[str, ...] = ()


def _line(home: Home, recent: Past, preset: str, branch: str, reach: int) -> _Line:
    limit = trends.MOST * reach // MOST
    project, algorithm = recent.project, recent.algorithm
    target = _target(home, recent)
    branch = branch or target
    own = trends.newest(home.store, project, algorithm, preset=preset, branch=branch, limit=limit)
    if branch == target:
        start = max((each for each in own if each.commit), key=lambda each: (each.time, each.created), default=None)
        chain = _chain(home, project, start.commit if start else "", reach)
        others = trends.of_commits(home.store, project, algorithm, chain, preset=preset)
        return _Line(branch=branch, target="", runs=_once([*own, *others]), chain=chain)
    if not own:
        return _Line(branch=branch, target=target, runs=(), chain=())
    left = next((each.fork.commit for each in own if each.fork.commit and each.fork.target == target), "")
    chain = _chain(home, project, left, reach)
    before = trends.of_commits(home.store, project, algorithm, chain, preset=preset)
    if chain:
        return _Line(branch=branch, target=target, runs=_once([*own, *before]), chain=chain)
    began = min(each.time for each in own)
    older = trends.newest(home.store, project, algorithm, preset=preset, branch=target, before=began, limit=limit)
    remark = f"where it left {target} is not known: the runs of {target} before its first commit are shown"
    runs = _once([*own, *older])
    return _Line(branch=branch, target=target, runs=runs, chain=(), remarks=(remark,))


def _target(home: Home, recent: Past) -> str:
    """The branch that the algorithm's runs are usually compared with; empty where there is no repository."""
    found = trends.newest(home.store, recent.project, recent.algorithm, limit=_RECENT)
    told = Counter(each.fork.target for each in found if each.fork.target)
    if told:
        return told.most_common(1)[0][0]
    there = {each.branch for each in found}
    for name in _MAIN:
        if name in there or trends.newest(home.store, recent.project, recent.algorithm, branch=name, limit=1):
            return name
    return Counter(each.branch for each in found).most_common(1)[0][0]


def _chain(home: Home, project: str, start: str, reach: int) -> tuple[str, ...]:
    """The first-parent history up to a commit; empty where no more than that commit is known."""
    found = commits.walk(home.store, project, start, limit=reach) if start else ()
    return tuple(each.sha for each in reversed(found)) if len(found) > 1 else ()


def _once(runs: Iterable[Past]) -> tuple[Past, ...]:
    return tuple({each.run: each for each in runs}.values())


def _fitting(runs: Sequence[Past], passed: Counter[str]) -> list[Past]:
    """The runs that count; of the others it is noted why not."""
    found = []
    for each in runs:
        if each.state is not RunState.SUCCEEDED:
            passed[became(each.state) if each.state.final else "not over"] += 1
        elif each.overrides:
            passed["with overrides"] += 1
        elif each.dirty:
            passed["with uncommitted changes"] += 1
        else:
            found.append(each)
    return found


def _ordered(home: Home, line: _Line, fitting: Sequence[Past], passed: Counter[str]) -> list[Past]:
    """One run a commit, in the order of the commits: along the chain where it is known, else by time."""
    newest: dict[str, Past] = {}
    for each in sorted(fitting, key=lambda each: (each.created, each.run), reverse=True):
        key = each.commit or each.run
        passed["of a commit that has a newer one"] += key in newest
        newest.setdefault(key, each)
    places = {sha: place for place, sha in enumerate(line.chain)}
    by_time = sorted(newest.values(), key=lambda each: (each.time, each.created, each.run))
    if not places:
        return by_time
    on = sorted((each for each in by_time if each.commit in places), key=lambda each: places[each.commit])
    off = [each for each in by_time if each.commit not in places]
    if line.target:
        return [*on, *off]
    # Further back than the chain is known, time is all there is.
    first = on[0].time if on else math.inf
    earlier = [each for each in off if each.time < first]
    passed[f"of commits that are not in the first-parent history of {line.branch}"] += len(off) - len(earlier)
    return [*earlier, *on]


def _reads(home: Home, shown: Sequence[Past], read: Mapping[str, Reading], line: _Line) -> list[Read]:
    ids = [each.run for each in shown]
    made = trainings.made(home.store, ids)
    configs = trends.configs(home.store, ids)
    between = gaps(line.chain, [each.commit for each in shown])
    return [
        Read(
            run=each.run,
            commit=each.commit,
            subject=each.subject,
            author=each.author,
            time=each.time,
            value=read[each.run].value,
            training=repetitions.training(made[each.run], read[each.run].task, each.run),
            config=configs[each.run],
            data=trainings.data(made[each.run]),
            environment=each.environment,
            code=each.bundle,
            skipped=between.get(each.commit, 0),
            own=bool(line.target) and each.branch == line.branch and each.commit not in line.chain,
        )
        for each in shown
    ]
