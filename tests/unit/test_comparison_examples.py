"""What moved in the data: columns of tables, and single examples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from palmette.authoring.results import Evaluation
from palmette.comparison.examples import Cell, counts_moved, flipped, hashed, moved, sliced
from palmette.comparison.pairs import Pair, pair
from palmette.comparison.tables import table_change
from palmette.domain.artifact import Artifact
from palmette.domain.graph import MetricSpec

LABELS = ["cat", "cat", "dog", "dog", "owl", "owl"]


def table(rows: int, *columns: dict[str, Any], **more: Any) -> Artifact:
    metadata = {"rows": rows, "columns": list(columns), **more}
    return Artifact(type="system.Dataset", digest=f"{columns}", size=1, filename="x.parquet", metadata=metadata)


def number(name: str, mean: float, std: float = 1.0, nulls: int = 0) -> dict[str, Any]:
    return {"name": name, "type": "double", "nulls": nulls, "min": -3.0, "max": 3.0, "mean": mean, "std": std}


def evaluated(predictions: list[str], labels: list[str] = LABELS, **more: Any) -> Evaluation:
    return Evaluation(keys=np.arange(len(labels)), labels=np.array(labels), predictions=np.array(predictions), **more)


def paired(head: Evaluation, baseline: Evaluation) -> Pair:
    found = pair(head, baseline)
    assert isinstance(found, Pair)
    return found


def test_rows_and_schema_of_a_table_are_compared() -> None:
    before = table(100, number("age", 50), number("gone", 0), {"name": "kind", "type": "int64", "nulls": 0})
    after = table(110, number("age", 50), number("new", 0), {"name": "kind", "type": "string", "nulls": 0})
    found = table_change(before, after)
    assert found is not None
    assert (found.rows_before, found.rows_after, found.added, found.removed) == (100, 110, ("new",), ("gone",))
    assert [(each.name, each.type_before, each.type_after) for each in found.columns] == [("kind", "int64", "string")]
    assert found.schema_differs


def test_a_column_drifts_when_its_mean_moves_by_more_than_is_negligible_and_more_than_chance() -> None:
    for rows, shift, expected in ((10_000, 0.2, True), (10_000, 0.09, False), (100, 0.2, False)):
        found = table_change(table(rows, number("age", 1.0)), table(rows, number("age", 1.0 + shift)))
        assert found is not None
        assert found.columns[0].shift == pytest.approx(shift)
        assert bool(found.drifted) is expected, (rows, shift)


def test_truth_values_and_missing_values_drift_too() -> None:
    before = table(5_000, {"name": "smoker", "type": "bool", "nulls": 0, "true": 0.2}, number("age", 50, nulls=50))
    after = table(5_000, {"name": "smoker", "type": "bool", "nulls": 0, "true": 0.3}, number("age", 50, nulls=1_000))
    found = table_change(before, after)
    assert found is not None
    assert {each.name for each in found.drifted} == {"smoker", "age"}
    assert found.columns[0].name == "smoker"
    assert found.columns[1].missing == (0.01, 0.2)
    assert found.columns[0].shift == pytest.approx(0.1 / ((0.16 + 0.21) / 2) ** 0.5)


def test_a_sensitive_table_is_not_described() -> None:
    assert table_change(table(1, number("age", 1), sensitive=True), table(1, number("age", 2))) is None
    assert table_change(table(1), table(1, number("age", 2))) is None


def test_examples_are_followed_between_training_and_test() -> None:
    baseline = Evaluation(keys=np.array(["a", "b", "c", "d"]), train_keys=np.array(["e", "f", "g"]))
    head = Evaluation(keys=np.array(["b", "c", "e", "z"]), train_keys=np.array(["a", "f", "g", "z"]))
    found = moved(head, baseline)
    assert found is not None
    assert (found.into_training, found.into_test, found.new_test, found.gone_test) == (1, 1, 1, 1)
    assert (found.leaked_head, found.leaked_baseline) == (1, 0)


@pytest.mark.parametrize("trained", [([7, 8], [7, 9]), (None, [7, 9]), ([7, 8], None), ([0, 8], [7, 9]), (None, None)])
def test_a_pair_tells_the_same_of_what_moved(trained: tuple[list[int] | None, list[int] | None]) -> None:
    sides = [evaluated(LABELS, train_keys=None if keys is None else np.array(keys, dtype=int)) for keys in trained]
    assert moved(sides[0], sides[1], paired(sides[0], sides[1])) == moved(sides[0], sides[1])


def test_without_training_keys_only_what_is_known_is_counted() -> None:
    found = moved(Evaluation(keys=[1, 2]), Evaluation(keys=[2, 3], train_keys=[1]))
    assert found is not None
    assert (found.into_training, found.into_test, found.new_test, found.gone_test) == (None, 1, 0, None)
    assert moved(Evaluation(), Evaluation(keys=[1])) is None


def test_predictions_that_changed_are_counted_and_listed_with_hashed_keys() -> None:
    before = evaluated(["cat", "dog", "dog", "cat", "owl", "cat"])
    after = evaluated(["cat", "cat", "cat", "cat", "owl", "dog"])
    found = flipped(paired(after, before), salt="secret")
    assert found is not None
    assert (found.mended, found.broken, found.other, found.total) == (1, 1, 1, 3)
    assert [(each.label, each.before, each.after) for each in found.listed] == [
        ("dog", "dog", "cat"),
        ("cat", "dog", "cat"),
        ("owl", "cat", "dog"),
    ]
    assert found.listed[0].key == hashed(2, "secret") != hashed(2, "another secret")
    assert len(found.listed[0].key) == 12


def test_the_confusion_matrix_is_told_as_counts_that_moved() -> None:
    before = evaluated(["cat", "dog", "dog", "cat", "owl", "cat"])
    after = evaluated(["cat", "cat", "dog", "cat", "owl", "cat"])
    assert counts_moved(paired(after, before)) == (
        Cell(label="cat", prediction="cat", before=1, after=2),
        Cell(label="cat", prediction="dog", before=1, after=0),
    )


def test_metrics_are_told_for_each_group_that_is_large_enough() -> None:
    labels = ["yes", "no"] * 10
    wards = np.array(["north"] * 12 + ["south"] * 6 + ["sea"] * 2)
    after = evaluated(["yes"] * 20, labels, slices={"ward": wards})
    before = evaluated(labels, labels)
    accuracy = MetricSpec(name="accuracy", goal="max", of="sklearn.metrics._classification:accuracy_score")
    found = sliced(paired(after, before), (accuracy, MetricSpec(name="own", goal="max", of="clinic:own")))
    assert [(each.group, each.metric, each.n, each.head, each.baseline) for each in found] == [
        ("north", "accuracy", 12, 0.5, 1.0),
        ("south", "accuracy", 6, 0.5, 1.0),
    ]
