"""The inputs of a task: their values, KFP's ``ExecutorInput``, and the placeholders of a container."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.values import Json
from palmette.engine.parameters import fits, plain, text
from palmette.engine.plan import Fixed, PlannedTask, Produced
from palmette.ir.spec import ContainerSpec

_PLACEHOLDER: Final = re.compile(
    r"\{\{\$"
    r"(?:\.(?P<side>inputs|outputs)\.(?P<kind>parameters|artifacts)\[(?P<quote>['\"])(?P<name>.*?)(?P=quote)\]"
    r"(?:\.(?P<field>\w+)(?:\[(?P<quote2>['\"])(?P<key>.*?)(?P=quote2)\])?)?"
    r"|\.(?P<word>[\w.]+))?\}\}"
)
_STRUCT: Final = re.compile(r"\s*\{\s*\"(?:Concat|IfPresent)\"")


class UnusableInput(Exception):
    """A task cannot be executed with the inputs it was given."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a task is given; parameters without a value are absent."""

    parameters: Mapping[str, Json] = field(default_factory=dict)
    artifacts: Mapping[str, Artifact] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a task may ask of its run, by the names of KFP's ``pipeline_job_*`` placeholders."""

    id: str
    #: the run's display name
    name: str = ""
    #: the pipeline's name
    pipeline: str = ""
    #: "2026-01-31T12:00:00Z"
    created: str = ""
    scheduled: str = ""
    #: where outputs are written
    root: str = ""

    def constants(self, task: str) -> dict[str, str]:
        """The values of the placeholders that name no input or output."""
        return {
            "pipeline_job_name": self.name,
            "pipeline_job_resource_name": f"{self.pipeline}-{self.id}",
            "pipeline_job_uuid": self.id,
            "pipeline_job_create_time_utc": self.created,
            "pipeline_job_schedule_time_utc": self.scheduled or self.created,
            "pipeline_task_name": task,
            "pipeline_task_uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.id}/{task}")),
            "pipeline_root": self.root,
        }


def resolve(task: PlannedTask, made: Callable[[str], Outputs], job: Job) -> Inputs:
    """The task's inputs, all that it needs being good; UnusableInput if one has no value or is of another type."""
    parameters: dict[str, Json] = {}
    constants = job.constants(task.name)
    for name, spec in task.definition.input_definitions.parameters.items():
        source = task.parameters.get(name)
        match source:
            case Fixed():
                value = _with_constants(source.value, constants)
            case Produced():
                found = made(source.task).parameters.get(source.output)
                value = source.default if found is None else found
            case _:
                value = None
        if value is None and spec.has_default:
            value = spec.default_value
        if value is None:
            if not spec.is_optional:
                raise UnusableInput(f"input {name!r} has no value{_blame(source)}")
        elif not fits(spec.parameter_type, value):
            raise UnusableInput(f"input {name!r} is not a {spec.parameter_type}{_blame(source)}")
        else:
            parameters[name] = plain(value)
    return Inputs(parameters=parameters, artifacts=dict(_artifacts(task, made)))


def _artifacts(task: PlannedTask, made: Callable[[str], Outputs]) -> Iterator[tuple[str, Artifact]]:
    for name, spec in task.definition.input_definitions.artifacts.items():
        source = task.artifacts.get(name)
        found = made(source.task).artifacts.get(source.output) if source is not None else None
        if found is not None:
            yield name, found
        elif not spec.is_optional:
            raise UnusableInput(f"input {name!r} has no artifact{_blame(source)}")


def _blame(source: Fixed | Produced | None) -> str:
    return f": {source.task} gave none as {source.output!r}" if isinstance(source, Produced) else ""


def _with_constants(value: Json, constants: Mapping[str, str]) -> Json:
    if not isinstance(value, str) or "{{$" not in value:
        return value
    return _PLACEHOLDER.sub(lambda match: constants.get(match["word"] or "", match[0]), value)


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the inputs and outputs of an attempt are: paths below its own directory."""

    directory: Path

    def input(self, name: str, artifact: Artifact) -> Path:
        """Where an input artifact is restored."""
        return self.directory / "inputs" / name / artifact.filename.rstrip("/")

    def artifact(self, name: str) -> Path:
        """Where an output artifact must be written."""
        return self.directory / "outputs" / name

    def value(self, name: str) -> Path:
        """Where an output parameter may be written."""
        return self.directory / "values" / name

    @property
    def output(self) -> Path:
        """Where the attempt says what it made."""
        return self.directory / "executor_output.json"


def executor_input(task: PlannedTask, inputs: Inputs, places: Places) -> dict[str, Json]:
    """KFP's ``ExecutorInput``, with absolute local paths as URIs."""
    definitions = task.definition.output_definitions
    given = task.definition.input_definitions.artifacts
    return {
        "inputs": {
            "parameterValues": dict(inputs.parameters),
            "artifacts": {
                name: _entry(name, given[name].artifact_type.schema_title, places.input(name, artifact), artifact)
                for name, artifact in inputs.artifacts.items()
            },
        },
        "outputs": {
            "parameters": {name: {"outputFile": str(places.value(name))} for name in definitions.parameters},
            "artifacts": {
                name: _entry(name, spec.artifact_type.schema_title, places.artifact(name), None)
                for name, spec in definitions.artifacts.items()
            },
            "outputFile": str(places.output),
        },
    }


def _entry(name: str, declared: str, path: Path, artifact: Artifact | None) -> Json:
    title = artifact.type if artifact is not None else declared
    metadata: Json = dict(artifact.metadata) if artifact is not None else {}
    kind: Json = {"schemaTitle": title}
    return {"artifacts": [{"name": name, "type": kind, "uri": str(path), "metadata": metadata}]}


@dataclass(frozen=True, kw_only=True)
class Filled:
    """A container with every placeholder replaced."""

    command: tuple[str, ...]
    args: tuple[str, ...]
    env: Mapping[str, str]
    #: the ``ExecutorInput``, as one line of JSON
    input: str


def fill(task: PlannedTask, inputs: Inputs, places: Places, job: Job) -> Filled:
    """The task's container with every placeholder replaced, each once: a value is never searched for another one."""
    described = json.dumps(executor_input(task, inputs, places), ensure_ascii=False, separators=(",", ":"))
    filling = _Filling(task, inputs, places, described, job.constants(task.name))
    container: ContainerSpec = task.container
    return Filled(
        command=tuple(filling.arguments(container.command)),
        args=tuple(filling.arguments(container.args)),
        env={name: filling.inside(value) for name, value in container.env.items()},
        input=described,
    )


def parameter_text(inputs: Inputs, template: str) -> str:
    """A text with the placeholders of input parameters replaced; other placeholders stay."""

    def value(match: re.Match[str]) -> str:
        if (match["side"], match["kind"]) != ("inputs", "parameters"):
            return match[0]
        found = inputs.parameters.get(match["name"])
        return "" if found is None else text(found)

    return _PLACEHOLDER.sub(value, template) if "{{$" in template else template


class _Filling:
    """The replacement of placeholders for one attempt."""

    def __init__(
        self, task: PlannedTask, inputs: Inputs, places: Places, described: str, constants: Mapping[str, str]
    ) -> None:
        self._task = task
        self._inputs = inputs
        self._places = places
        self._described = described
        self._constants = constants

    def arguments(self, arguments: tuple[str, ...]) -> Iterator[str]:
        """The arguments; one that is nothing but an absent input is dropped."""
        for argument in arguments:
            if _STRUCT.match(argument):
                try:
                    struct = json.loads(argument)
                except ValueError:
                    struct = argument
                yield from self._expanded(struct)
            else:
                yield from self._expanded(argument)

    def inside(self, template: str) -> str:
        """A text with its placeholders replaced, those of absent inputs by nothing."""
        if "{{$" not in template:
            return template
        return _PLACEHOLDER.sub(lambda match: self._value(match) or "", template)

    def _expanded(self, part: Json) -> Iterator[str]:
        match part:
            case str():
                whole = _PLACEHOLDER.fullmatch(part)
                value = self.inside(part) if whole is None else self._value(whole)
                if value is not None:
                    yield value
            case {"Concat": list(parts)}:
                yield "".join(piece for entry in parts for piece in self._expanded(entry))
            case {"IfPresent": {"InputName": str(name), **branches}}:
                chosen: Any = branches.get("Then" if self._present(name) else "Else")
                yield from self._expanded(chosen)
            case list():
                for entry in part:
                    yield from self._expanded(entry)
            case None:
                pass
            case _:
                yield text(part)

    def _present(self, name: str) -> bool:
        return name in self._inputs.parameters or name in self._inputs.artifacts

    def _value(self, match: re.Match[str]) -> str | None:
        """What a placeholder stands for; None for an absent input. One that is unknown stays as it is."""
        name = match["name"]
        match match["side"], match["kind"], match["field"]:
            case None, _, _:
                return self._constant(match["word"], match[0])
            case "inputs", "parameters", None:
                found = self._inputs.parameters.get(name)
                return None if found is None else text(found)
            case "inputs", "artifacts", field_name:
                artifact = self._inputs.artifacts.get(name)
                if artifact is None:
                    return None
                return _of_artifact(artifact, self._places.input(name, artifact), field_name, match)
            case "outputs", "parameters", "output_file" if name in self._task.definition.output_definitions.parameters:
                return str(self._places.value(name))
            case "outputs", "artifacts", "uri" | "path" if name in self._task.definition.output_definitions.artifacts:
                return str(self._places.artifact(name))
            case "outputs", "artifacts", "metadata":
                return "{}"
            case _:
                return match[0]

    def _constant(self, word: str | None, placeholder: str) -> str:
        if word is None:
            return self._described
        if word in ("outputs.output_file", "outputMetadataUri"):
            return str(self._places.output)
        return self._constants.get(word, placeholder)


def _of_artifact(artifact: Artifact, path: Path, wanted: str | None, match: re.Match[str]) -> str | None:
    match wanted:
        case "uri" | "path":
            return str(path)
        case "name":
            return match["name"]
        case "metadata":
            found = artifact.metadata if match["key"] is None else artifact.metadata.get(match["key"])
            return None if found is None else text(found)
        case _:
            return match[0]
