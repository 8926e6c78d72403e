"""A project's own metrics, computed again from recorded examples and from resamples of them."""

from __future__ import annotations

import json
import warnings
from math import isclose, isfinite
from pathlib import Path
from typing import Any, Final

from palmette.authoring.results import Evaluation
from palmette.authoring.source import resolve
from palmette.domain.values import Json
from palmette.runtime.environment import library

RESAMPLES: Final = 500
_SEED: Final = 0


def recompute(head: Evaluation, baseline: Evaluation, trained: Evaluation, asked: list[dict[str, Any]]) -> Path:
    """Compute each metric that is asked for, on both sides, and on resamples of the examples that neither was trained
    on (`trained` says what the baseline's model was); why not, for one that does not give the logged values. Where none
    was logged for the baseline, it is given."""
    numpy = library("numpy")
    keys = numpy.asarray(head.keys).tolist()
    places = {key: place for place, key in enumerate(numpy.asarray(baseline.keys).tolist())}
    order = numpy.array([places[key] for key in keys])
    left = {key for each in (head.train_keys, trained.train_keys) if each is not None
            for key in numpy.asarray(each).tolist()}  # fmt: skip
    kept = numpy.flatnonzero([key not in left for key in keys])
    drawn = numpy.random.default_rng(_SEED).integers(len(kept), size=(RESAMPLES, len(kept)))
    answers = {}
    for name in ("predictions", "scores"):
        sides = getattr(head, name), getattr(baseline, name)
        if all(side is not None for side in sides):
            answers[name] = numpy.asarray(sides[0]), numpy.asarray(sides[1])[order]
    labels = numpy.asarray(head.labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {one["name"]: _answer(one, labels, answers, kept, kept[drawn]) for one in asked}
    path = Path("replicates.json")
    path.write_text(json.dumps(found), encoding="utf-8")
    return path


def _answer(one: dict[str, Any], labels: Any, answers: dict[str, Any], kept: Any, drawn: Any) -> dict[str, Json]:
    try:
        function = resolve(one["of"])
    except Exception as error:  # noqa: BLE001 - importing the project's module may raise anything
        return {"refused": f"{one['of']} cannot be imported ({type(error).__name__})"}
    logged, refused = {"this run": one["head"], "the baseline": one["baseline"]}, ""
    raised = ""
    for sides in answers.values():
        try:
            whole = {name: float(function(labels, side)) for name, side in zip(logged, sides, strict=True)}
        except Exception as error:  # noqa: BLE001 - the project's function, whatever it raises
            raised = raised or f"{one['of']} raised {type(error).__name__}"
            continue
        wrong = [name for name, said in logged.items() if said is not None and not _agree(whole[name], said)]
        if not wrong:
            found = _resampled(function, labels, sides, kept, drawn)
            return found if "refused" in found else {**found, "whole": _plain(whole["the baseline"])}
        values = f"it is {whole[wrong[0]]:.6g}, not the logged {logged[wrong[0]]:.6g}"
        refused = refused or f"recomputed from the examples of {wrong[0]} {values}"
    return {"refused": refused or raised or "there are neither predictions nor scores on both sides"}


def _resampled(function: Any, labels: Any, sides: Any, kept: Any, drawn: Any) -> dict[str, Json]:
    try:
        head, baseline = (float(function(labels[kept], side[kept])) for side in sides)
        rows = [[_plain(function(labels[row], side[row])) for side in sides] for row in drawn]
    except Exception as error:  # noqa: BLE001 - as above
        return {"refused": f"on a resample it raised {type(error).__name__}"}
    return {"head": _plain(head), "baseline": _plain(baseline), "resampled": rows}


def _plain(value: Any) -> float | None:
    """The number; None for what JSON does not have."""
    return float(value) if isfinite(value) else None


def _agree(value: float, logged: float) -> bool:
    return isclose(value, logged, rel_tol=1e-6, abs_tol=1e-9)
