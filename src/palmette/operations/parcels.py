"""Send a run from one home to another: first the bytes that are not there, then all that is known of it at once.

What is known goes as bytes, too, and so by its digest: a parcel. Its acceptance is one transaction, which comes last. A
push that was cut short is therefore begun again where it stopped, and one that is repeated changes nothing.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from palmette.capture.bundle import MANIFEST, Bundle, unpack
from palmette.domain import wire
from palmette.domain.run import Run, TaskRecord
from palmette.domain.values import Json
from palmette.engine import attempt as attempts
from palmette.errors import AlreadyThere, NotFound, PalmetteError, UsageError
from palmette.operations import messages
from palmette.operations.home import Home
from palmette.store import arrivals, commits, retention, runs, tasks
from palmette.store import sweeps as stored_sweeps
from palmette.store.arrivals import Whole
from palmette.store.captures import BundleRecord
from palmette.store.identity import is_run_id

FILE: Final = "sha256:"
#: Raised when a parcel means something else.
_SCHEMA: Final = 1
#: How many digests are asked about at once.
_MANY: Final = 2000
_DIGITS: Final = re.compile(r"[0-9a-f]{64}")
#: bytes of what is read at once
_PART: Final = 1 << 20
#: bytes of a parcel, and of all files of a bundle: both are taken whole
_LARGEST: Final = 512 << 20


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A run as it travels."""

    whole: Whole
    #: "TASK/SERIAL" → digest of what the attempt printed
    logs: Mapping[str, str] = field(default_factory=dict)
    #: its code goes along
    code: bool = False
    schema: int = _SCHEMA


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A parcel, and where all bytes are that belong to it."""

    run: Run
    #: its digest
    parcel: str
    #: SHA-256 → where those bytes lie here, and how many they are; the parcel itself last
    files: Mapping[str, tuple[Path, int]]


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """What became of a parcel."""

    run: str
    #: it was there already, all of it
    known: bool


# Sending


def pack(home: Home, ref: str, directory: Path) -> Packed:
    """Gather all that belongs to a run; UsageError for one that is not over. New files are written to the directory."""
    run = runs.get(home.store, ref, project=home.project)
    if not run.state.final:
        hint = f"Wait for its end, or end it: palmette cancel {run.id}."
        raise UsageError(f"run {run.id} is not over: it is {run.state.value.lower()}", hint)
    parcel = _parcel(home, run)
    files: dict[str, tuple[Path, int]] = {}
    for digest in _needed(parcel.whole):
        files |= {name: _stored(home, name) for name in sorted(home.blobs.contents(digest))}
    for key, digest in parcel.logs.items():
        path = home.directory / _log(run.id, *_split(key))
        files[digest.removeprefix(FILE)] = (path, path.stat().st_size)
    if parcel.code:
        files |= _code(home, run.bundle)
    written = directory / "parcel"
    written.write_bytes(messages.written(parcel))
    digest = _digest(written)
    files[digest.removeprefix(FILE)] = (written, written.stat().st_size)
    return Packed(run=run, parcel=digest, files=files)


def _parcel(home: Home, run: Run) -> Parcel:
    records = tuple(_plain_task(run.id, task) for task in tasks.of_run(home.store, run.id))
    closures = [task.parts.closure for task in records if task.parts and task.parts.closure]
    sweep = stored_sweeps.find(home.store, run.sweep, project=run.project) if run.sweep else None
    whole = Whole(
        run=replace(run, lease=None),
        tasks=records,
        logged=arrivals.logged(home.store, run.id),
        closures=arrivals.definitions(home.store, closures),
        sweep=sweep,
        collected=retention.collection(home.store, run.id),
        history=commits.before(home.store, run, limit=100),
    )
    logs = {
        f"{task.name}/{each.serial}": _digest(path)
        for task in records
        for each in task.attempts
        if (path := home.directory / _log(run.id, task.name, each.serial)).is_file()
    }
    return Parcel(whole=whole, logs=logs, code=bool(run.bundle) and (home.bundles / run.bundle / MANIFEST).is_file())


def _plain_task(run: str, task: TaskRecord) -> TaskRecord:
    """Without what means something on its machine alone."""
    tries = tuple(
        replace(each, process=None, directory=attempts.directory(run, task.name, each.serial)) for each in task.attempts
    )
    return replace(task, attempts=tries)


def _needed(whole: Whole) -> tuple[str, ...]:
    """The digests of all bytes that the run refers to and that are kept for it."""
    made = () if whole.collected else (each for task in whole.tasks for each in task.outputs.artifacts.values())
    found = [whole.run.spec, whole.run.git.diff, *(each.digest for each in made if not each.uri)]
    return tuple(dict.fromkeys(filter(None, found)))


def _code(home: Home, digest: str) -> dict[str, tuple[Path, int]]:
    top = home.bundles / digest
    manifest = (top / MANIFEST).read_bytes()
    found = {entry["sha256"]: (top / entry["path"], int(entry["size"])) for entry in json.loads(manifest)["files"]}
    return {**found, digest: (top / MANIFEST, len(manifest))}


def _stored(home: Home, sha256: str) -> tuple[Path, int]:
    with home.blobs.open(FILE + sha256) as file:
        path = Path(file.name)
    return path, path.stat().st_size


def _digest(path: Path) -> str:
    # Of whole files: what is printed and what is known of a run fits into memory.
    return FILE + messages.sha256(path.read_bytes())


def _log(run: str, task: str, serial: int) -> str:
    return f"{attempts.directory(run, task, serial)}/log"


def _split(key: str) -> tuple[str, int]:
    task, _, serial = key.rpartition("/")
    return task, int(serial)


def parts(path: Path) -> Iterator[bytes]:
    """A file, part by part."""
    with path.open("rb") as file:
        while part := file.read(_PART):
            yield part


def batches(digests: Sequence[str]) -> Iterator[Sequence[str]]:
    """As many as one question may name."""
    for start in range(0, len(digests), _MANY):
        yield digests[start : start + _MANY]


# Accepting


def missing(home: Home, digests: Sequence[str]) -> list[str]:
    """Those of the SHA-256 whose bytes are not here; the others stay for as long as a push takes to its next step."""
    wrong = [each for each in digests if not _DIGITS.fullmatch(each)]
    if wrong:
        raise UsageError(f"{wrong[0]!r} is no SHA-256", "Write 64 hexadecimal digits.")
    return [each for each in digests if not home.blobs.claim(FILE + each)]


def accept(home: Home, run: str, parcel: str) -> Accepted:
    """Take a run over, whose parcel and bytes have all arrived. What is there already is not written again; a run
    with that id and other content is AlreadyThere."""
    whole, logs, code = _opened(home, run, parcel)
    if arrivals.known(home.store, run):
        there = runs.get(home.store, run)
        if _same(_parcel(home, there).whole, whole):
            return Accepted(run=run, known=True)
        raise AlreadyThere(f"there is another run {run}", "It was changed, or is none of this project's.")
    single = [digest.removeprefix(FILE) for digest in logs.values()] + ([whole.run.bundle] if code else [])
    gone = [digest for digest in _needed(whole) if not home.blobs.claim(digest)] + missing(home, single)
    if gone:
        raise UsageError(f"the bytes of {gone[0]} are missing, and {len(gone) - 1} more", "Push it again.")
    bundle = unpacked(home, whole.run.bundle) if code else None
    for key, digest in logs.items():
        _place(home, digest, home.directory / _log(run, *_split(key)))
    arrivals.accept(home.store, whole, bundle)
    return Accepted(run=run, known=False)


def _opened(home: Home, run: str, digest: str) -> tuple[Whole, Mapping[str, str], bool]:
    """What is in a parcel, once nothing in it can lead elsewhere; UsageError with every problem at once."""
    value = _json(home, digest)
    problems = list(messages.misfits(Parcel, value, "parcel"))
    if problems:
        raise UsageError("the parcel cannot be read", "It may be of another Palmette.", problems=problems[:50])
    parcel = wire.load(Parcel, value)
    whole = parcel.whole
    found = whole.run
    serials = {f"{task.name}/{each.serial}" for task in whole.tasks for each in task.attempts}
    wrong = [
        *(["it is of another schema"] if parcel.schema != _SCHEMA else []),
        *([f"it is of the run {found.id!r}"] if found.id != run or not is_run_id(run) else []),
        *([f"it is of the project {found.project!r}"] if found.project != home.project or not found.project else []),
        *(["the run is not over"] if not found.state.final or found.lease is not None else []),
        *(f"{task.name!r} is no name of a task" for task in whole.tasks if not _proper(task.name)),
        *(f"there is no attempt {key}" for key in parcel.logs if key not in serials),
        *(["its history is no list of commits"] if not commits.plausible(whole.history) else []),
        *(["it has a sweep that is not its own"] if whole.sweep and not _own(whole) else []),
    ]
    if wrong:
        raise UsageError(f"the parcel cannot be accepted: {'; '.join(wrong[:10])}")
    records = tuple(_plain_task(run, task) for task in whole.tasks)
    # Who drives it and what it is filed under is the other home's business.
    bare = replace(found, queue="", owner="", experiment="", pipeline="", pipeline_version="", schedule="")
    return replace(whole, run=bare, tasks=records), parcel.logs, parcel.code


def _own(whole: Whole) -> bool:
    sweep = whole.sweep
    return sweep is not None and sweep.id == whole.run.sweep and sweep.project == whole.run.project


def _proper(name: str) -> bool:
    return 0 < len(name) <= 240 and name not in (".", "..") and not {"/", "\0"} & set(name)


def _json(home: Home, digest: str) -> Json:
    if not digest.startswith(FILE) or not home.blobs.exists(digest):
        raise NotFound(f"there are no bytes {digest!r}", "Push it again.")
    if home.blobs.size(digest) > _LARGEST:
        raise UsageError(f"a parcel may have {_LARGEST >> 20} MiB at the most")
    with home.blobs.open(digest) as file:
        try:
            value: Json = json.load(file)
        except (ValueError, RecursionError) as error:
            raise UsageError(f"the parcel is no JSON: {error}") from None
    return value


def _same(here: Whole, there: Whole) -> bool:
    """Whether two homes know the same of a run, but for what people write on it, and what was given up here."""
    return messages.written(_lasting(here)) == messages.written(_lasting(there))


def _lasting(whole: Whole) -> Whole:
    run = replace(whole.run, tags=(), note="", queue="", owner="", experiment="", pipeline="", pipeline_version="")
    return replace(whole, run=replace(run, schedule="", archived=None), collected=None, sweep=None, history=())


def unpacked(home: Home, digest: str) -> BundleRecord:
    """Put the run's code in its place; UsageError unless it is what its digest says."""
    manifest = _bytes(home, digest)
    try:
        entries = [(str(each["path"]), str(each["sha256"])) for each in json.loads(manifest)["files"]]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise UsageError(f"{digest} is no bundle") from None
    if missing(home, [sha256 for _, sha256 in entries]):
        raise UsageError("the code of the run is missing", "Push it again.")
    bad = [path for path, _ in entries if path.startswith("/") or not {"", ".", ".."}.isdisjoint(path.split("/"))]
    if bad:
        raise UsageError(f"the bundle has a file {bad[0]!r}, which would lie elsewhere")
    files = {path: _bytes(home, sha256) for path, sha256 in entries}
    unpack(Bundle(digest=digest, manifest=manifest, files=files), home.bundles)
    return BundleRecord(digest=digest, size=sum(map(len, files.values())), files=dict(entries))


def _bytes(home: Home, sha256: str) -> bytes:
    with home.blobs.open(FILE + sha256) as file:
        return file.read(_LARGEST)


def _place(home: Home, digest: str, target: Path) -> None:
    """Put what an attempt printed where it is looked for."""
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".log-") as new:
            home.blobs.export(digest, Path(new) / "log")
            (Path(new) / "log").replace(target)
    except OSError as error:
        raise PalmetteError(f"{target} cannot be written: {error.strerror}") from error
