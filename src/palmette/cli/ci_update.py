"""`palmette ci update`."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

import click

from palmette.ci import filling, updating
from palmette.ci import tickets as tracking
from palmette.cli.circumstances import circumstances
from palmette.cli.console import note, show
from palmette.cli.patience import patience
from palmette.cli.session import Session, pass_session, print_json
from palmette.cli.targeted import targeted
from palmette.domain.context import Context
from palmette.errors import Interrupted
from palmette.operations import addressed
from palmette.present import updates

#: what a shell adds to a signal's number
_SIGNALED: Final = 128


@click.command()
@circumstances
@targeted
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def update(session: Session, /, context: Context, dry_run: bool, as_json: bool) -> None:
    """Upload this commit's pipelines, and file its branch.

    Each algorithm of the project becomes a version of its pipeline for this commit. The branch has an experiment, with
    the text of its ticket. On the default branch recurring runs that follow it are pointed at the new versions, and
    keep what people edited there. A tag has versions, and no experiment.

    Called again it changes nothing. Interrupted, it is completed by the next call. A commit that is older than the
    branch's own uploads its versions and moves nothing.

    \b
      palmette ci update
      palmette ci update --dry-run
      palmette ci update -c 6f1c2a -b feature/IA-1742-doc-type --on team
    """
    project, environ = session.project, session.environ
    target = addressed.chosen(project, environ, session.target)
    image = target.image if target else ""
    for remark in context.remarks:
        click.echo(f"note: {remark}", err=True)
    with _ended_by_signals(), patience() as waiting:
        place, host = session.place, session.host
        found = tracking.tickets(place, project, context, environ, say=note)
        if dry_run:
            done = updating.foreseen(host, project, environ, context=context, tickets=found, image=image)
        else:

            def say(text: str) -> None:
                waiting.cancel()
                if not as_json:
                    click.echo(text, err=True)

            done = updating.update(place, host, project, environ, context=context, tickets=found, image=image, say=say)
            if context.on_default:
                # Its jobs have what opens the tracker, which those of other branches often lack.
                for name in filling.fill(place, host, project, context, environ):
                    say(f"{name}: its ticket has a text now")
    if as_json:
        print_json(updates.plain(done))
    else:
        show(updates.shown(done))


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """SIGTERM, which a CI sends to a job that is canceled, and Ctrl-C: both end it in order. What is done is whole, and
    the next update does the rest."""

    def arrived(number: int, _: FrameType | None) -> None:
        what = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        error = Interrupted(f"ended by {what} before all was done", "Run palmette ci update again: it does the rest.")
        error.exit_code = _SIGNALED + number
        raise error

    before = {number: signal.signal(number, arrived) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
