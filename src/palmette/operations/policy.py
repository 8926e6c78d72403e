"""What a run may use again, from what is written down of it: whoever continues it decides as whoever began it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from palmette.domain.run import Reused, Run, TaskRecord
from palmette.engine.plan import Plan
from palmette.engine.reuse import Policy, reads_world
from palmette.errors import NotFound
from palmette.operations.home import Home
from palmette.store import metrics, runs, tasks

#: Among a run's tokens: the tasks, parted by commas, from which it executes anew what its origin made.
FROM: Final = "palmette.from"
#: Among a run's tokens: the run whose recorded data it has, and the tasks, parted by commas, that do not read them.
DATA: Final = "palmette.data"
#: Among a run's tokens: every step is a fresh process, wherever it is executed.
ISOLATED: Final = "palmette.isolated"
#: How runs come about that somebody asked for at a terminal: those may use again what does not say how long it stands.
_ASKED_FOR: Final = ("cli", "rerun", "sweep")


def policy(home: Home, run: Run, plan: Plan) -> Policy:
    """What the run may use again."""
    records = tasks.of_run(home.store, run.origin) if run.origin else ()
    if run.origin and run.trigger == "reproduce":
        world = () if run.refresh else tuple(task.name for task in plan.tasks if reads_world(task))
        kept = [record for record in records if record.name in world]
        return Policy(anew=True, adopted=adopted(home, run.origin, kept))
    usual = Policy(reuse_unsaid=run.trigger in _ASKED_FOR, refresh=run.refresh, adopted=_lent(home, run))
    if not run.origin or FROM not in run.tokens:
        return usual
    needs = {record.name: record.needs for record in (*records, *plan.records())}
    anew = downstream(run.tokens[FROM].split(","), needs)
    kept = [record for record in records if record.name not in anew]
    return Policy(
        reuse_unsaid=usual.reuse_unsaid,
        refresh=run.refresh,
        forced=anew,
        adopted={**usual.adopted, **adopted(home, run.origin, kept)},
    )


def lent(tokens: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The run whose data a run with these tokens has, and the tasks that take them; empty for none."""
    giver, _, names = tokens.get(DATA, "").partition(" ")
    return giver, tuple(names.split(",")) if names else ()


def lending(tokens: Mapping[str, str], giver: str, names: Sequence[str]) -> dict[str, str]:
    """A run's tokens as those of one that has another run's data."""
    return {**tokens, DATA: f"{giver} {','.join(names)}"}


def _lent(home: Home, run: Run) -> dict[str, Reused]:
    """What the run takes from another one's data; NotFound if not all of that is there any more: then it would read
    the world, unasked."""
    giver, names = lent(run.tokens)
    if not giver:
        return {}
    runs.get(home.store, giver, project=run.project)
    done = {each.name for each in tasks.of_run(home.store, run.id) if each.state.good}
    found = adopted(home, giver, [each for each in tasks.of_run(home.store, giver) if each.name in names])
    if lost := [name for name in names if name not in found and name not in done]:
        raise NotFound(f"what {', '.join(lost)} of run {giver} read is gone", "Run the algorithm anew: palmette run.")
    return found


def from_tasks(tokens: Mapping[str, str], onward: Sequence[str]) -> dict[str, str]:
    """A run's tokens as those of one that executes its origin's tasks anew from these on, if there are any."""
    kept = {name: token for name, token in tokens.items() if name != FROM}
    return {**kept, FROM: ",".join(onward)} if onward else kept


def isolating(tokens: Mapping[str, str], *, isolated: bool) -> dict[str, str]:
    """A run's tokens as those of one whose steps are fresh processes, if they are to be."""
    kept = {name: token for name, token in tokens.items() if name != ISOLATED}
    return {**kept, ISOLATED: "yes"} if isolated else kept


def adopted(home: Home, origin: str, records: Iterable[TaskRecord]) -> dict[str, Reused]:
    """What these tasks of the run made, of those that were good and whose bytes are still there: nobody collects them
    before this run refers to them."""
    return {
        record.name: reused(home, origin, record) for record in records if record.state.good and _held(home, record)
    }


def _held(home: Home, record: TaskRecord) -> bool:
    return all(each.uri or home.blobs.claim(each.digest) for each in record.outputs.artifacts.values())


def reused(home: Home, run: str, record: TaskRecord) -> Reused:
    """What a task of the run made, as one that takes it over has it; whoever made it first is named."""
    first, task = (record.cached_from or f"{run}/{record.name}").split("/", 1)
    with home.store.read() as connection:
        points = metrics.of_task(connection, first, task)
    made = record.cached_made or record.ended or 0.0
    return Reused(run=first, task=task, made=made, outputs=record.outputs, points=points)


def gone(home: Home, record: TaskRecord) -> list[str]:
    """The outputs of the task whose bytes are not there any more."""
    artifacts = record.outputs.artifacts
    return [name for name, each in artifacts.items() if not each.uri and not home.blobs.exists(each.digest)]


def downstream(names: Iterable[str], needs: Mapping[str, Sequence[str]]) -> frozenset[str]:
    """These tasks, and all that comes after one of them. A group of tasks counts as all that is in it."""
    found = {task for name in names for task in (name, *needs) if _within(task, name)}
    while more := {
        task
        for task, before in needs.items()
        if task not in found and any(_within(task, other) or _meets(before, other) for other in found)
    }:
        found |= more
    return frozenset(found)


def _within(task: str, group: str) -> bool:
    return task == group or task.startswith(f"{group}.")


def _meets(needs: Sequence[str], task: str) -> bool:
    return any(_within(task, need) for need in needs)
