"""Steps and config fields → the definitions of components: what goes in and what comes out."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from palmette.domain.graph import ArtifactType, Field, Input, Output, ParameterType, Step
from palmette.ir.dialects import Dialect
from palmette.ir.spec import (
    ArtifactSpec,
    ArtifactTypeSchema,
    ComponentSpec,
    Definitions,
    ParameterSpec,
    SystemParameter,
)

#: of KFP's artifact types; what it writes beside each
_VERSION: Final = "0.0.1"


def pipeline_parameter(entry: Field, dialect: Dialect) -> ParameterSpec:
    """A config field as a pipeline parameter. None as the default is no default in KFP, but an optional input."""
    known = not entry.required and entry.default is not None
    scalar = entry.type not in (ParameterType.LIST, ParameterType.STRUCT)
    return ParameterSpec(
        parameter_type=entry.type,
        default_value=entry.default if known else None,
        has_default=known,
        is_optional=not entry.required,
        description=entry.description,
        literals=entry.choices if scalar and dialect.knows(Dialect.V2_17) else (),
    )


def component(step: Step, label: str, absent: Collection[str]) -> ComponentSpec:
    """A step's component. `absent` are the inputs whose value may be absent, which means None."""
    return ComponentSpec(
        executor_label=label,
        input_definitions=input_definitions(step.inputs, absent),
        output_definitions=output_definitions(step.outputs),
    )


def input_definitions(inputs: Iterable[Input], absent: Collection[str] = ()) -> Definitions:
    """Inputs as the IR declares them."""
    entries = tuple(inputs)
    return Definitions(
        parameters={entry.name: _parameter(entry, absent) for entry in entries if entry.artifact is None},
        artifacts={
            entry.name: ArtifactSpec(
                artifact_type=_schema(entry.artifact), is_optional=entry.optional, is_artifact_list=entry.many
            )
            for entry in entries
            if entry.artifact is not None
        },
    )


def output_definitions(outputs: Iterable[Output]) -> Definitions:
    """Outputs as the IR declares them."""
    entries = tuple(outputs)
    return Definitions(
        parameters={
            entry.name: ParameterSpec(parameter_type=entry.parameter)
            for entry in entries
            if entry.parameter is not None
        },
        artifacts={
            entry.name: ArtifactSpec(artifact_type=_schema(entry.artifact), is_artifact_list=entry.many)
            for entry in entries
            if entry.artifact is not None
        },
    )


def _parameter(entry: Input, absent: Collection[str]) -> ParameterSpec:
    """A step's parameter; also optional where a config field that may be absent is given to it."""
    if entry.status:
        return ParameterSpec(parameter_type=SystemParameter.TASK_FINAL_STATUS, is_optional=True)
    assert entry.parameter is not None
    known = entry.optional and entry.default is not None
    return ParameterSpec(
        parameter_type=entry.parameter,
        default_value=entry.default if known else None,
        has_default=known,
        is_optional=entry.optional or entry.name in absent,
    )


def _schema(kind: ArtifactType) -> ArtifactTypeSchema:
    return ArtifactTypeSchema(schema_title=kind.value, schema_version=_VERSION)
