"""The project's algorithms as graphs, recorded in the project's interpreter for the tool, which never imports them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from importlib import import_module
from pathlib import Path
from traceback import walk_tb
from typing import Any

from palmette.authoring.algorithms import AlgorithmDefinition, defined_in
from palmette.authoring.record import record_all
from palmette.authoring.source import resolve
from palmette.domain.graph import Algorithm, Freshness
from palmette.domain.values import digest
from palmette.domain.wire import dump
from palmette.errors import Problem
from palmette.runtime import finder
from palmette.runtime.redaction import redact
from palmette.runtime.request import place


def main(arguments: Sequence[str]) -> int:
    """Record what the arguments say: the bundle's directory, the request as JSON, the file that the result belongs in.

    The request is {"modules": […], "algorithm": name or null, "tokens": whether `fresh` functions are called (true)}.
    Problems of the project's code are part of the result; the exit code is 0.
    """
    bundle, text, result = arguments
    asked: Mapping[str, Any] = json.loads(text)
    redact(os.environ)
    roots = [Path(entry) for entry in os.environ.get("PALMETTE_SOURCES", "").split(os.pathsep) if entry]
    if bundle:
        finder.install(Path(bundle), os.environ)
        roots.insert(0, Path(bundle))
    definitions, problems = _definitions(asked["modules"], roots)
    wanted = asked.get("algorithm")
    algorithms, wrong = record_all(each for each in definitions if wanted in (None, each.name))
    tokens: dict[str, str] = {}
    if asked.get("tokens", True):
        for name, outcome in _tokens(algorithms, roots):
            if isinstance(outcome, str):
                tokens[name] = outcome
            else:
                problems.append(outcome)
    said = [{"where": each.where, "what": each.what, "hint": each.hint} for each in (*problems, *wrong)]
    place(Path(result), json.dumps({"algorithms": dump(algorithms), "problems": said, "tokens": tokens}))
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    return 0


def _definitions(
    modules: Iterable[str], roots: Sequence[Path]
) -> tuple[list[AlgorithmDefinition[..., Any]], list[Problem]]:
    """The algorithms of all modules that can be imported, and what keeps the others from it."""
    found: list[AlgorithmDefinition[..., Any]] = []
    problems: list[Problem] = []
    for module in modules:
        try:
            found += defined_in(import_module(module))
        except (Exception, SystemExit) as error:  # noqa: BLE001  (whatever user code raises is to be reported)
            what = f"{module} cannot be imported: {type(error).__name__}: {error}".removesuffix(": ")
            problem = Problem(where=_where(error, roots) or module, what=what)
            problems += [] if problem in problems else [problem]
    return found, problems


def _tokens(algorithms: Iterable[Algorithm], roots: Sequence[Path]) -> Iterator[tuple[str, str | Problem]]:
    """What each `fresh` function says, by "algorithm/step"; each function is called once."""
    known: dict[str, str | Problem] = {}
    for algorithm in algorithms:
        for step in algorithm.steps:
            target = step.fresh.target
            if step.fresh.kind is Freshness.FUNCTION and target:
                where = f"{step.location}, {step.name}"
                if target not in known:
                    known[target] = _token(target, where, roots)
                yield f"{algorithm.name}/{step.name}", known[target]


def _token(target: str, where: str, roots: Sequence[Path]) -> str | Problem:
    try:
        said = resolve(target)()
    except (Exception, SystemExit) as error:  # noqa: BLE001  (as above)
        what = f"its fresh function {target} raised {type(error).__name__}: {error}"
        return Problem(where=_where(error, roots) or where, what=what)
    if isinstance(said, str):
        return said
    try:
        return said.isoformat() if isinstance(said, date) else digest(dump(said))
    except (TypeError, ValueError):
        what = f"its fresh function {target} gives a {type(said).__qualname__}"
        return Problem(where=where, what=what, hint="Give a text, a number, a date, or a list of such.")


def _where(error: BaseException, roots: Sequence[Path]) -> str:
    """ "algorithms/tumour.py:3": the project's line that an error comes from; empty if there is none."""
    lines = [(frame.f_code.co_filename, line) for frame, line in walk_tb(error.__traceback__)]
    if isinstance(error, SyntaxError) and error.filename:
        lines.append((error.filename, error.lineno or 1))
    for filename, line in reversed(lines):
        for root in roots:
            if Path(filename).is_relative_to(root):
                return f"{Path(filename).relative_to(root)}:{line}"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
