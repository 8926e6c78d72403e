"""`--containers`, for the verbs that execute tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from palmette.cli.session import Session
from palmette.operations.containers import CHOICES, VARIABLE

F = TypeVar("F", bound=Callable[..., Any])


def containers(command: F) -> F:
    """Let the verb take `--containers`; what it says stands in the session's environment from then on."""
    return click.option(
        "--containers",
        type=click.Choice(CHOICES),
        expose_value=False,
        callback=_chosen,
        help="Run tasks in their images with this program, or as processes of this machine (the default).",
    )(command)


def _chosen(context: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    session = context.find_object(Session)
    if value and session is not None:
        session.environ = {**session.environ, VARIABLE: value}
