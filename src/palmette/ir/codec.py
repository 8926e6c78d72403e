"""A pipeline file ⇄ a `PipelineDocument`.

Reading takes what KFP takes: YAML of one or two documents, JSON, and the API's ``{"pipeline_spec", "platform_spec"}``.
It judges only the form; `palmette.ir.check` judges the meaning.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from palmette.domain.graph import ParameterType
from palmette.domain.values import Json
from palmette.errors import Problem, SpecError
from palmette.ir import messages, reading, writing
from palmette.ir.kinds import read_message, write_message
from palmette.ir.spec import Definitions, PipelineDocument, PipelineSpec, PlatformSpec

#: what a platform document says of Kubernetes where nothing is to be said: KFP's server expects the key
_NOTHING: Final[Json] = {"deploymentSpec": {"executors": {}}}
_WORDS: Final = {
    ParameterType.BOOLEAN: "bool",
    ParameterType.INTEGER: "int",
    ParameterType.DOUBLE: "float",
    ParameterType.STRING: "str",
    ParameterType.LIST: "list",
    ParameterType.STRUCT: "dict",
}


def loads(text: str | bytes) -> PipelineDocument:
    """Read a pipeline file; SpecError with every problem of its form at once."""
    found = [entry for entry in reading.documents(text) if entry is not None]
    if not found:
        raise SpecError("the pipeline file is empty")
    if len(found) > 2:
        raise SpecError(
            f"the pipeline file holds {len(found)} documents", "It may hold the pipeline and one platform document."
        )
    first = found[0]
    if isinstance(first, Mapping) and (first.keys() & {"pipeline_spec", "pipelineSpec"}) and len(found) == 1:
        pipeline = first.get("pipeline_spec", first.get("pipelineSpec"))
        return from_plain(pipeline, first.get("platform_spec", first.get("platformSpec")))
    return from_plain(first, found[1] if len(found) == 2 else None)


def from_plain(pipeline: Json, platform: Json = None) -> PipelineDocument:
    """The document from the plain values of its two parts."""
    if not isinstance(pipeline, Mapping):
        raise SpecError("the pipeline file is no pipeline: a mapping is expected at its top")
    _recognise(pipeline)
    problems: list[Problem] = []
    spec: PipelineSpec = read_message(messages.PIPELINE_SPEC, pipeline, "", problems)
    beside: PlatformSpec = read_message(messages.PLATFORM_SPEC, {} if platform is None else platform, "", problems)
    if problems:
        raise SpecError(f"the pipeline file has {_count(problems)} in its form", problems=problems)
    return PipelineDocument(pipeline=spec, platform=_without_nothing(beside))


def _count(problems: list[Problem]) -> str:
    return "a problem" if len(problems) == 1 else f"{len(problems)} problems"


def _recognise(top: Mapping[str, Json]) -> None:
    if "implementation" in top:
        raise SpecError(
            "the file is a component of Kubeflow Pipelines v1, not a pipeline",
            "Load it with kfp.components.load_component_from_file and compile a pipeline that uses it.",
        )
    if "apiVersion" in top and "kind" in top:
        raise SpecError(
            f"the file is a Kubernetes manifest ({top['kind']}), not a pipeline",
            "Compile the pipeline with the KFP SDK 2.0 or newer, without the Kubernetes manifest format.",
        )


def to_plain(document: PipelineDocument) -> tuple[dict[str, Any], dict[str, Any]]:
    """The plain values of the pipeline and of the platform document; the latter is empty where there is none."""
    pipeline = write_message(messages.PIPELINE_SPEC, document.pipeline)
    platform = write_message(messages.PLATFORM_SPEC, document.platform)
    if document.platform.palmette or document.platform.algorithm:
        platform["platforms"].setdefault("kubernetes", _NOTHING)
    return pipeline, platform


def _without_nothing(platform: PlatformSpec) -> PlatformSpec:
    """Leave out of `extra` what `to_plain` adds by itself."""
    beside = platform.extra.get("platforms")
    if not (platform.palmette or platform.algorithm) or not isinstance(beside, Mapping):
        return platform
    if beside.get("kubernetes") != _NOTHING:
        return platform
    others = {name: value for name, value in beside.items() if name != "kubernetes"}
    rest = {name: value for name, value in platform.extra.items() if name != "platforms"}
    return replace(platform, extra={**rest, "platforms": others} if others else rest)


def dumps(document: PipelineDocument) -> str:
    """The document as YAML, keys sorted and with KFP's leading comment; equal documents give equal text."""
    pipeline, platform = to_plain(document)
    parts = [_comment(document.pipeline), writing.yaml_text(pipeline)]
    if platform:
        parts += ["---\n", writing.yaml_text(platform)]
    return "".join(parts)


def to_json(document: PipelineDocument) -> str:
    """The document as one JSON object: the pipeline itself, or both parts under their names where there are two."""
    pipeline, platform = to_plain(document)
    value = {"pipeline_spec": pipeline, "platform_spec": platform} if platform else pipeline
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _comment(pipeline: PipelineSpec) -> str:
    lines = ["PIPELINE DEFINITION", f"Name: {_one_line(pipeline.name)}"]
    if pipeline.description:
        first, *rest = pipeline.description.splitlines() or [""]
        lines += [f"Description: {_one_line(first)}", *(f"             {_one_line(line)}" for line in rest)]
    lines += _signature("Inputs:", pipeline.root.input_definitions)
    lines += _signature("Outputs:", pipeline.root.output_definitions)
    return "".join(f"# {line}\n" for line in lines)


def _signature(title: str, definitions: Definitions) -> list[str]:
    lines: dict[str, str] = {}
    for name, parameter in definitions.parameters.items():
        kind = parameter.parameter_type
        lines[name] = _WORDS[kind] if isinstance(kind, ParameterType) else str(kind)
        if parameter.has_default and parameter.default_value is not None:
            lines[name] += f" [Default: {json.dumps(parameter.default_value, ensure_ascii=False, sort_keys=True)}]"
    for name, artifact in definitions.artifacts.items():
        lines[name] = artifact.artifact_type.schema_title
    return [title, *(_one_line(f"   {name}: {lines[name]}") for name in sorted(lines))] if lines else []


def _one_line(text: str) -> str:
    """Nothing in it ends the comment, nor is anything that YAML refuses."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
