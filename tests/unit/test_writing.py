"""Files that the user has named."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from threading import Thread

import pytest

from palmette.errors import UsageError
from palmette.operations.writing import write_bytes


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    """As /dev/null must, whoever writes there."""
    pipe, read = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()

    write_bytes(pipe, b"pipeline")
    reader.join()

    assert read == [b"pipeline"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_file_is_replaced_and_a_directory_is_refused(tmp_path: Path) -> None:
    write_bytes(tmp_path / "file", b"old")
    write_bytes(tmp_path / "file", b"new")

    assert (tmp_path / "file").read_bytes() == b"new"
    with pytest.raises(UsageError, match="cannot be written"):
        write_bytes(tmp_path, b"new")
