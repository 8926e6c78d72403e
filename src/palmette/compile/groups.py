"""Tasks, conditions, loops, nested algorithms and exit tasks → the tasks and components of DAGs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import assert_never

from palmette.compile.components import input_definitions, output_definitions
from palmette.compile.conditions import expression
from palmette.compile.levels import CHANNEL, Frame, Level, Wired, task_inputs
from palmette.compile.naming import keys
from palmette.domain.graph import (
    All,
    Case,
    Constant,
    Each,
    Freshness,
    Nested,
    Node,
    Not,
    OnExit,
    Output,
    ParameterType,
    Retry,
    Source,
    Step,
    Task,
    Test,
    When,
)
from palmette.ir.spec import (
    ArtifactInput,
    ArtifactIterator,
    ArtifactSpec,
    CachingOptions,
    ComponentSpec,
    Definitions,
    ParameterInput,
    ParameterIterator,
    ParameterSpec,
    RetryPolicy,
    TaskSpec,
    TriggerPolicy,
    TriggerStrategy,
)

_COMPLETED = TriggerPolicy(strategy=TriggerStrategy.ALL_UPSTREAM_TASKS_COMPLETED)


@dataclass(kw_only=True)
class Dags:
    """The components that are made of the groups of an algorithm; those of its steps are there already."""

    steps: Mapping[str, Step]
    #: step → its component's name
    names: Mapping[str, str]
    #: names of components that are taken
    taken: set[str]
    #: the DAG of each component that was made
    made: dict[str, Level] = field(default_factory=dict)
    #: algorithm → the component that it became
    algorithms: dict[str, str] = field(default_factory=dict)

    def root(
        self, nodes: tuple[Node, ...], inputs: Definitions, outputs: Iterable[Output], results: Mapping[str, Source]
    ) -> Level:
        """The DAG of a pipeline function."""
        named = dict(_named(nodes))
        groups = [name for name, node in named.items() if not isinstance(node, (Task, Nested))]
        others = [name for name in named if name not in groups]
        frame = Frame(inputs=inputs, keys=keys(groups) | keys(others, taken=groups))
        level = Level(frame=frame)
        self._nodes(level, nodes)
        for entry in outputs:
            level.result(entry.name, results[entry.name])
        return level

    def components(self) -> dict[str, ComponentSpec]:
        """The component of each group and nested algorithm."""
        return {name: level.component() for name, level in sorted(self.made.items())}

    def _nodes(self, level: Level, nodes: tuple[Node, ...]) -> None:
        for node in nodes:
            level.frame.levels[node.name] = level
            match node:
                case Task():
                    self._task(level, node)
                case When():
                    self._when(level, node)
                case Each():
                    self._each(level, node)
                case Nested():
                    self._nested(level, node)
                case OnExit():
                    self._on_exit(level, node)
                case _:
                    assert_never(node)

    def _task(self, level: Level, task: Task, guarded: str = "") -> None:
        """`guarded` is the group for which it is the exit task."""
        frame, step = level.frame, self.steps[task.step]
        frame.levels[task.name] = level
        frame.outputs[task.name] = output_definitions(step.outputs)
        wired = _wired(level, task.arguments)
        needed = level.awaits(task.after) | {entry.producer for entry in wired.values()} - {""}
        inputs = task_inputs(wired)
        needed |= {guarded} - {""}
        status = {
            entry.name: ParameterInput(task_final_status=guarded or next(iter(needed), ""))
            for entry in step.inputs
            if entry.status
        }
        level.tasks[frame.keys[task.name]] = TaskSpec(
            name=task.name,
            component=self.names[task.step],
            inputs=replace(inputs, parameters={**inputs.parameters, **status}),
            dependent_tasks=tuple(sorted(needed)),
            trigger_policy=_COMPLETED if guarded or task.regardless else None,
            caching_options=CachingOptions(enable_cache=step.fresh.kind is not Freshness.ALWAYS),
            retry_policy=_retry(step.retry) if step.retry.retries else None,
        )

    def _when(self, level: Level, node: When) -> None:
        if len(node.cases) == 1:
            [case] = node.cases
            self._case(level, case, case.test, node.after)
            return
        branches = self._open(level, node.name)
        earlier: list[Test] = []
        for case in node.cases:
            level.frame.levels[case.name] = branches
            tests = [*(Not(test=test) for test in earlier), *([case.test] if case.test else [])]
            self._case(branches, case, tests[0] if len(tests) == 1 else All(tests=tuple(tests)))
            earlier += [case.test] if case.test else []
        self._close(branches, node.name, node.after)

    def _case(self, level: Level, case: Case, test: Test | None, after: tuple[str, ...] = ()) -> None:
        assert test is not None
        inside = self._open(level, case.name)
        condition = expression(test, lambda source: _operand(inside, source))
        self._nodes(inside, case.body)
        self._close(
            inside, case.name, after, lambda task: replace(task, trigger_policy=TriggerPolicy(condition=condition))
        )

    def _each(self, level: Level, node: Each) -> None:
        inside = self._open(level, node.name)
        inside.loop = node.name
        over = ""
        if isinstance(node.items, Constant):
            inside.item = f"{CHANNEL}loop-item-param-{node.name.rpartition('-')[2]}"
            inside.item_spec = ParameterSpec(parameter_type=node.item or ParameterType.STRING)
        else:
            wired = inside.value(node.items)
            over = _name(wired)
            inside.item = _free(f"{over}-loop-item", inside)
            inside.item_spec = _one(wired, node)
        self._nodes(inside, node.body)
        self._close(inside, node.name, node.after, lambda task: _iterated(task, node, inside, over))

    def _nested(self, level: Level, node: Nested) -> None:
        frame = level.frame
        if node.algorithm not in self.algorithms:
            self.algorithms[node.algorithm] = self._component_name(node.algorithm)
            inputs = input_definitions(node.inputs)
            name = self.algorithms[node.algorithm]
            self.made[name] = self.root(node.body, inputs, node.outputs, node.results)
        frame.outputs[node.name] = output_definitions(node.outputs)
        wired = _wired(level, node.arguments)
        needed = level.awaits(node.after) | {entry.producer for entry in wired.values()} - {""}
        level.tasks[frame.keys[node.name]] = TaskSpec(
            name=node.name,
            component=self.algorithms[node.algorithm],
            inputs=task_inputs(wired),
            dependent_tasks=tuple(sorted(needed)),
            caching_options=CachingOptions(enable_cache=True),
        )

    def _on_exit(self, level: Level, node: OnExit) -> None:
        inside = self._open(level, node.name)
        self._nodes(inside, node.body)
        self._close(inside, node.name, node.after)
        self._task(level, node.task, guarded=level.frame.keys[node.name])

    def _open(self, level: Level, name: str) -> Level:
        inside = Level(frame=level.frame, key=level.frame.keys[name], parent=level)
        level.frame.levels[name] = level
        level.inner[name] = inside
        return inside

    def _close(
        self,
        inside: Level,
        name: str,
        after: tuple[str, ...] = (),
        finished: Callable[[TaskSpec], TaskSpec] = lambda task: task,
    ) -> None:
        """Put the task of a DAG that is complete, but for its outputs, into the one around it."""
        assert inside.parent is not None
        component = self._component_name(name)
        self.made[component] = inside
        needed = inside.parent.awaits(after) | inside.needed()
        task = TaskSpec(name=name, component=component, inputs=inside.given(), dependent_tasks=tuple(sorted(needed)))
        inside.parent.tasks[inside.key] = finished(task)

    def _component_name(self, name: str) -> str:
        [text] = keys([name], taken=self.taken).values()
        self.taken.add(text)
        return f"comp-{text}"


def _named(nodes: tuple[Node, ...]) -> list[tuple[str, Node | Case]]:
    """Every node of a pipeline function by name, those within groups included."""
    found: list[tuple[str, Node | Case]] = []
    for node in nodes:
        found.append((node.name, node))
        match node:
            case When(cases=cases):
                for case in cases:
                    found += [(case.name, case), *_named(case.body)]
            case Each(body=body):
                found += _named(body)
            case OnExit(body=body, task=task):
                found += [*_named(body), (task.name, task)]
            case Task() | Nested():
                pass
            case _:
                assert_never(node)
    return found


def _wired(level: Level, arguments: Mapping[str, Source]) -> dict[str, Wired]:
    """Where a task's inputs come from. None stands for an absent value."""
    return {
        name: level.value(source)
        for name, source in arguments.items()
        if not (isinstance(source, Constant) and source.value is None)
    }


def _operand(inside: Level, source: Source) -> tuple[str, ParameterType]:
    wired = inside.value(source)
    assert isinstance(wired.spec, ParameterSpec)
    kind = wired.spec.parameter_type
    return _name(wired), kind if isinstance(kind, ParameterType) else ParameterType.STRUCT


def _name(wired: Wired) -> str:
    """The input of its DAG that a value has become."""
    if isinstance(wired.input, ArtifactInput):
        return wired.input.component_input_artifact
    return wired.input.component_input_parameter


def _free(name: str, level: Level) -> str:
    """The name, numbered if a loop around has it already: two loops may go through one list."""
    taken = {around.item for around in level.around()}
    number, found = 2, name
    while found in taken:
        found, number = f"{name}-{number}", number + 1
    return found


def _one(wired: Wired, node: Each) -> ParameterSpec | ArtifactSpec:
    """What an item is of the list that a loop goes through."""
    if isinstance(wired.spec, ArtifactSpec):
        return replace(wired.spec, is_artifact_list=False)
    return ParameterSpec(parameter_type=node.item or ParameterType.STRING)


def _iterated(task: TaskSpec, node: Each, inside: Level, over: str) -> TaskSpec:
    if isinstance(inside.item_spec, ArtifactSpec):
        iterator = ArtifactIterator(item_input=inside.item, input_artifact=over)
        return replace(task, artifact_iterator=iterator, parallelism_limit=node.parallelism)
    raw = json.dumps(node.items.value, ensure_ascii=False) if isinstance(node.items, Constant) else ""
    parameters = ParameterIterator(item_input=inside.item, raw=raw, input_parameter=over)
    return replace(task, parameter_iterator=parameters, parallelism_limit=node.parallelism)


def _retry(retry: Retry) -> RetryPolicy:
    return RetryPolicy(
        max_retry_count=retry.retries,
        backoff_duration=retry.backoff,
        backoff_factor=retry.factor,
        backoff_max_duration=retry.longest,
    )
