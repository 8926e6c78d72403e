"""`palmette mirror`."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import click

from palmette.cli.session import Session, pass_session, print_json
from palmette.cli.targeted import targeted
from palmette.domain.moments import MOMENT_SHAPES, duration, moment
from palmette.domain.values import Json
from palmette.errors import ServerError, UsageError
from palmette.operations.addressed import chosen
from palmette.operations.cluster import mirroring
from palmette.operations.cluster.kubeflow import reach
from palmette.operations.cluster.mirroring import Brief, Mirrored, Wanted
from palmette.operations.project import Project
from palmette.operations.targets import Target
from palmette.present import words

#: seconds between two looks
_PAUSE = 15.0


@click.command()
@targeted
@click.option("--since", metavar="WHEN", default="", help="Only runs created since then: 7d, 2026-01-31.")
@click.option("--all", "everything", is_flag=True, help="Runs of no project, too, as this project's.")
@click.option("--keep-on", is_flag=True, help="Go on looking, until Ctrl-C.")
@click.option(
    "--every",
    metavar="SECONDS",
    type=click.FloatRange(1, 86400),
    default=_PAUSE,
    show_default=True,
    help="With --keep-on: how long to wait between two looks.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; with --keep-on, whenever something came.")
@pass_session
def mirror(session: Session, /, since: str, everything: bool, keep_on: bool, every: float, as_json: bool) -> None:
    """Bring a Kubeflow's runs here, once or as they come.

    A mirrored run is searched, shown, compared and reported like any other: with its settings, branch, commit, tasks,
    metrics, evaluations, curves, and artifacts of up to 1 MiB (4 MiB a step). Larger ones, directories and what its
    steps printed stay on the cluster. Runs that go on are brought as they are now, and anew at each look; those that
    are over, once.

    The host is --target, else PALMETTE_TARGET, else the project's own. Runs are brought into the project's home, or
    with --on to a Palmette server. Pipelines must have been compiled by this Palmette or a newer one: their last task,
    palmette-outcome, writes down what no API of a cluster gives.

    \b
      palmette mirror
      palmette mirror --target cluster --since 7d
      palmette mirror --on team --keep-on
    """
    wanted = Wanted(since=_since(since), everything=everything)
    project = session.project
    host = reach(_target(project, session), session.environ)
    told = _Told(lines=not as_json)
    while True:
        try:
            look = mirroring.mirror(session.place, host, project, session.environ, wanted=wanted, say=told.tell)
        except ServerError as error:
            if not keep_on or error.exit_code != ServerError.exit_code:
                raise
            click.echo(f"note: {error.message}; it is asked again in {every:g} s", err=True)
        else:
            _say(replace(look, brought=told.news()), as_json=as_json, going_on=keep_on)
        if not keep_on:
            return
        time.sleep(every)


def _target(project: Project, session: Session) -> Target:
    """The Kubeflow that is meant; the only one there is, where none is named."""
    named = chosen(project, session.environ, session.target)
    if named is not None:
        return named
    if len(project.targets) == 1 and not session.target:
        return next(iter(project.targets.values()))
    if not project.targets:
        hint = 'Declare it: [tool.palmette.targets.cluster] with host = "https://…".'
        raise UsageError("the project names no Kubeflow to mirror", hint)
    raise UsageError("no Kubeflow is named", f"Say which: --target {' or --target '.join(project.targets)}.")


def _since(text: str) -> float | None:
    if not text:
        return None
    span = duration(text)
    if span is not None:
        return time.time() - span
    found = moment(text, time.time())
    if found is None:
        raise UsageError(f"--since {text!r} is no time", f"Write 7d or 36h, or one of {MOMENT_SHAPES}.")
    return found.begin


@dataclass
class _Told:
    """What is said of runs: each again only when something about it changed."""

    lines: bool
    _last: dict[str, Brief] = field(default_factory=dict)
    _news: list[Brief] = field(default_factory=list)

    def tell(self, brief: Brief) -> None:
        """Say it at once, if it is new."""
        if self._last.get(brief.run) == brief:
            return
        self._last[brief.run] = brief
        self._news.append(brief)
        if self.lines:
            lost = f" ({words.count(len(brief.lost), 'notice')})" if brief.lost else ""
            click.echo(f"{brief.run}  {brief.algorithm}  {brief.state.value.lower()}{lost}")

    def news(self) -> tuple[Brief, ...]:
        """What was new since this was asked."""
        found, self._news = tuple(self._news), []
        return found


def _say(look: Mirrored, *, as_json: bool, going_on: bool) -> None:
    if as_json:
        if look.brought or look.gone or not going_on:
            print_json(_plain(look))
        return
    for id in look.gone:
        click.echo(f"note: {look.host} has no run {id} any more, which was not over", err=True)
    if look.brought:
        more = f", {look.live} of them not over" if look.live else ""
        click.echo(f"brought {words.count(len(look.brought), 'run')} from {look.host}{more}", err=True)
    elif not going_on:
        others = f"; {words.count(look.foreign, 'run')} of other projects" if look.foreign else ""
        click.echo(f"Nothing new on {look.host}{others}.", err=True)


def _plain(look: Mirrored) -> Json:
    return {
        "host": look.host,
        "runs": [
            {
                "run_id": each.run,
                "host_id": each.id,
                "algorithm": each.algorithm,
                "state": each.state.value.lower(),
                "lost": list(each.lost),
            }
            for each in look.brought
        ],
        "foreign": look.foreign,
        "gone": list(look.gone),
    }
