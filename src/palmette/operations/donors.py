"""The run whose recorded data another one is trained on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from palmette.domain.run import Run, TaskRecord
from palmette.domain.values import Json, literal
from palmette.engine.plan import Fixed, Plan
from palmette.engine.planning import plan as make_plan
from palmette.engine.references import standing
from palmette.engine.reuse import reads_world
from palmette.errors import NotFound, StoreError, UsageError
from palmette.operations import originals, outside
from palmette.operations.details import shown
from palmette.operations.home import Home
from palmette.operations.policy import adopted, lent
from palmette.store import tasks


@dataclass(frozen=True, kw_only=True)
class Source:
    """A task that read the outside world."""

    #: the name by which people know it
    title: str
    #: as in the pipeline
    executor: str
    #: "module:qualname"
    step: str
    #: the values that it was given
    parameters: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Donor:
    """A run, and what it recorded of the outside world."""

    run: str
    algorithm: str
    sources: Mapping[str, Source]


def donor(home: Home, ref: str, environ: Mapping[str, str] = {}) -> Donor:
    """The run of that name, for one that is trained on its data. NotFound where there is none or it read nothing,
    UsageError for one that still goes on, StoreError where the data are gone, or lie elsewhere and were changed."""
    original = originals.recall(home, ref)
    run = original.run
    plan = make_plan(original.document, run.config)
    steps = {task.executor: task.step for task in plan.every_task}
    records = [each for each in sources(home, run, plan) if each.state.good]
    if not records:
        hint = "Choose a run whose data were read: palmette runs."
        raise NotFound(f"no step of run {run.id} read data from the outside world and succeeded", hint)
    # From here on nobody collects them before the new run refers to them.
    held = adopted(home, run.id, records)
    if lost := [shown(record) for record in records if record.name not in held]:
        hint = "Its bytes were collected (palmette gc). Choose another run, or leave --data-of out."
        raise StoreError(f"what {', '.join(lost)} of run {run.id} read is gone", hint)
    importer = outside.importer(Path("/"), environ)
    if changed := [shown(record) for record in records if not standing(record.outputs, importer)]:
        hint = "Only their address was recorded. Leave --data-of out."
        raise StoreError(f"the data that {', '.join(changed)} of run {run.id} refers to are not what they were", hint)
    return Donor(
        run=run.id,
        algorithm=run.algorithm,
        sources={
            each.name: Source(
                title=shown(each),
                executor=each.executor,
                step=steps[each.executor],
                parameters=each.parts.parameters if each.parts else {},
            )
            for each in records
        },
    )


def sources(home: Home, run: Run, plan: Plan) -> list[TaskRecord]:
    """The tasks of a run that read the outside world; those in its loops too."""
    named = {task.name for task in plan.tasks if reads_world(task)}
    looped = {task.executor for task in plan.patterns if reads_world(task)}
    records = tasks.of_run(home.store, run.id)
    return [each for each in records if each.name in named or (each.executor and each.executor in looped)]


def taken(giver: Donor, plan: Plan, algorithm: str) -> tuple[str, ...]:
    """The tasks of the plan that take their outputs from that run: in one of another algorithm those of the same step,
    else those of the same name, whatever their code. UsageError where there is none."""
    reading = [task for task in plan.every_task if reads_world(task)]
    named = {task.name: task.step for task in plan.tasks if reads_world(task)}
    looped = {task.executor: task.step for task in plan.patterns if reads_world(task)}
    found = tuple(
        task
        for task, source in giver.sources.items()
        for step in (named.get(task, looped.get(source.executor)),)
        if step is not None and (giver.algorithm == algorithm or (step and step == source.step))
    )
    if not found:
        theirs = ", ".join(dict.fromkeys(source.title for source in giver.sources.values()))
        ours = ", ".join(dict.fromkeys(task.title for task in reading)) or "none"
        raise UsageError(
            f"run {giver.run} is one of {giver.algorithm}, and its data are none of {algorithm}'s: {theirs}",
            f"Steps of {algorithm} that read data: {ours}. Choose one of its runs: palmette runs.",
        )
    return found


def otherwise(given: Mapping[str, Mapping[str, Json]], plan: Plan, names: Sequence[str]) -> Iterator[str]:
    """The values that such a task was `given` there, by its name, and would not be given here."""
    for task in plan.tasks:
        before = given.get(task.name, {}) if task.name in names else {}
        values = {name: source.value for name, source in task.parameters.items() if isinstance(source, Fixed)}
        changed = [
            f"{name}={literal(before[name])}" for name in before if values.get(name, before[name]) != before[name]
        ]
        if changed:
            yield f"{task.title} was given {', '.join(changed)} there"


def notices(run: Run, plan: Plan) -> tuple[str, ...]:
    """What a run says of itself that has another one's data."""
    giver, names = lent(run.tokens)
    titles = {task.name: task.title for task in plan.tasks}
    said = ", ".join(titles.get(name, name) for name in names)
    return (f"on the data of run {giver}, not read again: {said}",) if giver else ()
