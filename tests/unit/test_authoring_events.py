"""What a step logs reaches the file that the runtime opened, and nothing else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from palmette import Evaluation, Metrics, log_metric, progress, track
from palmette.authoring import events


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "events.jsonl"
    events.open(str(path))
    yield path
    events.close()


def lines(log: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_a_metric_is_a_line_with_its_step(log: Path) -> None:
    log_metric("loss", 1, step=3)
    log_metric("auc", 0.5)
    first, second = lines(log)
    assert isinstance(first.pop("time"), float)
    assert first == {"metric": "loss", "value": 1.0, "step": 3}
    assert second["step"] is None


def test_a_value_that_is_no_number_is_recorded_as_missing_with_a_warning(log: Path) -> None:
    with pytest.warns(RuntimeWarning, match="metric 'loss' is nan: recorded as missing"):
        log_metric("loss", float("nan"))
    assert lines(log)[0]["value"] is None


def test_progress_is_thinned_out_but_its_end_is_not(log: Path) -> None:
    assert list(track(range(1000), "rows")) == list(range(1000))
    found = lines(log)
    assert found[0] == {"progress": 0.0, "total": 1000.0, "text": "rows"}
    assert found[-1] == {"progress": 1000.0, "total": 1000.0, "text": "rows"}
    assert len(found) < 100


def test_lines_of_a_forked_process_go_to_the_same_file(log: Path) -> None:
    child = os.fork()
    if child == 0:
        log_metric("loss", 2)
        os._exit(0)
    os.waitpid(child, 0)
    log_metric("loss", 1)
    assert [line["value"] for line in lines(log)] == [2.0, 1.0]


def test_without_a_file_nothing_is_written_but_mistakes_still_show(tmp_path: Path) -> None:
    log_metric("loss", 1)
    progress(1, 2)
    with pytest.raises(TypeError):
        log_metric("loss", None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        log_metric("", 1)


def test_metrics_are_numbers_by_name() -> None:
    assert Metrics({"auc": 1}, f1=0.5) == {"auc": 1.0, "f1": 0.5}
    with pytest.raises(TypeError, match="names and numbers"):
        Metrics(auc="0.5")


def test_an_evaluation_has_one_entry_for_each_example() -> None:
    assert Evaluation(metrics={"auc": 1}, labels=[1, 2], predictions=[1, 1]).metrics == Metrics(auc=1.0)
    with pytest.raises(ValueError, match="labels 2, keys 3, slices\\['ward'\\] 1"):
        Evaluation(labels=[1, 2], keys=[1, 2, 3], slices={"ward": ["a"]})
