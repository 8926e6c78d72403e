"""What every host of pipelines promises: this machine, a Palmette server, a Kubeflow through the official client."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from tests.server.conftest import PIPELINE, Serving, open_home
from tests.standins import published
from tests.standins.kubeflow import Kubeflow, Reply, Request

from palmette.ci import experiments
from palmette.client.connection import Connection, Server
from palmette.domain.branches import Ticket
from palmette.domain.footer import signed, split
from palmette.domain.hosting import Catchup, Cron, Periodic, Schedule
from palmette.domain.states import RunState
from palmette.errors import AccessDenied, AlreadyThere, Conflict, NotFound, PalmetteError
from palmette.ir import codec
from palmette.operations.cluster import kubeflow
from palmette.operations.finding import Looked
from palmette.operations.hosts import Order, PipelineHost
from palmette.operations.placed import PlacedHost
from palmette.operations.places import Here
from palmette.operations.project import Project
from palmette.operations.remote import There
from palmette.operations.scopes import Names
from palmette.operations.targets import Target
from palmette.operations.updates import Filing
from palmette.server.palmette import table

DOCUMENT = PIPELINE.encode()


@dataclass(frozen=True, kw_only=True)
class World:
    """A host, as each project comes to it."""

    of: Callable[[str], PipelineHost]
    #: it edits experiments and recurring runs in place
    edits: bool = True
    cluster: Kubeflow | None = None


def _here(tmp_path: Path) -> World:
    def of(project: str) -> PipelineHost:
        return PlacedHost(Here(Project(root=tmp_path, name=project, roots=(tmp_path,), home=tmp_path / ".palmette")))

    return World(of=of)


@pytest.fixture(params=["here", "server", "kubeflow"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    """Each kind of host, empty."""
    if request.param == "here":
        yield _here(tmp_path)
        return
    serving = Serving([])
    served = serving.start(open_home(tmp_path / "home"), others=table.ROWS)
    if request.param == "server":
        yield World(of=lambda project: PlacedHost(There(Connection(Server(url=served.url)), project)))
    else:
        cluster = Kubeflow(behind=served.url)
        target = Target(name="cluster", host=cluster.url)
        yield World(of=lambda _: kubeflow.reach(target, {}), edits=False, cluster=cluster)
        cluster.stop()
        require_published(cluster.requests)
    serving.stop()
    served.home.store.close()


def require_published(requests: Sequence[Request]) -> None:
    """Each request is one of the published API: its path and method, its parameters, the fields of its body."""
    assert requests
    for each in requests:
        known = published.call(each.method, each.path)
        assert known is not None, f"{each.method} {each.path}"
        assert each.query.keys() <= known.queries, f"{known.name}: {each.query}"
        assert not [*published.unknown(known.body, each.body)], known.name
        # Neither experiments nor recurring runs can be changed there.
        assert each.method in ("GET", "POST", "DELETE"), known.name


@pytest.fixture
def host(world: World) -> PipelineHost:
    """The host, as the project "ia" comes to it."""
    return world.of("ia")


def owned(project: str, text: str = "", **facts: str) -> str:
    """A description that says whose it is."""
    return signed(text, {"project": project, **facts})


def nightly(host: PipelineHost, name: str = "nightly") -> Schedule:
    """A recurring run of a pipeline's one version."""
    pipeline = host.pipelines.create("adding", description=owned("ia"))
    version = host.pipelines.version(pipeline.id, "v1") or host.pipelines.add(
        pipeline.id, "v1", DOCUMENT, description=""
    )
    wanted = Schedule(
        id="",
        name=name,
        description=owned("ia", "Each night", follows="main"),
        experiment=host.experiments.create("main", description=owned("ia", branch="main")).id,
        pipeline=pipeline.id,
        version=version.id,
        parameters={"who": "ada", "x": 3},
        trigger=Cron(expression="0 0 3 * * *"),
        max_concurrency=2,
        catchup=Catchup.LATEST,
    )
    return host.schedules.create(wanted)


def test_where_nothing_was_made_nothing_is_listed(world: World, host: PipelineHost, tmp_path: Path) -> None:
    assert not [*host.pipelines.listed(), *host.schedules.listed(), *host.runs.listed()]
    assert host.experiments.named("main") is None
    assert host.pipelines.named("adding") is None
    assert host.prefix("ia") == ""
    assert not (tmp_path / ".palmette").exists()


def test_of_projects_that_come_at_once_one_keeps_plain_names_and_for_ever(world: World) -> None:
    projects = [f"p{number}" for number in range(4)]
    hosts = {name: world.of(name) for name in projects}
    found: dict[str, str] = {}
    together = threading.Barrier(len(projects))

    def claim(name: str) -> None:
        together.wait()
        found[name] = hosts[name].claim(name)

    threads = [threading.Thread(target=claim, args=(name,)) for name in projects]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first = next(name for name, prefix in found.items() if not prefix)
    assert found == {name: "" if name == first else f"{name}: " for name in projects}
    assert {name: world.of(name).claim(name) for name in projects} == found
    assert {name: world.of(name).prefix(name) for name in projects} == found
    assert world.of(first).prefix("another") == "another: "


def test_two_projects_with_a_main_and_a_tumour_do_not_meet(world: World) -> None:
    names = {name: Names(prefix=world.of(name).claim(name), project=name) for name in ("ia", "ib")}
    for name, called in names.items():
        host = world.of(name)
        main = host.experiments.create(called.experiment("main"), description=owned(name, branch="main"))
        pipeline = host.pipelines.create(called.pipeline("tumour"), description=owned(name, algorithm="tumour"))
        weekly = Schedule(
            id="",
            name="tumour",
            description=owned(name),
            experiment=main.id,
            pipeline=pipeline.id,
            version=host.pipelines.add(pipeline.id, "v1", DOCUMENT, description="").id,
            parameters={"who": name},
            trigger=Cron(expression="0 0 3 * * 1"),
        )
        host.schedules.create(weekly)
    host = world.of("ia")
    there = {each.name for each in host.experiments.listed()} - {kubeflow.CLAIM}
    assert there == {"main", "ib: main"}
    assert {each.name for each in host.pipelines.listed()} == {"tumour", "ib: tumour"}
    for name, called in names.items():
        own = [branch for each in host.experiments.listed() if (branch := called.branch(each)) is not None]
        assert own == ["main"], name
        # A recurring run is called as its algorithm is, and each project means its own.
        found = Looked(host=host, names=called, scoped=True).schedule("tumour")
        assert found.parameters["who"] == name


def test_what_is_there_is_found_and_what_is_another_s_is_not_taken(host: PipelineHost) -> None:
    made = host.experiments.create("main", description=owned("ia", "[IA-1] Text", branch="main"))
    assert host.experiments.create("main", description=owned("ia", "Another text", branch="main")) == made
    assert split(made.description) == ("[IA-1] Text", {"project": "ia", "branch": "main"})
    pipeline = host.pipelines.create("adding", description=owned("ia"))
    assert host.pipelines.create("adding", description=owned("ia")).id == pipeline.id
    for create in (host.experiments.create, host.pipelines.create):
        create("by hand", description="")
        with pytest.raises(AlreadyThere, match=r"made by hand|belongs to"):
            create("by hand", description=owned("ib"))
    with pytest.raises(AlreadyThere, match="the project 'ia'"):
        host.experiments.create("main", description=owned("ib"))


def test_versions_are_named_once_and_come_newest_first_with_their_documents(host: PipelineHost) -> None:
    pipeline = host.pipelines.create("adding", description=owned("ia"))
    facts = owned("ia", "A text", commit="6f1c", branch="feature/IA-7 ü")
    names = ["main@1", "feature/x@2", "main@3"]
    for name in names:
        host.pipelines.add(pipeline.id, name, DOCUMENT, description=facts)
    found = list(host.pipelines.versions(pipeline.id))
    assert sorted(each.name for each in found) == sorted(names)
    assert [each.created for each in found] == sorted((each.created for each in found), reverse=True)
    newest = host.pipelines.version(pipeline.id, "main@3")
    assert newest is not None
    assert newest.description == facts
    assert codec.to_plain(codec.loads(host.pipelines.document(newest))) == codec.to_plain(codec.loads(DOCUMENT))
    with pytest.raises(AlreadyThere):
        host.pipelines.add(pipeline.id, "main@3", DOCUMENT, description="another")
    host.pipelines.remove(pipeline.id, newest.id)
    assert host.pipelines.version(pipeline.id, "main@3") is None
    host.pipelines.remove(pipeline.id)
    assert host.pipelines.named("adding") is None


def test_a_branch_s_text_that_is_missing_is_promised_only_where_it_can_be_filled_in(
    world: World, host: PipelineHost
) -> None:
    names = Names(prefix=host.claim("ia"), project="ia")
    missing = [Ticket(key="IA-9", why="JIRA_URL is not set", pending=True)]
    made = experiments.file(host, names, "IA-9-later", missing)
    known = experiments.file(host, names, "IA-9-later", [Ticket(key="IA-9", title="DOC TYPE")])

    experiment = host.experiments.named("IA-9-later")
    assert experiment is not None
    if world.edits:
        assert (made.text, made.pending) == ("IA-9 (ticket not looked up: JIRA_URL is not set)", True)
        assert split(experiment.description)[0] == known.text == "[IA-9] DOC TYPE"
    else:
        assert (made.text, made.pending) == ("IA-9", False)
        assert "(JIRA_URL is not set), and " in made.remark
        assert split(experiment.description)[0] == known.text == "IA-9"
    assert experiments.foreseen(host, names, "IA-9-later", missing).done is Filing.FOUND


def test_an_experiment_is_archived_with_its_runs_and_comes_back(world: World, host: PipelineHost) -> None:
    schedule = nightly(host)
    run = host.runs.begin(Order(name="one", experiment=schedule.experiment, pipeline=schedule.pipeline,
                                parameters={"who": "x"}))  # fmt: skip
    host.experiments.archive(schedule.experiment)
    archived = host.experiments.named("main")
    assert archived is not None
    assert archived.archived is not None
    assert host.runs.get(run.id).archived
    assert [each.enabled for each in host.schedules.listed()] == [False]
    host.experiments.unarchive(schedule.experiment)
    assert (host.experiments.named("main") or archived).archived is None
    assert host.experiments.describe(archived.id, "new") is host.experiments.rename(archived.id, "other") is world.edits
    there = host.experiments.named("other" if world.edits else "main")
    assert there is not None
    assert there.description == ("new" if world.edits else archived.description)


def test_a_run_is_begun_found_and_cancelled(host: PipelineHost) -> None:
    schedule = nightly(host)
    order = Order(
        name="by CI",
        description=owned("ia", preset="toy", key="k1"),
        experiment=schedule.experiment,
        pipeline=schedule.pipeline,
        version=schedule.version,
        parameters={"who": "ada", "x": 7},
    )
    run = host.runs.begin(order)
    assert (run.name, run.description, run.parameters) == (order.name, order.description, order.parameters)
    assert (run.experiment, run.pipeline, run.version) == (schedule.experiment, schedule.pipeline, schedule.version)
    assert run.state is RunState.PENDING
    assert run.ended is None
    later = host.runs.begin(replace(order, name="later"))
    assert {each.id for each in host.runs.listed(schedule.experiment)} == {run.id, later.id}
    host.runs.cancel(run.id)
    over = host.runs.get(run.id)
    assert over.state is RunState.CANCELED
    assert over.ended is not None
    host.runs.cancel(run.id)
    with pytest.raises(NotFound):
        host.runs.get("nothing")
    with pytest.raises(PalmetteError):
        host.runs.begin(replace(order, parameters={"y": 1}))


def test_a_recurring_run_is_made_switched_fired_and_removed(host: PipelineHost) -> None:
    made = nightly(host)
    assert [each.id for each in host.schedules.listed()] == [made.id]
    assert (made.parameters, made.trigger) == ({"who": "ada", "x": 3}, Cron(expression="0 0 3 * * *"))
    assert (made.max_concurrency, made.catchup, made.enabled) == (2, Catchup.LATEST, True)
    assert split(made.description)[0] == "Each night"
    assert split(made.description)[1]["follows"] == "main"
    host.schedules.switch(made.id, enabled=False)
    (paused,) = host.schedules.listed()
    assert not paused.enabled
    run = host.schedules.fire(paused)
    assert run.parameters == {"who": "ada", "x": 3}
    assert (run.pipeline, run.version, run.experiment) == (made.pipeline, made.version, made.experiment)
    host.schedules.remove(made.id)
    host.schedules.remove(made.id)
    assert not list(host.schedules.listed())


def test_an_edit_keeps_what_was_before_and_a_paused_one_stays_paused(host: PipelineHost) -> None:
    made = nightly(host)
    other = replace(made, parameters={"who": "bob", "x": 3}, trigger=Periodic(interval=3600))
    edited = host.schedules.replace(made, other, author="ada", why="more often")
    (standing,) = host.schedules.listed()
    assert standing.id == edited.id
    assert (standing.parameters, standing.trigger) == (other.parameters, other.trigger)
    assert standing.enabled
    with pytest.raises(Conflict):
        host.schedules.replace(made, other)
    host.schedules.switch(standing.id, enabled=False)
    (paused,) = host.schedules.listed()
    again = host.schedules.replace(paused, replace(paused, parameters={"who": "eve"}), author="bob")
    (standing,) = host.schedules.listed()
    assert standing.id == again.id
    assert not standing.enabled
    second, first = host.schedules.history(standing)
    assert (first.author, first.why, first.before["parameters.who"]) == ("ada", "more often", "ada")
    assert (second.author, second.before) == ("bob", {"parameters.who": "bob", "parameters.x": 3})
    assert second.after == {"parameters.who": "eve"}
    assert split(standing.description)[0] == "Each night"


class Dying(Kubeflow):
    """A cluster that allows so many changes more, and then none: as if whoever makes them were killed."""

    left: int | None = None

    def answer(self, request: Request, target: str, sent: bytes) -> Reply:
        if request.method != "GET" and self.left is not None:
            self.left -= 1
            if self.left < 0:
                return Reply(403, {"message": "killed"})
        return super().answer(request, target, sent)


@pytest.mark.parametrize("enabled", [True, False])
def test_an_edit_of_a_cluster_that_is_cut_short_is_finished_by_whoever_looks_next(
    tmp_path: Path, enabled: bool
) -> None:
    serving = Serving([])
    served = serving.start(open_home(tmp_path / "home"))
    cluster = Dying(behind=served.url)
    host = kubeflow.reach(Target(name="cluster", host=cluster.url), {})
    with served.client() as client:
        for step in range(4 if enabled else 3):
            host.schedules.switch(nightly(host, f"after {step}").id, enabled=enabled)
            before = next(each for each in host.schedules.listed() if each.name == f"after {step}")
            cluster.left = step
            with pytest.raises(AccessDenied):
                host.schedules.replace(before, replace(before, parameters={"who": "bob"}), author="ada")
            raw = [
                each
                for each in client.get("recurringruns", params={"page_size": 100}).json()["recurringRuns"]
                if each["display_name"] == before.name
            ]
            assert raw
            assert sum(each["status"] == "ENABLED" for each in raw) <= enabled
            # Whoever may only look sees one, too, and not that it is to be paused.
            assert [each.enabled for each in host.schedules.listed() if each.name == before.name] == [enabled]
            cluster.left = None
            standing = next(each for each in host.schedules.listed() if each.name == before.name)
            assert standing.enabled is enabled
            done = step > 0
            assert standing.parameters == ({"who": "bob"} if done else before.parameters)
            assert len(host.schedules.history(standing)) == done
            left = client.get("recurringruns", params={"page_size": 100}).json()["recurringRuns"]
            assert sum(each["display_name"] == before.name for each in left) == 1
    cluster.stop()
    serving.stop()
    served.home.store.close()


@dataclass
class Overtaken(Kubeflow):
    """Somebody else does all of his before its next change."""

    other: Callable[[], object] | None = None

    def answer(self, request: Request, target: str, sent: bytes) -> Reply:
        if request.method != "GET" and self.other is not None:
            other, self.other = self.other, None
            other()
        return super().answer(request, target, sent)


def test_whoever_finishes_an_edit_too_late_changes_nothing(tmp_path: Path) -> None:
    serving = Serving([])
    served = serving.start(open_home(tmp_path / "home"))
    clusters = [Dying(behind=served.url), Overtaken(behind=served.url)]
    one, late = (kubeflow.reach(Target(name="cluster", host=each.url), {}) for each in clusters)
    before = nightly(one)
    clusters[0].left = 1
    with pytest.raises(AccessDenied):
        one.schedules.replace(before, replace(before, parameters={"who": "bob"}))
    clusters[0].left = None

    def again() -> None:
        (standing,) = one.schedules.listed()
        one.schedules.replace(standing, replace(standing, parameters={"who": "eve"}))

    clusters[1].other = again
    assert len([*late.schedules.listed()]) == 1
    with served.client() as client:
        (left,) = client.get("recurringruns", params={"page_size": 100}).json()["recurringRuns"]
    assert (left["status"], left["runtime_config"]["parameters"]) == ("ENABLED", {"who": "eve"})
    for each in clusters:
        each.stop()
    serving.stop()
    served.home.store.close()


def test_of_two_edits_at_once_one_stands(world: World, host: PipelineHost) -> None:
    before = nightly(host)
    together = threading.Barrier(2)
    ended: list[str] = []

    def edit(who: str) -> None:
        own = world.of("ia")
        together.wait()
        try:
            own.schedules.replace(before, replace(before, parameters={"who": who}), author=who)
            ended.append(who)
        except (Conflict, NotFound):
            pass

    threads = [threading.Thread(target=edit, args=(who,)) for who in ("ada", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (standing,) = host.schedules.listed()
    assert standing.enabled
    assert standing.parameters["who"] in ended
    if world.edits:
        assert len(ended) == 1
