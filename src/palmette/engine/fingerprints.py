"""All that decides a task's outputs, gathered for its fingerprint."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Final

from palmette.domain.artifact import Artifact
from palmette.domain.fingerprint import Parts
from palmette.domain.values import canonical, digest
from palmette.engine.inputs import Inputs
from palmette.engine.plan import PlannedTask
from palmette.engine.pods import Lent
from palmette.engine.ports import Secrets
from palmette.engine.references import remote

CLOSURE: Final = "PALMETTE_CLOSURE"
ENVIRONMENT: Final = "PALMETTE_ENVIRONMENT"
#: A longer command is shown by its digest: a stock component carries its source in it.
_SHOWN: Final = 500


def parts(
    task: PlannedTask,
    inputs: Inputs,
    *,
    secrets: Secrets,
    environment: Mapping[str, str],
    gpu: bool = False,
    token: str = "",
    lent: Lent | None = None,
) -> Parts:
    """The parts of a task's fingerprint. `environment` holds the values of the variables that the step declared."""
    if task.cache_key:
        # The author has decided what counts, as on a cluster.
        return Parts(what=f"key {task.cache_key!r} of {task.component}")
    env = {name: _hidden(value) for name, value in task.container.env.items() if name not in (CLOSURE, ENVIRONMENT)}
    env |= {name: _hidden(environment[name]) if name in environment else "" for name in task.config.env}
    return Parts(
        what=task.step if task.captured else _command(task),
        image=task.container.image,
        closure=task.container.env[CLOSURE] if task.captured else "",
        environment=task.container.env.get(ENVIRONMENT, "") if task.captured else "",
        parameters=inputs.parameters,
        inputs={name: tuple(_contents(artifacts, task)) for name, artifacts in inputs.artifacts.items()},
        outputs=_outputs(task),
        env=env | (lent.marks() if lent else {}),
        secrets={
            **{secret.name: secrets.versions.get(secret.name, "") for secret in task.secrets},
            **(lent.versions() if lent else {}),
        },
        gpu=gpu,
        token=token,
    )


def _contents(artifacts: tuple[Artifact, ...], task: PlannedTask) -> Iterator[str]:
    """The digests of the bytes, and how a step reads them: one Parquet file is a pandas or an Arrow table, and a pickle
    runs code that its bytes only name. Of a path, the last name counts, which may end in .csv or .tsv; of what a step
    refers to, the whole address. A foreign container may read all metadata."""
    for artifact in artifacts:
        words = [artifact.metadata.get(key) for key in ("format", "reader", "code")]
        yield artifact.digest
        yield from filter(None, [" ".join(word for word in words if isinstance(word, str))])
        if words[0] == "reference" or remote(artifact.uri):
            yield f"at {artifact.uri}"
        elif words[0] in ("path", None):
            yield f"named {artifact.filename}"
        if not task.captured and artifact.metadata:
            yield f"described {digest(dict(artifact.metadata))}"


def _command(task: PlannedTask) -> str:
    whole = canonical([list(task.container.command), list(task.container.args)])
    if len(whole) <= _SHOWN:
        return whole.decode()
    return f"{task.container.command[0]} … sha256:{hashlib.sha256(whole).hexdigest()}"


def _outputs(task: PlannedTask) -> dict[str, str]:
    """Type and format of each output: a consumer sees them, and sensitive ones carry no statistics."""
    definitions = task.definition.output_definitions
    described: dict[str, str] = {name: str(spec.parameter_type) for name, spec in definitions.parameters.items()}
    for name, spec in definitions.artifacts.items():
        words = [spec.artifact_type.schema_title, task.config.formats.get(name, "")]
        words.append("sensitive" if name in task.config.sensitive else "")
        described[name] = " ".join(filter(None, words))
    return described


def _hidden(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()
