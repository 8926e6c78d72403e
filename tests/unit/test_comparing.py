"""The numbers of two runs, as they are added to what changed."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from palmette.authoring.results import Evaluation
from palmette.blobs import Blobs
from palmette.comparison.compare import compare
from palmette.comparison.pairs import pair
from palmette.comparison.sides import Side
from palmette.domain.run import Run
from palmette.operations.comparing import Compared, numbered
from palmette.operations.evaluations import Loaded
from palmette.operations.home import Home
from palmette.operations.salt import SALT, salt
from palmette.store import database

KEYS = np.array(["Jo", "Al", "Ed"])


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(directory=tmp_path, project="p", store=database.open(tmp_path), blobs=Blobs(tmp_path / "blobs"))


def told(home: Home, *, sensitive: bool) -> Compared:
    sides = [Side(run=Run(id=name, project="p", algorithm="a")) for name in ("head", "base")]
    answers = [np.array([1, 1, 0]), np.array([0, 1, 0])]
    given = [
        Evaluation(keys=KEYS, labels=np.array([1, 1, 0]), predictions=each, train_keys=KEYS[:0]) for each in answers
    ]
    loaded = [Loaded(evaluation=each, sensitive=sensitive) for each in given]
    return numbered(home, Compared(comparison=compare(*sides), names={}), pair(*given), loaded[0], loaded[1])


def test_examples_are_named_by_a_hash_that_only_this_home_can_make(home: Home) -> None:
    comparison = told(home, sensitive=False).comparison
    assert comparison.numbers.flips is not None
    [flip] = comparison.numbers.flips.listed
    assert flip.key == sha256(f"{salt(home)}\0Jo".encode()).hexdigest()[:12]
    assert comparison.moved is not None
    assert (comparison.moved.leaked_head, comparison.moved.new_test) == (0, 0)
    assert told(home, sensitive=False).comparison == comparison


def test_of_sensitive_examples_nothing_is_named_and_that_is_said(home: Home) -> None:
    comparison = told(home, sensitive=True).comparison
    assert comparison.numbers.flips is None
    assert comparison.remarks[-1:] == comparison.numbers.remarks
    assert not (home.directory / SALT).exists()
