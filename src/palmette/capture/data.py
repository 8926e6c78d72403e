"""Package data that code names literally: `Path(__file__).parent / "x"`, `files("pkg") / "x"`, `get_data`."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from palmette.capture.imports import dotted, imports
from palmette.capture.sources import Kind, Parsed, SourceTree

#: The largest data file that goes along, in bytes.
LARGEST: Final = 1 << 20

#: A file may be read in these ways without being named by `/` or `joinpath`.
_READERS = frozenset({"read_text", "read_binary", "open_text", "open_binary", "path", "contents"})
_SAME = frozenset({"resolve", "absolute", "expanduser"})
_PATHS = frozenset({"pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath", "os.fspath", "builtins.str"})
_OWN = frozenset({"os.path.abspath", "os.path.realpath", "os.path.normpath"})


@dataclass(frozen=True, kw_only=True)
class Named:
    """A path that a module names relative to itself or to a package."""

    path: Path
    line: int
    #: a literal pattern below `path`, where the files are asked for by one
    glob: str = ""
    #: what follows `path` could not be read
    partly: bool = False


@dataclass(frozen=True)
class _Unknown:
    """A path of which only the beginning is known."""

    path: Path


def named(parsed: Parsed, tree: SourceTree) -> tuple[Named, ...]:
    """Every path that the module's expressions name, in the order of their lines."""
    if not any(word in parsed.text for word in ("__file__", "resources", "get_data")):
        return ()
    return _named(parsed, tree)


@lru_cache(maxsize=1024)
def _named(parsed: Parsed, tree: SourceTree) -> tuple[Named, ...]:
    reader = _Paths(parsed, tree)
    for node in ast.walk(parsed.tree):  # constants first: functions may stand above what they use
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            reader.assign(node.targets[0], node.value)
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            reader.assign(node.target, node.value)
    reader.visit(parsed.tree)
    return tuple(sorted(reader.found, key=lambda each: (each.line, each.path.as_posix(), each.glob)))


def expand(found: Named) -> Iterable[Path]:
    """The existing files that are meant, in name order."""
    if found.glob:
        return sorted(each for each in found.path.glob(found.glob) if each.is_file())
    return [found.path] if found.path.is_file() and not found.partly else []


class _Paths:
    def __init__(self, parsed: Parsed, tree: SourceTree) -> None:
        self.file = parsed.file
        self.tree = tree
        self.origins = imports(parsed).origins
        self.names: dict[str, Path | None] = {}
        self.found: list[Named] = []

    def assign(self, target: ast.expr, value: ast.expr) -> None:
        """Remember a name's path; a name that is assigned twice has none."""
        if isinstance(target, ast.Name):
            known = self.value(value)
            self.names[target.id] = known if target.id not in self.names and isinstance(known, Path) else None

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.Call) and self._globbed(node):
            return
        value = self.value(node) if isinstance(node, ast.BinOp | ast.Call | ast.Attribute) else None
        if value is None:
            for child in ast.iter_child_nodes(node):
                self.visit(child)
            return
        line = getattr(node, "lineno", 0)
        path = value if isinstance(value, Path) else value.path
        self.found.append(Named(path=path, line=line, partly=isinstance(value, _Unknown)))

    def _globbed(self, node: ast.Call) -> bool:
        match node:
            case ast.Call(func=ast.Attribute(attr="glob" | "rglob" | "iterdir" as how, value=base)):
                path = self.value(base)
            case _:
                return False
        if not isinstance(path, Path):
            return False
        given = node.args[0].value if node.args and isinstance(node.args[0], ast.Constant) else None
        pattern = "*" if how == "iterdir" else given if isinstance(given, str) else ""
        glob = f"**/{pattern}" if how == "rglob" and pattern else pattern
        self.found.append(Named(path=path, line=node.lineno, glob=glob, partly=not pattern))
        return True

    def value(self, node: ast.AST) -> Path | _Unknown | None:
        """The path that an expression means, as far as it can be told."""
        match node:
            case ast.Name(id="__file__"):
                return self.file.path
            case ast.Name():
                return self.names.get(node.id)
            case ast.BinOp(op=ast.Div()):
                return self._joined(self.value(node.left), [node.right])
            case ast.Attribute(attr="parent"):
                base = self.value(node.value)
                return base.parent if isinstance(base, Path) else None
            case ast.Subscript(value=ast.Attribute(attr="parents") as inner, slice=ast.Constant(value=int(index))):
                base = self.value(inner.value)
                return base.parents[index] if isinstance(base, Path) and index < len(base.parents) else None
            case ast.Call():
                return self._call(node)
            case _:
                return None

    def _call(self, node: ast.Call) -> Path | _Unknown | None:
        names = dotted(node.func)
        origin = ".".join((self.origins.get(names[0], f"builtins.{names[0]}"), *names[1:])) if names else ""
        first = node.args[0] if node.args else None
        if first is not None and origin in _PATHS | _OWN:
            return self._joined(self.value(first), node.args[1:])
        if first is not None and origin == "os.path.dirname":
            base = self.value(first)
            return base.parent if isinstance(base, Path) else None
        if first is not None and origin == "os.path.join":
            return self._joined(self.value(first), node.args[1:])
        if origin in ("importlib.resources.files", "importlib_resources.files"):
            return self._package(first)
        if origin == "pkgutil.get_data" or origin.startswith(("importlib.resources.", "importlib_resources.")):
            if origin.rpartition(".")[2] in _READERS | {"get_data"} and len(node.args) > 1:
                return self._joined(self._package(first), node.args[1:2])
            return None
        if isinstance(node.func, ast.Attribute):
            base = self.value(node.func.value)
            if node.func.attr in _SAME:
                return base
            if node.func.attr == "joinpath":
                return self._joined(base, node.args)
            if node.func.attr == "with_name" and isinstance(base, Path):
                return self._joined(base.parent, node.args)
        return None

    def _joined(self, base: Path | _Unknown | None, parts: list[ast.expr]) -> Path | _Unknown | None:
        if not isinstance(base, Path):
            return base
        for part in parts:
            if not (isinstance(part, ast.Constant) and isinstance(part.value, str)):
                return _Unknown(base)
            base = Path(os.path.normpath(base / part.value))
        return base

    def _package(self, node: ast.expr | None) -> Path | None:
        match node:
            case ast.Constant(value=str() as name):
                pass
            case ast.Name(id="__package__"):
                name = self.file.package
            case ast.Name(id="__name__"):
                name = self.file.name
            case None:
                name = self.file.package
            case _:
                names = dotted(node)
                name = ".".join((self.origins.get(names[0], ""), *names[1:])) if names else ""
        if not name:
            return None
        module = self.tree.find(name)
        if module is not None:
            return module.path if module.kind is Kind.NAMESPACE else module.path.parent
        places = (root.joinpath(*name.split(".")) for root in self.tree.roots)
        return next((each for each in places if each.is_dir()), None)
