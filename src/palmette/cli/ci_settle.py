"""`palmette ci settle`."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import click

from palmette.ci import forges, settling
from palmette.ci.forge import Forge
from palmette.ci.settling import Settled
from palmette.cli.brought import bring
from palmette.cli.circumstances import circumstances
from palmette.cli.console import note
from palmette.cli.session import Session, pass_session, print_json
from palmette.cli.targeted import targeted
from palmette.domain.branches import Check
from palmette.domain.context import Context
from palmette.domain.values import Json
from palmette.errors import StillRunning, UsageError
from palmette.operations.places import Here
from palmette.present import words

#: seconds between looks, with --wait
_LOOK = 10.0


@click.command()
@targeted
@circumstances
@click.option("--wait", is_flag=True, help="Go on until all have ended, or the job must.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def settle(session: Session, context: Context, wait: bool, as_json: bool) -> None:
    """Say on merge requests how trainings ended that outlived their jobs.

    A full training may end hours after the job that began it. This writes its verdict into the note and sets the
    commit's status, for all that ended since it was called last. Call it in a scheduled job.

    A Palmette server does the same by itself once it has a secret that opens the forge: its token, the address of its
    API, and its kind, gitlab or github; and the repository, where the token opens several. A key without a value is
    asked for.

    \b
      palmette secret set forge token url kind --for PROJECT

    \b
      palmette ci settle
      palmette ci settle --wait --json
    """
    lacking = forges.lacking(context, session.environ)

    def forge_of(told: Context) -> Forge:
        if lacking:
            raise UsageError(lacking)
        if _where(told) != _where(context):
            raise UsageError("it was begun by a job of another repository")
        # By this job's own names: of the two that the other one says, only one was compared.
        own = replace(told, repository=context.repository, repository_id=context.repository_id)
        forge = forges.of(own, session.environ)
        if forge is None or not forge.writes:
            raise UsageError(forges.lacking(told, session.environ) or "no forge is known")
        return forge

    if lacking:
        note(lacking)
        found = Settled()
    else:
        found = _settled(session, context, forge_of, wait=wait)
    if as_json:
        print_json({name: [_plain(each) for each in entries] for name, entries in _parts(found)})
        return
    for each in found.done:
        click.echo(f"{_named(each)}: {each.verdict.get('outcome') or 'reported'}")
    for each in (*found.troubled, *found.given_up):
        click.echo(f"{_named(each)}: not reported: {each.trouble}", err=True)
    if found.running:
        click.echo(f"{words.count(len(found.running), 'training')} still running", err=True)
    elif not any(entries for _, entries in _parts(found)) and not lacking:
        click.echo("Nothing to report: every training that ended was reported.", err=True)


def _settled(session: Session, context: Context, forge_of: Callable[[Context], Forge], *, wait: bool) -> Settled:
    # A server executes what a comparison asks for with the runs' own code; only here the project's is needed.
    project = session.at_hand if isinstance(session.place, Here) else None
    while True:
        bring(session)
        found = settling.settle(session.place, session.environ, forge_of=forge_of, project=project)
        if not wait or found.over:
            return found
        if context.deadline is not None and time.time() + _LOOK > context.deadline:
            raise StillRunning("trainings have not ended, and the job must", "The next job that settles reports them.")
        time.sleep(_LOOK)


def _named(check: Check) -> str:
    """Which training it is: a commit may have several of an algorithm."""
    return f"{check.algorithm} at {check.commit[:8]}, run {check.run}"


def _where(context: Context) -> tuple[str, str]:
    return context.api, context.repository_id or context.repository


def _parts(found: Settled) -> list[tuple[str, Sequence[Check]]]:
    return [
        ("settled", found.done),
        ("running", found.running),
        ("troubled", found.troubled),
        ("given_up", found.given_up),
        ("left", found.left),
    ]


def _plain(check: Check) -> dict[str, Json]:
    return {
        "algorithm": check.algorithm,
        "commit": check.commit,
        "kind": check.kind.value,
        "run": check.run,
        "outcome": check.verdict.get("outcome"),
        "trouble": check.trouble or None,
    }
