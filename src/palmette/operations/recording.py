"""Record an algorithm in the project's interpreter, and pin the environment it needs."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from palmette.capture import locks
from palmette.capture.bundle import Bundle, assemble, unpack
from palmette.capture.closure import Closure
from palmette.capture.environment import Pinned, environment
from palmette.capture.installed import InterpreterFacts
from palmette.capture.keeping import Keeping
from palmette.capture.reach import Reached, reach
from palmette.domain import wire
from palmette.domain.graph import Algorithm, Step
from palmette.domain.run import Environment
from palmette.engine.executors.template import Call
from palmette.errors import CaptureError, DefinitionError, Problem
from palmette.operations import bounds, environments
from palmette.operations.preparing import LEAST_PYTHON, Preparation, refuse_newer
from palmette.operations.project import Project, workspace
from palmette.operations.surroundings import base, places

_DESCRIBE: Final = "palmette.runtime.describe:main"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """An algorithm as its code has it now, with all it takes along."""

    project: Project
    algorithm: Algorithm
    closure: Closure
    bundle: Bundle
    #: step → the definitions it reaches
    reached: Mapping[str, Reached]
    pinned: Pinned
    #: those that steps name; nothing is built yet, so they have no executable
    environments: Mapping[str, Environment] = field(default_factory=dict)
    #: step → what its `fresh` function said just now
    tokens: Mapping[str, str] = field(default_factory=dict)


def facts(preparation: Preparation) -> InterpreterFacts:
    """What the project's interpreter says of itself; InterpreterError if it is newer than the tool's."""
    hello = preparation.template.hello()
    executable = str(preparation.python.executable)
    refuse_newer(hello.python, executable)
    return InterpreterFacts(
        python=hello.python,
        implementation=hello.implementation,
        platform=hello.platform,
        executable=executable,
        site_packages=tuple(Path(path) for path in hello.paths),
    )


def pin(
    preparation: Preparation,
    interpreter: InterpreterFacts,
    steps: Sequence[Step] = (),
    named: Mapping[str, Environment] | None = None,
) -> Pinned:
    """The environment of the closure and of what the steps' formats import; a module may be missing there that one of
    the environments that steps name has."""
    keeping = Keeping(preparation.directories.cache / "installed")
    lock = locks.read(
        preparation.project.root,
        keeping,
        choice=preparation.project.lock,
        workspace=workspace(preparation.project.root),
    )
    own = [step for step in steps if not step.environment]
    wanted = {*preparation.closure.third_party, *(module for step in own for module in step.imports)}
    executable = preparation.python.executable
    # What is imported while recording is there, or it would have failed: the rest is imported by steps.
    there = environments.elsewhere(sorted(wanted), named, executable, preparation.environ) if named else []
    return environment(
        preparation.project.root,
        interpreter,
        sorted(wanted),
        keeping,
        lock=lock,
        optional={*preparation.closure.optional_third_party, *there},
        elsewhere=there,
        requires=preparation.project.requires,
    )


def pin_named(preparation: Preparation, interpreter: InterpreterFacts, steps: Sequence[Step]) -> dict[str, Environment]:
    """What each environment that steps name consists of, by its name; CaptureError with every problem at once."""
    asked: dict[str, list[Step]] = {}
    for step in steps:
        if step.environment:
            asked.setdefault(step.environment, []).append(step)
    groups = environments.groups(preparation.project, preparation.environ)
    found: dict[str, Environment] = {}
    problems: list[Problem] = []
    for name, users in asked.items():
        try:
            found[name] = groups.pin(name, interpreter, environments.keeping(preparation.environ))
        except CaptureError as error:
            where = f"{users[0].location}, {users[0].name}".removeprefix(", ")
            problems += error.problems or [Problem(where=where, what=error.message, hint=error.hint)]
    if problems:
        count = "an environment" if len(problems) == 1 else "environments"
        raise CaptureError(f"{count} that steps name cannot be made", problems=problems)
    return found


def finish(preparation: Preparation, bundles: Path) -> Recorded:
    """Record the algorithm; every problem of the project's code at once."""
    algorithm, tokens = describe(preparation, bundles)
    formats = {module for step in algorithm.steps for module in step.imports}
    preparation.template.begin_preload(sorted(formats - {*preparation.imports}))
    recorded = complete(preparation, algorithm, tokens)
    preparation.template.finish_preload()
    return recorded


def describe(preparation: Preparation, bundles: Path, *, tokens: bool = True) -> tuple[Algorithm, Mapping[str, str]]:
    """The algorithm as its code has it, and what its `fresh` functions say just now, if they are to be asked."""
    directory = unpack(preparation.bundle, bundles)
    facts(preparation)
    preparation.template.finish_preload()
    found = preparation.found
    algorithms, said = _describe(preparation, directory, [found.module], found.name, tokens=tokens)
    prefix = f"{found.name}/"
    own = {name.removeprefix(prefix): token for name, token in said.items() if name.startswith(prefix)}
    return _own(preparation, algorithms), own


def describe_together(preparations: Sequence[Preparation], bundles: Path) -> list[Algorithm]:
    """The algorithms as their code has them, recorded by one fork from one bundle of all their files; `fresh` functions
    are not asked. DefinitionError where anything is wrong with any of them, or with what stands beside it."""
    first = preparations[0]
    files = {path: content for each in preparations for path, content in each.bundle.files.items()}
    directory = unpack(assemble(files, python=LEAST_PYTHON), bundles)
    for each in preparations:
        facts(each)
        each.template.finish_preload()
    modules = list(dict.fromkeys(each.found.module for each in preparations))
    algorithms, _ = _describe(first, directory, modules, None, tokens=False)
    return [_own(each, algorithms) for each in preparations]


def _own(preparation: Preparation, algorithms: Sequence[Algorithm]) -> Algorithm:
    """The one that was prepared, with the bounds of its metrics."""
    found = preparation.found
    algorithm = next((each for each in algorithms if each.name == found.name), None)
    if algorithm is None:
        raise DefinitionError(f"{found.file}:{found.line} defines no algorithm {found.name!r}")
    return replace(algorithm, metrics=bounds.merged(algorithm.name, algorithm.metrics, preparation.project.gates))


def complete(preparation: Preparation, algorithm: Algorithm, tokens: Mapping[str, str]) -> Recorded:
    """What the algorithm's steps take along: the definitions they reach, and their environments, pinned."""
    # `closure = "package"`: every module that is taken along counts, whole.
    everything = ("*",) if preparation.project.closure == "package" else ()
    reached = {
        step.name: reach(preparation.closure, step.target, also=step.reaches, include=(*everything, *step.include))
        for step in algorithm.steps
    }
    interpreter = facts(preparation)
    named = pin_named(preparation, interpreter, algorithm.steps)
    return Recorded(
        project=preparation.project,
        algorithm=algorithm,
        closure=preparation.closure,
        bundle=preparation.bundle,
        reached=reached,
        pinned=pin(preparation, interpreter, algorithm.steps, named),
        environments=named,
        tokens=tokens,
    )


def _describe(
    preparation: Preparation, directory: Path, modules: Sequence[str], name: str | None, *, tokens: bool
) -> tuple[list[Algorithm], Mapping[str, str]]:
    """Import modules in a fork of the template, from a bundle, and record the algorithm of that name, else every one
    that they define."""
    request = json.dumps({"modules": modules, "algorithm": name, "tokens": tokens})
    surroundings = {**base(preparation.environ), **places(preparation.project, directory.parent)}
    with tempfile.TemporaryDirectory(prefix="palmette-") as temporary:
        result, log = Path(temporary) / "result.json", Path(temporary) / "log"
        outcome = preparation.template.call(
            Call(
                entry=_DESCRIBE,
                arguments=[str(directory), request, str(result)],
                directory=Path(temporary),
                log=log,
                environment=surroundings,
            )
        )
        if outcome.code != 0 or not result.exists():
            raise DefinitionError(
                f"importing {', '.join(modules)} ended the interpreter with exit code {outcome.code}", outcome.log
            )
        answer = json.loads(result.read_bytes())
    problems = [_placed(wire.load(Problem, each), preparation) for each in answer["problems"]]
    if problems:
        count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise DefinitionError(f"{name or 'the project'} has {count} in its definition", problems=problems)
    return [wire.load(Algorithm, each) for each in answer["algorithms"]], answer["tokens"]


def _placed(problem: Problem, preparation: Preparation) -> Problem:
    """The problem; of a module that is not there, with the interpreter in which it is not, and the environment that
    has it."""
    if "cannot be imported: ModuleNotFoundError: " not in problem.what:
        return problem
    python, environ = preparation.python, preparation.environ
    said = f"It was imported with {python.executable} ({python.why})."
    module = re.search(r"No module named '([^']+)'", problem.what)
    groups = environments.groups(preparation.project, environ)
    if module and (found := environments.owners(module[1], groups, facts(preparation), environ)):
        step = f'inside the step that says environment="{found[0]}"'
        said = f"Only {' and '.join(found)} has it: import {module[1]} {step}, for the pipeline is recorded without it."
    return replace(problem, hint=f"{problem.hint} {said}".lstrip())
