"""The inputs of a task: their values, KFP's ``ExecutorInput``, and the placeholders of a container."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from palmette.domain.artifact import Artifact
from palmette.domain.values import Json
from palmette.engine.parameters import fits, plain, text
from palmette.engine.placeholders import PLACEHOLDER, WORKSPACE, escaped
from palmette.engine.plan import Planned, PlannedTask
from palmette.engine.ports import Unusable
from palmette.engine.references import MARK, in_workspace, remote, shared
from palmette.engine.sources import Artifacts, Source, origin
from palmette.engine.values import Values
from palmette.ir.embedded import loads
from palmette.ir.spec import ContainerSpec, ParameterSpec

_STRUCT: Final = re.compile(r"\s*\{\s*\"(?:Concat|IfPresent)\"")


class UnusableInput(Exception):
    """A task cannot be executed with the inputs it was given."""


class Omitted(Exception):
    """A task is left out, since nothing makes one of its inputs: what would have was skipped."""


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a task is given; parameters without a value are absent. An input that is no list has one artifact."""

    parameters: Mapping[str, Json] = field(default_factory=dict)
    artifacts: Mapping[str, tuple[Artifact, ...]] = field(default_factory=dict)
    #: the names of secrets, config maps and volumes that are known only now, by what they are for
    names: Mapping[str, str] = field(default_factory=dict)


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
    #: the directory that its tasks share
    workspace: str = ""

    def constants(self, task: str) -> dict[str, str]:
        """The values of the placeholders that name no input or output."""
        return {
            "pipeline_job_name": self.name,
            "pipeline_job_resource_name": f"{self.pipeline}-{self.id}",
            "pipeline_job_uuid": self.id,
            "pipeline_job_create_time_utc": self.created,
            "pipeline_job_schedule_time_utc": self.scheduled or self.created,
            "pipeline_task_name": task.rpartition(".")[2],
            "pipeline_task_uuid": str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.id}/{task}")),
            "pipeline_root": self.root,
            **({WORKSPACE: self.workspace} if self.workspace else {}),
        }


def resolve(task: Planned, values: Values, job: Job) -> Inputs:
    """The inputs of a task, or of a group, all that it needs being over.

    UnusableInput if one has no value or is of another type, Omitted if a task that would have made it was skipped.
    """
    values = replace(values, constants=job.constants)
    definitions = task.definition.input_definitions
    parameters = dict(_undeclared(task, values))
    for name, spec in definitions.parameters.items():
        source = task.parameters.get(name)
        value = _value(name, source, values)
        if value is None and spec.has_default:
            value = spec.default_value
        if value is not None:
            _check(name, spec, value, source)
            parameters[name] = plain(value)
        elif not spec.is_optional and not task.lenient:
            raise _absent(task, name, "value", source, values)
    artifacts = {}
    for name, wanted in definitions.artifacts.items():
        given = task.artifacts.get(name)
        found = values.artifacts(given)
        if found or (wanted.is_artifact_list and given is not None):
            artifacts[name] = found if wanted.is_artifact_list else found[:1]
        elif not wanted.is_optional and not task.lenient:
            raise _absent(task, name, "artifact", given, values)
    return Inputs(parameters=parameters, artifacts=artifacts, names=dict(_names(task, values)))


def _names(task: Planned, values: Values) -> Iterator[tuple[str, str]]:
    """What its pod is lent, by name. A name that is null asks for nothing."""
    for key, source in task.names.items() if isinstance(task, PlannedTask) else ():
        name = _value(key, source, values)
        if name is not None and name != "":
            yield key, text(name)


def _undeclared(task: Planned, values: Values) -> Iterator[tuple[str, Json]]:
    """What the SDK hands over beyond what the component declares: the container's texts may name it."""
    declared = task.definition.input_definitions.parameters
    for name, source in () if task.lenient else task.parameters.items():
        value = None if name in declared else _value(name, source, values)
        if value is not None:
            yield name, plain(value)


def _value(name: str, source: Source | None, values: Values) -> Json:
    try:
        return values.value(source)
    except Unusable as error:
        raise UnusableInput(f"input {name!r}: {error}") from None


def _check(name: str, spec: ParameterSpec, value: Json, source: Source | None) -> None:
    if not fits(spec.parameter_type, value):
        raise UnusableInput(f"input {name!r} is not a {spec.parameter_type}{_blame(source)}")
    if spec.literals and plain(value) not in [plain(literal) for literal in spec.literals]:
        allowed = ", ".join(text(literal) for literal in spec.literals)
        raise UnusableInput(f"input {name!r} is {text(value)}, and only {allowed} are allowed")


def _absent(
    task: Planned, name: str, kind: str, source: Source | Artifacts | None, values: Values
) -> UnusableInput | Omitted:
    made = origin(source)
    if made is not None and not task.regardless and values.omitted(made.task, made.output):
        return Omitted(f"{made.task} was skipped")
    return UnusableInput(f"input {name!r} has no {kind}{_blame(source)}")


def _blame(source: Source | Artifacts | None) -> str:
    made = origin(source)
    return "" if made is None else f": {made.task} gave none as {made.output!r}"


def foreign(task: Planned) -> bool:
    """Whether it is a container that Palmette knows nothing of."""
    return isinstance(task, PlannedTask) and not task.captured


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where the inputs and outputs of an attempt are: paths below its own directory."""

    directory: Path
    #: the directory that the tasks of the run share
    workspace: Path = Path()

    def input(self, task: Planned, name: str, artifact: Artifact, index: int | None = None) -> Path:
        """Where an input artifact is restored, or lies where it was passed by reference; with an index, one of a
        list."""
        if in_workspace(artifact):
            return shared(self.workspace, artifact)
        # A foreign container expects a file on its own machine, as a cluster's launcher fetches it.
        if artifact.uri and not (remote(artifact.uri) and foreign(task)):
            return Path(artifact.uri)
        room = self.directory / "inputs" / name
        return (room if index is None else room / str(index)) / artifact.filename.rstrip("/")

    def inputs(self, task: Planned, inputs: Inputs) -> Iterator[tuple[str, Artifact, Path]]:
        """Every input artifact of a task by the input's name, and where it is restored."""
        for name, artifacts in inputs.artifacts.items():
            many = task.definition.input_definitions.artifacts[name].is_artifact_list
            for index, artifact in enumerate(artifacts):
                yield name, artifact, self.input(task, name, artifact, index if many else None)

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
    given: dict[str, list[Json]] = {name: [] for name in inputs.artifacts}
    for name, artifact, path in places.inputs(task, inputs):
        given[name].append(_entry(name, artifact.type, path, artifact))
    return {
        "inputs": {
            "parameterValues": dict(inputs.parameters),
            "artifacts": {name: {"artifacts": entries} for name, entries in given.items()},
        },
        "outputs": {
            "parameters": {name: {"outputFile": str(places.value(name))} for name in definitions.parameters},
            "artifacts": {
                name: {"artifacts": [_entry(name, spec.artifact_type.schema_title, places.artifact(name), None)]}
                for name, spec in definitions.artifacts.items()
            },
            "outputFile": str(places.output),
        },
    }


def _entry(name: str, title: str, path: Path, artifact: Artifact | None) -> Json:
    known = artifact.metadata if artifact is not None else {}
    # The mark would make the SDK look elsewhere.
    metadata: Json = {key: value for key, value in known.items() if key != MARK}
    kind: Json = {"schemaTitle": title}
    stays = artifact is not None and artifact.uri and Path(artifact.uri) == path
    uri = artifact.uri if artifact is not None and stays else str(path)
    return {"name": name, "type": kind, "uri": uri, "metadata": metadata}


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

    return PLACEHOLDER.sub(value, template) if "{{$" in template else template


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
                    struct = loads(argument)
                except ValueError:
                    struct = argument
                yield from self._expanded(struct)
            else:
                yield from self._expanded(argument)

    def inside(self, template: str) -> str:
        """A text with its placeholders replaced, those of absent inputs by nothing."""
        if "{{$" not in template:
            return template
        return PLACEHOLDER.sub(lambda match: self._value(match) or "", template)

    def _expanded(self, part: Json) -> Iterator[str]:
        match part:
            case str():
                whole = PLACEHOLDER.fullmatch(part)
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
        value = self._plain_value(match)
        return value if value is None or value == match[0] else escaped(value, match)

    def _plain_value(self, match: re.Match[str]) -> str | None:
        name, definitions = match["name"], self._task.definition
        match match["side"], match["kind"], match["field"]:
            case None, _, _:
                return self._constant(match["word"], match[0])
            case "inputs", "parameters", None:
                found = self._inputs.parameters.get(name)
                return None if found is None else text(found)
            case "inputs", "artifacts", None if name in definitions.input_definitions.artifacts:
                return text(self._listed("inputs", name))
            case "inputs", "artifacts", field_name:
                given = self._places.inputs(self._task, self._inputs)
                # Of a list the first one is meant, as on a cluster.
                found_at = next(((artifact, path) for key, artifact, path in given if key == name), None)
                return None if found_at is None else _of_artifact(*found_at, field_name, match)
            case "outputs", "parameters", "output_file" if name in definitions.output_definitions.parameters:
                return str(self._places.value(name))
            case "outputs", "artifacts", field_name if name in definitions.output_definitions.artifacts:
                return self._of_output(name, field_name, match)
            case _:
                return match[0]

    def _of_output(self, name: str, wanted: str | None, match: re.Match[str]) -> str | None:
        spec = self._task.definition.output_definitions.artifacts[name]
        match wanted:
            case None:
                return text(self._listed("outputs", name))
            case "uri" | "path":
                return str(self._places.artifact(name))
            case "name":
                return name
            case "metadata":
                found = dict(spec.metadata) if match["key"] is None else spec.metadata.get(match["key"])
                return None if found is None else text(found)
            case _:
                return match[0]

    def _listed(self, side: str, name: str) -> Json:
        """All artifacts of an input or output, as the ``ExecutorInput`` describes them."""
        found: Json = json.loads(self._described)[side]["artifacts"].get(name, {}).get("artifacts", [])
        return found

    def _constant(self, word: str | None, placeholder: str) -> str:
        if word is None:
            return self._described
        if word in ("outputs.output_file", "outputMetadataUri", "output_metadata_uri"):
            return str(self._places.output)
        return self._constants.get(word, placeholder)


def _of_artifact(artifact: Artifact, path: Path, wanted: str | None, match: re.Match[str]) -> str | None:
    match wanted:
        case "uri":
            return artifact.uri or str(path)
        case "path":
            return artifact.uri if artifact.uri and Path(artifact.uri) == path else str(path)
        case "name":
            return match["name"]
        case "metadata":
            found = artifact.metadata if match["key"] is None else artifact.metadata.get(match["key"])
            return None if found is None else text(found)
        case _:
            return match[0]
