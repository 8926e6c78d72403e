"""Runs, as Python sees them: start one, find some, look into one."""

from __future__ import annotations

import atexit
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from html import escape
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, Protocol, TypeAlias, overload

from palmette.client import frames, tool
from palmette.client.tool import Asked, Hear, Place
from palmette.client.values import written
from palmette.domain.states import RunState, TaskState
from palmette.errors import NotFound, PalmetteError, RunFailed
from palmette.runtime import formats

#: a pandas.DataFrame: pandas is loaded when one is made
DataFrame: TypeAlias = Any

#: what tells the iterations of a step apart: "fit[2]"
_ITERATION: Final = re.compile(r"(?:\[\d+\])+$")
#: of the iterations of a step, the first of these that one of them is in says how the step is
_WORST: Final = (
    TaskState.FAILED,
    TaskState.CANCELED,
    TaskState.RUNNING,
    TaskState.QUEUED,
    TaskState.PENDING,
    TaskState.SUCCEEDED,
    TaskState.CACHED,
)
_HEAD: Final = re.compile(r"[\w-]+(?:\[\d+\])+ │ ")
#: how many of a failed step's last log lines an error quotes
TAIL: Final = 20


def run(
    algorithm: str,
    *,
    preset: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    config: str | os.PathLike[str] | None = None,
    tags: Sequence[str] = (),
    note: str = "",
    refresh: bool = False,
    data_of: Run | str | None = None,
    cache: bool = True,
    wait: bool = True,
    quiet: bool = False,
    project: str | os.PathLike[str] | None = None,
    **fields: Any,
) -> Run:
    """Train an algorithm, as `palmette run` does: ``palmette.run("tumour", C=0.1, preset="toy")``.

    Fields of the config are given by name; those of a nested one, or one named like an argument of this function, in
    `overrides`: ``{"model.depth": 3}``. With `data_of`, what another run read of the outside world is not read again.
    Progress is shown line by line unless it is to be `quiet`. A run that does not succeed raises RunFailed with the
    failing step and the end of its log; the run itself is in its `run`. Without `wait` the run goes on in the
    background, also when this interpreter ends.
    """
    place = tool.here(project)
    return start(place, algorithm, _options(locals(), {**(overrides or {}), **fields}), wait=wait, quiet=quiet)


def _options(asked: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    options = [f"{name}={written(value)}" for name, value in values.items()]
    options += ["--preset", asked["preset"]] if asked["preset"] else []
    options += ["--config", str(Path(asked["config"]).resolve())] if asked["config"] else []
    options += [word for tag in asked["tags"] for word in ("--tag", tag)]
    options += ["--note", asked["note"]] if asked["note"] else []
    options += ["--refresh"] if asked["refresh"] else []
    options += ["--data-of", getattr(asked["data_of"], "id", asked["data_of"])] if asked["data_of"] else []
    return options + ([] if asked["cache"] else ["--no-cache"])


def start(place: Place, algorithm: str, options: Sequence[str], *, wait: bool, quiet: bool) -> Run:
    """Start a run with the options of the command."""
    asked = Asked(place, ["run", algorithm, *options, "--json", "--announce"], listening=wait)
    if not wait:
        return Run(place, asked.accepted(), asked=asked)
    code, answer = asked.end(None if quiet else tool.say)
    begun = Run(place, answer["run_id"], known=answer)
    if code:
        raise begun.failure()
    return begun


def get(reference: str = "last", *, project: str | os.PathLike[str] | None = None) -> Run:
    """The run of that id (its first characters will do), the newest one ("last"), or an algorithm's newest."""
    place = tool.here(project)
    answer = place("show", reference, "--json")
    return Run(place, answer["run_id"], known=answer)


@overload
def runs(
    query: str = ..., *, limit: int = ..., frame: Literal[True] = ..., project: str | os.PathLike[str] | None = ...
) -> DataFrame: ...
@overload
def runs(
    query: str = ..., *, limit: int = ..., frame: Literal[False], project: str | os.PathLike[str] | None = ...
) -> list[Run]: ...
def runs(
    query: str = "", *, limit: int = 1000, frame: bool = True, project: str | os.PathLike[str] | None = None
) -> Any:
    """The runs that a query finds, newest first, as a pandas DataFrame with a column for each config field and metric;
    without `frame` as a list of `Run`. A warning says when there may be more than `limit`."""
    place = tool.here(project)
    answer = place("runs", *([query] if query else []), "--limit", str(limit), "--json")
    rows: list[Mapping[str, Any]] = answer["runs"] if isinstance(answer, Mapping) else answer
    if len(rows) == limit:
        warnings.warn(
            f"there may be older runs than the newest {limit:,}, which are here: limit= gives more", stacklevel=2
        )
    return frames.frame(rows) if frame else [Run(place, row["run_id"]) for row in rows]


class Asks(Protocol):
    """Answers the command's questions: the tool as a process, or a server."""

    def __call__(self, *arguments: str, hear: Hear | None = None) -> Any:
        """The verb's answer, as the tool gives it with --json."""
        ...


class Point(NamedTuple):
    """One value of a metric's history."""

    #: the step's own counter: the epoch, the iteration; None where it gave none
    step: int | None
    #: the number
    value: float
    #: when it was logged
    time: datetime | None


class Run:
    """A run. What is known of it is asked for when it is needed, and again as long as the run is not over."""

    def __init__(
        self, place: Asks, id: str, *, known: Mapping[str, Any] | None = None, asked: Asked | None = None
    ) -> None:
        self._place, self._known, self._asked = place, known, asked
        #: its name: 12 characters
        self.id = id

    @property
    def record(self) -> Mapping[str, Any]:
        """All that `palmette show --json` says of it."""
        if self._known is None or not RunState(self._known["state"].upper()).final:
            self._known = self._place("show", self.id, "--json")
        known: Mapping[str, Any] = self._known
        return known

    @property
    def algorithm(self) -> str:
        """The algorithm's name."""
        return str(self.record["algorithm"])

    @property
    def state(self) -> RunState:
        """Its state now."""
        return RunState(self.record["state"].upper())

    @property
    def config(self) -> dict[str, Any]:
        """Every field of its config, by name: "C", "model.depth"."""
        return dict(self.record["config"])

    @property
    def metrics(self) -> dict[str, float]:
        """The last value of each metric."""
        return dict(self.record["metrics"])

    @property
    def goals(self) -> dict[str, str]:
        """The metrics that the algorithm declares: "max" or "min"."""
        return dict(self.record["goals"])

    @property
    def tags(self) -> tuple[str, ...]:
        """Its tags."""
        return tuple(self.record["tags"])

    @property
    def note(self) -> str:
        """Its note; empty if it has none."""
        return self.record["note"] or ""

    @property
    def git(self) -> dict[str, Any]:
        """Branch, commit, author, message, and whether anything was not committed."""
        return dict(self.record["git"])

    @property
    def duration(self) -> float | None:
        """Seconds; None as long as it is not over."""
        seconds: float | None = self.record["duration_seconds"]
        return seconds

    def curve(self, metric: str) -> list[Point]:
        """The history of a metric, in order; one point, of a metric that was logged once. NotFound names what there
        is."""
        record = self.record
        if metric in record["curves"]:
            return [Point(each["step"], each["value"], _moment(each["time"])) for each in record["curves"][metric]]
        if metric in record["metrics"]:
            return [Point(None, record["metrics"][metric], None)]
        names = sorted({*record["curves"], *record["metrics"]})
        raise NotFound(f"run {self.id} has no metric {metric!r}", f"There are: {', '.join(names) or 'none'}.")

    @property
    def curves(self) -> dict[str, list[Point]]:
        """The history of every metric that has one, by name."""
        return {name: self.curve(name) for name in self.record["curves"]}

    @property
    def artifacts(self) -> dict[str, Output]:
        """The artifacts that its steps made, by STEP.OUTPUT."""
        each = ((task, name, entry) for task in self.tasks for name, entry in task.record["artifacts"].items())
        return {f"{task.name}.{name}": Output(task, name, entry) for task, name, entry in each}

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Its tasks, in the order of the pipeline."""
        return tuple(Task(self, entry) for entry in self.record["tasks"])

    def __getitem__(self, step: str) -> Task:
        """The task of a step: ``run["build_and_fit"]``. Where a step was executed several times, in a loop, the first
        one stands for all: ``run["fit"][2]``."""
        found = tuple(task for task in self.tasks if step in (task.name, task.task, _ITERATION.sub("", task.name)))
        if not found:
            names = ", ".join(dict.fromkeys(_ITERATION.sub("", task.name) for task in self.tasks))
            raise NotFound(f"run {self.id} has no step {step!r}", f"There are: {names or 'none yet'}.")
        return Task(self, found[0].record, found)

    def log(self) -> str:
        """What its steps printed, each line after its step's name."""
        return str(self._place("logs", self.id))

    def diff(self, other: Run | str | None = None) -> dict[str, Any]:
        """What differs between this run and another, read from the other to this one; by default from its baseline. As
        `palmette diff --json`; `palmette.compare` gives the same as a value with a verdict."""
        against = [other.id if isinstance(other, Run) else other] if other is not None else []
        return dict(self._place("diff", self.id, *against, "--json"))

    def tag(self, *names: str) -> None:
        """Give it tags."""
        self._place("tag", self.id, *names)
        self._known = None

    def set_note(self, text: str) -> None:
        """Give it this note in place of the one it has; an empty one removes it."""
        self._place("note", self.id, *([text] if text else ["--clear"]))
        self._known = None

    def untag(self, *names: str) -> None:
        """Take tags away."""
        self._place("tag", self.id, *names, "--delete")
        self._known = None

    def wait(self, *, quiet: bool = True) -> Run:
        """Wait until it is over; RunFailed if it did not succeed."""
        if self._asked is not None:
            _, self._known = self._asked.end(None if quiet else tool.say)
            self._asked = None
        elif not self.state.final:
            self._place("logs", self.id, "--follow", hear=None if quiet else tool.say)
        if self.state is not RunState.SUCCEEDED:
            raise self.failure()
        return self

    def cancel(self) -> None:
        """Ask for its end; what is done is kept."""
        self._place("cancel", self.id)

    def failure(self) -> RunFailed:
        """The error that says why it did not succeed: the failing step, its message, the end of its log."""
        failed = [task for task in self.tasks if task.state is TaskState.FAILED]
        words = [f"run {self.id} of {self.algorithm} {_became(self.state)}"]
        words += [f"{task.name}: {task.message}" for task in failed]
        tail = [line for task in failed[:1] for line in task.log.splitlines()[-TAIL:]]
        hint = "\n".join(["The log ends:", *(f"  | {line}" for line in tail)]) if tail else ""
        error = RunFailed("\n".join(words), hint)
        error.run = self
        error.step = failed[0].name if failed else ""
        return error

    def __repr__(self) -> str:
        numbers = ", ".join(f"{name}={value:.4g}" for name, value in self.metrics.items() if value is not None)
        return f"<Run {self.id} {self.algorithm} {self.state.value.lower()}{': ' if numbers else ''}{numbers}>"

    def _repr_html_(self) -> str:
        record = self.record
        rows = [("state", record["state"].lower()), ("started", (record["started_at"] or "")[:19].replace("T", " "))]
        rows += [("branch", record["git"]["branch"] or ""), ("commit", (record["git"]["commit"] or "")[:8])]
        rows += [(name, f"{value:.6g}") for name, value in self.metrics.items() if value is not None]
        rows += [(name, str(value)) for name, value in self.config.items()]
        rows += [(task.name, task.state.value.lower()) for task in self.tasks]
        cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows if text)
        return f"<table><caption>{escape(record['algorithm'])} {escape(self.id)}</caption>{cells}</table>"


class Task:
    """One step of a run. A step that a loop executed several times is each of them by number: `run["fit"][2]`."""

    def __init__(self, run: Run, record: Mapping[str, Any], all: Sequence[Task] = ()) -> None:
        self.run = run
        #: what `palmette show --json` says of it
        self.record = record
        self._all = tuple(all)

    def __getitem__(self, number: int) -> Task:
        """One of several, from 0 on."""
        return self._all[number]

    def __len__(self) -> int:
        """How often the step was executed."""
        return len(self._all) or 1

    def __bool__(self) -> bool:
        return True

    def __iter__(self) -> Iterator[Task]:
        """Each time that the step was executed."""
        return iter(self._all or (self,))

    @property
    def name(self) -> str:
        """The step's name."""
        return str(self.record["name"])

    @property
    def task(self) -> str:
        """Its name in the pipeline, which no other task of the run has: "for-loop-1.2.fit"."""
        return str(self.record.get("task") or self.record["name"])

    @property
    def state(self) -> TaskState:
        """Its state when the run was looked at; of several that of the worst."""
        states = [TaskState(each.record["state"].upper()) for each in self]
        return next((state for state in _WORST if state in states), states[0])

    @property
    def message(self) -> str:
        """Why it failed or was skipped; empty otherwise. Of several that of the worst."""
        worst = next(each for each in self if TaskState(each.record["state"].upper()) is self.state)
        return worst.record["message"] or ""

    @property
    def cached(self) -> bool:
        """Whether its outputs, of several all of them, were made by an earlier run."""
        return all(each.record["cached"] for each in self)

    @property
    def duration(self) -> float | None:
        """Seconds from its start to its end; None if it has not got both."""
        self._one("duration")
        times = [_moment(self.record[name]) for name in ("started_at", "ended_at")]
        return None if None in times else (times[1] - times[0]).total_seconds()  # type: ignore[operator]

    @property
    def log(self) -> str:
        """What it printed; if it was reused, what it printed when it was executed."""
        self._one("log")
        run, _, name = (self.record["cached_from"] or "").partition("/")
        text = str(self.run._place("logs", run or self.run.id, name or self.task))
        # Of one iteration each line begins with its name, as if several had been asked for.
        head = _HEAD.match(text)
        return "".join(line.removeprefix(head[0]) for line in text.splitlines(keepends=True)) if head else text

    @cached_property
    def outputs(self) -> Outputs:
        """What it gave, by name: parameters as values, artifacts as `Output`."""
        self._one("outputs")
        made = {name: Output(self, name, entry) for name, entry in self.record["artifacts"].items()}
        return Outputs(self, {**self.record["parameters"], **made})

    @property
    def output(self) -> Any:
        """What it gave, of a step that gives one thing."""
        self._one("output")
        if not self.outputs:
            why = f": {self.message}" if self.message else ""
            raise NotFound(f"{self.name} has no output; it is {self.state.value.lower()}{why}")
        if len(self.outputs) > 1:
            names = ", ".join(self.outputs)
            raise NotFound(f"{self.name} has {len(self.outputs)} outputs", f"Name one in `outputs`: {names}.")
        return next(iter(self.outputs.values()))

    def _one(self, what: str) -> None:
        """NotFound where the step was executed several times: none of them stands for the others."""
        if len(self) > 1:
            name = self.name.partition("[")[0]
            hint = f'Take one of them, or all: run["{name}"][0].{what}, [each.{what} for each in run["{name}"]].'
            raise NotFound(f"{name} was executed {len(self)} times, once for each item of a loop", hint)

    def __repr__(self) -> str:
        times = f", {len(self)} times" if len(self) > 1 else ""
        name = self.name.partition("[")[0] if times else self.name
        return f"<Task {name} of {self.run.id}: {self.state.value.lower()}{times}>"


class Outputs(Mapping[str, Any]):
    """The outputs of a task by name, that of a step which returns one value being "output"; an artifact also by its
    type, where no other is of it: "model", "dataset", "metrics", "html"."""

    def __init__(self, task: Task, values: Mapping[str, Any]) -> None:
        self._task, self._values = task, values

    def __getitem__(self, name: str) -> Any:
        """The value of a parameter, or the artifact as an `Output`; NotFound says what there is."""
        if name in self._values:
            return self._values[name]
        typed = [each for each in self._values.values() if isinstance(each, Output) and each.type == name]
        if len(typed) == 1:
            return typed[0]
        known = ", ".join(self._values) or "none"
        raise NotFound(f"{self._task.name} has no output {name!r}", f"There are: {known}.")

    def __contains__(self, name: object) -> bool:
        return name in self._values

    def __iter__(self) -> Iterator[str]:
        """Their names."""
        return iter(self._values)

    def __len__(self) -> int:
        """How many there are."""
        return len(self._values)

    def __repr__(self) -> str:
        return f"<Outputs of {self._task.name}: {', '.join(self) or 'none'}>"


@dataclass(frozen=True, eq=False)
class Output:
    """An artifact that a step made."""

    #: the step that made it
    task: Task = field(repr=False)
    #: the output's name
    name: str
    #: type, digest, size, filename, metadata
    record: Mapping[str, Any]

    def __repr__(self) -> str:
        where = f", at {self.record['uri']}" if self.record.get("uri") else ""
        return f"<Output {self.name} of {self.task.name}: {self.type}, {self.record['size']} B{where}>"

    @property
    def type(self) -> str:
        """ "model", "dataset", "metrics", "html", "markdown" or "artifact"."""
        return str(self.record["type"]).rpartition(".")[2].lower()

    def path(self) -> Path:
        """Where a copy of it lies, checked against its digest. It is gone with this interpreter."""
        return self._copy

    @cached_property
    def _copy(self) -> Path:
        # A directory of its own, so that the artifact keeps its name, which formats go by.
        directory = tempfile.mkdtemp(prefix="palmette-")
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
        wanted = f"{self.task.task}.{self.name}"
        self.task.run._place("artifacts", "get", self.task.run.id, wanted, "--output", directory)
        found = [*Path(directory).iterdir()]
        if len(found) != 1:
            raise PalmetteError(f"the artifact {wanted} of run {self.task.run.id} could not be fetched")
        return found[0]

    def read_bytes(self) -> bytes:
        """Its bytes, if it is one file."""
        return self._copy.read_bytes()

    def load(self) -> Any:
        """The value that the step returned, read with this interpreter's libraries."""
        return formats.read(self._copy, self.record["metadata"], None)

    def __fspath__(self) -> str:
        """The same as its `path`, so that it can be opened."""
        return str(self._copy)


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _became(state: RunState) -> str:
    return "failed" if state is RunState.FAILED else f"is {state.value.lower()}, and did not succeed"
