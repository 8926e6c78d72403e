"""What is taken along and what each step reaches, as plain values for `palmette capture --explain`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from palmette.capture.bundle import assemble, bundle
from palmette.capture.closure import Closure, is_test
from palmette.capture.reach import Reached
from palmette.capture.sources import Kind
from palmette.errors import Problem


@dataclass(frozen=True, kw_only=True)
class ExplainedFile:
    """One file of the bundle, and the first reason for it."""

    path: str
    size: int
    #: "algorithms/tumour.py:14", or "asked for"
    why: str


@dataclass(frozen=True, kw_only=True)
class ExplainedLeft:
    """One file beside those taken that stays behind."""

    path: str
    why: str


@dataclass(frozen=True, kw_only=True)
class ExplainedStep:
    """What one step reaches."""

    name: str
    #: "module:name", sorted
    definitions: tuple[str, ...]
    #: module → why it counts whole
    whole: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A capture, explained."""

    #: digest of the bundle
    digest: str
    files: tuple[ExplainedFile, ...]
    left: tuple[ExplainedLeft, ...]
    third_party: tuple[str, ...]
    #: bytes of the first-party files, as they are
    raw: int
    #: bytes of the archive of the first-party files alone
    packed: int
    #: bytes of the whole archive, Palmette's own parts included
    archive: int
    steps: tuple[ExplainedStep, ...] = ()
    warnings: tuple[Problem, ...] = ()


def explain(closure: Closure, kit: Mapping[str, bytes], steps: Mapping[str, Reached]) -> Explanation:
    """Explain a closure, and what each of the steps, by name, reaches in it."""
    whole = bundle(closure, kit)
    own = {path: content for path, content in whole.files.items() if path not in kit}
    return Explanation(
        digest=whole.digest,
        files=tuple(ExplainedFile(path=each.path, size=each.size, why=str(each.why)) for each in closure.files),
        left=left(closure),
        third_party=closure.third_party,
        raw=sum(each.size for each in closure.files),
        packed=len(assemble(own, python="3.11").archive()),
        archive=len(whole.archive()),
        steps=tuple(
            ExplainedStep(
                name=name,
                definitions=tuple(sorted(reached.definitions)),
                whole=reached.modules_whole,
                digest=reached.digest,
            )
            for name, reached in steps.items()
        ),
        warnings=closure.warnings,
    )


def left(closure: Closure) -> tuple[ExplainedLeft, ...]:
    """The modules beside those taken, in the same top-level packages, and why each stays behind."""
    reasons = {each.path: each.why for each in closure.left}
    taken = {each.path for each in closure.files}
    for top in sorted({each.module.partition(".")[0] for each in closure.files if each.module}):
        package = closure.tree.find(top)
        if package is None or package.kind not in (Kind.PACKAGE, Kind.NAMESPACE):
            continue
        for module in closure.tree.below(package):
            if module.kind is not Kind.NAMESPACE and module.relative not in taken:
                test = "a test" if is_test(module.relative) else "nothing imports it"
                reasons.setdefault(module.relative, test)
    return tuple(ExplainedLeft(path=path, why=why) for path, why in sorted(reasons.items()))
