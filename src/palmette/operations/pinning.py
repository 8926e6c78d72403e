"""Pinned baselines: runs that somebody said others are to be compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from palmette.domain.run import Run
from palmette.domain.states import RunState, became
from palmette.errors import Conflict, NotFound, Problem
from palmette.operations.home import Home
from palmette.store import pins, runs
from palmette.store.pins import Pin


def pin(home: Home, ref: str, branch: str = "", reason: str = "", *, author: str = "", caller: str = "") -> Pin:
    """Compare runs of the run's algorithm and preset with it from now on: those of a branch, or of every one. Conflict
    for a run that is none to compare with."""
    run = runs.get(home.store, ref, project=home.project)
    if problems := tuple(_problems(run)):
        raise Conflict(f"run {run.id} of {run.algorithm} cannot be a baseline", problems=problems)
    wanted = Pin(
        project=run.project,
        algorithm=run.algorithm,
        preset=run.preset,
        branch=branch.strip(),
        run=run.id,
        author=caller or author,
        reason=reason.strip(),
    )
    return pins.put(home.store, wanted)


def unpin(home: Home, algorithm: str, preset: str | None = None, branch: str | None = None) -> tuple[Pin, ...]:
    """Let the rule find the baselines of an algorithm again: all of them, those of a preset, or those of a branch. The
    pins that are gone; NotFound if there was none."""
    known = pins.listed(home.store, home.project, algorithm)
    gone = tuple(
        each
        for each in known
        if (preset is None or each.preset == preset) and (branch is None or each.branch == branch)
    )
    if not gone:
        raise NotFound(f"no run of {algorithm} is pinned{_narrowed(preset, branch)}", _hint(home, algorithm, known))
    return tuple(each for each in gone if pins.remove(home.store, each))


def listed(home: Home, algorithm: str = "") -> Sequence[Pin]:
    """The pinned baselines of the project, or of an algorithm, by algorithm, preset and branch."""
    return pins.listed(home.store, home.project, algorithm)


def _problems(run: Run) -> Iterator[Problem]:
    if run.trigger == runs.EXTRA:
        yield Problem(where="", what="it is no training: it was executed for a comparison")
    elif run.state is not RunState.SUCCEEDED:
        what = became(run.state) if run.state.final else f"is {run.state.value.lower()}"
        yield Problem(where="", what=f"it {what}", hint="Pin one that succeeded.")


def _narrowed(preset: str | None, branch: str | None) -> str:
    given = {"preset": preset, "branch": branch}
    return "".join(f", {name} {value or '(every)'}" for name, value in given.items() if value is not None)


def _hint(home: Home, algorithm: str, known: Sequence[Pin]) -> str:
    if known:
        found = ", ".join(f"{each.preset} on {each.branch or 'every branch'}" for each in known)
        return f"Pinned are: {found}."
    others = sorted({each.algorithm for each in pins.listed(home.store, home.project)})
    return f"Pinned are runs of: {', '.join(others)}." if others else "Nothing is pinned."
