"""Hand a run to a server: recorded and compiled here, executed there."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from palmette.blobs import Blobs
from palmette.blobs.references import References
from palmette.capture.bundle import Bundle
from palmette.client.connection import segment
from palmette.domain.graph import Field, Reading
from palmette.domain.run import Setting
from palmette.errors import AccessDenied, ServerError
from palmette.ir import codec
from palmette.operations import accepting, messages, outside, parcels, taking, uploads
from palmette.operations.accepting import Asked, Request
from palmette.operations.parcels import FILE
from palmette.operations.policy import isolating
from palmette.operations.preparing import Preparation
from palmette.operations.remote import There
from palmette.operations.taking import Handed, Taken
from palmette.store.identity import new_run_id
from palmette.store.sweeps import SweepRecord

__all__ = ["Ready", "hand", "new_run_id", "ready", "send", "surely", "uploaded"]

#: Seconds before something is said again that may have been heard, or not: it carries the id that it is known by.
_PAUSES: Final = (0.2, 0.6, 1.5, 3.0)
#: bytes whose sending is worth a word
_MUCH: Final = 20_000_000

T = TypeVar("T")


@dataclass
class _Load:
    """What has to be there before the run is."""

    #: SHA-256 → what gives the bytes, and how many they are
    code: dict[str, tuple[Callable[[], Iterable[bytes]], int]] = field(default_factory=dict)
    others: dict[str, tuple[Callable[[], Iterable[bytes]], int]] = field(default_factory=dict)

    def add(self, content: bytes) -> str:
        """Take bytes along; their digest."""
        sha256 = messages.sha256(content)
        self.others[sha256] = (partial(_whole, content), len(content))
        return FILE + sha256

    def add_code(self, bundle: Bundle) -> None:
        """Take a bundle along, each of its files and the list of them."""
        listed = {entry["path"]: str(entry["sha256"]) for entry in json.loads(bundle.manifest)["files"]}
        files = {listed[path]: content for path, content in bundle.files.items()} | {bundle.digest: bundle.manifest}
        self.code |= {sha256: (partial(_whole, content), len(content)) for sha256, content in files.items()}

    def add_file(self, path: Path, sha256: str, size: int) -> None:
        """Take a file along, which is read when it is sent."""
        self.others[sha256] = (partial(parcels.parts, path), size)


def _whole(content: bytes) -> Iterator[bytes]:
    yield content


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A run whose bytes are on the server."""

    handed: Handed
    asked: Asked
    notices: tuple[str, ...]


@contextmanager
def ready(
    there: There, preparation: Preparation, request: Request, *, experiment: str = "", say: Callable[[str], None]
) -> Iterator[Ready]:
    """Record the algorithm, settle its config, compile and check; then send what the server has not got of it. `say` is
    told of what is sent that takes long."""
    with tempfile.TemporaryDirectory(prefix="trial-", dir=preparation.directories.cache) as trial:
        asked = accepting.ask(preparation, request, Path(trial), elsewhere=True)
        load, root = _Load(), preparation.project.root
        recorded, diff = asked.recorded, asked.repository.diff
        load.add_code(recorded.bundle)
        outer = outside.references(root, preparation.environ)
        files = _Files(load, root, outer, Path(trial) / "files")
        run = replace(
            asked.run,
            settings=files.taken(recorded.algorithm.config, asked.run.settings),
            git=replace(asked.run.git, diff=load.add(diff) if diff else ""),
            environments=recorded.environments,
            spec=load.add(codec.dumps(asked.document).encode()),
            tokens=isolating(asked.run.tokens, isolated=request.isolated),
        )
        send(there, run.bundle, load, say)
        closures = {reached.digest: dict(reached.definitions) for reached in recorded.reached.values()}
        yield Ready(
            handed=Handed(run=run, experiment=experiment, closures=closures, history=asked.history),
            asked=asked,
            notices=accepting.notices(preparation, asked, request),
        )


def hand(there: There, ready: Ready, *, sweep: SweepRecord | None = None) -> Taken:
    """Let the server accept it; once, however often it has to be said."""
    taken = surely(there, taking.accept, replace(ready.handed, sweep=sweep), {})
    # What the plan says is known here, too.
    return replace(taken, notices=tuple(dict.fromkeys([*ready.notices, *taken.notices])))


def surely(there: There, operation: Callable[..., T], *values: object, **named: object) -> T:
    """What the operation gives there, asked again where no answer came: it may be said twice."""
    for pause in _PAUSES:
        try:
            return there(operation, *values, **named)
        except AccessDenied:
            raise
        except ServerError:
            time.sleep(pause)
    return there(operation, *values, **named)


def send(there: There, bundle: str, load: _Load, say: Callable[[str], None] = lambda _: None) -> None:
    """Send what the server has not got."""
    known = load.code | load.others
    absent = surely(there, taking.lacking, bundle, list(load.code), list(load.others))
    size = sum(known[sha256][1] for sha256 in absent)
    if size > _MUCH:
        say(f"sending {size / 1e6:,.0f} MB to {there.connection.server.called}")
    for sha256 in absent:
        parts, length = known[sha256]
        there.connection.send(f"/blobs/{segment(FILE + sha256)}", parts, length)


@dataclass(frozen=True)
class _Files:
    """The files of this machine that a config names: they go along."""

    load: _Load
    root: Path
    outer: References
    #: where a directory is copied to on its way
    top: Path

    def taken(self, fields: tuple[Field, ...], settings: tuple[Setting, ...]) -> tuple[Setting, ...]:
        """The settings with addresses on the server in place of paths here."""
        files = {each.name for each in fields if each.reading is Reading.FILE}
        return tuple(
            replace(each, value=self.address(each.value))
            if each.name in files and isinstance(each.value, str) and "://" not in each.value
            else each
            for each in settings
        )

    def address(self, text: str) -> str:
        """Where the server will find what lies at this path."""
        path = self.root / text
        if not path.is_dir():
            found = self.outer.content(str(path))
            self.load.add_file(path, found.digest.removeprefix(FILE), found.size)
            return uploads.address(found.digest, path.name)
        blobs, copy = Blobs(self.top / "blobs"), self.top / "copy"
        shutil.copytree(path, copy)
        digest, _ = blobs.put(copy)
        for sha256 in blobs.contents(digest):
            with blobs.open(FILE + sha256) as file:
                stored = Path(file.name)
            self.load.add_file(stored, sha256, stored.stat().st_size)
        return uploads.address(digest, path.name)


def uploaded(
    there: There, environ: Mapping[str, str], directory: Path, names: Collection[str], overrides: Sequence[str]
) -> tuple[str, ...]:
    """The overrides with addresses on the server in place of files here; each file is sent, if it is not there."""
    load = _Load()
    with tempfile.TemporaryDirectory(prefix="palmette-") as temporary:
        files = _Files(load, directory, outside.references(directory, environ), Path(temporary))

        def placed(text: str) -> str:
            name, _, value = text.partition("=")
            path = value.strip().strip("\"'")
            if name.strip() not in names or "://" in path or not (directory / path).exists():
                return text
            return f'{name}="{files.address(path)}"'

        found = tuple(placed(text) for text in overrides)
        if load.others:
            send(there, "", load)
    return found
