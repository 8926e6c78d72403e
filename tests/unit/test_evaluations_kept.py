"""Evaluations that nobody would write: damaged by hand, or made to do harm to whoever reads them."""

from __future__ import annotations

import io
import pickle
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from benchmarks.trained import Past, Told

from palmette.authoring.results import Evaluation
from palmette.operations import evaluations, rescoring
from palmette.store import tasks


def npy(shape: tuple[int, ...], kind: str, content: bytes = b"") -> bytes:
    """An array's file that says this of itself, whatever its content is."""
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": kind, "fortran_order": False, "shape": shape})
    return file.getvalue() + content


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        (b"\x93NUMPY\x01\x00\x0a\x00(((((((((\n", "has an evaluation that cannot be read"),
        (npy((10**13,), "<i8"), "has an evaluation that cannot be read"),
        (npy((2, 1), "<i8", bytes(16)), "has an evaluation whose keys are no column of texts or numbers"),
        (npy((2,), "|V8", bytes(16)), "has an evaluation whose keys are no column of texts or numbers"),
        (npy((1,), "|O", pickle.dumps(print)), "has an evaluation that cannot be read"),
    ],
)
def test_it_is_refused_and_not_compared(tmp_path: Path, keys: bytes, reason: str) -> None:
    past = Past(tmp_path)
    given = [Evaluation(keys=np.arange(2) + first, labels=np.zeros(2), predictions=np.zeros(2)) for first in (0, 1)]
    added = [past.add(Told(metrics=(), numbers={}, evaluation=each)) for each in given]
    kept = [evaluations.kept(tasks.of_run(past.home.store, run))[0] for run in added]
    content = io.BytesIO()
    with past.home.blobs.open(kept[0].artifact.digest) as file, zipfile.ZipFile(file) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(content, "w") as new:
        for name, part in {**entries, "keys.npy": keys}.items():
            new.writestr(name, part)
    found = replace(kept[0], artifact=replace(kept[0].artifact, digest=past.home.blobs.put_bytes(content.getvalue())))
    assert evaluations.load(past.home, found).reason == reason
    assert not rescoring.differ(past.home, found, kept[1])
    assert rescoring.count(past.home, found) == 0
