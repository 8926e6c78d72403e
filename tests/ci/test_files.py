"""The files of CI, as they are put into a repository."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from palmette.ci.files import File, Standing, place
from palmette.errors import StoreError

LARGE = File(path=".github/workflows/palmette.yml", text="jobs:\n" + "  # a line\n" * 20)


@pytest.fixture
def full(tmp_path: Path) -> Iterator[Path]:
    """A directory on whose disk files do not become large."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    yield tmp_path
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_file_for_which_there_is_no_room_is_not_there_by_halves(full: Path) -> None:
    with pytest.raises(StoreError, match=r"palmette\.yml cannot be written: File too large"):
        place([LARGE], full)

    # Else it would be taken for somebody's own, and never be written.
    assert [path for path in full.rglob("*") if path.is_file()] == []
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.getrlimit(resource.RLIMIT_FSIZE)[1],) * 2)
    assert [each.standing for each in place([LARGE], full)] == [Standing.WRITTEN]
