"""Rebuild a run from what is kept of it, execute it again, and certify what came out."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from palmette.capture.bundle import bundle as make_bundle
from palmette.capture.bundle import carried, unpack
from palmette.capture.closure import close
from palmette.capture.sources import SourceTree
from palmette.domain.graph import MetricSpec
from palmette.domain.run import Host, Run, TaskRecord
from palmette.domain.states import RunState, TaskState
from palmette.engine.planning import plan as make_plan
from palmette.engine.reuse import reads_world
from palmette.errors import EnvironmentFailed, Interrupted, PalmetteError, StoreError, UsageError
from palmette.operations import environments, machine, originals, writing
from palmette.operations.accepting import Accepted
from palmette.operations.details import Detail, shown
from palmette.operations.home import open_home
from palmette.operations.originals import Original
from palmette.operations.policy import from_tasks, gone
from palmette.operations.project import Interpreter, Project
from palmette.operations.rerunning import Standing, accept, reached
from palmette.operations.trials import equal
from palmette.store import captures, metrics

#: the tag of the new run
TAG = "reproduction"


class Outcome(StrEnum):
    """What became of a step the second time."""

    IDENTICAL = "identical"
    #: other bytes, and every metric within its tolerance
    EQUAL = "equal metrics"
    DIFFERS = "differs"
    FAILED = "failed"
    #: it reads the outside world: what it made then was taken over
    NOT_REPEATED = "not repeated"
    #: the run itself never executed it
    NOT_EXECUTED = "not executed"


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A metric then and now."""

    name: str
    then: float
    now: float | None
    #: how far apart they may be
    tolerance: float

    @property
    def good(self) -> bool:
        """Whether they are as near as they have to be."""
        return self.now is not None and (self.now == self.then or abs(self.now - self.then) <= self.tolerance)


@dataclass(frozen=True, kw_only=True)
class Repeated:
    """A step then and now."""

    step: str
    outcome: Outcome
    #: outputs whose bytes are others
    differing: tuple[str, ...] = ()
    message: str = ""


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What came out when a run was executed again."""

    origin: Run
    #: None where it did not get as far
    repeated: Run | None
    steps: tuple[Repeated, ...] = ()
    metrics: tuple[Measured, ...] = ()
    #: where the code is from: "the store", or "commit 1a2b3c4d"
    code: str = ""
    #: what the environment was: "as recorded", "rebuilt from its pins", or what differs
    environment: str = ""
    #: the machine now
    host: Host | None = None
    #: what is not there any more, one sentence each
    gone: tuple[str, ...] = ()

    @property
    def reproduced(self) -> bool:
        """Whether every step that was repeated gave the same, or metrics as near as they have to be."""
        good = (Outcome.IDENTICAL, Outcome.EQUAL, Outcome.NOT_REPEATED, Outcome.NOT_EXECUTED)
        return (
            self.repeated is not None
            and any(each.outcome in (Outcome.IDENTICAL, Outcome.EQUAL) for each in self.steps)
            and all(each.outcome in good for each in self.steps)
            and all(each.good for each in self.metrics)
        )


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """How a run is reproduced."""

    #: rebuild the environment from its pins, whatever the project's own is by now; None: only where that differs
    recorded: bool | None = None
    #: read the outside world again
    refetch: bool = False


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """A run that can be executed again: what is there of it, and what is not."""

    standing: Standing
    accepted: Accepted
    code: str
    environment: str
    gone: tuple[str, ...]


@contextmanager
def rebuilt(project: Project, environ: Mapping[str, str], ref: str, wanted: Wanted) -> Iterator[Rebuilt]:
    """The run, ready to be executed again without reusing anything. What cannot be had is an error that names it."""
    original = originals.asked(open_home(project), ref)
    missing = list(_missing(project, environ, original, wanted))
    with ExitStack() as stack:
        code, where = stack.enter_context(_code(project, environ, original))
        if code != "the store":
            missing.append(
                f"the bundle {original.run.bundle[:12]} is not in the store any more; {code} has the same files"
            )
        python, environment = stack.enter_context(_python(project, environ, original, where, wanted))
        standing = stack.enter_context(reached(project, environ, original, where, python=python))
        changes = originals.differences(original.run.environment, standing.environment)
        run = replace(
            original.run,
            trigger="reproduce",
            refresh=wanted.refetch,
            tags=(TAG,),
            note="",
            tokens=from_tasks(original.run.tokens, ()),
        )
        yield Rebuilt(
            standing=standing,
            accepted=accept(standing, run),
            code=code,
            environment=f"not as recorded: {', '.join(changes)}" if changes else environment,
            gone=tuple(missing),
        )


def _missing(project: Project, environ: Mapping[str, str], original: Original, wanted: Wanted) -> Iterator[str]:
    """What is not there any more, of what can be looked up at once."""
    run, home = original.run, original.home
    for task in original.tasks:
        if lost := gone(home, task):
            what = f"{shown(task)} ({', '.join(lost)})"
            yield f"the bytes of {what} were collected; their digests are compared all the same"
    if run.git.commit and not _has_commit(project.root, environ, run.git.commit):
        yield f"commit {run.git.commit[:8]} is not in this repository any more"
    if not run.git.commit:
        yield "no commit was recorded"
    host = machine.host(project.gpus)
    if run.host is not None and run.host.gpus > host.gpus:
        yield f"the run had {run.host.gpus} GPUs to use, this machine has {host.gpus}"
    worlds = [task for task in make_plan(original.document, run.config).tasks if reads_world(task)]
    lost_worlds = [shown(task) for task in original.tasks
                   if task.name in {each.name for each in worlds} and task.state.good and gone(home, task)]  # fmt: skip
    if lost_worlds and not wanted.refetch:
        raise StoreError(
            f"what {', '.join(lost_worlds)} read from the outside world in run {run.id} is gone",
            "Read it again: --refetch. What comes may be something else.",
        )


# The code


@contextmanager
def _code(project: Project, environ: Mapping[str, str], original: Original) -> Iterator[tuple[str, Path]]:
    """Where the code is from, and its directory: out of the store, else out of the commit with the changes to it."""
    try:
        yield "the store", originals.code(original)
        return
    except StoreError as error:
        if original.bundle.is_dir():
            raise
        lost = error
    commit = original.run.git.commit
    if not commit or not _has_commit(project.root, environ, commit):
        raise StoreError(f"{lost.message}, and so is its commit", "It cannot be rebuilt.") from lost
    with tempfile.TemporaryDirectory(prefix="palmette-") as temporary:
        yield f"commit {commit[:8]}", _from_commit(project, environ, original, Path(temporary))


def _from_commit(project: Project, environ: Mapping[str, str], original: Original, top: Path) -> Path:
    """The bundle, made anew from the commit; StoreError if its files are not those of the run."""
    tree = top / "tree"
    tree.mkdir()
    whole = Path(_git(project.root, environ, "rev-parse", "--show-toplevel").decode().strip())
    archive = _git(whole, environ, "archive", "--format=tar", original.run.git.commit)
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        if hasattr(tarfile, "data_filter"):
            tar.extractall(tree, filter="data")
        else:
            # The first releases of Python 3.11 know no filters. What Git packs stays within the tree by itself.
            tar.extractall(tree)
    if original.run.git.diff:
        with original.home.blobs.open(original.run.git.diff) as file:
            _git(tree, environ, "apply", "--allow-empty", "--whitespace=nowarn", typed=file.read())
    root = tree / project.root.resolve().relative_to(whole.resolve())
    roots = tuple(root / each.relative_to(project.root) for each in project.roots if each.is_relative_to(project.root))
    found = close(SourceTree(root, roots), original.modules, whole_packages=project.closure == "package")
    rebuilt = make_bundle(found, carried())
    directory = unpack(rebuilt, top / "bundles")
    record = captures.bundle(original.home.store, original.run.bundle)
    known = {} if record is None else {
        path: sha for path, sha in record.files.items() if not path.startswith("palmette/")
    }  # fmt: skip
    now = originals.files(directory)
    wrong = sorted(path for path in {*known, *now} if known.get(path) != now.get(path))
    if wrong:
        raise StoreError(
            f"the bundle of run {original.run.id} is gone, and its commit has other files: {', '.join(wrong[:5])}",
            "What was not committed then cannot be rebuilt.",
        )
    kept = {entry["path"]: entry["sha256"] for entry in json.loads(rebuilt.manifest)["files"]}
    size = sum(map(len, rebuilt.files.values()))
    captures.keep_bundle(original.home.store, captures.BundleRecord(digest=rebuilt.digest, size=size, files=kept))
    return unpack(rebuilt, original.home.bundles)


def _has_commit(root: Path, environ: Mapping[str, str], commit: str) -> bool:
    try:
        _git(root, environ, "cat-file", "-e", f"{commit}^{{commit}}")
    except PalmetteError:
        return False
    return True


def _git(root: Path, environ: Mapping[str, str], *arguments: str, typed: bytes = b"") -> bytes:
    command = shutil.which("git", path=environ.get("PATH"))
    if command is None:
        raise StoreError("git is not installed", "The code of that run is in its commit only.")
    done = subprocess.run(
        [command, "-C", str(root), *arguments], input=typed, env=dict(environ), capture_output=True, check=False
    )
    if done.returncode:
        raise StoreError(f"git {arguments[0]} failed: {done.stderr.decode(errors='replace').strip()}")
    return done.stdout


# The environment


@contextmanager
def _python(
    project: Project, environ: Mapping[str, str], original: Original, code: Path, wanted: Wanted
) -> Iterator[tuple[Interpreter | None, str]]:
    """The interpreter, and what is to be said of its environment. The project's own where it is the recorded one, else
    one that is built from the recorded pins; EnvironmentFailed says which of them is gone."""
    recorded = original.run.environment
    if wanted.recorded is False:
        yield None, "the project's own"
        return
    if wanted.recorded is None and not _changes(project, environ, original, code):
        yield None, "as recorded"
        return
    with environments.shelf(environ) as held:
        try:
            executable = environments.build(recorded.pins, recorded.python, environ, held=held, root=project.root)
        except EnvironmentFailed as error:
            hint = "Use the project's environment as it is: --environment current."
            raise EnvironmentFailed(
                f"the environment of run {original.run.id} cannot be rebuilt: {error.message}",
                f"{error.hint}\n{hint}".lstrip(),
                problems=error.problems,
            ) from error
        yield Interpreter(executable=executable, why="it was built from the run's pins"), "rebuilt from its pins"


def _changes(project: Project, environ: Mapping[str, str], original: Original, code: Path) -> list[str]:
    """In what the project's environment is not the recorded one."""
    try:
        with reached(project, environ, original, code) as standing:
            return originals.differences(original.run.environment, standing.environment)
    except PalmetteError as error:  # it cannot even be pinned: packages are missing
        return [error.message]


# The certificate


def certify(rebuilt: Rebuilt, detail: Detail) -> Certificate:
    """Compare what came out with what the run had; Interrupted where it was canceled, for that says nothing of it."""
    original, environment = rebuilt.standing.original, rebuilt.environment
    return compared(original, detail, code=rebuilt.code, environment=environment, gone=rebuilt.gone)


def compared(
    original: Original, detail: Detail, *, code: str, environment: str, gone: tuple[str, ...] = ()
) -> Certificate:
    """The same of a run and one that executed it again, wherever that was."""
    home = original.home
    if detail.run.state is RunState.CANCELED:
        raise Interrupted(
            f"run {detail.run.id} was canceled, so nothing is certified",
            f"Begin again: palmette reproduce {original.run.id}.",
        )
    now = {task.name: task for task in detail.tasks}
    before = metrics.last(home.store, original.run.id)
    measured = tuple(
        Measured(name=name, then=value, now=detail.metrics.get(name), tolerance=_tolerance(original.run.metrics, name))
        for name, value in before.items()
    )
    near = all(each.good for each in measured)
    return Certificate(
        origin=original.run,
        repeated=detail.run,
        steps=tuple(_step(task, now.get(task.name), near=near) for task in original.tasks if task.executor),
        metrics=measured,
        code=code,
        environment=environment,
        host=detail.run.host,
        gone=gone,
    )


def _tolerance(declared: tuple[MetricSpec, ...], name: str) -> float:
    return next((each.tolerance or 0.0 for each in declared if each.name == name), 0.0)


def _step(then: TaskRecord, now: TaskRecord | None, *, near: bool) -> Repeated:
    name = shown(then)
    if not then.state.good:
        return Repeated(step=name, outcome=Outcome.NOT_EXECUTED, message=then.message)
    if now is None or not now.state.good:
        return Repeated(step=name, outcome=Outcome.FAILED, message=now.message if now else "it was not executed")
    if now.state is TaskState.CACHED:
        return Repeated(step=name, outcome=Outcome.NOT_REPEATED, message="it reads the outside world")
    differing = tuple(output for output, same in equal(then.outputs, now.outputs).items() if not same)
    if not differing:
        return Repeated(step=name, outcome=Outcome.IDENTICAL)
    return Repeated(step=name, outcome=Outcome.EQUAL if near else Outcome.DIFFERS, differing=differing)


def require_place(output: Path) -> None:
    """UsageError if there is no directory to write it to: said before the run begins, not after it."""
    if not output.resolve().parent.is_dir():
        why = f"there is no directory {output.parent}"
        raise UsageError(f"{output} cannot be written: {why}", "Name another place with --output.")


def write(output: Path, text: str) -> None:
    """Write a certificate to a file, whole or not at all."""
    writing.write_bytes(output, text.encode())
