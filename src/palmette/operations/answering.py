"""Is this run better than its baseline? The whole of it, here or on a server: what is missing is executed first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from importlib import import_module

from palmette.domain.lines import Line
from palmette.domain.run import Run
from palmette.errors import AccessDenied, Interrupted, PalmetteError
from palmette.operations import between, extras, judging, lines, reading
from palmette.operations.comparing import Compared
from palmette.operations.extras import Purpose
from palmette.operations.places import Here, Place
from palmette.operations.project import Project
from palmette.operations.watching import Watch
from palmette.store import runs


def compare(
    place: Place,
    project: Project | None,
    environ: Mapping[str, str],
    head: str = "last",
    baseline: str | None = None,
    *,
    again: bool = False,
    watch: Watch = lambda _: None,
    say: Callable[[str], None] = lambda _: None,
) -> Compared:
    """Compare a run with the one that was named, or that the rule finds. Extra tasks that tell more are executed where
    the runs are, and watched; one that cannot be leaves a remark, and the comparison as good as it is without. `again`:
    those that failed before are tried once more. `say` is told why it takes long, a sentence each time."""
    run = _run(place, head)
    found, line = before(place, project, environ, run, baseline)
    if not found.wanting or found.comparison.baseline is None:
        return found
    other = found.comparison.baseline.run.id
    remarks = tuple(_executed(place, project, environ, (run.id, other), watch, say=say, again=again))
    anew = place(judging.judged, run.id, other, line)
    comparison = replace(anew.comparison, commits=found.comparison.commits)
    return remarked(replace(anew, comparison=comparison, choice=found.choice), *remarks)


def before(
    place: Place, project: Project | None, environ: Mapping[str, str], run: Run, baseline: str | None = None
) -> tuple[Compared, Line | None]:
    """The comparison as it is before anything is executed for it, and the line that the baseline was looked for on."""
    own = project if project is not None and run.project == project.name else None
    line = lines.at_hand(own, run, environ)
    found = place(judging.judged, run.id, baseline, line)
    return (between.told(found, own.root, environ) if own is not None else found), line


def remarked(found: Compared, *remarks: str) -> Compared:
    """The comparison with more to be known of its verdict, as sentences without a full stop."""
    verdict = found.verdict and replace(found.verdict, remarks=(*found.verdict.remarks, *remarks))
    return replace(found, verdict=verdict)


def _run(place: Place, ref: str) -> Run:
    if isinstance(place, Here):
        return runs.get(place.home.store, ref, project=place.home.project)
    return place(reading.show, ref).run


def _executed(
    place: Place,
    project: Project | None,
    environ: Mapping[str, str],
    pair: tuple[str, str],
    watch: Watch,
    *,
    say: Callable[[str], None],
    again: bool,
) -> Iterator[str]:
    """Execute what has still to be, one thing after the other, since what comes next depends on it; remarks on what
    could not be, as sentences without a full stop."""
    tried: tuple[Purpose, ...] = ()
    said = False
    while todo := place(extras.needed, *pair, again=again, tried=tried):
        extra = todo[0]
        if extra.purpose in tried:
            if not said:
                yield f"{extra.title}: not done, since its process was ended from outside; compare again"
            return
        tried, said = (*tried, extra.purpose), False
        try:
            # Whoever has nothing to execute does not wait for the import of what executes.
            import_module("palmette.operations.performing").perform(place, project, environ, extra, watch, say=say)
        except Interrupted:
            raise
        except AccessDenied:
            yield f"{extra.title}: not done, since this token may only read"
            return
        except PalmetteError as error:
            said = True
            yield f"{extra.title}: not done: {error.message}"
