"""`palmette login` and `palmette logout`."""

from __future__ import annotations

import sys
from collections.abc import Mapping

import click

from palmette.cli.session import Session, pass_session, print_json
from palmette.client.connection import Server, parsed
from palmette.domain.values import Json
from palmette.errors import AccessDenied, PalmetteError, UsageError
from palmette.operations import servers
from palmette.operations.servers import Greeting

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@click.command()
@click.argument("url", required=False)
@click.option("--name", metavar="NAME", help="Call it so; by default after its host.")
@click.option("--token", metavar="-", help="`-` reads the token from standard input.")
@click.option("--list", "listing", is_flag=True, help="List the servers that you are logged in to, and ask each.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object; with --list, a JSON list.")
@pass_session
def login(
    session: Session, /, url: str | None, name: str | None, token: str | None, listing: bool, as_json: bool
) -> None:
    """Log in to a team's server.

    From then on `--on NAME` works on the runs there. The server is asked who you are; the token is kept in
    ~/.config/palmette/servers.toml, which you alone can read, and is never shown. At a terminal it is asked for where
    the server wants one. Where nothing may be written, in CI for one, put it into PALMETTE_TOKEN and name the server by
    its URL.

    \b
      palmette login https://palmette.example.org --name team
      palmette login https://palmette.example.org --token - < token
      palmette login --list
    """
    if listing:
        if url or name or token:
            raise click.UsageError("--list stands alone")
        _list(session, as_json=as_json)
        return
    if url is None:
        raise click.UsageError("missing argument 'URL'")
    server, greeting = _greeted(session, parsed(url).geturl(), name, _read(token))
    path = servers.keep(server, session.environ)
    if as_json:
        print_json({**_told(server, greeting), "file": str(path)})
        return
    who = f"as {greeting.caller}, " if greeting.caller else ""
    click.echo(f"logged in to {server.name} ({server.url}) {who}with the role {greeting.role.value}", err=True)
    if server.token and server.url.startswith("http://") and parsed(server.url).hostname not in _LOOPBACK:
        click.echo("note: the token crosses the network in clear: use https:// where others can listen", err=True)
    click.echo(f"Look at its runs: palmette runs --on {server.name}", err=True)


def _greeted(session: Session, url: str, name: str | None, token: str) -> tuple[Server, Greeting]:
    """The server as it answers; asked once more with a token, if it wants one and somebody is there to give it."""
    known = servers.known(session.environ)
    before = next((each for each in known.values() if each.url == url and name in (None, each.name)), None)
    called = name or (before.name if before else servers.suggested(url))
    server = Server(url=url, name=called, token=token or (before.token if before else ""))
    try:
        return server, servers.greet(server)
    except AccessDenied:
        if token or not sys.stdin.isatty():
            raise
    typed = click.prompt(f"Token for {url}", hide_input=True, err=True).strip()
    server = Server(url=url, name=called, token=_proper(typed))
    return server, servers.greet(server)


def _read(token: str | None) -> str:
    if token is None:
        return ""
    if token != "-":
        raise UsageError(
            "a token on the command line can be read by others on this machine",
            "Pipe it: palmette login URL --token - < FILE.",
        )
    return _proper(sys.stdin.read().strip())


def _proper(token: str) -> str:
    if not token or not token.isascii() or not token.isprintable() or " " in token:
        raise UsageError("what was given is no token", "It is one word, as palmette token create printed it.")
    return token


def _told(server: Server, greeting: Greeting) -> dict[str, Json]:
    return {
        "name": server.name,
        "url": server.url,
        "caller": greeting.caller or None,
        "role": greeting.role.value,
        "version": greeting.version,
        "projects": list(greeting.projects),
    }


def _list(session: Session, *, as_json: bool) -> None:
    known = servers.known(session.environ)
    told = [_asked(server) for server in known.values()]
    if as_json:
        print_json(told)
        return
    width = max(map(len, known), default=0)
    for each in told:
        how = each["role"] or each["error"]
        click.echo(f"{each['name']:<{width}}  {each['url']}  {how}")
    if not known:
        click.echo("You are not logged in to any server. Do so: palmette login URL", err=True)


def _asked(server: Server) -> Mapping[str, Json]:
    nothing: dict[str, Json] = {"caller": None, "role": None, "version": None, "projects": []}
    try:
        return {**_told(server, servers.greet(server)), "error": None}
    except PalmetteError as error:
        return {"name": server.name, "url": server.url, **nothing, "error": error.message}


@click.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@pass_session
def logout(session: Session, /, name: str, as_json: bool) -> None:
    """Forget a server and its token.

    The token itself stays valid there.

    \b
      palmette logout team
    """
    servers.forget(name, session.environ)
    if as_json:
        print_json({"forgotten": name})
    else:
        click.echo(f"forgotten: {name}", err=True)
