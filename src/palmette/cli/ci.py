"""`palmette ci`: each of its verbs is imported when it is called."""

from __future__ import annotations

import importlib
from typing import Final

import click

#: verb → the module and name of its command, and the line that `palmette ci --help` shows for it
VERBS: Final[dict[str, tuple[str, str, str]]] = {
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


class Steps(click.Group):
    """The verbs of a job, in the order in which a pipeline calls them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command, or None."""
        if cmd_name not in VERBS:
            return None
        module, name, _ = VERBS[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing them."""
        width = max(map(len, VERBS), default=0)
        with formatter.section("Commands"):
            formatter.write_dl([(name.ljust(width), line) for name, (_, _, line) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a guess at what was meant."""
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            close = importlib.import_module("difflib").get_close_matches(args[0], VERBS, n=1)
            hint = f"\nDid you mean {close[0]}?" if close else ""
            raise click.UsageError(f"there is no command {f'ci {args[0]}'!r}{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=Steps, invoke_without_command=True)
@click.pass_context
def ci(ctx: click.Context) -> None:
    """Train every branch from a CI: what its jobs call.

    Every branch is an experiment, every commit a version. A job needs no options: branch, commit and merge request
    come from GitLab, GitHub or Git.

    \b
      palmette ci init gitlab
      palmette ci update
      palmette ci toy
      palmette ci report
    """
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())
