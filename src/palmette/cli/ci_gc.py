"""`palmette ci gc`."""

from __future__ import annotations

import re
import time

import click

from palmette.ci import archiving, forges
from palmette.ci.archiving import Scene
from palmette.cli.circumstances import circumstances
from palmette.cli.console import note, show
from palmette.cli.session import Session, pass_session, print_json
from palmette.cli.targeted import targeted
from palmette.domain.context import Context
from palmette.operations import continuing
from palmette.present import departures as screens

_SPAN = re.compile(r"[0-9]+[dhm]")


def _seconds(_: click.Context, __: click.Parameter, given: str | None) -> float | None:
    if not given:
        return None
    if not _SPAN.fullmatch(given):
        raise click.BadParameter(f"{given!r} is not a time like 14d, 36h or 20m")
    return continuing.seconds(given)


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option(
    "--grace",
    metavar="TIME",
    callback=_seconds,
    help="Archive what is gone for so long (14d, 36h); by default `grace` of [tool.palmette.ci], 14d.",
)
@circumstances
@targeted
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def gc(session: Session, /, context: Context, dry_run: bool, grace: float | None, as_json: bool) -> None:
    """Archive the experiments of branches that are gone.

    Which branches there are is asked of GitLab or GitHub where there is a token, else of the remote (git ls-remote).
    Where nobody answers, nothing is done. A branch that is gone is noted first; after the grace period its experiment
    is archived, which disables its recurring runs. While a run of it goes on, it stays. The default branch, main,
    master, trunk, develop, and what an open branch is merged into are never archived.

    Runs stay. With gone = "thin" in [tool.palmette.ci] they give up what their steps made, but for those that palmette
    gc keeps in any case, and those that are pinned or that others were compared with. It may be called at any time.

    \b
      palmette ci gc --dry-run
      palmette ci gc --grace 30d
    """
    project, now = session.project, time.time()
    heads, remarks = archiving.heads(project.root, session.environ, forges.of(context, session.environ))
    scene = Scene(
        place=session.place,
        host=session.host,
        project=project,
        environ=session.environ,
        heads=heads,
        now=now,
        grace=continuing.seconds(project.ci.grace) if grace is None else grace,
        default=context.default_branch,
        remarks=remarks,
    )
    found = archiving.survey(scene)
    if not dry_run:
        found = archiving.carry_out(scene, found)
    if as_json:
        print_json(screens.plain(found))
    elif found.departures or found.orphans:
        show(screens.screen(found, now))
    for remark in found.remarks:
        note(remark)
    if not as_json:
        nothing = "" if found.departures else " Nothing to archive."
        click.echo(f"({screens.summary(found)}.{nothing}{' Nothing was changed.' if dry_run else ''})", err=True)
