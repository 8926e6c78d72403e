"""Which algorithms a commit is tried with, and why: those of which something changed since they last trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from importlib import import_module
from typing import Final

from palmette.ci.earlier import Before, remembered, silent
from palmette.domain.context import Context
from palmette.domain.fields import TOY
from palmette.domain.states import RunState, became
from palmette.errors import AccessDenied, ServerError
from palmette.ir.dialects import Dialect
from palmette.operations.closures import LOCK, PYTHON, SETTINGS, Closure, closures, differing
from palmette.operations.continuing import Toy
from palmette.operations.hosts import PipelineHost
from palmette.operations.places import Place
from palmette.operations.project import Project

_SHARED: Final[Mapping[str, str]] = {
    LOCK: "the lock",
    PYTHON: "the version of Python",
    SETTINGS: "settings in [tool.palmette]",
}


class Finding(StrEnum):
    """How an algorithm stands to its last toy run on the branch that it is compared with."""

    #: something that goes into it is not what it was
    CHANGED = "changed"
    #: it has no toy run there
    NEVER = "never tried"
    #: whoever remembers its toy runs did not answer
    UNKNOWN = "not known"
    #: the last one did not succeed
    FAILED = "failed last"
    UNCHANGED = "unchanged"
    #: it has no toy preset
    UNABLE = "no toy preset"
    #: nothing changed, and it is tried all the same
    ASKED = "asked for"


@dataclass(frozen=True, kw_only=True)
class Planned:
    """One algorithm of the plan."""

    algorithm: str
    finding: Finding
    #: a sentence without a full stop
    reason: str
    closure: Closure
    #: the names of the parts that changed
    changed: tuple[str, ...] = ()
    #: the run that it is compared with, and its commit; empty for none
    since: str = ""
    commit: str = ""

    @property
    def tried(self) -> bool:
        """Whether it is run."""
        return self.finding not in (Finding.UNCHANGED, Finding.UNABLE)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a commit is tried with."""

    branch: str
    commit: str
    #: the branch whose toy runs are compared with
    against: str
    algorithms: tuple[Planned, ...] = ()
    #: what should be known of it, as sentences without a full stop
    remarks: tuple[str, ...] = field(default_factory=tuple)


def plan(
    place: Place,
    host: PipelineHost,
    project: Project,
    environ: Mapping[str, str],
    context: Context,
    *,
    names: Sequence[str] = (),
    forced: str = "",
) -> Plan:
    """Compare what goes into each algorithm now with what went into its last toy run on the target branch, that
    succeeded. By content: so neither a shallow clone nor a squashed merge matters. `forced` says what all are tried
    for, changed or not: "--all"."""
    now = closures(project, names, environ=environ)
    against = context.compared_with or context.branch
    before = known(place, host, project, against, environ)
    if not forced and project.ci.toy is Toy.ALL and context.on_default:
        forced = 'toy = "all" on the default branch'
    # Whoever names one is told by its source, when it is tried, what presets there are.
    unable = [name for name, closure in now.items() if not names and _unable(closure)]
    return Plan(
        branch=context.branch,
        commit=context.head,
        against=against,
        algorithms=tuple(
            Planned(algorithm=name, finding=Finding.UNABLE, reason="whether it trains is not tried", closure=closure)
            if name in unable
            else judged(name, closure, before, against, forced)
            for name, closure in now.items()
        ),
        remarks=(*((before.why,) if before.why and len(unable) < len(now) else ()), *_lacking(unable)),
    )


def _unable(closure: Closure) -> bool:
    return closure.presets is not None and TOY not in closure.presets


def _lacking(unable: Sequence[str]) -> Iterator[str]:
    if unable:
        whose = f"{unable[0]} has" if len(unable) == 1 else f"{', '.join(unable)} have"
        yield f'{whose} no toy preset; give one: @algorithm(config=Config, presets={{"toy": Config(…)}})'


def judged(name: str, closure: Closure, before: Before, against: str, forced: str = "") -> Planned:
    """How an algorithm stands to what was tried before."""
    good, newest = before.succeeded.get(name), before.newest.get(name)
    since, commit = (good.check.run, good.check.commit) if good else ("", "")

    def found(finding: Finding, reason: str, changed: tuple[str, ...] = ()) -> Planned:
        return Planned(
            algorithm=name, finding=finding, reason=reason, closure=closure, changed=changed, since=since, commit=commit
        )

    failed = newest is not None and newest.state in (RunState.FAILED, RunState.CANCELED)
    if newest and newest.state and failed and (good is None or newest.check.closure == closure.digest):
        return found(Finding.FAILED, f"its last toy run on {against}, {newest.check.run}, {became(newest.state)}")
    if good is None and before.silent:
        return found(Finding.UNKNOWN, "whether it was tried before cannot be asked for")
    if good is None:
        return found(Finding.NEVER, f"no toy run of it on {against or 'any branch'} is known")
    if good.check.closure == closure.digest:
        reason = f"unchanged since {since}"
        return found(Finding.ASKED, f"{reason}, tried for {forced}") if forced else found(Finding.UNCHANGED, reason)
    changed = differing(good.check.parts, closure.parts) if good.check.parts else ()
    return found(Finding.CHANGED, _said(changed, good.check.parts, closure, since), changed)


def _said(changed: Sequence[str], before: Mapping[str, str], closure: Closure, since: str) -> str:
    """What changed, in words: the first thing whole, of more than that how many."""
    if not changed:
        return f"it is not what it was in {since}"
    first, *others = sorted(changed, key=lambda name: not (name in before and name in closure.parts))
    more = f" and {len(others)} more" if others else ""
    if first in _SHARED:
        return f"{_SHARED[first]}{more} changed"
    if first not in closure.parts:
        return f"{first}{more} changed, which it does not need any more" if not others else f"{first}{more} changed"
    verb = "changed" if first in before or others else "came in"
    by = closure.why.get(first, "").partition(":")[0]
    importer = f", which {by} {'imports' if first.endswith('.py') else 'needs'}" if by and not others else ""
    return f"{first}{more} {verb}{importer}"


def known(place: Place, host: PipelineHost, project: Project, branch: str, environ: Mapping[str, str]) -> Before:
    """The toy runs of a branch: what the home remembers, else what a Kubeflow's runs say of themselves."""
    before = remembered(place, branch)
    if host.dialect is Dialect.PALMETTE:
        return before
    ordering = import_module("palmette.ci.ordering")
    try:
        unsure = [each.check.created for each in before.newest.values() if each.state is None or not each.state.final]
        if unsure:
            ordering.bring(place, host, project, environ, min(unsure))
            before = remembered(place, branch)
        found: Before | None = None if before.succeeded else ordering.before(host, project, branch)
    except AccessDenied:
        raise
    except ServerError as error:
        return silent(error)
    return found or before
