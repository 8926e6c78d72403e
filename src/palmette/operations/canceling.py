"""End a run without executing anything."""

from __future__ import annotations

import time

from palmette.domain.run import Run, RunChanged, TaskChanged
from palmette.domain.states import RunState, TaskState
from palmette.errors import LeaseLost
from palmette.operations import machine
from palmette.operations.home import Home, hold, undriven
from palmette.operations.running import ask_to_cancel, settle_lost
from palmette.store import leases, runs
from palmette.store.ledger import RunLedger


def cancel(home: Home, ref: str) -> Run:
    """Ask the run's driver to cancel it; where nobody drives it, it is canceled when this returns. The run as it is
    then; NotFound for one that is over."""
    run = ask_to_cancel(home, ref)
    if undriven(run):
        _end(home, run)
    return runs.get(home.store, run.id)


def _end(home: Home, run: Run) -> None:
    try:
        lease = hold(home, run.id, machine.host(None).name)
    except LeaseLost:
        return  # somebody drives it by now, and will hear of it
    try:
        if runs.get(home.store, run.id).state.final:
            return  # somebody did until just now
        records, now = settle_lost(home, run, lease), time.time()
        over = [
            TaskChanged(task=record.name, state=TaskState.CANCELED, time=now)
            for record in records
            if not record.state.final
        ]
        states = [RunChanged(state=state, time=now) for state in (RunState.CANCELING, RunState.CANCELED)]
        RunLedger(home.store, lease, home.blobs.exists).record([*over, *states])
    finally:
        leases.release(home.store, lease)
