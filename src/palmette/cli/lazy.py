"""What is imported only when it is asked for. This table is the only place in the tool that defers an import: it keeps
`palmette --help` quick, and lets `run` start the project's interpreter before the rest is loaded."""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final, TypeAlias

import click

#: verb → the module and name of its command, and the line that `palmette --help` shows for it
VERBS: Final = {
    "init": ("palmette.cli.start", "init", "Make this directory a Palmette project."),
    "check": ("palmette.cli.code", "check", "Check the project's algorithms without running them."),
    "capture": ("palmette.cli.code", "capture", "Show the code that an algorithm's steps take along."),
    "compile": ("palmette.cli.code", "compile_pipeline", "Write an algorithm's Kubeflow pipeline."),
    "run": ("palmette.cli.run", "run", "Train an algorithm."),
    "rerun": ("palmette.cli.again", "rerun", "Execute a run again, with other settings or from a step on."),
    "resume": ("palmette.cli.run", "resume", "Continue a run or a sweep that was interrupted."),
    "cancel": ("palmette.cli.run", "cancel", "Cancel a run."),
    "debug": ("palmette.cli.again", "debug", "Execute a step of a run in this terminal, under a debugger."),
    "reproduce": ("palmette.cli.again", "reproduce", "Rebuild a run, execute it again, and certify what comes out."),
    "runs": ("palmette.cli.search", "runs", "List runs, newest first, or search them."),
    "show": ("palmette.cli.read", "show", "Show everything about a run."),
    "logs": ("palmette.cli.read", "logs", "Print what a run's steps printed."),
    "artifacts": ("palmette.cli.read", "artifacts", "List or fetch what a run's steps made."),
    "sweeps": ("palmette.cli.sweeps", "list_sweeps", "List sweeps, newest first, with the best point of each."),
    "sweep": ("palmette.cli.sweeps", "sweep", "Show how the points of a sweep did."),
    "views": ("palmette.cli.search", "views", "List saved searches, or remove one."),
    "diff": ("palmette.cli.diff", "diff", "Say whether a run is better than its baseline, and why."),
    "why": ("palmette.cli.explain", "why", "Say why a step was run again, or was not."),
    "history": ("palmette.cli.history", "history", "Show a metric over the commits of a branch."),
    "branches": ("palmette.cli.branches", "branches", "Say which branches need somebody, and how each does."),
    "leaderboard": ("palmette.cli.leaderboard", "leaderboard", "List an algorithm's runs, best first."),
    "baseline": ("palmette.cli.baseline", "baseline", "Say which run a run is compared with: show, pin, unpin."),
    "promote": ("palmette.cli.promote", "promote", "Say which run is the one in production."),
    "ci": ("palmette.cli.ci", "ci", "Train every branch from a CI: what its jobs call."),
    "mirror": ("palmette.cli.mirror", "mirror", "Bring a Kubeflow's runs here, once or as they come."),
    "pipeline": ("palmette.cli.pipeline", "pipeline", "Show pipelines: list, show, versions, upload, delete."),
    "experiment": ("palmette.cli.experiment", "experiment", "Show experiments: list, show, create, rename, archive."),
    "schedule": ("palmette.cli.schedule", "schedule", "Train again and again: create, edit, pause, run, history."),
    "login": ("palmette.cli.login", "login", "Log in to a team's server."),
    "logout": ("palmette.cli.login", "logout", "Forget a server and its token."),
    "push": ("palmette.cli.push", "push", "Send a run of this machine to a server."),
    "serve": ("palmette.cli.serve", "serve", "Serve Kubeflow Pipelines' API, and execute what is handed in."),
    "token": ("palmette.cli.tokens", "token", "Say who may speak to the server: create, list, revoke tokens."),
    "secret": ("palmette.cli.vault", "secret", "Keep secrets for runs: set, list, delete, rekey."),
    "configmap": ("palmette.cli.vault", "configmap", "Keep config maps for runs: set, list, show, delete."),
    "volume": ("palmette.cli.vault", "volume", "Keep volumes for runs: create, list, delete."),
    "tag": ("palmette.cli.label", "tag", "Add or remove a run's tags."),
    "note": ("palmette.cli.label", "note", "Write a note on a run."),
    "import": ("palmette.cli.imports", "import_runs", "Import old results from CSV or JSON."),
    "gc": ("palmette.cli.collect", "gc", "Show what can be deleted, and delete it."),
    "completion": ("palmette.cli.completion", "completion", "Print a script that completes what you type."),
}

#: heading → the verbs below it: what people do, in the order in which they come to it
GROUPS: Final = {
    "Write algorithms": ("init", "check", "capture", "compile"),
    "Train": ("run", "rerun", "resume", "cancel", "debug", "reproduce"),
    "Look at runs": ("runs", "show", "logs", "artifacts", "sweeps", "sweep", "views"),
    "Compare": ("diff", "why", "history", "branches", "leaderboard", "baseline", "promote"),
    "Continuous learning": ("ci", "mirror"),
    "On a host of pipelines": ("pipeline", "experiment", "schedule"),
    "Share": ("login", "logout", "push"),
    "Serve": ("serve", "token", "secret", "configmap", "volume"),
    "Keep order": ("tag", "note", "import", "gc", "completion"),
}

#: modules that are heavy to import; the others are imported as usual
_OPERATIONS: Final = {
    "accepting": "palmette.operations.accepting",
    "addressed": "palmette.operations.addressed",
    "publishing": "palmette.operations.publishing",
    "donors": "palmette.operations.donors",
    "home": "palmette.operations.home",
    "running": "palmette.operations.running",
    "rerunning": "palmette.operations.rerunning",
    "debugging": "palmette.operations.debugging",
    "reproducing": "palmette.operations.reproducing",
    "certificate": "palmette.present.certificate",
    "determinism": "palmette.operations.determinism",
    "determined": "palmette.present.determinism",
    "progress": "palmette.present.progress",
    "outcome": "palmette.present.outcome",
    "plain": "palmette.present.plain",
    "console": "palmette.cli.console",
    "sweep_verbs": "palmette.cli.sweeps",
    "distant": "palmette.cli.distant",
    "sweeps": "palmette.operations.sweeps",
    "tuning": "palmette.operations.tuning",
    "pictures": "palmette.present.pictures",
    "metadata": "importlib.metadata",
    "completion": "palmette.cli.completion",
    "places": "palmette.operations.places",
    "remote": "palmette.operations.remote",
    "servers": "palmette.operations.servers",
    "elsewhere": "palmette.operations.elsewhere",
    "canceling": "palmette.operations.canceling",
    "terminating": "palmette.operations.cluster.terminating",
    "scheduler": "palmette.server.scheduler",
    "follower": "palmette.server.follower",
    "serving": "palmette.server.serving",
    "whole": "palmette.server.whole",
    "journal": "palmette.server.journal",
    "presence": "palmette.operations.presence",
    "tokens": "palmette.operations.tokens",
    "worker": "palmette.operations.worker",
    "machine": "palmette.operations.machine",
    "contexts": "palmette.ci.contexts",
}


def operation(name: str) -> Any:
    """The module of an operation, imported now."""
    return importlib.import_module(_OPERATIONS[name])


#: verb → the module and name of its command, and the line that help shows for it
Table: TypeAlias = Mapping[str, tuple[str, str, str]]


class Deferred(click.Group):
    """Verbs that are imported when they are called. Help lists them from a table."""

    table: ClassVar[Table]
    #: what stands before a verb where one is not known: "ci "
    above: ClassVar[str] = ""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the table, which is the order of use."""
        return list(self.table)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The verb's command, or None."""
        if cmd_name not in self.table:
            return None
        module, name, _ = self.table[cmd_name]
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def headed(self) -> Mapping[str, Sequence[str]]:
        """The headings of help, and the verbs below each."""
        return {"Commands": tuple(self.table)}

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs below their headings, without importing them."""
        width = max(map(len, self.table))
        for heading, names in self.headed().items():
            with formatter.section(heading):
                formatter.write_dl([(name.ljust(width), self.table[name][2]) for name in names])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a guess at what was meant."""
        if args and args[0] not in self.table and not args[0].startswith("-"):
            # difflib costs a few milliseconds, which only a typing error should pay.
            close = importlib.import_module("difflib").get_close_matches(args[0], self.table, n=1)
            hint = f"\nDid you mean {close[0]}?" if close else ""
            raise click.UsageError(f"there is no command {f'{self.above}{args[0]}'!r}{hint}", ctx)
        return super().resolve_command(ctx, args)


class Verbs(Deferred):
    """The verbs of `palmette`, in their groups."""

    table = VERBS

    def headed(self) -> Mapping[str, Sequence[str]]:
        """What people do, in the order in which they come to it."""
        return GROUPS
