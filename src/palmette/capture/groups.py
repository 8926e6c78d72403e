"""The environments that steps name: groups of the project's lock, or locks of their own, and what each pins."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final, Literal

from packaging.markers import InvalidMarker, Marker, UndefinedComparison, UndefinedEnvironmentName

from palmette.capture import locks, uv
from palmette.capture.installed import InterpreterFacts
from palmette.capture.keeping import Keeping
from palmette.capture.locks import Lock, Locked
from palmette.domain.run import Environment, Pin
from palmette.domain.values import digest
from palmette.domain.wire import dump, load
from palmette.errors import CaptureError, Problem

#: Raised when what is read of an exported group changes.
_SCHEMA: Final = 1
#: Carried along with the bundle, so never installed.
_CARRIED: Final = "palmette"


@dataclass(frozen=True, kw_only=True)
class Groups:
    """Where a project's environments are described."""

    root: Path
    #: as [tool.palmette] `lock` says it
    lock: str = "auto"
    #: the root of the workspace above it, if it is a member of one
    workspace: tuple[Path, ...] = ()
    #: [tool.palmette.environments]: name → a lock of its own, relative to the root
    named: Mapping[str, str] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)

    def known(self, keeping: Keeping) -> tuple[str, ...]:
        """The names that a step may give, sorted."""
        return tuple(sorted({*self.named, *self._in(self._lock(keeping))}))

    def pin(self, name: str, facts: InterpreterFacts, keeping: Keeping) -> Environment:
        """What an environment consists of on this platform and Python; "" is the project's own dependencies.

        CaptureError if there is no such environment or its lock cannot be read; EnvironmentFailed if uv, which alone
        can read its locks, cannot be asked.
        """
        lock = self._lock(keeping, name)
        if lock is None:
            raise CaptureError(f"{self._called(name)} needs a lock file, and there is none", _LOCK)
        if lock.name.endswith("uv.lock"):
            entries = self._exported(name, lock, keeping)
        elif name and name not in self.named and name not in self._in(lock):
            raise self._unknown(name, lock, keeping)
        else:
            entries = _of_group(lock, "" if name in self.named else name)
        defaults = _document(self.root / lock.name).get("default-groups", []) if lock.name.endswith(".toml") else []
        pins = _pins(entries, "" if name in self.named else name, facts, lock, defaults)
        return Environment(
            digest=identity(facts, pins),
            python=facts.python,
            implementation=facts.implementation,
            platform=facts.platform,
            pins=pins,
            lock=lock.name,
            lock_digest=lock.digest,
        )

    def _lock(self, keeping: Keeping, name: str = "") -> Lock | None:
        choice = self.named.get(name, self.lock)
        return locks.read(self.root, keeping, choice=choice, workspace=self.workspace)

    def _in(self, lock: Lock | None) -> set[str]:
        """The groups and extras that the lock distinguishes."""
        if lock is None or lock.remedy.startswith("pip "):  # requirements know no groups
            return set()
        if lock.name.endswith("uv.lock") or lock.name.endswith("poetry.lock"):
            return _declared(self.root)
        found = _document(self.root / lock.name)
        return {*found.get("dependency-groups", []), *found.get("extras", [])} - {*found.get("default-groups", [])}

    def _called(self, name: str) -> str:
        return f"the environment {name!r}" if name else "the project's environment"

    def _unknown(self, name: str, lock: Lock, keeping: Keeping) -> CaptureError:
        known = self.known(keeping)
        close = get_close_matches(name, known, n=1)
        there = f"Did you mean {close[0]!r}? " if close else ""
        there += f"There are: {', '.join(known)}." if known else "There is none yet."
        how = (
            f"{lock.name} has no groups: name a lock for it in [tool.palmette.environments]."
            if lock.remedy.startswith("pip ")
            else f"Add [dependency-groups] {name} and lock again, or name a lock in [tool.palmette.environments]."
        )
        return CaptureError(f"there is no environment {name!r}", f"{there} {how}")

    def _exported(self, name: str, lock: Lock, keeping: Keeping) -> Mapping[str, tuple[Locked, ...]]:
        """What a uv.lock says of the group: uv is asked, once for each lock, as only it can read all of that."""
        own = name in self.named
        where = (self.root / lock.name).parent if own else self.root
        options: list[str] = []
        if name and not own:
            if name not in _declared(self.root):
                raise self._unknown(name, lock, keeping)
            kind = "--group" if name in _dependency_groups(self.root) else "--extra"
            options = [kind, name]
        project = hashlib.sha256((where / "pyproject.toml").read_bytes()).hexdigest()
        key = f"group-{_SCHEMA}-{lock.digest}-{project}-{where}-{' '.join(options)}"
        kept = keeping.get(key)
        if isinstance(kept, Mapping):
            return load(dict[str, tuple[Locked, ...]], kept)
        plain = ("--quiet", "--frozen", "--no-default-groups", "--no-emit-workspace", "--no-header", "--no-annotate")
        text = uv.find(self.environ)(
            "export", *plain, *options, where=where, what=f"uv cannot read {self._called(name)} from {lock.name}"
        )
        try:
            entries = locks.exported(text)
        except ValueError as error:
            raise CaptureError(f"what uv says of {self._called(name)} cannot be read: {error}", "") from None
        keeping.put(key, {each: [dump(entry) for entry in found] for each, found in entries.items()})
        return entries


_LOCK: Final = (
    "Lock the project (`uv lock`, `poetry lock`), or name a lock for it in [tool.palmette.environments] "
    "(`uv pip compile --generate-hashes`)."
)


def identity(facts: InterpreterFacts, pins: Sequence[Pin]) -> str:
    """The digest of an environment: Python's minor version, the platform, what is pinned."""
    minor = ".".join(facts.python.split(".")[:2])
    what = [[pin.name, pin.version, *([pin.url] if pin.url else [])] for pin in pins]
    return digest([minor, facts.implementation, facts.platform, what])


def _of_group(lock: Lock, group: str) -> Mapping[str, tuple[Locked, ...]]:
    """What a lock holds for a group and for all; what it says of groups in markers is left to whoever reads those."""
    if not lock.name.endswith("poetry.lock"):
        return lock.entries
    if group and not any(entry.groups for found in lock.entries.values() for entry in found):
        raise CaptureError(
            f"{lock.name} does not say which group needs what",
            "Lock again with Poetry 2, or name a lock for it in [tool.palmette.environments].",
        )
    wanted = {"main", group}
    return {
        name: tuple(entry for entry in found if not entry.groups or wanted & {*entry.groups})
        for name, found in lock.entries.items()
    }


def _pins(
    entries: Mapping[str, tuple[Locked, ...]], group: str, facts: InterpreterFacts, lock: Lock, defaults: Iterable[str]
) -> tuple[Pin, ...]:
    """One pin for each distribution that counts on this platform; the project's own code is taken along instead."""
    asked = frozenset({group} - {""})
    bound: dict[str, str | frozenset[str]] = {
        **facts.markers,
        "dependency_groups": asked | {*defaults},
        "extras": asked,
        "extra": group,
    }
    pins: list[Pin] = []
    problems: list[Problem] = []
    for name, found in sorted(entries.items()):
        here = [entry for entry in found if not entry.local and name != _CARRIED and _holds(entry.marker, bound)]
        pinned = dict.fromkeys(
            Pin(name=name, version=entry.version, hashes=entry.hashes, url=entry.url) for entry in here
        )
        if len(pinned) > 1:
            what = f"{lock.name} pins several: {', '.join(sorted(pin.version or pin.url for pin in pinned))}"
            problems.append(Problem(where=name, what=what, hint="Lock again, so that one is left on each platform."))
        pins += list(pinned)[:1]
    if problems:
        raise CaptureError(f"{lock.name} is not one environment", problems=problems)
    return tuple(pins)


def _holds(marker: str, bound: Mapping[str, str | frozenset[str]]) -> bool:
    """Whether it holds for what is bound; one that cannot be understood does."""
    try:
        return not marker or Marker(marker).evaluate(dict(bound), context=_context(marker))
    except (InvalidMarker, UndefinedComparison, UndefinedEnvironmentName):
        return True


def _context(marker: str) -> Literal["lock_file", "metadata"]:
    """A pylock speaks of `extras`, everything older of one `extra`."""
    return "lock_file" if re.search(r"\b(extras|dependency_groups)\b", marker) else "metadata"


# What pyproject.toml declares


def _declared(root: Path) -> set[str]:
    """The groups and extras of a project, as uv and poetry read them."""
    document = _document(root / "pyproject.toml")
    poetry = _table(document, "tool", "poetry")
    extras = {*_table(document, "project", "optional-dependencies"), *_table(poetry, "extras")}
    return _dependency_groups(root) | {*_table(poetry, "group")} | extras


def _dependency_groups(root: Path) -> set[str]:
    document = _document(root / "pyproject.toml")
    older = {"dev"} if "dev-dependencies" in _table(document, "tool", "uv") else set[str]()
    return {*_table(document, "dependency-groups")} | older


def _document(path: Path) -> Mapping[str, Any]:
    """A document; empty where it is not there. Who has to mend one hears of it elsewhere."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}


def _table(document: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    for name in names:
        found = document.get(name)
        document = found if isinstance(found, Mapping) else {}
    return document
