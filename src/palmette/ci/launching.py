"""Begin the runs of a commit, each once, however often its job is started; and remember them as checks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Concatenate, Final, ParamSpec, Protocol, TypeVar

from palmette.ci import experiments
from palmette.ci.tickets import tickets
from palmette.ci.waiting import Awaited, Bell, Waited, wait
from palmette.domain.branches import Check, Kind
from palmette.domain.context import Context
from palmette.domain.footer import split
from palmette.domain.hosting import Experiment, Version
from palmette.domain.states import RunState
from palmette.errors import AccessDenied, PalmetteError, ServerError
from palmette.operations import checks, handing
from palmette.operations.accepting import Request
from palmette.operations.closures import Closure
from palmette.operations.home import Home
from palmette.operations.hosts import PipelineHost
from palmette.operations.places import Place
from palmette.operations.project import Project
from palmette.operations.remote import There
from palmette.operations.scopes import Names

P = ParamSpec("P")
T = TypeVar("T")

#: what stands of a digest in a key
_DIGITS: Final = 20
#: so many versions of a pipeline are looked at for a commit's
_VERSIONS: Final = 100
_ANEW: Final = (RunState.FAILED, RunState.CANCELED)


@dataclass(frozen=True, kw_only=True)
class Ground:
    """Where runs are begun, and for whom."""

    place: Place
    host: PipelineHost
    project: Project
    environ: Mapping[str, str]
    context: Context
    #: where files that overrides name begin
    directory: Path
    #: is told what happens, a line at a time
    say: Callable[[str], None]
    #: the image that a Kubeflow's versions are compiled with, if they are not there yet
    image: str = ""

    @cached_property
    def experiment(self) -> Experiment | None:
        """The branch's experiment: the one that is there, taken out of the archive, or a new one with the text of the
        branch's tickets; None where there is no branch."""
        return _experiment(self)

    def ask(self, operation: Callable[Concatenate[Home, P], T], *values: P.args, **named: P.kwargs) -> T:
        """What the operation gives in the home; of a server asked again where no answer came. It may be said twice."""
        place = self.place.begun()
        if isinstance(place, There):
            return handing.surely(place, operation, *values, **named)
        return place(operation, *values, **named)

    @property
    def job(self) -> Context:
        """What a check keeps of the job: not what a person wrote at length."""
        return replace(self.context, description="", remarks=())

    @property
    def lent(self) -> Mapping[str, str]:
        """The environment, which says of which branch and commit a run is, whatever is checked out."""
        said = {"PALMETTE_BRANCH": self.context.branch, "PALMETTE_COMMIT": self.context.head}
        return {**self.environ, **{name: value for name, value in said.items() if value}}

    @cached_property
    def names(self) -> Names:
        """How the project's objects are called on the host."""
        return Names(prefix=self.host.claim(self.project.name), project=self.project.name)


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A run that is wanted."""

    algorithm: str
    kind: Kind
    closure: Closure
    #: why, as a sentence without a full stop
    reason: str
    preset: str | None = None
    #: "C=0.1"
    overrides: tuple[str, ...] = ()
    config: Path | None = None
    #: even if there is one of this commit that succeeded or runs
    rerun: bool = False

    @property
    def variant(self) -> str:
        """Tells it from others of the commit; empty for what is no variant."""
        return self.what if self.kind is Kind.VARIANT else ""

    @property
    def what(self) -> str:
        """Identifies what is executed: the code, and the values that are set."""
        values = self.config.read_text(encoding="utf-8", errors="replace") if self.config else ""
        return _digest([self.closure.digest, self.preset, list(self.overrides), values])


@dataclass(frozen=True, kw_only=True)
class Launched:
    """What became of a wish."""

    check: Check
    #: the run as whoever executes it knows it; empty where it could not be begun
    run: str = ""
    #: None where its run is not here
    state: RunState | None = None
    #: it was begun before, by this job or by another one
    attached: bool = False
    link: str = ""
    #: why it could not be begun
    error: PalmetteError | None = None


@dataclass(frozen=True, kw_only=True)
class Begun:
    """A run at whoever executes it."""

    id: str
    state: RunState
    #: its identifier in the home, where that is another one
    home: str = ""
    attached: bool = False


class Executor(Protocol):
    """Whoever executes runs: this process, a Palmette server, a Kubeflow."""

    #: whoever asks for a run chooses its identifier
    chosen: bool

    def begin(self, wish: Wish, check: Check) -> Begun:
        """Begin the run of a check, which has its identifier and its key; the one that has them, if it was begun."""
        ...

    def attach(self, check: Check) -> Begun:
        """A run that was begun before."""
        ...

    def found(self, wish: Wish) -> Check | None:
        """The newest check of the commit, as its runs tell it, where the home does not know of one."""
        ...

    def states(self, runs: Sequence[str]) -> Mapping[str, RunState]:
        """Run → its state now; one that is not there is left out."""
        ...

    def instead(self, run: str) -> Begun | None:
        """The run that another job began at the same moment, and that this one was given up for; None mostly."""
        ...

    def cancel(self, run: str) -> None: ...

    def link(self, run: str) -> str:
        """Where it can be looked at."""
        ...


def request_of(wish: Wish, ground: Ground, check: Check, experiment: str = "") -> Request:
    """What is asked of whoever records it. A run of CI reads the outside world again."""
    version = version_of(ground, wish.algorithm)
    return Request(
        preset=wish.preset,
        config=wish.config,
        overrides=wish.overrides,
        directory=ground.directory,
        trigger="ci",
        id=check.run,
        experiment=experiment,
        pipeline=version.pipeline if version else "",
        version=version.id if version else "",
    )


def version_of(ground: Ground, algorithm: str) -> Version | None:
    """The newest version of an algorithm's pipeline that was uploaded for this commit; None without any."""
    pipeline = ground.host.pipelines.named(ground.names.pipeline(algorithm))
    for version in islice(ground.host.pipelines.versions(pipeline.id), _VERSIONS) if pipeline else ():
        _, facts = split(version.description)
        if facts.get("commit") == ground.context.head and facts.get("project") == ground.project.name:
            return version
    return None


# What is to be done


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Whether a run is begun: with this key and, if the key's owner had chosen one, with this identifier."""

    attach: bool
    key: str
    run: str = ""


def choose(known: Check | None, state: RunState | None, wish: Wish, context: Context) -> Choice:
    """Attach to the commit's run of the same, or begin one. Whoever starts the same job again gets its run, whatever
    became of it; a new pipeline gets another one only if the last failed or was canceled, or if it says so."""
    key = key_of(wish, context)
    if known is None or not known.run or known.unchanged:
        return Choice(attach=False, key=key)
    mine = known.key.partition(".")[0] == key
    if state is None:
        # Chosen, and never begun: whoever chose it was killed in between.
        return Choice(attach=False, key=known.key, run=known.run) if mine else Choice(attach=False, key=key)
    if mine and context.pipeline and state is not RunState.CANCELED:
        return Choice(attach=True, key=known.key)
    if known.key.partition("-")[0] == wish.what and not wish.rerun and state not in _ANEW:
        return Choice(attach=True, key=known.key if mine else key)
    # Of two jobs that get here at once, both say which run theirs comes after, and begin one.
    return Choice(attach=False, key=f"{key}.{known.run}" if mine else key)


def key_of(wish: Wish, context: Context) -> str:
    """What is executed, then who asks for it: a pipeline or, of a run that is to be a new one, a job."""
    who = [context.head, wish.algorithm, wish.kind.value, context.pipeline, context.job if wish.rerun else ""]
    return f"{wish.what}-{_digest(who)}"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:_DIGITS]


# Doing it


def _experiment(ground: Ground) -> Experiment | None:
    branch = ground.context.branch
    if not branch:
        return None
    name = ground.names.experiment(branch)
    found = ground.host.experiments.named(name)
    if found is not None and found.archived is None:
        return found
    known = tickets(ground.place, ground.project, ground.context, ground.environ, say=ground.say)
    experiments.file(ground.host, ground.names, branch, known)
    return ground.host.experiments.named(name)


def launch(ground: Ground, wishes: Iterable[Wish], executor: Executor, bell: Bell) -> list[Launched]:
    """Begin each run, or find the one that was begun. What is wrong with one of them leaves the others alone; a server
    that does not answer ends it."""
    known = {(each.algorithm, each.kind, each.variant): each for each in ground.ask(checks.of, ground.context.head)}
    done: list[Launched] = []
    for wish in wishes:
        if bell.signal:
            break
        before = known.get((wish.algorithm, wish.kind, wish.variant)) or executor.found(wish)
        try:
            done.append(_launched(ground, wish, executor, before))
        except (AccessDenied, ServerError):
            raise
        except PalmetteError as error:
            check = _check(ground, wish, key="", reason=f"it could not be begun: {error.message}")
            done.append(Launched(check=ground.ask(checks.record, check), error=error))
    return done


def _launched(ground: Ground, wish: Wish, executor: Executor, known: Check | None) -> Launched:
    state = executor.states([known.run]).get(known.run) if known and known.run else None
    choice = choose(known, state, wish, ground.context)
    if choice.attach and known is not None:
        check = replace(known, key=choice.key, context=ground.job, branch=ground.context.branch, created=0.0)
        check = replace(check, settled=None, tries=0, trouble="")
        begun = executor.attach(check)
    else:
        check = _check(ground, wish, key=choice.key, reason=wish.reason, run=choice.run)
        if executor.chosen:
            # Known before it is begun: whoever asks for the same meanwhile, or again, gets the same run.
            check = ground.ask(checks.record, replace(check, run=check.run or handing.new_run_id()))
        begun = executor.begin(wish, check)
    check = ground.ask(checks.record, replace(check, run=begun.home or begun.id))
    return Launched(
        check=check,
        run=begun.id,
        state=begun.state,
        attached=choice.attach or begun.attached,
        link=executor.link(begun.id),
    )


def _check(ground: Ground, wish: Wish, *, key: str, reason: str, run: str = "") -> Check:
    return Check(
        project=ground.project.name,
        commit=ground.context.head,
        algorithm=wish.algorithm,
        kind=wish.kind,
        variant=wish.variant,
        run=run,
        branch=ground.context.branch,
        closure=wish.closure.digest,
        parts=wish.closure.parts,
        reason=reason,
        key=key,
        context=ground.job,
    )


def unchanged(ground: Ground, algorithm: str, closure: Closure, since: str, commit: str) -> Check:
    """Remember that an algorithm was not run, since an earlier run stands for it, maybe one of this very commit."""
    kept = Check(
        project=ground.project.name,
        commit=ground.context.head,
        algorithm=algorithm,
        kind=Kind.TOY,
        run=since,
        unchanged=commit != ground.context.head,
        branch=ground.context.branch,
        closure=closure.digest,
        parts=closure.parts,
        reason=f"unchanged since {since}",
        context=ground.job,
    )
    known = {each.algorithm: each for each in ground.ask(checks.of, kept.commit) if each.kind is Kind.TOY}
    there = known.get(algorithm)
    return there if there and there.run == since else ground.ask(checks.record, kept)


def awaited(
    launched: Sequence[Launched], executor: Executor, bell: Bell, until: float | None, say: Callable[[str], None]
) -> Waited:
    """Wait for those that were begun and are not over."""
    live = [each for each in launched if each.run and not (each.state and each.state.final)]
    runs = [Awaited(id=each.run, algorithm=each.check.algorithm, link=each.link) for each in live]
    states = {each.run: each.state for each in launched if each.run and each.state}
    if runs:
        known = {each.run: states[each.run] for each in live if each.run in states}
        found = wait(executor, runs, clock=bell, until=until, say=say, stopped=lambda: bell.signal, known=known)
        states |= found.states
    return Waited(states=states, signal=bell.signal)


def standing(ground: Ground, launched: Launched, executor: Executor) -> Launched:
    """With the run that it was given up for, if it was."""
    begun = executor.instead(launched.run)
    if begun is None:
        return launched
    link = executor.link(begun.id)
    ground.say(f"{launched.check.algorithm} {launched.run} was canceled for {begun.id}, begun as well: {link}")
    check = ground.ask(checks.record, replace(launched.check, run=begun.home or begun.id))
    return replace(launched, check=check, run=begun.id, link=link, attached=True)
