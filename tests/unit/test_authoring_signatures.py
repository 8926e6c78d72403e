"""What annotations say of a step's inputs and outputs, and how values go in and come out."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType

import pytest

from palmette.authoring import annotations
from palmette.authoring.annotations import Format, Range, Sensitive
from palmette.authoring.parameters import Unsupported
from palmette.authoring.results import HTML, Evaluation, Image, Markdown, Metrics, Text
from palmette.authoring.signatures import Shape, kind_of, signature_of
from palmette.authoring.steps import step
from palmette.authoring.wiring import mismatch
from palmette.domain.graph import ArtifactType, ParameterType


def foreign(module: str, name: str, *bases: type) -> type:
    """A class as a library that is not installed here would define it."""
    return type(name, bases, {"__module__": module})


Frame = foreign("pandas.core.frame", "DataFrame")
Polars = foreign("polars.dataframe.frame", "DataFrame")
Estimator = foreign("sklearn.base", "BaseEstimator")
Logistic = foreign("sklearn.linear_model._logistic", "LogisticRegression", Estimator)
Forest = foreign("sklearn.ensemble._forest", "RandomForestClassifier", Estimator)
Rows = NewType("Rows", int)


class Penalty(Enum):
    L1 = "lasso"
    L2 = "ridge"


@pytest.mark.parametrize(
    ("declared", "format", "artifact", "imports"),
    [
        (Frame, "pandas", ArtifactType.DATASET, ("pandas", "pyarrow.parquet")),
        (foreign("geopandas", "GeoDataFrame", Frame), "pandas", ArtifactType.DATASET, ("pandas", "pyarrow.parquet")),
        (Polars, "polars", ArtifactType.DATASET, ("polars", "pyarrow.parquet")),
        (foreign("pyarrow.lib", "Table"), "arrow", ArtifactType.DATASET, ("pyarrow.parquet",)),
        (foreign("numpy", "ndarray"), "numpy", ArtifactType.DATASET, ("numpy",)),
        (Logistic, "joblib", ArtifactType.MODEL, ("joblib",)),
        (Logistic | Forest, "joblib", ArtifactType.MODEL, ("joblib",)),
        (foreign("matplotlib.figure", "Figure"), "image", ArtifactType.ARTIFACT, ("matplotlib.figure",)),
        (foreign("PIL.Image", "Image"), "image", ArtifactType.ARTIFACT, ("PIL.Image",)),
        (Image, "image", ArtifactType.ARTIFACT, ()),
        (HTML, "html", ArtifactType.HTML, ()),
        (Markdown, "markdown", ArtifactType.MARKDOWN, ()),
        (Text, "text", ArtifactType.ARTIFACT, ()),
        (Path, "path", ArtifactType.ARTIFACT, ()),
        (bytes, "bytes", ArtifactType.ARTIFACT, ()),
        (Metrics, "metrics", ArtifactType.METRICS, ()),
        (Evaluation, "evaluation", ArtifactType.METRICS, ("numpy",)),
    ],
)
def test_types_are_recognised_without_importing_their_library(
    declared: Any, format: str, artifact: ArtifactType, imports: tuple[str, ...]
) -> None:
    kind = kind_of(declared)
    assert (kind.format, kind.artifact, kind.imports, kind.parameter) == (format, artifact, imports, None)


@pytest.mark.parametrize(
    ("declared", "type"),
    [
        (bool, ParameterType.BOOLEAN),
        (int, ParameterType.INTEGER),
        (Rows, ParameterType.INTEGER),
        (float, ParameterType.DOUBLE),
        (str, ParameterType.STRING),
        (Penalty, ParameterType.STRING),
        (date, ParameterType.STRING),
        (Literal[1, 2], ParameterType.INTEGER),
        (float | None, ParameterType.DOUBLE),
        (list, ParameterType.LIST),
        (list[list[Literal["a"]]], ParameterType.LIST),
        (tuple[int, ...], ParameterType.LIST),
        (dict[str, list[int]], ParameterType.STRUCT),
        (Mapping[str, Any], ParameterType.STRUCT),
    ],
)
def test_plain_values_are_parameters(declared: Any, type: ParameterType) -> None:
    kind = kind_of(declared)
    assert kind.parameter is not None
    assert (kind.parameter.field.type, kind.artifact) == (type, None)


def test_an_unknown_type_is_refused_with_the_way_out() -> None:
    class Graph:
        pass

    for declared in (Graph, complex, set[int], int | str, Logistic | Frame, Callable[[], int]):
        with pytest.raises(Unsupported, match="is no type that Palmette knows how to keep") as caught:
            kind_of(declared)
        assert "Format(read, write)" in caught.value.hint


def read(path: Path) -> complex:
    return complex(path.read_text())


def write(value: complex, path: Path) -> None:
    path.write_text(str(value))


def test_a_format_says_how_any_type_is_kept() -> None:
    kind = kind_of(Annotated[complex, Format(read, write, ".txt"), Sensitive])
    assert (kind.format, kind.custom, kind.sensitive) == ("custom", Format(read, write, ".txt"), True)


def test_a_file_is_a_model_where_it_is_marked_as_one() -> None:
    for declared, form in (
        (Annotated[Path, annotations.Model], "path"),
        (Annotated[complex, annotations.Model, Format(read, write)], "custom"),
    ):
        kind = kind_of(declared)
        assert (kind.artifact, kind.format) == (ArtifactType.MODEL, form)
    with pytest.raises(Unsupported, match="a Model is kept as a file, and float is a value"):
        kind_of(Annotated[float, annotations.Model])


class Patients(NamedTuple):
    table: bytes
    names: list[str]


@pytest.mark.parametrize(
    ("returned", "sensitive", "names"),
    [
        (Annotated[dict[str, str], Sensitive], False, ["output"]),
        (int, True, ["output"]),
        (str, True, ["output"]),
        (Patients, True, ["names"]),
        (Patients, ("names",), ["names"]),
        (Patients, ("table",), []),
        (bytes, True, []),
        (int, False, []),
    ],
)
def test_a_sensitive_output_has_to_be_an_artifact(
    returned: Any, sensitive: bool | tuple[str, ...], names: list[str]
) -> None:
    found = signature_of(lambda: None, outputs=returned, sensitive=sensitive)
    assert found.problems == tuple(
        (
            f"output {name!r} is sensitive, and a parameter stands in the run's record",
            "Return a table, Text, a file or another artifact.",
        )
        for name in names
    )


@dataclass
class Both:
    table: bytes
    share: float


class Pair(NamedTuple):
    table: bytes
    share: float


def test_a_result_is_spread_over_the_outputs() -> None:
    def nothing() -> None: ...
    def one() -> list[int]: ...
    def several() -> tuple[bytes, float]: ...
    def named() -> Both: ...
    def pair() -> Pair: ...

    expected = {"table": b"x", "share": 0.5}
    assert signature_of(nothing).spread(None) == {}
    assert signature_of(one).spread([1]) == {"output": [1]}
    assert signature_of(several).spread((b"x", 0.5)) == {"output_1": b"x", "output_2": 0.5}
    assert signature_of(named).spread(Both(b"x", 0.5)) == expected
    assert signature_of(pair).spread(Pair(b"x", 0.5)) == expected
    outside = signature_of(one, outputs={"table": bytes, "share": float})
    assert outside.shape is Shape.NAMES
    assert outside.spread(dict(expected)) == outside.spread((b"x", 0.5)) == expected


def test_a_result_that_holds_other_outputs_is_refused() -> None:
    def several() -> tuple[bytes, float]: ...
    def named() -> Both: ...

    with pytest.raises(TypeError, match="a tuple of 2 is declared, not a tuple of 3"):
        signature_of(several).spread((1, 2, 3))
    with pytest.raises(TypeError, match="a tuple of 2 is declared, not a int"):
        signature_of(several).spread(1)
    with pytest.raises(TypeError, match="the int it gave has no table, share"):
        signature_of(named).spread(1)


@dataclass(frozen=True)
class Model:
    depth: int = 3
    rate: Annotated[float, Range(0, 1)] = 0.1


def test_values_become_the_arguments_that_were_declared() -> None:
    def fit(  # noqa: PLR0917  (one of each)
        rows: int, /, table: bytes, penalty: Penalty, since: date, sizes: tuple[int, ...], model: Model, data: Path,
        limit: int | None, untyped, seed: int = 7,  # noqa: ANN001
    ) -> None: ...  # fmt: skip

    values = {
        "rows": 3.0,
        "penalty": "L1",
        "since": "2024-05-31",
        "sizes": [1, 2],
        "model.depth": 5,
        "model.rate": 1,
        "data": "a.csv",
        "untyped": 1.5,
    }
    positional, by_name = signature_of(fit).bind(values, {"table": b"x"})
    assert positional == [3]
    assert by_name == {
        "table": b"x",
        "penalty": Penalty.L1,
        "since": date(2024, 5, 31),
        "sizes": (1, 2),
        "model": Model(5, 1.0),
        "data": Path("a.csv"),
        "limit": None,
        "untyped": 1.5,
    }
    with pytest.raises(ValueError, match="'L3' is not one of L1, L2"):
        signature_of(fit).bind({**values, "penalty": "L3"}, {"table": b""})
    with pytest.raises(ValueError, match="2 is not a number from 0 to 1"):
        signature_of(fit).bind({**values, "model.rate": 2}, {"table": b""})


@pytest.mark.parametrize(
    ("wanted", "given", "fits"),
    [
        (float, int, True),
        (int, float, False),
        (int, bool, False),
        (str, Literal["a"], True),
        (Literal["a", "b"], Literal["a"], True),
        (Literal["a"], Literal["a", "b"], False),
        (int | None, int, True),
        (int, int | None, False),
        (Penalty, Penalty, True),
        (str, Penalty, False),
        (list[float], list[int], True),
        (list[int], list[str], False),
        (list, list[str], True),
        (Frame, Polars, True),
        (Frame, Logistic, False),
        (Estimator, Logistic, True),
        (Logistic, Forest, False),
        (Logistic | Forest, Forest, True),
        (Path, Frame, True),
        (Frame, Path, False),
        (HTML, str, False),
        (str, HTML, False),
        (dict[str, float], Metrics, False),
    ],
)
def test_only_what_fits_is_wired(wanted: Any, given: Any, fits: bool) -> None:
    assert (mismatch(kind_of(wanted), kind_of(given)) == "") is fits


@step(cpu=2)
def decorated(x: int) -> int:
    return x + 1


wrapped = step(read, outputs=str)


def test_a_step_is_pickled_by_name() -> None:
    assert pickle.loads(pickle.dumps(decorated)) is decorated
    assert pickle.loads(pickle.dumps(wrapped)) is wrapped


def test_an_option_that_does_not_exist_is_an_error_at_once() -> None:
    with pytest.raises(TypeError, match="unexpected option: memroy"):
        step(memroy="4Gi")  # type: ignore[call-overload]
