"""`palmette ci plan`."""

from __future__ import annotations

import click

from palmette.ci import planning
from palmette.ci.planning import Plan, Planned
from palmette.cli.circumstances import circumstances
from palmette.cli.console import show
from palmette.cli.session import Session, pass_session, print_json
from palmette.cli.targeted import targeted
from palmette.domain.context import Context
from palmette.domain.values import Json
from palmette.present.tries import NOTHING, Line, counted, lines


@click.command()
@click.argument("algorithms", nargs=-1, metavar="[ALGORITHM]...")
@click.option("--all", "everything", is_flag=True, help="As if everything had changed.")
@targeted
@circumstances
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def plan(session: Session, context: Context, algorithms: tuple[str, ...], everything: bool, as_json: bool) -> None:
    """Show which algorithms `palmette ci toy` would run, and why.

    An algorithm is run if something that goes into it is not what it was in its last toy run on the target branch
    that succeeded: its modules and whatever they import, their data files, the lock, the version of Python, settings
    in [tool.palmette]. Comments and formatting do not count. Contents are compared, so a shallow clone does.

    \b
      palmette ci plan
      palmette ci plan tumour --json
    """
    found = planning.plan(
        session.place,
        session.host,
        session.project,
        session.environ,
        context,
        names=algorithms,
        forced="--all" if everything else "",
    )
    if as_json:
        print_json(_plain_plan(found))
        return
    for remark in found.remarks:
        click.echo(f"note: {remark}", err=True)
    tried = sum(each.tried for each in found.algorithms)
    against = f", compared with {found.against}" if found.against else ""
    end = f"{counted(tried, 'toy run')} of {counted(len(found.algorithms), 'algorithm')}{against}."
    rows = [Line(algorithm=each.algorithm, word=each.finding.value, reason=each.reason) for each in found.algorithms]
    show(lines(rows, end if found.algorithms else NOTHING))


def _plain_plan(found: Plan) -> Json:
    return {
        "branch": found.branch,
        "commit": found.commit,
        "against": found.against,
        "algorithms": [_plain_planned(each) for each in found.algorithms],
        "remarks": list(found.remarks),
    }


def _plain_planned(each: Planned) -> Json:
    return {
        "algorithm": each.algorithm,
        "run": each.tried,
        "finding": each.finding.value,
        "reason": each.reason,
        "changed": list(each.changed),
        "since": each.since,
        "closure": each.closure.digest,
    }
