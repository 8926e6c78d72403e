"""What every driver asks of the store, asked once before there is a driver, and taken back.

SQLAlchemy takes longer to put a statement into words than SQLite to carry it out, and keeps the words with the engine.
A fork of a process that has said them all begins its run some tens of milliseconds earlier.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection

from palmette.domain.artifact import Outputs
from palmette.domain.run import Attempt, AttemptEnded, AttemptStarted, Process, Run, RunChanged, TaskChanged, TaskRecord
from palmette.domain.states import AttemptState, RunState, TaskState
from palmette.store import leases, runs, tasks
from palmette.store.database import Store
from palmette.store.identity import new_run_id
from palmette.store.ledger import RunLedger


class _Enough(Exception):
    """All was said."""


class _Stage(Store):
    """A store whose transactions are all one, which will be taken back."""

    def __init__(self, store: Store, connection: Connection) -> None:
        self.where, self.directory, self.clock = store.where, store.directory, store.clock
        self._connection = connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """The one transaction."""
        yield self._connection

    write = read


def rehearse(store: Store) -> None:
    """Say it all; nothing of it stays."""
    try:
        with store.write() as connection:
            _play(_Stage(store, connection))
            raise _Enough
    except _Enough:
        pass


def _play(stage: Store) -> None:
    now, me = time.time(), Process(pid=1, start=1, boot="")
    run = Run(id=new_run_id(), project="kfp", algorithm="rehearsal", created=now)
    runs.create(stage, run, [TaskRecord(name="task", executor="exec")])
    lease = leases.take(stage, run.id, "", me, alive=lambda _: True)
    leases.renew(stage, lease)
    runs.get(stage, run.id)
    tasks.of_run(stage, run.id)
    ledger = RunLedger(stage, lease, lambda _: True)
    ledger.reusable("")
    attempt = Attempt(serial=1, number=1, state=AttemptState.RUNNING, how="", started=now)
    over = Attempt(serial=1, number=1, state=AttemptState.SUCCEEDED, how="", started=now, ended=now)
    for changes in (
        (RunChanged(state=RunState.RUNNING, time=now), TaskChanged(task="task", state=TaskState.RUNNING, time=now)),
        (AttemptStarted(task="task", attempt=attempt),),
        (
            AttemptEnded(task="task", attempt=over),
            TaskChanged(task="task", state=TaskState.SUCCEEDED, time=now, outputs=Outputs(parameters={"output": 1})),
            RunChanged(state=RunState.SUCCEEDED, time=now),
        ),
    ):
        ledger.record(changes)
    leases.release(stage, lease)
