"""Check a project's code, and show what is captured of it, without running anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from palmette.capture.bundle import Bundle, carried
from palmette.capture.explain import Explanation, explain
from palmette.domain.graph import Algorithm, FromFile, FromParameter, calls, sources
from palmette.errors import InterpreterError, PalmetteError, Problem, UsageError
from palmette.ir import codec
from palmette.ir.check import check as check_document
from palmette.ir.dialects import Dialect
from palmette.operations.compiling import compile_recorded, record
from palmette.operations.preparing import chosen
from palmette.operations.project import Project, look
from palmette.operations.recording import Recorded


@dataclass(frozen=True, kw_only=True)
class CheckedAlgorithm:
    """What a check found of one algorithm; the counts are 0 where it did not get that far."""

    name: str
    good: bool
    tasks: int = 0
    fields: int = 0
    files: int = 0


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What a check found."""

    algorithms: tuple[CheckedAlgorithm, ...]
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Captured:
    """What an algorithm takes along."""

    algorithm: str
    bundle: Bundle
    explained: Explanation


def check(project: Project, environ: Mapping[str, str], names: Sequence[str] = ()) -> Checked:
    """Check the named algorithms, or all of them: definitions, configs, source, packages, pipeline. Problems of one do
    not keep the others from being checked; one that several share is reported once."""
    surveyed = look(project)
    wanted = [chosen(surveyed, name).name for name in names] or list(surveyed.found)
    if not wanted and not surveyed.flaws:
        chosen(surveyed, "")  # says that there is none
    results: list[CheckedAlgorithm] = []
    problems: dict[Problem, None] = {} if names else dict.fromkeys(surveyed.problems)
    notes: dict[str, None] = {}
    for name in wanted:
        try:
            recorded = record(project, environ, name)
        except InterpreterError:
            raise  # nothing was checked, and it is the same for every algorithm
        except PalmetteError as error:
            problems |= dict.fromkeys(error.problems or [Problem(where=name, what=error.message, hint=error.hint)])
            results.append(CheckedAlgorithm(name=name, good=False))
            continue
        broken = _pipeline(recorded)
        problems |= dict.fromkeys(broken)
        warnings = (str(each) for each in recorded.closure.warnings)
        notes |= dict.fromkeys([*recorded.pinned.remarks, *warnings, *_unused(recorded.algorithm)])
        results.append(
            CheckedAlgorithm(
                name=name,
                good=not broken,
                tasks=len(list(calls(recorded.algorithm.tasks))),
                fields=len(recorded.algorithm.config),
                files=len(recorded.closure.files),
            )
        )
    return Checked(algorithms=tuple(results), problems=tuple(problems), notes=tuple(notes))


def _unused(algorithm: Algorithm) -> list[str]:
    """A remark on the config fields that no step is given."""
    given = sources(algorithm.tasks)
    used = {source.parameter for source in given if isinstance(source, (FromParameter, FromFile))}
    return [
        f"{field.location or algorithm.name}: no step of {algorithm.name} uses the config field {field.name}"
        for field in algorithm.config
        if field.name not in used
    ]


def check_file(path: Path, dialect: str = Dialect.PALMETTE) -> Checked:
    """Check a pipeline document, whoever compiled it, for the backends of a dialect; every problem at once."""
    try:
        document = codec.loads(path.read_bytes())
        problems = check_document(document, dialect)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except PalmetteError as error:
        found = tuple(error.problems) or (Problem(where=str(path), what=error.message, hint=error.hint),)
        return Checked(algorithms=(CheckedAlgorithm(name=str(path), good=False),), problems=found)
    pipeline = document.pipeline
    tasks = len(pipeline.root.dag.tasks) if pipeline.root.dag else 0
    fields = len(pipeline.root.input_definitions.parameters)
    entry = CheckedAlgorithm(name=pipeline.name or str(path), good=not problems, tasks=tasks, fields=fields)
    return Checked(algorithms=(entry,), problems=tuple(problems))


def _pipeline(recorded: Recorded) -> list[Problem]:
    if recorded.algorithm.inputs:
        return []  # a part of others, which is checked with them
    try:
        return list(check_document(compile_recorded(recorded).document))
    except PalmetteError as error:
        return list(error.problems) or [Problem(where=recorded.algorithm.name, what=error.message, hint=error.hint)]


def capture(project: Project, environ: Mapping[str, str], name: str) -> Captured:
    """What the algorithm takes along, and what each of its steps reaches."""
    recorded = record(project, environ, name)
    return Captured(
        algorithm=name,
        bundle=recorded.bundle,
        explained=explain(recorded.closure, carried(), recorded.reached),
    )
