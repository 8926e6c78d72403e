"""The verbs that look at a run: `show`, `logs`, `artifacts`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from palmette.cli.console import show as print_screen
from palmette.cli.place import placed
from palmette.cli.session import Session, pass_session, print_json
from palmette.cli.within import Within
from palmette.operations import reading
from palmette.present import folding, plain, screens, words


@click.command()
@click.argument("run", default="last")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def show(session: Session, run: str, as_json: bool) -> None:
    """Show everything about a run.

    RUN is an id, its first four characters or more, `last`, an algorithm's name for its newest run, or
    ALGORITHM@ALIAS for the one that was promoted.

    \b
      palmette show
      palmette show f3ka
      palmette show tumour@production
    """
    detail = session.place(reading.show, run)
    if as_json:
        print_json(plain.detail(detail))
    else:
        print_screen(screens.show(detail, time.time()))


@click.command()
@click.argument("run", default="last")
@click.argument("step", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on printing until the run is over.")
@placed
@click.option("--attempt", metavar="N", type=click.IntRange(1), help="This attempt instead of the last one.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list of lines.")
@pass_session
def logs(session: Session, run: str, step: str | None, follow: bool, attempt: int | None, as_json: bool) -> None:
    """Print what a run's steps printed.

    With several steps each line begins with its step's name. A step in a loop is named with the number of its item,
    `fit[2]`; without the number all of them are meant.

    \b
      palmette logs last build_and_fit
      palmette logs --follow
    """
    reused: dict[str, list[str]] = {}
    if as_json and follow:
        raise click.UsageError("--follow and --json exclude each other")
    lines = session.place(reading.logs, run, step=step, follow=follow, attempt=attempt)
    if as_json:
        print_json([{"step": line.step, "text": line.text} for line in lines])
        return
    for line in lines:
        several = step is None or (line.step.endswith("]") and not step.endswith("]"))
        click.echo(f"{line.step} │ {line.text}" if several else line.text)
    for name, earlier in session.place(reading.reused, run, step).items():
        reused.setdefault(earlier, []).append(name)
    for earlier, names in reused.items():
        for name in folding.together(names):
            said = f"palmette logs {earlier} {name.replace('[…]', '')}"
            click.echo(f"note: {name} was reused, and printed then: {said}", err=True)


class _ListOrGet(Within):
    """`artifacts RUN` is `artifacts list RUN`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does; whatever is no command is a run's name."""
        known = args[0] in self.commands or args[0].startswith("-")
        return super().resolve_command(ctx, args if known else ["list", *args])


@click.group(cls=_ListOrGet, invoke_without_command=True)
@placed
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@click.pass_context
def artifacts(ctx: click.Context, as_json: bool) -> None:
    """List or fetch what a run's steps made.

    `palmette artifacts RUN` is short for `palmette artifacts list RUN`.

    \b
      palmette artifacts
      palmette artifacts get last build_and_fit
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_artifacts, run="last", as_json=as_json)


@artifacts.command("list")
@click.argument("run", default="last")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print a JSON list.")
@pass_session
def list_artifacts(session: Session, run: str, as_json: bool) -> None:
    """List what the steps of a run made.

    Of artifacts type, size and digest; of parameters the values.

    \b
      palmette artifacts list f3ka
    """
    stored, values = session.place(reading.artifacts, run), session.place(reading.values, run)
    if as_json:
        found = [{"name": entry.name, **plain.artifact(entry.artifact)} for entry in stored]
        print_json([*found, *({"name": each.name, "type": "parameter", "value": each.value} for each in values)])
    elif stored or values:
        made = [(entry.task, entry.output, entry.artifact) for entry in stored]
        print_screen(screens.artifacts(made, [(each.task, each.output, each.value) for each in values]))
    else:
        click.echo("This run has no artifacts.", err=True)


@artifacts.command("get")
@click.argument("run")
@click.argument("name", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Where to; by default under its own name, here.")
@click.option("--force", is_flag=True, help="Replace what is there.")
@placed
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def get_artifact(session: Session, run: str, name: str | None, output: Path | None, force: bool, as_json: bool) -> None:
    """Fetch an artifact.

    It is a copy of the file or directory, checked against its digest. NAME is STEP or STEP.OUTPUT as `palmette
    artifacts list` shows it; without it the run's model is meant. Data that was passed by reference is copied from
    where it lies, as long as it is what it was.

    \b
      palmette artifacts get last build_and_fit
      palmette artifacts get f3ka report -o report.html
      palmette artifacts get tumour@production
    """
    name = name or reading.model(session.place(reading.artifacts, run))
    got = session.place.fetch(run, name, destination=output, directory=session.directory, replace=force)
    if as_json:
        print_json({"path": str(got.path), "size": got.size})
    else:
        click.echo(f"{got.path}  {words.size(got.size)}", err=True)
