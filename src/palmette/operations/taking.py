"""What a server takes from somebody's machine: a run that was recorded and compiled there, to be executed here.

Its bytes come first, each once by its digest; the run comes last, and is accepted as a whole or not at all. It has its
id from whoever hands it in, so that one whose acceptance nobody heard of can be handed in again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from palmette.domain.graph import Reading
from palmette.domain.hosting import SERVED
from palmette.domain.lines import Commit
from palmette.domain.run import Environment, Run, TaskRecord
from palmette.domain.values import Json
from palmette.engine.plan import Plan
from palmette.engine.planning import plan as make_plan
from palmette.errors import AlreadyThere, Conflict, NotFound, Problem, StoreError, UsageError
from palmette.ir.spec import PipelineDocument
from palmette.operations import (
    accepting,
    documents,
    donors,
    experiments,
    machine,
    parcels,
    pipelines,
    running,
    secrets,
    submitting,
    uploads,
    vault,
)
from palmette.operations.home import Home
from palmette.operations.policy import lent
from palmette.operations.preparing import directories
from palmette.store import captures, commits, filing, tasks
from palmette.store import sweeps as stored_sweeps
from palmette.store.identity import is_run_id
from palmette.store.sweeps import SweepRecord

#: How a run that is handed in may have come about.
_TRIGGERS: Final = ("cli", "ci", "api", "sweep", "rerun", "reproduce")
_LATER: Final = "Run it again; if it says so again, the server lost something."


@dataclass(frozen=True, kw_only=True)
class Handed:
    """A run as it is handed in."""

    #: what is asked for and what was captured; who executes it when is the server's business
    run: Run
    #: the name of what it is filed under; empty for the default
    experiment: str = ""
    #: digest → the definitions that a step reaches
    closures: Mapping[str, Json] = field(default_factory=dict)
    #: the sweep that it is a point of
    sweep: SweepRecord | None = None
    #: the commits of its target branch that are known where it comes from
    history: tuple[Commit, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A run that was accepted: from then on it is never lost."""

    run: Run
    tasks: tuple[TaskRecord, ...]
    #: what whoever asked for it should know, a sentence each
    notices: tuple[str, ...] = ()


def lacking(home: Home, bundle: str, code: Sequence[str], others: Sequence[str]) -> list[str]:
    """Those of the SHA-256 that are to be sent before a run is handed in: of what its code consists of, unless its
    bundle is here, and of all else."""
    there = bool(bundle) and bundle.isalnum() and (home.bundles / bundle).is_dir()
    if there:
        # Nobody removes it while the run is on its way.
        os.utime(home.bundles / bundle)
    return parcels.missing(home, [*([] if there else code), *others])


def accept(home: Home, handed: Handed, environ: Mapping[str, str], caller: str = "") -> Taken:
    """Accept a run for the servers of the store. All that is wrong with it is said at once, and leaves nothing behind.
    One that was accepted is answered again; AlreadyThere if that id is of another one."""
    if (known := filing.get(home.store, handed.run.id)) is not None:
        return _known(home, known, handed.run)
    _require(home, handed)
    document = running.document(home, handed.run)
    documents.require(document)
    values = submitting.settle(document, submitting.algorithm_of(document), handed.run.config)
    plan = make_plan(document, values, images=bool(home.containers))
    experiment = experiments.named(home, handed.experiment).id if handed.experiment else ""
    experiment = experiments.require_open(home, experiment).id
    if problems := [*_impossible(home, handed.run, document, plan, environ)]:
        raise UsageError("the server cannot execute this run", problems=problems)
    run = replace(
        _versioned(home, _bare(handed.run, caller), handed.run),
        experiment=experiment,
        notices=(*_lent(home, handed.run, plan), *(str(note) for note in plan.notes)),
    )
    _keep(home, handed)
    commits.keep(home.store, run.project, handed.history)
    return taken(home, run, plan.records(), handed.sweep)


def _versioned(home: Home, run: Run, asked: Run) -> Run:
    """The run with the version that it is said to be of, if that is here and the project's."""
    if not asked.pipeline or not asked.pipeline_version:
        return run
    try:
        if pipelines.get(home, asked.pipeline).project != home.project:
            return run
        found = pipelines.version(home, asked.pipeline, asked.pipeline_version)
    except NotFound:
        return run
    return replace(run, pipeline=found.pipeline, pipeline_version=found.id, version=found.name)


def taken(home: Home, run: Run, records: tuple[TaskRecord, ...], sweep: SweepRecord | None = None) -> Taken:
    """Write down a run that servers are to drive; the one that is there, if it was written down in between."""
    try:
        accepted = filing.accept(home.store, run, records, sweep)
    except StoreError:
        if (known := filing.get(home.store, run.id)) is None:
            raise
        return _known(home, known, run)
    if not accepted:
        raise Conflict("the experiment was archived just now", "Restore it, or choose another one.")
    return Taken(run=run, tasks=records, notices=run.notices)


def _known(home: Home, known: Run, asked: Run) -> Taken:
    same = ("project", "algorithm", "spec", "origin", "sweep", "trigger")
    if known.config != asked.config or any(getattr(known, name) != getattr(asked, name) for name in same):
        raise AlreadyThere(f"there is another run {known.id}", "It was changed, or is none of this project's.")
    return Taken(run=known, tasks=tasks.of_run(home.store, known.id), notices=known.notices)


def _require(home: Home, handed: Handed) -> None:
    """UsageError with all that is not there, or cannot be."""
    run, found = handed.run, list[Problem]()

    def wrong(where: str, what: str, hint: str = "") -> None:
        found.append(Problem(where=where, what=what, hint=hint))

    if not is_run_id(run.id):
        wrong("run.id", f"{run.id!r} is no identifier of a run")
    if not home.project or run.project != home.project:
        wrong("run.project", f"it is of the project {run.project!r}, and {home.project!r} is asked for")
    if run.trigger not in _TRIGGERS:
        wrong("run.trigger", f"{run.trigger!r} is none of {', '.join(_TRIGGERS)}")
    if run.origin and not _known_here(home, run.origin):
        wrong("run.origin", f"there is no run {run.origin} here", f"Send it: palmette push {run.origin}.")
    giver, _ = lent(run.tokens)
    if giver and not _known_here(home, giver):
        wrong("run.tokens", f"there is no run {giver} here, whose data it is to have")
    if run.sweep and not _has_sweep(home, handed):
        wrong("run.sweep", f"there is no sweep {run.sweep} here")
    if not commits.plausible(handed.history):
        wrong("history", "it is no list of commits")
    bytes_of = {"run.spec": run.spec, **({"run.git.diff": run.git.diff} if run.git.diff else {})}
    for where, digest in bytes_of.items():
        if not digest.startswith(parcels.FILE) or not home.blobs.claim(digest):
            wrong(where, f"the bytes of {digest or 'the pipeline'} are not here", _LATER)
    if found:
        raise UsageError("this run cannot be accepted", problems=found)


def _known_here(home: Home, run: str) -> bool:
    """Whether there is such a run of the project."""
    known = filing.get(home.store, run)
    return known is not None and known.project == home.project


def _has_sweep(home: Home, handed: Handed) -> bool:
    run, sweep = handed.run, handed.sweep
    if sweep is not None and (sweep.id, sweep.project) == (run.sweep, run.project):
        return True
    return stored_sweeps.find(home.store, run.sweep, project=run.project) is not None


def _lent(home: Home, run: Run, plan: Plan) -> Iterator[str]:
    """What is to be said of a run that has another one's data."""
    yield from donors.notices(run, plan)
    giver, names = lent(run.tokens)
    records = tasks.of_run(home.store, giver) if giver else ()
    yield from donors.otherwise({each.name: each.parts.parameters for each in records if each.parts}, plan, names)


def _impossible(
    home: Home, run: Run, document: PipelineDocument, plan: Plan, environ: Mapping[str, str]
) -> Iterator[Problem]:
    """What of the run cannot be had here."""
    try:
        accepting.fits(plan, accepting.slots(directories(environ), machine.host()))
    except UsageError as error:
        yield from error.problems
    wanted = sorted(set(plan.secrets))
    kept = secrets.stored_in(vault.of(home, environ, project=run.project), wanted) if wanted else secrets.Secrets()
    for name in wanted:
        if name not in kept.values:
            holder, _, key = name.rpartition("/")
            hint = f"Keep it there: palmette secret set {holder or secrets.OWN} {key}."
            yield Problem(where=name, what="the server does not have this secret", hint=hint)
    for entry in submitting.algorithm_of(document).config:
        value = run.config.get(entry.name)
        if entry.reading is Reading.FILE and isinstance(value, str) and value:
            yield from _unreadable(home, entry.name, value)


def _unreadable(home: Home, name: str, uri: str) -> Iterator[Problem]:
    """What is wrong with a file that the config names."""
    if digest := uploads.digest_of(uri):
        if not home.blobs.claim(digest):
            yield Problem(where=name, what=f"what was uploaded is gone: {uri}", hint=_LATER)
    elif uri.startswith("file://") or "://" not in uri:
        path = uri.removeprefix("file://")
        if not Path(path).is_absolute():
            hint = "Run it from the project, which uploads it; or give a URI that the server can read."
            yield Problem(where=name, what=f"{uri} is no address on the server", hint=hint)
        elif not Path(path).exists():
            hint = "Without file:// the file of your machine is uploaded."
            yield Problem(where=name, what=f"the server has no {path}", hint=hint)


def _bare(run: Run, caller: str) -> Run:
    """The run as one that waits for a server, without what means something elsewhere only."""
    empty = Run(id=run.id, project=run.project, algorithm=run.algorithm)
    return replace(
        run,
        **{
            name: getattr(empty, name)
            for name in (
                *("state", "host", "started", "ended", "message", "lease", "archived", "states", "version"),
                *("pipeline", "pipeline_version", "schedule", "scheduled", "root", "service_account"),
            )
        },
        name=run.name or run.algorithm,
        environment=_unbuilt(run.environment),
        environments={name: _unbuilt(each) for name, each in run.environments.items()},
        created=time.time(),
        queue=SERVED,
        owner=caller,
    )


def _unbuilt(environment: Environment) -> Environment:
    """Without its place, which is one on another machine."""
    return replace(environment, executable="")


def _keep(home: Home, handed: Handed) -> None:
    """Put the code in its place, and remember what was captured."""
    for digest, definitions in handed.closures.items():
        captures.keep_closure(home.store, digest, definitions)
    bundle = handed.run.bundle
    if bundle and not (captures.bundle(home.store, bundle) and (home.bundles / bundle).is_dir()):
        captures.keep_bundle(home.store, parcels.unpacked(home, bundle))
