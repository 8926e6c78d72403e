"""Waiting for runs that are executed elsewhere, by a clock of the test's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pytest

from palmette.ci.waiting import LONGEST, PATIENCE, Awaited, Waited, deadline, spelled, wait
from palmette.domain.states import RunState
from palmette.errors import AccessDenied, NotFound, ServerError

PENDING, RUNNING, SUCCEEDED = RunState.PENDING, RunState.RUNNING, RunState.SUCCEEDED
Answer = Mapping[str, RunState] | Exception


@dataclass
class World:
    """What whoever executes the runs answers, look by look (the last answer for ever), and the time."""

    answers: list[Answer]
    time: float = 1000.0
    looks: list[tuple[float, tuple[str, ...]]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    #: the signal that comes, and when
    signal: tuple[int, float] = (0, 0.0)

    def states(self, runs: Sequence[str]) -> Mapping[str, RunState]:
        self.looks.append((self.time, tuple(runs)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def now(self) -> float:
        return self.time

    def rest(self, seconds: float) -> None:
        assert 0 <= seconds <= LONGEST
        self.time += seconds

    def wait(self, *ids: str, until: float | None = None) -> Waited:
        runs = [Awaited(id=id, algorithm=f"of-{id}") for id in ids]
        number, moment = self.signal
        stopped = lambda: number if number and self.time >= moment else 0  # noqa: E731 (it is one line)
        return wait(self, runs, clock=self, until=until, say=self.said.append, stopped=stopped)

    @property
    def pauses(self) -> list[float]:
        times = [time for time, _ in self.looks]
        return [after - before for before, after in pairwise(times)]


def down() -> ServerError:
    return ServerError("it does not answer (503)")


def test_a_line_is_said_for_each_change_and_only_what_lives_is_asked_for() -> None:
    world = World([{"a": PENDING, "b": RUNNING}, {"a": PENDING, "b": SUCCEEDED}, {"a": RUNNING}, {"a": SUCCEEDED}])

    found = world.wait("a", "b")

    assert found.over
    assert found.states == {"a": SUCCEEDED, "b": SUCCEEDED}
    assert [line.split(" after ")[0] for line in world.said] == [
        *("of-a a pending", "of-b b running", "of-b b SUCCEEDED".lower(), "of-a a running", "of-a a succeeded"),
    ]
    assert [runs for _, runs in world.looks] == [("a", "b"), ("a", "b"), ("a",), ("a",)]


@pytest.mark.parametrize("state", [state for state in RunState if state.final])
def test_every_end_ends_the_waiting(state: RunState) -> None:
    assert World([{"a": state}]).wait("a").states == {"a": state}


def test_the_looks_become_fewer_and_a_word_is_said_each_minute() -> None:
    world = World([{"a": RUNNING}])

    found = world.wait("a", until=world.time + 600)

    assert not found.over
    assert world.time == 1600.0
    assert world.pauses[0] == 2.0
    assert world.pauses == sorted(world.pauses[:-1]) + world.pauses[-1:]
    assert max(world.pauses) == LONGEST
    beats = [line for line in world.said if line != "of-a a running"]
    assert len(beats) in (8, 9)
    assert all(line.endswith("min: of-a running") for line in beats)


def test_a_server_that_is_gone_for_a_while_is_waited_for() -> None:
    world = World([{"a": RUNNING}, *[down()] * (PATIENCE - 1), {"a": RUNNING}, *[down()] * 5, {"a": SUCCEEDED}])

    assert world.wait("a").over
    assert sum("no answer" in line for line in world.said) == 2


def test_a_server_that_does_not_come_back_and_one_that_refuses_are_errors() -> None:
    gone = World([{"a": RUNNING}, down()])
    with pytest.raises(ServerError, match="503"):
        gone.wait("a")
    assert len(gone.looks) == 1 + PATIENCE
    refusing = World([{"a": RUNNING}, AccessDenied("it wants another token")])
    with pytest.raises(AccessDenied):
        refusing.wait("a")
    assert len(refusing.looks) == 2
    with pytest.raises(NotFound, match="not there any more"):
        World([{}]).wait("a")


def test_a_deadline_in_the_past_is_one_look_and_a_signal_ends_it_at_once() -> None:
    late = World([{"a": RUNNING}])
    assert not late.wait("a", until=late.time - 5).over
    assert len(late.looks) == 1
    ended = World([{"a": RUNNING}], signal=(15, 1003.0))
    found = ended.wait("a")
    assert (found.signal, found.over) == (15, False)
    assert ended.time < 1010
    assert World([{"a": SUCCEEDED}], signal=(15, 0.0)).wait("a").signal == 0


def test_the_first_limit_counts() -> None:
    assert deadline(10.0, None, None) is None
    assert deadline(10.0, 400.0, None, 70.0) == 70.0
    assert deadline(10.0, 3.0) == 10.0
    assert [spelled(each) for each in (8.4, 75, 7500)] == ["8 s", "1 min", "2 h 5 min"]
