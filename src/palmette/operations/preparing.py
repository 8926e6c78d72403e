"""The first step from a project to a run: capture the source and start the project's interpreter.

Light to import, so that the interpreter imports what the steps need while the rest of the tool is loaded beside it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from palmette.capture.bundle import Bundle, assemble, bundle, carried, kit, unpack
from palmette.capture.closure import close
from palmette.capture.keeping import Keeping
from palmette.capture.sources import SourceTree
from palmette.engine.executors.template import Template
from palmette.errors import CaptureError, DefinitionError, InterpreterError, NotFound, Problem, UsageError
from palmette.operations import bounds
from palmette.operations.directories import cache_directory, runtime_directory
from palmette.operations.discovery import Found, Surveyed
from palmette.operations.project import LOCKED, Interpreter, Project, interpreter, look

#: what Palmette's carried part runs on
LEAST_PYTHON: Final = "3.11"
#: what each fork would otherwise import anew: of the runtime, and of what algorithms are written with
RUNTIME: Final = (
    *(f"palmette.runtime.{name}" for name in ("bootstrap", "task", "describe")),
    *(f"palmette.authoring.{name}" for name in ("commands", "flow")),
)


class Preparation:
    """An algorithm on its way to being recorded. The template is importing; `finish` waits for it."""

    def __init__(
        self,
        project: Project,
        environ: Mapping[str, str],
        found: Found,
        python: Interpreter,
        directories: Directories,
        *,
        held: ExitStack | None = None,
        tree: SourceTree | None = None,
    ) -> None:
        self.project = project
        self.environ = environ
        self.found = found
        self.python = python
        self.directories = directories
        #: what it lets go of in the end: the environments that it uses, which nobody removes before
        self.held = held or ExitStack()
        # Of several algorithms that are prepared together each module is parsed once.
        tree = tree or SourceTree(project.root, project.roots)
        self.closure = close(tree, [found.module], whole_packages=project.closure == "package")
        self.template = Template.reach(python.executable, directories.kit, directories.templates, environ)
        self.template.begin_preload(self.imports)
        self.bundle = self._bundle()

    def _bundle(self) -> Bundle:
        """What goes along, made while the template is importing; a template is not kept waiting for what fails."""
        try:
            return bundle(self.closure, carried(Keeping(self.directories.cache / "carried")))
        except BaseException:
            self.template.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.template.close()
        self.held.close()

    @property
    def imports(self) -> tuple[str, ...]:
        """The modules that the template imports: the runtime's own, and what the closure names."""
        return (*RUNTIME, *self.closure.third_party, *self.closure.third_party_maybe)


@dataclass(frozen=True, kw_only=True)
class Directories:
    """Where this user's things of the moment and of the machine lie."""

    #: the carried part of Palmette, unpacked
    kit: Path
    cache: Path
    templates: Path
    slots: Path


def directories(environ: Mapping[str, str]) -> Directories:
    """The user's directories, made if they are not there, with the kit in its place."""
    cache = cache_directory(environ)
    runtime = runtime_directory(environ, os.getuid())
    return Directories(
        kit=unpack(assemble(kit(), python=LEAST_PYTHON), cache / "kits"),
        cache=cache,
        templates=runtime / "templates",
        slots=runtime / "slots",
    )


def begin(project: Project, environ: Mapping[str, str], name: str) -> Preparation:
    """Capture the algorithm's source and start to import what it needs."""
    where = directories(environ)
    held = ExitStack()
    try:
        python = settled(project, environ, held)
        try:
            surveyed = look(project)
            found = chosen(surveyed, name)
            bounds.require_known(project.gates, surveyed)
            return Preparation(project, environ, found, python, where, held=held)
        except (CaptureError, DefinitionError):
            # Source for a newer Python does not parse here: then that is what to say, not where it broke.
            template = Template.reach(python.executable, where.kit, where.templates, environ)
            try:
                refuse_newer(template.hello().python, str(python.executable))
            finally:
                template.close()
            raise
    except BaseException:
        held.close()
        raise


def settled(project: Project, environ: Mapping[str, str], held: ExitStack) -> Interpreter:
    """The Python that runs the project's code: the one that is there, or one that is built from the lock and held."""
    if project.python != LOCKED:
        return interpreter(project, environ)
    # Who has an environment does not wait for the import of what reads locks.
    locked: Callable[..., Path] = import_module("palmette.operations.environments").of_lock
    why = f'[tool.palmette] python = "{LOCKED}"'
    return Interpreter(executable=locked(project, environ, held), why=why)


def chosen(surveyed: Surveyed, name: str) -> Found:
    """The algorithm of that name, whatever is wrong elsewhere; DefinitionError if that may concern it, NotFound if
    nothing is wrong and it is not there."""
    if surveyed.flaws and not surveyed.sound(name):
        raise surveyed.error()
    return named(surveyed.found, name)


def named(algorithms: Mapping[str, Found], name: str) -> Found:
    """The algorithm of that name; NotFound with what there is."""
    if name in algorithms:
        return algorithms[name]
    if not algorithms:
        raise NotFound("the project has no algorithm", "Decorate a pipeline function with @algorithm(config=…).")
    raise NotFound(_unknown(name), _meant(name, algorithms))


def require_known(algorithms: Collection[str], names: Sequence[str]) -> None:
    """NotFound with all names that no algorithm has."""
    unknown = [name for name in dict.fromkeys(names) if name not in algorithms]
    if len(unknown) == 1:
        raise NotFound(_unknown(unknown[0]), _meant(unknown[0], algorithms))
    if unknown:
        problems = tuple(Problem(where="", what=_unknown(name), hint=_meant(name, algorithms)) for name in unknown)
        raise NotFound(f"{len(unknown)} algorithms are not there", problems=problems)


def _unknown(name: str) -> str:
    return f"there is no algorithm {name!r}"


def _meant(name: str, algorithms: Collection[str]) -> str:
    close_names = get_close_matches(name, algorithms, n=1)
    return f"Did you mean {close_names[0]}?" if close_names else f"There are: {', '.join(sorted(algorithms))}."


def unnamed(project: Project) -> UsageError:
    """What to say to whoever names no algorithm: which ones there are."""
    found = look(project).found
    example = f"There are: {', '.join(found)}." if found else "The project has none yet."
    return UsageError("name the algorithm to run", example)


def refuse_newer(version: str, executable: str) -> None:
    """InterpreterError if the project's Python is newer than the tool's, which has to parse its source."""
    theirs = tuple(int(part) for part in version.split(".")[:2])
    if theirs > sys.version_info[:2]:
        own = ".".join(str(part) for part in sys.version_info[:2])
        raise InterpreterError(
            f"the project runs on Python {version} ({executable}), Palmette itself on {own}",
            f"Palmette reads the project's source, so its own Python must be at least as new: install it with "
            f"Python {theirs[0]}.{theirs[1]} (uv tool install --python {theirs[0]}.{theirs[1]} palmette).",
        )
