"""What an attempt leaves is read with care, and what nobody may see is hidden."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from palmette.domain.graph import ParameterType
from palmette.engine.inputs import Places
from palmette.engine.outcome import Spoiled, collect, masked, metrics, redact
from palmette.engine.plan import PlannedTask
from palmette.engine.ports import Referred
from palmette.errors import NotFound
from palmette.ir.spec import (
    ArtifactSpec,
    ArtifactTypeSchema,
    ComponentSpec,
    ContainerSpec,
    Definitions,
    ParameterSpec,
)


class Kept:
    """Takes files over by moving them."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, path: Path) -> tuple[str, int]:
        path.replace(self.root / "kept")
        return "sha256:k", 1

    def restore(self, digest: str, path: Path) -> None:
        raise AssertionError("nothing is restored here")


def task(kind: str = "system.Dataset", **parameters: ParameterType) -> PlannedTask:
    declared = Definitions(
        parameters={name: ParameterSpec(parameter_type=of) for name, of in parameters.items()},
        artifacts={"data": ArtifactSpec(artifact_type=ArtifactTypeSchema(schema_title=kind))} if kind else {},
    )
    return PlannedTask(
        name="t",
        title="t",
        component="c",
        definition=ComponentSpec(output_definitions=declared),
        executor="e",
        container=ContainerSpec(image="i", command=("run",)),
    )


@pytest.fixture
def places(tmp_path: Path) -> Places:
    made = Places(directory=tmp_path / "attempt")
    for name in ("outputs", "values"):
        (made.directory / name).mkdir(parents=True)
    return made


def say(places: Places, **artifact: Any) -> None:
    places.output.write_text(json.dumps({"artifacts": {"data": {"artifacts": [artifact]}}}))


@pytest.mark.parametrize(
    ("kind", "written", "value"),
    [
        (ParameterType.INTEGER, "3\n", 3),
        (ParameterType.DOUBLE, "3.0", 3),
        (ParameterType.BOOLEAN, "True", True),
        (ParameterType.STRING, " as it is\n", " as it is\n"),
        (ParameterType.LIST, "[1.0, 2]", [1, 2]),
        (ParameterType.STRUCT, '{"a": 1}', {"a": 1}),
    ],
)
def test_the_value_in_an_output_file_is_read_by_its_type(
    places: Places, kind: ParameterType, written: str, value: object
) -> None:
    places.value("n").write_text(written)
    found = collect(task("", n=kind), places, Kept(places.directory)).parameters["n"]
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("written", ["x", "NaN", "1.5", "[" * 100_000, '"1"'])
def test_a_value_of_another_type_spoils_the_attempt(places: Places, written: str) -> None:
    places.value("n").write_text(written)
    with pytest.raises(Spoiled, match="'n' is not a NUMBER_INTEGER"):
        collect(task("", n=ParameterType.INTEGER), places, Kept(places.directory))


def test_a_foreign_container_must_write_each_output(places: Places) -> None:
    with pytest.raises(Spoiled, match="'n' was not written"):
        collect(task("", n=ParameterType.INTEGER), places, Kept(places.directory))
    with pytest.raises(Spoiled, match="'data' was not written"):
        collect(task(), places, Kept(places.directory))


def test_metrics_of_a_stock_component_need_no_file(places: Places) -> None:
    say(places, metadata={"auc": 0.5, "n": 3, "ok": True, "name": "x"})
    outputs = collect(task("system.Metrics"), places, Kept(places.directory))
    assert [(point.name, point.value, point.step) for point in metrics(outputs, 1.0)] == [
        ("auc", 0.5, None),
        ("n", 3.0, None),
    ]


def test_a_captured_step_must_leave_the_file_even_of_metrics(places: Places) -> None:
    say(places, metadata={"auc": 0.5})
    step = replace(task("system.Metrics"), container=ContainerSpec(image="i", env={"PALMETTE_CLOSURE": "c"}))
    with pytest.raises(Spoiled, match="'data' was not written"):
        collect(step, places, Kept(places.directory))


@pytest.mark.parametrize("uri", ["/etc/passwd", "{}/../other", "{}/outputs/../../other", "{}/link/passwd", "{}"])
def test_an_output_outside_the_attempt_spoils_it(places: Places, uri: str) -> None:
    (places.directory / "link").symlink_to("/etc")
    (places.directory.parent / "other").write_text("not yours")
    say(places, uri=uri.format(places.directory))
    with pytest.raises(Spoiled, match="lies outside"):
        collect(task(), places, Kept(places.directory))


class Seen:
    """Says of every address what it was made with."""

    def refer(self, uri: str) -> Referred:
        return Referred(uri=uri, digest="etag:1", size=5, filename="k")

    def fetch(self, uri: str, target: Path) -> None:
        raise NotFound(uri)


def test_what_lies_elsewhere_is_recorded_and_not_taken_over(places: Places) -> None:
    say(places, uri="s3://b/k")
    found = collect(task(), places, Kept(places.directory), importer=Seen()).artifacts["data"]
    assert (found.uri, found.digest, found.size, found.filename) == ("s3://b/k", "etag:1", 5, "k")
    say(places, uri="/srv/scans", metadata={"format": "reference"})
    assert collect(task(), places, Kept(places.directory), importer=Seen()).artifacts["data"].uri == "/srv/scans"


def test_a_reference_into_the_attempts_own_directory_spoils_it(places: Places) -> None:
    say(places, uri=f"{places.directory}/work/x", metadata={"format": "reference"})
    with pytest.raises(Spoiled, match="return a Path to keep it"):
        collect(task(), places, Kept(places.directory), importer=Seen())


@pytest.mark.parametrize(
    ("wanted", "kept"),
    [("a.csv", "a.csv"), ("../../x", "data"), ("a/b", "data"), ("..", "data"), (3, "data"), ("", "data")],
)
def test_a_file_keeps_its_name_if_it_is_one(places: Places, wanted: object, kept: str) -> None:
    places.artifact("data").write_text("x")
    say(places, metadata={"filename": wanted})
    assert collect(task(), places, Kept(places.directory)).artifacts["data"].filename == kept


def test_nothing_is_taken_over_of_a_spoiled_attempt(places: Places) -> None:
    places.artifact("data").write_text("x")
    with pytest.raises(Spoiled):
        collect(task(n=ParameterType.INTEGER), places, Kept(places.directory))
    assert places.artifact("data").exists()


@pytest.mark.parametrize(
    "content", ["[]", "{", '{"artifacts":{"data":[]}}', '{"artifacts":{"data":{"artifacts":[1]}}}', "nul"]
)
def test_a_description_that_is_none_spoils_the_attempt(places: Places, content: str) -> None:
    places.artifact("data").write_text("x")
    places.output.write_text(content)
    with pytest.raises(Spoiled, match=r"executor_output\.json"):
        collect(task(), places, Kept(places.directory))


def test_a_secret_is_hidden_wherever_the_file_is_cut_while_reading(tmp_path: Path) -> None:
    log = tmp_path / "log"
    secret = "a-long-secret-value"
    filler = "x" * ((1 << 20) - 7)
    log.write_text(f"{secret}{filler[len(secret) :]}{secret}{filler}{secret}")
    redact(log, [secret])
    assert log.read_text() == f"***{filler[len(secret) :]}***{filler}***"
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_of_a_secret_of_several_lines_each_is_hidden(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("got LINE-NUMBER-ONE and\nLINE-NUMBER-TWO\n")
    redact(log, ["LINE-NUMBER-ONE\nLINE-NUMBER-TWO\n"])
    assert log.read_text() == "got *** and\n***\n"


def test_a_log_without_secrets_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("nothing here")
    before = log.stat().st_ino
    redact(log, ["secret", ""])
    assert log.stat().st_ino == before
    assert masked("a secret", ["secret", ""]) == "a ***"
