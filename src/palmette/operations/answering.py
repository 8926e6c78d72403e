"""Is this run better than its baseline? The whole of it, here or on a server: what is missing is executed first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from palmette.domain.run import Run
from palmette.errors import AccessDenied, Interrupted, PalmetteError, UsageError
from palmette.operations import attending, between, extras, judging, lines, reading
from palmette.operations.comparing import Compared
from palmette.operations.extras import Extra
from palmette.operations.interrupts import Interrupts
from palmette.operations.places import Here, Place
from palmette.operations.project import Project
from palmette.operations.remote import There
from palmette.operations.watching import Watch
from palmette.store import runs


def compare(
    place: Place,
    project: Project | None,
    environ: Mapping[str, str],
    head: str = "last",
    baseline: str | None = None,
    *,
    watch: Watch = lambda _: None,
) -> Compared:
    """Compare a run with the one that was named, or that the rule finds. Extra tasks that tell more are executed where
    the runs are, and watched; one that cannot be leaves a remark, and the comparison as good as it is without."""
    run = _run(place, head)
    own = project if project is not None and run.project == project.name else None
    line = lines.at_hand(own, run, environ)
    found = place(judging.judged, run.id, baseline, line)
    if own is not None:
        found = between.told(found, own.root, environ)
    if not found.wanting or found.comparison.baseline is None:
        return found
    other = found.comparison.baseline.run.id
    remarks = tuple(_executed(place, project, environ, (run.id, other), watch))
    again = place(judging.judged, run.id, other, line)
    verdict = again.verdict and replace(again.verdict, remarks=(*again.verdict.remarks, *remarks))
    comparison = replace(again.comparison, commits=found.comparison.commits)
    return replace(again, comparison=comparison, choice=found.choice, verdict=verdict)


def _run(place: Place, ref: str) -> Run:
    if isinstance(place, Here):
        return runs.get(place.home.store, ref, project=place.home.project)
    return place(reading.show, ref).run


def _executed(
    place: Place, project: Project | None, environ: Mapping[str, str], pair: tuple[str, str], watch: Watch
) -> Iterator[str]:
    """Execute what has still to be, one thing after the other, since what comes next depends on it; remarks on what
    could not be, as sentences without a full stop."""
    done: list[Extra] = []
    while extra := next((each for each in place(extras.needed, *pair) if each not in done), None):
        done.append(extra)
        try:
            _execute(place, project, environ, extra, watch)
        except Interrupted:
            raise
        except AccessDenied:
            yield f"{extra.title}: not done, since this token may only read"
            return
        except PalmetteError as error:
            yield f"{extra.title}: not done: {error.message}"


def _execute(place: Place, project: Project | None, environ: Mapping[str, str], extra: Extra, watch: Watch) -> None:
    if isinstance(place, There):
        taken = place(extras.accept, extra)
        with Interrupts() as signals:
            attending.attend(place, taken, watch, signals)
    elif project is not None:
        extras.execute(project, environ, extra, watch)
    else:
        raise UsageError("there is no project here whose Python could execute it")
