"""Nothing that a task leaves behind makes its driver wait, fail or touch what is not the task's."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from palmette.blobs import Blobs
from palmette.domain.artifact import Outputs
from palmette.domain.graph import ParameterType
from palmette.domain.metric import MetricPoint
from palmette.engine import events
from palmette.engine.attempt import tidy
from palmette.engine.events import Batch, Tail
from palmette.engine.inputs import Places
from palmette.engine.outcome import Spoiled, collect, redact, unnamed
from palmette.engine.plan import PlannedTask
from palmette.engine.ports import Progress
from palmette.engine.remains import NotPlain, opened, shorten, within
from palmette.ir.embedded import loads
from palmette.ir.spec import ArtifactSpec, ArtifactTypeSchema, ComponentSpec, ContainerSpec, Definitions, ParameterSpec

TASK = PlannedTask(
    name="t",
    title="t",
    component="c",
    definition=ComponentSpec(
        output_definitions=Definitions(
            parameters={"n": ParameterSpec(parameter_type=ParameterType.LIST)},
            artifacts={"data": ArtifactSpec(artifact_type=ArtifactTypeSchema(schema_title="system.Metrics"))},
        )
    ),
    executor="e",
    container=ContainerSpec(image="i", command=("run",)),
)


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = Places(directory=tmp_path / "attempt")
    for name in ("outputs", "values", "work"):
        (made.directory / name).mkdir(parents=True)
    made.output.write_text('{"parameterValues": {"n": []}}')
    return made


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Somebody else's directory, with what a task would find under its own names."""
    path = tmp_path / "other"
    (path / "sub").mkdir(parents=True)
    (path / "sub").chmod(0o750)
    for name in ("data", "n", "copy"):
        (path / name).write_text('["mine"]')
    return path


def looks(path: Path) -> dict[str, object]:
    return {
        str(each): (each.lstat().st_mode, each.lstat().st_mtime_ns, each.read_text() if each.is_file() else "")
        for each in path.rglob("*")
    }


def collected(places: Places, *, confined: bool = False) -> Outputs:
    return collect(TASK, places, Blobs(places.directory.parent / "blobs"), confined=confined)


def described(places: Places, **artifact: Any) -> None:
    said = {"parameterValues": {"n": []}, "artifacts": {"data": {"artifacts": [artifact]}}}
    places.output.write_text(json.dumps(said))


def in_place_of(name: str) -> Callable[[Places, Path], None]:
    def link(places: Places, other: Path) -> None:
        (places.directory / name).rmdir()
        (places.directory / name).symlink_to(other)

    return link


def nowhere(places: Places, other: Path) -> None:
    in_place_of("outputs")(places, other)
    described(places, uri=str(places.directory / "nowhere"))


def dangling(places: Places, other: Path) -> None:
    places.artifact("data").symlink_to(other / "new")
    described(places, uri=str(places.directory / "nowhere"))


def beside(places: Places, other: Path) -> None:
    in_place_of("work")(places, other)
    described(places, custom_path="data")


def value(places: Places, other: Path) -> None:
    places.output.unlink()
    places.value("n").symlink_to(other / "n")


def said(places: Places, other: Path) -> None:
    places.output.unlink()
    places.output.symlink_to(other / "n")


def pipe(places: Places, other: Path) -> None:
    places.output.unlink()
    os.mkfifo(places.output)


def piped(places: Places, other: Path) -> None:
    places.output.unlink()
    os.mkfifo(places.value("n"))


def no_path(places: Places, other: Path) -> None:
    described(places, custom_path="a\0b")


@pytest.mark.parametrize(
    "trap",
    [*map(in_place_of, ("outputs", "values", "work")), nowhere, dangling, beside, value, said, pipe, piped, no_path],
)
def test_a_trap_spoils_the_attempt_and_leads_nowhere(
    places: Places, other: Path, trap: Callable[[Places, Path], None]
) -> None:
    trap(places, other)
    before = looks(other)
    with pytest.raises(Spoiled):
        collected(places)
    tidy(places.directory)
    assert looks(other) == before


def test_an_output_with_a_path_of_its_own_is_copied_whatever_lies_in_the_way(places: Places, other: Path) -> None:
    (places.directory / "work" / ".taken").symlink_to(other)
    described(places, custom_path=str(other / "data"))
    before = looks(other)
    assert collected(places).artifacts["data"].size == len('["mine"]')
    assert looks(other) == before
    assert {path.name for path in places.directory.iterdir()} == {"outputs", "values", "work", "executor_output.json"}


def test_what_runs_in_an_image_or_as_somebody_else_names_no_path_of_the_machine(places: Places, other: Path) -> None:
    for lie in (
        {"custom_path": str(other / "data")},
        {"uri": str(other / "data"), "metadata": {"format": "reference"}},
    ):
        described(places, **lie)
        with pytest.raises(Spoiled, match=r"lies outside|another one"):
            collected(places, confined=True)
    (places.directory / "work" / "own").write_text("x")
    described(places, custom_path="own")
    assert collected(places, confined=True).artifacts["data"].size == 1


@pytest.mark.parametrize(
    "metadata",
    [
        '{"a": 1e999}',
        f'{{"a": {"9" * 400}}}',
        '{"a": "\\ud800"}',
        '{"\\udc00": 1}',
        f'{{"a": {"[" * 900}{"]" * 900}}}',
    ],
)
def test_numbers_and_texts_that_nobody_could_read_again_spoil_the_attempt(places: Places, metadata: str) -> None:
    places.output.write_text(f'{{"artifacts": {{"data": {{"artifacts": [{{"metadata": {metadata}}}]}}}}}}')
    with pytest.raises(Spoiled, match=r"executor_output\.json"):
        collected(places)


def test_the_largest_numbers_and_the_deepest_lists_that_are_usable_are_used() -> None:
    deep = "[" * 100 + "]" * 100
    assert loads(f'[1.7e308, {2**1023}, "\\u0000", "\\ud83d\\ude00"]') == [1.7e308, 2**1023, "\0", "\U0001f600"]
    assert json.dumps(loads(deep)) == deep


def test_a_log_that_is_a_link_is_neither_read_nor_changed(places: Places, other: Path) -> None:
    log = places.directory / "log"
    log.symlink_to(other / "data")
    before = looks(other)
    redact(log, ["mine"])
    with pytest.raises(NotPlain):
        opened(log)
    log.unlink()
    os.mkfifo(log)
    with pytest.raises(NotPlain):
        opened(log)
    assert looks(other) == before


def test_no_name_that_the_task_has_taken_is_in_the_way_of_hiding_a_secret(places: Places, other: Path) -> None:
    log = places.directory / "log"
    log.write_text("got mine")
    (places.directory / ".log.redacted").symlink_to(other / "data")
    before = looks(other)
    redact(log, ["mine"])
    assert log.read_text() == "got ***"
    assert looks(other) == before


def test_a_link_is_no_event_file(places: Places, other: Path) -> None:
    (other / "data").write_text('{"metric": "a", "value": 1}\n')
    (places.directory / "events.jsonl").symlink_to(other / "data")
    assert not [batch.points for batch in Tail(path=places.directory / "events.jsonl", task="t").rest() if batch.points]


def test_of_more_points_than_anybody_looks_at_the_first_are_kept_and_no_more_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MOST", 1000)
    log = tmp_path / "events.jsonl"
    log.write_text('{"metric": "loss", "value": 1}\n' * 200_000)
    tail = Tail(path=log, task="t")
    assert sum(len(batch.points) for batch in tail.rest()) == 1000
    assert tail.full
    assert tail.position < log.stat().st_size


@pytest.mark.parametrize("told", [{"metric": "x" * 501, "value": 1}, {"metric": "", "value": 1}])
def test_what_is_no_name_names_no_metric(tmp_path: Path, told: dict[str, object]) -> None:
    (tmp_path / "e").write_text(json.dumps(told) + "\n")
    assert [batch.points for batch in Tail(path=tmp_path / "e", task="t").rest()] == [()]


def test_of_a_log_without_end_the_beginning_and_the_end_stay_and_it_says_what_is_missing(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("ab") as writer:
        writer.write(b"begin" + b"x" * 1000 + b"end")
        writer.flush()
        assert not shorten(log, most=2000, beginning=5, end=3)
        assert shorten(log, most=1000, beginning=5, end=3)
        writer.write(b" and on")
    assert log.read_text() == "begin\npalmette: 1,000 bytes of this log were left out here: it had 1,008\nend and on"


def test_whoever_reads_a_log_that_was_shortened_goes_on_behind_its_beginning(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(b"0123456789")
    with opened(log) as file:
        assert [within(file, position) for position in (0, 4, 10, 11)] == [0, 4, 10, 10]


def test_what_a_step_tells_of_itself_names_no_secret() -> None:
    points = (MetricPoint(name="of the-secret", value=1.0, time=1.0), MetricPoint(name="loss", value=2.0, time=1.0))
    progress = Progress(task="t", done=1.0, text="the-secret")
    told = unnamed(Batch(points=points, progress=progress), ["the-secret"])
    assert [point.name for point in told.points] == ["of ***", "loss"]
    assert told.progress == Progress(task="t", done=1.0, text="***")
