"""`palmette ci toy`, `palmette ci run`."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import click

from palmette.ci import trying
from palmette.ci.launching import Ground, Launched, Wish
from palmette.ci.trying import Outcome, Ways
from palmette.ci.waiting import bell
from palmette.cli.circumstances import circumstances
from palmette.cli.console import show
from palmette.cli.once import once
from palmette.cli.session import Session, pass_session, print_json
from palmette.cli.targeted import targeted
from palmette.domain.branches import Kind
from palmette.domain.context import Context
from palmette.domain.fields import TOY
from palmette.domain.states import RunState
from palmette.domain.values import Json
from palmette.errors import PalmetteError
from palmette.ir.dialects import Dialect
from palmette.operations import addressed, continuing, happening, points, reading
from palmette.present.outcome import outcome as ending
from palmette.present.tries import NOTHING, Line, counted, lines

_SPAN: Final = re.compile(r"[1-9][0-9]*[dhm]")
#: how many of a failed step's last log lines are shown
_TAIL: Final = 20


def _seconds(_: click.Context, __: click.Parameter, given: str | None) -> float | None:
    if not given:
        return None
    if not _SPAN.fullmatch(given):
        raise click.BadParameter(f"{given!r} is not a time like 20m, 2h or 1d")
    return continuing.seconds(given)


def waited(verb: Callable[..., Any]) -> Callable[..., Any]:
    """A verb that waits for the runs that it begins."""
    for option in (
        click.option("--no-wait", "detach", is_flag=True, help="Leave once the runs are begun."),
        click.option(
            "--wait",
            "patience",
            metavar="TIME",
            callback=_seconds,
            help="Wait so long at most (20m, 2h), then leave with exit code 6; by default until the job must end.",
        ),
        click.option("--rerun", is_flag=True, help="Begin another run although this commit has one."),
        click.option("--cancel-on-term", "cancel", is_flag=True, help="If the job is ended, end its runs, too."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end."),
    ):
        verb = option(verb)
    return verb


@click.command()
@click.argument("algorithms", nargs=-1, metavar="[ALGORITHM]...")
@click.option("--all", "everything", is_flag=True, help="Run those that did not change, too.")
@targeted
@circumstances
@waited
@pass_session
def toy(
    session: Session,
    /,
    context: Context,
    algorithms: tuple[str, ...],
    everything: bool,
    as_json: bool,
    **ways: Any,
) -> None:
    """Run the toy preset of each algorithm that changed, and wait.

    It shows that the algorithms still train, and nothing of their quality. `palmette ci plan` says which would run.
    One that did not change is noted on the commit as "unchanged since RUN". One that has no preset `toy` is not tried,
    which is said, too.

    Runs are executed where they usually are: by the server or the Kubeflow that is named, else by this job. A job that
    is started again finds the runs that it began. Exit codes: 3 a run failed, 6 one still runs, 69 the server does not
    answer, 75 try again, 77 it refuses.

    \b
      palmette ci toy
      palmette ci toy tumour --wait 20m
      palmette ci toy --all -c 6f1c2a -b feature/IA-1742-doc-type
    """
    how = _ways(ways)
    with bell() as heard:
        done = trying.toy(_ground(session, context), heard, how, names=algorithms, everything=everything)
    _ended(session, done, "toy run", as_json=as_json)


@click.command()
@click.argument("algorithm", metavar="ALGORITHM")
@click.argument("overrides", nargs=-1, metavar="[FIELD=VALUE]...")
@click.option("--preset", metavar="PRESET", multiple=True, callback=once, help="Start from this preset; else `full`.")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Take values from a TOML, YAML or JSON file.",
)
@targeted
@circumstances
@waited
@pass_session
def run(
    session: Session,
    /,
    context: Context,
    algorithm: str,
    overrides: tuple[str, ...],
    preset: str | None,
    config: Path | None,
    as_json: bool,
    **ways: Any,
) -> None:
    """Train an algorithm in full with this branch's code, and wait.

    FIELD=VALUE overrides a config field, as for `palmette run`; without any PALMETTE_OVERRIDES gives them, parted by
    spaces and quoted as in a shell, which a CI's form sets. How the run ends is reported on the merge request, also
    if that is hours after its job: see `palmette ci settle`. A run with values of its own is an experiment: the report
    lists it as a variant, and the commit's quality stays that of its training without any.

    \b
      palmette ci run tumour
      palmette ci run tumour C=0.1 penalty=l1 --no-wait
    """
    overrides = overrides or trying.overrides(session.environ)
    if several := [text for text in overrides if points.varies(text)]:
        raise click.UsageError(f"{several[0]!r} gives several values: a sweep is run by `palmette run`")

    def wish(asked: Wish) -> Wish:
        kind = Kind.VARIANT if overrides or config else Kind.TOY if preset == TOY else asked.kind
        return replace(asked, kind=kind, preset=preset, overrides=overrides, config=config)

    how = _ways(ways)
    with bell() as heard:
        done = trying.train(_ground(session, context), heard, how, wish, algorithm)
    _ended(session, done, "run", as_json=as_json)


def _ways(given: Mapping[str, Any]) -> Ways:
    """How it waits; UsageError for what cannot be meant."""
    ways = Ways(**given)
    if ways.detach and ways.patience is not None:
        raise click.UsageError("--wait and --no-wait exclude each other")
    return ways


def _ground(session: Session, context: Context) -> Ground:
    target = addressed.chosen(session.project, session.environ, session.target)
    return Ground(
        place=session.place,
        host=session.host,
        project=session.project,
        environ=session.environ,
        context=context,
        directory=session.directory,
        say=lambda line: click.echo(line, err=True),
        image=target.image if target else "",
    )


def _ended(session: Session, done: Outcome, noun: str, *, as_json: bool) -> None:
    """Show what became of it, and leave with the exit code that it has."""
    for each in done.failed:
        _quote(session, each)
    if as_json:
        print_json(_plain(done))
    else:
        show(lines([_line(each) for each in done.entries], _summed(done, noun) if done.entries else NOTHING))
    if done.signal:
        for each in done.running:
            what = "was asked to end" if done.canceled else "goes on"
            click.echo(f"{each.check.algorithm} {each.run} {what}: {each.link}", err=True)
        sys.exit(128 + done.signal)
    trying.require(done)


def _summed(done: Outcome, noun: str) -> str:
    """How many runs there are, and how many there had to be."""
    known = sum(each.attached for each in done.entries)
    unchanged = sum(each.check.unchanged for each in done.entries)
    begun = sum(bool(each.run) for each in done.entries) - known - unchanged
    beside = [f"{count} {word}" for count, word in ((known, "begun before"), (unchanged, "unchanged")) if count]
    return f"{', '.join([f'{counted(begun, noun)} begun', *beside])}."


def _quote(session: Session, entry: Launched) -> None:
    """Why a run failed: its failed steps, with the last lines of their logs."""
    try:
        detail = session.place(reading.show, entry.check.run)
        # What a cluster's steps logged stands there.
        palmette = session.host.dialect is Dialect.PALMETTE
        tails = session.place(happening.tails, entry.check.run, _TAIL) if palmette else {}
    except PalmetteError as error:
        click.echo(f"note: why {entry.run} failed cannot be shown here ({error.message}): {entry.link}", err=True)
        return
    # Whoever reads a job's log does so elsewhere, where no variable names the server.
    on = session.there.connection.server.called if session.there else ""
    show(ending(detail, tails, on), err=True)


def _line(entry: Launched) -> Line:
    return Line(
        algorithm=entry.check.algorithm,
        word=_word(entry),
        # As every other verb knows it: a cluster calls it by another and longer name.
        run="" if entry.check.unchanged or not entry.run else entry.check.run,
        reason=entry.error.message if entry.error else entry.check.reason,
    )


def _word(entry: Launched) -> str:
    if entry.error is not None:
        return "not begun"
    if entry.check.unchanged:
        return "unchanged"
    if not entry.run:
        return "not tried"
    return entry.state.value.lower() if entry.state else RunState.PENDING.value.lower()


def _plain(done: Outcome) -> Json:
    return {
        "runs": [
            {
                "algorithm": each.check.algorithm,
                "kind": each.check.kind.value,
                "run_id": each.check.run,
                "state": _word(each),
                "unchanged": each.check.unchanged,
                "attached": each.attached,
                "reason": each.check.reason,
                "commit": each.check.commit,
                "link": each.link,
                "error": each.error.message if each.error else "",
            }
            for each in done.entries
        ],
        "remarks": list(done.remarks),
    }
