"""What a finished attempt left behind: read, checked, taken over into the content-addressed bytes."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from palmette.domain.artifact import Outputs
from palmette.domain.graph import ArtifactType, ParameterType
from palmette.domain.metric import MetricPoint
from palmette.domain.run import Reused
from palmette.domain.values import Json
from palmette.engine.attempt import tidy
from palmette.engine.events import Batch
from palmette.engine.findings import Spoiled, left_behind, require_rooms, taken
from palmette.engine.inputs import Places
from palmette.engine.parameters import fits, plain
from palmette.engine.plan import PlannedTask
from palmette.engine.ports import Bytes, Importer, Nowhere
from palmette.engine.remains import NotPlain, opened
from palmette.ir.embedded import loads
from palmette.ir.spec import ParameterSpec, SystemParameter

__all__ = ["Leaked", "Spoiled", "collect", "inherited", "masked", "metrics", "redact", "unnamed", "withdraw"]

#: A larger description is a mistake of the step's: values go into artifacts.
_LARGEST: Final = 32 << 20
_CHUNK: Final = 1 << 20
_NO_NUMBERS: Final = ("nan", "inf", "-inf")
_MASK: Final = b"***"
#: What is shorter is in any text by chance, and no secret.
_SECRET: Final = 4


class Leaked(Spoiled):
    """What an attempt says of its outputs holds a secret."""


def collect(
    task: PlannedTask,
    places: Places,
    files: Bytes,
    secrets: Mapping[str, str] | None = None,
    *,
    importer: Importer = Nowhere(),
    confined: bool = False,
) -> Outputs:
    """The outputs of an attempt that ended with exit code 0, its files stored; Spoiled if something is not right.

    Leaked if a parameter or an artifact's metadata hold the value of one of the secrets, which are given by name.

    Everything is checked before the first file is taken over. Nothing outside the attempt's directory is read, written
    or removed, but for an output for which the task names another path of this machine; one that was `confined`, to an
    image or to the rights of another user, may name none.
    """
    require_rooms(places)
    said = _described(task, places)
    definitions = task.definition.output_definitions
    parameters: dict[str, Json] = {}
    for name, declared in definitions.parameters.items():
        value = _parameter(task, name, declared, said, places)
        if value is not None:
            parameters[name] = plain(value)
    found = list(left_behind(task, said, places, confined=confined))
    _keep_secret({**parameters, **{each.name: each.metadata for each in found}}, secrets or {})
    artifacts = {each.name: taken(each, places, files, importer) for each in found}
    return Outputs(parameters=parameters, artifacts=artifacts)


def metrics(outputs: Outputs, time: float) -> tuple[MetricPoint, ...]:
    """The metrics that a task's outputs hold: the numbers in the metadata of its artifacts of type Metrics. One that is
    no number arrives as the text "nan", since JSON has none, and is a metric all the same."""
    return tuple(
        MetricPoint(name=name, value=float(value), time=time)
        for artifact in outputs.artifacts.values()
        if artifact.type == ArtifactType.METRICS
        for name, value in artifact.metadata.items()
        if value in _NO_NUMBERS or (isinstance(value, (int, float)) and not isinstance(value, bool))
    )


def inherited(reused: Reused, time: float) -> tuple[MetricPoint, ...]:
    """The metrics of a task that reuses what an earlier one made: all that this one logged, arriving at this time.

    How far apart they were is kept. Older ledgers may not know them; then what the outputs hold is all there is.
    """
    if not reused.points:
        return metrics(reused.outputs, time)
    late = time - max(point.time for point in reused.points)
    return tuple(replace(point, time=point.time + late) for point in reused.points)


def _described(task: PlannedTask, places: Places) -> dict[str, Any]:
    """The ``ExecutorOutput``; a foreign container need not write one."""
    try:
        with opened(places.output) as file:
            content = file.read(_LARGEST + 1)
    except NotPlain:
        raise Spoiled("executor_output.json is no plain file") from None
    except FileNotFoundError:
        if task.captured:
            raise Spoiled("it ended without saying what it made (executor_output.json is missing)") from None
        return {}
    if len(content) > _LARGEST:
        raise Spoiled(f"what it says of its outputs is larger than {_LARGEST >> 20} MiB; return artifacts instead")
    try:
        said = loads(content)
    except ValueError as error:
        raise Spoiled(f"executor_output.json is not whole or not JSON: {error}") from None
    if not isinstance(said, dict):
        raise Spoiled("executor_output.json is not a JSON object")
    return said


def _parameter(
    task: PlannedTask, name: str, spec: ParameterSpec, said: Mapping[str, Any], places: Places
) -> Json | None:
    values = said.get("parameterValues")
    value: Json = values.get(name) if isinstance(values, dict) else None
    if value is None:
        value = _written(name, spec.parameter_type, places.value(name), required=not task.captured and not said)
    if value is not None and not fits(spec.parameter_type, value):
        raise Spoiled(f"output {name!r} is not a {spec.parameter_type}")
    return value


def _written(name: str, kind: ParameterType | SystemParameter, path: Path, *, required: bool) -> Json | None:
    """The value in an output file, read by its type; KFP writes booleans as Python does too."""
    try:
        with opened(path) as file:
            content = file.read(_LARGEST + 1)
    except NotPlain:
        raise Spoiled(f"output {name!r} is no plain file") from None
    except FileNotFoundError:
        if required:
            raise Spoiled(f"output {name!r} was not written") from None
        return None
    if len(content) > _LARGEST:
        raise Spoiled(f"output {name!r} is larger than {_LARGEST >> 20} MiB")
    try:
        text = content.decode()
        if kind is ParameterType.STRING:
            return text
        if kind is ParameterType.BOOLEAN:
            text = text.strip().lower()
        value: Json = loads(text)
    except ValueError:
        raise Spoiled(f"output {name!r} is not a {kind}") from None
    return value


def _keep_secret(told: Mapping[str, Json], secrets: Mapping[str, str]) -> None:
    for name, value in told.items():
        text = json.dumps(value, ensure_ascii=False)
        for secret, confidential in secrets.items():
            parts = (part.decode() for part in _lines(confidential))
            if any(len(part) >= _SECRET and json.dumps(part, ensure_ascii=False)[1:-1] in text for part in parts):
                raise Leaked(
                    f"output {name!r} holds the value of the secret {secret}: a secret must not leave its step"
                )


def withdraw(places: Places, values: Iterable[str]) -> None:
    """Remove what an attempt made and was given, and hide these values in what else is in its directory.

    How JSON spells them is hidden, too.
    """
    tidy(places.directory)
    places.output.unlink(missing_ok=True)
    spelled = [spelling for value in values for spelling in (value, *_spelled(value))]
    for path in list(places.directory.iterdir()):
        redact(path, spelled)


def _spelled(value: str) -> list[str]:
    return [json.dumps(value, ensure_ascii=ascii)[1:-1] for ascii in (True, False)]


def redact(path: Path, values: Iterable[str]) -> None:
    """Replace these values in a file by ``***``; the file is swapped in one go, or left alone if it has none.

    For files that nobody appends to any more.
    """
    needles = sorted({part for value in values for part in _lines(value)}, key=len, reverse=True)
    if not needles or not path.parent.is_dir():
        return
    # A directory of nobody else's making: the task may have put something in the way of any name.
    room = Path(tempfile.mkdtemp(prefix=".redacted-", dir=path.parent))
    scratch = room / path.name
    try:
        with opened(path) as source, scratch.open("xb") as target:
            changed = _copy_masked(source.read, target.write, needles)
        if changed:
            shutil.copystat(path, scratch)
            scratch.replace(path)
    except FileNotFoundError:
        # There is no file, but perhaps a link, and nobody follows that.
        return
    finally:
        shutil.rmtree(room, ignore_errors=True)


def masked(text: str, values: Iterable[str]) -> str:
    """The text with these values replaced by ``***``."""
    for needle in sorted({part for value in values for part in _lines(value)}, key=len, reverse=True):
        text = text.replace(needle.decode(), _MASK.decode())
    return text


def unnamed(batch: Batch, values: Collection[str]) -> Batch:
    """What was told, with these values hidden in the names of metrics and in what is said of the progress."""
    if not values or not (batch.points or batch.progress):
        return batch
    points = tuple(replace(point, name=masked(point.name, values)) for point in batch.points)
    progress = batch.progress and replace(batch.progress, text=masked(batch.progress.text, values))
    return replace(batch, points=points, progress=progress)


def _lines(value: str) -> list[bytes]:
    """A secret as it may be printed: whole, or line by line."""
    lines = [line.strip() for line in value.splitlines() if len(line.strip()) >= 8]
    return [part.encode() for part in (value, value.strip(), *lines) if part.strip()]


def _copy_masked(read: Any, write: Any, needles: list[bytes]) -> bool:
    # What may be the beginning of a needle is kept back until the next chunk is there.
    keep = len(needles[0]) - 1
    rest, changed = b"", False
    while chunk := read(_CHUNK):
        block = rest + chunk
        for needle in needles:
            if needle in block:
                block, changed = block.replace(needle, _MASK), True
        rest = block[len(block) - keep :] if keep else b""
        write(block[: len(block) - len(rest)])
    write(rest)
    return changed
