"""Two runs → what differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from palmette.comparison.changes import Edit
from palmette.comparison.compare import compare
from palmette.comparison.sides import Side, Sources
from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.graph import MetricSpec
from palmette.domain.hosting import MIRRORED
from palmette.domain.run import Environment, Pin, Run, Setting, TaskRecord
from palmette.domain.states import RunState, TaskState
from palmette.domain.values import Json

METRICS = (MetricSpec(name="auc", goal="max", primary=True, tolerance=0.01), MetricSpec(name="loss", goal="min"))


def side(
    run: str,
    *,
    config: Mapping[str, Json] | None = None,
    definitions: Mapping[str, Mapping[str, str]] | None = None,
    pins: Mapping[str, str] | None = None,
    tasks: tuple[TaskRecord, ...] = (),
    metrics: Mapping[str, float] | None = None,
    state: RunState = RunState.SUCCEEDED,
) -> Side:
    settings = tuple(Setting(name=name, value=value) for name, value in (config or {}).items())
    environment = Environment(
        python="3.11.7", pins=tuple(Pin(name=name, version=version) for name, version in (pins or {}).items())
    )
    record = Run(
        id=run,
        project="p",
        algorithm="a",
        state=state,
        settings=settings,
        metrics=METRICS,
        environment=environment,
    )
    return Side(run=record, tasks=tasks, metrics=metrics or {}, definitions=definitions or {})


def made(name: str, digest: str, *, needs: tuple[str, ...] = (), **metadata: Json) -> TaskRecord:
    artifact = Artifact(type="system.Dataset", digest=digest, size=1, filename="x", metadata=metadata)
    return TaskRecord(
        name=name, state=TaskState.SUCCEEDED, needs=needs, outputs=Outputs(artifacts={"output": artifact})
    )


def test_what_only_one_side_brought_along_from_another_host_is_no_change_of_data() -> None:
    head, baseline = (
        side(name, tasks=tuple(made(task, digest) for task, digest in given.items()))
        for name, given in (("b", {"fetch": "1", "same": "2", "new": "4"}), ("a", {"same": "2", "new": "3"}))
    )
    bare = TaskRecord(name="fetch", state=TaskState.SUCCEEDED)
    baseline = replace(baseline, run=replace(baseline.run, queue=MIRRORED), tasks=(*baseline.tasks, bare))
    found = compare(head, baseline)
    assert [change.task for change in found.data] == ["new"]
    assert "data" in found.unknown


def test_equal_runs_have_no_cause() -> None:
    found = compare(
        side("b", config={"C": 1.0}, metrics={"auc": 0.9}), side("a", config={"C": 1.0}, metrics={"auc": 0.9})
    )
    assert found.causes == ()
    assert [change.difference for change in found.metrics] == [0.0]


def test_a_changed_field_is_the_only_cause() -> None:
    found = compare(side("b", config={"C": 0.1, "seed": 0}), side("a", config={"C": 1.0, "seed": 0}))
    assert [change.name for change in found.config] == ["C"]
    assert found.causes == ("config",)


def test_a_field_that_only_one_side_has_is_listed() -> None:
    found = compare(side("b", config={"new": 1}), side("a", config={"old": 1}))
    assert [(change.name, change.before is None, change.after is None) for change in found.config] == [
        ("new", True, False),
        ("old", False, True),
    ]


def test_a_definition_is_listed_once_with_every_step_that_reaches_it() -> None:
    before = {"fit": {"m:scale": "1", "m:gone": "1"}, "evaluate": {"m:scale": "1"}}
    after = {"fit": {"m:scale": "2"}, "evaluate": {"m:scale": "2"}}
    found = compare(side("b", definitions=after), side("a", definitions=before))
    assert [(each.definition, each.edit, each.tasks) for each in found.code] == [
        ("m:scale", Edit.CHANGED, ("fit", "evaluate")),
        ("m:gone", Edit.REMOVED, ("fit",)),
    ]


def test_a_step_that_one_side_never_reached_invents_no_code_change() -> None:
    before: dict[str, dict[str, str]] = {"fit": {"m:fit": "1"}, "report": {}}
    after = {"fit": {"m:fit": "1"}, "report": {"m:report": "1"}}
    found = compare(side("b", definitions=after), side("a", definitions=before, state=RunState.FAILED))
    assert found.code == ()
    assert "code not compared, as one side did not get that far: report" in found.remarks


def test_a_step_that_only_one_side_has_is_a_change_of_the_code() -> None:
    before = {"fit": {"m:fit": "1", "m:scale": "1"}, "report": {"m:report": "1"}}
    after = {"train": {"m:train": "1", "m:scale": "1"}, "report": {"m:report": "1"}}
    files = Sources(head={"m.py": b"train"}, baseline={"m.py": b"fit"})
    found = compare(side("b", definitions=after), side("a", definitions=before), sources=files)
    assert [(each.definition, each.edit, each.tasks) for each in found.code] == [
        ("m:train", Edit.ADDED, ("train",)),
        ("m:fit", Edit.REMOVED, ("fit",)),
    ]
    assert found.causes == ("code",)
    assert found.only == found.files[0]


def test_steps_that_are_put_together_otherwise_are_a_change_of_the_code() -> None:
    def wired(*needs: str) -> tuple[TaskRecord, ...]:
        return made("fetch", "1"), made("clean", "2", needs=("fetch",)), made("fit", "3", needs=needs)

    files = Sources(head={"m.py": b"fit(clean(fetch()))"}, baseline={"m.py": b"fit(fetch())"})
    after, before = side("b", tasks=wired("clean")), side("a", tasks=wired("fetch"))
    (found,) = compare(after, before, sources=files).code
    assert (found.definition, found.tasks) == ("how a puts its steps together", ("fit",))
    assert compare(before, before, sources=files).code == ()


def test_a_branch_that_was_not_taken_is_no_change_of_the_code() -> None:
    before = {"fit": {"m:fit": "1"}, "warn": {"other:warn": "1"}}
    files = Sources(head={"m.py": b"2"}, baseline={"m.py": b"1"})
    found = compare(side("b", definitions={"fit": {"m:fit": "2"}}), side("a", definitions=before), sources=files)
    assert [(each.definition, each.edit) for each in found.code] == [("m:fit", Edit.CHANGED)]
    assert compare(side("b", definitions={"fit": {"m:fit": "1"}}), side("a", definitions=before)).code == ()


def test_packages_that_differ_are_named_with_both_versions() -> None:
    found = compare(side("b", pins={"numpy": "2.1", "new": "1"}), side("a", pins={"numpy": "2.0"}))
    assert [(each.name, each.before, each.after) for each in found.environment] == [
        ("new", "", "1"),
        ("numpy", "2.0", "2.1"),
    ]


def test_only_data_from_outside_is_a_cause() -> None:
    before = (made("fetch", "sha256:1", rows=10), made("clean", "sha256:2", needs=("fetch",)))
    after = (made("fetch", "sha256:3", rows=12), made("clean", "sha256:4", needs=("fetch",)))
    found = compare(side("b", tasks=after), side("a", tasks=before))
    assert [(each.task, each.source, each.rows_before, each.rows_after) for each in found.data] == [
        ("fetch", True, 10, 12),
        ("clean", False, None, None),
    ]
    assert compare(side("b", tasks=(before[0], after[1])), side("a", tasks=before)).causes == ()


def test_data_that_came_through_another_step_are_not_called_the_same() -> None:
    found = compare(side("b", tasks=(made("load", "sha256:2"),)), side("a", tasks=(made("fetch", "sha256:1"),)))
    assert (found.unknown, "data" in found.unchanged) == (("data",), False)
    found = compare(side("b", tasks=(made("load", "sha256:1"),)), side("a", tasks=(made("fetch", "sha256:1"),)))
    assert "data" in found.unchanged


def test_columns_are_told_apart_by_type_and_statistics() -> None:
    before = made(
        "fetch", "1", columns=[{"name": "age", "type": "int64", "mean": 50.0}, {"name": "old", "type": "bool"}]
    )
    after = made(
        "fetch", "2", columns=[{"name": "age", "type": "int64", "mean": 51.5}, {"name": "new", "type": "bool"}]
    )
    (change,) = compare(side("b", tasks=(after,)), side("a", tasks=(before,))).data
    assert change.columns == (("age", "mean 50 → 51.5"), ("new", "added"), ("old", "removed"))


def test_nothing_is_summarised_of_sensitive_data() -> None:
    tables = [made("fetch", digest, rows=rows, sensitive=True) for digest, rows in (("1", 5), ("2", 6))]
    (change,) = compare(side("b", tasks=(tables[1],)), side("a", tasks=(tables[0],))).data
    assert (change.sensitive, change.rows_before, change.rows_after, change.columns) == (True, None, None, ())


def test_declared_metrics_come_first_and_know_their_direction() -> None:
    found = compare(
        side("b", metrics={"x": 1.0, "loss": 0.3, "auc": 0.95}), side("a", metrics={"loss": 0.2, "auc": 0.9})
    )
    assert [(each.name, each.favourable) for each in found.metrics] == [("auc", True), ("loss", False), ("x", None)]
    assert found.metrics[2].difference is None


def test_what_cannot_be_compared_in_full_is_said() -> None:
    found = compare(side("b"), side("a", state=RunState.FAILED))
    assert found.remarks == ("run a failed: its numbers may be missing",)
