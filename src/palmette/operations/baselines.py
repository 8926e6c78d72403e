"""Which run a run is compared with: the facts that the rule asks for, from the store and the repository at hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from palmette.comparison import baseline as rule
from palmette.comparison.baseline import Candidate, Choice, Rule
from palmette.domain.lines import Commit, Line, Start
from palmette.domain.run import Run
from palmette.domain.states import RunState
from palmette.errors import NotFound
from palmette.operations import lines, reading
from palmette.operations.home import Home
from palmette.operations.places import Place
from palmette.operations.project import Project
from palmette.store import candidates, commits, pins, promotions, runs
from palmette.store.candidates import Standing, Wanted
from palmette.store.pins import Pin

#: what parts an algorithm from an alias
_SIGN = promotions.SIGN
#: the target of a run from before it was remembered, where there is no repository either
_USUAL = "main"


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A run, its baseline, and how that was found."""

    head: Run
    #: None where there is none
    baseline: Run | None
    choice: Choice


def asked(place: Place, project: Project | None, environ: Mapping[str, str], ref: str) -> Shown:
    """What a run is compared with, there; where its commit stands is looked up in the repository at hand, if that is
    the run's own project."""
    run = place(reading.show, ref).run
    return place(show, run.id, lines.at_hand(project, run, environ))


def show(home: Home, ref: str, line: Line | None = None, named: str | None = None) -> Shown:
    """What a run is compared with, by which rule, and what was passed over. `line` is where its commit stands in the
    repository at hand; without one, what the run remembers counts."""
    head = runs.get(home.store, ref, project=home.project)
    choice = choose(home, head, line, named)
    return Shown(head=head, baseline=runs.get(home.store, choice.run) if choice.run else None, choice=choice)


def choose(home: Home, head: Run, line: Line | None, named: str | None = None) -> Choice:
    """The run that a run is compared with: the one that is named (a run, ALGORITHM@ALIAS, or an algorithm whose runs
    are looked at instead of its own), else the pinned one, else by the rule. Without a line, what the run remembers of
    its place counts. NotFound if what is named is not there."""
    placed = _settled(home, head, line)
    me = _candidate(candidates.standing(home.store, head.id), head)
    if named is not None:
        return _named(home, head, me, placed, named)
    pin = pins.of(home.store, head)
    pinned = candidates.standing(home.store, pin.run) if pin else None
    if pin and pinned and pinned.run != head.id:
        return rule.given(me, placed, _candidate(pinned), Rule.PINNED, remarks=_pinned(pin))
    remarks: tuple[str, ...] = ("the pinned baseline is this very run",) if pinned else ()
    algorithm, sign, alias = head.fork.against.partition(_SIGN)
    if sign:
        now = promotions.current(home.store, project=head.project, algorithm=algorithm, alias=alias)
        found = candidates.standing(home.store, now[0].run) if now else None
        if found and found.run != head.id:
            return rule.given(me, placed, _candidate(found), Rule.ALIAS, alias=head.fork.against, remarks=remarks)
        remarks += (f"{head.fork.against} is " + ("this very run" if found else "no run yet"),)
    if not line and not head.git.commit and not head.git.branch and algorithm in ("", head.algorithm):
        return _previous(home, head, me, placed, remarks)
    return _walked(home, head, me, placed, algorithm, remarks=remarks)


def _pinned(pin: Pin) -> tuple[str, ...]:
    """Who pinned it and why, where that is known."""
    by, why = f" by {pin.author}" if pin.author else "", f": {pin.reason}" if pin.reason else ""
    return (f"the baseline was pinned{by}{why}",) if by or why else ()


def _named(home: Home, head: Run, me: Candidate, line: Line, named: str) -> Choice:
    try:
        found = runs.get(home.store, named, project=head.project)
    except NotFound:
        if not candidates.known(home.store, head.project, named):
            raise
        found = None
    if found is None or (found.id != named and found.algorithm == named):
        return _walked(home, head, me, line, named)
    standing = _candidate(candidates.standing(home.store, found.id), found)
    alias = named if _SIGN in named else ""
    return rule.given(me, line, standing, Rule.ALIAS if alias else Rule.NAMED, alias=alias)


def _walked(
    home: Home, head: Run, me: Candidate, line: Line, algorithm: str, *, remarks: tuple[str, ...] = ()
) -> Choice:
    """By the rule, among the runs of this algorithm, or of the head's own."""
    other = algorithm if algorithm != head.algorithm else ""
    wanted = Wanted(project=head.project, algorithm=other or head.algorithm, preset=head.preset, head=head.id)
    found = candidates.nearest(home.store, wanted, line.commits)
    if not any(_fits(each) for each in found):
        found += candidates.newest(home.store, wanted, line.target)
    every = tuple({each.run: _candidate(each) for each in found}.values())
    return rule.choose(me, line, every, remarks=remarks, alias=other)


def _fits(standing: Standing) -> bool:
    return standing.succeeded and not standing.overrides and not standing.dirty


def _previous(home: Home, head: Run, me: Candidate, line: Line, remarks: tuple[str, ...]) -> Choice:
    """The run before it, where nothing is known of commits."""
    wanted = Wanted(project=head.project, algorithm=head.algorithm, preset=head.preset, head=head.id)
    found = [_candidate(each) for each in candidates.previous(home.store, wanted, head.created)]
    return rule.previous(me, line, found, remarks=remarks)


def _candidate(standing: Standing | None, run: Run | None = None) -> Candidate:
    """A run as the rule takes it; one that is not in the store as it is given."""
    if standing is not None:
        return Candidate(
            run=standing.run,
            algorithm=standing.algorithm,
            preset=standing.preset,
            commit=standing.commit,
            branch=standing.branch,
            created=standing.created,
            succeeded=standing.succeeded,
            overrides=standing.overrides,
            dirty=standing.dirty,
            data=standing.data,
        )
    if run is None:
        raise NotFound("the run was deleted in the meantime")
    return Candidate(
        run=run.id,
        algorithm=run.algorithm,
        preset=run.preset,
        commit=run.git.commit,
        branch=run.git.branch,
        created=run.created,
        succeeded=run.state is RunState.SUCCEEDED,
        dirty=run.git.dirty,
    )


# The line


def _settled(home: Home, head: Run, line: Line | None) -> Line:
    """The line that is walked: the repository's, unless the run remembers more than that knows."""
    kept = _kept(home, head, line)
    if line is None:
        return _nearer(home, head, kept)
    asked = kept.start is Start.DIFF_BASE and line.start is not Start.DIFF_BASE
    if kept.start is not Start.NONE and (line.start is Start.NONE or asked):
        where = f"where it left {kept.target} was recorded with the run"
        return _nearer(home, head, replace(kept, remarks=(*line.remarks, where, *kept.remarks)))
    own = (*line.own, *kept.own) if line.start is Start.NONE else line.own
    line = _nearer(home, head, replace(line, own=own))
    if not line.shallow or not line.commits:
        return line
    further = commits.walk(home.store, head.project, line.commits[-1])
    return replace(line, commits=(*line.commits[:-1], *_names(further, line.commits[-1])))


def _nearer(home: Home, head: Run, line: Line) -> Line:
    """The line, from the nearest of the head's own commits on that other runs told of as the target branch's."""
    told = commits.told(home.store, head.project, line.target) if line.own else ()
    met = next((name for name in line.own if name in told), "")
    if not met:
        return replace(line, own=())
    where = f"where it left {line.target} is known from other runs' commits"
    return replace(_from(home, head, line, met), own=(), remarks=(*line.remarks, where))


def _from(home: Home, head: Run, line: Line, met: str) -> Line:
    """The line from a commit of the target branch on, which the head comes from, or is."""
    names = _names(commits.walk(home.store, head.project, met), met)
    if met != head.git.commit:
        return replace(line, start=Start.MERGE_BASE, commits=names)
    if lines.more(head):
        return replace(line, start=Start.COMMIT, commits=names)
    return replace(line, start=Start.FIRST_PARENT, commits=names[1:])


def _kept(home: Home, head: Run, here: Line | None) -> Line:
    """The line that the run remembers; else that of another run of its commit, to the target of this line if there is
    one. What this one knows of the commits further back is taken from it."""
    fork, remarks = head.fork, list[str]()
    if fork.start is Start.NONE and head.git.commit:
        other = candidates.fork(home.store, head, here.target if here else "")
        if other.start is not Start.NONE:
            fork = other
            remarks.append("where it stood is known from another run of its commit")
    target = fork.target or (_USUAL if head.git.commit or head.git.branch else "")
    if fork.start is Start.NONE:
        return Line(target=target, start=fork.start, own=_own(home, head))
    start, first = fork.start, fork.commit
    if start.on_target:
        start, first = (Start.COMMIT if lines.more(head) else Start.FIRST_PARENT), head.git.commit
    names = _names(commits.walk(home.store, head.project, first), first) if first else ()
    if start is Start.FIRST_PARENT:
        names = names[1:] or ((fork.commit,) if fork.commit not in ("", first) else ())
    known = here.commits[here.commits.index(names[0]) :] if here and names and names[0] in here.commits else ()
    if len(known) > len(names):
        names = known
    elif fork.shallow:
        plural = "commit is" if len(names) == 1 else "commits are"
        remarks.append(f"it was run from a shallow clone: {len(names)} {plural} known of {target}")
    own = _own(home, head, names[0]) if start is Start.MERGE_BASE and names else ()
    return Line(target=target, start=start, commits=names, own=own, remarks=tuple(remarks))


def _own(home: Home, head: Run, end: str = "") -> tuple[str, ...]:
    """The head's own commits along first parents, as far as they are known, up to this one, and what was merged into
    them; nothing if that is none of them."""
    if not head.git.commit:
        return ()
    names = _names(commits.walk(home.store, head.project, head.git.commit), head.git.commit)
    if end:
        names = names[: names.index(end)] if end in names else ()
    # What was merged is newer on its branch than where this one left that.
    return (*names[:1], *head.fork.merged, *names[1:])


def _names(history: tuple[Commit, ...], first: str) -> tuple[str, ...]:
    """The names of commits, and that of the one before them, which nobody told of; at least the first one."""
    last = history[-1].parent if history else ""
    return (*(each.sha for each in history), *([last] if last else [])) or (first,)
