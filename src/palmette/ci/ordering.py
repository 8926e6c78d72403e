"""Runs of a commit on a Kubeflow: of the version that was uploaded for it, each with a footer to find it again by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Final

from palmette.ci.earlier import Before
from palmette.ci.launching import Begun, Ground, Wish, version_of
from palmette.domain.branches import Check, Kind
from palmette.domain.config import settle
from palmette.domain.fields import FULL
from palmette.domain.footer import signed, split
from palmette.domain.hosting import Version
from palmette.domain.states import RunState
from palmette.domain.values import Json
from palmette.errors import NotFound
from palmette.operations import configs, documents, mirrors, submitting
from palmette.operations.checks import Tried
from palmette.operations.cluster import mirroring
from palmette.operations.cluster.kubeflow import KubeflowHost
from palmette.operations.cluster.looking import Cluster
from palmette.operations.hosts import HostedRun, Order, PipelineHost
from palmette.operations.places import Place
from palmette.operations.project import Project
from palmette.operations.scopes import Names

#: so many runs of an experiment are looked through
_LOOKED: Final = 200
#: what a run must tell to be known again
_WHOLE: Final = frozenset({"algorithm", "commit", "closure"})
#: seconds that a cluster's clock may be behind
_EARLIER: Final = 3600.0


def bring(place: Place, host: PipelineHost, project: Project, environ: Mapping[str, str], since: float) -> None:
    """Have the home know of the runs that were created there since then, and how they stand."""
    assert isinstance(host, KubeflowHost), host
    wanted = mirroring.Wanted(since=since - _EARLIER)
    mirroring.mirror(place, host, project, environ, wanted=wanted)


def before(host: PipelineHost, project: Project, branch: str) -> Before | None:
    """The toy runs of a branch, as their footers tell them; None where there is none."""
    names = Names(prefix=host.prefix(project.name), project=project.name)
    experiment = host.experiments.named(names.experiment(branch)) if branch else None
    newest: dict[str, Tried] = {}
    good: dict[str, Tried] = {}
    versions = _Versions(host)
    for run, facts in _own(host, project, experiment.id) if experiment else ():
        if (facts.get("kind"), facts.get("branch")) != (Kind.TOY.value, branch):
            continue
        name = str(facts.get("algorithm") or versions.whole(run, facts).get("algorithm", ""))
        if name in good or (name in newest and run.state is not RunState.SUCCEEDED):
            continue
        tried = Tried(check=_told(host, project, run, versions.whole(run, facts)), state=run.state)
        newest.setdefault(name, tried)
        if run.state is RunState.SUCCEEDED:
            good.setdefault(name, tried)
    return Before(succeeded=good, newest=newest) if newest else None


class _Versions:
    """What versions say of themselves, which have room for more than runs have: each is asked for once."""

    def __init__(self, host: PipelineHost) -> None:
        self._cluster = Cluster(host) if isinstance(host, KubeflowHost) else None

    def whole(self, run: HostedRun, facts: Mapping[str, Json]) -> Mapping[str, Json]:
        """What a run's footer tells; where a column of the cluster's cut it short, with what its version's tells."""
        if self._cluster is None or not run.version or facts.keys() >= _WHOLE:
            return facts
        return {**self._cluster.version(run.pipeline, run.version).facts, **facts}


def identity(host: PipelineHost, id: str) -> str:
    """The identifier that a run there has in the home."""
    return mirrors.identity(Cluster(host).address, id) if isinstance(host, KubeflowHost) else id


def _own(host: PipelineHost, project: Project, experiment: str) -> Iterator[tuple[HostedRun, dict[str, Json]]]:
    """The newest runs of an experiment that are the project's, with what they say of themselves."""
    for run in islice(host.runs.listed(experiment), _LOOKED):
        _, facts = split(run.description)
        if facts.get("project") == project.name:
            yield run, facts


def _variant(wish: Wish) -> dict[str, str]:
    return {"variant": wish.variant} if wish.variant else {}


def _told(host: PipelineHost, project: Project, run: HostedRun, facts: Mapping[str, Json]) -> Check:
    """The check that a run's footer tells of."""
    return Check(
        project=project.name,
        commit=str(facts.get("commit", "")),
        algorithm=str(facts.get("algorithm", "")),
        kind=Kind(str(facts["kind"])),
        variant=str(facts.get("variant", "")),
        run=identity(host, run.id),
        branch=str(facts.get("branch", "")),
        closure=str(facts.get("closure", "")),
        key=str(facts.get("key", "")),
        created=run.created,
    )


def _live(runs: Iterable[HostedRun]) -> list[HostedRun]:
    """Those that nobody asked to end."""
    return [run for run in runs if run.state not in (RunState.CANCELING, RunState.CANCELED)]


def _age(run: HostedRun) -> tuple[float, str]:
    return run.created, run.id


@dataclass
class Ordered:
    """A Kubeflow executes the runs."""

    ground: Ground
    #: uploads the commit's versions, where that was not done before
    update: Callable[[], object]
    chosen: bool = False
    #: run → the one that it was given up for
    _instead: dict[str, HostedRun] = field(default_factory=dict)

    def begin(self, wish: Wish, check: Check) -> Begun:
        """Begun there, unless a run of that key is there. Of those that were begun at once the first one stays."""
        if there := self._keyed(check.key):
            return self._begun(there, attached=True)
        run = self.ground.host.runs.begin(self._order(wish, check))
        first = self._sole(check.key, run)
        attached = first.id != run.id
        self.ground.say(
            f"{wish.algorithm} {first.id} {'was begun before' if attached else 'begun'}: {self.link(first.id)}"
        )
        return self._begun(first, attached=attached)

    def attach(self, check: Check) -> Begun:
        """It goes on there anyway."""
        there = self._keyed(check.key) or self._of_home(check.run)
        if there is None:
            raise NotFound(f"run {check.run} is not there any more", "Start another one: --rerun.")
        self.ground.say(f"{check.algorithm} {there.id} was begun before: {self.link(there.id)}")
        return self._begun(there, attached=True)

    def found(self, wish: Wish) -> Check | None:
        """The newest run of the commit that its footer says is such a one."""
        wanted = {"kind": wish.kind.value, "algorithm": wish.algorithm, "commit": self.ground.context.head}
        wanted |= _variant(wish)
        versions = _Versions(self.ground.host)
        for run, told in self._own():
            if any(told.get(name, value) != value for name, value in wanted.items()):
                continue
            facts = versions.whole(run, told)
            if all(facts.get(name) == value for name, value in wanted.items()):
                check = _told(self.ground.host, self.ground.project, run, facts)
                parts = wish.closure.parts if check.closure == wish.closure.digest else {}
                return replace(check, parts=parts, reason=wish.reason)
        return None

    def states(self, runs: Sequence[str]) -> Mapping[str, RunState]:
        """One question for each; by their identifiers there or in the home. Of one that was given up for another one
        the state of that."""
        found: dict[str, RunState] = {}
        for id in runs:
            try:
                there: HostedRun | None = self.ground.host.runs.get(id)
            except NotFound:
                there = self._of_home(id)
            if there is not None:
                found[id] = self._standing(there).state
        return found

    def instead(self, run: str) -> Begun | None:
        """As it was when it was asked for states."""
        there = self._instead.get(run)
        return self._begun(there, attached=True) if there else None

    def cancel(self, run: str) -> None:
        """Asked to end."""
        self.ground.host.runs.cancel(run)

    def link(self, run: str) -> str:
        """Its page there."""
        return f"{self.ground.host.pages.rstrip('/')}/#/runs/details/{run}"

    def _begun(self, run: HostedRun, *, attached: bool) -> Begun:
        return Begun(id=run.id, state=run.state, home=self._mirrored(run.id), attached=attached)

    def _mirrored(self, id: str) -> str:
        return identity(self.ground.host, id)

    def _own(self) -> Iterator[tuple[HostedRun, dict[str, Json]]]:
        experiment = self.ground.experiment
        return _own(self.ground.host, self.ground.project, experiment.id if experiment else "")

    def _keyed(self, key: str) -> HostedRun | None:
        """The first run of that key that was not canceled because another one came first."""
        same = self._same(key)
        return min(_live(same) or same, key=_age, default=None)

    def _same(self, key: str) -> list[HostedRun]:
        return [run for run, facts in self._own() if key and facts.get("key") == key]

    def _sole(self, key: str, run: HostedRun) -> HostedRun:
        """The first of those of the key, one of which was begun just now; the others are canceled, whoever began them.
        A cluster counts in seconds and writes a run down a moment after: who came before may have seen none but its
        own, even if that is not the first one. Who is written down last sees all."""
        live = _live({each.id: each for each in (run, *self._same(key))}.values())
        first = min(live, key=_age, default=run)
        for each in live:
            if each.id != first.id and not each.state.final:
                self.ground.host.runs.cancel(each.id)
        return first

    def _standing(self, run: HostedRun) -> HostedRun:
        """The run, or the one that it was canceled for."""
        key = split(run.description)[1].get("key")
        if _live([run]) or not key:
            return run
        first = min(_live(self._same(str(key))), key=_age, default=run)
        if first.id != run.id:
            self._instead[run.id] = first
        return first

    def _of_home(self, id: str) -> HostedRun | None:
        return next((run for run, _ in self._own() if self._mirrored(run.id) == id), None)

    def _order(self, wish: Wish, check: Check) -> Order:
        ground, experiment, version = self.ground, self.ground.experiment, self._version(wish)
        context = ground.context
        preset = wish.preset or FULL
        facts: dict[str, Json] = {
            "project": ground.project.name,
            "algorithm": wish.algorithm,
            "branch": context.branch,
            "commit": context.head,
            "preset": preset,
            "kind": wish.kind.value,
            "key": check.key,
            "closure": wish.closure.digest,
            **_variant(wish),
        }
        return Order(
            name=f"{wish.algorithm} {preset} {context.head[:8]}",
            description=signed(wish.reason, facts),
            experiment=experiment.id if experiment else "",
            pipeline=version.pipeline,
            version=version.id,
            parameters=self._parameters(wish, version),
        )

    def _version(self, wish: Wish) -> Version:
        found = version_of(self.ground, wish.algorithm)
        if found is None:
            self.update()
            found = version_of(self.ground, wish.algorithm)
        if found is None:
            where = self.ground.host.called
            raise NotFound(f"{where} has no version of {wish.algorithm} for this commit", "Run: palmette ci update.")
        return found

    def _parameters(self, wish: Wish, version: Version) -> dict[str, Json]:
        """The values that the preset and the overrides give; every problem with them at once."""
        document = documents.read(self.ground.host.pipelines.document(version))
        algorithm = submitting.algorithm_of(document)
        file: Mapping[str, Any] | None = configs.read(wish.config) if wish.config else None
        settings = settle(
            algorithm.config,
            algorithm.presets,
            preset=wish.preset,
            file=file,
            file_name=str(wish.config or ""),
            overrides=wish.overrides,
        )
        return {each.name: each.value for each in settings}
