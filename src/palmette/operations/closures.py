"""What goes into an algorithm, as a digest that no interpreter is started for: its code, lock, files and settings.

Of code the normal form counts, so that comments and formatting change nothing; all else counts by its bytes. Unlike a
fingerprint, which is a step's and follows names, this is an algorithm's and takes whole modules: it answers whether it
is worth trying, and does so for twenty algorithms at once.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from palmette.capture import locks
from palmette.capture.closure import Closure as Source
from palmette.capture.closure import Taken, close
from palmette.capture.imports import dotted
from palmette.capture.keeping import Keeping
from palmette.capture.names import TELLING
from palmette.capture.nodes import everything
from palmette.capture.normal import Detail, form_digest
from palmette.capture.reach import SOURCE
from palmette.capture.sources import SourceTree
from palmette.domain import wire
from palmette.domain.values import Json
from palmette.errors import CaptureError, Problem
from palmette.operations.directories import cache_directory
from palmette.operations.discovery import Found
from palmette.operations.preparing import named, require_known
from palmette.operations.project import Project, look, workspace

#: Raised when what goes in changes, so that no digest of before is taken for one of now.
_SCHEMA: Final = 1
#: the settings that decide what a run executes
_SETTINGS: Final = ("image", "install", "closure", "requires", "environments", "images")
#: how a data file is known that Git does not keep itself
_POINTER: Final = ".dvc"
_INPUT: Final = "InputFile"
#: what may be a path of a file in a project
_PATH: Final = re.compile(r"(?!/)[^\n\0]{1,250}\.\w{1,12}|(?!/)[^\n\0]{1,120}/[^\n\0]{1,120}")
_WORD: Final = re.compile(r"[A-Za-z_]\w*")
#: names of parts that are no files
LOCK: Final = "lock"
PYTHON: Final = "python"
SETTINGS: Final = "settings"


@dataclass(frozen=True, kw_only=True)
class Closure:
    """All that goes into an algorithm."""

    #: of all its parts; equal where nothing changed that counts
    digest: str
    #: "algorithms/tumour.py", "lock", "python", "settings" → the digest of what it is
    parts: Mapping[str, str] = field(default_factory=dict)
    #: file → the module or file that brought it in, and where: "algorithms/tumour.py:3"
    why: Mapping[str, str] = field(default_factory=dict)
    #: the names of its presets; None where the source alone does not tell
    presets: frozenset[str] | None = None


def closures(
    project: Project, names: Iterable[str] = (), *, environ: Mapping[str, str] | None = None
) -> Mapping[str, Closure]:
    """What goes into each algorithm, in order of their names; into those that are named, or all. What is wrong with
    their source is said at once, for all of them."""
    surveyed = look(project)
    if surveyed.flaws:
        raise surveyed.error()
    asked = tuple(names)
    if surveyed.found:
        require_known(surveyed.found, asked)
    wanted = [named(surveyed.found, name) for name in asked] or [*surveyed.found.values()]
    tree = _Tree(SourceTree(project.root, project.roots))
    whole = project.closure == "package"
    shared = _shared(project, environ or {})
    found: dict[str, Closure] = {}
    problems: dict[Problem, None] = {}
    for each in sorted(wanted, key=lambda entry: entry.name):
        try:
            source = close(tree.sources, [each.module], whole_packages=whole)
        except CaptureError as error:
            problems |= dict.fromkeys(error.problems or (Problem(where=each.name, what=error.message),))
        else:
            found[each.name] = _closure(each, source, tree, shared)
    if problems:
        raise CaptureError("the source of some algorithms cannot be taken along", problems=tuple(problems))
    return found


def differing(before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, ...]:
    """The names of the parts that are not what they were, what is new and what is gone included; the algorithm's own
    files first, in order of their names."""
    changed = (name for name in {*before, *now} if before.get(name) != now.get(name))
    return tuple(sorted(changed, key=lambda name: (name in (LOCK, PYTHON, SETTINGS), name)))


class _Tree:
    """The source that all algorithms share: each module is parsed and brought to its normal form once."""

    def __init__(self, sources: SourceTree) -> None:
        self.sources = sources
        self._digests: dict[tuple[str, Detail], str] = {}
        self._details: dict[str, Detail] = {}
        self._known: dict[str, frozenset[str]] = {}
        self._inputs: dict[str, tuple[str, ...]] = {}

    def digest(self, taken: Taken, detail: Detail) -> str:
        """Of what the module means; of its bytes, where it is no Python source or something looks at its text."""
        if detail is Detail.SOURCE or not taken.module or not taken.path.endswith(".py"):
            return taken.sha256
        if (taken.path, detail) not in self._digests:
            self._digests[taken.path, detail] = form_digest(self._source(taken), detail)
        return self._digests[taken.path, detail]

    def detail(self, files: Iterable[Taken]) -> Detail:
        """How much of the text of these counts: more, where one of them looks at code as text."""
        return max(map(self._detail, files), default=Detail.CODE)

    def inputs(self, taken: Taken) -> tuple[str, ...]:
        """The files that it names as `InputFile("…")`."""
        if taken.path not in self._inputs:
            named = _INPUT in self._words(taken)
            self._inputs[taken.path] = (
                tuple(sorted(set(_inputs(self._source(taken), self.sources.root)))) if named else ()
            )
        return self._inputs[taken.path]

    def _detail(self, taken: Taken) -> Detail:
        if taken.path not in self._details:
            telling = self._words(taken) & TELLING
            level = Detail.SOURCE if telling & SOURCE else Detail.DOCSTRINGS if telling else Detail.CODE
            self._details[taken.path] = level
        return self._details[taken.path]

    def _words(self, taken: Taken) -> frozenset[str]:
        if taken.path not in self._known:
            source = taken.module and taken.path.endswith(".py")
            module = self.sources.find(taken.module) if source else None
            text = self.sources.read(module).text if module is not None else ""
            self._known[taken.path] = frozenset(_WORD.findall(text))
        return self._known[taken.path]

    def _source(self, taken: Taken) -> ast.Module:
        module = self.sources.find(taken.module) if taken.module else None
        return self.sources.read(module).tree if module is not None else ast.Module(body=[], type_ignores=[])


def _inputs(tree: ast.Module, root: Path) -> Iterator[str]:
    """The paths that a module which has to do with input files names: every text that is one of a file."""
    declared = frozenset(id(each) for node in everything(tree) for each in _declared(node))
    for node in everything(tree):
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            continue
        text = node.value
        if (
            "://" not in text
            and text.strip("./")
            and (id(node) in declared or (_PATH.fullmatch(text) and _kept(root / text)))
        ):
            yield text


def _declared(node: ast.AST) -> Iterator[ast.expr]:
    """The values of `InputFile("…")` and of `labels: InputFile = "…"`."""
    if isinstance(node, ast.Call) and dotted(node.func)[-1:] == (_INPUT,):
        yield from node.args[:1]
    elif isinstance(node, ast.AnnAssign) and node.value and dotted(node.annotation)[-1:] == (_INPUT,):
        yield node.value


def _closure(found: Found, source: Source, tree: _Tree, shared: Mapping[str, str]) -> Closure:
    detail = tree.detail(source.files)
    parts = {each.path: tree.digest(each, detail) for each in source.files}
    why = {each.path: str(each.why) for each in source.files if each.why.by}
    for taken in source.files:
        for name in tree.inputs(taken):
            parts[name] = _file(tree.sources.root / name)
            why[name] = taken.path
    parts |= shared
    # Where an algorithm stands in its file is no matter; which of its file's it is, is.
    said = {"schema": _SCHEMA, "algorithm": f"{found.module}:{found.qualname}", "parts": parts}
    return Closure(digest=_sha(said), parts=dict(sorted(parts.items())), why=why, presets=found.presets)


def _kept(path: Path) -> Path | None:
    """What stands in Git for a file, or the file itself."""
    candidates = (path.with_name(path.name + _POINTER), path) if path.name else ()
    return next((each for each in candidates if each.is_file()), None)


def _file(path: Path) -> str:
    """The digest of a file or a directory, or of what stands in Git for it; empty where there is neither."""
    if kept := _kept(path):
        with kept.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    if not path.is_dir():
        return ""
    inside = sorted(each for each in path.rglob("*") if each.is_file())
    return _sha([[each.relative_to(path).as_posix(), _file(each)] for each in inside])


def _shared(project: Project, environ: Mapping[str, str]) -> dict[str, str]:
    """What counts for every algorithm of the project."""
    keeping = Keeping(cache_directory(environ) / "installed")
    lock = locks.read(project.root, keeping, choice=project.lock, workspace=workspace(project.root))
    own = {name: wire.dump(getattr(project, name)) for name in _SETTINGS}
    beside = {name: _file(project.root / path) for name, path in project.environments.items()}
    parts = {PYTHON: _sha(_python(project.root)), SETTINGS: _sha({**own, "locks": beside})}
    if lock is not None:
        # The project's own version stands there, too, and changes nothing.
        foreign = {
            name: [[each.version, list(each.hashes), each.marker, each.url] for each in entries if not each.local]
            for name, entries in lock.entries.items()
        }
        parts[LOCK] = _sha(foreign)
    return parts


def _python(root: Path) -> list[Json]:
    """What is said of the Python to use."""
    pinned = root / ".python-version"
    document = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    project = document.get("project")
    required = project.get("requires-python", "") if isinstance(project, dict) else ""
    return [pinned.read_text(encoding="utf-8").split() if pinned.is_file() else [], str(required)]


def _sha(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
