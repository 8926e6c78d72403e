"""Evaluations and metrics as files.

An evaluation is one .npz file that NumPy alone reads, with ``allow_pickle=False``. Its entry "header" is a text, JSON::

    {"schema": 1, "metrics": {"auc": 0.93}, "curves": ["loss"], "slices": ["ward"]}

The arrays that were given stand under their names (`ARRAYS`); those of the n-th curve under "curves.n.x" and
"curves.n.y", the groups of the n-th slice under "slices.n", and the ROC under "roc.0", "roc.1" and "roc.2".
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from typing import Any, Final

from palmette.authoring.results import Evaluation, Metrics
from palmette.domain.values import Json
from palmette.runtime.environment import library

ARRAYS: Final = ("labels", "predictions", "keys", "scores", "classes", "train_keys", "confusion")


#: entries of an artifact's metadata beside its metrics
_RESERVED: Final = frozenset({"format", "filename", "type", "reader", "sensitive", "holds"})


def write_metrics(metrics: Mapping[str, float], path: Path) -> dict[str, Json]:
    """Write names and numbers as JSON, sorted by name; the metadata that makes each a metric of the run."""
    path.write_text(json.dumps(_plain(metrics), sort_keys=True), encoding="utf-8")
    return _plain(metrics)


def read_metrics(path: Path) -> Metrics:
    """The inverse of `write_metrics`."""
    return Metrics(_numbers(json.loads(path.read_bytes())))


def write_evaluation(evaluation: Evaluation, path: Path) -> dict[str, Json]:
    """Write the evaluation; its metrics, and which arrays it "holds"."""
    arrays = {name: getattr(evaluation, name) for name in ARRAYS if getattr(evaluation, name) is not None}
    holds: list[Json] = [*arrays, *(name for name in ("roc", "curves", "slices") if getattr(evaluation, name))]
    for position, (x, y) in enumerate(evaluation.curves.values()):
        arrays |= {f"curves.{position}.x": x, f"curves.{position}.y": y}
    arrays |= {f"slices.{position}": groups for position, groups in enumerate(evaluation.slices.values())}
    arrays |= {f"roc.{position}": part for position, part in enumerate(evaluation.roc or ())}
    header = {
        "schema": 1,
        "metrics": _plain(evaluation.metrics),
        "curves": list(evaluation.curves),
        "slices": list(evaluation.slices),
    }
    _save({"header": json.dumps(header, sort_keys=True), **arrays}, path)
    return {**_plain(evaluation.metrics), "holds": holds}


def read_evaluation(path: Path) -> Evaluation:
    """The inverse of `write_evaluation`; sequences come back as NumPy arrays."""
    numpy = library("numpy")
    with numpy.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    header = json.loads(str(arrays["header"]))
    roc = tuple(arrays[f"roc.{position}"] for position in range(3) if f"roc.{position}" in arrays)
    return Evaluation(
        metrics=_numbers(header["metrics"]),
        curves={
            name: (arrays[f"curves.{position}.x"], arrays[f"curves.{position}.y"])
            for position, name in enumerate(header["curves"])
        },
        slices={name: arrays[f"slices.{position}"] for position, name in enumerate(header["slices"])},
        roc=roc or None,
        **{name: arrays[name] for name in ARRAYS if name in arrays},
    )


def _save(arrays: Mapping[str, Any], path: Path) -> None:
    numpy = library("numpy")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name, value in arrays.items():
            # The date of an entry would be the present.
            entry = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with file.open(entry, "w", force_zip64=True) as stream:
                numpy.lib.format.write_array(stream, _array(name, value), version=(1, 0), allow_pickle=False)


def _array(name: str, value: Any) -> Any:
    numpy = library("numpy")
    array = numpy.asarray(value)
    if array.dtype == object:
        # A column of texts is a column of Python objects to NumPy; only texts, numbers and truth values need no pickle.
        kinds = {type(item) for item in array.ravel()}
        array = array.astype(str) if all(issubclass(kind, str) for kind in kinds) else numpy.array(array.tolist())
        if array.dtype == object or len(kinds) > 1:
            said = ", ".join(sorted(kind.__qualname__ for kind in kinds))
            raise ValueError(f"{name} must be texts, or numbers, or truth values, without gaps; not {said}")
    return array


def _plain(metrics: Mapping[str, float]) -> dict[str, Json]:
    if taken := sorted(_RESERVED & set(metrics)):
        raise ValueError(f"no metric can be named {', '.join(taken)}")
    # JSON has no NaN and no infinity, so those are texts; a text in the metadata is no metric of the run.
    return {name: value if isfinite(value) else str(value) for name, value in metrics.items()}


def _numbers(plain: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in plain.items()}
