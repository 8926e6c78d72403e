"""Why a step ran, or why it did not."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from palmette.domain import fingerprint
from palmette.domain.graph import Freshness
from palmette.domain.run import Environment, Run, TaskRecord
from palmette.domain.states import TaskState, became
from palmette.domain.values import Json, literal
from palmette.ir import codec
from palmette.operations.definitions import reached
from palmette.operations.details import telling
from palmette.operations.home import Home
from palmette.operations.policy import gone
from palmette.operations.reading import steps_named
from palmette.store import history, runs, tasks


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
    before, after = reached(home, earlier.parts), reached(home, task.parts)
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
