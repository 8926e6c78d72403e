"""Runs of a commit on a Kubeflow, where nobody can choose a run's identifier."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import pytest
from tests.server.conftest import PIPELINE

from palmette.ci.launching import Ground, Wish
from palmette.ci.ordering import Ordered, before
from palmette.domain.branches import Check, Kind
from palmette.domain.context import Context
from palmette.domain.footer import signed, split
from palmette.domain.hosting import Experiment, Pipeline, Version
from palmette.domain.states import RunState
from palmette.errors import ConfigError, NotFound
from palmette.ir.dialects import Dialect
from palmette.operations.closures import Closure
from palmette.operations.hosts import HostedRun, Order, PipelineHost
from palmette.operations.places import Here
from palmette.operations.project import Project

COMMIT = "a" * 40
WISH = Wish(algorithm="adding", kind=Kind.TOY, closure=Closure(digest="d1"), reason="it changed")


@dataclass
class Host:
    """A host of which another job may take the turn between two calls."""

    #: what another job does just before a run of this one is there
    meanwhile: Callable[[], None] = lambda: None
    made: list[HostedRun] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=lambda: {"project": "ia", "commit": COMMIT})
    called: str = "cluster"
    dialect: Dialect = Dialect.V2_0
    pages: str = "https://kf.example"

    @property
    def pipelines(self) -> Host:
        return self

    @property
    def experiments(self) -> Any:
        return Named(lambda name: Experiment(id=f"of-{name}", name=name))

    @property
    def runs(self) -> Host:
        return self

    def prefix(self, project: str) -> str:
        return ""

    claim = prefix

    def named(self, name: str) -> Pipeline:
        return Pipeline(id=f"p-{name}", name=name)

    def versions(self, pipeline: str) -> Iterator[Version]:
        yield Version(id="v2", pipeline=pipeline, name="other", description=signed("", {"commit": "b" * 40}))
        yield Version(id="v1", pipeline=pipeline, name="main@aaaaaaaa", description=signed("", self.facts))

    def document(self, version: Version) -> bytes:
        return PIPELINE.encode()

    def begin(self, order: Order) -> HostedRun:
        self.meanwhile()
        return self.add(order.description, order)

    def add(self, description: str, order: Order | None = None) -> HostedRun:
        number = len(self.made) + 1
        parameters = order.parameters if order else {}
        version = order.version if order else ""
        self.made.append(
            HostedRun(id=f"r{number}", description=description, version=version, created=number, parameters=parameters)
        )
        return self.made[-1]

    def listed(self, experiment: str) -> Iterator[HostedRun]:
        assert experiment == "of-main"
        yield from reversed(self.made)

    def get(self, id: str) -> HostedRun:
        found = [run for run in self.made if run.id == id]
        if not found:
            raise NotFound(f"there is no run {id}")
        return found[0]

    def cancel(self, id: str) -> None:
        self.become(id, RunState.CANCELED)

    def become(self, id: str, state: RunState) -> None:
        self.made = [replace(run, state=state) if run.id == id else run for run in self.made]


@dataclass
class Named:
    named: Callable[[str], Experiment]


@dataclass
class World:
    host: Host
    executor: Ordered
    check: Check
    project: Project


@pytest.fixture
def world(tmp_path: Path) -> World:
    host, project = Host(), Project(root=tmp_path, name="ia", roots=(tmp_path,), home=tmp_path / ".palmette")
    ground = Ground(
        place=Here(project),
        host=cast(PipelineHost, host),
        project=project,
        environ={},
        context=Context(branch="main", head=COMMIT),
        directory=tmp_path,
        say=lambda line: None,
    )
    check = Check(project="ia", commit=COMMIT, algorithm="adding", kind=Kind.TOY, key="k1")
    return World(host, Ordered(ground=ground, update=lambda: None), check, project)


def test_a_run_says_what_it_is_and_is_known_again_by_that(world: World) -> None:
    begun = world.executor.begin(WISH, world.check)

    [run] = world.host.made
    assert run.version == "v1"
    text, facts = split(run.description)
    assert text == "it changed"
    assert facts == {
        **{"project": "ia", "algorithm": "adding", "branch": "main", "commit": COMMIT},
        **{"preset": "full", "kind": "toy", "key": "k1", "closure": "d1"},
    }
    again = world.executor.begin(WISH, world.check)
    assert (again.id, again.attached, begun.attached) == (begun.id, True, False)
    found = world.executor.found(WISH)
    assert found is not None
    assert (found.run, found.key, found.closure) == ("r1", "k1", "d1")
    assert world.executor.states(["r1", "gone"]) == {"r1": RunState.PENDING}
    assert world.executor.link("r1") == "https://kf.example/#/runs/details/r1"


def test_of_two_jobs_that_begin_at_once_the_later_one_gives_up_its_run(world: World) -> None:
    facts = {"project": "ia", "algorithm": "adding", "key": "k1"}
    world.host.meanwhile = lambda: [world.host.add(signed("", facts))].clear()

    begun = world.executor.begin(WISH, world.check)

    assert (begun.id, begun.attached) == ("r1", True)
    assert [run.state for run in world.host.made] == [RunState.PENDING, RunState.CANCELED]
    # Whoever comes then gets the one that stayed.
    assert world.executor.attach(world.check).id == "r1"


def test_what_trained_before_is_read_from_the_runs_of_the_target_branch(world: World) -> None:
    host = world.host
    for closure, state, kind in (("d1", "SUCCEEDED", "toy"), ("d2", "FAILED", "toy"), ("d3", "SUCCEEDED", "full")):
        facts = {"project": "ia", "algorithm": "adding", "branch": "main", "closure": closure, "kind": kind}
        host.become(host.add(signed("", facts)).id, RunState(state))
    host.add(signed("", {"project": "other", "algorithm": "adding", "branch": "main", "kind": "toy"}))
    host.add("somebody's own")

    found = before(cast(PipelineHost, host), world.project, "main")

    assert found is not None
    assert found.succeeded["adding"].check.closure == "d1"
    assert (found.newest["adding"].check.closure, found.newest["adding"].state) == ("d2", RunState.FAILED)


def test_values_that_do_not_fit_begin_nothing_and_a_version_is_uploaded_where_there_is_none(world: World) -> None:
    with pytest.raises(ConfigError) as caught:
        world.executor.begin(replace(WISH, overrides=("x=many", "whom=Ada")), world.check)
    assert len(caught.value.problems) >= 2
    asked: list[str] = []
    world.executor.update = lambda: asked.append("update")
    world.host.facts = {"project": "another", "commit": COMMIT}
    with pytest.raises(NotFound, match="has no version of adding"):
        world.executor.begin(WISH, world.check)
    assert asked == ["update"]
    assert world.host.made == []
