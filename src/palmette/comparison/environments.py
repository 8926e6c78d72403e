"""What two runs were executed with, and on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from palmette.comparison.changes import EnvironmentChange
from palmette.comparison.sides import Side, union
from palmette.domain.run import Environment, Host, TaskRecord

#: Python's own image, which stands where none was chosen: it says no more than Python's version does
_DEFAULT_IMAGE: Final = re.compile(r"python:\d+\.\d+-slim")

#: a fact, of the baseline and of the head
_Fact = tuple[str, str, str]


def unknown(head: Side, baseline: Side) -> bool:
    """Whether it is known of one of them only what it is executed with: a server settles that when it begins a run."""
    return (head.run.environment == Environment()) != (baseline.run.environment == Environment())


def environment(head: Side, baseline: Side) -> tuple[EnvironmentChange, ...]:
    """What differs: Python and packages first, then the images, then the machine."""
    before, after = baseline.run.environment, head.run.environment
    facts: list[_Fact] = []
    if not unknown(head, baseline):
        facts += [("python", before.python, after.python), ("platform", before.platform, after.platform)]
        facts += _pins("", before, after)
        facts += _named(baseline, head)
    facts += _containers(baseline, head)
    facts += _machines(baseline.run.host, head.run.host)
    return tuple(EnvironmentChange(name=name, before=was, after=now) for name, was, now in facts if was != now)


def _pins(prefix: str, before: Environment, after: Environment) -> Iterator[_Fact]:
    old, new = ({pin.name: pin.version or pin.url for pin in side.pins} for side in (before, after))
    for name in sorted({*old, *new}):
        yield f"{prefix}{name}", old.get(name, ""), new.get(name, "")


def _named(baseline: Side, head: Side) -> Iterator[_Fact]:
    """What differs between the environments that steps name: a package of one, or one that only one side has."""
    before, after = baseline.run.environments, head.run.environments
    for name in union(after, before):
        if name in before and name in after:
            yield from _pins(f"{name}: ", before[name], after[name])
        else:
            was, now = (f"{len(side[name].pins)} packages" if name in side else "" for side in (before, after))
            yield name, was, now


def _containers(baseline: Side, head: Side) -> Iterator[_Fact]:
    """The images of the steps, in one line where all changed alike; and which had a GPU."""
    pairs = [(was, now) for was, now in _both(baseline, head) if was.parts and now.parts]
    images = [(now, was.parts.image, now.parts.image) for was, now in pairs if was.parts and now.parts]
    chosen = [each for each in images if not all(map(_DEFAULT_IMAGE.fullmatch, each[1:]))]
    if len({each[1:] for each in chosen}) == 1 and len(chosen) == len(images):
        yield "image", *chosen[0][1:]
    else:
        yield from ((f"image of {_title(task)}", was, now) for task, was, now in chosen)
    for was, now in pairs:
        lent = ["yes" if side.parts and side.parts.gpu else "no" for side in (was, now)]
        yield f"GPU of {_title(now)}", lent[0], lent[1]


def _both(baseline: Side, head: Side) -> list[tuple[TaskRecord, TaskRecord]]:
    before = {task.name: task for task in baseline.tasks}
    return [(before[task.name], task) for task in head.tasks if task.name in before]


def _title(task: TaskRecord) -> str:
    return task.component or task.name


def _machines(before: Host | None, after: Host | None) -> Iterator[_Fact]:
    # Of a side that was never driven the machine is unknown, not another one.
    if before is None or after is None:
        return
    yield "host", before.name, after.name
    yield "cpus", str(before.cpus), str(after.cpus)
    yield "memory", _size(before.memory), _size(after.memory)
    yield "gpus", str(before.gpus), str(after.gpus)


def _size(count: int) -> str:
    """In units that a new kernel does not change."""
    return f"{count / 2**30:.0f} GiB" if count else ""
