"""`palmette schedule`."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from palmette.cli import console
from palmette.cli.hosted import json_option
from palmette.cli.pipeline import all_option, looked, yes_option
from palmette.cli.session import Session, pass_session, print_json
from palmette.cli.targeted import targeted
from palmette.cli.within import Within
from palmette.domain.footer import split
from palmette.domain.hosting import Schedule
from palmette.operations import lines, timetables
from palmette.operations.authors import author as author_of
from palmette.operations.finding import Looked
from palmette.operations.placed import HERE
from palmette.operations.timetables import Wish
from palmette.present import hosting, words

F = TypeVar("F", bound=Callable[..., Any])

#: ticks that a page shows
_TICKS: Final = 5


@click.group(cls=Within, invoke_without_command=True)
@targeted
@json_option
@click.pass_context
def schedule(ctx: click.Context, as_json: bool) -> None:
    """Train again and again: create, edit, pause, run, history.

    The host starts the runs: the home or a Palmette server while `palmette serve` runs there (--on), or a Kubeflow
    (--target). Without a command the project's recurring runs are listed.

    \b
      palmette schedule
      palmette schedule create tumour --every 1d
      palmette schedule edit tumour C=0.1 --reason "less regularisation"
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_schedules, as_json=as_json)


def _option(name: str, metavar: str, help: str, **more: Any) -> Callable[[F], F]:
    return click.option(name, metavar=metavar, help=help, **{"default": "", **more})


#: what a recurring run can be given, when it is made and when it is edited
_WISHES: Final = (
    _option("--cron", "EXPR", 'When, seconds first: "0 0 3 * * *" is 3 at night.'),
    _option("--every", "TIME", "How often, instead: 30m, 6h, 1d, 1w."),
    _option("--version", "VERSION", "Stay at this version: a name, a commit, or `newest`."),
    _option("--follow", "BRANCH", "Take this branch's versions, now and later."),
    _option("--preset", "PRESET", "Give it this preset's values."),
    _option("--experiment", "NAME", "File its runs there; by default the branch's."),
    _option("--name", "NAME", "Call it so; by default as the algorithm."),
    _option("--description", "LINE", "Say what it is for.", default=None),
    click.option("--at-once", "most", type=click.IntRange(1, 10), metavar="N", help="Let so many of its runs go on."),
    click.option(
        "--catch-up/--no-catch-up",
        "catchup",
        default=None,
        help="Make up for each tick that was missed, or for the last alone.",
    ),
)


def _wishes(verb: F) -> F:
    for option in reversed(_WISHES):
        verb = option(verb)
    return verb


@schedule.command("list")
@all_option
@targeted
@json_option
@pass_session
def list_schedules(session: Session, every: bool = False, as_json: bool = False) -> None:
    """List recurring runs, with when each is due next.

    \b
      palmette schedule list
    """
    at = looked(session)
    found = at.schedules(every=every)
    if as_json:
        print_json([hosting.plain_schedule(each) for each in found])
    elif found:
        rows = [(each, at.version_name(each), next(iter(at.host.schedules.ticks(each, 1)), None)) for each in found]
        console.show(hosting.schedules(rows, time.time()))
    else:
        others = "" if every or not next(at.host.schedules.listed(), None) else " --all lists those of others."
        click.echo(f"No recurring runs yet. Make one: palmette schedule create ALGORITHM --every 1d.{others}", err=True)


@schedule.command("show")
@click.argument("name")
@targeted
@json_option
@pass_session
def show(session: Session, name: str, as_json: bool) -> None:
    """Show a recurring run.

    What it is given, when it is due next, how it was edited.

    \b
      palmette schedule show tumour
    """
    at = looked(session)
    _shown(at, at.schedule(name), as_json)


def _shown(at: Looked, found: Schedule, as_json: bool) -> None:
    ticks, edits = at.host.schedules.ticks(found, _TICKS), at.host.schedules.history(found)
    if as_json:
        instants = [words.instant(each) for each in ticks]
        told = [hosting.plain_edit(each) for each in edits]
        print_json(
            hosting.plain_schedule(found)
            | {"version": at.version_name(found) or None, "ticks": instants, "edits": told}
        )
    else:
        named = {"version": at.version_name(found), "experiment": at.experiment_name(found)}
        page = hosting.schedule(found, **named, ticks=ticks, history=at.readable(found, edits), now=time.time())
        console.show(page)


@schedule.command("create")
@click.argument("algorithm")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@_wishes
@targeted
@json_option
@pass_session
def create(session: Session, /, algorithm: str, overrides: tuple[str, ...], as_json: bool, **wishes: Any) -> None:
    """Make a recurring run of an algorithm's pipeline.

    It takes the newest version of the default branch, and `palmette ci update` moves it to each new one, with what you
    give it here and edit later. --version pins it instead.

    \b
      palmette schedule create tumour --every 1d
      palmette schedule create tumour --cron "0 0 3 * * *" C=0.1
      palmette schedule create tumour --every 1w --preset toy
    """
    at = looked(session).claimed()
    wish = Wish(overrides=overrides, **wishes)
    project = session.at_hand
    branch = lines.default(project.root, session.environ, project.default_branch) if project else ""
    made = timetables.created(at, at.pipeline(algorithm), wish, branch)
    if as_json:
        print_json(hosting.plain_schedule(made))
        return
    click.echo(f"made: {made.name}", err=True)
    _shown(at, made, as_json=False)
    _served(at)


def _served(at: Looked) -> None:
    """Whose business it is that runs start."""
    if at.host.called == HERE:
        console.note("its runs are executed while `palmette serve` runs here.")


@schedule.command("edit")
@click.argument("recurring", metavar="NAME")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE]...")
@click.option("--reset", multiple=True, metavar="KEY", help="Give it the version's own value again; may be repeated.")
@_wishes
@click.option("--reason", default="", metavar="LINE", help="Say why, for its history.")
@targeted
@json_option
@pass_session
def edit(session: Session, /, recurring: str, reason: str, as_json: bool, **wishes: Any) -> None:
    """Change a recurring run. What it was before is kept as its history.

    NAME is its name, or the beginning of its identifier; --name gives it another one. A Kubeflow cannot change one: it
    is made anew, disabled at first, and takes the place of the one before.

    \b
      palmette schedule edit tumour C=0.1 --reason "less regularisation"
      palmette schedule edit tumour --every 6h
      palmette schedule edit tumour --version main@6f1c0a2b
    """
    at = looked(session)
    root = session.at_hand.root if session.at_hand else session.directory
    author = author_of(root, session.environ)
    wish = Wish(**wishes)
    after, changed = timetables.edited(at, at.schedule(recurring), wish, author=author, why=reason)
    if as_json:
        print_json(hosting.plain_schedule(after) | {"changed": changed})
        return
    click.echo(f"{'edited' if changed else 'as it was'}: {after.name}", err=True)
    _shown(at, after, as_json=False)


@schedule.command("pause")
@click.argument("name")
@targeted
@json_option
@pass_session
def pause(session: Session, name: str, as_json: bool) -> None:
    """Let a recurring run start no more runs. Those that it started go on.

    \b
      palmette schedule pause tumour
    """
    _switched(looked(session), name, enabled=False, as_json=as_json)


@schedule.command("resume")
@click.argument("name")
@targeted
@json_option
@pass_session
def resume(session: Session, name: str, as_json: bool) -> None:
    """Let a recurring run start runs again. It makes up for what it missed as it was asked to.

    \b
      palmette schedule resume tumour
    """
    _switched(looked(session), name, enabled=True, as_json=as_json)


def _switched(at: Looked, name: str, *, enabled: bool, as_json: bool) -> None:
    found = at.schedule(name)
    at.host.schedules.switch(found.id, enabled=enabled)
    if as_json:
        print_json(hosting.plain_schedule(at.schedule(found.id)))
    else:
        click.echo(f"{'on again' if enabled else 'paused'}: {found.name}", err=True)


@schedule.command("run")
@click.argument("name")
@targeted
@json_option
@pass_session
def run_now(session: Session, name: str, as_json: bool) -> None:
    """Start a run of a recurring run now, besides its ticks.

    \b
      palmette schedule run tumour
    """
    at = looked(session)
    begun = at.host.schedules.fire(at.schedule(name))
    if as_json:
        print_json(hosting.plain_run(begun))
    else:
        click.echo(begun.id)
        click.echo(f"begun on {at.host.called}: {begun.name}", err=True)
        _served(at)


@schedule.command("delete")
@click.argument("name")
@yes_option
@targeted
@json_option
@pass_session
def delete(session: Session, name: str, yes: bool, as_json: bool) -> None:
    """Delete a recurring run. Its runs stay.

    Without --yes it is only said what would be deleted.

    \b
      palmette schedule delete tumour --yes
    """
    at = looked(session)
    found = at.schedule(name)
    if yes:
        at.host.schedules.remove(found.id)
    if as_json:
        print_json(hosting.plain_schedule(found) | {"deleted": yes})
    else:
        said = f"deleted: {found.name}" if yes else f"{found.name} would be deleted, not its runs. Do it with --yes."
        click.echo(said, err=True)


@schedule.command("history")
@click.argument("name")
@targeted
@json_option
@pass_session
def history(session: Session, name: str, as_json: bool) -> None:
    """Show how a recurring run was edited.

    What, by whom, and why; newest first.

    \b
      palmette schedule history tumour
    """
    at = looked(session)
    found = at.schedule(name)
    edits = at.host.schedules.history(found)
    if as_json:
        print_json([hosting.plain_edit(each) for each in edits])
    elif edits:
        for part in hosting.edits(at.readable(found, edits), time.time()):
            console.show(part)
    elif split(found.description)[1].get("serial"):
        # The columns of many a cluster take no more than what tells whose it is.
        click.echo(f"{found.name} was edited, but {at.host.called} has no room for what was before.", err=True)
    else:
        click.echo(f"{found.name} was never edited.", err=True)
