"""Conditions, loops and exit tasks in a pipeline function.

All of it is noted down while a pipeline is recorded, and means nothing elsewhere, save for `each`.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, TypeVar, cast

from palmette.authoring.steps import Flow, recording
from palmette.errors import DefinitionError

T = TypeVar("T")


def when(test: object) -> AbstractContextManager[Any]:
    """Execute what is in the block only if the test holds: ``with when(auc > 0.9):``.

    A test compares config fields, parameters that steps give, items of loops and constants; ``&``, ``|`` and ``~``
    combine tests.
    """
    return _flow("when").when(test)


def elsewhen(test: object) -> AbstractContextManager[Any]:
    """Execute what is in the block if this test holds, and none of those of the blocks directly above."""
    return _flow("elsewhen").elsewhen(test)


def otherwise() -> AbstractContextManager[Any]:
    """Execute what is in the block if no test of the blocks directly above holds."""
    return _flow("otherwise").otherwise()


def each(items: Iterable[T], parallel: int = 0) -> Iterable[T]:
    """Execute the body of the loop once for each item: ``for fold in each(folds, parallel=2):``.

    At most `parallel` items at once; 0 for as many as there is room for. Outside a pipeline these are the items.
    """
    recorder = recording.get()
    return items if recorder is None else cast("Iterable[T]", recorder.flow.each(items, parallel))


def collect(value: object) -> list[Any]:
    """What a step within a loop gave, behind the loop: the list for all items, in their order.

    Behind a loop within a loop it is a list of lists; of artifacts, one list.
    """
    return cast("list[Any]", _flow("collect").collect(value))


def one_of(*values: T) -> T:
    """What the branch that was executed gave: one value from each block of a condition that ends in `otherwise`."""
    return cast("T", _flow("one_of").one_of(values))


def on_exit(task: object) -> AbstractContextManager[Any]:
    """Run a task when the block is over, whatever became of it: ``with on_exit(notify(config.channel)):``."""
    return _flow("on_exit").on_exit(task)


def _flow(name: str) -> Flow:
    recorder = recording.get()
    if recorder is None:
        what = f"{name}() means something only while a pipeline is recorded"
        raise DefinitionError(what, "Use it in a function marked @algorithm, and test the steps on their own.")
    return recorder.flow
