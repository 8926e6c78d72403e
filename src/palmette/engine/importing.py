"""Importers: tasks that execute nothing, and make an artifact of what lies at a URI."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.fingerprint import Parts, fingerprint
from palmette.domain.graph import ArtifactType
from palmette.engine.inputs import Inputs, Job, UnusableInput
from palmette.engine.placeholders import filled
from palmette.engine.plan import PlannedTask
from palmette.engine.ports import Bytes, Importer
from palmette.engine.references import MARK, bring, shared
from palmette.engine.vocabulary import Imported
from palmette.errors import PalmetteError
from palmette.ir.spec import ImporterSpec


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
    metadata = filled(spec.metadata, inputs.parameters.get, job.constants(task.name))
    assert isinstance(metadata, dict)
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
