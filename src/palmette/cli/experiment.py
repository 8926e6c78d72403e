"""`palmette experiment`."""

from __future__ import annotations

import time
from itertools import islice
from typing import Final

import click

from palmette.cli import console
from palmette.cli.hosted import json_option
from palmette.cli.pipeline import all_option, looked
from palmette.cli.session import Session, pass_session, print_json
from palmette.cli.targeted import targeted
from palmette.cli.within import Within
from palmette.domain.footer import signed, split
from palmette.domain.hosting import Experiment
from palmette.errors import AlreadyThere, Conflict
from palmette.operations.finding import Looked
from palmette.present import hosting

#: runs that a page counts
_RUNS: Final = 200


@click.group(cls=Within, invoke_without_command=True)
@targeted
@json_option
@click.pass_context
def experiment(ctx: click.Context, as_json: bool) -> None:
    """Show experiments: list, show, create, rename, archive.

    Each branch has one, named after it; a branch's name finds it. The host is the home, a Palmette server (--on), or a
    Kubeflow (--target). Without a command the project's experiments are listed.

    \b
      palmette experiment
      palmette experiment show feature/IA-1742-doc-type
      palmette experiment archive old-idea --target cluster
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_experiments, as_json=as_json)


@experiment.command("list")
@all_option
@click.option("--archived", is_flag=True, help="Those in the archive, too.")
@targeted
@json_option
@pass_session
def list_experiments(session: Session, every: bool = False, archived: bool = False, as_json: bool = False) -> None:
    """List experiments, with the age of their newest run.

    \b
      palmette experiment list
      palmette experiment list --all --archived
    """
    at = looked(session)
    there = at.experiments(every=every)
    found = [each for each in there if archived or each.archived is None]
    if as_json:
        print_json([hosting.plain_experiment(each, at.names) for each in found])
    elif found:
        console.show(hosting.experiments(found, time.time()))
    elif there:
        click.echo("All experiments are in the archive: --archived lists them.", err=True)
    else:
        others = "" if every or not next(at.host.experiments.listed(), None) else " --all lists those of others."
        click.echo(f"No experiments yet. `palmette ci update` makes one for a branch.{others}", err=True)


@experiment.command("show")
@click.argument("name")
@targeted
@json_option
@pass_session
def show(session: Session, name: str, as_json: bool) -> None:
    """Show an experiment and its newest runs.

    NAME is a branch, the experiment's own name, or the beginning of its identifier.

    \b
      palmette experiment show feature/IA-1742-doc-type
    """
    at = looked(session)
    found = at.experiment(name)
    runs = list(islice(at.host.runs.listed(found.id), _RUNS))
    if as_json:
        told = [hosting.plain_run(each) for each in runs]
        print_json(hosting.plain_experiment(found, at.names) | {"runs": told})
    else:
        console.show(hosting.experiment(found, runs, time.time()))


@experiment.command("create")
@click.argument("name")
@click.argument("description", required=False, default="")
@targeted
@json_option
@pass_session
def create(session: Session, name: str, description: str, as_json: bool) -> None:
    """Make an experiment. `palmette ci update` makes a branch's by itself.

    \b
      palmette experiment create ablations "Which inputs matter"
    """
    at = looked(session).claimed()
    called = at.names.experiment(name)
    if at.host.experiments.named(called) is not None:
        raise AlreadyThere(f"{at.host.called} has an experiment {called!r} already", "Use it, or choose another name.")
    facts = {"project": at.names.project} if at.scoped else {}
    made = at.host.experiments.create(called, description=signed(description, facts))
    _done(at, made, "made", as_json)


def _done(at: Looked, made: Experiment, word: str, as_json: bool) -> None:
    if as_json:
        print_json(hosting.plain_experiment(made, at.names))
    else:
        click.echo(f"{word}: {made.name}", err=True)


@experiment.command("describe")
@click.argument("name")
@click.argument("description")
@targeted
@json_option
@pass_session
def describe(session: Session, name: str, description: str, as_json: bool) -> None:
    """Give an experiment another description. A Kubeflow cannot.

    \b
      palmette experiment describe feature/IA-1742-doc-type "[IA-1742] DOC TYPE"
    """
    at = looked(session)
    found = at.experiment(name)
    _, facts = split(found.description)
    if not at.host.experiments.describe(found.id, signed(description, facts)):
        raise Conflict(f"{at.host.called} cannot change an experiment", "It keeps the description it was made with.")
    _done(at, at.experiment(found.id), "described", as_json)


@experiment.command("rename")
@click.argument("name")
@click.argument("new", metavar="NEW")
@targeted
@json_option
@pass_session
def rename(session: Session, name: str, new: str, as_json: bool) -> None:
    """Give an experiment another name, as after a branch was renamed. Its runs stay in it. A Kubeflow cannot.

    \b
      palmette experiment rename feature/doc-type feature/IA-1742-doc-type
    """
    at = looked(session).claimed()
    found = at.experiment(name)
    text, facts = split(found.description)
    if not at.host.experiments.rename(found.id, at.names.experiment(new)):
        raise Conflict(f"{at.host.called} cannot rename an experiment", "Make one of the new name.")
    if "branch" in facts:
        # It is the new branch's now: its next update finds it.
        at.host.experiments.describe(found.id, signed(text, {**facts, "branch": new}))
    _done(at, at.experiment(found.id), "renamed", as_json)


@experiment.command("archive")
@click.argument("name")
@targeted
@json_option
@pass_session
def archive(session: Session, name: str, as_json: bool) -> None:
    """Put an experiment into the archive.

    Its runs go with it, and its recurring runs are paused. Nothing is deleted.

    \b
      palmette experiment archive old-idea
    """
    at = looked(session)
    found = at.experiment(name)
    at.host.experiments.archive(found.id)
    _done(at, at.experiment(found.id), "archived", as_json)


@experiment.command("unarchive")
@click.argument("name")
@targeted
@json_option
@pass_session
def unarchive(session: Session, name: str, as_json: bool) -> None:
    """Take an experiment out of the archive. Its runs stay there, and its recurring runs paused.

    \b
      palmette experiment unarchive old-idea
    """
    at = looked(session)
    found = at.experiment(name)
    at.host.experiments.unarchive(found.id)
    _done(at, at.experiment(found.id), "taken out of the archive", as_json)
