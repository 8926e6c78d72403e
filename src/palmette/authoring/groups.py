"""A pipeline function in the making: its tasks, conditions, loops and exit tasks, while more is said of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any, TypeAlias, assert_never

from palmette.domain.graph import (
    Case,
    Each,
    FromCollected,
    FromOneOf,
    FromTask,
    Nested,
    Node,
    OnExit,
    ParameterType,
    Source,
    Task,
    Test,
    When,
    tested,
)


class Place(Enum):
    """What a scope is."""

    FUNCTION = auto()
    BRANCH = auto()
    LOOP = auto()
    GUARDED = auto()


@dataclass(kw_only=True, eq=False)
class Scope:
    """A pipeline function, or a block in it."""

    frame: Frame
    place: Place
    #: the group that it is a block of; None for the function
    owner: Entry | None = None
    entries: list[Entry] = field(default_factory=list)
    location: str = ""

    def outward(self) -> Iterator[Scope]:
        """This scope and those around it, the nearest first."""
        scope: Scope | None = self
        while scope is not None:
            yield scope
            scope = scope.owner.scope if scope.owner else None


@dataclass(kw_only=True, eq=False)
class Frame:
    """One pipeline function that is being recorded."""

    #: the algorithm's name
    name: str
    location: str = ""
    #: the blocks that are open, the function itself first
    scopes: list[Scope] = field(default_factory=list)
    #: by name, those within blocks too
    entries: dict[str, Entry] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    groups: int = 0
    #: it has returned
    over: bool = False
    #: where the loops stand that were left before their end
    left: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scopes.append(Scope(frame=self, place=Place.FUNCTION, location=self.location))

    @property
    def scope(self) -> Scope:
        """The innermost open block."""
        return self.scopes[-1]

    def add(self, entry: Entry) -> None:
        """Let it stand in the innermost open block."""
        self.names.add(entry.name)
        self.entries[entry.name] = entry
        entry.scope.entries.append(entry)

    def free(self, base: str) -> str:
        """A name that nothing has: "fit", "fit-2", "fit-3"."""
        number, name = 1, base
        while name in self.names:
            number += 1
            name = f"{base}-{number}"
        return name

    def numbered(self, kind: str) -> str:
        """A name for a group or a branch: "for-loop-1"; those of all kinds are counted together."""
        self.groups += 1
        while f"{kind}-{self.groups}" in self.names:
            self.groups += 1
        self.names.add(f"{kind}-{self.groups}")
        return f"{kind}-{self.groups}"

    def branch(self, branches: Branches) -> None:
        """Give a condition that turns out to have several branches a name besides that of the first."""
        if not branches.name.startswith("condition-branches-"):
            del self.entries[branches.name]
            branches.name = f"condition-branches-{branches.name.rpartition('-')[2]}"
            self.names.add(branches.name)
            self.entries[branches.name] = branches


@dataclass(kw_only=True, eq=False)
class _Entry:
    name: str
    scope: Scope
    location: str = ""
    #: names of what must have succeeded before, though nothing of it is used
    after: list[str] = field(default_factory=list)


@dataclass(kw_only=True, eq=False)
class Call(_Entry):
    """A call of a step."""

    step: str
    arguments: Mapping[str, Source] = field(default_factory=dict)
    regardless: bool = False
    #: it is the exit task of a block
    last: bool = False


@dataclass(kw_only=True, eq=False)
class Part(_Entry):
    """A call of another algorithm."""

    node: Nested


@dataclass(kw_only=True, eq=False)
class Branches(_Entry):
    """A condition; each of its blocks with its name and test, None for the last way out."""

    blocks: list[tuple[str, Scope, Test | None]] = field(default_factory=list)


@dataclass(kw_only=True, eq=False)
class Loop(_Entry):
    """A loop."""

    items: Source
    item: ParameterType | None
    parallelism: int
    body: Scope | None = None


@dataclass(kw_only=True, eq=False)
class Guard(_Entry):
    """A block with an exit task."""

    task: Call
    body: Scope | None = None


Entry: TypeAlias = Call | Part | Branches | Loop | Guard


def is_made(source: Source) -> bool:
    """Whether a value is there only after some task has run."""
    return isinstance(source, (FromCollected, FromOneOf)) or (isinstance(source, FromTask) and source.task != "")


def crossed(home: Scope, at: Scope) -> list[Scope] | None:
    """The blocks that a value has to leave on its way from one place to another; None if they are of two functions."""
    around = list(at.outward())
    left: list[Scope] = []
    for scope in home.outward():
        if scope in around:
            return left
        left.append(scope)
    return None


def frozen(scope: Scope, circle: Callable[[list[Entry]], None]) -> tuple[Node, ...]:
    """The nodes of a scope, in the order of the source save where `after` names a later one. `circle` is told of
    those that wait for each other."""
    done: dict[str, Node] = {}

    def visit(entry: Entry, path: list[Entry]) -> None:
        if entry in path:
            circle([*path[path.index(entry) :], entry])
        elif entry.name not in done:
            for name in _needs(entry):
                other = _standing(scope, name)
                if other is not None and other is not entry:
                    visit(other, [*path, entry])
            done[entry.name] = _node(entry, circle)

    for entry in scope.entries:
        visit(entry, [])
    return tuple(done.values())


def _standing(scope: Scope, name: str) -> Entry | None:
    """What stands in the scope and is or holds the named one."""
    entry = scope.frame.entries.get(name)
    while entry is not None and entry.scope is not scope:
        entry = entry.scope.owner
    return entry


def _needs(entry: Entry) -> Iterator[str]:
    """The names of all that an entry, or anything in it, needs."""
    yield from entry.after
    match entry:
        case Call(arguments=arguments):
            yield from _made(*arguments.values())
        case Part(node=node):
            yield from _made(*node.arguments.values())
        case Branches(blocks=blocks):
            for _, scope, test in blocks:
                yield from _made(*(tested(test) if test else ()))
                yield from _within(scope)
        case Loop(items=items, body=body):
            yield from _made(items)
            yield from _within(body)
        case Guard(body=body):
            yield from _within(body)
        case _:
            assert_never(entry)


def _within(scope: Scope | None) -> Iterator[str]:
    for entry in scope.entries if scope else ():
        yield from _needs(entry)


def _made(*sources: Source) -> Iterator[str]:
    for source in sources:
        match source:
            case FromTask(task=task) | FromCollected(task=task):
                yield task
            case FromOneOf(alternatives=alternatives):
                yield from (each.task for each in alternatives)
            case _:
                pass


def _node(entry: Entry, circle: Callable[[list[Entry]], None]) -> Node:
    after = tuple(dict.fromkeys(entry.after))
    common: dict[str, Any] = {"name": entry.name, "after": after, "location": entry.location}
    match entry:
        case Call():
            return _task(entry)
        case Part(node=node):
            return replace(node, after=after)
        case Branches(blocks=blocks):
            cases = tuple(
                Case(name=name, test=test, body=frozen(scope, circle), location=scope.location)
                for name, scope, test in blocks
            )
            return When(name=entry.name, cases=cases, after=after)
        case Loop(items=items, item=item, parallelism=parallelism, body=body):
            inside = frozen(body, circle) if body else ()
            return Each(**common, items=items, item=item, parallelism=parallelism, body=inside)
        case Guard(task=task, body=body):
            return OnExit(**common, body=frozen(body, circle) if body else (), task=_task(task))
        case _:
            assert_never(entry)


def _task(call: Call) -> Task:
    return Task(
        name=call.name,
        step=call.step,
        arguments=call.arguments,
        after=tuple(dict.fromkeys(call.after)),
        regardless=call.regardless,
        location=call.location,
    )
