"""Record many algorithms of a project at once: one survey, one parse of each module, one template."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TypeVar

from palmette.capture.sources import SourceTree
from palmette.domain.graph import Algorithm
from palmette.engine.executors.template import Template
from palmette.errors import CaptureError, CompileError, DefinitionError, PalmetteError, Problem
from palmette.operations import bounds
from palmette.operations.discovery import Found, Surveyed
from palmette.operations.preparing import Preparation, chosen, directories, refuse_newer, settled
from palmette.operations.project import Project, look
from palmette.operations.recording import Recorded, complete, describe, describe_together

T = TypeVar("T")


def record_all(project: Project, environ: Mapping[str, str], names: Sequence[str] = ()) -> dict[str, Recorded]:
    """Record these algorithms, else all of the project, by name; every problem of all of them at once. Nobody is asked
    what the world outside is like: `fresh` functions are not called."""
    surveyed = look(project)
    bounds.require_known(project.gates, surveyed)
    wanted = _wanted(surveyed, names)
    with ExitStack() as held, tempfile.TemporaryDirectory(prefix="palmette-") as temporary:
        where, python = directories(environ), settled(project, environ, held)
        tree = SourceTree(project.root, project.roots)

        def prepared(found: Found) -> Preparation:
            return held.enter_context(Preparation(project, environ, found, python, where, tree=tree))

        try:
            preparations = each_of({name: partial(prepared, found) for name, found in wanted.items()})
        except (CaptureError, DefinitionError):
            # Source for a newer Python does not parse here: then that is what to say, not where it broke.
            template = Template.reach(python.executable, where.kit, where.templates, environ)
            held.callback(template.close)
            refuse_newer(template.hello().python, str(python.executable))
            raise
        described = _described(preparations, Path(temporary))
        return each_of({name: partial(complete, preparations[name], described[name], {}) for name in wanted})


def each_of(works: Mapping[str, Callable[[], T]]) -> dict[str, T]:
    """What each of these gives, by algorithm; every problem of all of them at once."""
    found: dict[str, T] = {}
    errors: dict[str, PalmetteError] = {}
    for name, work in works.items():
        try:
            found[name] = work()
        except (CaptureError, CompileError, DefinitionError) as error:
            errors[name] = error
    if len(errors) == 1:
        raise next(iter(errors.values()))
    if errors:
        problems = dict.fromkeys(each for name, error in errors.items() for each in _problems(name, error))
        raise DefinitionError(f"{len(errors)} algorithms cannot be compiled", problems=problems)
    return found


def _problems(name: str, error: PalmetteError) -> Iterator[Problem]:
    if not error.problems:
        yield Problem(where=name, what=error.message, hint=error.hint)
    yield from error.problems


def _wanted(surveyed: Surveyed, names: Sequence[str]) -> dict[str, Found]:
    if not names and surveyed.flaws:
        raise surveyed.error()
    return {name: chosen(surveyed, name) for name in names or surveyed.found}


def _described(preparations: Mapping[str, Preparation], bundles: Path) -> dict[str, Algorithm]:
    """Each algorithm as its code has it. As many forks of the template as there are processors record some each; only
    where one finds something wrong each algorithm has a fork of its own, so that it is known whose fault it is."""
    names, at_once = list(preparations), min(len(preparations), os.cpu_count() or 1)
    if not names:
        return {}
    with ThreadPoolExecutor(at_once) as pool:
        parts = [names[begin::at_once] for begin in range(at_once)]
        coming = [pool.submit(describe_together, [preparations[name] for name in part], bundles) for part in parts]
        # Whoever goes on must not be in another's line to the template.
        wait(coming)
        try:
            found = {
                name: one
                for part, each in zip(parts, coming, strict=True)
                for name, one in zip(part, each.result(), strict=True)
            }
        except DefinitionError:
            alone = {name: pool.submit(describe, each, bundles, tokens=False) for name, each in preparations.items()}
            return {name: algorithm for name, (algorithm, _) in each_of(_results(alone)).items()}
    return {name: found[name] for name in names}


def _results(coming: Mapping[str, Future[T]]) -> dict[str, Callable[[], T]]:
    return {name: future.result for name, future in coming.items()}
