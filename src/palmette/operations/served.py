"""A run that a server drives: all of it comes from the store, whoever handed it in."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from palmette.domain.hosting import Leaving
from palmette.domain.run import Change, Host, Lease, Run, RunChanged, TaskChanged, TaskRecord, TasksPlanned
from palmette.domain.states import RunState, TaskState
from palmette.engine.patience import Patience
from palmette.engine.planning import plan as make_plan
from palmette.engine.world import Signals
from palmette.errors import CorruptBlob, EnvironmentFailed, LeaseLost, PalmetteError, StoreError
from palmette.ir.spec import PipelineDocument
from palmette.operations import delivered, environments, machine, running, secrets, vault
from palmette.operations.accepting import Accepted
from palmette.operations.home import Home, hold
from palmette.operations.policy import ISOLATED, policy
from palmette.operations.preparing import Directories, directories
from palmette.operations.project import Project
from palmette.operations.shelf import Shelf
from palmette.operations.stock import Interpreters
from palmette.store import leases, runs
from palmette.store.ledger import RunLedger

#: Seconds between renewals of the lease while something is made ready.
_BEAT: Final = 1.0
_PROVIDING: Final = "its environment is being built"


@dataclass(frozen=True, kw_only=True)
class Grounds:
    """What the drivers of a server have in common."""

    environ: Mapping[str, str]
    directories: Directories
    host: Host
    #: executes "python3" where nothing else is said
    python: Path


class Quiet(Signals):
    """A driver that is told to leave, and never to cancel."""

    #: readable when there is something new
    wake: Sequence[int] = ()
    leaving = Leaving.NOT

    def asked(self) -> int:
        """Never: a run is cancelled through the store."""
        return 0


class _Asked(Exception):
    """The run is to be cancelled, and nothing of it runs."""


class _Left(Exception):
    """The driver is to leave, and nothing of its run runs."""


def grounds(environ: Mapping[str, str], python: Path | None) -> Grounds:
    """The grounds of this machine; `python` or else the interpreter behind the tool's own."""
    own = Path(getattr(sys, "_base_executable", "") or sys.executable)
    return Grounds(
        environ=environ, directories=directories(environ), host=machine.host(), python=Path(python or own).absolute()
    )


def drive(home: Home, id: str, on: Grounds, signals: Quiet, *, hopeless: bool = False) -> RunState:
    """Drive a run of the store to its end, or until the driver is told to leave; the state it is in then.

    What makes it impossible is the end of the run, with the reason; so are drivers that die of it (`hopeless`).
    LeaseLost if somebody else drives it, StoreError if the store cannot be used: then it waits for another driver.
    """
    lease = hold(home, id, on.host.name, on.host)
    try:
        run = runs.get(home.store, id)
        records = running.settle_lost(home, run, lease)
        driver = _Driver(home=home, run=run, records=records, lease=lease, on=on, signals=signals)
        if leases.renew(home.store, lease):
            return driver.over(RunState.CANCELED)
        if hopeless:
            return driver.over(RunState.FAILED, "its driver died again and again; the server's log says of what")
        with environments.shelf(on.environ) as held:
            try:
                accepted = driver.ready(held)
            except _Asked:
                return driver.over(RunState.CANCELED)
            except _Left:
                return run.state
            except CorruptBlob as error:
                return driver.over(RunState.FAILED, str(error))
            except (LeaseLost, StoreError):
                raise
            except PalmetteError as error:
                return driver.over(RunState.FAILED, str(error))
            return running.execute(accepted, lambda _: None, signals, leaving=lambda: signals.leaving)
    finally:
        with suppress(StoreError):
            leases.release(home.store, lease)


@dataclass(frozen=True, kw_only=True)
class _Driver:
    """Who holds a run's lease."""

    home: Home
    run: Run
    records: tuple[TaskRecord, ...]
    lease: Lease
    on: Grounds
    signals: Quiet

    def ready(self, held: Shelf) -> Accepted:
        """All that the run needs, made here where it is not there yet. That may take minutes; others do not wait."""
        home, run, on = self.home, self.run, self.on
        document = delivered.prepared(running.document(home, run))
        plan, records = make_plan(document, run.config, images=bool(home.containers)), self.records
        if not records:
            records = plan.records()
            self._record([TasksPlanned(tasks=records)])
        # In their images, tasks find the images'.
        foreign: Mapping[str, Path] = {} if home.containers else Interpreters(plan, on.python, on.environ, held)
        provided = self._provided(document, foreign, held)
        found = vault.of(home, on.environ, project=run.project, run=run.id)
        return Accepted(
            run=replace(provided, host=on.host),
            tasks=records,
            notices=(),
            home=home,
            plan=plan,
            lease=self.lease,
            # Paths in its pipeline begin at the root of the file system; there is no source tree.
            project=Project(root=Path("/"), name=run.project, roots=(), home=home.directory),
            environ=on.environ,
            directories=on.directories,
            secrets=secrets.stored_in(found, plan.secrets),
            policy=policy(home, run, plan),
            isolated=ISOLATED in run.tokens,
            imports=delivered.imports(home.bundles / run.bundle, document) if run.bundle else (),
            foreign=foreign,
        )

    def _provided(self, document: PipelineDocument, foreign: Mapping[str, Path], held: Shelf) -> Run:
        """The run with its code unpacked and its environments built. _Asked if it is cancelled meanwhile, _Left if the
        driver is to leave."""
        said = [False]

        def beat() -> None:
            if leases.renew(self.home.store, self.lease):
                raise _Asked
            if self.signals.leaving is not Leaving.NOT:
                raise _Left
            if not said[0]:
                said[0] = True
                self._record([RunChanged(state=self.run.state, time=time.time(), message=_PROVIDING)])

        def provide() -> Run:
            delivered.code(self.home, document)
            for executor in foreign:
                with suppress(EnvironmentFailed):  # said by the task, should it ever begin
                    foreign[executor]
            return delivered.ready(held, self.run, document, self.on.python)

        return Patience(beat, _BEAT).do(provide)

    def over(self, state: RunState, message: str = "") -> RunState:
        """End the run as it is, in one transaction."""
        now = time.time()
        canceled = state is RunState.CANCELED
        changes = [
            TaskChanged(
                task=record.name,
                state=TaskState.CANCELED if canceled or record.state is not TaskState.PENDING else TaskState.SKIPPED,
                time=now,
                message="" if canceled else "the run could not go on",
            )
            for record in self.records
            if not record.state.final
        ]
        self._record([*changes, RunChanged(state=state, time=now, message=message)])
        return state

    def _record(self, changes: Sequence[Change]) -> None:
        RunLedger(self.home.store, self.lease, self.home.blobs.exists).record(changes)
