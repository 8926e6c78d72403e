"""`palmette ci update`."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any, Final, Self

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
    the text of its ticket. Recurring runs that follow the branch, by default the default one, are pointed at the new
    versions, and keep what people edited there. A tag has versions, and no experiment.

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
    updating.require(context)
    for remark in context.remarks:
        click.echo(f"note: {remark}", err=True)
    with _Signals() as signals, patience() as waiting:
        place, host = session.place, session.host
        found = tracking.tickets(place, project, context, environ, say=note)
        if dry_run:
            done = updating.foreseen(host, project, environ, context=context, tickets=found, image=image)
        else:

            def say(text: str) -> None:
                waiting.cancel()
                if not as_json:
                    click.echo(text, err=True)

            done = updating.update(
                place,
                host,
                project,
                environ,
                context=context,
                tickets=found,
                image=image,
                say=say,
                pause=signals.pause,
            )
            if context.on_default:
                # Its jobs have what opens the tracker, which those of other branches often lack.
                for name in filling.fill(place, host, project, context, environ):
                    say(f"{name}: its ticket has a text now")
    if as_json:
        print_json(updates.plain(done))
    else:
        show(updates.shown(done))


class _Signals:
    """SIGTERM, which a CI sends to a job that is canceled, and Ctrl-C: they end it before the next change. What is done
    is whole, and the next update does the rest."""

    def __init__(self) -> None:
        self._heard = 0
        #: nothing is changed yet, so that there is nothing to wait for
        self._changing = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._arrived) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def pause(self) -> None:
        """End it here, if that was asked for."""
        self._changing = True
        if self._heard:
            raise self._ended()

    def _arrived(self, number: int, _: FrameType | None) -> None:
        again, self._heard = self._heard, number
        # While something is changed it is only noted: an exception may come where Python drops it. Asked for twice,
        # it ends at once.
        if again or not self._changing:
            raise self._ended()

    def _ended(self) -> Interrupted:
        what = "Ctrl-C" if self._heard == signal.SIGINT else signal.Signals(self._heard).name
        error = Interrupted(f"ended by {what} before all was done", "Run palmette ci update again: it does the rest.")
        error.exit_code = _SIGNALED + self._heard
        return error
