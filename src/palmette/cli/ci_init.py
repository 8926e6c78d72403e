"""`palmette ci init`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from palmette.ci.files import File, Forge, Placed, Standing, Variable, Wish, files, place, repository, variables
from palmette.cli.session import Session, pass_session, print_json
from palmette.domain.values import Json
from palmette.errors import AlreadyThere, UsageError

#: where variables are set
_WHERE = {
    Forge.GITLAB: "Settings > CI/CD > Variables",
    Forge.GITHUB: "Settings > Secrets and variables > Actions",
}
_ADVICE = {
    Forge.GITLAB: (
        "Mask and hide what is secret; GitLab masks only values of 8 characters or more, on one line. A protected "
        "variable is given to protected branches alone: leave PALMETTE_TOKEN unprotected, as other branches need it. "
        "The job's own token can read merge requests, but writes no notes.",
        "For settle and gc, make one schedule, hourly, on the default branch: Build > Pipeline schedules. A server "
        "that has the forge's token settles by itself: see `palmette ci settle --help`.",
    ),
    Forge.GITHUB: (
        "Notes and commit statuses are written with the job's own token: nothing is to be set for them. Pull requests "
        "of forks are given neither secrets nor the right to write.",
    ),
}
_INSTALL = """The jobs install this version of Palmette with pip, from where pip finds it.
Name another way where it does not: --install "pip install URL-OF-A-WHEEL", or
--install true where the jobs' machine has it."""


@click.command("init")
@click.argument("forge", type=click.Choice([each.value for each in Forge]))
@click.option("--component", metavar="PATH", default="", help="Include the component of this project of your GitLab.")
@click.option("--image", metavar="IMAGE", default="", help="The image of GitLab's jobs.  [default: python:3.11]")
@click.option("--install", metavar="COMMAND", default="", help="How a job installs Palmette.")
@click.option("--prepare", metavar="COMMAND", help="How a job makes the project's own environment.")
@click.option("--print", "only_print", is_flag=True, help="Print the files; write nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def init(
    session: Session,
    forge: str,
    component: str,
    image: str,
    install: str,
    prepare: str | None,
    only_print: bool,
    as_json: bool,
) -> None:
    """Write the CI file of this repository, and say which variables to set.

    A file that is there stays as it is: the difference is shown, and the exit code is 1.

    \b
      palmette ci init gitlab
      palmette ci init gitlab --component acme/palmette
      palmette ci init gitlab --install "pip install --index-url URL palmette"
      palmette ci init github --print
    """
    wish = Wish(forge=Forge(forge), component=component, image=image, install=install, prepare=prepare)
    if wish.forge is Forge.GITHUB and (component or image):
        raise UsageError("--component and --image are GitLab's", "palmette ci init github takes neither.")
    root = session.project.root
    wanted = files(wish, root)
    if only_print:
        _print(wanted, as_json)
        return
    placed = place(wanted, repository(root))
    differing = [each for each in placed if each.standing is Standing.DIFFERS]
    if as_json:
        print_json(_document(wish.forge, placed))
    else:
        _show(wish, placed)
    if differing:
        names = " and ".join(each.path for each in differing)
        stages = " Its stages must have `test`." if wish.forge is Forge.GITLAB else ""
        raise AlreadyThere(
            f"{names}: there already, and not changed",
            f"Add the lines marked + to it, or move it away and call this again.{stages}",
        )


def _print(wanted: Sequence[File], as_json: bool) -> None:
    if as_json:
        print_json({"files": [{"path": each.path, "text": each.text} for each in wanted]})
        return
    for each in wanted:
        if len(wanted) > 1:
            click.echo(f"# {each.path}", err=True)
        click.echo(each.text, nl=False)


def _document(forge: Forge, placed: Sequence[Placed]) -> dict[str, Json]:
    standing: list[Json] = [
        {"path": each.path, "standing": each.standing.value, "difference": each.difference} for each in placed
    ]
    wanted: list[Json] = [{"name": each.name, "why": each.why, "secret": each.secret} for each in variables(forge)]
    return {"files": standing, "variables": wanted}


def _show(wish: Wish, placed: Sequence[Placed]) -> None:
    for each in placed:
        match each.standing:
            case Standing.WRITTEN:
                click.echo(f"  wrote  {each.path}")
            case Standing.SAME:
                click.echo(f"  kept   {each.path} (is there already, the same)")
            case Standing.DIFFERS:
                click.echo(f"  kept   {each.path} (is there already, another one)\n\n{each.difference}\n")
    click.echo(f"\n{_variables(wish.forge, variables(wish.forge))}", nl=False)
    if not wish.install and not wish.component:
        click.echo(f"\n{_INSTALL}")
    if all(each.standing is not Standing.DIFFERS for each in placed):
        click.echo("\nNext: commit the files, and push.")


def _variables(forge: Forge, wanted: Sequence[Variable]) -> str:
    formatter = click.HelpFormatter(width=80)
    secret = "secret" if forge is Forge.GITHUB else "masked"
    with formatter.section(f"To set, in {_WHERE[forge]}; all may be left out"):
        formatter.write_dl([(each.name, each.why + (f" ({secret})" if each.secret else "")) for each in wanted])
    for paragraph in _ADVICE[forge]:
        formatter.write_paragraph()
        formatter.write_text(paragraph)
    return formatter.getvalue()
