"""The first-party closure of some modules: every file that they can import, why it is taken, and what it needs."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Final

from palmette.capture import data as package_data
from palmette.capture.entrypoints import own_entry_points
from palmette.capture.imports import WAYS_OUT, Import, Imports, Unreadable, imports
from palmette.capture.secrets import denied, key_like
from palmette.capture.sources import Kind, ModuleFile, Parsed, SourceTree
from palmette.errors import CaptureError, Problem

#: The parts of Palmette that go along with every bundle; a step may import no other.
CARRIED: Final = ("authoring", "domain", "errors", "runtime")

_TESTS = ("test_*.py", "*_test.py", "conftest.py")


@dataclass(frozen=True, kw_only=True)
class Why:
    """The first reason that was found for taking a file."""

    #: the importing file as messages show it; empty for what was asked for
    by: str
    line: int = 0

    def __str__(self) -> str:
        return f"{self.by}:{self.line}" if self.line else self.by or "asked for"


@dataclass(frozen=True, kw_only=True)
class Taken:
    """One file that goes along."""

    #: POSIX path in the bundle, which is its import path
    path: str
    source: Path
    sha256: str
    size: int
    why: Why
    #: the dotted module it defines; empty for package data
    module: str = ""
    #: first-party modules it imports, parents included
    first_party: tuple[str, ...] = ()
    #: third-party modules it imports
    third_party: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Left:
    """Something that could have been taken and was not."""

    path: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Closure:
    """What some modules need to run elsewhere, first-party; made by `close`."""

    tree: SourceTree = field(repr=False, compare=False)
    #: the modules that were asked for
    modules: tuple[str, ...]
    #: sorted by path, package data included
    files: tuple[Taken, ...]
    #: full dotted names of the third-party modules that are imported anywhere, lazily too: "sklearn.linear_model"
    third_party: tuple[str, ...] = ()
    #: those of `third_party` that may be missing: only functions import them, or a `try` that goes on without them
    optional_third_party: tuple[str, ...] = ()
    #: names imported from third-party packages that may be modules: "matplotlib.pyplot"; try, and do not insist
    third_party_maybe: tuple[str, ...] = ()
    #: bundle paths of the package data
    data: tuple[str, ...] = ()
    #: modules that declared globs, or whole packages, brought in
    included: tuple[str, ...] = ()
    left: tuple[Left, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @cached_property
    def by_module(self) -> Mapping[str, Taken]:
        """The taken files by the module they define."""
        return {each.module: each for each in self.files if each.module}

    def content(self, taken: Taken) -> bytes:
        """The bytes of a taken file, as they were when the closure was made."""
        found = self.tree.find(taken.module) if taken.module else None
        if found is not None and found.path == taken.source:
            return self.tree.read(found).content
        return self.tree.content(taken.source)


def close(
    tree: SourceTree, modules: Sequence[str], *, include: Sequence[str] = (), whole_packages: bool = False
) -> Closure:
    """Follow every import from `modules`; all problems are raised at once as a CaptureError.

    `include` holds globs of modules that dynamic imports load, or of data files (those with a slash).
    """
    walk = _Walk(tree, include, whole_packages=whole_packages)
    for module in modules:
        walk.start(module)
    walk.run()
    if walk.problems:
        count = len(walk.problems)
        message = "the source cannot be taken along" if count == 1 else f"{count} things stop the source being taken"
        raise CaptureError(message, problems=sorted(walk.problems, key=lambda each: each.where))
    return walk.closure(tuple(modules))


class _Walk:
    def __init__(self, tree: SourceTree, include: Sequence[str], *, whole_packages: bool) -> None:
        self.tree = tree
        self.whole_packages = whole_packages
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        self.taken: dict[str, Taken] = {}
        self.included: set[str] = set()
        self.typing_only: dict[str, Why] = {}
        self.third_party: dict[str, bool] = {}
        self.maybe: set[str] = set()
        self.data: set[str] = set()
        self._globs: dict[str, Why] = {glob: Why(by="include") for glob in include}
        #: a step's `include` or a whole package answers for every dynamic import; a comment only for those beside it
        self._answered = bool(include) or whole_packages
        self._seen: dict[str, Why] = {}
        self._queue: list[ModuleFile] = []
        self._unreadable: list[tuple[Parsed, Unreadable]] = []
        self._matched: set[str] = set()
        self._own: Mapping[str, int] | None = None

    def start(self, module: str) -> None:
        """Take a module that was asked for; one that is nobody's is a problem unless it is third-party."""
        if self.tree.find(module) is None:
            where = ", ".join(self.tree.show(root) or "." for root in self.tree.roots)
            hint = f"Source roots: {where}. Set `source-roots` in `[tool.palmette]` if it lies elsewhere."
            self.problems.append(Problem(where=module, what="no first-party module has this name", hint=hint))
        self._module(module, Why(by=""))

    def run(self) -> None:
        """Work until nothing new turns up; only then are dynamic imports judged, since globs may answer for them."""
        while self._queue or self._more():
            if self._queue:
                self._take(self._queue.pop())
        if not self._answered:
            self.problems += [
                self.tree.problem(parsed.file.path, each.line, f"`{each.call}` imports what cannot be read", WAYS_OUT)
                for parsed, each in self._unreadable
            ]

    def closure(self, modules: tuple[str, ...]) -> Closure:
        left = [
            Left(path=module.relative, why=f"only type checkers import it ({why})")
            for name, why in sorted(self.typing_only.items())
            if name not in self._seen
            and (module := self.tree.find(name)) is not None
            and module.kind is not Kind.NAMESPACE
        ]
        return Closure(
            tree=self.tree,
            modules=modules,
            files=tuple(self.taken[path] for path in sorted(self.taken)),
            third_party=tuple(sorted(self.third_party)),
            optional_third_party=tuple(sorted(name for name, optional in self.third_party.items() if optional)),
            third_party_maybe=tuple(sorted(self.maybe - self.third_party.keys())),
            data=tuple(sorted(self.data)),
            included=tuple(sorted(self.included)),
            left=tuple(left),
            warnings=tuple(sorted(self.warnings, key=lambda each: each.where)),
        )

    def _module(self, name: str, why: Why) -> bool:
        """Note a first-party module and its parents; False if it is not first-party."""
        if name in self._seen:
            return True
        module = self.tree.find(name)
        if module is None:
            return False
        self._seen[name] = why
        parent = name.rpartition(".")[0]
        if parent:
            self._module(parent, why)
        self._queue.append(module)
        return True

    def _more(self) -> bool:
        """Bring in what globs and whole packages name beyond what was followed; whether anything was new."""
        before = len(self._seen)
        if self.whole_packages:
            for top in sorted({name.partition(".")[0] for name in self._seen}):
                self._package(top)
        for glob, why in list(self._globs.items()):
            if glob in self._matched:
                continue
            self._matched.add(glob)
            if not (self._files(glob, why) if "/" in glob else self._glob(glob, why)):
                hint = "Write dotted module names; `*` stands for any text: `app.plug_*`."
                self.problems.append(Problem(where=str(why), what=f"nothing matches `{glob}`", hint=hint))
        return len(self._seen) > before

    def _package(self, top: str) -> None:
        module = self.tree.find(top)
        if module is None or module.kind not in (Kind.PACKAGE, Kind.NAMESPACE):
            return
        for each in self.tree.below(module):
            if not is_test(each.relative) and each.name not in self._seen:
                self._module(each.name, Why(by='closure = "package"'))
                self.included.add(each.name)

    def _glob(self, glob: str, why: Why) -> bool:
        if not any(sign in glob for sign in "*?["):
            found = [glob] if self.tree.find(glob) is not None else []
        else:
            top = glob.partition(".")[0]
            tops = [each for each in self.tree.tops() if fnmatchcase(each, top)]
            known = [module for each in tops if (module := self.tree.find(each)) is not None]
            inner = (
                each
                for module in known
                if module.kind in (Kind.PACKAGE, Kind.NAMESPACE)
                for each in self.tree.below(module)
            )
            found = [each.name for each in (*known, *inner) if fnmatchcase(each.name, glob)]
        for name in found:
            self._module(name, why)
            self.included.add(name)
        return bool(found)

    def _files(self, glob: str, why: Why) -> bool:
        found = [each for root in self.tree.roots for each in sorted(root.glob(glob)) if each.is_file()]
        for path in found:
            self._data(path, why)
        return bool(found)

    def _take(self, module: ModuleFile) -> None:
        why = self._seen[module.name]
        try:
            parsed = self.tree.read(module)
            said = imports(parsed)
        except CaptureError as error:
            self.problems.append(Problem(where=str(why), what=error.message, hint=error.hint))
            return
        except (SyntaxError, ValueError) as error:
            line = getattr(error, "lineno", 0) or 0
            version = ".".join(map(str, sys.version_info[:2]))
            hint = f"Palmette itself runs on Python {version} and reads what that can parse."
            self.problems.append(self.tree.problem(module.path, line, f"cannot be parsed: {error}", hint))
            return
        first, third = self._follow(parsed, said)
        if module.kind is not Kind.NAMESPACE:
            self._file(module, parsed, why, first, third)
        for found in package_data.named(parsed, self.tree):
            self._named(parsed, found)

    def _file(self, module: ModuleFile, parsed: Parsed, why: Why, first: set[str], third: set[str]) -> None:
        for line, kind in key_like(parsed.text) if module.kind is not Kind.EXTENSION else ():
            hint = "Read it from the environment: `@step(secrets=[…])`."
            self.warnings.append(
                self.tree.problem(module.path, line, f"this looks like {kind}, and would go along", hint)
            )
        self.data.discard(module.relative)
        self.taken[module.relative] = Taken(
            path=module.relative,
            source=module.path,
            sha256=parsed.sha256,
            size=len(parsed.content),
            why=why,
            module=module.name,
            first_party=tuple(sorted(first)),
            third_party=tuple(sorted(third)),
        )
        for other in module.others:
            self._data(other, why)

    def _follow(self, parsed: Parsed, said: Imports) -> tuple[set[str], set[str]]:
        first: set[str] = set()
        third: set[str] = set()
        for each in said.found:
            self._import(parsed, each, first, third)
        for each in said.typing_only:
            for name in (each.module, *(f"{each.module}.{name}" for name in each.names)):
                if self.tree.find(name) is not None:
                    self.typing_only.setdefault(name, Why(by=self.tree.show(parsed.file.path), line=each.line))
        for declared in said.declared:
            self._answered |= not declared.comment
            for glob in declared.globs:
                self._globs.setdefault(glob, Why(by=self.tree.show(parsed.file.path), line=declared.line))
        self._unreadable += [(parsed, each) for each in said.unreadable if not said.covered(each) and self._ours(each)]
        return first, third

    def _ours(self, unreadable: Unreadable) -> bool:
        if unreadable.root:
            return self.tree.find(unreadable.root.partition(".")[0]) is not None
        if unreadable.group is None:
            return True
        if self._own is None:
            self._own = own_entry_points(self.tree.root)
        return bool(self._own) if not unreadable.group else unreadable.group in self._own

    def _import(self, parsed: Parsed, each: Import, first: set[str], third: set[str]) -> None:
        top = each.module.partition(".")[0]
        why = Why(by=self.tree.show(parsed.file.path), line=each.line)
        if each.program and (each.script or self.tree.find(each.module) is not None):
            self._program(parsed, each, why, first)
            return
        if top == "palmette":
            self._palmette(parsed, each)
            return
        if not top:
            what = "a relative import leads above the top-level package"
            self.problems.append(self.tree.problem(parsed.file.path, each.line, what))
            return
        mine = self.tree.find(top)
        if mine is not None and top in sys.stdlib_module_names and mine.kind is not Kind.NAMESPACE:
            what = f"`{top}` means the standard library's module, and {self.tree.show(mine.path)} has the same name"
            self.problems.append(self.tree.problem(parsed.file.path, each.line, what, "Rename the file."))
            return
        if mine is None or (mine.kind is Kind.NAMESPACE and self.tree.find(each.module) is None):
            if top not in sys.stdlib_module_names:
                self._foreign(each, third)
            return
        if not self._module(each.module, why):
            self._missing(parsed, each)
            return
        first.add(each.module)
        for name in self._names(each):
            if self._module(f"{each.module}.{name}", why):
                first.add(f"{each.module}.{name}")

    def _program(self, parsed: Parsed, each: Import, why: Why, first: set[str]) -> None:
        """Take what a command step runs; a package runs its `__main__`."""
        found = self.tree.find(each.module)
        if found is None or (each.script and found.relative != each.script):
            hint = "Name it as a module below a source root: python -m package.module."
            what = f"the command runs {each.script}, which is not found below a source root under that path"
            self.problems.append(self.tree.problem(parsed.file.path, each.line, what, hint))
            return
        first |= {name for name in (each.module, f"{each.module}.__main__") if self._module(name, why)}

    def _names(self, each: Import) -> Iterable[str]:
        if "*" not in each.names:
            return each.names
        module = self.tree.find(each.module)
        return exported(self.tree.read(module)) if module is not None and module.kind is Kind.PACKAGE else ()

    def _missing(self, parsed: Parsed, each: Import) -> None:
        if each.guarded:
            return
        what = f"`{each.module}` is not there"
        hint = "If it is generated, generate it first; if it may be missing, import it inside `try`."
        self.warnings.append(self.tree.problem(parsed.file.path, each.line, what, hint))

    def _foreign(self, each: Import, third: set[str]) -> None:
        third.add(each.module)
        self.third_party[each.module] = self.third_party.get(each.module, True) and (each.lazy or each.optional)
        if not each.lazy:
            self.maybe.update(f"{each.module}.{name}" for name in each.names if name.islower() and name != "*")

    def _palmette(self, parsed: Parsed, each: Import) -> None:
        parts = each.module.split(".")
        wanted = [parts[1]] if len(parts) > 1 else [name for name in each.names if _is_part(name)]
        for name in wanted:
            if name not in CARRIED:
                what = f"`palmette.{name}` does not go along with a step"
                hint = f"A step may import what `palmette` itself offers, and palmette.{{{', '.join(CARRIED)}}}."
                self.problems.append(self.tree.problem(parsed.file.path, each.line, what, hint))

    def _named(self, parsed: Parsed, found: package_data.Named) -> None:
        why = Why(by=self.tree.show(parsed.file.path), line=found.line)
        own = found.path == parsed.file.path
        if found.partly and not own:
            what = f"which file below {self.tree.show(found.path)} is meant cannot be read, so none is taken for it"
            hint = 'Name the files in `@step(include=["app/sql/*.sql"])`, relative to the source root.'
            self.warnings.append(self.tree.problem(parsed.file.path, found.line, what, hint))
            return
        for path in package_data.expand(found):
            if not own:
                self._data(path, why)

    def _data(self, path: Path, why: Why) -> None:
        relative = self.tree.relative(path)
        if relative is None:
            what = f"{self.tree.show(path)} lies outside the source roots and is not taken"
            hint = "Move it into the package, or hand it to the step as an input."
            self.warnings.append(Problem(where=str(why), what=what, hint=hint))
            return
        if relative in self.taken:
            return
        pattern = denied(relative) or denied(path.resolve().name)
        if pattern:
            what = f"{self.tree.show(path)} is never taken along: files like `{pattern}` hold secrets"
            self.problems.append(Problem(where=str(why), what=what, hint="Use `@step(secrets=[…])` for a secret."))
            return
        try:
            content = self.tree.content(path)
        except CaptureError as error:
            self.problems.append(Problem(where=str(why), what=error.message, hint=error.hint))
            return
        if len(content) > package_data.LARGEST and path.suffix not in (".so", ".pyd"):
            size = f"{len(content):,} bytes, at most {package_data.LARGEST:,}"
            what = f"{self.tree.show(path)} is too large to go along: {size}"
            hint = "Hand it to the step as an input, or fetch it in a step of its own."
            self.problems.append(Problem(where=str(why), what=what, hint=hint))
            return
        digest = sha256(content).hexdigest()
        self.taken[relative] = Taken(path=relative, source=path, sha256=digest, size=len(content), why=why)
        self.data.add(relative)


def is_test(path: str) -> bool:
    """Whether a path below a root is a test's, by the names that test runners go by."""
    *directories, name = path.split("/")
    return any(each in ("tests", "test") for each in directories) or any(fnmatchcase(name, each) for each in _TESTS)


def exported(parsed: Parsed) -> tuple[str, ...]:
    """The texts of a literal `__all__`, added-to ones included; empty if there is none."""
    names: list[str] = []
    for node in parsed.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if any(isinstance(each, ast.Name) and each.id == "__all__" for each in targets):
            value = getattr(node, "value", None)
            literals = [each.value for each in ast.walk(value) if isinstance(each, ast.Constant)] if value else []
            names += [each for each in literals if isinstance(each, str)]
    return tuple(names)


def _is_part(name: str) -> bool:
    return (_PALMETTE / name).is_dir() or (_PALMETTE / f"{name}.py").is_file()


#: Palmette's own package, of which only the CARRIED parts go along.
_PALMETTE: Final = Path(__file__).resolve().parent.parent
