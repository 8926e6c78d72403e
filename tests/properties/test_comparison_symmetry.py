"""Whichever of two runs is the baseline, the same things differ, the other way round."""

from __future__ import annotations

from collections.abc import Mapping

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palmette.comparison.changes import Edit
from palmette.comparison.compare import compare
from palmette.comparison.sides import Side, Sources
from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.fingerprint import Parts
from palmette.domain.run import Environment, Host, Pin, Run, Setting, Source, TaskRecord
from palmette.domain.states import RunState, TaskState
from palmette.domain.values import Json

NAMES = st.sampled_from(["a", "b", "c"])
VALUES: st.SearchStrategy[Json] = st.one_of(
    st.none(), st.booleans(), st.integers(0, 2), st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from(["", "x"])
)
DIGESTS = st.sampled_from(["1", "2"])
FILES = st.dictionaries(st.sampled_from(["a.py", "b.txt"]), st.sampled_from([b"", b"x\n", b"y\n\0", b"x\ny"]))


def mapped(values: st.SearchStrategy[Json]) -> st.SearchStrategy[Mapping[str, Json]]:
    return st.dictionaries(NAMES, values, max_size=3)


@st.composite
def tasks(draw: st.DrawFn) -> TaskRecord:
    artifacts = {
        name: Artifact(type="system.Dataset", digest=digest, size=1, filename="x", metadata={"rows": int(digest)})
        for name, digest in draw(st.dictionaries(NAMES, DIGESTS, max_size=2)).items()
    }
    parts = Parts(what="m:f", closure=draw(DIGESTS), parameters=draw(mapped(VALUES)), gpu=draw(st.booleans()))
    return TaskRecord(
        name=draw(NAMES),
        state=draw(st.sampled_from([TaskState.SUCCEEDED, TaskState.CACHED, TaskState.FAILED])),
        needs=draw(st.sampled_from([(), ("a",)])),
        parts=draw(st.sampled_from([parts, None])),
        outputs=Outputs(artifacts=artifacts, parameters=draw(mapped(VALUES))),
    )


@st.composite
def sides(draw: st.DrawFn) -> Side:
    settings = tuple(
        Setting(name=name, value=value, source=draw(st.sampled_from(Source)))
        for name, value in draw(mapped(VALUES)).items()
    )
    pins = tuple(Pin(name=name, version=version) for name, version in draw(st.dictionaries(NAMES, DIGESTS)).items())
    run = Run(
        id="r",
        project="p",
        algorithm=draw(st.sampled_from(["x", "y"])),
        state=RunState.SUCCEEDED,
        settings=settings,
        environment=Environment(python=draw(DIGESTS), pins=pins),
        host=draw(st.sampled_from([None, Host(name="h", boot="b"), Host(name="i", boot="b", gpus=1)])),
    )
    records = {task.name: task for task in draw(st.lists(tasks(), max_size=3))}
    return Side(
        run=run,
        tasks=tuple(records.values()),
        metrics=draw(st.dictionaries(NAMES, st.sampled_from([0.0, 1.0]))),
        definitions={name: draw(st.dictionaries(st.sampled_from(["a:f", "b:g"]), DIGESTS)) for name in records},
    )


# The same examples each time, however slow the machine is.
SETTLED = settings(
    max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
OTHER_WAY = {Edit.ADDED: Edit.REMOVED, Edit.REMOVED: Edit.ADDED, Edit.CHANGED: Edit.CHANGED}


@SETTLED
@given(sides(), sides(), FILES, FILES)
def test_the_other_way_round_everything_is_mirrored(
    one: Side, other: Side, before: Mapping[str, bytes], after: Mapping[str, bytes]
) -> None:
    there = compare(one, other, sources=Sources(head=after, baseline=before))
    back = compare(other, one, sources=Sources(head=before, baseline=after))
    assert {*there.causes} == {*back.causes}
    assert {(each.name, repr(each.before), repr(each.after)) for each in there.config} == {
        (each.name, repr(each.after), repr(each.before)) for each in back.config
    }
    assert {(each.definition, each.edit, frozenset(each.tasks)) for each in there.code} == {
        (each.definition, OTHER_WAY[each.edit], frozenset(each.tasks)) for each in back.code
    }
    assert {(each.name, each.before, each.after) for each in there.environment} == {
        (each.name, each.after, each.before) for each in back.environment
    }
    assert {(each.task, each.output, each.before, each.after, each.follows) for each in there.data} == {
        (each.task, each.output, each.after, each.before, each.follows) for each in back.data
    }
    assert {(each.name, each.before, each.after) for each in there.metrics} == {
        (each.name, each.after, each.before) for each in back.metrics
    }
    assert {(each.path, each.edit, each.added, each.removed, each.unshown) for each in there.files} == {
        (each.path, OTHER_WAY[each.edit], each.removed, each.added, each.unshown) for each in back.files
    }


@SETTLED
@given(sides(), FILES)
def test_a_run_does_not_differ_from_itself(side: Side, code: Mapping[str, bytes]) -> None:
    found = compare(side, side, sources=Sources(head=code, baseline=code))
    assert found.causes == ()
    assert found.only is None
    for differing in (found.config, found.code, found.environment, found.data, found.tasks, found.files, found.diff):
        assert not differing
    assert all(each.difference == 0.0 for each in found.metrics)
    assert all(each.same for each in found.reruns)
