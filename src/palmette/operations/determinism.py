"""Whether steps give the same twice, and what it is that makes a difference where they do not."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Final

from palmette.domain.fields import TOY
from palmette.domain.run import TaskRecord
from palmette.domain.states import RunState
from palmette.engine.plan import Plan
from palmette.engine.planning import plan as make_plan
from palmette.engine.reuse import reads_world
from palmette.errors import (
    ConfigError,
    InterpreterError,
    Interrupted,
    NotFound,
    PalmetteError,
    RunFailed,
    StoreError,
    UsageError,
)
from palmette.operations import accepting, originals, running
from palmette.operations.accepting import Accepted
from palmette.operations.details import shown
from palmette.operations.home import make_home
from palmette.operations.originals import Original
from palmette.operations.preparing import Preparation, begin, chosen
from palmette.operations.project import Project, look
from palmette.operations.reading import step_named
from palmette.operations.rerunning import Standing, reached
from palmette.operations.surroundings import base, places
from palmette.operations.trials import Conditions, Executed, Repeatable, Trials, equal, repeatable
from palmette.runtime.contrast import contrast
from palmette.store import runs

#: how far the clock of a second execution is ahead: another year, month, day, weekday and hour
SHIFT: Final = 34_300_000.0
#: the cores and threads of the second execution, if the machine has them
_THREADS: Final = 4
_LONGEST: Final = 600.0


class Cause(StrEnum):
    """What makes the difference, found by changing nothing else."""

    HASH_ORDER = "hash order"
    THREADS = "threads"
    CLOCK = "clock"
    DIRECTORY = "directory"
    RANDOM = "unseeded"
    RACE = "race"
    TOGETHER = "several"


class Verdict(StrEnum):
    """What is known of a step."""

    SAME = "same"
    DIFFERS = "differs"
    #: not executed: it may give something else because the world is another one
    WORLD = "reads the world"
    FAILED = "failed"
    LEFT_OUT = "not executed"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is known of one step."""

    step: str
    verdict: Verdict
    causes: tuple[Cause, ...] = ()
    #: output → what differs in it, in words
    outputs: Mapping[str, tuple[str, ...]] | None = None
    #: why it failed or was left out
    message: str = ""
    executions: int = 0
    #: it reads the outside world, so another answer from there would be a difference too
    world: bool = False


@dataclass(frozen=True, kw_only=True)
class Tested:
    """What is known of an algorithm's steps."""

    algorithm: str
    #: whose inputs and code they were executed with
    run: str
    findings: tuple[Finding, ...]

    @property
    def good(self) -> bool:
        """No step gave something else the second time, and none failed."""
        return all(each.verdict not in (Verdict.DIFFERS, Verdict.FAILED) for each in self.findings)


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What is to be tested."""

    #: algorithms and steps, in any order
    names: tuple[str, ...] = ()
    run: str | None = None
    preset: str | None = None
    #: so often, each time under other conditions; at least twice
    times: int = 2


#: told what is being done: a step, and with which execution of it
Watch = Callable[[str, str], None]


def test(project: Project, environ: Mapping[str, str], wanted: Chosen, watch: Watch) -> list[Tested]:
    """Execute each step twice, each time in a fresh process, and compare what it gave byte for byte.

    The inputs are those of a recorded run: the one that is named, or the newest successful one that the code as it is
    now has made; without any, there is such a run first.
    """
    algorithms, steps = _sorted(project, wanted)
    home = make_home(project)
    found = [
        originals.asked(home, wanted.run) if wanted.run else _recorded(project, environ, name, wanted.preset, watch)
        for name in algorithms
    ]
    unknown = [name for name in steps if not any(_has(original, name) for original in found)]
    if unknown:
        step_named(found[0].tasks, unknown[0])
    tested = []
    for original in found:
        with reached(project, environ, original, originals.code(original)) as standing:
            tested.append(_test(standing, steps, wanted.times, watch))
    return tested


def _sorted(project: Project, wanted: Chosen) -> tuple[list[str], list[str]]:
    """The algorithms and the steps that are meant."""
    surveyed = look(project)
    named = [name for name in wanted.names if name in surveyed.found]
    steps = [name for name in wanted.names if name not in surveyed.found]
    if wanted.run:
        return [""], steps
    algorithms = named or list(surveyed.found)
    if not algorithms or surveyed.flaws:
        algorithms = [chosen(surveyed, name).name for name in algorithms or [""]]
    return algorithms, steps


def _has(original: Original, name: str) -> bool:
    return any(name in _spellings(task) for task in original.tasks)


def _spellings(task: TaskRecord) -> set[str]:
    return {task.name, task.component, task.component.partition("[")[0]}


def _recorded(project: Project, environ: Mapping[str, str], name: str, preset: str | None, watch: Watch) -> Original:
    """The newest successful run of the code as it is now, made where there is none."""
    home = make_home(project)
    with begin(project, environ, name) as preparation:
        digest = preparation.bundle.digest
        where = runs.Filter(project=home.project, algorithm=name, states=(RunState.SUCCEEDED,), preset=preset or "")
        known = [entry.run for entry in runs.page(home.store, where, limit=100) if entry.run.bundle == digest]
        known.sort(key=lambda run: run.preset != TOY)
        if known:
            return originals.recall(home, known[0].id)
        watch(name, "is run first")
        detail = running.drive(_accepted(preparation, preset), lambda _: None)
    if detail.run.state is not RunState.SUCCEEDED:
        failed = next((task for task in detail.tasks if task.message), None)
        why = f"{shown(failed)}: {failed.message}" if failed else detail.run.state.value.lower()
        raise RunFailed(
            f"run {detail.run.id}, which was to make the inputs, did not succeed: {why}",
            f"palmette logs {detail.run.id}",
        )
    return originals.recall(home, detail.run.id)


def _accepted(preparation: Preparation, preset: str | None) -> Accepted:
    """A run of the preset that is named, else of the toy preset if there is one."""
    try:
        return accepting.accept(preparation, accepting.Request(preset=preset or TOY))
    except ConfigError as error:
        if preset or any(problem.where != "preset" for problem in error.problems):
            raise
    return accepting.accept(preparation, accepting.Request())


def _test(standing: Standing, steps: Sequence[str], times: int, watch: Watch) -> Tested:
    original = standing.original
    plan = make_plan(standing.document, original.run.config)
    findings = []
    with tempfile.TemporaryDirectory(prefix="palmette-") as top, Trials(standing, Path(top)) as trials:
        for record in original.tasks:
            asked = bool(steps) and not _spellings(record).isdisjoint(steps)
            if record.executor and (asked or not steps):
                findings.append(_step(trials, original, plan, record, asked=asked, times=times, watch=watch))
    return Tested(algorithm=original.run.algorithm, run=original.run.id, findings=tuple(findings))


def _step(
    trials: Trials, original: Original, plan: Plan, record: TaskRecord, *, asked: bool, times: int, watch: Watch
) -> Finding:
    name = shown(record)
    try:
        step = repeatable(original, plan, record)
    except (NotFound, StoreError, UsageError) as error:
        return Finding(step=name, verdict=Verdict.LEFT_OUT, message=error.message)
    if step.task.importer is not None:
        return Finding(step=name, verdict=Verdict.LEFT_OUT, message="it imports what is there")
    world = _reads_world(original, plan, record)
    if world and not asked:
        return Finding(step=name, verdict=Verdict.WORLD, world=True)
    try:
        found = _Examination(trials, step, lambda what: watch(name, what)).finding(times)
    except Interrupted:
        raise
    except PalmetteError as error:
        # One step that cannot be executed is no reason to give up what is known of the others.
        return Finding(step=name, verdict=Verdict.FAILED, message=error.message, world=world)
    return replace(found, world=world)


def _reads_world(original: Original, plan: Plan, record: TaskRecord) -> bool:
    """Whether nothing of another task's goes into it. Of what a loop has made, the loop says it: its items may be what
    a task made."""
    known = next((task for task in plan.tasks if task.name == record.name), None)
    if known is not None:
        return reads_world(known)
    around = [task for task in original.tasks if record.name.startswith(f"{task.name}.")]
    given = record.parts is not None and bool(record.parts.inputs)
    return not given and not any(task.needs for task in (record, *around))


class _Examination:
    """One step on trial."""

    def __init__(self, trials: Trials, step: Repeatable, watch: Callable[[str], None]) -> None:
        self._trials, self._step, self._watch = trials, step, watch
        self._base = Conditions(clock=time.time())
        self._executions = 0

    def finding(self, times: int) -> Finding:
        """Execute it under other conditions each time; if that makes a difference, find out which of them does."""
        name = self._step.task.title
        first = self._execute(self._base, "first execution")
        if first.code:
            return Finding(step=name, verdict=Verdict.FAILED, message=first.message, executions=self._executions)
        for number in range(1, times):
            other = self._execute(self._varied(number), f"execution {number + 1}, under other conditions")
            if not _same(first, other):
                causes = tuple(self._causes(first, number))
                return Finding(
                    step=name,
                    verdict=Verdict.DIFFERS,
                    causes=causes,
                    outputs=_described(self._trials.standing, self._step, first, other),
                    message=other.message,
                    executions=self._executions,
                )
        return Finding(step=name, verdict=Verdict.SAME, executions=self._executions)

    def _varied(self, number: int) -> Conditions:
        assert self._base.clock is not None
        return Conditions(
            hash_seed=number, threads=_THREADS, clock=self._base.clock + SHIFT * number, place="another-directory"
        )

    def _causes(self, first: Executed, number: int) -> Iterator[Cause]:
        """What makes a difference, all else being equal."""
        base, varied = self._base, self._varied(number)
        if not _same(first, self._execute(base, "again, with nothing changed")):
            base = replace(base, tame=True)
            first, again = (self._execute(base, "again, with the same random numbers") for _ in range(2))
            if not _same(first, again):
                yield Cause.RACE
                return
            yield Cause.RANDOM
        factors = (
            (Cause.HASH_ORDER, replace(base, hash_seed=varied.hash_seed), "again, with another hash seed"),
            (Cause.THREADS, replace(base, threads=varied.threads), "again, with other threads"),
            (Cause.CLOCK, replace(base, clock=varied.clock), "again, at another time"),
            (Cause.DIRECTORY, replace(base, place=varied.place), "again, in another directory"),
        )
        found = [cause for cause, conditions, what in factors if not _same(first, self._execute(conditions, what))]
        yield from found
        if not found and not base.tame:
            yield Cause.TOGETHER

    def _execute(self, conditions: Conditions, what: str) -> Executed:
        self._watch(what)
        self._executions += 1
        return self._trials.execute(self._step, conditions)


def _same(one: Executed, other: Executed) -> bool:
    return one.code == other.code and all(equal(one.outputs, other.outputs).values())


def _described(standing: Standing, step: Repeatable, one: Executed, other: Executed) -> dict[str, tuple[str, ...]]:
    """What differs in each output that is not the same, in words."""
    if one.code or other.code:
        return {}
    differing = [name for name, same in equal(one.outputs, other.outputs).items() if not same]
    pairs = {
        name: [{"path": str(each.path(name)), "metadata": dict(each.outputs.artifacts[name].metadata)}
               for each in (one, other)]
        for name in differing
        if name not in step.task.config.sensitive and all(_stored(each, name) for each in (one, other))
    }  # fmt: skip
    told = contrasted(standing, pairs)
    for name in differing:
        if name in step.task.config.sensitive:
            told[name] = ("it is sensitive, so nothing of it is quoted",)
        elif name in one.outputs.artifacts and name in other.outputs.artifacts and name not in pairs:
            told[name] = (f"{_address(one, name)} → {_address(other, name)}",)
        elif name not in pairs:
            told[name] = tuple(contrast(*(each.outputs.parameters.get(name) for each in (one, other))))
        elif not told[name]:
            told[name] = ("equal by value, but not byte for byte",)
    return {name: told[name] for name in differing}


def _stored(executed: Executed, name: str) -> bool:
    """Whether the output is an artifact whose bytes the step left, and not the address of others."""
    artifact = executed.outputs.artifacts.get(name)
    return artifact is not None and not artifact.uri


def _address(executed: Executed, name: str) -> str:
    artifact = executed.outputs.artifacts[name]
    return f"{artifact.uri or 'a file'} ({artifact.digest})"


def contrasted(standing: Standing, pairs: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """What differs in each pair of stored values, told by the project's interpreter, which can read them."""
    if not pairs:
        return {}
    program = standing.directories.kit / "palmette" / "runtime" / "contrast.py"
    asked = json.dumps({"bundle": str(standing.code), "pairs": pairs})
    environment = {**base(standing.environ), **places(standing.project, standing.code.parent)}
    done = subprocess.run(
        [str(standing.python.executable), str(program), asked],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LONGEST,
        check=False,
    )
    try:
        told = json.loads(done.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        raise InterpreterError("the outputs could not be compared by value", done.stderr[-2000:]) from None
    return {name: tuple(sentences) for name, sentences in told.items()}
