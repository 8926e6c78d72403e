"""Bring a Kubeflow's runs into the home, so that search, comparison and reports treat them as any other run.

No API of a cluster gives what a run made. The task `palmette-outcome` wrote it to a file, which is read through KFP's
artifact route, else from below the pipeline root. A run is over here only with its outcome, or with a notice why not.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Final

from palmette.blobs.references import NoDigests, References
from palmette.client.connection import segment
from palmette.compile.outcomes import ARTIFACT, NAME
from palmette.domain.footer import split
from palmette.domain.graph import ArtifactType
from palmette.domain.states import RunState
from palmette.domain.values import Json
from palmette.errors import NotFound, PalmetteError, ServerError, UsageError
from palmette.ir import codec
from palmette.ir.spec import PipelineDocument
from palmette.operations import documents, messages, mirrors, parcels
from palmette.operations.cluster import outcomes
from palmette.operations.cluster.kubeflow import KubeflowHost
from palmette.operations.cluster.likeness import Likeness, Sight, drawn
from palmette.operations.cluster.looking import Cluster, Looked, Node
from palmette.operations.cluster.outcomes import LARGEST, Outcome
from palmette.operations.forks import Repository
from palmette.operations.hosts import HostedRun
from palmette.operations.mirrors import Brought
from palmette.operations.parcels import FILE
from palmette.operations.places import Here, Place
from palmette.operations.project import Project
from palmette.operations.remote import There
from palmette.store.arrivals import Whole
from palmette.store.mirrors import Mirror

#: seconds after a run's end in which what could not be read is looked for again: until then it is not over here
_PATIENCE: Final = 3600.0


@dataclass(frozen=True, kw_only=True)
class Brief:
    """What became of one run."""

    #: its id here, its identifier there, and its algorithm
    run: str
    id: str
    algorithm: str
    state: RunState
    #: sentences without a full stop: what of it could not be brought
    lost: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Mirrored:
    """What one look at a host came to."""

    #: how the host is called
    host: str
    #: runs that are new here or changed, in the order in which they were created there
    brought: tuple[Brief, ...] = ()
    #: how many were looked at and are of nobody here
    foreign: int = 0
    #: runs that are gone there, though they were not over here
    gone: tuple[str, ...] = ()

    @property
    def live(self) -> int:
        """How many of those that were brought go on."""
        return sum(not each.state.final for each in self.brought)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which runs are brought."""

    #: created at or after, seconds since the epoch; None: until those that are here and over
    since: float | None = None
    #: those of no project too, as this project's
    everything: bool = False


def mirror(
    place: Place,
    host: KubeflowHost,
    project: Project,
    environ: Mapping[str, str],
    *,
    wanted: Wanted = Wanted(),
    say: Callable[[Brief], None] = lambda brief: None,
    now: Callable[[], float] = time.time,
) -> Mirrored:
    """Bring what is new and what has changed; each run is whole when it appears, and this may be repeated, cut short
    and done twice at once. `say` is told of each."""
    look = _Look(
        place=place.begun(),
        cluster=Cluster(host),
        project=project.name,
        repository=Repository(project, environ),
        wanted=wanted,
        now=now,
    )
    brought = []
    for found in look.found():
        brief = look.bring(found)
        if brief is not None:
            brought.append(brief)
            say(brief)
    return Mirrored(host=host.called, brought=tuple(brought), foreign=look.foreign, gone=tuple(look.gone))


def again(place: Place, host: KubeflowHost, project: Project, environ: Mapping[str, str], id: str) -> Brief | None:
    """Look at one run again, by its identifier there; None where nothing changed, or it is gone."""
    repository = Repository(project, environ)
    return _Look(place=place, cluster=Cluster(host), project=project.name, repository=repository).bring(
        HostedRun(id=id)
    )


@dataclass(kw_only=True)
class _Look:
    """One look at a host."""

    place: Place
    cluster: Cluster
    project: str
    repository: Repository
    wanted: Wanted = Wanted()
    now: Callable[[], float] = time.time
    foreign: int = 0
    gone: list[str] = field(default_factory=list)
    #: the host could not say just now what the run at hand made
    troubled: bool = False
    _experiments: dict[str, Mapping[str, Json]] | None = None
    _documents: dict[bytes, tuple[PipelineDocument | None, bytes, str]] = field(default_factory=dict)

    def found(self) -> Iterator[HostedRun]:
        """The runs that are new here or were not over. The oldest first: of a look that is cut short the next one then
        finds what is missing, as it stops where nothing is."""
        address = self.cluster.address
        live = {*self.place(mirrors.live, address)}
        wanted: list[HostedRun] = []
        for page in self.cluster.pages():
            known = self.place(mirrors.known, address, [each.id for each in page])
            recent = [each for each in page if self.wanted.since is None or each.created >= self.wanted.since]
            twins = _twins(page)
            mine = [each for each in recent if each.id in known or (each.id not in twins and self._mine(each))]
            wanted += [each for each in mine if not known.get(each.id)]
            live -= {each.id for each in page}
            nothing = self.wanted.since is None and known and all(each.id in known for each in mine)
            if len(recent) < len(page) or nothing:
                break
        yield from (HostedRun(id=id) for id in sorted(live))
        yield from reversed(wanted)

    def bring(self, found: HostedRun) -> Brief | None:
        """Bring one run; None where it is gone, or nothing changed."""
        try:
            looked = self.cluster.look(found.id)
        except NotFound:
            self.gone.append(found.id)
            return None
        sight = self._sight(looked)
        like = drawn(sight)
        run, history = self.repository.told(like.run)
        like = replace(like, run=run, history=history)
        self._deliver({**like.contents, **self._spec(looked)})
        if not self.place(mirrors.take, self._brought(like, sight)):
            return None
        run = like.run
        return Brief(run=run.id, id=found.id, algorithm=run.algorithm, state=run.state, lost=like.lost)

    def _mine(self, found: HostedRun) -> bool:
        """Whether it is the project's, or nobody's and wanted all the same."""
        owner = self._facts(found).get("project")
        mine = owner == self.project or (self.wanted.everything and not owner)
        self.foreign += not mine
        return mine

    def _brought(self, like: Likeness, sight: Sight) -> Brought:
        id, address = sight.looked.run.id, self.cluster.address
        progress: dict[str, Json] = {
            "called": self.cluster.host.called,
            "page": self.cluster.page(id),
            "state": sight.looked.run.state.value,
            "lost": list(like.lost),
        }
        mirror = Mirror(run=like.run.id, host=address, id=id, progress=progress, seen=self.now())
        return Brought(
            whole=Whole(run=like.run, tasks=like.tasks, logged=like.logged, history=like.history), mirror=mirror
        )

    def _sight(self, looked: Looked) -> Sight:
        """All that is known of it. One whose outcome may be read a little later is not over yet."""
        run = looked.run
        made = self.cluster.version(run.pipeline, run.version) if run.version else None
        document, _, spec = self._document(looked)
        found, lost = self._outcomes(looked, document) if run.state.final else ((), ())
        if self.troubled and self.now() - (run.ended or run.created) < _PATIENCE:
            looked = replace(looked, run=replace(run, state=RunState.RUNNING, ended=None))
        where = f"executed on {self.cluster.host.called}: {self.cluster.page(run.id)}"
        return Sight(
            id=mirrors.identity(self.cluster.address, run.id),
            project=self.project,
            looked=looked,
            facts=self._facts(run),
            version=made.name if made else "",
            document=document,
            spec=spec,
            outcomes=found,
            where=where,
            lost=lost,
        )

    def _facts(self, run: HostedRun) -> dict[str, Json]:
        """What the footers say: the run's own before its version's, and that before its experiment's."""
        own, filed = split(run.description)[1], self._of_experiment(run.experiment)
        owner = own.get("project") or filed.get("project")
        if not run.version or (owner and owner != self.project) or {"branch", "commit"} <= own.keys():
            return {**filed, **own}
        return {**filed, **self.cluster.version(run.pipeline, run.version).facts, **own}

    def _of_experiment(self, experiment: str) -> Mapping[str, Json]:
        if self._experiments is None:
            listed = self.cluster.host.experiments.listed()
            self._experiments = {each.id: split(each.description)[1] for each in listed}
        return self._experiments.get(experiment, {})

    def _document(self, looked: Looked) -> tuple[PipelineDocument | None, bytes, str]:
        """Its pipeline, the bytes by which the home keeps it, and their digest."""
        run = looked.run
        data = looked.document or (self.cluster.version(run.pipeline, run.version).document if run.version else b"")
        if data not in self._documents:
            try:
                found = documents.read(data) if data else None
            except PalmetteError:
                found = None
            text = codec.to_json(found).encode() if found else b""
            self._documents[data] = (found, text, FILE + messages.sha256(text) if text else "")
        return self._documents[data]

    def _spec(self, looked: Looked) -> dict[str, bytes]:
        _, text, digest = self._document(looked)
        return {digest.removeprefix(FILE): text} if text else {}

    # What the run made

    def _outcomes(
        self, looked: Looked, document: PipelineDocument | None
    ) -> tuple[tuple[Outcome, ...], tuple[str, ...]]:
        """What the outcomes of a run that is over say, in the order in which they were written, and what is lost."""
        self.troubled = False
        wanted = [each for each in looked.nodes if each.name.startswith(NAME) and not each.name.endswith("-driver")]
        written = [each for each in sorted(wanted, key=lambda each: each.created) if each.state.good]
        if not _gathers(document):
            said = "what it measured is not known: its pipeline was not compiled for being mirrored"
            return (), (said,) if document is None or _measures(document) else ()
        if not written:
            failed = looked.run.state is not RunState.SUCCEEDED
            return (), ("what it measured is not known: it ended before that was written",) if failed else ()
        found = [data for node in written if (data := self._artifact(looked.run.id, node))]
        if len(found) < len(written):
            names = dict.fromkeys([NAME, *(node.name for node in written)])
            found = below(self._root(looked, document), looked.run.id, names) or found
        return self._read(found, len(written))

    def _artifact(self, run: str, node: Node) -> bytes | None:
        """What a node wrote: its pod has it, or what stands for the pod."""
        for id in dict.fromkeys([*reversed(node.pods), node.id]):
            try:
                if data := self.cluster.artifact(run, id, ARTIFACT):
                    return data
            except ServerError:
                self.troubled = True
        return None

    def _read(self, found: list[bytes], count: int) -> tuple[tuple[Outcome, ...], tuple[str, ...]]:
        read: list[Outcome] = []
        lost: list[str] = []
        for data in found:
            try:
                read.append(outcomes.read(data))
            except UsageError as error:
                lost.append(f"what it measured cannot be read: {error.message}")
        self.troubled = self.troubled and len(found) < count
        if len(found) < count:
            lost.append("what it measured cannot be read: neither the host's artifacts nor its pipeline root give it")
        return tuple(read), tuple(lost)

    def _root(self, looked: Looked, document: PipelineDocument | None) -> str:
        """Where the run's tasks wrote; empty where that is not known."""
        default = document.pipeline.default_pipeline_root if document else ""
        root = looked.root or self.cluster.host.line.target.pipeline_root or default
        return f"{root.rstrip('/')}/{document.pipeline.name}" if root and document else ""

    # Handing in

    def _deliver(self, contents: Mapping[str, bytes]) -> None:
        """Have these bytes in the home; those that are there are not sent."""
        if not contents:
            return
        for sha256 in self.place(parcels.missing, [*contents]):
            data = contents[sha256]
            if isinstance(self.place, There):
                send = partial(iter, [data])
                self.place.connection.send(f"/blobs/{segment(FILE + sha256)}", send, len(data))
            elif isinstance(self.place, Here):
                self.place.home.blobs.put_bytes(data)


def _twins(page: Sequence[HostedRun]) -> set[str]:
    """The runs that were canceled because another one of their key was begun first, by a job at the same time."""
    keys = {each.id: split(each.description)[1].get("key") for each in page}
    kept = {keys[each.id] for each in page if each.state is not RunState.CANCELED}
    return {each.id for each in page if each.state is RunState.CANCELED and keys[each.id] and keys[each.id] in kept}


def _gathers(document: PipelineDocument | None) -> bool:
    components = document.pipeline.components if document else {}
    return any(name.startswith(f"comp-{NAME}") for name in components)


def _measures(document: PipelineDocument) -> bool:
    outputs = (each.output_definitions.artifacts.values() for each in document.pipeline.components.values())
    return any(spec.artifact_type.schema_title == ArtifactType.METRICS for several in outputs for spec in several)


def below(root: str, run: str, names: Iterable[str]) -> list[bytes]:
    """What tasks of these names wrote below a pipeline's directory in a run, the oldest first; none where that is out
    of reach."""
    if not root:
        return []
    with tempfile.TemporaryDirectory(prefix="palmette-") as directory:
        for name in names:
            with suppress(PalmetteError, OSError):
                References(Path("/"), NoDigests()).fetch(f"{root}/{run}/{name}", Path(directory) / name)
        files = sorted(Path(directory).rglob(ARTIFACT), key=lambda path: (path.stat().st_mtime, str(path)))
        return [path.read_bytes() for path in files if path.is_file() and path.stat().st_size <= LARGEST]
