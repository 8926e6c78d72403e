"""A laboratory: the clinic's algorithms captured, compiled and executed, as they are and with one thing changed."""

from __future__ import annotations

import ast
import contextlib
import copy
import hashlib
import json
import os
import shutil
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from palmette.capture.bundle import assemble, kit, unpack
from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.config import settle
from palmette.domain.fingerprint import Parts
from palmette.engine.executors.template import Call
from palmette.engine.fingerprints import parts
from palmette.engine.inputs import Inputs, Job, resolve
from palmette.engine.plan import Plan, PlannedTask
from palmette.engine.planning import plan
from palmette.engine.ports import Secrets
from palmette.errors import PalmetteError
from palmette.operations.compiling import compile_recorded
from palmette.operations.preparing import LEAST_PYTHON, Preparation, directories, named
from palmette.operations.project import Project, discover, find, interpreter
from palmette.operations.recording import finish
from palmette.operations.surroundings import base, places

CLINIC = Path(__file__).parents[2] / "examples" / "clinic"

#: Carries out a step and notes which of the project's functions were entered, importing included.
WATCHED = b"""
import json, sys
def main(arguments):
    *rest, noted = arguments
    entered = set()
    def note(frame, event, argument):
        module = frame.f_globals.get("__name__", "")
        if event == "call" and module.partition(".")[0] in ("algorithms", "clinic"):
            entered.add(f"{module}:{frame.f_code.co_qualname.split('.<locals>')[0]}")
    from palmette.runtime.task import main
    sys.setprofile(note)
    code = main(rest)
    sys.setprofile(None)
    with open(noted, "w") as file:
        json.dump(sorted(entered), file)
    return code
"""


# Mutants


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A module's text with one thing changed."""

    definition: str
    file: str
    text: str
    #: what was done, and where: "line 12: drop an argument"
    what: str
    #: the function whose body holds the change, where nothing else does: "clinic.charts:page"
    inside: str = ""


@dataclass(frozen=True)
class Site:
    """A part of a module that is changed by itself."""

    definition: str
    node: ast.AST
    inside: str = ""


def sites(module: str, tree: ast.Module) -> Iterator[Site]:
    """Every definition of a module: functions, their decorators, fields, methods, constants, imports."""
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name):
                for decorator in node.decorator_list:
                    yield from _decorator(f"{module}:{name}", decorator)
                yield Site(f"{module}:{name}", node.args)
                if node.returns:
                    yield Site(f"{module}:{name}", node.returns)
                yield from (Site(f"{module}:{name}", each, f"{module}:{name}") for each in _code(node))
            case ast.ClassDef(name=name):
                for decorator in node.decorator_list:
                    yield Site(f"{module}:{name}@", decorator)
                for each in node.body:
                    match each:
                        case ast.AnnAssign(target=ast.Name(id=inner)) | ast.Assign(targets=[ast.Name(id=inner)]):
                            yield Site(f"{module}:{name}.{inner}", each)
                        case ast.FunctionDef(name=inner):
                            own = f"{module}:{name}.{inner}"
                            yield from (Site(own, decorator) for decorator in each.decorator_list)
                            yield from (Site(own, code, own) for code in _code(each))
                        case _:
                            pass
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield Site(f"{module}:{name}", node)
            case ast.Import() | ast.ImportFrom():
                for alias in node.names:
                    yield Site(f"{module}:{alias.asname or alias.name}", node)
            case _:
                pass


def _decorator(definition: str, decorator: ast.expr) -> Iterator[Site]:
    """An algorithm's presets, metrics and config are told apart; a step's decorator is one thing."""
    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "algorithm":
        yield from (Site(f"{definition}@{each.arg}", each.value) for each in decorator.keywords)
    else:
        yield Site(f"{definition}@", decorator)


def _code(function: ast.FunctionDef) -> list[ast.stmt]:
    return function.body[1:] if ast.get_docstring(function) else function.body


def mutants(module: str, file: str, text: str) -> Iterator[Mutant]:
    """Every way in which the mutator changes a module."""
    for site in sites(module, ast.parse(text)):
        name = site.definition.partition(":")[2]
        edits = _imports(site.node, name, text) if isinstance(site.node, ast.Import | ast.ImportFrom) else _edits(site, text)
        for line, what, changed in edits:
            with contextlib.suppress(SyntaxError):
                if ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text)):
                    said = f"line {line}: {what}"
                    yield Mutant(definition=site.definition, file=file, text=changed, what=said, inside=site.inside)


def _imports(node: ast.Import | ast.ImportFrom, name: str, text: str) -> Iterator[tuple[int, str, str]]:
    """The name not imported at all, and another thing imported under it."""
    kept = copy.deepcopy(node)
    kept.names = [each for each in node.names if (each.asname or each.name) != name]
    without = ast.unparse(kept) if kept.names else "pass"
    for instead in ("pass", f"from functools import partial as {name}", f"import math as {name}"):
        yield node.lineno, f"{instead} instead of {name}", _replaced(text, node, f"{without}; {instead}")


def _edits(site: Site, text: str) -> Iterator[tuple[int, str, str]]:
    for node, whole in _within(site.node, site.node):
        for what, new in _changes(node):
            if isinstance(node, ast.arguments | ast.comprehension | ast.keyword | ast.arg) and whole is node:
                continue
            if whole is node:
                replacement = new
            else:  # the parser does not say where the parts of an f-string are
                replacement = _swapped(whole, node, new)
            said = f"({ast.unparse(replacement)})" if isinstance(replacement, ast.expr) else ast.unparse(replacement)
            yield getattr(whole, "lineno", 0), what, _replaced(text, whole, said.replace("\n", f"\n{_indent(whole)}"))


def _indent(node: ast.AST) -> str:
    return " " * getattr(node, "col_offset", 0)


def _within(node: ast.AST, whole: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Each node with the node that is replaced when it changes."""
    whole = whole if isinstance(whole, ast.JoinedStr) else node
    yield node, whole
    for each in ast.iter_child_nodes(node):
        yield from _within(each, whole)


def _swapped(whole: ast.AST, old: ast.AST, new: ast.AST) -> ast.AST:
    numbered = list(ast.walk(whole))
    twin = copy.deepcopy(whole)
    place = list(ast.walk(twin))[next(i for i, each in enumerate(numbered) if each is old)]

    class Swap(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            return new if node is place else self.generic_visit(node)

    return Swap().visit(twin)  # type: ignore[no-any-return]


def _replaced(text: str, node: ast.AST, new: str) -> str:
    lines = text.encode().splitlines(keepends=True)
    assert isinstance(node, ast.expr | ast.stmt)
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    before = b"".join(lines[: node.lineno - 1]) + lines[node.lineno - 1][: node.col_offset]
    after = lines[node.end_lineno - 1][node.end_col_offset :] + b"".join(lines[node.end_lineno :])
    return (before + new.encode() + after).decode()


FLIPPED: Mapping[type, type] = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:  # noqa: C901 (one case for each kind of change)
    match node:
        case ast.Constant(value=bool() as value):
            yield "negate a constant", ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield "add one", ast.Constant(value + 1)
            yield "halve", ast.Constant(value / 2 if isinstance(value, float) else value // 2)
        case ast.Constant(value=str() as value):
            yield "another text", ast.Constant(f"{value}x")
        case ast.Constant(value=None):
            yield "zero for None", ast.Constant(0)
        case ast.Compare(ops=[operator, *rest]):
            yield "flip a comparison", _with(node, ops=[FLIPPED[type(operator)](), *rest])
        case ast.BinOp(op=operator) | ast.BoolOp(op=operator) if type(operator) in FLIPPED:
            yield "flip an operator", _with(node, op=FLIPPED[type(operator)]())
        case ast.Call():
            for index in range(len(node.args)):
                yield "drop an argument", _with(node, args=[*node.args[:index], *node.args[index + 1 :]])
            if len(node.args) > 1:
                yield "swap arguments", _with(node, args=node.args[::-1])
            for index in range(len(node.keywords)):
                yield "drop a keyword", _with(node, keywords=[*node.keywords[:index], *node.keywords[index + 1 :]])
        case ast.Attribute(attr="MEDIAN"):
            yield "another member", _with(node, attr="MEAN")
        case ast.Return(value=ast.expr() as value):
            yield "return None", ast.Return(ast.Constant(None))
            yield "return it twice", ast.Return(ast.Tuple([value, value], ast.Load()))
        case ast.Expr() | ast.If() | ast.For() | ast.Raise() | ast.AugAssign():
            yield "remove a statement", ast.Pass()
        case ast.AnnAssign(value=ast.expr()):
            yield "no default", _with(node, value=None)
        case ast.ListComp() | ast.GeneratorExp() | ast.DictComp():
            for generator in node.generators:
                if generator.ifs:
                    yield "drop a condition", _with(node, generators=[_with(generator, ifs=[])])
        case ast.Name(id="step"):
            yield "an option", ast.Call(node, [], [ast.keyword("retries", ast.Constant(3))])
        case ast.Name(id="list" | "str" | "float" | "int" as name, ctx=ast.Load()):
            yield "another type", ast.Name({"list": "set", "str": "repr", "float": "int", "int": "float"}[name], ast.Load())
        case ast.List(elts=[_, _, *_]) | ast.Tuple(elts=[_, _, *_], ctx=ast.Load()) as several:
            yield "the other way round", _with(several, elts=several.elts[::-1])
        case ast.Dict(keys=[_, _, *_]):
            yield "drop an entry", _with(node, keys=node.keys[:-1], values=node.values[:-1])
        case _:
            pass


def _with(node: Any, **fields: Any) -> Any:
    twin = copy.copy(node)
    for name, value in fields.items():
        setattr(twin, name, value)
    return twin


def few(found: list[Mutant], most: int) -> list[Mutant]:
    """At most so many, as different as can be, always the same: one of each kind of change first."""
    seen: dict[str, int] = {}
    ranked = []
    for each in found:
        kind = each.what.partition(": ")[2]
        ranked.append((seen.setdefault(kind, 0), hashlib.sha256(each.text.encode()).hexdigest(), each))
        seen[kind] += 1
    return [each for _, _, each in sorted(ranked, key=lambda one: one[:2])[:most]]


# The laboratory


@dataclass(frozen=True, kw_only=True)
class Done:
    """A task, executed without any reuse."""

    #: None where it was never started, since something before it crashed
    parts: Parts | None = None
    outputs: Outputs | None = None
    #: all that can be told of what it did: values, bytes, descriptions, curves; None if it crashed
    seen: Any = None
    #: the project's functions that were entered
    entered: frozenset[str] = frozenset()

    @property
    def own(self) -> Parts | None:
        """The parts that do not come from other tasks."""
        return replace(self.parts, inputs={}) if self.parts else None


@dataclass(frozen=True)
class Way:
    """An algorithm and how it is run."""

    algorithm: str
    preset: str | None = None
    overrides: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.preset}" if self.preset else self.algorithm


#: Small, so that hundreds of them can be run.
SMALL = ("rows=500", "epochs=2", "features.most=500")
WAYS = (
    Way("tumour"),
    Way("tumour", "toy"),
    Way("diagnosis", overrides=SMALL),
    Way("diagnosis", "toy", ("rows=500",)),
)


@dataclass
class Laboratory:
    """A copy of the clinic, in which one file at a time is changed."""

    project: Project
    environ: Mapping[str, str]
    scratch: Path
    figures: dict[str, int] = field(default_factory=dict)
    _unchanged: dict[Way, Mapping[str, Done]] = field(default_factory=dict)
    _count: int = 0

    def unchanged(self, way: Way) -> Mapping[str, Done]:
        """What the tasks do as they are."""
        if way not in self._unchanged:
            found = self._run(way, {}, "", watched=True)
            assert found is not None
            self._unchanged[way] = found
        return self._unchanged[way]

    def changed(self, way: Way, mutant: Mutant) -> Mapping[str, Done] | None:
        """What the tasks do with a mutant in place; None if the algorithm cannot even be recorded any more."""
        known = self.unchanged(way)
        path = self.project.root / mutant.file
        before = path.read_bytes()
        path.write_text(mutant.text)
        try:
            return self._run(way, known, mutant.inside)
        finally:
            path.write_bytes(before)

    def fingerprints(self, way: Way, file: str, text: str) -> Mapping[str, Parts | None]:
        """The tasks' parts with a file of this text in place, each given the inputs that it has always had."""
        known = self.unchanged(way)
        path = self.project.root / file
        before = path.read_bytes()
        path.write_text(text)
        try:
            with self._prepared(way) as (_, planned, _):
                made = {name: done.outputs or Outputs() for name, done in known.items()}
                return {task.name: self._parts(task, resolve(task, made.__getitem__, Job(id="1"))) for task in planned.tasks}
        finally:
            path.write_bytes(before)

    @contextlib.contextmanager
    def _prepared(self, way: Way) -> Iterator[tuple[Preparation, Plan, Path]]:
        where = directories(self.environ)
        own = unpack(assemble({**kit(), "watched.py": WATCHED}, python=LEAST_PYTHON), self.scratch / "kits")
        found = named(discover(self.project), way.algorithm)
        python = interpreter(self.project, self.environ)
        with Preparation(self.project, self.environ, found, python, replace(where, kit=own)) as preparation:
            recorded = finish(preparation, self.scratch / "bundles")
            algorithm = recorded.algorithm
            settings = settle(algorithm.config, algorithm.presets, preset=way.preset, overrides=way.overrides)
            document = compile_recorded(recorded).document
            planned = plan(document, {each.name: each.value for each in settings})
            yield preparation, planned, self.scratch / "bundles" / recorded.bundle.digest

    def _run(
        self, way: Way, known: Mapping[str, Done], inside: str, *, watched: bool = False
    ) -> Mapping[str, Done] | None:
        self._count += 1
        directory = self.scratch / f"run-{os.getpid()}-{self._count}"
        try:
            with self._prepared(way) as (preparation, planned, bundle):
                done: dict[str, Done] = {}
                for task in planned.tasks:
                    done[task.name] = self._task(preparation, task, done, known, inside, bundle, directory / task.name, watched)
                return done
        except PalmetteError:
            return None
        finally:
            if not watched:
                shutil.rmtree(directory, ignore_errors=True)

    def _task(
        self,
        preparation: Preparation,
        task: PlannedTask,
        done: Mapping[str, Done],
        known: Mapping[str, Done],
        inside: str,
        bundle: Path,
        directory: Path,
        watched: bool,
    ) -> Done:
        if any(done[each].outputs is None for each in task.needs):
            return Done()
        inputs = resolve(task, lambda name: done[name].outputs or Outputs(), Job(id="1"))
        own = self._parts(task, inputs)
        before = known.get(task.name)
        if (
            before is not None
            and before.parts is not None
            and inside
            and inside not in before.entered
            and (before.parts.inputs, before.parts.parameters) == (own.inputs, own.parameters)
        ):  # what changed lies in a function that it never enters, and it is given what it was given
            return replace(before, parts=own)
        directory.mkdir(parents=True)
        entered = directory / "entered.json"
        asked = self._asked(task, inputs, directory)
        arguments = [task.step, json.dumps(asked), str(bundle), *([str(entered)] if watched else [])]
        outcome = preparation.template.call(
            Call(
                entry="watched:main" if watched else "palmette.runtime.task:main",
                arguments=arguments,
                directory=directory,
                log=directory / "log",
                environment={
                    **base(self.environ),
                    **places(self.project, bundle.parent),
                    "PALMETTE_EVENTS": str(directory / "events.jsonl"),
                },
            ),
            timeout=30.0,
        )
        if outcome.code:
            return Done(parts=own)
        outputs, seen = _answer(directory)
        found = frozenset(json.loads(entered.read_text())) if watched else frozenset()
        return Done(parts=own, outputs=outputs, seen=seen, entered=found)

    def _parts(self, task: PlannedTask, inputs: Inputs) -> Parts:
        return parts(task, inputs, secrets=Secrets(), environment={})

    def _asked(self, task: PlannedTask, inputs: Inputs, directory: Path) -> Any:
        definitions = task.definition.output_definitions
        return {
            "inputs": {
                "parameterValues": dict(inputs.parameters),
                "artifacts": {
                    name: {
                        "artifacts": [
                            {"name": name, "uri": each.filename, "type": {"schemaTitle": each.type}, "metadata": each.metadata}
                        ]
                    }
                    for name, each in inputs.artifacts.items()
                },
            },
            "outputs": {
                "parameters": {name: {"outputFile": str(directory / "values" / name)} for name in definitions.parameters},
                "artifacts": {
                    name: {
                        "artifacts": [
                            {
                                "name": name,
                                "uri": str(directory / "outputs" / name),
                                "type": {"schemaTitle": spec.artifact_type.schema_title},
                            }
                        ]
                    }
                    for name, spec in definitions.artifacts.items()
                },
                "outputFile": str(directory / "answer.json"),
            },
        }


def _answer(directory: Path) -> tuple[Outputs, Any]:
    answer = json.loads((directory / "answer.json").read_text())
    artifacts: dict[str, Artifact] = {}
    for name, each in answer["artifacts"].items():
        one = each["artifacts"][0]
        content = Path(one["uri"]).read_bytes()
        artifacts[name] = Artifact(
            type=one["type"]["schemaTitle"],
            digest=f"sha256:{hashlib.sha256(content).hexdigest()}",
            size=len(content),
            filename=one["uri"],
            metadata=one["metadata"],
        )
    noted = directory / "events.jsonl"
    lines = [json.loads(line) for line in noted.read_text().splitlines()] if noted.exists() else []
    curves = [{key: value for key, value in line.items() if key != "time"} for line in lines]
    seen = (
        answer["parameterValues"],
        {name: (each.type, each.digest, each.metadata) for name, each in artifacts.items()},
        curves,
    )
    return Outputs(parameters=answer["parameterValues"], artifacts=artifacts), seen


@pytest.fixture(scope="session")
def laboratory(tmp_path_factory: pytest.TempPathFactory, clinic_python: Path) -> Iterator[Laboratory]:
    top = tmp_path_factory.mktemp("laboratory")
    (top / "run").mkdir(mode=0o700)
    ignored = shutil.ignore_patterns(".venv", ".palmette", "__pycache__", ".pytest_cache", "requirements.txt")
    shutil.copytree(CLINIC, top / "clinic", ignore=ignored)
    settings = top / "clinic" / "pyproject.toml"
    named_python = f'[tool.palmette]\npython = "{clinic_python}"\n'
    settings.write_text(settings.read_text().replace("[tool.palmette]\n", named_python))
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(top),
        "XDG_RUNTIME_DIR": str(top / "run"),
        "XDG_CACHE_HOME": str(top / "cache"),
    }
    yield Laboratory(find(top / "clinic", environ), environ, top / "scratch")
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            with contextlib.suppress(OSError):
                if str(top / "run").encode() in (path / "cmdline").read_bytes():
                    os.kill(int(path.name), signal.SIGKILL)
