"""What one run holds: its document, its tasks, the bytes of an artifact, a log as it grows."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from palmette.domain.run import TaskRecord
from palmette.domain.values import Json
from palmette.engine.remains import opened, within
from palmette.errors import CorruptBlob, NotFound, UsageError
from palmette.ir import codec
from palmette.operations import outside
from palmette.operations.home import Home, interrupted
from palmette.store import runs as stored_runs
from palmette.store import tasks as stored_tasks

#: bytes of a log that are read at once
_PIECE: Final = 256 * 1024


def document(home: Home, digest: str) -> Mapping[str, Json]:
    """A pipeline's document as it is shown: the pipeline, or both parts under their names where there are two. Empty
    where its bytes are gone, so that what else is known can still be said."""
    try:
        with home.blobs.open(digest) as file:
            data = file.read()
    except CorruptBlob:
        return {}
    # Documents of a server are kept in the very form; those of a laptop as YAML, which takes far longer to read.
    if data[:1] != b"{":
        data = codec.to_json(codec.loads(data)).encode()
    found: Mapping[str, Json] = json.loads(data)
    return found


def tasks(home: Home, run: str) -> tuple[TaskRecord, ...]:
    """All its tasks and groups, in the order in which they were planned."""
    return stored_tasks.of_run(home.store, run)


def artifact(home: Home, task: TaskRecord, name: str, *, most: int) -> bytes:
    """The bytes of a task's artifact, checked against its digest; UsageError for more of them than `most`."""
    found = task.outputs.artifacts.get(name)
    if found is None:
        known = ", ".join(task.outputs.artifacts) or "none at all"
        raise NotFound(f"the task has no artifact {name!r}", f"There are: {known}.")
    if found.directory:
        raise UsageError("the artifact is a directory", "Fetch it: palmette artifacts get RUN STEP.OUTPUT.")
    if found.size > most:
        raise UsageError(f"the artifact has {found.size:,} bytes, more than the {most:,} that are read at once")
    if found.uri:
        with tempfile.TemporaryDirectory() as directory:
            copy = Path(directory) / "copy"
            outside.copy(found, copy)
            return copy.read_bytes()
    if not home.blobs.exists(found.digest):
        raise NotFound("the artifact's bytes were collected", "palmette rerun makes it again.")
    with home.blobs.open(found.digest) as file:
        return file.read(most + 1)


class Log:
    """What a task prints, attempt after attempt from the newest there is, as bytes."""

    def __init__(self, home: Home, run: str, task: TaskRecord) -> None:
        self._home, self._run, self._task = home, run, task.name
        self._serial = task.attempts[-1].serial if task.attempts else 0
        self._path = self._file(task)
        self._position = 0
        self._over = False

    def piece(self) -> bytes | None:
        """The bytes that follow; empty where there are none yet, None where none will come."""
        data = self._read()
        if data or self._over:
            return data or None
        # The state first, then the log once more: what was printed before the end has then been seen.
        following = self._look()
        data = self._read()
        if not data and following is not None:
            self._serial, self._path, self._position = following
            self._over = False
        return data

    def _look(self) -> tuple[int, Path, int] | None:
        """See whether the task is over; the attempt after this one, if there is one."""
        run = stored_runs.get(self._home.store, self._run)
        task = next((each for each in stored_tasks.of_run(self._home.store, run.id) if each.name == self._task), None)
        lost = not run.queue and interrupted(run)
        self._over = task is None or task.state.final or run.state.final or lost
        if task is None:
            return None
        later = next((each for each in task.attempts if each.serial > self._serial), None)
        return None if later is None else (later.serial, self._home.directory / later.directory / "log", 0)

    def _file(self, task: TaskRecord) -> Path | None:
        return self._home.directory / task.attempts[-1].directory / "log" if task.attempts else None

    def _read(self) -> bytes:
        if self._path is None:
            return b""
        try:
            with opened(self._path) as file:
                self._position = within(file, self._position)
                data = file.read(_PIECE)
        except FileNotFoundError:
            return b""
        self._position += len(data)
        return data
