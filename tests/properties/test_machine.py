"""Whatever happens to a run, in whatever order, and wherever its driver dies: the rules of its machine hold."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from hypothesis import given, settings
from hypothesis import strategies as st

from palmette.domain.artifact import Outputs
from palmette.domain.graph import Retry
from palmette.domain.run import (
    AttemptEnded,
    AttemptStarted,
    Change,
    Reused,
    RunChanged,
    TaskChanged,
    TaskRecord,
    TasksPlanned,
)
from palmette.domain.states import RUN_MOVES, TASK_MOVES, AttemptState, RunState, TaskState
from palmette.engine.machine import advance
from palmette.engine.memory import MemoryLedger
from palmette.engine.progress import Node, restore
from palmette.engine.vocabulary import (
    AttemptLost,
    Began,
    Begin,
    Bypassed,
    CancelAsked,
    Claimed,
    Due,
    End,
    Ended,
    Entered,
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


@dataclass(frozen=True)
class World:
    """A pipeline, and what becomes of every attempt at its tasks: the same however often it is tried."""

    nodes: tuple[Node, ...]
    #: loop → the nodes that it comes to
    blocks: dict[str, tuple[Node, ...]]
    #: groups and tasks whose condition does not hold
    bypassed: frozenset[str]
    #: task → how many of its attempts fail before one succeeds
    failures: dict[str, int]
    cached: frozenset[str]
    refused: frozenset[str]
    #: (task, serial) of attempts whose machinery dies
    lost: frozenset[tuple[str, int]]

    def records(self) -> list[TaskRecord]:
        return recorded(self.nodes)

    def known(self, ledger: MemoryLedger) -> list[Node]:
        """The nodes that there are by now, as the records tell."""
        nodes, waiting = list(self.nodes), [node.name for node in self.nodes if node.name in self.blocks]
        while waiting:
            loop = waiting.pop()
            if ledger.tasks[loop].state in (TaskState.RUNNING, TaskState.SUCCEEDED) or f"{loop}.0" in ledger.tasks:
                nodes += self.blocks[loop]
                waiting += [node.name for node in self.blocks[loop] if node.name in self.blocks]
        return nodes

    def everything(self) -> list[Node]:
        return [*self.nodes, *itertools.chain.from_iterable(self.blocks.values())]


def recorded(nodes: Sequence[Node]) -> list[TaskRecord]:
    return [TaskRecord(name=node.name, needs=node.needs, executor="" if node.group else "e") for node in nodes]


def scope(draw: st.DrawFn, parent: str, blocks: dict[str, tuple[Node, ...]], most: int, depth: int) -> list[Node]:
    """Tasks and groups that need each other, and all that is in them."""
    nodes: list[Node] = []
    names = [f"{parent}.t{number}" if parent else f"t{number}" for number in range(draw(st.integers(1, most)))]
    for number, name in enumerate(names):
        needs = draw(st.sets(st.sampled_from(names[:number]), max_size=3)) if number else set()
        kind = draw(st.sampled_from(["task", "task", "task", "group", "asks", "loop"])) if depth < 2 else "task"
        retry = Retry(retries=draw(st.integers(0, 2)), backoff=draw(st.sampled_from([0.0, 5.0])))
        node = Node(
            name=name,
            needs=tuple(sorted(needs)),
            parent=parent,
            regardless=draw(st.sampled_from([False, False, False, True])),
            retry=retry if kind == "task" else Retry(),
            group=kind != "task",
            asks=kind in ("asks", "loop"),
            limit=draw(st.integers(0, 2)) if kind == "loop" else 0,
        )
        nodes.append(node)
        if kind == "loop":
            inner: list[Node] = []
            for index in range(draw(st.integers(0, 3))):
                inner.append(Node(name=f"{name}.{index}", parent=name, group=True))
                inner += scope(draw, f"{name}.{index}", blocks, 2, depth + 1)
            blocks[name] = tuple(inner)
        elif kind != "task":
            nodes += scope(draw, name, blocks, 3, depth + 1)
    return nodes


@st.composite
def worlds(draw: st.DrawFn) -> World:
    blocks: dict[str, tuple[Node, ...]] = {}
    nodes = scope(draw, "", blocks, 8, 0)
    every = [*nodes, *itertools.chain.from_iterable(blocks.values())]
    names = [node.name for node in every if not node.group]
    asked = [node.name for node in every if node.asks or not node.group]
    if not names:
        nodes.append(Node(name="only"))
        names, asked = ["only"], [*asked, "only"]
    subset = st.frozensets(st.sampled_from(names), max_size=3)
    return World(
        nodes=tuple(nodes),
        blocks=blocks,
        bypassed=draw(st.frozensets(st.sampled_from(asked), max_size=3)),
        failures={name: draw(st.sampled_from([0, 0, 0, 0, 1, 2, 3])) for name in names},
        cached=draw(subset),
        refused=draw(st.frozensets(st.sampled_from(asked), max_size=1)),
        lost=draw(st.frozensets(st.tuples(st.sampled_from(names), st.integers(1, 3)), max_size=4)),
    )


@dataclass
class Driver:
    """Carries out commands in a random order, and kills itself, or cancels, when told to."""

    world: World
    ledger: MemoryLedger
    seed: int
    cancel_after: int | None = None
    clock: float = 0.0
    pending: list[Event] = field(default_factory=list)
    finished: RunState | None = None
    started: list[tuple[str, int, int]] = field(default_factory=list)

    @cached_property
    def groups(self) -> set[str]:
        return {node.name for node in self.world.everything() if node.group}

    def run(self, steps: int | None = None) -> None:
        """Go on until the end, or for so many events."""
        chance = random.Random(self.seed)
        progress = restore(self.world.known(self.ledger), list(self.ledger.tasks.values()), self.ledger.state)
        self.pending = [Begin(time=self.clock)]
        count = 0
        while self.pending and (steps is None or count < steps):
            self.clock += 1.0
            event = self.pending.pop(chance.randrange(len(self.pending)))
            decision = advance(progress, event)
            progress = decision.progress
            if decision.changes:
                self.ledger.record(decision.changes)
            for command in decision.commands:
                self.answer(command)
            if count == self.cancel_after and self.finished is None:
                self.pending.append(CancelAsked(time=self.clock))
            count += 1
            assert count < 2000, "the run does not end"

    def answer(self, command: LookUp | Queue | Start | End | WaitUntil | Finish) -> None:
        time = self.clock
        match command:
            case LookUp(task=task) if task in self.world.bypassed:
                self.pending.append(Bypassed(task=task, time=time, message="its condition does not hold"))
            case LookUp(task=task) if task in self.world.refused:
                self.pending.append(Refused(task=task, time=time, message="unusable"))
            case LookUp(task=task) if task in self.groups:
                nodes = self.world.blocks.get(task, ())
                self.pending.append(Entered(task=task, time=time, nodes=nodes, records=tuple(recorded(nodes))))
            case LookUp(task=task) if task in self.world.cached:
                reused = Reused(run="r0", task=task, made=0.0, outputs=outputs(task))
                self.pending.append(Hit(task=task, time=time, reused=reused, fingerprint="f"))
            case LookUp(task=task):
                self.pending.append(Missed(task=task, time=time, fingerprint="f"))
            case Queue(task=task):
                self.pending.append(Claimed(task=task, time=time))
            case WaitUntil(task=task, time=due):
                self.pending.append(Due(task=task, time=due))
            case Start(task=task, attempt=attempt):
                self.started.append((task, attempt.serial, attempt.number))
                self.pending.append(Began(task=task, serial=attempt.serial, process=None, how="fork"))
                self.pending.append(self.end(task, attempt.serial, attempt.number))
            case End():
                pass
            case Finish(state=state):
                assert self.finished is None, "a run finishes once"
                self.finished = state

    def end(self, task: str, serial: int, number: int) -> Event:
        if (task, serial) in self.world.lost:
            return AttemptLost(task=task, serial=serial, time=self.clock, why="died")
        good = number > self.world.failures[task]
        outcome = Succeeded(outputs=outputs(task)) if good else Failed(message="broken")
        return Ended(task=task, serial=serial, time=self.clock, outcome=outcome)


def outputs(task: str) -> Outputs:
    return Outputs(parameters={"output": task})


def drive(world: World, seed: int, cancel_after: int | None = None) -> Driver:
    driver = Driver(world, MemoryLedger(world.records()), seed, cancel_after)
    driver.run()
    return driver


def expected(world: World) -> dict[str, TaskState]:
    """What every order of events must come to, said in another way than the machine does."""
    found: dict[str, TaskState] = {}

    def settle(members: Sequence[Node], inside: Sequence[Node]) -> None:
        for node in members:
            found[node.name] = state(node, inside)

    def state(node: Node, beside: Sequence[Node]) -> TaskState:
        inner = [each for each in beside if each.name.startswith(f"{node.name}.")]
        met = all(found[need].good for need in node.needs) or node.regardless
        if not met or node.name in world.bypassed or node.name in world.refused:
            found.update(dict.fromkeys((each.name for each in inner), TaskState.SKIPPED))
            return TaskState.FAILED if met and node.name not in world.bypassed else TaskState.SKIPPED
        if not node.group:
            if node.name in world.cached:
                return TaskState.CACHED
            return TaskState.FAILED if world.failures[node.name] > node.retry.retries else TaskState.SUCCEEDED
        inner = [*inner, *world.blocks.get(node.name, ())]
        direct = [each for each in inner if each.parent == node.name]
        settle(direct, inner)
        failed = any(found[each.name] is TaskState.FAILED for each in direct)
        return TaskState.FAILED if failed else TaskState.SUCCEEDED

    settle([node for node in world.nodes if not node.parent], world.nodes)
    return found


def states(ledger: MemoryLedger) -> dict[str, TaskState]:
    return {name: record.state for name, record in ledger.tasks.items()}


def check_moves(world: World, transactions: Sequence[Sequence[Change]]) -> None:
    run = RunState.PENDING
    tasks = dict.fromkeys((node.name for node in world.nodes), TaskState.PENDING)
    every = {node.name: node for node in world.everything()}
    attempts: dict[tuple[str, int], AttemptState] = {}
    for change in (change for transaction in transactions for change in transaction):
        match change:
            case RunChanged(state=state):
                assert state in RUN_MOVES[run]
                run = state
            case TasksPlanned(tasks=planned):
                assert not {record.name for record in planned} & set(tasks), "nothing comes to be twice"
                tasks |= {record.name: record.state for record in planned}
            case TaskChanged(task=task, state=state):
                assert state in TASK_MOVES[tasks[task]], (task, tasks[task], state)
                tasks[task] = state
                check_limit(every, tasks, every[task].parent)
            case AttemptStarted(task=task, attempt=attempt):
                assert attempts.get((task, attempt.serial), AttemptState.RUNNING) is AttemptState.RUNNING
                attempts[task, attempt.serial] = attempt.state
            case AttemptEnded(task=task, attempt=attempt):
                assert attempts[task, attempt.serial] is AttemptState.RUNNING
                attempts[task, attempt.serial] = attempt.state
    assert AttemptState.RUNNING not in attempts.values()


def check_limit(every: Mapping[str, Node], tasks: Mapping[str, TaskState], group: str) -> None:
    """No more members of a limited group are open than may be."""
    if group and every[group].limit:
        open = [name for name in tasks if every[name].parent == group and tasks[name] is TaskState.RUNNING]
        assert len(open) <= every[group].limit


def check_attempts(ledger: MemoryLedger) -> None:
    """Serials count up; a number comes again only after a loss; only the last attempt of a number says how it went."""
    for record in ledger.tasks.values():
        attempts = sorted(record.attempts, key=lambda attempt: attempt.serial)
        assert [attempt.serial for attempt in attempts] == list(range(1, len(attempts) + 1))
        for before, after in itertools.pairwise(attempts):
            assert after.number == before.number + (before.state is not AttemptState.LOST)
            assert before.state in (AttemptState.LOST, AttemptState.FAILED)


@settings(max_examples=150, deadline=None)
@given(worlds(), st.integers(0, 2**16))
def test_every_run_ends_in_the_states_that_its_outcomes_decide(world: World, seed: int) -> None:
    driver = drive(world, seed)
    assert states(driver.ledger) == expected(world)
    failed = TaskState.FAILED in expected(world).values()
    assert driver.finished is driver.ledger.state is (RunState.FAILED if failed else RunState.SUCCEEDED)
    check_moves(world, driver.ledger.transactions)
    check_attempts(driver.ledger)
    assert len(set(driver.started)) == len(driver.started), "no attempt is started twice"


@settings(max_examples=40, deadline=None)
@given(worlds(), st.integers(0, 2**16), st.integers(0, 2**16))
def test_a_run_resumed_from_any_prefix_of_its_records_ends_as_if_nothing_had_happened(
    world: World, seed: int, other: int
) -> None:
    whole = drive(world, seed)
    for length in range(len(whole.ledger.transactions) + 1):
        ledger = MemoryLedger(world.records())
        for transaction in whole.ledger.transactions[:length]:
            ledger.record(transaction)
        again = Driver(world, ledger, other, clock=whole.clock)
        again.run()
        assert states(ledger) == expected(world)
        assert again.finished is ledger.state is whole.finished
        assert {name: record.outputs for name, record in ledger.tasks.items()} == {
            name: record.outputs for name, record in whole.ledger.tasks.items()
        }
        check_moves(world, ledger.transactions)
        check_attempts(ledger)


@settings(max_examples=100, deadline=None)
@given(worlds(), st.integers(0, 2**16), st.lists(st.integers(0, 12), max_size=6))
def test_a_run_whose_driver_is_killed_again_and_again_ends_all_the_same(
    world: World, seed: int, kills: list[int]
) -> None:
    ledger = MemoryLedger(world.records())
    clock, started = 0.0, []
    for steps in [*kills, None]:
        driver = Driver(world, ledger, seed, clock=clock)
        driver.run(steps)
        clock, started = driver.clock, [*started, *driver.started]
    assert states(ledger) == expected(world)
    check_moves(world, ledger.transactions)
    check_attempts(ledger)
    assert len(set(started)) == len(started)


@settings(max_examples=100, deadline=None)
@given(worlds(), st.integers(0, 2**16), st.integers(0, 30), st.integers(0, 30))
def test_a_cancelled_run_ends_soon_even_if_its_driver_dies(world: World, seed: int, cancel: int, kill: int) -> None:
    ledger = MemoryLedger(world.records())
    driver = Driver(world, ledger, seed, cancel_after=cancel)
    driver.run(kill)
    asked = ledger.state is RunState.CANCELING
    again = Driver(world, ledger, seed, cancel_after=0, clock=driver.clock)
    again.run()
    assert ledger.state.final
    assert all(state.final for state in states(ledger).values())
    assert ledger.state is RunState.CANCELED or not asked
    check_moves(world, ledger.transactions)
    check_attempts(ledger)


@settings(max_examples=40, deadline=None)
@given(worlds(), st.integers(0, 2**16))
def test_what_is_reused_leads_to_what_executing_it_would_have_led_to(world: World, seed: int) -> None:
    plain = replace(world, failures=dict.fromkeys(world.failures, 0), cached=frozenset(), refused=frozenset())
    cached = replace(plain, cached=world.cached)
    first, second = drive(plain, seed), drive(cached, seed)
    assert first.finished is second.finished is RunState.SUCCEEDED
    assert {name: record.outputs for name, record in first.ledger.tasks.items()} == {
        name: record.outputs for name, record in second.ledger.tasks.items()
    }
