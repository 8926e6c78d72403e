"""`palmette ci report`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from palmette.ci import forges, reporting, tickets
from palmette.ci.reporting import Told
from palmette.cli.brought import bring
from palmette.cli.circumstances import circumstances
from palmette.cli.console import note, show
from palmette.cli.session import Session, pass_session, print_json
from palmette.cli.targeted import targeted
from palmette.domain.context import Context
from palmette.domain.run import TaskChanged
from palmette.domain.states import TaskState
from palmette.errors import UsageError
from palmette.operations import reports
from palmette.operations.continuing import Continuous, Fail
from palmette.operations.places import Here
from palmette.operations.preparing import require_known
from palmette.operations.project import look
from palmette.operations.reports import Report
from palmette.operations.watching import Seen
from palmette.present import reported

#: seconds after which a job that has no home in common with the others looks at the note once more
_CALM = 1.0
#: and after which what a forge did not take is tried again, if that may help
_PAUSES = (0.5, 2.0)


@click.command()
@click.argument("algorithms", nargs=-1, metavar="[ALGORITHM]...")
@targeted
@circumstances
@click.option(
    "--output-dir",
    "directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write report.md, report.html and palmette-junit.xml here.",
)
@click.option(
    "--fail-on",
    type=click.Choice([each.value for each in Fail]),
    help="What makes it fail: a gate, or nothing. By default as [tool.palmette.ci] fail-on says, else a gate.",
)
@click.option("--no-note", is_flag=True, help="Write nothing to the forge: no note, no commit status.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def report(
    session: Session,
    algorithms: tuple[str, ...],
    context: Context,
    directory: Path | None,
    fail_on: str | None,
    no_note: bool,
    as_json: bool,
) -> None:
    """Say on the merge request whether this commit trains, and whether it is better.

    One note on the merge request has one section for each algorithm, and is rewritten in place. Jobs that run at once
    may each report theirs. Besides, the commit gets the statuses palmette/trains and palmette/quality, and a job on
    GitHub its summary. PALMETTE_FORGE_TOKEN opens the forge (GITLAB_TOKEN and GITHUB_TOKEN do, too); without it all
    else is done.

    A forge that does not answer fails no job. A training that has not ended is said to be running: `palmette ci
    settle`, or a server that has the forge's token as a secret, writes its verdict when it ends.

    \b
      palmette ci report
      palmette ci report tumour --output-dir palmette-report
      palmette ci report --fail-on nothing --json

    \b
    Exit codes:
      0  every declared gate was passed, or there is none
      4  a gate failed
      5  none failed, and one is inconclusive
    """
    if directory is not None:
        reporting.prepare(directory)
    bring(session)
    made, again = _made(session, context, algorithms)
    made = reports.keep(session.place, made) if made.algorithms else made
    title = tickets.text(made.tickets, context.branch)
    files = reporting.write(made, directory, title=title) if directory is not None else ()
    try:
        reporting.summarise(made, session.environ, title=title)
    except UsageError as error:
        note(error.message)
    told = _told(session, made, again, title, alone=not algorithms, silent=no_note)
    if as_json:
        forge = {"merge_request": told.where or None, "note": told.note or None, "remarks": list(told.remarks)}
        statuses = {each.name: each.status.value for each in told.standings}
        print_json({**reported.plain(made), "forge": {**forge, "statuses": statuses}, "files": list(map(str, files))})
    else:
        show(reported.shown(made, title))
    for line in _lines(made, told, files):
        click.echo(line, err=True)
    ruled = session.at_hand.ci if session.at_hand is not None else Continuous()
    sys.exit(reporting.exit_code(made) if Fail(fail_on or ruled.fail_on) is Fail.GATE else 0)


def _made(
    session: Session, context: Context, algorithms: Sequence[str]
) -> tuple[Report, Callable[[Sequence[str]], Report]]:
    """The report of these algorithms, else of all that the project has; and what makes one of others."""
    project = session.at_hand
    names = tuple(look(project).found) if project is not None else ()
    if names:
        require_known(names, algorithms)
    said: list[str] = []

    def watch(seen: Seen) -> None:
        if isinstance(seen, TaskChanged) and seen.state is TaskState.RUNNING and not said:
            said.append(seen.task)
            note("executing what the comparison asks for")

    def made(wanted: Sequence[str]) -> Report:
        where = session.place, project, session.environ, context
        return reports.report(*where, wanted or None, names=names, watch=watch)

    return made(algorithms), made


def _told(
    session: Session,
    made: Report,
    again: Callable[[Sequence[str]], Report],
    title: str,
    *,
    alone: bool,
    silent: bool,
) -> Told:
    """What became of it on the forge; and that the trainings which ended need no more be reported."""
    if silent or not made.algorithms:
        return Told()
    forge = forges.of(made.context, session.environ)
    if forge is None or not forge.writes:
        return Told(remarks=(forges.lacking(made.context, session.environ),))
    memory = reporting.remembered(session.place, made, again)
    calm = _CALM if isinstance(session.place, Here) and not alone else 0.0
    told = reporting.tell(forge, made, title=title, memory=memory, calm=calm, pauses=_PAUSES)
    if told.done:
        reports.settle(session.place, made, made.made)
    return told


def _lines(made: Report, told: Told, files: Sequence[Path]) -> list[str]:
    lines = [f"wrote {file}" for file in files]
    lines += [f"note written: {told.where}"] if told.note else []
    lines += [f"commit status {each.name}: {each.status.value}" for each in told.standings]
    return lines + [f"note: {remark}" for remark in (*made.remarks, *told.remarks)]
