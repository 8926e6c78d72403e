"""Two runs side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from palmette.comparison.baseline import Choice
from palmette.comparison.changes import Comparison
from palmette.comparison.compare import compare
from palmette.comparison.examples import moved
from palmette.comparison.pairs import Pair, Unpaired, pair
from palmette.comparison.reckoning import Told, numbers
from palmette.comparison.sides import Side
from palmette.comparison.verdict import Verdict
from palmette.domain.run import Run
from palmette.errors import NotFound
from palmette.operations import evaluations
from palmette.operations.bundled import sources
from palmette.operations.courses import logged
from palmette.operations.definitions import reached
from palmette.operations.details import shown
from palmette.operations.evaluations import Loaded
from palmette.operations.home import Home
from palmette.operations.salt import salt
from palmette.store import metrics, runs, tasks


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A comparison, and the names by which people know its tasks."""

    comparison: Comparison
    names: Mapping[str, str]
    #: how the baseline was found; None where both runs were only laid side by side
    choice: Choice | None = None
    #: what is concluded; with nothing to compare, the absolute bounds alone judge
    verdict: Verdict | None = None
    #: an extra task might tell more
    wanting: bool = False

    def name(self, task: str) -> str:
        """The step's own name."""
        return self.names.get(task, task)


def diff(home: Home, head: str, baseline: str | None = None) -> Compared:
    """What differs, read from baseline to head; by default the baseline is the run that the head was made from, else
    the previous one of its algorithm."""
    after = runs.get(home.store, head, project=home.project)
    if baseline is not None:
        before = runs.get(home.store, baseline, project=home.project)
    else:
        previous = _origin(home, after) or runs.previous(home.store, after)
        if previous is None:
            hint = "Run it once more, or name two runs: palmette diff HEAD BASELINE."
            raise NotFound(f"{after.id} is the first run of {after.algorithm}: there is none before it", hint)
        before = previous
    found = laid(home, after, before)
    matched = evaluations.matched(*(tasks.of_run(home.store, run.id) for run in (after, before)))
    loaded = evaluations.load_both(home, matched)
    head_says, baseline_says = (each.evaluation for each in loaded)
    both = pair(head_says, baseline_says) if head_says and baseline_says else None
    return numbered(home, found, both, *loaded)


def laid(home: Home, head: Run, baseline: Run | None) -> Compared:
    """What changed between two runs, without the numbers behind their metrics: `numbered` adds those."""
    sides = [_side(home, run) for run in (head, baseline) if run]
    names = {task.name: shown(task) for side in reversed(sides) for task in side.tasks}
    if baseline is None:
        return Compared(comparison=compare(sides[0], None), names=names)
    return Compared(comparison=compare(*sides, sources=sources(home, head, baseline)), names=names)


def numbered(home: Home, compared: Compared, both: Pair | Unpaired | None, head: Loaded, baseline: Loaded) -> Compared:
    """With the numbers of these examples, which the baseline may have scored again, and with what both runs logged.
    `head` and `baseline` are what each run said itself."""
    comparison = compared.comparison
    if comparison.baseline is None:
        return compared
    curves, unread = logged(home, comparison.head.run, comparison.baseline.run)
    after = Told(
        evaluation=head.evaluation, sensitive=head.sensitive, curves=curves[0], metrics=comparison.head.metrics
    )
    before = Told(
        evaluation=baseline.evaluation,
        sensitive=baseline.sensitive,
        curves=curves[1],
        metrics=comparison.baseline.metrics,
    )
    quoted = isinstance(both, Pair) and not (head.sensitive or baseline.sensitive)
    found = numbers(
        after, before, both, metrics=comparison.head.run.metrics, salt=salt(home) if quoted else "", unread=unread
    )
    followed = moved(head.evaluation, baseline.evaluation, both) if head.evaluation and baseline.evaluation else None
    remarks = (*comparison.remarks, *found.remarks)
    return replace(compared, comparison=replace(comparison, numbers=found, moved=followed, remarks=remarks))


def _origin(home: Home, run: Run) -> Run | None:
    """The run that it was made from, if it is still there."""
    try:
        return runs.get(home.store, run.origin, project=home.project) if run.origin else None
    except NotFound:
        return None


def _side(home: Home, run: Run) -> Side:
    records = tuple(task for task in tasks.of_run(home.store, run.id) if not task.group)
    definitions = {task.name: reached(home, task.parts) for task in records}
    return Side(run=run, tasks=records, metrics=metrics.last(home.store, run.id), definitions=definitions)
