"""Who drives a run.

A lease names host, boot, process and epoch. Every result is committed under the epoch (`ledger`), so that a driver
whose lease was taken over can do no harm, however late it notices.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, Update, and_, bindparam, literal_column, select, update

from palmette.domain import wire
from palmette.domain.run import Host, Lease, Process
from palmette.errors import LeaseLost, NotFound
from palmette.store.columns import encode
from palmette.store.database import Store
from palmette.store.schema import runs

#: Seconds of silence, by the database's clock, after which a driver on another machine counts as dead.
SILENCE: Final = 30.0

_ASKED: Final = select(runs.c.cancel_requested).where(runs.c.id == bindparam("run_id"))


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The driver of a run, and how long ago it last said so (seconds, by the database's clock)."""

    lease: Lease
    silent: float


def take(
    store: Store,
    run: str,
    host: str,
    process: Process,
    *,
    alive: Callable[[Process], bool],
    machine: Host | None = None,
) -> Lease:
    """Become the driver of a run, under a new epoch; LeaseLost if someone else is. A `machine` is recorded as where the
    run is executed.

    A holder on this host, in this boot, drives as long as `alive` says that its process lives; any other as long as
    it was heard of within `SILENCE` seconds.
    """
    with store.write() as connection:
        row = _row(connection, store, run, lock=True)
        holder = _holder(row)
        if holder is not None and _drives(holder, host, process.boot, alive):
            raise _held(holder)
        lease = Lease(run=run, epoch=row.epoch + 1, host=host, process=process)
        connection.execute(
            update(runs)
            .where(runs.c.id == run)
            .values(
                epoch=lease.epoch,
                lease_host=host,
                lease_boot=process.boot,
                lease_pid=process.pid,
                lease_start=process.start,
                lease_renewed=literal_column(store.clock),
                **({} if machine is None else {"host_name": machine.name, "host": encode(wire.dump(machine))}),
            )
        )
    return lease


def hold(connection: Connection, store: Store, lease: Lease) -> None:
    """Renew a lease within a transaction, which thereby excludes any other driver; LeaseLost if it is not held."""
    if connection.execute(_hold(store.clock), {"run_id": lease.run, "held": lease.epoch}).rowcount != 1:
        raise LeaseLost(
            f"run {lease.run} is driven by another process now",
            "Nothing is lost: the other one goes on where this one stopped.",
        )


@cache
def _hold(clock: str) -> Update:
    # Built once: a driver executes it with every change.
    of_run = runs.c.id == bindparam("run_id")
    held = and_(of_run, runs.c.epoch == bindparam("held"), runs.c.lease_host.is_not(None))
    return update(runs).where(held).values(lease_renewed=literal_column(clock))


def renew(store: Store, lease: Lease) -> bool:
    """Say that the driver lives; whether someone asked for the run to be cancelled. LeaseLost if it drives no more."""
    with store.write() as connection:
        hold(connection, store, lease)
        asked = connection.execute(_ASKED, {"run_id": lease.run}).scalar()
    return asked is not None


def release(store: Store, lease: Lease) -> None:
    """Stop driving; nothing happens if the lease was lost. The epoch stays, so that it never counts again."""
    with store.write() as connection:
        connection.execute(
            update(runs)
            .where(runs.c.id == lease.run, runs.c.epoch == lease.epoch)
            .values(lease_host=None, lease_boot=None, lease_pid=None, lease_start=None, lease_renewed=None)
        )


def holder(store: Store, run: str) -> Holder | None:
    """Who drives a run, dead or alive; None if nobody does."""
    with store.read() as connection:
        return _holder(_row(connection, store, run, lock=False))


def request_cancel(store: Store, run: str) -> None:
    """Ask whoever drives the run, or will, to cancel it; a second time changes nothing."""
    with store.write() as connection:
        _row(connection, store, run, lock=True)
        connection.execute(
            update(runs)
            .where(runs.c.id == run, runs.c.cancel_requested.is_(None))
            .values(cancel_requested=literal_column(store.clock))
        )


def of_row(row: Any) -> Lease | None:
    """The lease that a row of `runs` shows."""
    if row.lease_host is None:
        return None
    process = Process(pid=row.lease_pid, start=row.lease_start, boot=row.lease_boot)
    return Lease(run=row.id, epoch=row.epoch, host=row.lease_host, process=process)


def _drives(holder: Holder, host: str, boot: str, alive: Callable[[Process], bool]) -> bool:
    if (holder.lease.host, holder.lease.process.boot) == (host, boot):
        return alive(holder.lease.process)
    return holder.silent < SILENCE


def _held(holder: Holder) -> LeaseLost:
    lease = holder.lease
    return LeaseLost(
        f"run {lease.run} is driven by process {lease.process.pid} on {lease.host}",
        "Wait for it, follow it with `palmette logs -f`, or end that process first.",
    )


def _row(connection: Connection, store: Store, run: str, *, lock: bool) -> Row[Any]:
    query: Select[Any] = select(runs, literal_column(store.clock).label("now")).where(runs.c.id == run)
    row = connection.execute(query.with_for_update() if lock else query).first()
    if row is None:
        raise NotFound(f"there is no run {run}")
    return row


def _holder(row: Row[Any]) -> Holder | None:
    lease = of_row(row)
    return None if lease is None else Holder(lease=lease, silent=max(0.0, row.now - row.lease_renewed))
