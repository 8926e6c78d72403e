"""What a home takes of runs that another host executes, and what it knows of them: `mirroring` brings them.

The bytes come first, by their digests, as with a parcel; a run is written with all that is known of it, or not at all.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from palmette.capture.bundle import opened, unpack
from palmette.capture.closure import close
from palmette.capture.reach import reach
from palmette.capture.sources import SourceTree
from palmette.domain.run import Run
from palmette.domain.values import Json
from palmette.errors import CaptureError, PalmetteError, SpecError, StoreError, UsageError
from palmette.operations import delivered, documents
from palmette.operations.home import Home
from palmette.store import captures, commits, mirrors, runs
from palmette.store.arrivals import Whole
from palmette.store.captures import BundleRecord
from palmette.store.identity import derived_run_id
from palmette.store.mirrors import Mirror

__all__ = ["Brought", "Mirror", "identity", "known", "live", "origin", "take"]


@dataclass(frozen=True, kw_only=True)
class Brought:
    """A run of another host as it is handed in."""

    whole: Whole
    mirror: Mirror


def identity(host: str, id: str) -> str:
    """The id that a host's run has in every home."""
    return derived_run_id(f"{host} {id}")


def known(home: Home, host: str, ids: Sequence[str]) -> Mapping[str, bool]:
    """Those of a host's runs that are here, and whether they are over here."""
    return mirrors.known(home.store, host, ids)


def live(home: Home, host: str) -> list[str]:
    """A host's runs of this project that were not over when they were looked at, by their identifiers there."""
    return list(mirrors.live(home.store, host, home.project))


def origin(home: Home, ref: str) -> Mirror | None:
    """Where a run is executed; None if not elsewhere."""
    return mirrors.of_run(home.store, runs.get(home.store, ref, project=home.project).id)


def take(home: Home, brought: Brought) -> bool:
    """Write a run down as it was seen; whether anything was written, since one that is over here stays as it is.
    UsageError with all that is wrong with it."""
    whole, mirror = brought.whole, brought.mirror
    if wrong := list(_wrong(home, whole, mirror)):
        raise UsageError(f"the run cannot be mirrored: {'; '.join(wrong[:10])}")
    run = replace(
        whole.run, experiment="", pipeline="", pipeline_version="", schedule="", sweep="", origin="", owner=""
    )
    commits.keep(home.store, run.project, whole.history)
    bundle = _code(home, run)
    closures = _closures(home, whole) if bundle else {}
    bare = Whole(run=run, tasks=whole.tasks, logged=whole.logged, closures=closures)
    return mirrors.write(home.store, bare, mirror, bundle)


def _wrong(home: Home, whole: Whole, mirror: Mirror) -> Iterator[str]:
    run, names = whole.run, [task.name for task in whole.tasks]
    if not run.id == mirror.run == identity(mirror.host, mirror.id):
        yield f"{run.id!r} is not the id of that run"
    if not run.project or run.project != home.project:
        yield f"it is of the project {run.project!r}"
    if not run.mirrored or run.lease is not None:
        yield "it is not executed elsewhere"
    made = [each.digest for task in whole.tasks for each in task.outputs.artifacts.values() if not each.uri]
    gone = [digest for digest in dict.fromkeys([*made, *filter(None, [run.spec])]) if not home.blobs.claim(digest)]
    if gone:
        yield f"the bytes of {gone[0]} are missing, and {len(gone) - 1} more"
    if not commits.plausible(whole.history):
        yield "its history is no list of commits"
    if len({*names}) < len(names):
        yield "two of its tasks have one name"
    if any(task.attempts for task in whole.tasks):
        yield "nothing is known here of its attempts"
    yield from (f"{name!r} is no name of a task" for name in names if not _proper(name))


def _code(home: Home, run: Run) -> BundleRecord | None:
    """The code that its pipeline brings along, put in its place; None where it brings none that can be read."""
    try:
        steps = delivered.delivered(documents.load(home, run.spec)) if run.spec and run.bundle else ()
        archive = next((each.archive for each in steps if each.bundle == run.bundle and each.archive), "")
        if not archive:
            return None
        bundle = opened(base64.b64decode(archive, validate=True), run.bundle)
        unpack(bundle, home.bundles)
    except (CaptureError, SpecError, StoreError, binascii.Error):
        return None
    listed = {entry["path"]: str(entry["sha256"]) for entry in json.loads(bundle.manifest)["files"]}
    return BundleRecord(digest=run.bundle, size=sum(map(len, bundle.files.values())), files=listed)


def _closures(home: Home, whole: Whole) -> dict[str, Json]:
    """What its steps reach, read from its code: of those whose digest then is the one that it was compiled with."""
    wanted = {task.parts.what: task.parts.closure for task in whole.tasks if task.parts and task.parts.closure}
    unknown = {target: digest for target, digest in wanted.items() if captures.closure(home.store, digest) is None}
    if not unknown:
        return {}
    directory = home.bundles / whole.run.bundle
    found: dict[str, Json] = {}
    try:
        taken = close(SourceTree(directory, (directory,)), sorted({each.partition(":")[0] for each in unknown}))
        for target, digest in unknown.items():
            reached = reach(taken, target)
            if reached.digest == digest:
                found[digest] = dict(reached.definitions)
    except PalmetteError:
        return found
    return found


def _proper(name: str) -> bool:
    return 0 < len(name) <= 240 and name not in (".", "..") and not {"/", "\0"} & set(name)
