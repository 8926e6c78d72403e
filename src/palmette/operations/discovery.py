"""Find modules and the algorithms in them, by reading text alone."""

from __future__ import annotations

import ast
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from palmette.errors import DefinitionError, Problem

#: Directories that a search through everything leaves out: what they hold is not what a project trains.
_LEFT_OUT: Final = frozenset({"tests", "test", "docs", "doc", "examples", "build", "dist", "node_modules"})


@dataclass(frozen=True, kw_only=True)
class Found:
    """Where an algorithm is defined."""

    name: str
    module: str
    qualname: str
    file: Path
    line: int
    #: the names of its presets; None where the text alone does not tell
    presets: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Flaw:
    """What keeps a file, or a name, from being told what it defines."""

    problem: Problem
    file: Path
    #: the name that is taken twice; empty where the file itself is at fault
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Surveyed:
    """What a search found, and what it stumbled over."""

    found: dict[str, Found]
    flaws: tuple[Flaw, ...] = ()

    @property
    def problems(self) -> tuple[Problem, ...]:
        """All of what is wrong."""
        return tuple(flaw.problem for flaw in self.flaws)

    def sound(self, name: str) -> bool:
        """Whether the algorithm was found, and nothing is wrong with its file or its name."""
        entry = self.found.get(name)
        return entry is not None and not any(name == flaw.name or entry.file == flaw.file for flaw in self.flaws)

    def error(self) -> DefinitionError:
        """All of what is wrong, to be raised."""
        return DefinitionError("the project's algorithms cannot be listed", problems=self.problems)


def modules(roots: Sequence[Path], without: Sequence[Path] = ()) -> dict[str, Path]:
    """All modules below the roots by name; tests, hidden directories, environments and projects within are left out."""
    found: dict[str, Path] = {}
    for root in roots:
        others = {str(path) for path in (*roots, *without) if path != root}
        for name, path in _below(root, "", others, _LEFT_OUT):
            found.setdefault(name, path)
    return found


def resolve(name: str, roots: Sequence[Path]) -> dict[str, Path]:
    """The module of this name, or the package with all modules in it; empty if no root has it."""
    parts = name.split(".")
    if not all(part.isidentifier() for part in parts):
        return {}
    found: dict[str, Path] = {}
    for root in roots:
        if (module := root.joinpath(*parts).with_suffix(".py")).is_file():
            found.setdefault(name, module)
        if (package := root.joinpath(*parts)).is_dir():
            for below, path in _below(package, name, set(), frozenset()):
                found.setdefault(below, path)
    return found


def survey(files: Mapping[str, Path]) -> Surveyed:
    """The algorithms in these modules by name, and every file that cannot be read or parsed and every name that is
    taken twice."""
    found: dict[str, Found] = {}
    flaws: list[Flaw] = []
    for module, path in sorted(files.items()):
        try:
            source = path.read_bytes()
            # Parsing is the slow part, and most modules cannot hold an algorithm.
            tree = _parsed(source) if b"algorithm" in source and b"palmette" in source else None
        except OSError as error:
            problem = Problem(where=str(path), what=f"cannot be read: {error.strerror}")
            flaws.append(Flaw(file=path, problem=problem))
            continue
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", None) or 1
            what = f"is not Python: {getattr(error, 'msg', None) or error}"
            flaws.append(Flaw(file=path, problem=Problem(where=f"{path}:{line}", what=what)))
            continue
        for entry in _algorithms(tree, module, path, flaws) if tree else ():
            if (first := found.setdefault(entry.name, entry)) is not entry:
                what = f"the name {entry.name!r} is taken by {first.file}:{first.line}"
                hint = 'Rename one of the functions, or give one a name: @algorithm(name="…").'
                problem = Problem(where=f"{path}:{entry.line}", what=what, hint=hint)
                flaws.append(Flaw(file=path, name=entry.name, problem=problem))
    return Surveyed(found=dict(sorted(found.items())), flaws=tuple(flaws))


def search(files: Mapping[str, Path]) -> dict[str, Found]:
    """The algorithms in these modules by name; DefinitionError tells of every file that cannot be read or parsed and of
    every name that is taken twice."""
    surveyed = survey(files)
    if surveyed.flaws:
        raise surveyed.error()
    return surveyed.found


def _below(top: Path, package: str, others: set[str], without: frozenset[str]) -> Iterator[tuple[str, Path]]:
    """The modules in a directory, in order of their paths."""
    for directory, names, files in os.walk(top):
        here = Path(directory)
        names[:] = sorted(
            name
            for name in names
            if name.isidentifier()
            and name not in without
            and name != "__pycache__"
            and os.path.join(directory, name) not in others  # noqa: PTH118 - the hot loop of a large tree
            and not (here / name / "pyvenv.cfg").exists()
            and not (here / name / "pyproject.toml").exists()
        )
        inner = here.relative_to(top).parts
        for file in sorted(files):
            stem, dot, suffix = file.partition(".")
            if dot + suffix != ".py" or not stem.isidentifier():
                continue
            if without and (stem.startswith("test_") or stem == "conftest"):
                continue
            parts = (*filter(None, [package]), *inner, *(() if stem == "__init__" else (stem,)))
            if parts:
                yield ".".join(parts), here / file


def _parsed(source: bytes) -> ast.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an odd escape in the project's text is its own business
        return ast.parse(source)


def _algorithms(tree: ast.Module, module: str, path: Path, flaws: list[Flaw]) -> Iterator[Found]:
    names = _spellings(tree)
    for function, qualname in _functions(tree.body, ""):
        for decorator in function.decorator_list:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            if ast.unparse(called) not in names:
                continue
            name: object = function.name
            for keyword in decorator.keywords if isinstance(decorator, ast.Call) else ():
                if keyword.arg == "name":
                    name = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
            if not isinstance(name, str) or not name:
                what = f"the name of algorithm {qualname} is not a plain text"
                problem = Problem(where=f"{path}:{decorator.lineno}", what=what, hint="Write the name out.")
                flaws.append(Flaw(file=path, problem=problem))
                continue
            yield Found(
                name=name,
                module=module,
                qualname=qualname,
                file=path,
                line=function.lineno,
                presets=_presets(decorator),
            )


def _presets(decorator: ast.expr) -> frozenset[str] | None:
    """The names that `presets={"toy": …}` gives; None where it is no mapping that is written out."""
    given = {each.arg: each.value for each in decorator.keywords} if isinstance(decorator, ast.Call) else {}
    match given.get("presets"):
        case None if None not in given:
            return frozenset()
        case ast.Constant(value=None):
            return frozenset()
        case ast.Dict(keys=keys):
            names = [each.value if isinstance(each, ast.Constant) else None for each in keys]
        case ast.Call(func=ast.Name(id="dict"), args=[], keywords=keywords):
            names = [each.arg for each in keywords]
        case _:
            return None
    return frozenset(map(str, names)) if None not in names else None


def _spellings(tree: ast.Module) -> set[str]:
    """How this module spells `palmette.algorithm`."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name == "palmette" or (alias.name.startswith("palmette.") and alias.asname is None):
                    names.add(f"{alias.asname or 'palmette'}.algorithm")
        elif isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").split(".")[0] == "palmette":
            for alias in node.names:
                if alias.name in ("algorithm", "*"):
                    names.add(alias.asname or "algorithm")
    return names


def _functions(body: Sequence[ast.stmt], prefix: str) -> Iterator[tuple[ast.FunctionDef, str]]:
    """Functions that an import makes: of the module, its classes, and the branches at its top level."""
    for node in body:
        match node:
            case ast.FunctionDef():
                yield node, prefix + node.name
            case ast.ClassDef():
                yield from _functions(node.body, f"{prefix}{node.name}.")
            case ast.If() | ast.For() | ast.While():
                yield from _functions([*node.body, *node.orelse], prefix)
            case ast.Try():
                handlers = [statement for handler in node.handlers for statement in handler.body]
                yield from _functions([*node.body, *handlers, *node.orelse, *node.finalbody], prefix)
            case ast.With():
                yield from _functions(node.body, prefix)
            case _:
                pass
