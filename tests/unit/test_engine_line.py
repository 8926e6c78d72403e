"""Tasks get their slots in the order in which they became ready."""

from __future__ import annotations

from dataclasses import dataclass, field

from palmette.domain.graph import Resources
from palmette.engine.line import Line
from palmette.engine.ports import Claim
from palmette.errors import PalmetteError, UsageError

SMALL, LARGE, GPU = Resources(cpu=1.0), Resources(cpu=2.0), Resources(cpu=1.0, gpu=1)


@dataclass
class Held:
    threads: int = 1
    gpus: tuple[int, ...] = ()

    def release(self) -> None: ...


@dataclass
class Host:
    """Has so many cores and no GPU, and remembers what it was asked."""

    cores: float
    questions: list[float] = field(default_factory=list)
    now: float = 0.0

    def clock(self) -> float:
        return self.now

    def claim(self, cpu: float, memory: int, gpu: int) -> Claim | None:
        self.questions.append(cpu)
        if gpu:
            raise UsageError("no GPU here")
        if cpu > self.cores:
            return None
        self.cores -= cpu
        return Held()


def served(line: Line) -> list[str]:
    return [task for task, _ in line.served(lambda task: task != "cancelled")]


def test_in_the_order_in_which_they_came() -> None:
    line = Line(Host(cores=9))
    line.add("a", SMALL)
    line.add("b", LARGE)
    line.add("c", SMALL)
    assert served(line) == ["a", "b", "c"]
    assert line.patience() is None


def test_a_smaller_task_may_pass_one_that_does_not_fit_and_an_equal_one_may_not() -> None:
    host = Host(cores=1)
    line = Line(host)
    for name, resources in [("big", LARGE), ("bigger", LARGE), ("small", SMALL)]:
        line.add(name, resources)
    assert served(line) == ["small"]
    assert host.questions == [2.0, 1.0]


def test_after_a_refusal_the_host_is_asked_again_when_something_was_given_back_and_once_for_that() -> None:
    host = Host(cores=1)
    line = Line(host, host.clock)
    for number in range(4):
        line.add(f"t{number}", SMALL)
    assert served(line) == ["t0"]
    assert served(line) == []
    assert host.questions == [1.0, 1.0]
    host.cores = 1
    line.given_back()
    assert served(line) == ["t1"]
    assert len(host.questions) == 3


def test_without_news_the_host_is_asked_again_after_a_moment() -> None:
    host = Host(cores=0)
    line = Line(host, host.clock)
    line.add("a", SMALL)
    assert served(line) == []
    patience = line.patience()
    assert patience is not None
    assert 0 < patience < 0.1
    host.cores = 1
    assert served(line) == []
    host.now += patience
    assert served(line) == ["a"]


def test_who_does_not_wait_any_more_is_forgotten() -> None:
    line = Line(Host(cores=9))
    line.add("cancelled", SMALL)
    line.add("b", SMALL)
    assert served(line) == ["b"]


def test_what_the_host_can_never_give_is_said() -> None:
    line = Line(Host(cores=9))
    line.add("a", GPU)
    ((task, answer),) = line.served(lambda _: True)
    assert task == "a"
    assert isinstance(answer, PalmetteError)
