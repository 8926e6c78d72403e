"""Columns of exports are recognised, and what is not is asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from palmette.errors import UsageError
from palmette.operations.columns import Shape, meanings
from palmette.operations.sheets import Sheet, read

SHAPE = Shape(fields={"C", "model.depth", "time"}, metrics={"auc"})


def sheet(*columns: str) -> Sheet:
    return Sheet(name="runs.csv", columns=columns, lines=(), texts=True)


def test_mlflows_columns_are_recognised() -> None:
    columns = (
        "run_id",
        "status",
        "artifact_uri",
        "start_time",
        "params.C",
        "metrics.auc",
        "tags.mlflow.source.git.commit",
    )

    assert list(meanings(sheet(*columns), {}, (), SHAPE).values()) == [
        "id",
        "state",
        "",
        "started",
        "config.C",
        "metric.auc",
        "commit",
    ]


def test_columns_of_wandb_are_recognised_also_without_a_prefix() -> None:
    columns = (
        "Name",
        "State",
        "Notes",
        "Created",
        "Runtime",
        "Sweep",
        "C",
        "model.depth",
        "auc",
        "_step",
        "summary.loss",
    )

    assert list(meanings(sheet(*columns), {}, (), SHAPE).values()) == [
        "name",
        "state",
        "note",
        "created",
        "duration",
        "",
        "config.C",
        "config.model.depth",
        "metric.auc",
        "",
        "metric.loss",
    ]


def test_a_config_field_comes_before_a_fact_of_its_name() -> None:
    assert meanings(sheet("time"), {}, (), SHAPE) == {"time": "config.time"}


def test_what_somebody_says_comes_before_any_guess() -> None:
    assert meanings(sheet("auc", "host"), {"auc": "config.auc"}, ("host",), SHAPE) == {"auc": "config.auc", "host": ""}


def test_every_column_without_a_meaning_is_named_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        meanings(sheet("foo", "bar", "C"), {"C": "confg.C", "nope": "note"}, (), SHAPE)

    assert [problem.where for problem in caught.value.problems] == [
        "column 'nope'",
        "column 'foo'",
        "column 'bar'",
        "--map C=confg.C",
    ]


def test_two_columns_may_not_say_the_same() -> None:
    with pytest.raises(UsageError, match=r"'commit' and column 'sha'"):
        meanings(sheet("commit", "sha"), {}, (), SHAPE)


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_csv_is_read_whatever_parts_its_cells(tmp_path: Path, separator: str) -> None:
    file = tmp_path / "runs.csv"
    file.write_bytes("\ufeffC,note\r\n0.1,é\r\n\r\n0.2,\r\n".replace(",", separator).encode())

    found = read(file)

    assert found.columns == ("C", "note")
    assert [(line.where, dict(line.values)) for line in found.lines] == [
        ("line 2", {"C": "0.1", "note": "é"}),
        ("line 4", {"C": "0.2"}),
    ]


def test_objects_are_flattened(tmp_path: Path) -> None:
    file = tmp_path / "runs.json"
    file.write_text(
        json.dumps([{"config": {"model": {"depth": 3}}, "tags": ["a"]}, {"metrics": {"auc": 0.9}, "note": None}])
    )

    found = read(file)

    assert found.columns == ("config.model.depth", "tags", "metrics.auc")
    assert found.lines[0].values == {"config.model.depth": 3, "tags": ["a"]}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no results"),
        ("C\n", "no results"),
        ("C,auc\n1\n1,2,3\n", "line 3: it has 3 cells"),
        ("C,C\n1,2\n", "'C': it is there twice"),
        ("[1, {}]", "entry 1: it is no object"),
        ("[{", "is not JSON"),
    ],
)
def test_a_file_that_is_no_table_says_what_it_is(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "runs"
    file.write_text(text)

    with pytest.raises(UsageError) as caught:
        read(file)

    assert said in str(caught.value)
