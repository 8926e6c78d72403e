"""Which Python stands in for the image of a stock component: one that has what it asks for, or one built for it.

Pip is never called. A component's requirements are resolved by uv as pip would resolve them, and the answer is kept for
a day, so that a chain of tasks and the runs of a day have equal environments; one that cannot be resolved now, since
the network or the index is gone, keeps its older answer. What was resolved is built once on the user's shelf.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from palmette.capture import locks, uv
from palmette.capture.installed import InterpreterFacts
from palmette.capture.keeping import Keeping
from palmette.domain.run import Pin
from palmette.domain.values import digest
from palmette.domain.wire import dump, load
from palmette.engine.plan import Plan, PlannedTask
from palmette.engine.stock import Install, Stock, recognise
from palmette.errors import EnvironmentFailed
from palmette.operations.directories import cache_directory
from palmette.operations.environments import base
from palmette.operations.shelf import Shelf
from palmette.operations.surroundings import base as surroundings

#: Raised when requirements are resolved in another way.
_SCHEMA: Final = 1
#: Seconds for which what uv answered stands.
_FRESH: Final = 86400.0
#: What tells uv and Git where packages are; nothing else of the driver's environment is a package's business, which
#: may run code of its own when it is built.
_TELLING: Final = ("UV_", "PIP_", "GIT_", "NETRC")
#: What an image of Python has besides Python up to 3.11, and the SDK before 2.2 relies on.
_BESIDE: Final = Install(requirements=("setuptools<80",))
#: It, or its repository.
_KFP: Final = re.compile(r"^kfp\b(?!-)|/kfp\b|kubeflow/pipelines")
log: Final = logging.getLogger("palmette.environments")


class Interpreters(Mapping[str, Path]):
    """The Python of each executor of a plan that Palmette has not captured; found or built when it is first asked for,
    and held by the shelf. EnvironmentFailed says, each time, why there is none."""

    def __init__(self, plan: Plan, python: Path, environ: Mapping[str, str], held: Shelf) -> None:
        self._tasks = {task.executor: task for task in plan.every_task if not (task.captured or task.importer)}
        self._sdk = plan.document.pipeline.sdk_version
        self._provider = _Provider(python, environ, held)

    def __getitem__(self, executor: str) -> Path:
        return self._provider.provide(self._tasks[executor], self._sdk)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)


@dataclass
class _Provider:
    """Finds and builds, each thing once."""

    python: Path
    environ: Mapping[str, str]
    held: Shelf
    _known: dict[tuple[Install, ...], Path | EnvironmentFailed] = field(default_factory=dict)

    def provide(self, task: PlannedTask, sdk: str) -> Path:
        component = recognise(task.container.command, task.container.args)
        if component is None:
            return self.python
        installs = wanted(component, sdk)
        if installs not in self._known:
            try:
                self._known[installs] = self._found(installs)
            except EnvironmentFailed as error:
                self._known[installs] = error
        known = self._known[installs]
        if isinstance(known, EnvironmentFailed):
            raise known
        return known

    def _found(self, installs: tuple[Install, ...]) -> Path:
        facts, own = base(self.python, self.environ), Path(sys.executable)
        if satisfies(self.python, facts, installs):
            return self.python
        # Only what asks for the SDK alone; packages of Palmette's own are no component's business.
        ours = not any(each.dependencies for each in installs) and satisfies(own, base(own, self.environ), installs)
        if ours and self.python == Path(getattr(sys, "_base_executable", "") or own).absolute():
            return own
        try:
            return self._built(installs, facts)
        except EnvironmentFailed as error:
            if not ours:
                raise
            log.warning("%s: Palmette's own environment is used, which has it", error.message)
            return own

    def _built(self, installs: tuple[Install, ...], facts: InterpreterFacts) -> Path:
        environ = surroundings(self.environ) | {
            name: value for name, value in self.environ.items() if name.startswith(_TELLING)
        }
        name = _named(installs)
        pins = pinned(installs, facts, environ, Keeping(cache_directory(self.environ) / "resolved"))
        options = _options(installs, environ)
        # The same shelf: it goes on holding what is used.
        return replace(self.held, environ=environ).interpreter(pins, facts, name=name, sources=options)


def wanted(component: Stock, sdk: str) -> tuple[Install, ...]:
    """What is to be installed for a component, as pip would be called; `kfp` even where its image is to have it. `sdk`
    is what compiled the pipeline: "kfp-2.17.0"."""
    given = component.installs
    if not any(_KFP.search(text) for each in given for text in each.requirements):
        text = sdk.replace("-", "==", 1) if sdk.startswith("kfp-") else "kfp"
        given = (*given, Install(requirements=(text,), dependencies=not component.light))
    return given if component.light else (*given, _BESIDE)


def satisfies(python: Path, facts: InterpreterFacts, installs: Sequence[Install]) -> bool:
    """Whether an interpreter has all of it already: then pip would install nothing."""
    have = _installed(python, facts)
    for text in (text for each in installs for text in each.requirements):
        asked = _requirement(text)
        if asked is None or asked.url or asked.extras:
            return False
        if asked.marker and not asked.marker.evaluate(dict(facts.markers)):
            continue
        version = have.get(canonicalize_name(asked.name))
        if version is None or not asked.specifier.contains(version, prereleases=True):
            return False
    return True


def _installed(python: Path, facts: InterpreterFacts) -> dict[str, str]:
    """The distributions beside an interpreter, by what lies there; it is not started."""
    minor = ".".join(facts.python.split(".")[:2])
    found = {}
    for path in python.parent.parent.glob(f"lib*/python{minor}/site-packages/*.dist-info"):
        name, _, version = path.name.removesuffix(".dist-info").rpartition("-")
        found[str(canonicalize_name(name))] = version
    return found


def _requirement(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def _named(installs: Sequence[Install]) -> str:
    """The requirements for eyes, without what only older Pythons need."""
    texts = [text for each in installs for text in each.requirements if "python_version<" not in text]
    shown = ", ".join(dict.fromkeys(texts))
    return shown if len(shown) <= 60 else f"{shown[:59]}…"


def pinned(
    installs: Sequence[Install], facts: InterpreterFacts, environ: Mapping[str, str], keeping: Keeping
) -> tuple[Pin, ...]:
    """Exactly the distributions that calls of pip would leave behind, with hashes; EnvironmentFailed, with uv's
    reason, if there is no such set."""
    whose = [facts.python, facts.implementation, facts.platform, facts.executable]
    key = f"stock-{digest([_SCHEMA, [*whose], [dump(each) for each in installs]])}"
    kept = keeping.get(key)
    older = _loaded(kept)
    if older is not None and 0 <= time.time() - older[0] < _FRESH:
        return older[1]
    try:
        found = _resolved(installs, facts, environ)
    except EnvironmentFailed as error:
        if older is None:
            raise
        log.warning("%s now: what was found earlier is used", error.message)
        return older[1]
    keeping.put(key, [time.time(), [dump(pin) for pin in found]])
    return found


def _loaded(kept: object) -> tuple[float, tuple[Pin, ...]] | None:
    match kept:
        case [float(at), list(pins)]:
            return at, tuple(load(Pin, pin) for pin in pins)
        case _:
            return None


def _resolved(installs: Sequence[Install], facts: InterpreterFacts, environ: Mapping[str, str]) -> tuple[Pin, ...]:
    """What depends on others is resolved together; what is installed alone replaces what came before, as with pip."""
    together = [text for each in installs if each.dependencies for text in each.requirements]
    alone = [text for each in installs if not each.dependencies for text in each.requirements]
    options, found = _options(installs, environ), dict[str, Pin]()
    for texts, how in ((together, []), (alone, ["--no-deps"])):
        if texts:
            said = _compiled(texts, [*how, *options], facts, environ, f"{_named(installs)} cannot be installed")
            found |= {pin.name: pin for pin in said}
    return tuple(found[name] for name in sorted(found))


def _compiled(
    texts: Sequence[str], options: Sequence[str], facts: InterpreterFacts, environ: Mapping[str, str], what: str
) -> Iterator[Pin]:
    how = ("--quiet", "--no-header", "--no-annotate", "--generate-hashes", "--index-strategy", "unsafe-best-match")
    command = uv.find(environ)
    said = command(
        *("pip", "compile", *how, "--python", facts.executable, *options, "-"),
        where=Path("/"),
        what=what,
        text="".join(f"{text}\n" for text in texts),
    )
    try:
        entries = locks.exported(said)
    except ValueError as error:
        raise EnvironmentFailed(what, str(error)) from None
    for name, (entry, *_) in entries.items():
        yield Pin(name=name, version=entry.version, hashes=entry.hashes, url=entry.url)


def _options(installs: Sequence[Install], environ: Mapping[str, str]) -> list[str]:
    """Where uv looks: where pip would, the component's own indexes first."""
    indexes = list(dict.fromkeys(each for install in installs for each in install.indexes))
    usual = uv.sources(environ, Path("/"))
    if indexes:
        pairs = list(zip(usual[::2], usual[1::2], strict=False))
        usual = [part for pair in pairs if pair[0] != "--default-index" for part in pair]
        usual += ["--default-index", indexes[0], *(part for each in indexes[1:] for part in ("--index", each))]
    hosts = dict.fromkeys(_host(each) for install in installs for each in install.trusted)
    return [*usual, *(part for host in hosts for part in ("--allow-insecure-host", host))]


def _host(text: str) -> str:
    """The SDK writes whole addresses where pip wants a host."""
    return urlsplit(text).netloc.rpartition("@")[2] if "://" in text else text
