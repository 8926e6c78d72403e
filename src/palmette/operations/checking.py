"""Check a project's code, and show what is captured of it, without running anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from palmette.capture.bundle import Bundle, carried
from palmette.capture.explain import Explanation, explain
from palmette.errors import PalmetteError, Problem
from palmette.ir.check import check as check_document
from palmette.operations.compiling import compile_recorded, record
from palmette.operations.preparing import named
from palmette.operations.project import Project, discover
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
    found = discover(project)
    wanted = [named(found, name).name for name in names] or sorted(found) or [named(found, "").name]
    results: list[CheckedAlgorithm] = []
    problems: dict[Problem, None] = {}
    notes: dict[str, None] = {}
    for name in wanted:
        try:
            recorded = record(project, environ, name)
        except PalmetteError as error:
            problems |= dict.fromkeys(error.problems or [Problem(where=name, what=error.message, hint=error.hint)])
            results.append(CheckedAlgorithm(name=name, good=False))
            continue
        broken = _pipeline(recorded)
        problems |= dict.fromkeys(broken)
        notes |= dict.fromkeys([*recorded.pinned.remarks, *(str(each) for each in recorded.closure.warnings)])
        results.append(
            CheckedAlgorithm(
                name=name,
                good=not broken,
                tasks=len(recorded.algorithm.tasks),
                fields=len(recorded.algorithm.config),
                files=len(recorded.closure.files),
            )
        )
    return Checked(algorithms=tuple(results), problems=tuple(problems), notes=tuple(notes))


def _pipeline(recorded: Recorded) -> list[Problem]:
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
