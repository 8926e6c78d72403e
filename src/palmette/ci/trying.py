"""Train a commit's algorithms from a job: the toy presets of those that changed, or one of them in full."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Final

from palmette.ci import updating
from palmette.ci.embedded import Embedded
from palmette.ci.launching import Executor, Ground, Launched, Wish, awaited, launch, standing, unchanged
from palmette.ci.planning import Finding, Plan, plan
from palmette.ci.sending import Served
from palmette.ci.tickets import tickets
from palmette.ci.waiting import Bell, deadline
from palmette.domain.branches import Check, Kind
from palmette.domain.fields import TOY
from palmette.domain.states import RunState, became
from palmette.errors import PalmetteError, Problem, RunFailed, StillRunning, UsageError
from palmette.ir.dialects import Dialect
from palmette.operations import continuing, jobs
from palmette.operations.closures import closures
from palmette.operations.remote import There

#: The variable that says which values are set, where nobody says so otherwise.
OVERRIDES: Final = "PALMETTE_OVERRIDES"
#: what to do where nobody would execute what is left
_LEFT: Final = "Leave --no-wait out, or name a server that executes the runs: --on NAME, PALMETTE_ON."


@dataclass(frozen=True, kw_only=True)
class Ways:
    """How a job waits for its runs."""

    #: leave once they are begun
    detach: bool = False
    #: seconds; None until the job must end
    patience: float | None = None
    #: begin another run although the commit has one
    rerun: bool = False
    #: a job that is ended ends its runs, too
    cancel: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of the algorithms of a commit."""

    entries: tuple[Launched, ...]
    remarks: tuple[str, ...] = ()
    #: nobody waited
    detached: bool = False
    #: the signal that ended it; 0 for none
    signal: int = 0
    #: the runs were asked to end with it
    canceled: bool = False

    @property
    def failed(self) -> tuple[Launched, ...]:
        """Those of which the run did not succeed."""
        return tuple(each for each in self.entries if each.state in (RunState.FAILED, RunState.CANCELED))

    @property
    def running(self) -> tuple[Launched, ...]:
        """Those of which the run is not over."""
        return tuple(each for each in self.entries if each.state is not None and not each.state.final)


def toy(ground: Ground, bell: Bell, ways: Ways, *, names: Sequence[str] = (), everything: bool = False) -> Outcome:
    """Run the toy preset of each algorithm that changed since it last trained on the target branch, and note of each
    other that it did not change. A toy run shows that an algorithm still trains, and nothing of its quality."""
    _require(ground, ways)
    planned = plan(
        ground.place,
        ground.host,
        ground.project,
        ground.environ,
        ground.context,
        names=names,
        forced="--all" if everything else "--rerun" if ways.rerun else "",
    )
    for remark in planned.remarks:
        ground.say(f"note: {remark}")
    # Before anything runs: a job that is ended in between has said so much.
    known = (*_unchanged(ground, planned), *_unable(ground, planned))
    wishes = [
        Wish(
            algorithm=each.algorithm,
            kind=Kind.TOY,
            closure=each.closure,
            reason=each.reason,
            preset=TOY,
            rerun=ways.rerun,
        )
        for each in planned.algorithms
        if each.tried
    ]
    done = _carried_out(ground, bell, ways, wishes)
    return replace(done, entries=_ordered((*known, *done.entries)), remarks=planned.remarks)


def overrides(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The values that a form of the CI was given in PALMETTE_OVERRIDES: parted by spaces and quoted as in a shell, and
    nothing more of what a shell would do."""
    said = environ.get(OVERRIDES, "")
    try:
        return tuple(shlex.split(said))
    except ValueError as error:
        what = "a quotation is not closed" if "quotation" in str(error) else "it ends with a backslash"
        raise UsageError(f"{OVERRIDES} cannot be read: {what}", "As in: C=0.1 'title=two words'.") from error


def train(ground: Ground, bell: Bell, ways: Ways, wish: Callable[[Wish], Wish], algorithm: str) -> Outcome:
    """Train one algorithm in full, with the branch's own code."""
    _require(ground, ways)
    closure = closures(ground.project, [algorithm], environ=ground.environ)[algorithm]
    asked = Wish(algorithm=algorithm, kind=Kind.FULL, closure=closure, reason="asked for", rerun=ways.rerun)
    return _carried_out(ground, bell, ways, [wish(asked)])


def _require(ground: Ground, ways: Ways) -> None:
    """UsageError where nobody would execute what is left, or where the commit is not known."""
    jobs.commit_of(ground.context)
    here = ground.host.dialect is Dialect.PALMETTE and not isinstance(ground.place, There)
    if ways.detach and here:
        raise UsageError("--no-wait leaves the runs to nobody: this job itself executes them", _LEFT)


def _unchanged(ground: Ground, planned: Plan) -> Iterator[Launched]:
    for each in planned.algorithms:
        if each.finding is Finding.UNCHANGED:
            check = unchanged(ground, each.algorithm, each.closure, each.since, each.commit)
            yield Launched(check=check, state=RunState.SUCCEEDED, attached=not check.unchanged, run=check.run)


def _unable(ground: Ground, planned: Plan) -> Iterator[Launched]:
    """Those that have no toy preset: nothing is kept of them, since nothing was tried."""
    for each in planned.algorithms:
        if each.finding is Finding.UNABLE:
            check = Check(
                project=ground.project.name,
                commit=ground.context.head,
                algorithm=each.algorithm,
                kind=Kind.TOY,
                reason=each.finding.value,
            )
            yield Launched(check=check)


def _ordered(entries: Sequence[Launched]) -> tuple[Launched, ...]:
    return tuple(sorted(entries, key=lambda each: each.check.algorithm))


def _carried_out(ground: Ground, bell: Bell, ways: Ways, wishes: Sequence[Wish]) -> Outcome:
    now = bell.now()
    usual = continuing.seconds(ground.project.ci.wait) if ground.project.ci.wait else None
    limits = [now + span for span in (ways.patience, usual) if span is not None]
    until = deadline(now, ground.context.deadline, *limits)
    executor = executor_of(ground, bell, until)
    launched = launch(ground, wishes, executor, bell) if wishes else []
    states: Mapping[str, RunState] = {each.run: each.state for each in launched if each.state}
    if not ways.detach:
        states = awaited(launched, executor, bell, until, ground.say).states
    entries = [standing(ground, replace(each, state=states.get(each.run)), executor) for each in launched]
    if launched and ground.host.dialect is not Dialect.PALMETTE:
        _brought(ground, now)
    canceled = bool(bell.signal) and ways.cancel
    if canceled:
        for each in entries:
            if each.state is not None and not each.state.final:
                executor.cancel(each.run)
    return Outcome(entries=_ordered(entries), detached=ways.detach, signal=bell.signal, canceled=canceled)


def executor_of(ground: Ground, bell: Bell, until: float | None) -> Executor:
    """Whoever executes the runs: a Kubeflow that is the target, the server that is the home, else this process."""
    if ground.host.dialect is not Dialect.PALMETTE:
        ordered: Executor = _ordering().Ordered(ground=ground, update=lambda: _updated(ground))
        return ordered
    if isinstance(ground.place, There):
        return Served(there=ground.place, ground=ground, bell=bell)
    return Embedded(ground=ground, bell=bell, until=until)


def _ordering() -> Any:
    """What only a Kubeflow needs, with what reads its runs."""
    return import_module("palmette.ci.ordering")


def _brought(ground: Ground, since: float) -> None:
    """Have the home know of the runs. What cannot be brought is only said: reports and `palmette mirror` try again."""
    place, host = ground.place, ground.host
    try:
        _ordering().bring(place, host, ground.project, ground.environ, since)
    except PalmetteError as error:
        ground.say(f"note: runs of {host.called} cannot be brought here just now: {error.message}")


def _updated(ground: Ground) -> object:
    """Upload what the commit's runs are of, where no job did so before."""
    known = tickets(ground.place, ground.project, ground.context, ground.environ, say=ground.say)
    return updating.update(
        ground.place,
        ground.host,
        ground.project,
        ground.environ,
        context=ground.context,
        tickets=known,
        image=ground.image,
        say=ground.say,
    )


def require(outcome: Outcome) -> None:
    """Raise what keeps the job from being a success: what could not be begun, then what failed, then what runs."""
    errors = [(each.check.algorithm, each.error) for each in outcome.entries if each.error]
    if len(errors) == 1:
        raise errors[0][1]
    if errors:
        raise _together(errors)
    if outcome.failed:
        words = [f"{each.check.algorithm} {became(each.state)}" for each in outcome.failed if each.state]
        raise RunFailed(", ".join(words), f"See: {'; '.join(each.link for each in outcome.failed)}.")
    if outcome.running and not outcome.detached:
        links = "; ".join(each.link for each in outcome.running)
        raise StillRunning(f"{_counted(len(outcome.running))} still running", f"Look later: {links}.")


def _counted(count: int) -> str:
    return "a run is" if count == 1 else f"{count} runs are"


def _together(errors: Sequence[tuple[str, PalmetteError]]) -> PalmetteError:
    problems = [
        Problem(where=f"{algorithm}: {each.where}".removesuffix(": "), what=each.what, hint=each.hint)
        for algorithm, error in errors
        for each in (error.problems or (Problem(where="", what=error.message, hint=error.hint),))
    ]
    raised = PalmetteError(f"{len(errors)} algorithms could not be begun", problems=problems)
    raised.exit_code = errors[0][1].exit_code
    return raised
