"""Two runs side by side, and why a step ran."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

from palmette.comparison.baseline import Choice
from palmette.comparison.changes import Comparison
from palmette.comparison.compare import compare
from palmette.comparison.examples import moved
from palmette.comparison.pairs import Pair, Unpaired, pair
from palmette.comparison.reckoning import Told, numbers
from palmette.comparison.sides import Side
from palmette.comparison.verdict import Verdict
from palmette.domain import fingerprint
from palmette.domain.fingerprint import Parts
from palmette.domain.graph import Freshness
from palmette.domain.run import Environment, Run, TaskRecord
from palmette.domain.states import TaskState, became
from palmette.domain.values import Json, literal
from palmette.errors import NotFound
from palmette.ir import codec
from palmette.operations import evaluations
from palmette.operations.bundled import sources
from palmette.operations.courses import logged
from palmette.operations.details import shown, telling
from palmette.operations.evaluations import Loaded
from palmette.operations.home import Home
from palmette.operations.policy import gone
from palmette.operations.reading import steps_named
from palmette.operations.salt import salt
from palmette.store import captures, history, metrics, runs, tasks


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
    followed = moved(head.evaluation, baseline.evaluation) if head.evaluation and baseline.evaluation else None
    return replace(compared, comparison=replace(comparison, numbers=found, moved=followed))


def _origin(home: Home, run: Run) -> Run | None:
    """The run that it was made from, if it is still there."""
    try:
        return runs.get(home.store, run.origin, project=home.project) if run.origin else None
    except NotFound:
        return None


def _side(home: Home, run: Run) -> Side:
    records = tuple(task for task in tasks.of_run(home.store, run.id) if not task.group)
    definitions = {task.name: _definitions(home, task.parts) for task in records}
    return Side(run=run, tasks=records, metrics=metrics.last(home.store, run.id), definitions=definitions)


def _definitions(home: Home, parts: Parts | None) -> Mapping[str, str]:
    found = captures.closure(home.store, parts.closure) if parts and parts.closure else None
    return {name: str(digest) for name, digest in found.items()} if isinstance(found, Mapping) else {}


@dataclass(frozen=True, kw_only=True)
class Reason:
    """Why a task was executed, or why it was not."""

    task: TaskRecord
    #: the newest earlier execution of the same step that succeeded (else the newest), and its run
    earlier: TaskRecord | None = None
    earlier_run: str = ""
    #: the parts of the fingerprint that differ: "closure", "parameters.C"
    changed: tuple[str, ...] = ()
    #: definition → "added", "removed", "changed"
    definitions: tuple[tuple[str, str], ...] = ()
    #: parameter, input, package … → before, after
    values: tuple[tuple[str, str, str], ...] = ()
    #: a reason that is no difference: it is always fetched again, its bytes are gone …
    remark: str = ""


def why(home: Home, ref: str, step: str | None = None) -> list[Reason]:
    """For each step of the run, or for one, what differs from its newest earlier execution."""
    run = runs.get(home.store, ref, project=home.project)
    records = telling(tasks.of_run(home.store, run.id))
    wanted = records if step is None else steps_named(records, step)
    return [_reason(home, run, task) for task in wanted]


def _reason(home: Home, run: Run, task: TaskRecord) -> Reason:
    if task.state is TaskState.CACHED or task.parts is None:
        taken = task.parts is not None and bool(run.origin) and fingerprint.fingerprint(task.parts) != task.fingerprint
        return Reason(task=task, remark=f"as {run.origin} had it, whatever its code is now" if taken else "")
    found = history.earlier(home.store, run, task.name)
    if found is None:
        return Reason(task=task)
    earlier_run, earlier = found
    explain = partial(Reason, task=task, earlier=earlier, earlier_run=earlier_run.id)
    if earlier.parts is None:
        return explain(remark="the earlier execution did not get as far as its inputs")
    changed = fingerprint.changed(earlier.parts, task.parts)
    off = _never_reused(home, run, task)
    if not changed:
        return explain(remark=off or _unchanged(home, run, task, earlier))
    before, after = _definitions(home, earlier.parts), _definitions(home, task.parts)
    edits = {name: "added" if name not in before else "removed" if name not in after else "changed"
             for name in sorted({*before, *after}) if before.get(name) != after.get(name)}  # fmt: skip
    return explain(
        changed=changed,
        definitions=tuple(edits.items()),
        values=tuple(_values(earlier_run, run, earlier, task, changed)),
        remark=off,
    )


def _unchanged(home: Home, run: Run, task: TaskRecord, earlier: TaskRecord) -> str:
    if not earlier.state.good:
        return f"its earlier execution {became(earlier.state)}"
    if not task.needs and run.refresh:
        return "it reads the outside world, and fresh data were asked for"
    if not task.needs and run.trigger == "ci":
        return "it reads the outside world, which a run from CI does again unless @step(fresh=…) says otherwise"
    same = "nothing that it depends on differs"
    if not gone(home, earlier) and earlier.ended and run.started and run.started < earlier.ended:
        return f"{same}, and the earlier execution was not over when this run began"
    if not task.needs:
        return "it reads the outside world, and its earlier output does not stand any longer (fresh=…)"
    return f"{same}, and the earlier output is gone"


def _never_reused(home: Home, run: Run, task: TaskRecord) -> str:
    """Why the pipeline itself lets the task use nothing again; empty if it does let it."""
    with home.blobs.open(run.spec) as file:
        document = codec.loads(file.read())
    executor = document.pipeline.executors.get(task.executor)
    if executor is not None and executor.importer is not None:
        return "each run looks at what lies there"
    found, component = None, document.pipeline.root
    # The numbers in a name are those of a loop's items, and no tasks.
    for key in task.name.split("."):
        if component is not None and component.dag is not None and key in component.dag.tasks:
            found = component.dag.tasks[key]
            component = document.pipeline.components.get(found.component, component)
    if found is None or (found.caching_options and found.caching_options.enable_cache):
        return ""
    config = document.platform.palmette.get(task.executor)
    always = config is not None and config.fresh == Freshness.ALWAYS
    return 'it says @step(fresh="always")' if always else "reuse was switched off (--no-cache)"


def _values(
    before_run: Run, after_run: Run, before: TaskRecord, after: TaskRecord, changed: tuple[str, ...]
) -> list[tuple[str, str, str]]:
    found: list[tuple[str, str, str]] = []
    for name in changed:
        part, _, key = name.partition(".")
        if part == "environment":
            environments = (_environment(before_run, before), _environment(after_run, after))
            old, new = ({pin.name: pin.version or pin.url for pin in each.pins} for each in environments)
            found += [
                (pin, old.get(pin, ""), new.get(pin, ""))
                for pin in sorted({*old, *new})
                if old.get(pin) != new.get(pin)
            ]
            python = (environments[0].python, environments[1].python)
            found += [("python", *python)] if python[0] != python[1] else []
        elif part in ("parameters", "inputs") and before.parts and after.parts:
            was, now = (_short(part, getattr(parts, part).get(key)) for parts in (before.parts, after.parts))
            found.append((key, was, now))
        elif part in ("secrets", "env"):
            found.append((key, "another value", "this value"))
    return found


def _environment(run: Run, task: TaskRecord) -> Environment:
    """The environment that the task was executed in."""
    known = (each for each in run.environments.values() if task.parts and each.digest == task.parts.environment)
    return next(known, run.environment)


def _short(part: str, value: Json) -> str:
    if value is None:
        return ""
    if part == "inputs" and isinstance(value, (list, tuple)):
        return " ".join(str(each).rpartition(":")[2][:12] for each in value if ":" in str(each))
    return literal(value)
