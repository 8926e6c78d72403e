"""`palmette token`."""

from __future__ import annotations

import time
from pathlib import Path

import click

from palmette.cli import hosted
from palmette.cli.hosted import home_option, json_option
from palmette.cli.lazy import operation
from palmette.cli.session import Session, pass_session, print_json
from palmette.cli.within import Within
from palmette.domain.hosting import Role
from palmette.operations import tokens
from palmette.present import keeping, words


@click.group(cls=Within, invoke_without_command=True)
@json_option
@click.pass_context
def token(ctx: click.Context, as_json: bool) -> None:
    """Say who may speak to the server: create, list, revoke tokens.

    As long as there are none, the server listens on this machine alone, and everybody on it may do everything. Without
    a command the tokens are listed.

    \b
      palmette token create ci --role run --expires 90d
      palmette token list
    """
    if ctx.invoked_subcommand is None:
        ctx.invoke(list_tokens, as_json=as_json)


@token.command("create")
@click.argument("name")
@click.option(
    "--role",
    type=click.Choice([each.value for each in Role]),
    default="run",
    show_default=True,
    help="What its bearer may do.",
)
@click.option(
    "--expires", metavar="TIME", default="90d", show_default=True, help="For how long it is valid: 90d, 12h, never."
)
@home_option
@json_option
@pass_session
def create_token(session: Session, name: str, role: str, expires: str, directory: Path | None, as_json: bool) -> None:
    """Make a token, and print it once.

    `read` may look at everything; `run` may start, change and delete runs, pipelines and experiments, too; `admin` may
    do everything. The server takes it from now on. It keeps only a digest: nobody can show the token again.

    \b
      palmette token create ci --role run --expires 90d
      palmette token create ada --role admin > token.txt
    """
    lifetime = tokens.lifetime(expires)
    tokens.nameable(name)
    made = tokens.create(hosted.home(session, directory), name, Role(role), lifetime=lifetime)
    if as_json:
        print_json(keeping.token(made.token) | {"token": made.secret})
        return
    click.echo(made.secret)
    until = f", until {words.moment(made.token.expires)}" if made.token.expires else ""
    click.echo(f"{name} may {role}{until}. Keep it: it is not shown again.", err=True)


@token.command("list")
@home_option
@json_option
@pass_session
def list_tokens(session: Session, directory: Path | None = None, as_json: bool = False) -> None:
    """List tokens: what they allow, until when, last use.

    \b
      palmette token list
    """
    home = hosted.known(session, directory)
    kept = tokens.listed(home) if home else ()
    if as_json:
        print_json([keeping.token(each) for each in kept])
    elif kept:
        operation("console").show(keeping.tokens(kept, time.time()))
    else:
        click.echo("No tokens yet. Make one: palmette token create NAME", err=True)


@token.command("revoke")
@click.argument("name")
@home_option
@json_option
@pass_session
def revoke_token(session: Session, name: str, directory: Path | None, as_json: bool) -> None:
    """Make a token invalid, at once.

    \b
      palmette token revoke ci
    """
    tokens.revoke(hosted.there(session, directory), name)
    if as_json:
        print_json({"revoked": name})
    else:
        click.echo(f"revoked: {name}", err=True)
