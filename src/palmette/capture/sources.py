"""Where first-party code lies: modules found by name under the source roots, each read and parsed once.

Nothing here imports the project. What is first-party is decided by the path alone: a file that resolves inside
one of the roots. Names are judged relative to their root, so that a project below `.worktrees/x` is an ordinary one.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from pathlib import Path

from palmette.errors import CaptureError, Problem

#: Directories that are never source, wherever they lie below a root.
SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages"})


class Kind(StrEnum):
    """What a module is made of."""

    MODULE = "module"
    PACKAGE = "package"
    NAMESPACE = "namespace"
    EXTENSION = "extension"


@dataclass(frozen=True, kw_only=True)
class ModuleFile:
    """A first-party module and the file that defines it."""

    #: dotted name
    name: str
    kind: Kind
    #: as it is named below the root, links not followed; the directory of a namespace package
    path: Path
    #: POSIX path below its root, which is its path in a bundle
    relative: str
    #: further files of an extension module: builds for other Pythons
    others: tuple[Path, ...] = ()

    @property
    def package(self) -> str:
        """The value of the module's ``__package__``."""
        return self.name if self.kind in (Kind.PACKAGE, Kind.NAMESPACE) else self.name.rpartition(".")[0]


@dataclass(frozen=True, eq=False)
class Parsed:
    """The bytes of a module and, made when first asked for, its text and its tree."""

    file: ModuleFile
    content: bytes

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.content).hexdigest()

    @cached_property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    @cached_property
    def tree(self) -> ast.Module:
        """The syntax tree; an empty one for what is not Python source. SyntaxError and ValueError pass."""
        if self.file.kind in (Kind.NAMESPACE, Kind.EXTENSION):
            return ast.Module(body=[], type_ignores=[])
        return ast.parse(self.content)


class SourceTree:
    """The project's root and its first-party source roots, as they were when they were first looked at.

    A module is found, read and parsed at most once in the life of a tree: make a new one to see later edits.
    """

    def __init__(self, root: Path, roots: tuple[Path, ...]) -> None:
        self.root = Path(root).absolute()
        self.roots = tuple(Path(each).absolute() for each in roots)
        self._inside = tuple({each.resolve() for each in (self.root, *self.roots)})
        self._found: dict[str, ModuleFile | None] = {}
        self._parsed: dict[str, Parsed] = {}
        self._entries: dict[Path, dict[str, bool]] = {}

    def find(self, module: str) -> ModuleFile | None:
        """The first-party module of that name, or None. The first root that has a module or package wins."""
        if module not in self._found:
            self._found[module] = self._look(module)
        return self._found[module]

    def read(self, module: ModuleFile) -> Parsed:
        """The module's bytes. CaptureError for a link that leads out of the roots, or a file that cannot be read."""
        if module.name not in self._parsed:
            content = b"" if module.kind is Kind.NAMESPACE else self.content(module.path)
            self._parsed[module.name] = Parsed(module, content)
        return self._parsed[module.name]

    def content(self, path: Path) -> bytes:
        """The bytes of a file below a root, links followed as long as they stay inside."""
        try:
            target = path.resolve(strict=True)
            if not any(target.is_relative_to(each) for each in self._inside):
                hint = "Move the file into the project, or replace the link by a copy."
                raise CaptureError(f"{self.show(path)} is a link that leads out of the source roots", hint)
            return target.read_bytes()
        except OSError as error:
            raise CaptureError(f"{self.show(path)} cannot be read: {error.strerror}") from error

    def show(self, path: Path) -> str:
        """The path as messages print it: below the project where it is, else below its root, else whole."""
        for base in (self.root, *self.roots):
            if path.is_relative_to(base):
                return path.relative_to(base).as_posix()
        return path.as_posix()

    def relative(self, path: Path) -> str | None:
        """The POSIX path below the innermost root that holds it; None outside of all roots."""
        holding = [each for each in self.roots if path.is_relative_to(each)]
        if not holding:
            return None
        return path.relative_to(max(holding, key=lambda each: len(each.parts))).as_posix()

    def below(self, package: ModuleFile) -> Iterator[ModuleFile]:
        """Every module below a package, in name order, whether or not anything imports it."""
        directories = self._portions(package.name) if package.kind is Kind.NAMESPACE else [package.path.parent]
        names = {name for directory in directories for name in self._names(directory)}
        for name in sorted(names):
            module = self.find(f"{package.name}.{name}")
            if module is not None:
                yield module
                if module.kind in (Kind.PACKAGE, Kind.NAMESPACE):
                    yield from self.below(module)

    def tops(self) -> list[str]:
        """The names of all first-party top-level modules and packages."""
        return sorted({name for root in self.roots for name in self._names(root) if self.find(name) is not None})

    def problem(self, path: Path, line: int, what: str, hint: str = "") -> Problem:
        """A finding at a line of a source file."""
        return Problem(where=f"{self.show(path)}:{line}" if line else self.show(path), what=what, hint=hint)

    def _look(self, module: str) -> ModuleFile | None:
        parent, _, name = module.rpartition(".")
        if not name.isidentifier():
            return None
        if not parent:
            directories = list(self.roots)
        else:
            above = self.find(parent)
            if above is None or above.kind not in (Kind.PACKAGE, Kind.NAMESPACE):
                return None
            directories = self._portions(parent) if above.kind is Kind.NAMESPACE else [above.path.parent]
        for directory in directories:
            found = self._module_in(directory, name, module)
            if found is not None:
                return found
        for directory in directories:
            if self._list(directory).get(name) and self._holds_code(directory / name):
                return self._file(module, Kind.NAMESPACE, directory / name)
        return None

    def _module_in(self, directory: Path, name: str, module: str) -> ModuleFile | None:
        entries = self._list(directory)
        if entries.get(name):
            inner = self._list(directory / name)
            if inner.get("__init__.py") is False:
                return self._file(module, Kind.PACKAGE, directory / name / "__init__.py")
        built = sorted(each for each in entries if each.startswith(f"{name}.") and each.endswith((".so", ".pyd")))
        if built:
            first, *others = (directory / each for each in built)
            return self._file(module, Kind.EXTENSION, first, tuple(others))
        if entries.get(f"{name}.py") is False:
            return self._file(module, Kind.MODULE, directory / f"{name}.py")
        return None

    def _file(self, name: str, kind: Kind, path: Path, others: tuple[Path, ...] = ()) -> ModuleFile:
        relative = self.relative(path) or path.name
        if name.count("."):  # a portion below a nested root still lies at its import path
            base = "/".join(name.split("."))
            relative = {Kind.PACKAGE: f"{base}/__init__.py", Kind.MODULE: f"{base}.py", Kind.NAMESPACE: base}.get(
                kind, f"{base.rpartition('/')[0]}/{path.name}"
            )
        return ModuleFile(name=name, kind=kind, path=path, relative=relative, others=others)

    def _portions(self, package: str) -> list[Path]:
        parts = package.split(".")
        return [directory for root in self.roots if self._list(directory := root.joinpath(*parts))]

    def _names(self, directory: Path) -> list[str]:
        names = (each.split(".")[0] for each in self._list(directory))
        return sorted({name for name in names if name.isidentifier() and name not in SKIPPED and name != "__init__"})

    def _holds_code(self, directory: Path) -> bool:
        entries = self._list(directory)
        if any(not folder and name.endswith((".py", ".so")) for name, folder in entries.items()):
            return True
        inner = (name for name, folder in entries.items() if folder and name.isidentifier() and name not in SKIPPED)
        return any(self._holds_code(directory / name) for name in inner)

    def _list(self, directory: Path) -> dict[str, bool]:
        """Name → whether it is a directory; empty where there is no directory."""
        if directory not in self._entries:
            try:
                found = {each.name: each.is_dir() for each in directory.iterdir() if _usable(each)}
            except OSError:
                found = {}
            self._entries[directory] = found
        return self._entries[directory]


def _usable(path: Path) -> bool:
    """Whether a directory's entry leads somewhere, and not back to a directory above it."""
    if not path.is_symlink():
        return True
    return path.exists() and not path.absolute().is_relative_to(path.resolve())
