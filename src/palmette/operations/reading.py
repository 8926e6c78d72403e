"""Look at runs: lists, one run, its logs, its artifacts."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from palmette.domain.artifact import Artifact
from palmette.domain.metric import MetricPoint
from palmette.domain.run import Attempt, Run, TaskRecord
from palmette.domain.values import Json, literal
from palmette.engine.remains import opened, within
from palmette.errors import NotFound, UsageError
from palmette.operations import abroad, outside
from palmette.operations.details import Detail, alike, shown, telling
from palmette.operations.home import Home, interrupted
from palmette.store import metrics, promotions, retention, tasks
from palmette.store import runs as stored_runs

#: seconds between two looks at a log that is followed
_PAUSE = 0.15
#: KFP's name for the type of a model
_MODEL: Final = "system.Model"
#: bytes of a log that are read at once, and the most of its end that is looked at
_PIECE: Final = 1 << 20


def show(home: Home, ref: str) -> Detail:
    """Everything about one run."""
    return detail(home, stored_runs.get(home.store, ref, project=home.project))


def detail(home: Home, run: Run) -> Detail:
    """The run with its tasks and numbers."""
    return Detail(
        run=run,
        tasks=telling(tasks.of_run(home.store, run.id)),
        metrics=metrics.last(home.store, run.id),
        curves=_curves(home, run),
        interrupted=interrupted(run),
        aliases=tuple(
            each.name
            for each in promotions.current(home.store, project=run.project, algorithm=run.algorithm)
            if each.run == run.id
        ),
    )


def last_metrics(home: Home, ref: str) -> Mapping[str, float]:
    """The last value of each metric of a run."""
    return metrics.last(home.store, stored_runs.get(home.store, ref, project=home.project).id)


def curves(home: Home, ref: str) -> Mapping[str, tuple[MetricPoint, ...]]:
    """The metrics of a run that have more than one point, point by point."""
    return _curves(home, stored_runs.get(home.store, ref, project=home.project))


def _curves(home: Home, run: Run) -> Mapping[str, tuple[MetricPoint, ...]]:
    """The metrics that have more than one point; one that several tasks logged is named after the task too."""
    found: dict[str, tuple[MetricPoint, ...]] = {}
    for name in dict.fromkeys(each.name for each in metrics.of_run(home.store, run.id) if each.points > 1):
        curves = metrics.history(home.store, run.id, name)
        for curve in curves:
            found[name if len(curves) == 1 else f"{curve.task}.{name}"] = curve.points
    return found


def step_named(records: Sequence[TaskRecord], name: str) -> TaskRecord:
    """The task that people know by that name; NotFound with what there is."""
    first, *others = steps_named(records, name)
    if others:
        which = f"{shown(first)} to {shown(others[-1])}"
        raise NotFound(f"{name} was executed for each of several items", f"Name one of {which}.")
    return first


def steps_named(records: Sequence[TaskRecord], name: str) -> tuple[TaskRecord, ...]:
    """The task that people know by that name, or its iterations, if it is in a loop; NotFound with what there is."""
    for task in records:
        if name in {task.name, task.component}:
            return (task,)
    executed = [task for task in records if not task.group]
    iterations = tuple(task for task in executed if alike(task) == name)
    if iterations:
        return iterations
    known = list(dict.fromkeys(alike(task) for task in executed))
    close = get_close_matches(name, known, n=1)
    hint = f"Did you mean {close[0]}?" if close else f"There are: {', '.join(known)}."
    raise NotFound(f"the run has no step {name!r}", hint)


# Logs


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of a log, without its end."""

    step: str
    text: str


def logs(
    home: Home, ref: str, *, step: str | None = None, follow: bool = False, attempt: int | None = None
) -> Iterator[Line]:
    """The lines that the steps printed, step by step; with `follow` as they come, until the run is over.

    Each step's last attempt is meant where none is named.
    """
    for line in tail(home, ref, step=step, follow=follow, attempt=attempt):
        if line is None:
            time.sleep(_PAUSE)
        else:
            yield line


def tail(
    home: Home, ref: str, *, step: str | None = None, follow: bool = False, attempt: int | None = None
) -> Iterator[Line | None]:
    """As `logs`, with None wherever there is nothing new yet: whoever asks waits as it likes."""
    run = stored_runs.get(home.store, ref, project=home.project)
    abroad.refuse(home, run, "printed nothing here")
    if step is not None:
        steps_named(tasks.of_run(home.store, run.id), step)
    tails: dict[str, _Tail] = {}
    while True:
        # States first: what is printed before a run is over has then been seen when it is.
        run = stored_runs.get(home.store, run.id)
        records = tasks.of_run(home.store, run.id)
        for task in records if step is None else steps_named(records, step):
            found = _attempt(task, attempt)
            if found is not None:
                path = home.directory / found.directory / "log"
                tail = tails.get(str(path)) or tails.setdefault(str(path), _Tail(path))
                yield from (Line(step=shown(task), text=text) for text in tail.lines(last=run.state.final))
        if not follow or run.state.final or interrupted(run):
            return
        yield None


def reused(home: Home, ref: str, step: str | None = None) -> dict[str, str]:
    """The steps of the run that printed nothing in it because an earlier run's outputs were used: step → that run.
    Those that printed nothing there either are left out."""
    run = stored_runs.get(home.store, ref, project=home.project)
    records = tasks.of_run(home.store, run.id)
    chosen = [task for task in (records if step is None else steps_named(records, step)) if task.cached_from]
    earlier = {run: tasks.of_run(home.store, run) for run in {task.cached_from.partition("/")[0] for task in chosen}}
    made = {f"{run}/{task.name}": task for run, found in earlier.items() for task in found}
    return {
        shown(task): task.cached_from.partition("/")[0]
        for task in chosen
        if task.cached_from in made and last_lines(home, made[task.cached_from], 1)
    }


def _attempt(task: TaskRecord, serial: int | None) -> Attempt | None:
    if serial is None:
        return task.attempts[-1] if task.attempts else None
    found = next((each for each in task.attempts if each.serial == serial), None)
    if found is None and task.attempts:
        known = ", ".join(str(each.serial) for each in task.attempts)
        raise NotFound(f"{shown(task)} has no attempt {serial}", f"It has: {known}.")
    return found


class _Tail:
    """What is new in a log since the last look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._rest = b""

    def lines(self, *, last: bool) -> Iterator[str]:
        """The whole lines that came; with `last` also one without an end. A progress bar's rewritten line counts
        once, as it stood in the end."""
        while new := self._piece():
            *whole, self._rest = (self._rest + new).split(b"\n")
            if len(self._rest) >= _PIECE:
                # No line is so long; it comes in parts.
                whole, self._rest = [*whole, self._rest], b""
            yield from map(_line, whole)
        if last and self._rest:
            yield _line(self._rest)
            self._rest = b""

    def _piece(self) -> bytes:
        try:
            with opened(self._path) as file:
                self._position = within(file, self._position)
                new = file.read(_PIECE)
        except FileNotFoundError:
            return b""
        self._position += len(new)
        return new

    def skip(self) -> None:
        """Pass over all but what may be looked at as the end."""
        with suppress(FileNotFoundError), opened(self._path) as file:
            self._position = max(0, file.seek(0, os.SEEK_END) - _PIECE)


def _line(line: bytes) -> str:
    return line.decode(errors="replace").rstrip("\r").rpartition("\r")[2]


def last_lines(home: Home, task: TaskRecord, count: int) -> list[str]:
    """The end of what a task's last attempt printed."""
    if not task.attempts:
        return []
    tail = _Tail(home.directory / task.attempts[-1].directory / "log")
    tail.skip()
    return list(tail.lines(last=True))[-count:]


# Artifacts


@dataclass(frozen=True, kw_only=True)
class Stored:
    """An artifact of a run."""

    task: TaskRecord
    output: str
    artifact: Artifact

    @property
    def name(self) -> str:
        """STEP.OUTPUT."""
        return f"{shown(self.task)}.{self.output}"


@dataclass(frozen=True, kw_only=True)
class Given:
    """A value that a step of a run gave: an output parameter."""

    task: TaskRecord
    output: str
    value: Json

    @property
    def name(self) -> str:
        """STEP.OUTPUT."""
        return f"{shown(self.task)}.{self.output}"


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """A copy of an artifact."""

    path: Path
    #: bytes
    size: int


def artifacts(home: Home, ref: str) -> list[Stored]:
    """The artifacts of a run, in the order of its tasks."""
    run = stored_runs.get(home.store, ref, project=home.project)
    return [
        Stored(task=task, output=output, artifact=artifact)
        for task in tasks.of_run(home.store, run.id)
        for output, artifact in task.outputs.artifacts.items()
    ]


def values(home: Home, ref: str) -> list[Given]:
    """The output parameters of a run, in the order of its tasks."""
    run = stored_runs.get(home.store, ref, project=home.project)
    return [
        Given(task=task, output=output, value=value)
        for task in tasks.of_run(home.store, run.id)
        for output, value in task.outputs.parameters.items()
    ]


def fetch(
    home: Home, ref: str, name: str, *, destination: Path | None, directory: Path, replace: bool = False
) -> Fetched:
    """Copy an artifact out of the store, checked against its digest.

    What was passed by reference is copied from where it lies, as long as it is what it was. `name` is STEP, where the
    step has one artifact, or STEP.OUTPUT. Without a destination it gets its own name in
    `directory`; a destination that is a directory gets it inside.
    """
    entry = named(home, ref, name)
    target = place(entry, destination=destination, directory=directory, replace=replace)
    export(target, lambda new: copy(home, entry.artifact, new))
    return Fetched(path=target, size=entry.artifact.size)


def named(home: Home, ref: str, name: str) -> Stored:
    """The artifact that is named STEP or STEP.OUTPUT; NotFound where there is none any more."""
    for given in values(home, ref):
        if name == given.name:
            hint = "It is shown by: palmette artifacts list RUN. Only files can be fetched."
            raise UsageError(f"{name} is a value and no artifact: {literal(given.value)}", hint)
    entry = _named(artifacts(home, ref), name)
    _refuse_collected(home, ref, entry)
    return entry


def model(stored: Sequence[Stored]) -> str:
    """The name of the one model among the artifacts of a run; NotFound where there is none, or several."""
    found = [entry.name for entry in stored if entry.artifact.type == _MODEL]
    if len(found) == 1:
        return found[0]
    names = ", ".join(found or [entry.name for entry in stored]) or "none at all"
    what = "the run made several models" if found else "the run made no model"
    raise NotFound(what, f"Name what to fetch. There are: {names}.")


def place(entry: Stored, *, destination: Path | None, directory: Path, replace: bool) -> Path:
    """Where a copy of an artifact goes; UsageError where it cannot."""
    # A file's name comes from user code: only its last part counts, so that it cannot lead elsewhere.
    filename = Path(entry.artifact.filename).name or entry.output
    if filename in ("", ".", ".."):
        filename = entry.output
    target = directory / destination if destination else directory / filename
    if target.is_dir() and destination is not None:
        target /= filename
    if target.exists() and not replace:
        raise UsageError(f"{target} is there already", "Name another place with --output, or replace it with --force.")
    if not target.parent.is_dir():
        raise UsageError(
            f"{target} cannot be written: there is no directory {target.parent}", "Name another place with --output."
        )
    return target


def _refuse_collected(home: Home, ref: str, entry: Stored) -> None:
    """NotFound with when and why, if the bytes of the artifact were given up and are gone."""
    run = stored_runs.get(home.store, ref, project=home.project)
    found = retention.collection(home.store, run.id)
    if found is not None and not entry.artifact.uri and not home.blobs.exists(entry.artifact.digest):
        day = time.strftime("%Y-%m-%d", time.gmtime(found.time))
        raise NotFound(
            f"{entry.name} of run {run.id} was collected on {day} by palmette gc {found.rule}",
            f"To make it again: palmette rerun {run.id}",
        )


def copy(home: Home, artifact: Artifact, target: Path) -> None:
    """Put a copy of an artifact at a path that does not exist, checked against its digest."""
    if artifact.uri:
        outside.copy(artifact, target)
    else:
        home.blobs.export(artifact.digest, target)


def export(target: Path, make: Callable[[Path], None]) -> None:
    """Put what is made in its place; what was there is gone only once the new is whole."""
    if not target.exists():
        make(target)
        return
    new, old = (target.with_name(f".{target.name}.{word}.{os.getpid()}") for word in ("new", "old"))
    make(new)
    target.rename(old)
    new.rename(target)
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old)
    else:
        old.unlink()


def _named(stored: Sequence[Stored], name: str) -> Stored:
    # A task within a group or a loop has dots in its own name: "for-loop-1.0.fit".
    found = [
        entry
        for entry in stored
        for step in {entry.task.name, entry.task.component}
        if name in (step, f"{step}.{entry.output}")
    ]
    if len(found) == 1:
        return found[0]
    names = ", ".join(entry.name for entry in (found or stored)) or "none at all"
    if found:
        raise NotFound(f"{name} made several artifacts", f"Name one of {names}.")
    raise NotFound(f"the run has no artifact {name!r}", f"There are: {names}.")
