"""The baseline's model, scored on the head's test examples: one evaluation step, executed once more."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from palmette.authoring.results import Evaluation
from palmette.comparison import pairs
from palmette.comparison.pairs import Unpaired
from palmette.domain.artifact import Artifact
from palmette.domain.graph import ArtifactType
from palmette.domain.run import TaskRecord
from palmette.domain.values import Json
from palmette.errors import PalmetteError
from palmette.ir.spec import ComponentSpec, PipelineDocument
from palmette.operations import excerpts, originals
from palmette.operations.details import shown
from palmette.operations.evaluations import DAMAGED, MOST, STRANGE, Kept, odd, size
from palmette.operations.excerpts import Given
from palmette.operations.home import Home
from palmette.operations.originals import Original

#: formats that only models have
_FITTED: Final = frozenset({"joblib", "skops"})


@dataclass(frozen=True, kw_only=True)
class Draft:
    """One step that is to be executed once more."""

    #: whose code, environment and pipeline it is executed with
    original: Original
    document: PipelineDocument
    given: Given
    #: what there is to know of it, as sentences without a full stop
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Why nothing is executed, as a sentence without a full stop."""

    reason: str
    #: the baseline's own evaluation step may do it all the same
    own: bool = False


class _Missing(Exception):
    """Something that a step would be given is not there; the text says what."""


class _Unlike(_Missing):
    """The two steps take models of other kinds."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """An evaluation step of a run, with what it was given there."""

    original: Original
    record: TaskRecord
    component: ComponentSpec

    @classmethod
    def of(cls, home: Home, run: str, kept: Kept) -> Scored:
        """The step that made this evaluation; NotFound and StoreError where its pipeline is not there."""
        original = originals.recall(home, run)
        spec = original.document.pipeline
        component = spec.components[excerpts.component_of(original.document, kept.task.executor)]
        return cls(original=original, record=kept.task, component=component)

    @property
    def parameters(self) -> Mapping[str, Json]:
        """The values that it was given."""
        return self.record.parts.parameters if self.record.parts else {}

    def artifacts(self, slot: str) -> tuple[Artifact, ...]:
        """What it was given there; _Missing if not all of that is still in the store."""
        said = self.record.parts.inputs.get(slot, ()) if self.record.parts else ()
        made = {each.digest: each for task in self.original.tasks for each in task.outputs.artifacts.values()}
        # Beside the digests stands how they are read.
        digests = [text for text in said if ":" in text and " " not in text]
        blobs = self.original.home.blobs
        if any(text not in made or not (made[text].uri or blobs.exists(text)) for text in digests):
            raise _Missing(f"what {shown(self.record)} of run {self.original.run.id} was given as {slot!r} is gone")
        found = tuple(made[text] for text in digests)
        if not excerpts.alike(found):
            raise _Missing(f"what {shown(self.record)} was given as {slot!r} is a list of unlike things")
        return found

    def models(self) -> dict[str, tuple[Artifact, ...]]:
        """Those of its inputs that are models."""
        declared = self.component.input_definitions.artifacts
        found = {slot: self.artifacts(slot) for slot in self.slots}
        return {
            slot: given
            for slot, given in found.items()
            if given
            and (
                (slot in declared and declared[slot].artifact_type.schema_title == ArtifactType.MODEL)
                or all(map(_is_model, given))
            )
        }

    @property
    def slots(self) -> tuple[str, ...]:
        """Its inputs that are artifacts."""
        return tuple(self.record.parts.inputs) if self.record.parts else ()


def _is_model(artifact: Artifact) -> bool:
    return artifact.type == ArtifactType.MODEL or artifact.metadata.get("format") in _FITTED


def draft(home: Home, head: tuple[str, Kept], baseline: tuple[str, Kept], *, own: bool = False) -> Draft | Refusal:
    """The head's evaluation step with the baseline's model; or the baseline's `own`, with the head's data."""
    try:
        ours, theirs = (Scored.of(home, run, kept) for run, kept in (head, baseline))
        return _by_theirs(ours, theirs) if own else _by_ours(ours, theirs)
    except _Unlike as missing:
        whose = "the baseline" if own else "this run"
        said = f"the evaluation step of {whose} cannot score the baseline's model: {missing}"
        return Refusal(reason=said, own=not own)
    except _Missing as missing:
        return Refusal(reason=f"the baseline is not rescored: {missing}")
    except KeyError:
        return Refusal(reason="the baseline is not rescored: an evaluation step is not in its run's pipeline")
    except PalmetteError as error:
        return Refusal(reason=f"the baseline is not rescored: {error.message}")


def _by_ours(ours: Scored, theirs: Scored) -> Draft:
    places, models = ours.models(), theirs.models()
    if not places:
        raise _Missing(f"no input of {shown(ours.record)} is a model")
    if not models:
        raise _Missing(f"no input of {shown(theirs.record)} of the baseline is a model")
    chosen = _matched(places, models)
    given = Given(
        parameters=ours.parameters,
        artifacts={slot: chosen.get(slot) or ours.artifacts(slot) for slot in ours.slots if ours.artifacts(slot)},
    )
    return _drafted(ours, given, tuple(_fitted_with(ours, places)))


def _by_theirs(ours: Scored, theirs: Scored) -> Draft:
    """Its inputs are matched by name: the split, too, is that of the head."""
    models, needed = theirs.models(), theirs.slots
    absent = [slot for slot in needed if slot not in models and slot not in ours.slots]
    if absent:
        raise _Missing(f"the baseline's {shown(theirs.record)} wants {', '.join(absent)}, which this run does not have")
    values = {name: ours.parameters.get(name, value) for name, value in theirs.parameters.items()}
    given = Given(
        parameters=values,
        artifacts={
            slot: found for slot in needed if (found := models[slot] if slot in models else ours.artifacts(slot))
        },
    )
    return _drafted(theirs, given, ())


def _matched(
    places: Mapping[str, tuple[Artifact, ...]], models: Mapping[str, tuple[Artifact, ...]]
) -> dict[str, tuple[Artifact, ...]]:
    """The baseline's models by the head's inputs: by name, or the only one for the only one."""
    if len(places) == len(models) == 1:
        found = dict(zip(places, models.values(), strict=True))
    else:
        if absent := [slot for slot in places if slot not in models]:
            raise _Unlike(f"the baseline has no model for the input {', '.join(absent)}")
        found = {slot: models[slot] for slot in places}
    return found


def _drafted(step: Scored, given: Given, remarks: tuple[str, ...]) -> Draft:
    lists = step.component.input_definitions.artifacts
    for slot, artifacts in given.artifacts.items():
        if len(artifacts) > 1 and not (slot in lists and lists[slot].is_artifact_list):
            raise _Unlike(f"{shown(step.record)} takes one {slot}, and there are {len(artifacts)}")
    name = step.record.name.rpartition(".")[2]
    document = excerpts.excerpt(
        step.original.document, step.record.executor, given, name=f"{step.original.run.algorithm}-rescored", task=name
    )
    return Draft(original=step.original, document=document, given=given, remarks=remarks)


def _fitted_with(ours: Scored, places: Mapping[str, tuple[Artifact, ...]]) -> Iterator[str]:
    """Values that came with the head's model, and are used for the baseline's all the same."""
    document = ours.original.document
    inputs = excerpts.task_of(document, excerpts.component_of(document, ours.record.executor)).inputs
    makers = {
        source.task_output_artifact.producer_task
        for slot, source in inputs.artifacts.items()
        if slot in places and source.task_output_artifact
    }
    for slot, value in inputs.parameters.items():
        if value.task_output_parameter and value.task_output_parameter.producer_task in makers:
            yield f"the baseline's model was scored with this run's {slot}"


# Whether that is needed


def differ(home: Home, head: Kept, baseline: Kept) -> bool:
    """Whether both know their test examples, and those are not the same: then rescoring helps."""
    if not (_knows(head) and _knows(baseline)):
        return False
    paths = [_path(home, each) for each in (head, baseline)]
    if paths[0] is None or paths[1] is None or head.artifact.digest == baseline.artifact.digest:
        return False
    try:
        if _sums(paths[0]) == _sums(paths[1]):
            return False
        found = pairs.pair(_examples(paths[0]), _examples(paths[1]))
    except (*DAMAGED, *STRANGE):
        return False
    return isinstance(found, Unpaired) and found.rescoring_helps


def count(home: Home, kept: Kept) -> int:
    """How many test examples the evaluation has; 0 where that cannot be told."""
    path = _path(home, kept)
    try:
        return 0 if path is None or not _knows(kept) else len(_examples(path).keys)
    except (*DAMAGED, *STRANGE):
        return 0


def holds(kept: Kept) -> frozenset[str]:
    """The names of what the evaluation holds."""
    held = kept.artifact.metadata.get("holds")
    return frozenset(map(str, held)) if isinstance(held, (list, tuple)) else frozenset()


def _knows(kept: Kept) -> bool:
    return {"keys", "labels"} <= holds(kept)


def _path(home: Home, kept: Kept) -> Path | None:
    if kept.artifact.uri or not home.blobs.exists(kept.artifact.digest):
        return None
    try:
        with home.blobs.open(kept.artifact.digest) as file:
            return Path(file.name) if size(file.name) <= MOST else None
    except DAMAGED:
        return None


def _sums(path: Path) -> list[tuple[int, int]]:
    """The checksums and sizes of keys and labels, without reading them."""
    with zipfile.ZipFile(path) as file:
        entries = [file.getinfo(f"{name}.npy") for name in ("keys", "labels")]
    return [(entry.CRC, entry.file_size) for entry in entries]


def _examples(path: Path) -> Evaluation:
    """An evaluation with nothing but its keys and labels; ValueError where those cannot be compared."""
    with np.load(path, allow_pickle=False) as file:
        found = Evaluation(metrics={}, keys=file["keys"], labels=file["labels"])
    if wrong := ", ".join(odd(found)):
        raise ValueError(wrong)
    return found
