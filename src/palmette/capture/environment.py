"""The distributions that a step needs, pinned: those that provide what it imports, and all that these require."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from palmette.capture.installed import Distribution, InterpreterFacts, holds, providers, scan
from palmette.capture.keeping import Keeping
from palmette.capture.locks import Lock, Locked
from palmette.domain.run import Environment, Pin
from palmette.domain.values import digest
from palmette.errors import CaptureError, Problem

#: Carried along with the bundle, so never pinned.
_CARRIED: Final = "palmette"


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """An environment, and what the user should know of how it came about."""

    environment: Environment
    #: where the versions are from, a sentence without a full stop; empty where nothing is pinned
    origin: str = ""
    #: what may be wrong, one sentence each, without a full stop
    notes: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """All there is to say, for whoever asks."""
        return (self.origin, *self.notes) if self.origin else self.notes


def environment(
    root: Path,
    facts: InterpreterFacts,
    imports: Sequence[str],
    keeping: Keeping,
    *,
    lock: Lock | None,
    optional: Collection[str] = (),
    elsewhere: Collection[str] = (),
    requires: Sequence[str] = (),
) -> Pinned:
    """Pin what these third-party modules come from, and everything that requires in turn.

    CaptureError tells at once of every module that is not installed, every distribution that the lock does not have,
    and every one that is installed in another version than the lock's. Modules that are also in `optional` may be
    missing. Those in `elsewhere`, which other environments of the project have, may be missing in the lock: what is
    installed by chance is then not what is meant. `requires` are distributions that no import shows. The project's own
    distributions are left out.
    """
    installed = scan(facts, keeping)
    problems: list[Problem] = []
    notes: list[str] = []
    meant = [module for module in imports if not (module in elsewhere and _unlocked(module, installed, lock))]
    direct = _imported(meant, installed, facts=facts, optional=optional, lock=lock, problems=problems, notes=notes)
    direct |= _required(requires, installed, problems)
    graph = _reached(direct, installed, facts, notes)
    own = {entry.name for entry in graph.values() if _is_own(entry, root, lock)}
    pins = [_pin(graph[name], name in direct, lock, problems, notes) for name in sorted(graph) if name not in own]
    if problems:
        raise CaptureError("the environment is not what the steps need", problems=problems)
    found = (
        f"packages are pinned from {lock.name}" if lock else "packages are pinned as installed: there is no lock file"
    )
    minor = ".".join(facts.python.split(".")[:2])
    pinned = Environment(
        digest=digest([minor, facts.implementation, facts.platform, [[pin.name, pin.version] for pin in pins]]),
        python=facts.python,
        implementation=facts.implementation,
        platform=facts.platform,
        executable=facts.executable,
        pins=tuple(pins),
        lock=lock.name if lock else "",
        lock_digest=lock.digest if lock else "",
    )
    return Pinned(environment=pinned, origin=found if pins else "", notes=tuple(notes))


def _unlocked(module: str, installed: dict[str, Distribution], lock: Lock | None) -> bool:
    """Whether the lock has none of the distributions that provide the module here."""
    top = module.partition(".")[0]
    return lock is not None and not any(
        top in entry.tops and canonicalize_name(entry.name) in lock.entries for entry in installed.values()
    )


def _imported(
    imports: Sequence[str],
    installed: dict[str, Distribution],
    *,
    facts: InterpreterFacts,
    optional: Collection[str],
    lock: Lock | None,
    problems: list[Problem],
    notes: list[str],
) -> dict[str, set[str]]:
    """The distributions that provide the modules, each with no extra."""
    tops: dict[str, list[Distribution]] = {}
    for entry in installed.values():
        for top in entry.tops:
            tops.setdefault(top, []).append(entry)
    direct: dict[str, set[str]] = {}
    for module in sorted(set(imports)):
        top = module.partition(".")[0]
        if top == _CARRIED:
            continue
        if candidates := tops.get(top):
            direct |= {entry.name: set() for entry in providers(module, candidates)}
        elif source := _editable(top, installed):
            hint = (
                f"Add {source} to `source-roots` in [tool.palmette]: it is code of your own, and is taken along then."
            )
            problems.append(
                Problem(where=f"import {module}", what=f"comes from an editable install in {source}", hint=hint)
            )
        elif _loose(top, facts):
            notes.append(f"{top} belongs to no installed package and is not pinned")
        elif module not in optional:
            hint = f"Run `{lock.remedy}`, or add the package to the project." if lock else "Install it for the project."
            problems.append(
                Problem(where=f"import {module}", what=f"is not installed in {facts.executable}", hint=hint)
            )
    return direct


def _editable(top: str, installed: dict[str, Distribution]) -> str:
    for source in (source for entry in installed.values() for source in entry.sources):
        if (Path(source) / top).is_dir() or (Path(source) / f"{top}.py").is_file():
            return source
    return ""


def _loose(top: str, facts: InterpreterFacts) -> bool:
    return any(
        (directory / top).is_dir() or (directory / f"{top}.py").is_file() or any(directory.glob(f"{top}.*.so"))
        for directory in facts.site_packages
    )


def _required(
    requires: Sequence[str], installed: dict[str, Distribution], problems: list[Problem]
) -> dict[str, set[str]]:
    direct: dict[str, set[str]] = {}
    for text in requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement as error:
            what = f"{text!r} is not the name of a package: {str(error).splitlines()[0]}"
            problems.append(Problem(where="[tool.palmette] requires", what=what))
            continue
        name = canonicalize_name(requirement.name)
        if name == _CARRIED:
            continue
        if name in installed:
            direct.setdefault(name, set()).update(requirement.extras)
        else:
            what = f"{requirement.name} is not installed"
            problems.append(Problem(where="[tool.palmette] requires", what=what, hint="Install it for the project."))
    return direct


def _reached(
    direct: dict[str, set[str]], installed: dict[str, Distribution], facts: InterpreterFacts, notes: list[str]
) -> dict[str, Distribution]:
    """The distributions and all they require, by name. What is required and missing is a note: its absence may be
    meant, and an import that fails says so."""
    markers = facts.markers
    reached: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [(name, extra) for name, extras in direct.items() for extra in ("", *sorted(extras))]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        entry = reached[name] = installed[name]
        texts = entry.requires if not extra else [text for text in entry.conditional if holds(text, markers, extra)]
        for needed, extras in _names(texts):
            if needed == _CARRIED:
                continue
            if needed in installed:
                waiting += [(needed, inner) for inner in ("", *extras)]
            else:
                notes.append(f"{entry.name} requires {needed}, which is not installed")
    return reached


def _names(texts: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for text in texts:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        yield canonicalize_name(requirement.name), tuple(sorted(requirement.extras))


def _is_own(entry: Distribution, root: Path, lock: Lock | None) -> bool:
    """Whether it is the project's own code, which is taken along instead of pinned."""
    if entry.editable or (entry.directory and Path(entry.directory).is_relative_to(root)):
        return True
    return lock is not None and any(locked.local for locked in lock.entries.get(entry.name, ()))


def _pin(entry: Distribution, direct: bool, lock: Lock | None, problems: list[Problem], notes: list[str]) -> Pin:
    """The pin, in the installed spelling of the version: that is what the step will find."""
    if lock is None:
        return Pin(name=entry.name, version=entry.version)
    locked = lock.entries.get(entry.name, ())
    same = next((one for one in locked if _agree(entry.version, one)), None)
    if same is None and locked:
        versions = " or ".join(dict.fromkeys(one.version for one in locked))
        what = f"{entry.version} is installed, but {lock.name} says {versions}"
        problems.append(Problem(where=entry.name, what=what, hint=f"Run `{lock.remedy}`."))
    elif same is None and direct:
        what = f"is imported, but {lock.name} does not have it"
        problems.append(Problem(where=entry.name, what=what, hint="Declare it as a dependency and lock again."))
    elif same is None:
        notes.append(f"{entry.name} is required, but {lock.name} does not have it: it is pinned as installed")
    return Pin(name=entry.name, version=entry.version, hashes=same.hashes if same else ())


def _agree(installed: str, locked: Locked) -> bool:
    """Whether the installed version is the locked one; a build ("+cpu") of it is."""
    try:
        mine, theirs = Version(installed), Version(locked.version)
    except InvalidVersion:
        return locked.version in ("", installed)
    return mine == theirs or (theirs.local is None and mine.public == theirs.public)
