"""`--on`: where a verb looks at runs, or changes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from palmette.cli.session import Session

F = TypeVar("F", bound=Callable[..., Any])


def _chosen(ctx: click.Context, _: click.Parameter, given: str | None) -> None:
    if given and not ctx.resilient_parsing:
        ctx.ensure_object(Session).on = given


def placed(verb: F) -> F:
    """A verb that works on a server, too."""
    return _on("Use this server")(verb)


def executed(verb: F) -> F:
    """A verb that executes, on a server, too."""
    detach = click.option("--detach", is_flag=True, help="On a server: return once the run is accepted there.")
    return executing(detach(verb))


def executing(verb: F) -> F:
    """The same of one that cannot be left before its end."""
    return _on("Execute it on this server")(verb)


def _on(what: str) -> Callable[[F], F]:
    return click.option(
        "--on",
        "on",
        metavar="SERVER",
        expose_value=False,
        callback=_chosen,
        help=f"{what}: a name from `palmette login`, or a URL; `local` for this machine.",
    )
