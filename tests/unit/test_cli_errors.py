"""Errors of the machine that no operation takes for its own."""

from __future__ import annotations

import errno
import os
import resource
import tempfile

import pytest

from palmette.cli import full


def test_a_machine_without_room_for_a_temporary_file_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(OSError, match="temporary") as raised:
            tempfile.mkdtemp()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    meant = full(raised.value)
    assert meant is not None
    assert meant.message == "no file can be written here: none of the directories for temporary files can be written"
    assert "TMPDIR" in meant.hint


def test_what_a_full_disk_says_is_told_and_nothing_else_is_taken_for_it() -> None:
    meant = full(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert meant is not None
    assert meant.message == "no file can be written here: No space left on device"
    assert full(OSError(errno.ENOENT, os.strerror(errno.ENOENT))) is None
