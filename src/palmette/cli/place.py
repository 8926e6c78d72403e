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
    option = click.option(
        "--on",
        "on",
        metavar="SERVER",
        expose_value=False,
        callback=_chosen,
        help="Look on this server: a name from `palmette login`, or a URL; `local` for this machine.",
    )
    return option(verb)
