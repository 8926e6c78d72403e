"""The one loop: events → machine → changes → ledger → commands → executor."""

from __future__ import annotations

import heapq
import time as clocks
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol, assert_never

from palmette.domain.artifact import Outputs
from palmette.domain.fingerprint import fingerprint
from palmette.domain.graph import Resources
from palmette.domain.metric import MetricPoint
from palmette.domain.run import Change, PointsLogged, Run, TaskChanged, TaskRecord
from palmette.domain.states import RunState, TaskState
from palmette.engine import fingerprints, outcome
from palmette.engine.attempt import Surroundings, directory, failure, prepare, secret_values, tidy
from palmette.engine.events import Tail
from palmette.engine.inputs import Inputs, Job, Places, UnusableInput, parameter_text, resolve
from palmette.engine.machine import advance
from palmette.engine.plan import Plan, PlannedTask
from palmette.engine.ports import (
    Bytes,
    Claim,
    Executor,
    Exited,
    Ledger,
    Lost,
    Report,
    Secrets,
    Slots,
    Started,
    Watch,
)
from palmette.engine.progress import restore
from palmette.engine.quantities import requested
from palmette.engine.reuse import Policy, stands
from palmette.engine.vocabulary import (
    AttemptLost,
    Began,
    Begin,
    CancelAsked,
    Claimed,
    Due,
    End,
    Ended,
    Event,
    Failed,
    Finish,
    Hit,
    LookUp,
    Missed,
    Queue,
    Refused,
    Start,
    Succeeded,
    WaitUntil,
)
from palmette.errors import PalmetteError

#: Seconds between renewals of the lease.
_BEAT: Final = 1.0
#: Seconds between looks at the event files of running attempts.
_LISTEN: Final = 0.2
#: Seconds until slots are asked for again: other drivers share them, and nobody says when one is free.
_SLOTS: Final = (0.005, 0.05)
#: What nothing waits for (a process's number, a place in the queue) is written down this many seconds later, with
#: what has come by then.
_LATER: Final = 0.05
#: More changes than this are written down even in the midst of looking up.
_MANY: Final = 500
#: Seconds that killed attempts get to disappear.
_PATIENCE: Final = 5.0


class Signals(Protocol):
    """How someone at the terminal stops a run."""

    @property
    def wake(self) -> Sequence[int]:
        """File descriptors that become readable when there is something new."""

    def asked(self) -> int:
        """How often the end was asked for: the first time cancels, the second kills. Empties `wake`."""


class Undisturbed:
    """Nobody can stop the run but through its ledger."""

    wake: Sequence[int] = ()

    def asked(self) -> int:
        """Never."""
        return 0


@dataclass(frozen=True, kw_only=True)
class World:
    """All that a drive touches."""

    ledger: Ledger
    executor: Executor
    slots: Slots
    files: Bytes
    where: Surroundings
    secrets: Secrets = Secrets()
    watch: Watch = lambda _: None
    signals: Signals = Undisturbed()
    #: seconds since the epoch
    clock: Callable[[], float] = clocks.time


def drive(plan: Plan, run: Run, records: Sequence[TaskRecord], world: World, policy: Policy) -> RunState:
    """Drive the run to its end, from wherever its records say it is; the state in which it ended.

    Nothing that the records call running may still run. Whatever is raised (LeaseLost, StoreError), no attempt
    outlives this call.
    """
    return _Drive(plan, run, records, world, policy).to_the_end()


@dataclass(frozen=True, kw_only=True)
class _Live:
    """An attempt that runs."""

    task: PlannedTask
    serial: int
    places: Places
    tail: Tail


class _Drive:
    """One driver of one run."""

    def __init__(self, plan: Plan, run: Run, records: Sequence[TaskRecord], world: World, policy: Policy) -> None:
        self._plan, self._run, self._world, self._policy = plan, run, world, policy
        self._progress = restore(plan.nodes(), records, run.state)
        self._made = {record.name: record.outputs for record in records if record.state.good}
        self._job = Job(
            id=run.id,
            name=run.name or run.id,
            pipeline=plan.name,
            created=_iso(run.created),
            root=str(world.where.home),
        )
        self._given: dict[str, tuple[Inputs, Resources]] = {}
        self._lookups: deque[str] = deque()
        self._queue: deque[str] = deque()
        self._due: list[tuple[float, str]] = []
        #: commands that wait for their changes to be durable
        self._commands: list[Start | End | Finish] = []
        self._changes: list[Change] = []
        self._unwritten_since = 0.0
        self._claims: dict[str, Claim] = {}
        self._live: dict[str, _Live] = {}
        self._waste: deque[Path] = deque()
        self._patience = _SLOTS[0]
        self._next_beat = self._next_listen = 0.0
        self._asked = 0
        self._ended: RunState | None = None

    def to_the_end(self) -> RunState:
        """Drive until the machine says that the run is over."""
        try:
            self._next_beat = clocks.monotonic() + _BEAT
            self._tell(Begin(time=self._world.clock()))
            self._settle()
            while self._ended is None:
                self._hear()
                self._settle()
            return self._ended
        finally:
            self._let_go()

    def _tell(self, event: Event) -> None:
        """Let the machine decide what follows; nothing of it is durable yet."""
        decision = advance(self._progress, event)
        self._progress = decision.progress
        for change in decision.changes:
            self._note(change)
        for command in decision.commands:
            match command:
                case LookUp(task=task):
                    self._lookups.append(task)
                case Queue(task=task):
                    self._queue.append(task)
                case WaitUntil(task=task, time=time):
                    heapq.heappush(self._due, (time, task))
                case Start() | End() | Finish():
                    self._commands.append(command)
                case _:
                    assert_never(command)

    def _note(self, change: Change) -> None:
        if not self._changes:
            self._unwritten_since = clocks.monotonic()
        self._changes.append(change)
        if isinstance(change, TaskChanged) and change.outputs is not None:
            self._made[change.task] = change.outputs

    def _settle(self) -> None:
        """Do all that can be done without waiting. What is durable together is written in one transaction."""
        while True:
            while self._lookups:
                self._look_up(self._plan[self._lookups.popleft()])
                if len(self._changes) > _MANY:
                    self._write()
            self._claim()
            if self._commands:
                self._write()
                commands, self._commands = self._commands, []
                for command in commands:
                    self._carry_out(command)
            elif not self._lookups:
                break
        urgent = any(isinstance(change, TaskChanged) and change.state.final for change in self._changes)
        if urgent or (self._changes and clocks.monotonic() - self._unwritten_since >= _LATER):
            self._write()

    def _write(self) -> None:
        changes, self._changes = self._changes, []
        if changes:
            self._world.ledger.record(changes)
            for change in changes:
                self._world.watch(change)

    # Looking up

    def _look_up(self, task: PlannedTask) -> None:
        """See whether the task was done before; tell the machine."""
        if self._progress[task.name].state is not TaskState.PENDING:
            return
        now = self._world.clock()
        try:
            inputs, resources = self._inputs(task)
            secret_values(task, self._world.secrets)
        except UnusableInput as error:
            self._tell(Refused(task=task.name, time=now, message=str(error)))
            return
        token = self._run.tokens.get(task.executor, "")
        parts = fingerprints.parts(
            task,
            inputs,
            secrets=self._world.secrets,
            environment=self._world.where.variables,
            gpu=resources.gpu > 0,
            token=token,
        )
        key = fingerprint(parts)
        worth = stands(task, self._policy, token, None, now)
        reused = self._world.ledger.reusable(key) if worth else None
        if reused is None or not stands(task, self._policy, token, reused, now):
            self._tell(Missed(task=task.name, time=now, fingerprint=key, parts=parts))
            return
        self._tell(Hit(task=task.name, time=now, reused=reused, fingerprint=key, parts=parts))
        # The run has the metrics of what it reuses. There is no attempt; 0 stands for it.
        self._log_points(task.name, 0, outcome.metrics(reused.outputs, now), 1)

    def _inputs(self, task: PlannedTask) -> tuple[Inputs, Resources]:
        """What the task is given and asks for; UnusableInput if either makes no sense."""
        known = self._given.get(task.name)
        if known is None:
            inputs = resolve(task, lambda name: self._made.get(name, Outputs()), self._job)
            try:
                resources = requested(task.container.resources, lambda text: parameter_text(inputs, text))
            except ValueError as error:
                raise UnusableInput(str(error)) from None
            known = self._given[task.name] = inputs, resources
        return known

    def _log_points(self, task: str, serial: int, points: tuple[MetricPoint, ...], position: int) -> None:
        if points:
            self._note(PointsLogged(task=task, serial=serial, points=points, position=position))

    # Starting

    def _claim(self) -> None:
        """Give slots to the queued tasks, in the order in which they became ready; one that asks for as much as
        another one who got nothing is not tried."""
        refused: set[Resources] = set()
        waiting: deque[str] = deque()
        while self._queue:
            name = self._queue.popleft()
            if self._progress[name].state is not TaskState.QUEUED:
                continue
            _, resources = self._inputs(self._plan[name])
            claim = None
            if resources not in refused:
                claim = self._world.slots.claim(resources.cpu, resources.memory, resources.gpu)
            if claim is None:
                refused.add(resources)
                waiting.append(name)
                continue
            self._claims[name] = claim
            where = directory(self._run.id, name, "{serial}")
            self._tell(Claimed(task=name, time=self._world.clock(), directory=where))
            self._patience = _SLOTS[0]
        self._queue = waiting

    def _carry_out(self, command: Start | End | Finish) -> None:
        match command:
            case Start():
                self._start(self._plan[command.task], command)
            case End(task=task, serial=serial):
                self._world.executor.end(f"{task}#{serial}", 0 if self._asked > 1 else self._policy.grace)
            case Finish(state=state):
                self._ended = state
            case _:
                assert_never(command)

    def _start(self, task: PlannedTask, command: Start) -> None:
        inputs, _ = self._given[task.name]
        world = self._world
        try:
            launch = prepare(
                task,
                command.attempt,
                inputs,
                job=self._job,
                where=world.where,
                secrets=world.secrets,
                files=world.files,
                claim=self._claims[task.name],
            )
        except (OSError, PalmetteError) as error:
            self._release(task.name)
            failed = Failed(message=f"it could not be started: {error}", hopeless=True)
            serial = command.attempt.serial
            self._tell(Ended(task=task.name, serial=serial, time=world.clock(), outcome=failed))
            return
        self._live[launch.id] = _Live(
            task=task,
            serial=command.attempt.serial,
            places=Places(directory=launch.directory),
            tail=Tail(path=launch.directory / "events.jsonl", task=task.name),
        )
        world.executor.start(launch)

    def _release(self, task: str) -> None:
        claim = self._claims.pop(task, None)
        if claim is not None:
            claim.release()

    # Hearing

    def _hear(self) -> None:
        """Wait for what happens next, and tell the machine."""
        reports = self._world.executor.wait(0.0 if self._waste else self._timeout(), self._world.signals.wake)
        if self._waste and not reports:
            tidy(self._waste.popleft())
        for report in reports:
            self._report(report)
        asked = self._world.signals.asked()
        if asked > self._asked:
            self._asked = asked
            self._stop()
        now = self._world.clock()
        while self._due and self._due[0][0] <= now:
            self._tell(Due(task=heapq.heappop(self._due)[1], time=now))
        if clocks.monotonic() >= self._next_beat:
            self._next_beat = clocks.monotonic() + _BEAT
            if self._world.ledger.beat():
                self._tell(CancelAsked(time=now))
        if clocks.monotonic() >= self._next_listen:
            self._next_listen = clocks.monotonic() + _LISTEN
            self._listen()

    def _timeout(self) -> float:
        """How long nothing needs to be done unless something happens."""
        now = clocks.monotonic()
        ends = [self._next_beat - now]
        if self._live:
            ends.append(self._next_listen - now)
        if self._changes:
            ends.append(self._unwritten_since + _LATER - now)
        if self._due:
            ends.append(self._due[0][0] - self._world.clock())
        if self._queue:
            ends.append(self._patience)
            self._patience = min(self._patience * 2, _SLOTS[1])
        return max(0.0, min(ends))

    def _stop(self) -> None:
        """The user asked for the end: gently, then at once."""
        self._tell(CancelAsked(time=self._world.clock()))
        if self._asked > 1:
            for id in self._live:
                self._world.executor.end(id, 0)

    def _report(self, report: Report) -> None:
        live = self._live.get(report.id)
        if live is None:
            return
        task, serial, time = live.task.name, live.serial, self._world.clock()
        match report:
            case Started():
                self._tell(Began(task=task, serial=serial, process=report.process, how=report.how, why=report.why))
            case Lost():
                self._close(live, report.id)
                self._tell(AttemptLost(task=task, serial=serial, time=time, why=report.why))
            case Exited():
                self._close(live, report.id)
                self._exited(live, report)
            case _:
                assert_never(report)

    def _close(self, live: _Live, id: str) -> None:
        """The attempt is over: read the last of what it said, hide what nobody may see, give back its slots."""
        del self._live[id]
        self._heard(live, last=True)
        outcome.redact(live.places.directory / "log", self._hidden(live.task))
        self._release(live.task.name)

    def _hidden(self, task: PlannedTask) -> list[str]:
        values = self._world.secrets.values
        return [values[secret.name] for secret in task.secrets if secret.name in values]

    def _exited(self, live: _Live, report: Exited) -> None:
        ended: Succeeded | Failed
        if report.code == 0 and not report.timed_out:
            ended = self._collected(live)
        else:
            inputs, _ = self._given[live.task.name]
            message = failure(live.task, inputs, report, live.places.directory / "log")
            ended = Failed(message=outcome.masked(message, self._hidden(live.task)))
        event = Ended(
            task=live.task.name,
            serial=live.serial,
            time=self._world.clock(),
            outcome=ended,
            exit_code=124 if report.timed_out else report.code,
            cpu_seconds=report.cpu_seconds,
            peak_memory=report.peak_memory,
        )
        self._tell(event)

    def _collected(self, live: _Live) -> Succeeded | Failed:
        try:
            outputs = outcome.collect(live.task, live.places, self._world.files)
        except (outcome.Spoiled, OSError, PalmetteError) as error:
            return Failed(message=outcome.masked(str(error), self._hidden(live.task)))
        self._waste.append(live.places.directory)
        # Beyond the last byte of the event file, so that it counts as later than all that stood there.
        points = outcome.metrics(outputs, self._world.clock())
        self._log_points(live.task.name, live.serial, points, live.tail.position + 1)
        return Succeeded(outputs=outputs)

    def _listen(self) -> None:
        """Read what running attempts say of themselves."""
        for live in self._live.values():
            self._heard(live)

    def _heard(self, live: _Live, *, last: bool = False) -> None:
        batch = live.tail.rest() if last else live.tail.read()
        self._log_points(live.task.name, live.serial, batch.points, live.tail.position)
        if batch.progress is not None:
            self._world.watch(batch.progress)

    # Leaving

    def _let_go(self) -> None:
        """Leave nothing behind: no process, no slot, no directory that nobody needs."""
        executor = self._world.executor
        for id in self._live:
            executor.end(id, 0)
        deadline = clocks.monotonic() + _PATIENCE
        while self._live and clocks.monotonic() < deadline:
            for report in executor.wait(0.1):
                if isinstance(report, (Exited, Lost)):
                    self._live.pop(report.id, None)
        for task in list(self._claims):
            self._release(task)
        for path in self._waste:
            tidy(path)


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
