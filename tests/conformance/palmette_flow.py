# mypy: disable-error-code="attr-defined, possibly-undefined"
"""Control flow as a user of Palmette writes it: the twin of `kfp_flow.py`. What the steps do does not matter here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from palmette import FinalStatus, algorithm, collect, each, elsewhen, on_exit, one_of, otherwise, step, when


@step
def rate() -> float:
    return 0.5


@step
def count() -> int:
    return 1


@step
def check() -> bool:
    return True


@step
def word() -> str:
    return "heads"


@step
def say(text: str) -> str:
    return text


@step
def show(text: str = "none") -> None:
    print(text)


@step
def add(a: int, b: int = 2) -> int:
    return a + b


@step
def total(numbers: list[int]) -> int:
    return sum(numbers)


@step
def counts() -> list[int]:
    return [1]


@step
def take(pair: dict[str, str]) -> str:
    return str(pair)


@step
def notify(status: FinalStatus = FinalStatus(), text: str = "x") -> None:  # noqa: B008  (frozen)
    print(status, text)


@step
def make(rows: int) -> bytes:
    return b"x" * rows


@step
def copy(data: bytes) -> bytes:
    return data


@step
def read(data: bytes) -> int:
    return len(data)


@step
def read_all(data: list[bytes]) -> int:
    return len(data)


@dataclass(frozen=True)
class Conditions:
    limit: int = 3
    share: float = 0.5
    text: str = "a"
    deep: bool = True


@algorithm(config=Conditions)
def conditions(config: Conditions) -> None:
    number, found, sure, heads = rate(), count(), check(), word()
    with when(number > 0.9):
        say("a")
    with when(found == 3):
        say(config.text)
    with when(found != config.limit):
        say("it's")
    with when(sure):
        say("b")
    with when(config.share <= 0.5):
        say(heads)
        with when(heads == config.text):
            say(config.text)


@algorithm
def branches(limit: int = 3) -> str:
    number = rate()
    with when(number > 0.9):
        first = say("a")
    with elsewhen(number > 0.5):
        second = say("b")
    with otherwise():
        third = say("c")
        with when(limit > 3):
            say(third)
    chosen = one_of(first, second, third)
    say(chosen)
    return chosen


@algorithm
def chosen_artifacts() -> int:
    number, data = rate(), make(1)
    with when(number > 0.5):
        one = copy(data)
    with otherwise():
        other = copy(data)
    return read(one_of(one, other))


@dataclass(frozen=True)
class Loops:
    items: list[int] = field(default_factory=lambda: [1, 2])
    words: list[str] = field(default_factory=lambda: ["a"])


@algorithm(config=Loops)
def loops(config: Loops) -> None:
    found, data = counts(), make(3)
    for item in each(config.items, parallel=2):
        sum_ = add(item)
        with when(item > 1):
            add(sum_)
    for item in each(found):
        add(item)
        read(data)
    for pair in each([{"a": "x", "b": "y"}, {"a": "z", "b": ""}]):
        say(pair["a"])
        take(pair)
        for text in each(config.words):
            said = say(text)
            say(said)
    for one in each([1, 2]):
        for other in each([3, 4]):
            add(one, other)


@dataclass(frozen=True)
class Items:
    items: list[int] = field(default_factory=lambda: [1, 2])


@algorithm(config=Items)
def fan_in(config: Items) -> int:
    for item in each(config.items):
        more, made = add(item), make(item)
    read_all(collect(made))
    return total(collect(more))


@algorithm(config=Items)
def choice_in_a_loop(config: Items) -> int:
    for item in each(config.items):
        number = rate()
        with when(number > 0.9):
            first = add(item)
        with otherwise():
            second = add(item)
        last = add(one_of(first, second))
    return total(collect(last))


@algorithm
def exits(text: str = "oh") -> None:
    heads = word()
    with on_exit(notify(text=text)):
        say(text)
        say(heads)
    say("x")


@algorithm
def plain_exit(text: str = "oh") -> None:
    with on_exit(show(text)):
        for item in each([1, 2]):
            add(item)


@algorithm
def whatever_happens() -> None:
    heads = word()
    show(heads).regardless()
    say("y").after(heads).regardless()
    say("z").after(heads)


class Made(NamedTuple):
    n: int
    d: bytes


@algorithm
def inner(a: int, data: bytes, b: int = 5) -> Made:
    with when(a > 3):
        read(data)
    return Made(n=add(a, b), d=copy(data))


@algorithm
def nested(a: int = 1) -> int:
    data = make(1)
    first = inner(a, data)
    for item in each([1, 2]):
        some = inner(item, first.d)
    total(collect(some.n))
    return inner(first.n, data).n
