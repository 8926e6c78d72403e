"""Long work does not let a lease run out."""

from __future__ import annotations

from pathlib import Path
from threading import Event

import pytest

from palmette.blobs import Blobs
from palmette.engine.patience import Patience, PatientBytes
from palmette.errors import NotFound


def test_whoever_waits_for_long_work_acts_meanwhile() -> None:
    acted: list[int] = []
    enough = Event()

    def act() -> None:
        acted.append(1)
        if len(acted) == 3:
            enough.set()

    patience = Patience(act, 0.001)
    assert patience.do(lambda: enough.wait(30)) is True
    assert len(acted) >= 3
    patience.close()


def test_what_the_work_raises_is_raised(tmp_path: Path) -> None:
    patience = Patience(lambda: None, 1.0)
    files = PatientBytes(Blobs(tmp_path / "blobs"), patience)
    (tmp_path / "out").write_text("x")
    digest, size = files.put(tmp_path / "out")
    files.restore(digest, tmp_path / "in")
    assert (size, (tmp_path / "in").read_text()) == (1, "x")
    with pytest.raises(NotFound):
        files.restore("nonsense", tmp_path / "again")
    patience.close()
