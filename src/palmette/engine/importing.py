"""Importers: tasks that execute nothing, and make an artifact of what lies at a URI."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.fingerprint import Parts, fingerprint
from palmette.domain.graph import ArtifactType
from palmette.domain.values import Json
from palmette.engine.inputs import Inputs, Job, UnusableInput, parameter_text
from palmette.engine.plan import PlannedTask
from palmette.engine.ports import Bytes, Importer
from palmette.engine.references import MARK, bring, shared
from palmette.engine.vocabulary import Imported
from palmette.errors import PalmetteError
from palmette.ir.spec import ImporterSpec

_WHOLE: Final = re.compile(r"\{\{\$\.inputs\.parameters\[(['\"])(?P<name>.*?)\1\]\}\}")
_CONSTANT: Final = re.compile(r"\{\{\$\.(?P<word>\w+)\}\}")


def imported(
    task: PlannedTask, spec: ImporterSpec, inputs: Inputs, importer: Importer, *, files: Bytes, job: Job, now: float
) -> Imported:
    """What the importer comes to; UnusableInput if nothing lies where it points to."""
    uri = spec.artifact_uri or inputs.parameters.get(spec.artifact_uri_parameter)
    if not isinstance(uri, str) or not uri:
        raise UnusableInput("it is to import an artifact, and is given no URI")
    try:
        found = importer.refer(uri)
    except PalmetteError as error:
        raise UnusableInput(str(error)) from None
    metadata = {key: _filled(value, inputs, job.constants(task.name)) for key, value in spec.metadata.items()}
    artifact = Artifact(
        type=spec.type_schema.schema_title or ArtifactType.ARTIFACT.value,
        digest=found.digest,
        size=found.size,
        filename=found.filename,
        metadata=metadata,
        uri=found.uri,
    )
    if spec.download_to_workspace:
        artifact = replace(artifact, metadata={**metadata, MARK: True})
        _download(artifact, files, importer, job)
    known = Parts(what="import", parameters={"uri": found.uri, "metadata": metadata}, inputs={"": (found.digest,)})
    return Imported(
        task=task.name,
        time=now,
        outputs=Outputs(artifacts=dict.fromkeys(task.definition.output_definitions.artifacts, artifact)),
        fingerprint=fingerprint(known),
        parts=known,
    )


def _download(artifact: Artifact, files: Bytes, importer: Importer, job: Job) -> None:
    workspace = Path(job.workspace)
    try:
        workspace.mkdir(mode=0o700, parents=True, exist_ok=True)
        bring(artifact, shared(workspace, artifact), files, importer)
    except (OSError, PalmetteError) as error:
        raise UnusableInput(f"it cannot be copied to the workspace: {error}") from None


def _filled(value: Json, inputs: Inputs, constants: Mapping[str, str]) -> Json:
    """The metadata with placeholders replaced; one that is all of a value keeps the type of the parameter."""
    match value:
        case str():
            whole = _WHOLE.fullmatch(value)
            if whole is not None:
                return inputs.parameters.get(whole["name"])
            return _CONSTANT.sub(lambda match: constants.get(match["word"], match[0]), parameter_text(inputs, value))
        case Mapping():
            return {
                str(_filled(key, inputs, constants)): _filled(each, inputs, constants) for key, each in value.items()
            }
        case list() | tuple():
            return [_filled(each, inputs, constants) for each in value]
        case _:
            return value
