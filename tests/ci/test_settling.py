"""Trainings that end after their job: the note and the commit's status change then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from benchmarks.trained import Past, Told
from tests.standins import gitlab
from tests.standins.gitlab import GitLab

from palmette.authoring.results import Evaluation
from palmette.ci import forges, reporting, settling
from palmette.ci.forge import Forge
from palmette.ci.settling import Settled
from palmette.domain.branches import Check, Kind
from palmette.domain.context import Context, Provider
from palmette.domain.graph import MetricSpec
from palmette.domain.run import Change, Process, Run, RunChanged, TaskChanged
from palmette.domain.states import RunState, TaskState
from palmette.errors import ServerError
from palmette.operations import checks, extras, reports, secrets
from palmette.operations.extras import Extra, Purpose
from palmette.operations.inside import Inside
from palmette.present import notes
from palmette.present.notes import Section
from palmette.server.follower import Follower
from palmette.store import leases
from palmette.store.ledger import RunLedger

ACCURACY = MetricSpec(name="accuracy", goal="max", primary=True, tolerance=0.01, of="sklearn.metrics:accuracy_score")
SHA, BASE = "c" * 40, "b" * 40
BRANCH = "feature/IA-1742-doc-type"


class Live(Past):
    """Trainings, some of which have not ended."""

    _held = False

    def begin(self, told: Told) -> str:
        """A training that runs until `end`."""
        self._held = True
        run = self.add(told)
        self._held = False
        return run

    def end(self, run: str, state: RunState = RunState.SUCCEEDED, *before: Change) -> None:
        """That training ends so, after these changes."""
        lease = leases.take(self.home.store, run, "host", Process(pid=1, start=1, boot="boot"), alive=lambda _: False)
        RunLedger(self.home.store, lease, lambda _: True).record([*before, RunChanged(state=state, time=2_000.0)])

    def _changes(self, run: Run, told: Told) -> list[Change]:
        changes = super()._changes(run, told)
        return changes[:-1] if self._held else changes


def told(right: float, *, keys: Any = None, **more: Any) -> Told:
    """A training that answers this share of 400 examples right."""
    labels = np.arange(400) % 2
    predictions = np.where(np.random.default_rng(1).permutation(400) < right * 400, labels, 1 - labels)
    every = np.arange(400) if keys is None else keys
    evaluation = Evaluation(keys=every, labels=labels, predictions=predictions)
    return Told(metrics=(ACCURACY,), numbers={"accuracy": right}, evaluation=evaluation, **more)


@dataclass
class World:
    """A home with a training on main and one of a branch, whose job is over; and the forge of both."""

    past: Live
    lab: GitLab
    run: str
    clock: float = 2_000.0

    @property
    def place(self) -> Inside:
        return Inside(self.past.home)

    @property
    def context(self) -> Context:
        return Context(
            provider=Provider.GITLAB,
            branch=BRANCH,
            head=SHA,
            repository="acme/ia",
            repository_id="1217",
            api=self.lab.api,
            job_url="https://gitlab.example/jobs/9",
        )

    @property
    def check(self) -> Check:
        (found,) = checks.of(self.past.home, SHA)
        return found

    def note(self) -> str:
        (note,) = self.lab.notes[7]
        return str(note["body"])

    def forge(self, context: Context) -> Forge:
        found = forges.of(context, {forges.OWN: gitlab.TOKEN})
        assert found is not None
        return found

    def settle(self, **more: Any) -> Settled:
        given: dict[str, Any] = {"forge_of": self.forge, "accept": lambda _: None, "now": lambda: self.clock}
        return settling.settle(self.place, {}, **{**given, **more})

    def end(self, state: RunState = RunState.SUCCEEDED) -> None:
        """The training ends."""
        self.past.end(self.run, state)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    past, lab = Live(tmp_path / "home"), gitlab.start()
    lab.open(BRANCH, sha=SHA)
    past.add(told(0.95, commit=BASE))
    run = past.begin(told(0.6, commit=SHA, branch=BRANCH, code="2"))
    made = World(past, lab, run)
    check = Check(
        project="clinic",
        commit=SHA,
        algorithm="tumour",
        kind=Kind.FULL,
        run=run,
        branch=BRANCH,
        context=made.context,
        created=1_990.0,
    )
    checks.record(past.home, check)
    yield made
    lab.stop()
    past.home.store.close()


def job(world: World) -> None:
    """What the job says that began the training, before it is over."""
    found = reports.keep(world.place, reports.report(world.place, None, {}, world.context))
    reporting.tell(world.forge(world.context), found)


def test_the_note_and_the_status_change_when_a_training_ends_after_its_job(world: World) -> None:
    job(world)
    assert f"running, run `{world.run}`; the verdict stands here once it ends" in world.note()
    assert world.lab.state(SHA, reporting.QUALITY) == "running"
    assert world.settle().running == (world.check,)

    world.end()
    found = world.settle()
    assert [each.run for each in found.done] == [world.run]
    assert "#### 🔴 `tumour`: worse" in world.note()
    assert world.lab.state(SHA, reporting.QUALITY) == "success"
    assert world.check.settled == 2_000.0
    assert world.check.verdict["outcome"] == "worse"
    assert world.check.verdict["primary"] == {
        "metric": "accuracy",
        "head": 0.6,
        "baseline": 0.95,
        "difference": pytest.approx(-0.35),
    }
    assert world.settle() == Settled()


def test_a_training_that_fails_after_its_job_fails_the_status(world: World) -> None:
    failed = TaskChanged(
        task="fit",
        state=TaskState.FAILED,
        time=1.0,
        message="exit code 1: builtins.ValueError: patient Ada is too old",
    )
    world.past.end(world.run, RunState.FAILED, failed)
    world.settle()
    assert world.lab.state(SHA, reporting.QUALITY) == "failed"
    # Where and how, and nothing that the step may have read.
    assert f"run `{world.run}` failed in `fit (ValueError)`: " in world.note()
    assert "Ada" not in world.note()


def test_a_servers_follower_does_it_with_the_token_that_is_its_secret(world: World, tmp_path: Path) -> None:
    environ = {"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")}
    home = replace(world.past.home, project="")
    job(world)
    world.end()
    Follower(home, environ).look()
    assert world.check.settled is None
    secret = {"token": gitlab.TOKEN, "url": world.lab.api, "kind": "gitlab"}
    secrets.keep(home, "forge", secret, environ, project="clinic")
    Follower(home, environ).look()
    assert "#### 🔴 `tumour`: worse" in world.note()
    assert world.lab.state(SHA, reporting.QUALITY) == "success"
    assert world.check.settled is not None


def test_a_followers_token_goes_to_no_address_that_a_job_names(world: World, tmp_path: Path) -> None:
    environ = {"XDG_CONFIG_HOME": str(tmp_path / "config")}
    home = replace(world.past.home, project="")
    secret = {"token": "glpat-secret", "url": "https://gitlab.example/api/v4", "kind": "gitlab"}
    secrets.keep(home, "forge", secret, environ)
    world.end()
    Follower(home, environ).look()
    assert world.lab.requests == []
    assert "another forge" in world.check.trouble
    assert world.check.settled is None


def test_two_followers_at_once_report_once(world: World) -> None:
    world.end()
    together = threading.Barrier(2)

    def one(_: int) -> Settled:
        together.wait()
        return world.settle()

    with ThreadPoolExecutor(2) as both:
        found = list(both.map(one, range(2)))
    assert sum(len(each.done) for each in found) == 1
    assert len(world.lab.asked("POST", "/notes")) == 1
    assert len(world.lab.statuses[SHA]) == 2


def test_a_forge_that_is_down_is_asked_again_later_and_given_up_after_a_day(world: World) -> None:
    world.end()
    world.lab.mode = "502"
    assert world.settle().troubled[0].trouble.startswith("the note was not written: GitLab answers 502")
    asked = len(world.lab.requests)
    assert world.settle().left == (world.check,)
    assert len(world.lab.requests) == asked
    world.clock += 3_600
    world.lab.mode = ""
    assert len(world.settle().done) == 1
    assert world.check.trouble == ""

    checks.record(world.past.home, replace(world.check, settled=None, key="again"))
    world.lab.mode = "down"
    assert len(world.settle().troubled) == 1
    world.clock += 86_401
    assert len(world.settle().given_up) == 1
    assert (world.check.settled, bool(world.check.trouble)) == (world.clock, True)


def test_what_failed_is_tried_again_after_twice_as_long_each_time_and_at_least_twice_an_hour(world: World) -> None:
    def down(_: Context) -> Forge:
        raise ServerError("the forge does not answer")

    def at(moment: float) -> Settled:
        return world.settle(forge_of=down, now=lambda: moment)

    world.end()
    for tries, wait in ((0, 5.0), (1, 10.0), (2, 20.0), (8, 1_280.0), (9, 1_800.0), (2_000, 1_800.0)):
        known = replace(world.check, key=f"try {tries}", tries=tries, verdict={"tried": 5_000.0, "since": 5_000.0})
        checks.record(world.past.home, known)
        assert at(4_999.0 + wait).left == (world.check,), tries
        (troubled,) = at(5_000.0 + wait).troubled
        assert (troubled.trouble, troubled.settled) == ("the forge does not answer", None)


def test_what_is_too_much_for_one_time_is_left_for_the_next(world: World) -> None:
    world.end()
    found = world.settle(limit=0)
    assert (found.left, found.over) == ((world.check,), False)
    assert world.settle(limit=1).done


def test_whose_clock_is_a_day_ahead_keeps_nobody_from_trying_again(world: World) -> None:
    world.end()
    world.lab.mode = "502"
    world.clock += 86_400
    assert len(world.settle().troubled) == 1
    world.clock -= 86_400
    world.lab.mode = ""
    assert len(world.settle().done) == 1


class Asking(Inside):
    """A home whose comparisons ask for something to be executed, until it was."""

    executed: ClassVar[set[str]] = set()

    def __call__(self, operation: Callable[..., Any], *values: Any, **named: Any) -> Any:
        if operation is extras.needed:
            run, baseline = values
            extra = Extra(head=run, baseline=baseline, purpose=Purpose.RESCORED)
            return () if run in self.executed else (extra,)
        return super().__call__(operation, *values, **named)


def test_what_a_comparison_asks_for_is_handed_in_and_reported_once_it_is_done(world: World) -> None:
    # Other test data: only the baseline's model, asked about these, would tell.
    run = world.past.add(told(0.9, keys=np.arange(400) + 40, commit=SHA, branch=BRANCH, code="3", data="tuesday"))
    checks.record(world.past.home, replace(world.check, run=run, key="other"))
    asked: list[Extra] = []
    place = Asking(world.past.home)
    given: dict[str, Any] = {"forge_of": world.forge, "accept": asked.append, "now": lambda: world.clock}
    assert [each.run for each in settling.settle(place, {}, **given).running] == [run]
    assert [each.head for each in asked] == [run]
    assert (world.check.settled, world.lab.notes) == (None, {})
    place.executed.add(run)
    assert [each.run for each in settling.settle(place, {}, **given).done] == [run]
    assert "#### ⚪ `tumour`: not comparable" in world.note()


def test_a_training_begun_by_hand_is_reported_with_those_of_jobs(world: World) -> None:
    world.end()
    by_hand = world.past.add(told(0.9, commit=SHA, branch=BRANCH, algorithm="digits"))
    world.past.add(told(0.9, commit=SHA, branch=BRANCH, algorithm="other", dirty=True))
    world.past.add(told(0.9, commit=SHA, branch=BRANCH, algorithm="third", config={"C": 2}, overrides=["C"]))
    found = reports.keep(world.place, reports.report(world.place, None, {}, world.context))
    stages = {each.algorithm: each.quality.stage for each in found.algorithms}
    assert stages == {
        "digits": reports.Stage.SUCCEEDED,
        "third": reports.Stage.NONE,
        "tumour": reports.Stage.SUCCEEDED,
    }
    kept = {each.algorithm: each for each in checks.of(world.past.home, SHA)}
    assert (kept["digits"].run, kept["digits"].reason) == (by_hand, "begun by hand")


def test_a_status_is_its_commits_whatever_the_note_tells_of_by_then(world: World) -> None:
    check, head = world.check, "e" * 40
    other = world.past.add(told(0.95, commit=SHA, branch=BRANCH, algorithm="digits"))
    checks.record(world.past.home, replace(check, algorithm="digits", run=other, settled=1.0))
    job(world)
    for name in ("digits", "tumour"):
        newer = world.past.begin(told(0.9, commit=head, branch=BRANCH, algorithm=name))
        checks.record(world.past.home, replace(check, commit=head, algorithm=name, run=newer))
    world.lab.open(BRANCH, sha=head)
    context = replace(world.context, head=head)
    reporting.tell(world.forge(context), reports.report(world.place, None, {}, context))
    before = notes.sections(world.note())
    assert {each.commit for each in before} == {head}

    world.end()
    assert [each.algorithm for each in world.settle().done] == ["tumour"]
    assert notes.sections(world.note()) == before
    assert world.lab.state(head, reporting.QUALITY) == "running"
    # Of both algorithms, though only one was reported now, and the note has neither.
    (said,) = [each["description"] for each in world.lab.statuses[SHA] if each["name"] == reporting.QUALITY][-1:]
    assert said == "digits not comparable, tumour worse"


def test_a_training_with_values_of_its_own_is_told_of_and_leaves_the_commits_verdict_alone(
    world: World, tmp_path: Path
) -> None:
    world.end()
    world.settle()
    own = world.past.add(told(0.97, commit=SHA, branch=BRANCH, code="2", config={"C": 3}, overrides=["C"]))
    variant = Check(
        project="clinic", commit=SHA, algorithm="tumour", kind=Kind.VARIANT, variant="1", run=own, context=world.context
    )
    checks.record(world.past.home, variant)
    assert [each.run for each in world.settle().done] == [own]
    assert "#### 🔴 `tumour`: worse" in world.note()
    assert f"- **Variant** `C=3` (run `{own}` against " in world.note()
    assert {each["description"] for each in world.lab.statuses[SHA] if each["name"] == reporting.QUALITY} == {
        "tumour worse"
    }
    kept = {each.kind: each.verdict["outcome"] for each in checks.of(world.past.home, SHA)}
    assert kept == {Kind.FULL: "worse", Kind.VARIANT: "better"}
    reporting.write(reports.report(world.place, None, {}, world.context), tmp_path, title="[IA-1742] DOC TYPE")
    page = (tmp_path / "report.html").read_text()
    assert f"<li>tumour with C=3 (run {own}): better: " in page
    assert f">clinic {BRANCH} {SHA[:8]}<" in page


def test_a_commit_that_was_trained_with_other_values_alone_has_no_quality(world: World) -> None:
    own = world.past.add(told(0.97, commit="d" * 40, branch=BRANCH, config={"C": 3}, overrides=["C"]))
    checks.record(
        world.past.home,
        replace(world.check, commit="d" * 40, kind=Kind.VARIANT, variant="1", run=own, context=Context()),
    )
    context = replace(world.context, head="d" * 40)
    found = reports.keep(world.place, reports.report(world.place, None, {}, context))
    (each,) = found.algorithms
    assert (each.trains.stage, each.quality.stage, each.compared) == (reports.Stage.NONE, reports.Stage.NONE, None)
    assert [one.run.id for one in each.variants] == [own]
    # What another job writes of the algorithm meanwhile does not lose it.
    assert reports.stamps(world.place, "d" * 40) == {"tumour": reports.stamp(each)}
    assert reporting.standing(context, [notes.section(found, each)]) == []


@pytest.mark.parametrize("said", ["javascript:alert(1)", "", "data:text/html,x"])
def test_a_status_links_to_pages_alone(said: str) -> None:
    section = Section(algorithm="tumour", commit=SHA, stamp="", word="none", trains="succeeded")
    page = "https://gitlab.example/acme/ia/-/pipelines/1"
    links = [each.url for each in reporting.standing(Context(job_url=said, pipeline_url=page), [section])]
    assert links == [page]


@pytest.mark.parametrize(("closure", "known"), [("c1", True), ("c2", False), ("", False)])
def test_a_commit_that_changes_nothing_of_an_algorithm_is_told_what_was_judged_of_it(
    world: World, closure: str, known: bool
) -> None:
    checks.record(world.past.home, replace(world.check, closure="c1", created=1_991.0))
    world.end()
    assert len(world.settle().done) == 1
    later = replace(world.context, head="d" * 40)
    trial = Check(
        project="clinic", commit=later.head, algorithm="tumour", kind=Kind.TOY, branch=BRANCH, closure=closure
    )
    checks.record(world.past.home, trial)
    (found,) = reports.report(world.place, None, {}, later).algorithms
    assert found.quality.run is None
    assert (found.alike.run if found.alike else "") == (world.run if known else "")
