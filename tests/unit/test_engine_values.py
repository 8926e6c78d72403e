"""Quantities, parameters and event files: what is read from text."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from palmette.domain.graph import ParameterType, Resources
from palmette.domain.metric import MetricPoint
from palmette.domain.values import Json
from palmette.engine.events import Tail
from palmette.engine.parameters import fits, plain, settled, text
from palmette.engine.ports import Progress
from palmette.engine.quantities import quantity, requested
from palmette.errors import ConfigError
from palmette.ir.spec import ParameterSpec, ResourceSpec


@pytest.mark.parametrize(
    ("written", "number"),
    [("2", 2), ("500m", 0.5), ("0.25", 0.25), ("4Gi", 4 * 2**30), ("1e3", 1000), ("1E", 1e18), ("1E2", 100),
     ("128k", 128_000), ("1.5G", 1.5e9), (" 3 ", 3), ("100u", 1e-4), (".5", 0.5)],
)  # fmt: skip
def test_a_quantity_is_a_number(written: str, number: float) -> None:
    assert quantity(written) == number


@pytest.mark.parametrize("written", ["", "4gb", "-1", "1e9999", "Gi", "1 Gi", "nan", "٣"])
def test_what_is_no_quantity_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity"):
        quantity(written)


def test_a_task_asks_for_its_request_or_its_limit_or_one_core() -> None:
    assert requested(None) == Resources()
    assert requested(ResourceSpec(cpu_limit="2", memory_limit="1Gi")) == Resources(cpu=2.0, memory=2**30)
    assert requested(ResourceSpec(cpu_limit="2", cpu_request="500m")).cpu == 0.5
    assert requested(ResourceSpec(accelerator_type="nvidia.com/gpu", accelerator_count="2")).gpu == 2


def test_older_documents_ask_with_numbers() -> None:
    old: dict[str, Json] = {"cpuLimit": 1.5, "memoryLimit": 2, "accelerator": {"count": "1", "type": "NVIDIA"}}
    assert requested(ResourceSpec(extra=old)) == Resources(cpu=1.5, memory=2_000_000_000, gpu=1)


def test_numbers_without_a_fraction_are_integers_everywhere() -> None:
    assert text([1.0, {"a": 2.0, "b": 2.5}]) == '[1,{"a":2,"b":2.5}]'
    assert (text(1.0), text(True), text("1.0"), text("é"), text(["é"])) == ("1", "true", "1.0", "é", '["é"]')
    assert isinstance(plain(2.0**60), float)
    assert math.copysign(1, plain(-0.0)) == -1  # type: ignore[arg-type]


def test_a_value_fits_its_type_or_not() -> None:
    assert fits(ParameterType.INTEGER, 3.0)
    assert fits(ParameterType.INTEGER, 10**400)
    assert not fits(ParameterType.INTEGER, 3.5)
    assert not fits(ParameterType.INTEGER, True)
    assert not fits(ParameterType.DOUBLE, math.nan)
    assert not fits(ParameterType.STRING, 1)
    assert not fits(ParameterType.LIST, "ab")


def test_everything_wrong_with_the_parameters_is_said_at_once() -> None:
    declared = {
        "needed": ParameterSpec(parameter_type=ParameterType.INTEGER),
        "kind": ParameterSpec(parameter_type=ParameterType.INTEGER),
        "word": ParameterSpec(parameter_type=ParameterType.STRING, literals=("l1", "l2")),
        "free": ParameterSpec(parameter_type=ParameterType.STRING, is_optional=True),
        "defaulted": ParameterSpec(parameter_type=ParameterType.DOUBLE, default_value=1.0, has_default=True),
    }
    with pytest.raises(ConfigError) as caught:
        settled(declared, {"kind": "x", "word": "l3", "other": 1})
    assert sorted(problem.where for problem in caught.value.problems) == ["kind", "needed", "other", "word"]
    good: dict[str, Json] = {"needed": 1, "kind": 2, "word": "l1", "defaulted": None}
    assert settled(declared, good) == {"needed": 1, "kind": 2, "word": "l1", "free": None, "defaulted": 1}


def line(**event: Json) -> str:
    return json.dumps(event) + "\n"


def test_an_event_counts_once_its_line_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    tail = Tail(path=path, task="fit")
    assert tail.read().points == ()
    first = line(metric="loss", value=0.5, step=1, time=9.0)
    path.write_text(first + '{"metric":"lo')
    assert tail.read().points == (MetricPoint(name="loss", value=0.5, step=1, time=9.0),)
    assert tail.position == len(first)
    assert tail.read().points == ()
    with path.open("a") as file:
        file.write('ss","value":2}\n')
    assert [point.value for point in tail.read().points] == [2.0]


def test_of_progress_the_newest_counts(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(line(progress=1, total=3) + line(progress=2, total=None, text="half"))
    assert Tail(path=path, task="fit").read().progress == Progress(task="fit", done=2.0, text="half")


def test_a_value_that_was_not_finite_is_a_missing_point(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text(line(metric="loss", value=None, step=3))
    (point,) = Tail(path=path, task="fit").read().points
    assert math.isnan(point.value)


def test_lines_that_are_no_events_are_counted_and_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    bad = [
        "nonsense",
        "[1]",
        '{"metric":1,"value":2}',
        '{"metric":"m","value":true}',
        '{"metric":"m","value":1,"step":"x"}',
    ]
    path.write_text("\n".join(bad) + "\n" + line(metric="m", value=1))
    tail = Tail(path=path, task="fit")
    assert len(tail.read().points) == 1
    assert tail.ignored == len(bad)


def test_a_line_that_is_too_long_does_not_stop_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_text("x" * (3 << 20) + "\n" + line(metric="m", value=1))
    tail = Tail(path=path, task="fit")
    assert [point.name for batch in tail.rest() for point in batch.points] == ["m"]
    assert tail.ignored == 1
