"""`palmette pipeline`."""

from __future__ import annotations

import time

import click

from palmette.cli import console
from palmette.cli.hosted import json_option
from palmette.cli.lazy import operation
from palmette.cli.session import Session, pass_session, print_json
from palmette.cli.targeted import targeted
from palmette.cli.within import Within
from palmette.operations.finding import Looked
from palmette.operations.timetables import Offer
from palmette.present import hosting, words

all_option = click.option("--all", "every", is_flag=True, help="Those of other projects, too, and of none.")
yes_option = click.option("-y", "--yes", is_flag=True, help="Do it. Without this, nothing is deleted.")


def looked(session: Session) -> Looked:
    """The host, as the session's project looks at it."""
    return Looked.at(session.host, session.at_hand)


@click.group(cls=Within, invoke_without_command=True)
@targeted
@json_option
@click.pass_context
def pipeline(ctx: click.Context, as_json: bool) -> None:
    """Show pipelines: list, show, versions, upload, delete.

    The host is the home, a Palmette server (--on), or a Kubeflow (--target). Without a command the project's pipelines
    are listed.

    \b
      palmette pipeline
      palmette pipeline show tumour --on team
      palmette pipeline upload tumour --target cluster
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_pipelines, as_json=as_json)


@pipeline.command("list")
@all_option
@targeted
@json_option
@pass_session
def list_pipelines(session: Session, every: bool = False, as_json: bool = False) -> None:
    """List pipelines, with the newest version of each.

    \b
      palmette pipeline list
      palmette pipeline list --all --json
    """
    at = looked(session)
    found = [(each, next(at.host.pipelines.versions(each.id), None)) for each in at.pipelines(every=every)]
    if as_json:
        print_json([hosting.plain_newest(each, new, at.names) for each, new in found])
    elif found:
        console.show(hosting.pipelines(found, time.time()))
    else:
        others = "" if every or not next(at.host.pipelines.listed(), None) else " --all lists those of others."
        click.echo(f"No pipelines yet. Upload one: palmette pipeline upload ALGORITHM.{others}", err=True)


@pipeline.command("show")
@click.argument("name")
@click.argument("version", required=False)
@targeted
@json_option
@pass_session
def show(session: Session, name: str, version: str | None, as_json: bool) -> None:
    """Show a pipeline: what it takes, and its versions.

    It is shown at its newest version, or at VERSION, which is a name, or the beginning of a commit.

    \b
      palmette pipeline show tumour
      palmette pipeline show tumour main@6f1c0a2b
    """
    at = looked(session)
    found = at.pipeline(name)
    versions = list(at.host.pipelines.versions(found.id))
    chosen = at.version(found, version) if version else versions[0] if versions else None
    takes = Offer.of(at.host, chosen).parameters if chosen else {}
    if as_json:
        told = hosting.plain_version(chosen) | {"parameters": hosting.plain_parameters(takes)} if chosen else None
        all_of_them = [hosting.plain_version(each) for each in versions]
        print_json(hosting.plain_pipeline(found, at.names) | {"version": told, "versions": all_of_them})
    else:
        console.show(hosting.pipeline(found, chosen, versions, takes, time.time()))


@pipeline.command("versions")
@click.argument("name")
@click.option("--branch", default="", metavar="BRANCH", help="Only those of this branch.")
@targeted
@json_option
@pass_session
def list_versions(session: Session, name: str, branch: str, as_json: bool) -> None:
    """List the versions of a pipeline, newest first.

    \b
      palmette pipeline versions tumour --branch main
    """
    at = looked(session)
    found = at.versions(at.pipeline(name), branch)
    if as_json:
        print_json([hosting.plain_version(each) for each in found])
    elif found:
        console.show(hosting.versions(found, time.time()))
    else:
        of = f" of the branch {branch}" if branch else ""
        click.echo(f"No versions{of} yet. Upload one: palmette pipeline upload {name}", err=True)


@pipeline.command("upload")
@click.argument("what", metavar="ALGORITHM|FILE")
@click.option("--name", default="", metavar="NAME", help="The pipeline of a FILE; by default as the file says.")
@click.option("--version", default="", metavar="NAME", help="Name the version; by default BRANCH@COMMIT.")
@click.option("--description", default="", metavar="LINE", help="Say what is new in it.")
@targeted
@json_option
@pass_session
def upload(session: Session, what: str, name: str, version: str, description: str, as_json: bool) -> None:
    """Upload a version of a pipeline.

    It is of an algorithm as its code is now, or of a FILE (.yaml, .json, .zip). Where the pipeline is not there yet,
    it is made. `palmette ci update` does it for all algorithms of a commit.

    \b
      palmette pipeline upload tumour
      palmette pipeline upload pipeline.yaml --version v2 --target cluster
    """
    done = operation("publishing").publish(
        looked(session),
        session.at_hand,
        session.environ,
        what,
        directory=session.directory,
        pipeline=name,
        version=version,
        description=description,
    )
    for warning in done.warnings:
        click.echo(f"warning: {warning}", err=True)
    if as_json:
        print_json(hosting.plain_version(done.version) | {"already_there": done.known})
        return
    word = "already there" if done.known else "uploaded"
    click.echo(f"{word}: {done.pipeline.name} {done.version.name}", err=True)


@pipeline.command("delete")
@click.argument("name")
@click.argument("version", required=False)
@yes_option
@targeted
@json_option
@pass_session
def delete(session: Session, name: str, version: str | None, yes: bool, as_json: bool) -> None:
    """Delete a version of a pipeline, or all of it.

    Runs stay. Without --yes it is only said what would be deleted.

    \b
      palmette pipeline delete tumour main@6f1c0a2b --yes
      palmette pipeline delete tumour
    """
    at = looked(session)
    found = at.pipeline(name)
    versions = [at.version(found, version)] if version else list(at.host.pipelines.versions(found.id))
    using = [each.name for each in at.schedules(every=True) if each.pipeline == found.id
             and (not version or each.version == versions[0].id)]  # fmt: skip
    if yes:
        at.host.pipelines.remove(found.id, versions[0].id if version else "")
    if as_json:
        names = [each.name for each in versions]
        print_json({"pipeline": found.name, "versions": names, "recurring_runs": using, "deleted": yes})
        return
    its = f"{found.name} and {words.count(len(versions), 'version')} of it"
    what = f"version {versions[0].name} of {found.name}" if version else its
    click.echo(f"deleted: {what}" if yes else f"{what} would be deleted. Do it with --yes.", err=True)
    if using:
        click.echo(f"note: recurring runs of it {'fail' if yes else 'would fail'}: {', '.join(using)}", err=True)
