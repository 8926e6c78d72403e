"""The tasks and groups of a run as they come to be, and how groups open: conditions, and the items of loops."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from palmette.domain.states import TaskState
from palmette.domain.values import Json
from palmette.engine.inputs import Inputs, Job, Omitted, UnusableInput, resolve
from palmette.engine.parameters import text
from palmette.engine.plan import Group, Plan, Planned, PlannedTask, records
from palmette.engine.planning import MOST, iterations
from palmette.engine.ports import Unusable
from palmette.engine.progress import Node
from palmette.engine.sources import Artifacts, Fixed, Held, Source, origin, outside
from palmette.engine.values import Values
from palmette.engine.vocabulary import Bypassed, Entered, Refused
from palmette.errors import CompileError
from palmette.ir.embedded import loads
from palmette.ir.spec import ArtifactIterator

_PARAMETER: Final = re.compile(r"inputs\.parameter_values\[(?P<quote>['\"])(?P<name>.*?)(?P=quote)\]")
_CAST: Final = re.compile(r"\b(?:int|double|string|bool)\((?P<inner>inputs\.parameter_values\[[^\]]*\])\)")
#: The signs that have a word, and texts, in which they stand for themselves.
_SIGN: Final = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|!(?=\()|&&|\|\|")
_WORDS: Final = {"!": "not ", "&&": "and", "||": "or"}
#: What the SDK puts before the names of inputs that it adds.
_CHANNEL: Final = "pipelinechannel--"
#: More items than a loop may have are most likely a mistake, and each becomes a process.
_MOST_ITEMS: Final = 10_000
#: Longer values are not quoted.
_SHORT: Final = 40


@dataclass(frozen=True, kw_only=True)
class Tree:
    """All tasks and groups of one run that there are by now."""

    plan: Plan
    values: Values
    job: Job
    #: in the order in which they came to be
    order: list[PlannedTask | Group] = field(default_factory=list)
    tasks: dict[str, PlannedTask] = field(default_factory=dict)
    groups: dict[str, Group] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._take_in(self.plan.planned)

    def restore(self, recorded: Mapping[str, TaskState]) -> None:
        """Take in again what loops had come to when the tasks were in these states."""
        waiting = [group for group in self.groups.values() if group.iterator is not None]
        while waiting:
            loop = waiting.pop(0)
            # One that is open or done may have come to nothing; of one that failed the iterations tell.
            begun = recorded.get(loop.name) in (TaskState.RUNNING, TaskState.SUCCEEDED)
            if begun or f"{loop.name}.0" in recorded:
                made = self._iterations(loop, self._items(loop, resolve(loop, self.values, self.job)))
                waiting += [each for each in made if isinstance(each, Group) and each.iterator is not None]

    def nodes(self) -> list[Node]:
        """What the machine needs to know of all of them."""
        return [each.node() for each in self.order]

    def enter(self, group: Group, now: float) -> Entered | Bypassed | Refused:
        """Whether the group opens, and with which tasks."""
        try:
            inputs = resolve(group, self.values, self.job)
            hurdle = self.hurdle(group, inputs)
            if hurdle:
                return Bypassed(task=group.name, time=now, message=hurdle)
            if group.iterator is None:
                return Entered(task=group.name, time=now)
            made = self._iterations(group, self._items(group, inputs))
        except Omitted as omitted:
            return Bypassed(task=group.name, time=now, message=str(omitted))
        except UnusableInput as error:
            return Refused(task=group.name, time=now, message=str(error))
        nodes = tuple(each.node() for each in made)
        return Entered(task=group.name, time=now, nodes=nodes, records=records(made))

    def hurdle(self, planned: Planned, inputs: Inputs) -> str:
        """The condition that keeps a task or group from beginning, in words; empty if nothing does."""
        if not planned.condition:
            return ""
        try:
            if self.values.expressions.holds(planned.condition, inputs.parameters):
                return ""
        except Unusable as error:
            raise UnusableInput(f"its condition {self._worded(planned)} cannot be evaluated: {error}") from None
        facts = ", ".join(self._facts(planned, inputs))
        return f"condition not met: {self._worded(planned)}{f', where {facts}' if facts else ''}"

    def _worded(self, planned: Planned) -> str:
        plainly = _CAST.sub(lambda cast: cast["inner"], planned.condition)
        plainly = _SIGN.sub(lambda match: _WORDS.get(match[0], match[0]), plainly)
        return _PARAMETER.sub(lambda match: _plain_name(match["name"]), plainly)

    def _facts(self, planned: Planned, inputs: Inputs) -> Iterable[str]:
        """The values that decided; nothing of what may be sensitive."""
        for name in dict.fromkeys(match["name"] for match in _PARAMETER.finditer(planned.condition)):
            made = origin(planned.parameters.get(name))
            task = None if made is None else self.tasks.get(made.task)
            secret = made is not None and (task is None or made.output in task.config.sensitive)
            value = inputs.parameters.get(name)
            quoted = f"{value:.6g}" if isinstance(value, float) else _shown(value)
            if not secret and len(quoted) <= _SHORT:
                yield f"{_plain_name(name)} is {quoted}"

    def _items(self, loop: Group, inputs: Inputs) -> Sequence[Source | Artifacts]:
        """What the loop runs over; UnusableInput if that is no list."""
        assert loop.iterator is not None
        if isinstance(loop.iterator, ArtifactIterator):
            return [Held(artifact=artifact) for artifact in inputs.artifacts.get(loop.iterator.input_artifact, ())]
        name, items = loop.iterator.input_parameter, None
        try:
            items = inputs.parameters.get(name) if name else loads(loop.iterator.raw)
            # A list may have been passed on as text.
            items = loads(items) if isinstance(items, str) else items
        except ValueError:
            items = None
        if not isinstance(items, (list, tuple)):
            raise UnusableInput(f"what it runs over is no list: {_quoted(items)}")
        source = loop.parameters.get(name)
        made = source is not None and not outside(source)
        return [Fixed(value=item, made=made) for item in items]

    def _iterations(self, loop: Group, items: Sequence[Source | Artifacts]) -> tuple[PlannedTask | Group, ...]:
        if len(items) > _MOST_ITEMS:
            raise UnusableInput(f"it runs over {len(items):,} items, and {_MOST_ITEMS:,} are the most")
        try:
            made = iterations(self.plan.document, loop, items, MOST - len(self.order))
        except CompileError as error:
            raise UnusableInput(f"{error.message}: {error.hint}") from None
        self.values.counts[loop.name] = len(items)
        self._take_in(made)
        return made

    def _take_in(self, planned: Iterable[PlannedTask | Group]) -> None:
        for each in planned:
            self.order.append(each)
            if isinstance(each, Group):
                self.groups[each.name] = each
                self.values.groups[each.name] = each
            else:
                self.tasks[each.name] = each


def _quoted(value: Json) -> str:
    quoted = _shown(value)
    return quoted if len(quoted) <= _SHORT else f"{quoted[:_SHORT]}…"


def _shown(value: Json) -> str:
    """A value as a person reads it: what a terminal would obey, and what is hardly seen, is quoted."""
    plainly = text(value)
    return plainly if plainly.isprintable() and plainly.strip() == plainly != "" else json.dumps(plainly)


def _plain_name(name: str) -> str:
    """What a person calls an input that stands in for an output: "fit" where fit has only one."""
    return name.removeprefix(_CHANNEL).removesuffix("-output").removesuffix("-Output")
