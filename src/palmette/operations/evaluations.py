"""What a run's evaluations say, read from the bytes that are kept."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from palmette.authoring.results import Evaluation
from palmette.domain.artifact import Artifact
from palmette.domain.run import TaskRecord, upstream
from palmette.errors import CorruptBlob, PalmetteError
from palmette.operations.details import alike, shown
from palmette.operations.home import Home
from palmette.runtime.evaluations import read_evaluation

#: bytes of all its arrays, beyond which an evaluation is not loaded
MOST: Final = 4 << 30
_FORMAT: Final = "evaluation"
#: what reading an .npz raises that is none of ours: of a damaged one, and of one that holds what none does
DAMAGED: Final = (CorruptBlob, OSError, EOFError, zipfile.BadZipFile, zlib.error)
STRANGE: Final = (
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError, MemoryError, RuntimeError),
    *(SyntaxError, tokenize.TokenError, PalmetteError),
)
#: array → how many dimensions it may have
_SHAPES: Final = {"keys": 1, "train_keys": 1, "classes": 1, "labels": 2, "predictions": 2, "scores": 2}
#: numbers, truth values, texts and dates
_KINDS: Final = "biufUSMm"


@dataclass(frozen=True, kw_only=True)
class Kept:
    """An evaluation that a task of a run gave."""

    task: TaskRecord
    output: str
    artifact: Artifact
    #: it, or something that it was made from, is sensitive: it is used for numbers and never quoted
    sensitive: bool = False


@dataclass(frozen=True, kw_only=True)
class Matched:
    """The evaluations of two runs that stand beside each other."""

    head: Kept | None
    baseline: Kept | None
    #: which of several they are, as sentences without a full stop
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, eq=False)
class Loaded:
    """An evaluation, or why there is none."""

    evaluation: Evaluation | None = None
    sensitive: bool = False
    #: why there is none, as a fragment of a sentence: "made no evaluation"
    reason: str = ""


def kept(records: Sequence[TaskRecord]) -> tuple[Kept, ...]:
    """All evaluations of a run's tasks, in the order of the tasks."""
    by_name = {task.name: task for task in records}
    return tuple(
        Kept(task=task, output=name, artifact=artifact, sensitive=artifact.sensitive or _behind(task, by_name))
        for task in records
        for name, artifact in task.outputs.artifacts.items()
        if artifact.metadata.get("format") == _FORMAT and task.state.good
    )


def matched(head: Sequence[TaskRecord], baseline: Sequence[TaskRecord]) -> Matched:
    """Choose one of each side: those of the same step, the last of several; else the last of each."""
    after, before = kept(head), kept(baseline)
    if not after or not before:
        return Matched(head=after[-1] if after else None, baseline=before[-1] if before else None)
    for one in reversed(after):
        for same in (_task, _step):
            found = next((each for each in reversed(before) if same(each) == same(one)), None)
            if found is not None:
                return Matched(head=one, baseline=found, remarks=tuple(_several(after, one)))
    said = f"the evaluation is {_named(after[-1])}'s, that of the baseline {_named(before[-1])}'s"
    return Matched(head=after[-1], baseline=before[-1], remarks=(said,))


def load(home: Home, found: Kept | None) -> Loaded:
    """Read an evaluation; where that is not possible, say why."""
    if found is None:
        return Loaded(reason="made no evaluation")
    artifact = found.artifact
    if artifact.uri:
        return Loaded(reason="keeps its evaluation elsewhere")
    if not home.blobs.exists(artifact.digest):
        return Loaded(reason="has given up the bytes of its evaluation (palmette gc)")
    try:
        with home.blobs.open(artifact.digest) as file:
            if size(file.name) > MOST:
                return Loaded(reason=f"has an evaluation of more than {MOST >> 30} GiB")
            evaluation = read_evaluation(Path(file.name))
    except DAMAGED:
        return Loaded(reason="has an evaluation whose bytes are damaged")
    except STRANGE:
        return Loaded(reason="has an evaluation that cannot be read")
    if wrong := ", ".join(odd(evaluation)):
        return Loaded(reason=f"has an evaluation whose {wrong} are no column of texts or numbers")
    return Loaded(evaluation=evaluation, sensitive=found.sensitive)


def odd(evaluation: Evaluation) -> Iterator[str]:
    """The names of what is there and no column, or of nothing that can be compared."""
    given = [(name, getattr(evaluation, name), most) for name, most in _SHAPES.items()]
    given += [(f"slices {name!r}", groups, 1) for name, groups in evaluation.slices.items()]
    for name, values, most in given:
        if values is not None and not (1 <= values.ndim <= most and values.dtype.kind in _KINDS):
            yield name


def load_both(home: Home, found: Matched) -> tuple[Loaded, Loaded]:
    """Read the evaluations of both sides, at once: unpacking is most of it, and two cores can do that."""
    if found.head and found.baseline and found.head.artifact.digest == found.baseline.artifact.digest:
        one = load(home, found.head)
        return one, one
    with ThreadPoolExecutor(max_workers=2) as pool:
        head, baseline = pool.map(lambda each: load(home, each), (found.head, found.baseline))
    return head, baseline


def size(path: str) -> int:
    """The bytes that the arrays of a file say they have."""
    with zipfile.ZipFile(path) as file:
        return sum(entry.file_size for entry in file.infolist())


def _task(found: Kept) -> tuple[str, str]:
    return found.task.name, found.output


def _step(found: Kept) -> tuple[str, str]:
    return alike(found.task), found.output


def _named(found: Kept) -> str:
    return shown(found.task)


def _several(every: Sequence[Kept], one: Kept) -> Iterator[str]:
    if len(every) > 1:
        yield f"of {len(every)} evaluations that of {_named(one)} is compared"


def _behind(task: TaskRecord, tasks: Mapping[str, TaskRecord]) -> bool:
    """Whether anything that the task was made from is sensitive."""
    known = {name: each.needs for name, each in tasks.items() if not each.group}
    every = (tasks[name].outputs.artifacts.values() for name in upstream(task.needs, known))
    return any(artifact.sensitive for artifacts in every for artifact in artifacts)
