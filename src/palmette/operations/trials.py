"""One step of a recorded run, executed outside of any run: on the inputs that it had, under chosen conditions."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Final

from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.run import Attempt, TaskRecord
from palmette.domain.states import AttemptState
from palmette.engine import outcome
from palmette.engine.attempt import Surroundings, prepare, secret_values
from palmette.engine.executors.choice import Executors
from palmette.engine.inputs import Inputs, Job, Places, UnusableInput
from palmette.engine.plan import Plan, PlannedTask
from palmette.engine.ports import Claim, Exited, Launch, Lost, Secrets
from palmette.engine.quantities import requested
from palmette.errors import NotFound, PalmetteError, StoreError, UsageError
from palmette.operations import accepting, machine, outside, secrets, vault
from palmette.operations.details import shown
from palmette.operations.originals import Original
from palmette.operations.rerunning import Standing
from palmette.operations.surroundings import base, lent
from palmette.runtime import threads, trial
from palmette.runtime.delivery import BOOTSTRAP

#: seconds between two looks whether the machine has room
_PAUSE: Final = 0.2


@dataclass(frozen=True, kw_only=True)
class Repeatable:
    """A task of a run with what it was given."""

    task: PlannedTask
    inputs: Inputs


def repeatable(original: Original, plan: Plan, record: TaskRecord) -> Repeatable:
    """The task as it was executed in the run, on the inputs that it had there. NotFound for one that never had any,
    StoreError where their bytes are gone."""
    name = shown(record)
    parts = record.parts
    if parts is None:
        hint = "Choose a run in which it was executed: palmette runs."
        raise NotFound(f"{name} was not executed in run {original.run.id}, so it has no inputs", hint)
    task = next((each for each in plan.every_task if each.name == record.name), None) or next(
        (each for each in plan.every_task if each.executor == record.executor), None
    )
    if task is None or not task.container.image:
        raise UsageError(f"{name} is not a step that is executed")
    found = _artifacts(original)
    artifacts: dict[str, tuple[Artifact, ...]] = {}
    for slot, said in parts.inputs.items():
        # Beside the digests stands how they are read.
        given = [found.get(digest) for digest in said if ":" in digest and " " not in digest]
        there = tuple(each for each in given if each and (each.uri or original.home.blobs.exists(each.digest)))
        if len(there) < len(given):
            hint = f"Run it anew: palmette rerun {original.run.id}."
            raise StoreError(f"what {name} was given as {slot!r} in run {original.run.id} is gone", hint)
        artifacts[slot] = there
    inputs = Inputs(parameters=parts.parameters, artifacts=artifacts)
    return Repeatable(task=replace(task, name=record.name, title=record.component or record.name), inputs=inputs)


def _artifacts(original: Original) -> dict[str, Artifact]:
    """Everything that the run's tasks made, by digest."""
    return {each.digest: each for task in original.tasks for each in task.outputs.artifacts.values()}


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """Under what a step is executed."""

    hash_seed: int = 0
    threads: int = 1
    #: seconds since the epoch that it begins at; None for the true time
    clock: float | None = None
    #: the name of the directory that it works in
    place: str = "a"
    #: what is random everywhere is the same each time
    tame: bool = False


@dataclass(frozen=True, kw_only=True)
class Executed:
    """How an execution ended."""

    code: int
    directory: Path
    outputs: Outputs = Outputs()
    #: why there are none
    message: str = ""

    def path(self, name: str) -> Path:
        """Where an output artifact lies."""
        return Places(directory=self.directory).artifact(name)


@dataclass
class Trials:
    """Executes steps of a standing run, each in a fresh process and a directory of its own below `top`.

    Nothing is recorded. Enter it, so that what still runs is ended in any case.
    """

    standing: Standing
    top: Path
    _numbers: count[int] = field(default_factory=count, init=False)

    def __post_init__(self) -> None:
        self._executors = Executors(python=self.standing.python.executable, environment=self.standing.environ)

    def __enter__(self) -> Trials:
        return self

    def __exit__(self, *_: object) -> None:
        self._executors.close()

    def execute(self, step: Repeatable, conditions: Conditions) -> Executed:
        """Execute the step once; what it left is moved aside, so that the same directory can be used again."""
        claim = claimed(self.standing, step)
        try:
            launch, hidden = prepared(self.standing, step, self.top / conditions.place, claim)
            report = self._through(self._under(launch, conditions))
        except BaseException:
            shutil.rmtree(self.top / conditions.place, ignore_errors=True)
            raise
        finally:
            claim.release()
        places = Places(directory=launch.directory)
        done = Executed(code=report.code, directory=launch.directory)
        if report.code == 0:
            try:
                done = replace(done, outputs=collected(self.standing, step, places, hidden))
            except (outcome.Spoiled, PalmetteError) as error:
                done = replace(done, code=1, message=str(error))
        kept = self.top / f"kept-{next(self._numbers)}"
        launch.directory.rename(kept)
        shutil.rmtree(self.top / conditions.place)
        message = done.message or ("" if done.code == 0 else f"exit code {done.code}: {_last(kept / 'log')}")
        return replace(done, directory=kept, message=message)

    def _under(self, launch: Launch, conditions: Conditions) -> Launch:
        scratch = launch.directory / "tmp"
        scratch.mkdir()
        environment = {
            **launch.environment,
            **threads.variables(conditions.threads),
            "PALMETTE_THREADS": str(conditions.threads),
            "PYTHONHASHSEED": str(conditions.hash_seed),
            "TMPDIR": str(scratch),
        }
        launch = replace(launch, environment=environment, threads=conditions.threads, timeout=None)
        if launch.command[:3] != ("python3", "-c", BOOTSTRAP):
            return launch
        chosen: trial.Conditions = {
            "clock": conditions.clock,
            "cores": conditions.threads,
            "entropy": conditions.tame,
        }
        program = self.standing.directories.kit / "palmette" / "runtime" / "trial.py"
        return replace(launch, command=("python3", str(program)), args=(json.dumps(chosen), *launch.args))

    def _through(self, launch: Launch) -> Exited:
        self._executors.start(launch)
        while True:
            for report in self._executors.wait(60.0):
                if isinstance(report, Exited):
                    return report
                if isinstance(report, Lost):
                    raise StoreError(f"{launch.id} was lost: {report.why}", "Try again.")


def claimed(standing: Standing, step: Repeatable) -> Claim:
    """The cores, the memory and the GPUs that the step asks for; waits until the machine has them free."""
    host = machine.host(standing.project.gpus)
    slots = accepting.slots(standing.directories, host)
    asked = requested(step.task.container.resources)
    if problems := slots.check(step.task.title, asked.memory, asked.gpu):
        raise UsageError("this machine is too small", "Do it elsewhere.", problems=problems)
    while (claim := slots.claim(asked.cpu, asked.memory, asked.gpu)) is None:
        time.sleep(_PAUSE)
    return claim


def prepared(standing: Standing, step: Repeatable, top: Path, claim: Claim) -> tuple[Launch, Secrets]:
    """The step's directory below `top`, with its inputs in it, and how to start it."""
    original, project = standing.original, standing.project
    names = (secret.name for secret in step.task.secrets)
    kept = vault.reach(project, standing.environ)
    gathered = secrets.gather(names, project.root, standing.environ, kept)
    hidden = Secrets(values=gathered.values, versions=gathered.versions)
    where = Surroundings(
        home=top,
        bundles=standing.code.parent,
        environment=base(standing.environ),
        variables={name: value for name, value in lent(standing.environ).items() if name in step.task.config.env},
        project=project.root,
        sources=project.roots,
        interpreters={name: Path(each.executable) for name, each in standing.environments.items()},
    )
    attempt = Attempt(serial=1, number=1, state=AttemptState.RUNNING, how="process", directory="attempt")
    job = Job(id=original.run.id, name=original.run.name, pipeline=original.document.pipeline.name, root=str(top))
    try:
        secret_values(step.task, hidden)
        launch = prepare(
            step.task,
            attempt,
            step.inputs,
            job=job,
            where=where,
            secrets=hidden,
            files=original.home.blobs,
            claim=claim,
            importer=outside.importer(project.root, standing.environ),
        )
    except UnusableInput as error:
        raise UsageError(f"{step.task.title}: {error}") from error
    return launch, hidden


def collected(standing: Standing, step: Repeatable, places: Places, hidden: Secrets) -> Outputs:
    """What the step left behind; `outcome.Spoiled` if something is not right."""
    importer = outside.importer(standing.project.root, standing.environ)
    return outcome.collect(step.task, places, Left(), hidden.values, importer=importer)


class Left:
    """Bytes that stay where they are; told apart by digest all the same. Stands in for a store."""

    def put(self, path: Path) -> tuple[str, int]:
        """The digest and the size."""
        if path.is_file():
            content = path.read_bytes()
            return f"sha256:{hashlib.sha256(content).hexdigest()}", len(content)
        whole, size = hashlib.sha256(), 0
        for file in sorted(each for each in path.rglob("*") if each.is_file()):
            content = file.read_bytes()
            size += len(content)
            whole.update(f"{file.relative_to(path).as_posix()}\0{hashlib.sha256(content).hexdigest()}\n".encode())
        return f"directory:sha256:{whole.hexdigest()}", size

    def restore(self, digest: str, path: Path) -> None:
        """Never asked for."""
        raise FileNotFoundError(digest)


def _last(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "it said nothing")


def equal(one: Outputs, other: Outputs) -> Mapping[str, bool]:
    """Of each output, whether it is the same in both, byte for byte."""
    names = dict.fromkeys([*one.parameters, *one.artifacts, *other.parameters, *other.artifacts])
    return {name: _content(one, name) == _content(other, name) for name in names}


def _content(outputs: Outputs, name: str) -> str:
    if name in outputs.artifacts:
        return outputs.artifacts[name].digest
    return json.dumps(outputs.parameters.get(name), sort_keys=True)
