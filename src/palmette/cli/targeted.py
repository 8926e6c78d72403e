"""`--on` and `--target`: on which host of pipelines a verb does what it does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from palmette.cli.place import placed
from palmette.cli.session import Session

F = TypeVar("F", bound=Callable[..., Any])


def _chosen(ctx: click.Context, _: click.Parameter, given: str | None) -> None:
    if given and not ctx.resilient_parsing:
        ctx.ensure_object(Session).target = given


def targeted(verb: F) -> F:
    """A verb that works on any host: the home, a Palmette server, a Kubeflow. It finds it as `session.host`."""
    option = click.option(
        "--target",
        "target",
        metavar="NAME",
        expose_value=False,
        callback=_chosen,
        help="Use this Kubeflow, one of [tool.palmette.targets]; `home` for Palmette's own.",
    )
    return placed(option(verb))
