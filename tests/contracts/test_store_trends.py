"""The runs of an algorithm in short, on every database."""

from __future__ import annotations

from collections.abc import Callable

from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.lines import Fork, Start
from palmette.domain.run import Git, Lease, Reused, Run, Setting, Source, TaskChanged, TaskRecord
from palmette.domain.states import TaskState
from palmette.store import identity, runs, trends
from palmette.store.database import Store
from palmette.store.ledger import RunLedger

Accept = Callable[..., Run]
Drive = Callable[[Run], Lease]

SETTINGS = (
    Setting(name="C", value=0.1, source=Source.OVERRIDE),
    Setting(name="kind", value="l2"),
    Setting(name="seed", value=3, source=Source.FILE, origin="x.toml"),
)


def test_runs_come_newest_first_with_what_was_overridden_and_without_those_of_comparisons(
    store: Store, accept: Accept
) -> None:
    fork = Fork(target="main", start=Start.MERGE_BASE, commit="b" * 40)
    first = accept(settings=SETTINGS, created=1.0, fork=fork, git=Git(branch="topic", commit="a" * 40, message="One"))
    second = accept(settings=(), created=2.0, git=Git(branch="main", commit="b" * 40), preset="toy")
    accept(created=3.0, trigger="comparison")
    accept(created=4.0, algorithm="other")
    found = trends.newest(store, "clinic", "tumour")
    assert [each.run for each in found] == [second.id, first.id]
    assert (found[1].overrides, found[1].fork, found[1].subject) == ({"C": "0.1", "seed": "3"}, fork, "One")
    assert [each.run for each in trends.newest(store, "clinic", "tumour", branch="topic")] == [first.id]
    assert [each.run for each in trends.newest(store, "", "tumour", preset="toy")] == [second.id]
    assert [each.run for each in trends.of_commits(store, "clinic", "tumour", ["b" * 40], preset="toy")] == [second.id]
    assert trends.algorithms(store, "clinic") == ("other", "tumour")
    assert trends.presets(store, "clinic", "tumour") == ("full", "toy")
    assert trends.configs(store, [first.id]) == {first.id: {"C": "0.1", "kind": '"l2"', "seed": "3"}}


def test_a_task_that_was_reused_leads_to_the_one_that_was_executed_and_to_its_evaluation(
    store: Store, drive: Drive
) -> None:
    run = Run(id=identity.new_run_id(), project="clinic", algorithm="tumour")
    records = [TaskRecord(name=name, executor=f"exec-{name}") for name in ("judge", "fit")]
    runs.create(store, run, records)
    made = Artifact(
        type="system.Metrics", digest="sha256:1", size=1, filename="e.npz", metadata={"format": "evaluation"}
    )
    other = Artifact(type="system.Model", digest="sha256:2", size=1, filename="m", metadata={"format": "joblib"})
    ledger = RunLedger(store, drive(run), lambda _: True)
    for name, artifact in (("judge", made), ("fit", other)):
        outputs = Outputs(artifacts={"output": artifact})
        reused = Reused(run="earlier", task=name, made=1.0, outputs=outputs)
        ledger.record([TaskChanged(task=name, state=TaskState.CACHED, time=2.0, outputs=outputs, reused=reused)])
    assert trends.makers(store, {run.id: "judge", "gone": "judge"}) == {
        run.id: "earlier/judge",
        "gone": "gone/judge",
    }
    assert trends.evaluations(store, [run.id]) == {run.id: {"judge": made}}
