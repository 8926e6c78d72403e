"""What goes into a store comes out of it, on every database."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import event

from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.fingerprint import Parts, fingerprint
from palmette.domain.graph import MetricSpec
from palmette.domain.metric import MetricPoint
from palmette.domain.run import (
    Attempt,
    AttemptEnded,
    AttemptStarted,
    Change,
    Environment,
    Git,
    Host,
    Lease,
    Pin,
    PointsLogged,
    Process,
    Reused,
    Run,
    RunChanged,
    Setting,
    Source,
    TaskChanged,
    TaskRecord,
    TasksPlanned,
)
from palmette.domain.states import AttemptState, RunState, TaskState
from palmette.errors import LeaseLost, NotFound, StoreError
from palmette.store import artifacts, captures, identity, leases, metrics, runs, tasks
from palmette.store.captures import BundleRecord
from palmette.store.database import Store
from palmette.store.ledger import RunLedger
from palmette.store.rehearsal import rehearse
from palmette.store.runs import Filter

Accept = Callable[..., Run]
Drive = Callable[[Run], Lease]

MODEL = Artifact(
    type="system.Model", digest="sha256:aa", size=10, filename="output.joblib", metadata={"format": "joblib"}
)
SCAN = Artifact(type="system.Dataset", digest="etag:5", size=0, filename="scan.nii", uri="s3://scans/1.nii")
WEIRD = "half a pair \ud800, a NUL \0 and é"

FULL = Run(
    id="full00000000",
    project="clinic",
    algorithm="tumour",
    name="a name",
    description="described",
    preset="toy",
    settings=(
        Setting(name="penalty", value="l1", source=Source.OVERRIDE),
        Setting(name="C", value=0.1, source=Source.PRESET, origin="toy"),
        Setting(name="folds", value=[1, 2], source=Source.FILE, origin="a.toml"),
        Setting(name="deep.flag", value=True),
        Setting(name="limit", value=None),
    ),
    metrics=(MetricSpec(name="auc", goal="max", primary=True, tolerance=0.005),),
    git=Git(branch="main", commit="c" * 40, author="A", message="m", committed=5.5, dirty=True, diff="sha256:dd"),
    bundle="b" * 64,
    environment=Environment(
        digest="e" * 64,
        python="3.11.7",
        platform="linux",
        executable="/usr/bin/python3",
        pins=(Pin(name="numpy", version="2.0", hashes=("sha256:1",)), Pin(name="pandas", version="2.2")),
        lock="uv.lock",
        lock_digest="f" * 64,
    ),
    host=Host(name="here", boot="boot", cpus=2, memory=2**40),
    spec="sha256:ee",
    version="v1",
    trigger="ci",
    tokens={"exec-fetch": "2026-01-01"},
    refresh=True,
    created=1000.25,
    tags=("a", "b"),
    note="noted",
    sweep="sweep0000000",
    origin="first0000000",
    ticket="IA-1742",
)


def running(serial: int = 1, process: Process | None = None) -> Attempt:
    return Attempt(
        serial=serial, number=1, state=AttemptState.RUNNING, how="fork", process=process, queued=1.0, started=2.0
    )


def points(*values: float, serial: int = 1, position: int = 1, task: str = "fit", name: str = "loss") -> PointsLogged:
    logged = tuple(
        MetricPoint(name=name, value=value, step=step, time=float(position)) for step, value in enumerate(values)
    )
    return PointsLogged(task=task, serial=serial, points=logged, position=position)


@pytest.fixture
def run(accept: Accept) -> Run:
    return accept()


@pytest.fixture
def ledger(store: Store, run: Run, drive: Drive) -> RunLedger:
    return RunLedger(store, drive(run), exists=lambda digest: digest != "sha256:gone")


class TestRuns:
    def test_a_run_comes_back_as_it_was(self, store: Store) -> None:
        runs.create(store, FULL)
        assert runs.get(store, FULL.id) == FULL

    def test_a_run_without_a_time_is_created_now(self, accept: Accept) -> None:
        assert accept().created > 1_700_000_000

    def test_the_same_id_twice_is_refused(self, store: Store) -> None:
        runs.create(store, FULL)
        with pytest.raises(StoreError, match="a run full00000000 already"):
            runs.create(store, FULL)

    def test_text_that_no_database_takes_is_kept_as_far_as_it_goes(self, store: Store, accept: Accept) -> None:
        settings = (Setting(name="text", value="a NUL \0 stays in JSON"),)
        run = accept(description=WEIRD, settings=settings, git=Git(message=WEIRD))
        assert runs.get(store, run.id).description.endswith("and é")
        assert "\0" not in run.description
        assert run.settings == settings

    def test_a_run_is_named_by_id_by_its_beginning_as_last_or_by_its_algorithm(
        self, store: Store, accept: Accept
    ) -> None:
        first = accept(id="abcd11111111", created=1.0)
        second = accept(id="abce22222222", created=2.0)
        third = accept(id="zzzz33333333", created=3.0, algorithm="diagnosis")
        names = {"abcd11111111": first, "abcd": first, "tumour": second, "last": third, "diagnosis": third}
        assert {name: runs.get(store, name) for name in names} == names

    def test_an_ambiguous_beginning_lists_the_runs(self, store: Store, accept: Accept) -> None:
        accept(id="abcd11111111")
        accept(id="abcd22222222")
        with pytest.raises(NotFound, match="several runs") as caught:
            runs.get(store, "abcd")
        assert "abcd11111111 (tumour)" in caught.value.hint
        assert "abcd22222222 (tumour)" in caught.value.hint

    @pytest.mark.parametrize(
        ("name", "hint"),
        [("tumor", "Did you mean tumour"), ("q", "at least 4 characters"), ("nothing-like-it", "tumour"), ("a_cd", "")],
    )
    def test_an_unknown_name_is_answered_with_what_may_be_meant(
        self, store: Store, accept: Accept, name: str, hint: str
    ) -> None:
        accept(id="abcd11111111")
        with pytest.raises(NotFound) as caught:
            runs.get(store, name)
        assert hint in caught.value.hint

    def test_last_without_runs_says_how_to_start_one(self, store: Store) -> None:
        with pytest.raises(NotFound, match="no runs yet"):
            runs.get(store, "last")

    def test_a_project_sees_only_its_own(self, store: Store, accept: Accept) -> None:
        accept(id="mine00000000", created=1.0)
        accept(id="other0000000", created=2.0, project="other")
        assert runs.get(store, "last", project="clinic").id == "mine00000000"
        with pytest.raises(NotFound, match="run other0000000 is one of the project 'other'"):
            runs.get(store, "other0000000", project="clinic")
        assert runs.get(store, "other0000000").project == "other"

    def test_the_previous_run_is_of_the_same_algorithm(self, store: Store, accept: Accept) -> None:
        first = accept(created=1.0)
        accept(created=2.0, algorithm="diagnosis")
        second = accept(created=3.0)
        assert runs.previous(store, second) == first
        assert runs.previous(store, first) is None

    def test_tags_and_notes_change(self, store: Store, run: Run) -> None:
        runs.tag(store, run.id, ["x", "y"])
        runs.tag(store, run.id, ["y", "z"])
        runs.untag(store, run.id, ["x", "unknown"])
        runs.note(store, run.id, "first")
        runs.note(store, run.id, "second")
        after = runs.get(store, run.id)
        assert (after.tags, after.note) == (("y", "z"), "second")

    def test_marking_an_unknown_run_is_refused(self, store: Store) -> None:
        for mark in (lambda: runs.tag(store, "x", ["t"]), lambda: runs.note(store, "x", "n")):
            with pytest.raises(NotFound):
                mark()


class TestLists:
    def test_the_newest_come_first_and_pages_join_without_gap(self, store: Store, accept: Accept) -> None:
        made = [accept(created=float(number // 2)).id for number in range(7)]
        pages: list[str] = []
        while found := runs.page(store, limit=2, after=pages[-1] if pages else ""):
            pages += [listed.run.id for listed in found]
        assert sorted(pages) == sorted(made)
        assert pages == [listed.run.id for listed in runs.page(store)]

    @pytest.mark.parametrize(
        "where",
        [
            Filter(algorithm="diagnosis"),
            Filter(branch="feature"),
            Filter(commit="abc"),
            Filter(preset="toy"),
            Filter(tags=("seen", "unknown")),
            Filter(since=50.0),
            Filter(project="other"),
            Filter(states=(RunState.FAILED,)),
        ],
    )
    def test_a_filter_leaves_what_it_names(self, store: Store, accept: Accept, where: Filter) -> None:
        accept(created=10.0, git=Git(branch="main", commit="d" * 40))
        wanted = accept(
            project="other",
            algorithm="diagnosis",
            preset="toy",
            state=RunState.FAILED,
            created=60.0,
            git=Git(branch="feature", commit="abc" + "0" * 37),
            tags=("seen",),
        )
        assert [listed.run.id for listed in runs.page(store, where)] == [wanted.id]

    def test_a_row_shows_declared_metrics_and_task_counts(self, store: Store, accept: Accept, drive: Drive) -> None:
        run = accept(metrics=(MetricSpec(name="auc", goal="max"), MetricSpec(name="f1", goal="max")))
        ledger = RunLedger(store, drive(run), exists=lambda _digest: True)
        ledger.record(
            [
                TasksPlanned(tasks=(TaskRecord(name="each.0"), TaskRecord(name="each.0.fetch", executor="e"))),
                TasksPlanned(tasks=(TaskRecord(name="last", executor="e"),)),
                TaskChanged(task="last", state=TaskState.SUCCEEDED, time=1.0),
                TaskChanged(task="each.0.fetch", state=TaskState.CACHED, time=1.0),
                TaskChanged(task="each.0", state=TaskState.SUCCEEDED, time=1.0),
                points(0.5, 0.75, name="auc"),
                points(1.0, position=2, name="undeclared"),
            ]
        )
        (listed,) = runs.page(store)
        assert listed.metrics == {"auc": 0.75}
        assert listed.tasks == {TaskState.SUCCEEDED: 1, TaskState.CACHED: 1}
        assert listed.cached == 1

    def test_what_came_to_be_in_a_loop_stands_behind_the_loop(self, store: Store, accept: Accept, drive: Drive) -> None:
        planned = [TaskRecord(name="each"), TaskRecord(name="last", executor="e")]
        run = accept()
        ledger = RunLedger(store, drive(run), exists=lambda _digest: True)
        ledger.record([TasksPlanned(tasks=tuple(planned))])
        numbers = (0, 1, 10, 2)
        ledger.record(
            [TasksPlanned(tasks=tuple(TaskRecord(name=f"each.{n}") for n in numbers))]
            + [TasksPlanned(tasks=(TaskRecord(name=f"each.{n}.fit", executor="e"),)) for n in numbers]
        )
        names = [record.name for record in tasks.of_run(store, run.id)]
        behind = [name for n in numbers for name in (f"each.{n}", f"each.{n}.fit")]
        assert names[names.index("each") :] == ["each", *behind, "last"]

    def test_a_page_asks_the_same_number_of_questions_however_long_it_is(self, store: Store, accept: Accept) -> None:
        asked: list[str] = []
        event.listen(store._reader, "before_cursor_execute", lambda *args: asked.append(args[2]))

        def questions(limit: int) -> int:
            asked.clear()
            runs.page(store, limit=limit)
            return len(asked)

        for _number in range(5):
            accept(metrics=(MetricSpec(name="auc", goal="max"),))
        assert questions(1) == questions(5)


class TestTasks:
    def test_planned_tasks_keep_their_order(self, store: Store) -> None:
        planned = [TaskRecord(name=name, executor="e", component="c", needs=("z",)) for name in ("z", "b", "a")]
        runs.create(store, FULL, planned)
        assert list(tasks.of_run(store, FULL.id)) == planned

    def test_changes_together_come_to_what_they_come_to_one_by_one(
        self, store: Store, run: Run, ledger: RunLedger
    ) -> None:
        def life(task: str) -> list[Change]:
            process = Process(pid=7, start=8, boot="boot")
            failed = replace(running(), state=AttemptState.FAILED, ended=3.0, exit_code=1, message="no")
            return [
                TaskChanged(task=task, state=TaskState.QUEUED, time=1.0, fingerprint="f", parts=Parts(what="m:fit")),
                TaskChanged(task=task, state=TaskState.RUNNING, time=2.0),
                AttemptStarted(task=task, attempt=running()),
                AttemptStarted(task=task, attempt=running(process=process)),
                AttemptEnded(task=task, attempt=failed),
                TaskChanged(task=task, state=TaskState.QUEUED, time=3.0, message="again"),
                TaskChanged(task=task, state=TaskState.RUNNING, time=4.0),
                AttemptStarted(task=task, attempt=running(serial=2)),
            ]

        for change in life("one by one"):
            ledger.record([change])
        ledger.record(life("together"))
        apart, together = (tasks.get(store, run.id, name) for name in ("one by one", "together"))
        assert together == replace(apart, name="together")

    def test_a_task_goes_through_its_states(self, store: Store, run: Run, ledger: RunLedger) -> None:
        parts = Parts(what="m:fit", parameters={"C": 0.1, "seed": 3}, inputs={"data": ("sha256:1",)}, gpu=True)
        outputs = Outputs(parameters={"auc": 0.5, "names": ["é", None]}, artifacts={"model": MODEL, "scan": SCAN})
        process = Process(pid=7, start=8, boot="boot")
        ledger.record([TaskChanged(task="fit", state=TaskState.QUEUED, time=1.0, fingerprint="f", parts=parts)])
        ledger.record(
            [TaskChanged(task="fit", state=TaskState.RUNNING, time=2.0), AttemptStarted(task="fit", attempt=running())]
        )
        ledger.record([AttemptStarted(task="fit", attempt=running(process=process))])
        ended = Attempt(
            serial=1,
            number=1,
            state=AttemptState.SUCCEEDED,
            how="fork",
            why="no GPU",
            queued=1.0,
            started=2.0,
            ended=9.5,
            cpu_seconds=3.5,
            peak_memory=2**40,
            exit_code=0,
            message=WEIRD,
            directory="runs/x/fit/1",
        )
        ledger.record(
            [
                AttemptEnded(task="fit", attempt=ended),
                TaskChanged(task="fit", state=TaskState.SUCCEEDED, time=9.5, outputs=outputs, message="fine"),
            ]
        )
        task = tasks.get(store, run.id, "fit")
        assert (task.state, task.fingerprint, task.parts, task.outputs) == (TaskState.SUCCEEDED, "f", parts, outputs)
        assert (task.started, task.ended, task.message) == (2.0, 9.5, "fine")
        (attempt,) = task.attempts
        assert attempt.process == process, "the end of an attempt does not forget its process"
        assert (attempt.state, attempt.ended, attempt.peak_memory) == (AttemptState.SUCCEEDED, 9.5, 2**40)
        assert tasks.of_run(store, run.id) == (task,)
        assert artifacts.of_run(store, run.id) == {"fit": outputs}

    def test_a_retried_task_has_no_end_yet_and_started_when_it_was_first_tried(
        self, store: Store, run: Run, ledger: RunLedger
    ) -> None:
        ledger.record([TaskChanged(task="fit", state=TaskState.RUNNING, time=1.0)])
        ledger.record([TaskChanged(task="fit", state=TaskState.QUEUED, time=2.0, message="again")])
        ledger.record([TaskChanged(task="fit", state=TaskState.RUNNING, time=3.0)])
        task = tasks.get(store, run.id, "fit")
        assert (task.started, task.ended, task.message) == (1.0, None, "")

    def test_an_unknown_task_is_answered_with_those_there_are(self, store: Store) -> None:
        runs.create(store, FULL, [TaskRecord(name="fit")])
        with pytest.raises(NotFound) as caught:
            tasks.get(store, FULL.id, "fti")
        assert "fit" in caught.value.hint

    def test_a_run_goes_through_its_states(self, store: Store, run: Run, ledger: RunLedger) -> None:
        ledger.record([RunChanged(state=RunState.RUNNING, time=1.0)])
        ledger.record([RunChanged(state=RunState.RUNNING, time=2.0)])
        ledger.record([RunChanged(state=RunState.FAILED, time=3.0, message="fit failed")])
        after = runs.get(store, run.id)
        assert (after.state, after.started, after.ended, after.message) == (RunState.FAILED, 1.0, 3.0, "fit failed")


class TestReuse:
    KEY = fingerprint(Parts(what="m:fit"))

    def succeed(self, ledger: RunLedger, task: str, time: float, digest: str = "sha256:aa") -> None:
        model = Artifact(type="system.Model", digest=digest, size=1, filename="m")
        ledger.record(
            [
                TaskChanged(
                    task=task,
                    state=TaskState.SUCCEEDED,
                    time=time,
                    fingerprint=self.KEY,
                    outputs=Outputs(artifacts={"model": model}, parameters={"time": time}),
                )
            ]
        )

    def test_the_newest_success_is_reused(self, run: Run, ledger: RunLedger) -> None:
        self.succeed(ledger, "old", 1.0)
        self.succeed(ledger, "new", 2.0)
        found = ledger.reusable(self.KEY)
        assert found is not None
        assert (found.run, found.task, found.made) == (run.id, "new", 2.0)
        assert found.outputs.parameters == {"time": 2.0}

    def test_nothing_is_reused_that_did_not_succeed_or_whose_bytes_are_gone(self, ledger: RunLedger) -> None:
        assert ledger.reusable(self.KEY) is None
        ledger.record([TaskChanged(task="bad", state=TaskState.FAILED, time=9.0, fingerprint=self.KEY)])
        assert ledger.reusable(self.KEY) is None
        self.succeed(ledger, "old", 1.0)
        self.succeed(ledger, "new", 2.0, digest="sha256:gone")
        found = ledger.reusable(self.KEY)
        assert found is not None
        assert found.task == "old"

    def test_a_cached_task_points_to_the_one_that_did_the_work(
        self, store: Store, run: Run, ledger: RunLedger, accept: Accept, drive: Drive
    ) -> None:
        self.succeed(ledger, "fit", 1.0)
        second = accept()
        cached = RunLedger(store, drive(second), exists=lambda _digest: True)
        found = cached.reusable(self.KEY)
        cached.record([TaskChanged(task="fit", state=TaskState.CACHED, time=5.0, fingerprint=self.KEY, reused=found)])
        task = tasks.get(store, second.id, "fit")
        assert (task.cached_from, task.cached_made) == (f"{run.id}/fit", 1.0)
        assert found is not None
        assert task.outputs == found.outputs
        assert cached.reusable(self.KEY) == Reused(run=run.id, task="fit", made=1.0, outputs=found.outputs)

    def test_what_is_reused_has_the_metrics_of_the_attempt_that_did_the_work(
        self, store: Store, ledger: RunLedger, accept: Accept, drive: Drive
    ) -> None:
        lost, curve = points(9.0, 8.0, 7.0), points(3.0, math.nan, serial=2)
        final = points(0.9, serial=2, position=20, name="auc")
        ledger.record([lost, curve, final, points(5.0, task="other")])
        self.succeed(ledger, "fit", 1.0)
        second = RunLedger(store, drive(accept()), exists=lambda _digest: True)
        found = second.reusable(self.KEY)
        assert found is not None
        assert [(point.name, point.value, point.step, point.time) for point in found.points] == [
            ("loss", 3.0, 0, 1.0),
            ("loss", pytest.approx(math.nan, nan_ok=True), 1, 1.0),
            ("auc", 0.9, 0, 20.0),
        ]
        cached = TaskChanged(task="fit", state=TaskState.CACHED, time=5.0, fingerprint=self.KEY, reused=found)
        second.record([cached, PointsLogged(task="fit", serial=0, points=found.points, position=1)])
        third = RunLedger(store, drive(accept()), exists=lambda _digest: True).reusable(self.KEY)
        assert third is not None
        assert [point.name for point in third.points] == ["loss", "loss", "auc"]

    def test_another_project_reuses_nothing(
        self, store: Store, ledger: RunLedger, accept: Accept, drive: Drive
    ) -> None:
        self.succeed(ledger, "fit", 1.0)
        other = RunLedger(store, drive(accept(project="other")), exists=lambda _digest: True)
        assert other.reusable(self.KEY) is None


class TestMetrics:
    def test_a_curve_comes_back_in_order(self, store: Store, run: Run, ledger: RunLedger) -> None:
        ledger.record([points(3.0, 2.0, position=10), points(1.0, position=20)])
        (curve,) = metrics.history(store, run.id, "loss")
        assert [point.value for point in curve.points] == [3.0, 2.0, 1.0]
        (summary,) = metrics.of_run(store, run.id)
        assert (summary.last, summary.low, summary.high, summary.points) == (1.0, 1.0, 3.0, 3)
        assert metrics.position(store, run.id, "fit", 1) == 20

    def test_a_batch_written_twice_counts_once(self, store: Store, run: Run, ledger: RunLedger) -> None:
        for _time in range(2):
            ledger.record([points(3.0, 2.0, position=10)])
        (summary,) = metrics.of_run(store, run.id)
        assert summary.points == 2
        assert len(metrics.history(store, run.id, "loss")[0].points) == 2

    def test_a_repeated_attempt_starts_its_curves_again(self, store: Store, run: Run, ledger: RunLedger) -> None:
        ledger.record([points(9.0, 0.0, serial=1, position=10)])
        ledger.record([points(3.0, 2.0, serial=2, position=5)])
        (summary,) = metrics.of_run(store, run.id)
        assert (summary.last, summary.low, summary.high, summary.points) == (2.0, 2.0, 3.0, 2)
        assert [point.value for point in metrics.history(store, run.id, "loss")[0].points] == [3.0, 2.0]

    def test_nan_and_infinity_are_kept_and_nan_is_no_minimum(self, store: Store, run: Run, ledger: RunLedger) -> None:
        ledger.record([points(math.nan, position=1), points(math.inf, 1.0, math.nan, position=2)])
        (curve,) = metrics.history(store, run.id, "loss")
        assert [str(point.value) for point in curve.points] == ["nan", "inf", "1.0", "nan"]
        (summary,) = metrics.of_run(store, run.id)
        assert math.isnan(summary.last)
        assert (summary.low, summary.high) == (1.0, math.inf)

    def test_a_step_beyond_every_column_is_held_within(self, store: Store, run: Run, ledger: RunLedger) -> None:
        huge = MetricPoint(name="loss", value=1.0, step=2**80, time=1.0)
        ledger.record([PointsLogged(task="fit", serial=1, points=(huge,), position=1)])
        assert metrics.history(store, run.id, "loss")[0].points[0].step == 2**63 - 1

    def test_each_task_has_its_own_curve_and_the_last_value_is_the_latest(
        self, store: Store, run: Run, ledger: RunLedger
    ) -> None:
        ledger.record([points(1.0, task="late", position=9), points(2.0, task="early", position=3)])
        assert [curve.task for curve in metrics.history(store, run.id, "loss")] == ["early", "late"]
        assert metrics.last(store, run.id) == {"loss": 1.0}


class TestLeases:
    ME = Process(pid=1, start=1, boot="boot")
    OTHER = Process(pid=2, start=2, boot="elsewhere")

    def test_a_driver_holds_the_run_alone_while_its_process_lives(self, store: Store, run: Run) -> None:
        lease = leases.take(store, run.id, "here", self.ME, alive=lambda _process: True)
        assert lease == Lease(run=run.id, epoch=1, host="here", process=self.ME)
        assert runs.get(store, run.id).lease == lease
        with pytest.raises(LeaseLost, match="process 1 on here"):
            leases.take(store, run.id, "here", self.ME, alive=lambda _process: True)

    def test_the_machine_of_whoever_drives_a_run_next_is_recorded(self, store: Store, run: Run) -> None:
        leases.take(store, run.id, "here", self.ME, alive=lambda _process: True)
        assert runs.get(store, run.id).host == run.host
        machine = Host(name="there", boot="elsewhere", cpus=4, memory=1 << 30)
        leases.take(store, run.id, "here", self.ME, alive=lambda _process: False, machine=machine)
        assert runs.get(store, run.id).host == machine

    def test_the_lease_of_a_dead_process_on_this_host_is_free_at_once(self, store: Store, run: Run) -> None:
        leases.take(store, run.id, "here", self.ME, alive=lambda _process: True)
        assert leases.take(store, run.id, "here", self.ME, alive=lambda _process: False).epoch == 2

    def test_elsewhere_silence_decides_by_the_databases_clock(self, store: Store, run: Run) -> None:
        leases.take(store, run.id, "there", self.OTHER, alive=lambda _process: False)
        with pytest.raises(LeaseLost, match="on there"):
            leases.take(store, run.id, "here", self.ME, alive=lambda _process: False)
        self.pass_time(store, run, leases.SILENCE + 1)
        holder = leases.holder(store, run.id)
        assert holder is not None
        assert 30 < holder.silent < 60
        assert leases.take(store, run.id, "here", self.ME, alive=lambda _process: False).epoch == 2

    def test_a_driver_that_lost_its_lease_writes_nothing_more(self, store: Store, run: Run, ledger: RunLedger) -> None:
        ledger.record([RunChanged(state=RunState.RUNNING, time=1.0)])
        leases.take(store, run.id, "here", Process(pid=9, start=9, boot="boot"), alive=lambda _process: False)
        with pytest.raises(LeaseLost):
            ledger.record([RunChanged(state=RunState.FAILED, time=2.0)])
        with pytest.raises(LeaseLost):
            ledger.beat()
        assert runs.get(store, run.id).state is RunState.RUNNING

    def test_a_released_lease_is_free_and_counts_no_more(self, store: Store, run: Run, drive: Drive) -> None:
        lease = drive(run)
        ledger = RunLedger(store, lease, exists=lambda _digest: True)
        leases.release(store, lease)
        assert leases.holder(store, run.id) is None
        with pytest.raises(LeaseLost):
            ledger.record([RunChanged(state=RunState.RUNNING, time=1.0)])
        again = drive(run)
        assert again.epoch == 2
        leases.release(store, lease)
        assert leases.holder(store, run.id) is not None, "an old lease releases nothing"

    def test_a_request_to_cancel_reaches_the_driver(self, store: Store, run: Run, ledger: RunLedger) -> None:
        assert ledger.beat() is False
        leases.request_cancel(store, run.id)
        leases.request_cancel(store, run.id)
        assert ledger.beat() is True

    def test_a_beat_renews(self, store: Store, run: Run, ledger: RunLedger) -> None:
        self.pass_time(store, run, 100)
        ledger.beat()
        holder = leases.holder(store, run.id)
        assert holder is not None
        assert holder.silent < 10

    @pytest.mark.parametrize("call", [leases.holder, leases.request_cancel])
    def test_an_unknown_run_has_no_driver(self, store: Store, call: Callable[[Store, str], object]) -> None:
        with pytest.raises(NotFound):
            call(store, "unknown")

    def pass_time(self, store: Store, run: Run, seconds: float) -> None:
        with store.write() as connection:
            connection.exec_driver_sql(
                f"UPDATE runs SET lease_renewed = lease_renewed - {seconds} WHERE id = '{run.id}'"
            )


class TestLedger:
    def test_a_record_is_whole_or_not_at_all(self, store: Store, run: Run, ledger: RunLedger) -> None:
        impossible = Artifact(type="t", digest="d", size=2**70, filename="f")
        changes = [
            TaskChanged(task="fit", state=TaskState.RUNNING, time=1.0),
            TaskChanged(task="b", state=TaskState.SUCCEEDED, time=1.0, outputs=Outputs(artifacts={"x": impossible})),
        ]
        with pytest.raises((StoreError, OverflowError)):
            ledger.record(changes)
        assert tasks.of_run(store, run.id) == ()

    def test_a_ledger_of_no_run_is_refused(self, store: Store) -> None:
        with pytest.raises(NotFound):
            RunLedger(store, Lease(run="x", epoch=1, host="h", process=Process(pid=1, start=1, boot="b")), bool)


class TestCaptures:
    def test_a_closure_comes_back(self, store: Store) -> None:
        definitions = {"m:fit": "abc", "m:SIZE": ["é", 1.5]}
        captures.keep_closure(store, "digest", definitions)
        captures.keep_closure(store, "digest", {"other": "ignored"})
        assert captures.closure(store, "digest") == definitions
        assert captures.closure(store, "unknown") is None

    def test_a_bundle_comes_back(self, store: Store) -> None:
        bundle = BundleRecord(digest="b" * 64, size=100, files={"a/b.py": "0" * 64})
        captures.keep_bundle(store, bundle)
        captures.keep_bundle(store, bundle)
        assert captures.bundle(store, bundle.digest) == bundle
        assert captures.bundle(store, "unknown") is None


def test_run_ids_are_short_and_begin_with_a_letter() -> None:
    made = {identity.new_run_id() for _number in range(10_000)}
    assert len(made) == 10_000
    assert all(len(id) == 12 and id[0].isalpha() and id.islower() for id in made)


def test_a_rehearsal_leaves_nothing(store: Store) -> None:
    rehearse(store)
    assert not runs.page(store)
    with store.read() as connection:
        assert not connection.exec_driver_sql("SELECT * FROM projects").all()
