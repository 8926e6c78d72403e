"""`-c` and `-b`: what a verb of a CI is about, where that is not what the job's environment says."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from palmette.cli.lazy import operation
from palmette.cli.session import Session
from palmette.operations import project as projects


def circumstances(verb: Callable[..., Any]) -> Callable[..., Any]:
    """A verb that is given the `context` that it is called in."""

    @click.option(
        "-c",
        "--commit",
        metavar="COMMIT",
        default="",
        help="The commit, by six characters or more; else the job's own.",
    )
    @click.option("-b", "--branch", metavar="BRANCH", default="", help="The branch; else the job's own.")
    @wraps(verb)
    def called(*values: Any, commit: str, branch: str, **named: Any) -> Any:
        session = click.get_current_context().ensure_object(Session)
        return verb(*values, context=detected(session, commit=commit, branch=branch).context, **named)

    return called


def detected(session: Session, *, commit: str = "", branch: str = "") -> Any:
    """The context of a session, and where each of its fields comes from."""
    project = projects.around(session.directory, session.environ)
    return operation("contexts").found(
        project.root if project else session.directory,
        session.environ,
        branch=branch,
        commit=commit,
        setting=project.default_branch if project else None,
    )
