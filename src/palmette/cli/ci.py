"""`palmette ci`: each of its verbs is imported when it is called."""

from __future__ import annotations

from typing import Final

import click

from palmette.cli.lazy import Deferred, Table
from palmette.cli.session import Session, pass_session

#: verb → the module and name of its command, and the line that `palmette ci --help` shows for it
VERBS: Final[Table] = {
    "init": ("palmette.cli.ci_init", "init", "Write the CI file of this repository."),
    "context": (
        "palmette.cli.ci_context",
        "context",
        "Show what a job knows of itself: branch, commit, merge request.",
    ),
    "update": ("palmette.cli.ci_update", "update", "Upload this commit's pipelines, and file its branch."),
    "plan": ("palmette.cli.ci_plan", "plan", "Show which algorithms `palmette ci toy` would run, and why."),
    "toy": ("palmette.cli.ci_toy", "toy", "Run the toy preset of each algorithm that changed, and wait."),
    "run": ("palmette.cli.ci_toy", "run", "Train an algorithm in full with this branch's code, and wait."),
    "report": ("palmette.cli.ci_report", "report", "Say on the merge request whether a commit trains and is better."),
    "settle": (
        "palmette.cli.ci_settle",
        "settle",
        "Say on merge requests how trainings ended that outlived their jobs.",
    ),
    "gc": ("palmette.cli.ci_gc", "gc", "Archive the experiments of branches that are gone."),
}


class Steps(Deferred):
    """The verbs of a job, in the order in which a pipeline calls them."""

    table = VERBS
    above = "ci "


@click.group(cls=Steps, invoke_without_command=True)
@click.pass_context
@pass_session
def ci(session: Session, /, ctx: click.Context) -> None:
    """Train every branch from a CI: what its jobs call.

    Every branch is an experiment, every commit a version. A job needs no options: branch, commit and merge request
    come from GitLab, GitHub or Git.

    \b
      palmette ci init gitlab
      palmette ci update
      palmette ci toy
      palmette ci report
    """
    session.patient = True
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
