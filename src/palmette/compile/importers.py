"""Files that a config names → tasks that import them, in front of everything else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final, assert_never

from palmette.domain.graph import (
    Algorithm,
    ArtifactType,
    Case,
    Each,
    Field,
    FromFile,
    FromParameter,
    FromTask,
    Input,
    Nested,
    Node,
    OnExit,
    Output,
    ParameterType,
    Reading,
    Source,
    Step,
    Task,
    When,
)
from palmette.ir.spec import ArtifactTypeSchema, ExecutorSpec, ImporterSpec

#: The step that every import is a call of; no function can have this name.
IMPORT: Final = Step(
    name="importer-",
    target="",
    inputs=(Input(name="uri", parameter=ParameterType.STRING),),
    outputs=(Output(name="artifact", artifact=ArtifactType.ARTIFACT),),
)
#: As the SDK writes one whose URI is a parameter.
EXECUTOR: Final = ExecutorSpec(
    importer=ImporterSpec(
        artifact_uri_parameter="uri",
        type_schema=ArtifactTypeSchema(schema_title=ArtifactType.ARTIFACT.value, schema_version="0.0.1"),
    )
)


def importing(algorithm: Algorithm) -> Algorithm:
    """The algorithm with a task for each file that is given to a step; its consumers take what that imports."""
    tasks = _scope(algorithm.tasks)
    if tasks == algorithm.tasks:
        return algorithm
    return replace(algorithm, tasks=tasks, steps=(*algorithm.steps, IMPORT))


def unreachable(algorithm: Algorithm) -> list[str]:
    """What to say of files that no cluster can read, because their defaults are paths."""
    local = [entry for entry in algorithm.config if _local(entry)]
    return [
        f"config.{entry.name} is {entry.default!r}, a path that no cluster has: give the parameter a URI such as "
        "s3://bucket/file when a run is started there"
        for entry in local
    ]


def _local(entry: Field) -> bool:
    return entry.reading is Reading.FILE and isinstance(entry.default, str) and "://" not in entry.default


def _scope(nodes: tuple[Node, ...]) -> tuple[Node, ...]:
    """The nodes of one pipeline function, importers first."""
    names = {parameter: f"import-{parameter}" for parameter in dict.fromkeys(_files(nodes))}
    rewired = tuple(_node(node, names) for node in nodes)
    imports = (
        Task(name=name, step=IMPORT.name, arguments={"uri": FromParameter(parameter=parameter)})
        for parameter, name in names.items()
    )
    return (*imports, *rewired)


def _files(nodes: tuple[Node, ...]) -> Iterator[str]:
    """The parameters of this pipeline function that name files which are given to something in it."""
    for node in nodes:
        match node:
            case Task(arguments=arguments) | Nested(arguments=arguments):
                yield from _named(arguments)
            case When(cases=cases):
                for case in cases:
                    yield from _files(case.body)
            case Each(body=body):
                yield from _files(body)
            case OnExit(body=body, task=task):
                yield from (*_files(body), *_named(task.arguments))
            case _:
                assert_never(node)


def _named(arguments: Mapping[str, Source]) -> Iterator[str]:
    for source in arguments.values():
        if isinstance(source, FromFile):
            yield source.parameter


def _node(node: Node, names: Mapping[str, str]) -> Node:
    match node:
        case Task():
            return _task(node, names)
        case Nested():
            return replace(node, arguments=_sources(node.arguments, names), body=_scope(node.body))
        case When(cases=cases):
            return replace(node, cases=tuple(_case(case, names) for case in cases))
        case Each(body=body):
            return replace(node, body=tuple(_node(each, names) for each in body))
        case OnExit(body=body, task=task):
            return replace(node, body=tuple(_node(each, names) for each in body), task=_task(task, names))
        case _:
            assert_never(node)


def _case(case: Case, names: Mapping[str, str]) -> Case:
    return replace(case, body=tuple(_node(each, names) for each in case.body))


def _task(task: Task, names: Mapping[str, str]) -> Task:
    return replace(task, arguments=_sources(task.arguments, names))


def _sources(arguments: Mapping[str, Source], names: Mapping[str, str]) -> dict[str, Source]:
    return {
        name: FromTask(task=names[source.parameter], output="artifact") if isinstance(source, FromFile) else source
        for name, source in arguments.items()
    }
