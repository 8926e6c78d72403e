"""The one loop: events → machine → changes → ledger → commands → executor."""

from __future__ import annotations

import gc
import heapq
import time as clocks
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, assert_never

from palmette.domain.hosting import Leaving
from palmette.domain.run import Run, TaskChanged, TaskRecord
from palmette.domain.states import AttemptState, RunState, TaskState
from palmette.engine import events, outcome, remains
from palmette.engine.attempt import directory, failure, prepare, remove, tidy, workspace
from palmette.engine.broom import Broom
from palmette.engine.events import Tail
from palmette.engine.inputs import Job, Places, UnusableInput
from palmette.engine.journal import Journal
from palmette.engine.line import Line
from palmette.engine.machine import advance
from palmette.engine.patience import Patience, PatientBytes, PatientImporter, PatientInterpreters
from palmette.engine.plan import Plan, PlannedTask
from palmette.engine.ports import LENT, Claim, Exited, Launch, Lost, Report, Started
from palmette.engine.progress import restore
from palmette.engine.reuse import Library, Policy
from palmette.engine.tree import Tree
from palmette.engine.values import Values
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
    Expired,
    Failed,
    Finish,
    Hit,
    LookUp,
    Queue,
    Refused,
    Start,
    Succeeded,
    WaitUntil,
)
from palmette.engine.world import World
from palmette.errors import PalmetteError, StoreUnreachable

#: Seconds between renewals of the lease.
_BEAT: Final = 1.0
#: Seconds between looks at the event files of running attempts.
_LISTEN: Final = 0.2
#: Seconds that killed attempts get to disappear.
_PATIENCE: Final = 5.0


def drive(plan: Plan, run: Run, records: Sequence[TaskRecord], world: World, policy: Policy) -> RunState:
    """Drive the run to its end, from wherever its records say it is; the state in which it ended, or in which it was
    left to another driver.

    Nothing that the records call running may still run. Whatever is raised (LeaseLost, StoreError), no attempt
    outlives this call.
    """
    driver = _Drive(plan, run, records, world, policy)
    # All that is here by now stays: the collector need not look at it again and again.
    gc.freeze()
    try:
        return driver.to_the_end()
    finally:
        gc.unfreeze()


@dataclass(frozen=True, kw_only=True)
class _Live:
    """An attempt that runs."""

    task: PlannedTask
    serial: int
    launch: Launch
    places: Places
    tail: Tail


class _Drive:
    """One driver of one run."""

    def __init__(self, plan: Plan, run: Run, records: Sequence[TaskRecord], world: World, policy: Policy) -> None:
        # What is asked of the run meanwhile is heard at the next beat that is not in between.
        self._patience = Patience(world.ledger.beat, _BEAT)
        files = PatientBytes(world.files, self._patience)
        where = replace(world.where, foreign=PatientInterpreters(world.where.foreign, self._patience))
        importer = PatientImporter(world.importer, self._patience)
        world = replace(world, files=files, importer=importer, where=where)
        self._run, self._world, self._policy = run, world, policy
        self._job = Job(
            id=run.id,
            name=run.name or run.id,
            pipeline=plan.name,
            created=_iso(run.created),
            root=str(world.where.home),
            workspace=str(world.where.home / workspace(run.id)),
        )
        self._journal = Journal(world.ledger, world.watch)
        self._values = Values(
            made={record.name: record.outputs for record in records if record.state.good},
            expressions=world.expressions,
            told=self._told,
            job=self._job.constants("")["pipeline_job_resource_name"],
        )
        self._tree = Tree(plan=plan, values=self._values, job=self._job)
        self._tree.restore({record.name: record.state for record in records})
        self._progress = restore(self._tree.nodes(), records, run.state)
        self._library = Library(run, world, policy, self._tree)
        self._lookups: deque[str] = deque()
        #: look-ups that wait for the end of an attempt
        self._deferred: list[str] = []
        self._line = Line(world.slots)
        self._due: list[tuple[float, str]] = []
        #: commands that wait for their changes to be durable
        self._commands: list[Start | End | Finish] = []
        self._claims: dict[str, Claim] = {}
        self._live: dict[str, _Live] = {}
        self._broom = Broom()
        self._records = records
        self._next_beat = self._next_listen = 0.0
        self._asked = 0
        self._leaving = Leaving.NOT
        self._ended: RunState | None = None

    def to_the_end(self) -> RunState:
        """Drive until the machine says that the run is over, or until the driver is to leave it."""
        try:
            self._next_beat = clocks.monotonic() + _BEAT
            now = self._world.clock()
            if self._tree.plan.deadline is not None:
                heapq.heappush(self._due, ((self._run.started or now) + self._tree.plan.deadline, ""))
            self._tell(Begin(time=now))
            self._clear()
            self._settle()
            while self._ended is None and not self._left:
                self._hear()
                self._settle()
            self._journal.write()
            self._journal.tell()
            return self._ended or self._progress.state
        finally:
            self._let_go()

    def _clear(self) -> None:
        """Remove what attempts were lent whose driver died."""
        for record in self._records:
            for attempt in record.attempts:
                if attempt.state is AttemptState.LOST:
                    self._broom.later(remove, self._world.where.home / attempt.directory / LENT)

    def _expired(self, now: float) -> Expired:
        return Expired(time=now, message=f"it ran out of time ({self._tree.plan.deadline:g} s for the whole run)")

    def _told(self, task: str) -> tuple[TaskState, str]:
        """The state of a task, and why it is in it."""
        status = self._progress[task]
        return status.state, status.message

    def _tell(self, event: Event) -> None:
        """Let the machine decide what follows; nothing of it is durable yet."""
        decision = advance(self._progress, event)
        self._progress = decision.progress
        self._journal.note(decision.changes)
        for change in decision.changes:
            if isinstance(change, TaskChanged) and change.outputs is not None:
                self._values.made[change.task] = change.outputs
        for command in decision.commands:
            match command:
                case LookUp(task=task):
                    self._lookups.append(task)
                case Queue(task=task):
                    self._line.add(task, self._library.given(self._tree.tasks[task])[1])
                case WaitUntil(task=task, time=time):
                    heapq.heappush(self._due, (time, task))
                case Start() | End() | Finish():
                    self._commands.append(command)
                case _:
                    assert_never(command)

    def _settle(self) -> None:
        """Do all that can be done without waiting. What is durable together is written in one transaction."""
        while True:
            while self._lookups:
                self._look_up(self._lookups.popleft())
                if self._journal.long:
                    self._journal.write()
            self._claim()
            if self._commands:
                self._journal.write()
                commands, self._commands = self._commands, []
                for command in commands:
                    self._carry_out(command)
            elif not self._lookups:
                break
        if self._journal.patience() == 0.0:
            self._journal.write()
        self._journal.tell()

    def _look_up(self, name: str) -> None:
        """See whether the task was done before, or whether the group opens; tell the machine."""
        if self._progress[name].state is not TaskState.PENDING:
            return
        now, group = self._world.clock(), self._tree.groups.get(name)
        if group is not None:
            self._tell(self._tree.enter(group, now))
            return
        task = self._tree.tasks[name]
        if self._library.deleted(task) in {volume for live in self._live.values() for volume in live.launch.volumes}:
            # As on a cluster, a volume stays while somebody uses it.
            self._deferred.append(name)
            return
        answer = self._library.look_up(task, now)
        self._tell(answer)
        if isinstance(answer, Hit):
            # The run has the metrics of what it reuses. There is no attempt; 0 stands for it.
            self._journal.note_points(name, 0, outcome.inherited(answer.reused, now), 1)

    # Starting

    def _claim(self) -> None:
        """Give slots to the tasks that wait for one, unless this driver is about to leave."""
        if self._leaving is not Leaving.NOT:
            return
        for name, answer in self._line.served(lambda name: self._progress[name].state is TaskState.QUEUED):
            if isinstance(answer, PalmetteError):
                self._tell(Refused(task=name, time=self._world.clock(), message=str(answer)))
            else:
                self._claims[name] = answer
                where = directory(self._run.id, name, "{serial}")
                self._tell(Claimed(task=name, time=self._world.clock(), directory=where))

    def _carry_out(self, command: Start | End | Finish) -> None:
        match command:
            case Start():
                self._start(self._tree.tasks[command.task], command)
            case End(task=task, serial=serial):
                self._world.executor.end(f"{task}#{serial}", 0 if self._asked > 1 else self._policy.grace)
            case Finish(state=state):
                self._ended = state
            case _:
                assert_never(command)

    def _start(self, task: PlannedTask, command: Start) -> None:
        inputs, _ = self._library.given(task)
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
                importer=world.importer,
                vault=world.vault,
            )
        except StoreUnreachable:
            # Which is nothing that the task can help: another driver starts it.
            raise
        except (OSError, UnusableInput, PalmetteError) as error:
            self._release(task.name)
            failed = Failed(message=f"it could not be started: {error}", hopeless=True)
            serial = command.attempt.serial
            self._tell(Ended(task=task.name, serial=serial, time=world.clock(), outcome=failed))
            return
        self._live[launch.id] = _Live(
            task=task,
            serial=command.attempt.serial,
            launch=launch,
            places=Places(directory=launch.directory),
            tail=Tail(path=launch.directory / "events.jsonl", task=task.name),
        )
        world.executor.start(launch)

    def _release(self, task: str) -> None:
        claim = self._claims.pop(task, None)
        if claim is not None:
            claim.release()
            self._line.given_back()

    # Hearing

    def _hear(self) -> None:
        """Wait for what happens next, and tell the machine."""
        self._broom.sweep()
        for report in self._world.executor.wait(self._timeout(), self._world.signals.wake):
            self._report(report)
        asked = self._world.signals.asked()
        if asked > self._asked:
            self._asked = asked
            self._stop()
        if (leaving := self._world.leaving()) is not self._leaving:
            self._leave(leaving)
        now = self._world.clock()
        while self._due and self._due[0][0] <= now:
            task = heapq.heappop(self._due)[1]
            self._tell(Due(task=task, time=now) if task else self._expired(now))
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
        line = self._line.patience() if self._leaving is Leaving.NOT else None
        ends += [patience for patience in (self._journal.patience(), line) if patience is not None]
        if self._due:
            ends.append(self._due[0][0] - self._world.clock())
        return max(0.0, min(ends))

    def _stop(self) -> None:
        """The user asked for the end: gently, then at once."""
        self._tell(CancelAsked(time=self._world.clock()))
        if self._asked > 1:
            for id in self._live:
                self._world.executor.end(id, 0)

    def _leave(self, leaving: Leaving) -> None:
        """Begin no task any more; end those that run where that is to be at once."""
        self._leaving = leaving
        if leaving is Leaving.NOW:
            for id in self._live:
                self._world.executor.end(id, 0)

    @property
    def _left(self) -> bool:
        """Whether nothing is under way any more that keeps this driver, who is to leave."""
        return self._leaving is not Leaving.NOT and not self._live

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
                if self._leaving is Leaving.NOW and report.code:
                    self._tell(AttemptLost(task=task, serial=serial, time=time, why="its driver was told to leave"))
                else:
                    self._exited(live, report)
            case _:
                assert_never(report)

    def _close(self, live: _Live, id: str) -> None:
        """The attempt is over: read the last of what it said, hide what nobody may see, give back its slots."""
        del self._live[id]
        self._heard(live, last=True)
        remains.shorten(live.launch.log)
        for name in ("log", "events.jsonl"):
            outcome.redact(live.places.directory / name, live.launch.confidential.values())
        if live.launch.volumes:
            self._lookups.extend(self._deferred)
            self._deferred.clear()
        if live.launch.mounts:
            self._broom.later(remove, live.launch.scratch)
        self._release(live.task.name)

    def _exited(self, live: _Live, report: Exited) -> None:
        ended: Succeeded | Failed
        if report.code == 0 and not report.timed_out:
            ended = self._collected(live)
        else:
            inputs, _ = self._library.given(live.task)
            message = failure(live.task, inputs, report, live.launch.log, live.launch.memory)
            ended = Failed(message=outcome.masked(message, live.launch.confidential.values()))
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
        confidential = live.launch.confidential
        try:
            outputs = outcome.collect(
                live.task,
                live.places,
                self._world.files,
                confidential,
                importer=self._world.importer,
                confined=live.launch.container is not None or live.launch.user is not None,
            )
        except (outcome.Spoiled, OSError, PalmetteError) as error:
            if isinstance(error, outcome.Leaked):
                outcome.withdraw(live.places, confidential.values())
            return Failed(message=outcome.masked(str(error), confidential.values()))
        self._broom.later(tidy, live.places.directory)
        # Beyond the last byte of the event file, so that it counts as later than all that stood there.
        points = outcome.metrics(outputs, self._world.clock())
        self._journal.note_points(live.task.name, live.serial, points, live.tail.position + 1)
        return Succeeded(outputs=outputs)

    def _listen(self) -> None:
        """Read what running attempts say of themselves."""
        for live in self._live.values():
            self._heard(live)
            remains.shorten(live.launch.log)

    def _heard(self, live: _Live, *, last: bool = False) -> None:
        full = live.tail.full
        for batch in live.tail.rest() if last else [live.tail.read()]:
            told = outcome.unnamed(batch, live.launch.confidential.values())
            self._journal.note_points(live.task.name, live.serial, told.points, live.tail.position)
            if told.more:
                # Which renews the lease, too.
                self._journal.write()
            if told.progress is not None:
                self._world.watch(told.progress)
        if live.tail.full and not full:
            said = f"more than {events.MOST:,} points of metrics were logged; the rest is not kept"
            remains.note(live.launch.log, said)

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
        if self._ended is RunState.SUCCEEDED:
            # A run that failed may go on, and needs it then.
            remove(Path(self._job.workspace))
        self._patience.close()
        self._broom.close()


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
