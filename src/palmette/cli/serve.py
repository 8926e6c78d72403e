"""`palmette serve`."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from palmette.cli.containers import containers
from palmette.cli.lazy import operation
from palmette.cli.session import Session, pass_session
from palmette.operations import containers as programs
from palmette.operations import project as projects

_PORT: Final = 8080


@click.command()
@click.option("--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Listen on this address.")
@click.option(
    "--port",
    metavar="PORT",
    type=click.IntRange(0, 65535),
    default=_PORT,
    show_default=True,
    help="Listen on this port; 0 takes any that is free.",
)
@click.option(
    "--home",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Keep everything here. By default the project's home, or .palmette here.",
)
@click.option("--runs", metavar="N", type=click.IntRange(1), help="So many runs at once; by default two for each core.")
@click.option(
    "--python",
    metavar="PATH",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The Python for components that name no packages. By default the one that Palmette was installed with.",
)
@click.option(
    "--on-stop",
    type=click.Choice(["finish", "requeue"]),
    default="finish",
    show_default=True,
    help="What becomes of running tasks when the server stops: they finish first, or begin again after the restart.",
)
@containers
@click.option("--no-worker", is_flag=True, help="Answer only; another server of the same store executes the runs.")
@click.option("--log", type=click.Choice(["text", "json"]), default="text", show_default=True, help="How to log.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object once it listens.")
@pass_session
def serve(session: Session, /, *, host: str, port: int, home: Path | None, as_json: bool, **options: Any) -> None:
    """Serve Kubeflow Pipelines' API, and execute what is handed in.

    The official kfp client and command take it for Kubeflow Pipelines. Ctrl-C stops it: running tasks finish first;
    a second Ctrl-C ends them at once, and they begin again after the next start. Nothing that was accepted is lost.

    On another address than this machine's own, every request needs a token (palmette token create).

    \b
      palmette serve
      palmette serve --host 0.0.0.0 --home /srv/palmette
      kfp --endpoint http://127.0.0.1:8080 run create -e demo -f pipeline.yaml
    """
    # Nothing of what is loaded is garbage, and looking through it takes a tenth of the time.
    gc.disable()
    click.get_current_context().call_on_close(gc.enable)
    serving = operation("serving")
    # Whoever connects from now on waits for the first answer, and is not refused.
    bound = serving.bind(host, port)
    homes = operation("home")
    where, database = homes.served(session.directory, session.environ, home)
    opened = homes.serve_home(where, database or None, containers=_containers(session))
    operation("tokens").require(opened, [host])
    guarded = bool(operation("tokens").listed(opened))
    url = serving.address(bound)
    presence = operation("presence").enter(opened, url)
    worker = None if options["no_worker"] else _worker(session, where, database, options)
    journal = operation("journal")
    journal.begin(journal.Form(options["log"]))

    def make() -> Any:
        application = operation("whole").whole(opened, environ=session.environ, worker=worker, hosts=[host])
        gc.freeze()
        gc.enable()
        return application

    leaving = serving.Leaving.SOON if options["on_stop"] == "finish" else serving.Leaving.NOW

    def scheduler() -> Any:
        wake = worker.wake if worker else None
        makes = operation("scheduler").Scheduler(opened, session.environ, wake=wake)
        return serving.Together((makes, operation("follower").Follower(opened, session.environ, wake=wake)))

    life = serving.Serving(make=make, presence=presence, worker=worker, scheduler=scheduler, leaving=leaving)
    try:
        say = _sayer(url, where, database and opened.store.where, guarded=guarded, as_json=as_json)
        serving.serve(life, bound, say)
    finally:
        opened.store.close()
    serving.leave()


def _containers(session: Session) -> str:
    """How tasks are executed, which the worker is told as everything else."""
    found = projects.around(session.directory, session.environ)
    wanted = found.containers if found else programs.chosen(session.environ)
    programs.require(wanted, session.environ)
    session.environ = {**session.environ, programs.VARIABLE: wanted or programs.CHOICES[0]}
    return wanted


def _worker(session: Session, home: Path, database: str, options: dict[str, Any]) -> Any:
    workers = operation("worker")
    order = workers.Order(
        home=str(home),
        database=database,
        environ=dict(session.environ),
        runs=options["runs"] or operation("machine").host().cpus * 2,
        python=str(options["python"] or ""),
        objects=options["log"] == "json",
    )
    return workers.Worker(order)


def _sayer(url: str, home: Path, database: str, *, guarded: bool, as_json: bool) -> Callable[[str], None]:
    """Tells whoever started the server how it is."""

    def say(what: str) -> None:
        if what == "waiting":
            click.echo("stopping once the running tasks are over; Ctrl-C again ends them now", err=True)
        elif as_json:
            click.echo(json.dumps({"url": url, "home": str(home), "database": database}))
        else:
            click.echo(f"Palmette serves on {url}", err=True)
            click.echo(f"  home     {home}", err=True)
            if database:
                click.echo(f"  database {database}", err=True)
            token = " --existing-token TOKEN" if guarded else ""
            click.echo(f"  try      kfp --endpoint {url}{token} experiment list", err=True)
            click.echo("Ctrl-C stops it.", err=True)

    return say
