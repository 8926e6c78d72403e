"""A run that failed or was canceled goes on under the same id: what is good is kept."""

from __future__ import annotations

from palmette.domain.run import Run
from palmette.engine import again
from palmette.engine.attempt import remove
from palmette.operations import abroad
from palmette.operations.home import Home
from palmette.store import retrying, runs, tasks


def retry(home: Home, id: str) -> Run:
    """Let a server execute again what did not succeed in the run, and what waited for that; the run, which is PENDING
    then.

    Tasks that are good are not executed again. The attempts there were stay as history, but for those within a loop
    that has to begin anew. NotFound for an unknown run, Conflict for one that is not over, or succeeded.
    """
    run = runs.get(home.store, id, project=home.project)
    if run.state not in retrying.RETRIED:
        raise retrying.refused(run.id, run.state)
    abroad.refuse(home, run, "cannot be continued here")
    reset = again.reset(tasks.of_run(home.store, run.id))
    retrying.again(home.store, run, pending=reset.pending, open=reset.open, gone=reset.gone)
    for name in reset.gone:
        remove(home.runs / run.id / name)
    return runs.get(home.store, run.id)
