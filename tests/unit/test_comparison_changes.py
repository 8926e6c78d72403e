"""What kind of thing changed on the way in, what follows from it, and which steps ran again."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from palmette.comparison.changes import PARAMETER, Comparison, ConfigEdit, DataChange, EnvironmentChange
from palmette.comparison.compare import compare
from palmette.comparison.settings import same
from palmette.comparison.sides import Side, Sources
from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.fingerprint import Parts
from palmette.domain.run import Environment, Git, Host, Run, Setting, Source, TaskRecord
from palmette.domain.states import RunState, TaskState
from palmette.domain.values import Json

HOST = Host(name="north", boot="b", cpus=4, memory=8 << 30, gpus=0)
FETCH = Parts(what="m:fetch")
Definitions = Mapping[str, Mapping[str, str]]


def side(
    *tasks: TaskRecord,
    definitions: Definitions | None = None,
    host: Host | None = HOST,
    dirty: bool = False,
    settings: tuple[Setting, ...] = (),
    python: str = "3.11.7",
) -> Side:
    run = Run(
        id="r",
        project="p",
        algorithm="a",
        state=RunState.SUCCEEDED,
        settings=settings,
        host=host,
        environment=Environment(python=python),
        git=Git(dirty=dirty),
    )
    return Side(run=run, tasks=tasks, definitions=definitions or {})


def task(
    name: str = "fetch",
    digest: str = "1",
    *,
    state: TaskState = TaskState.SUCCEEDED,
    needs: tuple[str, ...] = (),
    parameters: Mapping[str, Json] | None = None,
    metadata: Mapping[str, Json] | None = None,
    parts: Parts | None = FETCH,
) -> TaskRecord:
    artifact = Artifact(type="system.Dataset", digest=digest, size=1, filename="x", metadata=metadata or {})
    outputs = Outputs(artifacts={"output": artifact}, parameters=parameters or {})
    return TaskRecord(name=name, state=state, needs=needs, parts=parts, outputs=outputs)


def setting(value: Json, source: Source = Source.DEFAULT, origin: str = "") -> Setting:
    return Setting(name="C", value=value, source=source, origin=origin)


DEFAULT, OVERRIDE, FILE, PRESET = Source.DEFAULT, Source.OVERRIDE, Source.FILE, Source.PRESET
EDITS = [
    (setting(1.0), setting(0.1), ConfigEdit.DEFAULT),
    (setting(1.0), setting(0.1, OVERRIDE), ConfigEdit.OVERRIDE),
    (setting(0.1, OVERRIDE), setting(1.0), ConfigEdit.OVERRIDE),
    (setting(1.0), setting(0.1, FILE, "a.toml"), ConfigEdit.OVERRIDE),
    (setting(1.0), setting(0.1, PRESET, "toy"), ConfigEdit.PRESET),
    (setting(0.5, PRESET, "toy"), setting(0.1, PRESET, "toy"), ConfigEdit.PRESET),
    (None, setting(1.0), ConfigEdit.ADDED),
    (setting(1.0), None, ConfigEdit.REMOVED),
]


@pytest.mark.parametrize(("before", "after", "edit"), EDITS)
def test_a_value_that_somebody_asked_for_is_told_apart_from_one_that_the_code_says(
    before: Setting | None, after: Setting | None, edit: ConfigEdit
) -> None:
    sides = [side(settings=(each,) if each else ()) for each in (after, before)]
    found = compare(*sides)
    assert [(change.name, change.edit) for change in found.config] == [("C", edit)]
    assert found.only == found.config[0]


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [(1, 1.0, True), (1, True, False), (0.0, False, False), ([1, 2], [1.0, 2], True), ([1], [1, 2], False),
     ({"a": 1}, {"a": True}, False), ({"a": [1]}, {"a": [1.0]}, True), ("1", 1, False), ("ab", ["a", "b"], False),
     (None, None, True), (None, False, False), (float("nan"), float("nan"), True)],
)  # fmt: skip
def test_values_are_the_same_if_a_step_could_not_tell_them_apart(one: Json, other: Json, expected: bool) -> None:
    assert (same(one, other), same(other, one)) == (expected, expected)


def fetched(before: TaskRecord, after: TaskRecord, was: str = "1", now: str = "1") -> Comparison:
    return compare(
        side(after, definitions={"fetch": {"m:fetch": now}}), side(before, definitions={"fetch": {"m:fetch": was}})
    )


def test_data_that_differ_under_the_same_code_are_a_cause() -> None:
    found = fetched(task(digest="1", metadata={"rows": 569}), task(digest="2", metadata={"rows": 626}))
    assert found.causes == ("data",)
    assert isinstance(found.only, DataChange)
    assert (found.only.rows_before, found.only.rows_after, found.only.follows) == (569, 626, ())


def test_data_that_differ_since_their_step_does_are_no_cause_of_their_own() -> None:
    found = fetched(task(digest="1"), task(digest="2"), "old", "new")
    assert (found.causes, found.data[0].source, found.data[0].follows) == (("code",), True, ("code",))
    assert (found.following, found.unchanged) == (found.data, ("config", "environment"))
    sized = [task(digest=f"{rows}", parts=Parts(what="m:fetch", parameters={"rows": rows})) for rows in (10, 20)]
    assert fetched(sized[0], sized[1]).data[0].follows == ("config",)


def test_a_step_that_is_given_an_artifact_is_no_source_though_it_waits_for_nobody() -> None:
    inner = [task(digest=digest, parts=Parts(what="m:fetch", inputs={"raw": (digest,)})) for digest in ("1", "2")]
    found = fetched(inner[0], inner[1])
    assert (found.data[0].source, found.causes) == (False, ())


def test_a_value_that_came_from_outside_is_data() -> None:
    found = fetched(task(parameters={"day": "Monday", "same": 1}), task(parameters={"day": "x" * 100, "same": 1.0}))
    (change,) = found.data
    assert (change.output, change.type, change.before, change.source) == ("day", PARAMETER, "Monday", True)
    assert change.after.startswith("sha256:")
    assert found.causes == ("data",)


def test_tables_are_compared_unless_a_side_is_sensitive() -> None:
    def described(rows: int, *, sensitive: bool = False) -> TaskRecord:
        columns: list[Json] = [{"name": "age", "type": "double", "mean": float(rows), "std": 1.0}]
        return task(digest=f"{rows}", metadata={"rows": rows, "columns": columns, "sensitive": sensitive})

    (change,) = fetched(described(100), described(110)).data
    assert change.table is not None
    assert [each.name for each in change.table.drifted] == ["age"]
    (hidden,) = fetched(described(100), described(110, sensitive=True)).data
    assert (hidden.table, hidden.columns, hidden.rows_after) == (None, (), None)


def test_of_a_run_that_has_not_begun_the_environment_is_not_known_and_did_not_change() -> None:
    waiting = compare(side(python=""), side())
    assert (waiting.environment, waiting.unknown) == ((), ("environment",))
    assert "environment" not in waiting.causes


def test_the_machine_is_shown_and_is_no_cause() -> None:
    found = compare(side(), side(host=Host(name="south", boot="c", cpus=8, memory=(8 << 30) + 4096, gpus=1)))
    expected = [("host", "south", "north"), ("cpus", "8", "4"), ("gpus", "1", "0")]
    assert [(each.name, each.before, each.after) for each in found.environment] == expected
    assert found.causes == ()
    assert compare(side(), side(host=None)).environment == ()


def test_images_are_one_line_if_all_steps_changed_alike() -> None:
    def run(*images: str) -> Side:
        return side(*(task(f"s{n}", parts=Parts(what="m:f", image=image)) for n, image in enumerate(images)))

    assert compare(run("team:2", "team:2"), run("team:1", "team:1")).environment == (
        EnvironmentChange(name="image", before="team:1", after="team:2"),
    )
    (change,) = compare(run("team:2", "gpu:1"), run("team:1", "gpu:1")).environment
    assert (change.name, change.cause) == ("image of s0", True)
    assert compare(run("python:3.12-slim"), run("python:3.11-slim")).environment == ()


def test_that_a_step_had_a_gpu_is_a_cause() -> None:
    runs = [side(task(parts=Parts(what="m:f", gpu=gpu))) for gpu in (True, False)]
    found = compare(*runs)
    assert [(each.name, each.before, each.after) for each in found.environment] == [("GPU of fetch", "no", "yes")]
    assert found.causes == ("environment",)


REASONS = [
    (Parts(what="f", closure="2"), ("code",)),
    (Parts(what="f", closure="1", parameters={"C": 0.1}), ("C — → 0.1",)),
    (Parts(what="f", closure="1", inputs={"dataset": ("d",)}), ("its input dataset",)),
    (Parts(what="f", closure="1", environment="e", secrets={"T": "2"}), ("environment", "secret T")),
    (Parts(what="f", closure="1", env={"REGION": "h"}, gpu=True), ("environment variable REGION", "it had a GPU")),
    (Parts(what="g", closure="1", image="i", token="t"), ("what it executes", "image", "what its fresh function said")),
    (Parts(what="f", closure="1"), ("it reads the outside world",)),
]


@pytest.mark.parametrize(("parts", "because"), REASONS)
def test_a_step_that_ran_again_says_why(parts: Parts, because: tuple[str, ...]) -> None:
    before, after = task(parts=Parts(what="f", closure="1")), task(digest="2", parts=parts)
    (found,) = compare(side(after), side(before)).reruns
    assert (found.task, found.because, found.same) == ("fetch", because, False)


def test_a_step_that_gave_the_same_again_ends_the_change() -> None:
    before = (task("clean", needs=("fetch",)), task("fit", needs=("clean",)))
    after = (
        task("clean", needs=("fetch",), parts=Parts(what="m:fetch", closure="2")),
        task("fit", needs=("clean",), state=TaskState.CACHED),
    )
    found = compare(side(*after), side(*before))
    assert [(each.task, each.same) for each in found.reruns] == [("clean", True)]


def test_a_step_that_the_baseline_never_ended_is_no_rerun() -> None:
    assert compare(side(task()), side(task(state=TaskState.FAILED))).reruns == ()
    assert compare(side(task("new")), side(task("old"))).reruns == ()


def test_one_file_is_the_only_thing_if_several_of_its_definitions_changed() -> None:
    definitions = [{"fit": {"m:fit": digest, "m:scale": digest, "n:same": "1"}} for digest in ("2", "1")]
    runs = [side(definitions=each) for each in definitions]
    sources = Sources(head={"m.py": b"2\n", "notes.py": b"# new\n"}, baseline={"m.py": b"1\n"})
    found = compare(*runs, sources=sources)
    assert [(each.path, each.steps) for each in found.files] == [("m.py", ("fit",)), ("notes.py", ())]
    assert found.only == found.files[0]


def test_two_kinds_of_change_are_not_one() -> None:
    found = compare(side(settings=(setting(1),), python="3.12.0"), side(settings=(setting(2),)))
    assert (found.causes, found.only) == (("config", "environment"), None)


def test_uncommitted_changes_are_said_of_each_side() -> None:
    assert compare(side(dirty=True), side()).dirty == (True, False)


def test_without_a_baseline_only_the_head_is_looked_at() -> None:
    head = Side(run=side().run, metrics={"auc": 0.9})
    found = compare(head, None)
    assert [(each.name, each.before, each.after) for each in found.metrics] == [("auc", None, 0.9)]
    assert (found.baseline, found.causes, found.remarks) == (None, (), ())
