"""One step of a recorded run, in this terminal, under a debugger; nothing of it is recorded."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from palmette.domain.artifact import Outputs
from palmette.domain.run import TaskRecord
from palmette.domain.values import Json
from palmette.engine import outcome
from palmette.engine.executors.choice import Executors
from palmette.engine.executors.terminal import Terminal, debugging
from palmette.engine.inputs import Inputs, Places
from palmette.engine.plan import PlannedTask
from palmette.engine.planning import plan as make_plan
from palmette.engine.ports import Exited
from palmette.errors import InterpreterError, Interrupted, RunFailed, UsageError
from palmette.operations import environments, originals
from palmette.operations.compiling import compile_recorded
from palmette.operations.details import shown
from palmette.operations.home import open_home
from palmette.operations.originals import Original
from palmette.operations.preparing import begin
from palmette.operations.project import Project
from palmette.operations.reading import step_named
from palmette.operations.recording import finish
from palmette.operations.rerunning import Standing, reached
from palmette.operations.trials import Repeatable, claimed, collected, prepared, repeatable
from palmette.runtime.debug import NO_DEBUGPY


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How a step is debugged."""

    #: with the code as it is now
    current: bool = False
    #: stop at its first line
    stop: bool = False
    #: wait for an IDE at this port (0: any); None for pdb
    port: int | None = None


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A step that can be debugged."""

    standing: Standing
    step: Repeatable
    #: what whoever debugs it should know, one sentence each
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Made:
    """What the step made."""

    #: which holds the outputs, and is nobody's but the user's now
    directory: Path
    parameters: Mapping[str, Json] = field(default_factory=dict)
    #: where each lies: a path, or the address of what a step referred to
    artifacts: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def ready(project: Project, environ: Mapping[str, str], ref: str, step: str, wanted: Wanted) -> Iterator[Ready]:
    """The step of the run on the inputs that it had there, with the run's own code or that of the working tree."""
    original = originals.recall(open_home(project), ref, over=False)
    record = step_named(original.tasks, step)
    known = repeatable(original, make_plan(original.document, original.run.config), record)
    with ExitStack() as stack:
        if wanted.current:
            standing = stack.enter_context(_current(project, environ, original))
            known = _fitted(standing, known, record, original)
        else:
            standing = stack.enter_context(reached(project, environ, original, originals.code(original)))
            known = repeatable(original, make_plan(standing.document, original.run.config), record)
        code = "the working tree's code" if wanted.current else f"the code of {original.run.id}"
        yield Ready(
            standing=standing,
            step=known,
            notices=(
                f"{shown(record)} with {code}, on its inputs of {original.run.id}",
                *_sensitive(known),
                *standing.notices,
            ),
        )


def _sensitive(step: Repeatable) -> list[str]:
    given = [name for name, each in step.inputs.artifacts.items() if any(artifact.sensitive for artifact in each)]
    return [f"it is given what is sensitive ({', '.join(given)}): mind who sees this terminal"] if given else []


@contextmanager
def _current(project: Project, environ: Mapping[str, str], original: Original) -> Iterator[Standing]:
    """The code as it is now, in place of the run's."""
    with (
        tempfile.TemporaryDirectory(prefix="palmette-") as bundles,
        begin(project, environ, original.run.algorithm) as preparation,
    ):
        recorded = finish(preparation, Path(bundles))
        held = preparation.held.enter_context(environments.shelf(environ))
        executable = preparation.python.executable
        yield Standing(
            project=project,
            environ=environ,
            original=original,
            python=preparation.python,
            directories=preparation.directories,
            template=preparation.template,
            imports=preparation.imports,
            environment=recorded.pinned.environment,
            environments=environments.built(held, recorded.environments, executable, project.root),
            code=Path(bundles) / recorded.bundle.digest,
            document=compile_recorded(recorded).document,
            notices=(preparation.python.note,) if preparation.python.note else (),
        )


def _fitted(standing: Standing, known: Repeatable, record: TaskRecord, original: Original) -> Repeatable:
    """The step as it is now, given what it had then; UsageError where it takes something else by now."""
    plan = make_plan(standing.document, _defaults(standing, original))
    task = next((each for each in plan.every_task if each.executor == record.executor), None)
    if task is None:
        raise UsageError(f"the code has no step {shown(record)} any more", "Leave --current out to debug it as it was.")
    definitions = task.definition.input_definitions
    parameters = {
        name: known.inputs.parameters[name] for name in definitions.parameters if name in known.inputs.parameters
    }
    artifacts = {name: known.inputs.artifacts[name] for name in definitions.artifacts if name in known.inputs.artifacts}
    lacking = [name for name, spec in definitions.parameters.items()
               if name not in parameters and not spec.is_optional and not spec.has_default]  # fmt: skip
    lacking += [name for name, spec in definitions.artifacts.items() if name not in artifacts and not spec.is_optional]
    for name in [*lacking]:
        if name in original.run.config and name in definitions.parameters:
            parameters[name] = original.run.config[name]
            lacking.remove(name)
    if lacking:
        hint = f"Run it once: palmette rerun {original.run.id} --current."
        raise UsageError(
            f"{shown(record)} takes {', '.join(lacking)} by now, which run {original.run.id} did not have", hint
        )
    for name, spec in definitions.parameters.items():
        if name not in parameters and spec.has_default:
            parameters[name] = spec.default_value
    task = replace(task, name=record.name, title=record.component or record.name)
    return Repeatable(task=task, inputs=Inputs(parameters=parameters, artifacts=artifacts))


def _defaults(standing: Standing, original: Original) -> dict[str, Json]:
    """The run's values of the config fields that the code still has."""
    known = standing.document.pipeline.root.input_definitions.parameters
    return {name: value for name, value in original.run.config.items() if name in known}


def debug(ready: Ready, wanted: Wanted) -> Made:
    """Execute the step in the foreground. What it made stays in a directory that is the user's; of one that fails
    (RunFailed) or is left, nothing does."""
    standing, step = ready.standing, ready.step
    top = Path(tempfile.mkdtemp(prefix="palmette-debug-"))
    claim = claimed(standing, step)
    executors = Executors(python=standing.python.executable, environment=standing.environ)
    how = debugging(
        [step.task.name], standing.directories.kit, standing.python.executable, stop=wanted.stop, port=wanted.port
    )
    terminal = Terminal(executors, how)
    try:
        launch, hidden = prepared(standing, step, top, claim)
        terminal.start(launch)
        code = next(report.code for report in _reports(terminal) if isinstance(report, Exited))
        _judge(code, step.task, wanted)
        places = Places(directory=launch.directory)
        outputs = collected(standing, step, places, hidden)
    except BaseException as error:
        shutil.rmtree(top, ignore_errors=True)
        if isinstance(error, outcome.Spoiled):
            raise RunFailed(f"{step.task.title}: {error}") from error
        raise
    finally:
        terminal.close()
        claim.release()
    return _made(step.task, top, places, outputs)


def _reports(terminal: Terminal) -> Iterator[object]:
    while True:
        yield from terminal.wait(60.0)


def _judge(code: int, task: PlannedTask, wanted: Wanted) -> None:
    """RunFailed or Interrupted for another exit code than 0."""
    if code == NO_DEBUGPY and wanted.port is not None:
        raise InterpreterError(
            "the project's Python has no debugpy, which an IDE is attached through",
            "Add debugpy to the project's development packages, or leave --listen out: then it is pdb.",
        )
    if code == 130:
        raise Interrupted(f"{task.title} was interrupted")
    if code:
        raise RunFailed(f"{task.title} ended with exit code {code}", "Nothing of it is kept.")


def _made(task: PlannedTask, top: Path, places: Places, outputs: Outputs) -> Made:
    sensitive = set(task.config.sensitive)
    return Made(
        directory=top,
        parameters={name: value for name, value in outputs.parameters.items() if name not in sensitive},
        artifacts={name: each.uri or str(places.artifact(name)) for name, each in outputs.artifacts.items()},
    )
