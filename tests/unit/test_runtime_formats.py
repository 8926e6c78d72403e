"""Values as files: written by one step, read by another, with what is said of them."""

from __future__ import annotations

import json
import os
import subprocess
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import palmette

HEAD = """
import json, os, sys
from pathlib import Path
from typing import Annotated
from palmette.authoring.annotations import Format, Sensitive
from palmette.authoring.results import HTML, Evaluation, Image, Markdown, Metrics, Text
from palmette.authoring.signatures import kind_of
from palmette.errors import DefinitionError
from palmette.runtime import formats

Path("outputs").mkdir(exist_ok=True)
Path("work").mkdir(exist_ok=True)
os.chdir("work")
outputs = Path("../outputs").resolve()

def write(value, declared, name="output"):
    return formats.write(value, outputs / name, name, kind_of(declared))

def read(metadata, declared=None, name="output"):
    return formats.read(outputs / name, metadata, kind_of(declared) if declared else None)

def refused(value, declared):
    try:
        write(value, declared, "refused")
    except DefinitionError as error:
        return error.message
"""


@pytest.fixture
def told(project_python: Path, tmp_path: Path) -> Callable[[str], list[Any]]:
    """What a program with real libraries prints, each line JSON."""

    def run(program: str) -> list[Any]:
        done = subprocess.run(
            [project_python, "-P", "-c", HEAD + textwrap.dedent(program)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={
                "PYTHONPATH": str(Path(palmette.__file__).parents[1]),
                "MPLCONFIGDIR": str(tmp_path),
                "PATH": os.environ["PATH"],
            },
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def test_a_pandas_table_comes_back_with_its_index_and_its_statistics(told: Callable[[str], list[Any]]) -> None:
    metadata, same, deterministic = told("""
        import pandas as pd, numpy as np
        table = pd.DataFrame(
            {
                "age": [30, 50, 70],
                "dose": [1.5, np.nan, 2.5],
                "ward": ["A", "B", "A"],
                "kind": pd.Categorical(["x", "y", "x"]),
                "benign": [True, False, True],
                "seen": pd.to_datetime(["2024-01-01", "2024-01-03", "2024-01-02"]),
            },
            index=["p", "q", "r"],
        )
        metadata = write(table, pd.DataFrame)
        print(json.dumps(metadata, allow_nan=False))
        print(json.dumps(read(metadata).equals(table)))
        write(table.copy(), pd.DataFrame, "again")
        print(json.dumps((outputs / "again").read_bytes() == (outputs / "output").read_bytes()))
    """)
    assert same
    assert deterministic
    assert (metadata["format"], metadata["filename"], metadata["type"], metadata["rows"]) == (
        "pandas",
        "output.parquet",
        "pandas.DataFrame",
        3,
    )
    columns = {column.pop("name"): column for column in metadata["columns"]}
    assert columns["age"] == {"type": "int64", "nulls": 0, "min": 30, "max": 70, "mean": 50.0, "std": 20.0}
    assert columns["dose"]["nulls"] == 1
    assert columns["dose"]["mean"] == 2.0
    assert columns["ward"] == {"type": "string", "nulls": 0, "distinct": 2}
    assert columns["kind"]["distinct"] == 2
    assert columns["benign"]["true"] == pytest.approx(2 / 3)
    assert columns["seen"]["max"].startswith("2024-01-03")
    assert set(columns) == {"age", "dose", "ward", "kind", "benign", "seen"}


def test_statistics_are_json_whatever_the_columns_hold(told: Callable[[str], list[Any]]) -> None:
    metadata, empty = told("""
        import pandas as pd, numpy as np
        from decimal import Decimal
        table = pd.DataFrame(
            {
                "infinite": [np.inf, 1.0],
                "missing": [np.nan, np.nan],
                "none": [None, None],
                "lists": [[1], [2, 3]],
                "money": [Decimal("1.50"), Decimal("2.50")],
                "large": [2**62, 1],
                7: [1, 2],
            }
        )
        print(json.dumps(write(table, pd.DataFrame), allow_nan=False))
        print(json.dumps(write(table.iloc[:0], pd.DataFrame, "empty"), allow_nan=False))
    """)
    columns = {column["name"]: column for column in metadata["columns"]}
    assert columns["money"]["mean"] == 2.0
    assert "max" not in columns["infinite"]
    assert columns["missing"] == {"name": "missing", "type": "double", "nulls": 2}
    assert columns["large"]["max"] == 2**62
    assert empty["rows"] == 0


def test_a_table_is_read_as_the_library_that_is_asked_for(told: Callable[[str], list[Any]]) -> None:
    assert told("""
        import pandas as pd, pyarrow
        metadata = write(pd.DataFrame({"a": [1, 2]}), pd.DataFrame)
        print(json.dumps(read(metadata, pyarrow.Table).to_pylist()))
        metadata = write(read(metadata, pyarrow.Table), pyarrow.Table, "second")
        print(json.dumps([metadata["type"], read(metadata, pd.DataFrame, "second")["a"].tolist()]))
    """) == [[{"a": 1}, {"a": 2}], ["pyarrow.Table", [1, 2]]]


def test_of_a_sensitive_output_nothing_is_said(told: Callable[[str], list[Any]]) -> None:
    table, metrics = told("""
        import pandas as pd
        print(json.dumps(write(pd.DataFrame({"name": ["Ada"]}), Annotated[pd.DataFrame, Sensitive])))
        print(json.dumps(write(Evaluation(metrics={"auc": 0.5}, keys=["Ada"]), Annotated[Evaluation, Sensitive], "e")))
    """)
    assert table == {"format": "pandas", "filename": "output.parquet", "type": "pandas.DataFrame", "sensitive": True}
    assert metrics == {"format": "evaluation", "filename": "e.npz", "type": "Evaluation", "sensitive": True}


def test_an_evaluation_is_read_by_numpy_alone(told: Callable[[str], list[Any]]) -> None:
    metadata, header, arrays, back, deterministic = told("""
        import numpy as np, pandas as pd
        def made():
            table = pd.DataFrame({"chapter": ["A", "B", "A"], "score": [0.1, 0.9, 0.4]}, index=["k1", "k2", "k3"])
            return Evaluation(
                metrics={"auc": np.float64(0.9), "nan": float("nan")},
                labels=table["chapter"], predictions=["A", "B", "B"], keys=table.index, scores=table["score"],
                train_keys=[7, 8], curves={"loss/ä": ([1, 2], [0.5, 0.25])}, roc=([0.0, 1.0], [0.0, 1.0]),
                confusion=np.eye(2), slices={"ward": ["x", "y", "x"]}, classes=table["chapter"].astype("category")[:2],
            )
        metadata = write(made(), Evaluation)
        print(json.dumps(metadata, allow_nan=False))
        with np.load(outputs / "output", allow_pickle=False) as file:
            print(str(file["header"]))
            print(json.dumps({name: file[name].tolist() for name in file.files if name != "header"}))
        back = read(metadata)
        print(json.dumps([back.metrics["auc"], back.metrics["nan"] != back.metrics["nan"], list(back.labels),
                          back.curves["loss/ä"][1].tolist(), back.slices["ward"].tolist(), len(back.roc)]))
        write(made(), Evaluation, "again")
        print(json.dumps((outputs / "again").read_bytes() == (outputs / "output").read_bytes()))
    """)
    assert metadata["auc"] == 0.9
    assert metadata["nan"] == "nan"
    assert "keys" in metadata["holds"]
    assert header == {"schema": 1, "metrics": {"auc": 0.9, "nan": "nan"}, "curves": ["loss/ä"], "slices": ["ward"]}
    assert arrays["labels"] == ["A", "B", "A"]
    assert arrays["train_keys"] == [7, 8]
    assert arrays["curves.0.y"] == [0.5, 0.25]
    assert back == [0.9, True, ["A", "B", "A"], [0.5, 0.25], ["x", "y", "x"], 2]
    assert deterministic


def test_metrics_are_sorted_json_and_entries_of_the_metadata(told: Callable[[str], list[Any]]) -> None:
    metadata, text, back, refused = told("""
        metadata = write(Metrics(f1=0.5, accuracy=1), Metrics)
        print(json.dumps(metadata))
        print((outputs / "output").read_text())
        print(json.dumps(read(metadata)))
        print(json.dumps(refused({"format": 1.0}, Metrics)))
    """)
    assert metadata == {
        "accuracy": 1.0,
        "f1": 0.5,
        "format": "metrics",
        "filename": "output.json",
        "type": "Metrics",
    }
    assert text == back == {"accuracy": 1.0, "f1": 0.5}
    assert "no metric can be named format" in refused


def test_estimators_arrays_and_images_are_the_same_bytes_again(told: Callable[[str], list[Any]]) -> None:
    same, predicted, array, png = told("""
        import numpy as np
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from matplotlib.figure import Figure

        X, y = np.arange(20.0).reshape(10, 2), np.arange(10) > 4
        def drawn():
            figure = Figure()
            figure.subplots().plot([1, 2])
            return figure
        made = {
            LogisticRegression: lambda: make_pipeline(LogisticRegression()).fit(X, y),
            np.ndarray: lambda: X.copy(),
            Figure: drawn,
        }
        said = {}
        for declared, make in made.items():
            name = kind_of(declared).format
            said[name] = write(make(), declared, name)
            write(make(), declared, name + "2")
        print(json.dumps([(outputs / name).read_bytes() == (outputs / (name + "2")).read_bytes() for name in said]))
        print(json.dumps([said["joblib"], read(said["joblib"], name="joblib").predict(X[:1]).tolist()]))
        print(json.dumps([said["numpy"], read(said["numpy"], name="numpy").tolist() == X.tolist()]))
        image = read(said["image"], Figure, "image")
        print(json.dumps([said["image"], image.kind, image.data[:4].decode("latin-1"), b"matplotlib" in image.data]))
    """)
    assert same == [True, True, True]
    assert predicted == [
        {"format": "joblib", "filename": "joblib.joblib", "type": "sklearn.Pipeline"},
        [False],
    ]
    assert array[0]["shape"] == [10, 2]
    assert array[1]
    assert png == [
        {"format": "image", "filename": "image.png", "type": "matplotlib.Figure"},
        "png",
        "\x89PNG",
        False,
    ]


def test_texts_and_bytes_are_kept_as_they_are(told: Callable[[str], list[Any]]) -> None:
    html, markdown, data = told("""
        metadata = write("<p>é</p>\\r\\n", HTML, "report")
        back = read(metadata, HTML, "report")
        print(json.dumps([metadata["filename"], back, type(back).__name__]))
        metadata = write(Markdown("# é"), Markdown, "notes")
        print(json.dumps([metadata["filename"], type(read(metadata, Text, "notes")).__name__]))
        metadata = write(b"\\x00\\x01", bytes, "raw")
        print(json.dumps(list(read(metadata, bytes, "raw"))))
    """)
    assert html == ["report.html", "<p>é</p>\r\n", "HTML"]
    assert markdown == ["notes.md", "Text"]
    assert data == [0, 1]


def test_a_value_of_another_type_names_the_output_what_was_expected_and_what_came(
    told: Callable[[str], list[Any]],
) -> None:
    assert told("""
        import numpy as np, pandas as pd
        from sklearn.linear_model import LogisticRegression
        print(json.dumps(refused([1], pd.DataFrame)))
        print(json.dumps(refused(None, HTML)))
        print(json.dumps(refused(LogisticRegression, LogisticRegression)))
        print(json.dumps(refused({}, LogisticRegression)))
        print(json.dumps(refused({"auc": 1}, Evaluation)))
        print(json.dumps(refused(np.array([object()]), np.ndarray)))
        print(json.dumps(refused(pd.DataFrame([[1, 2]], columns=["a", "a"]), pd.DataFrame)))
        print(json.dumps(refused(Evaluation(labels=["a", None]), Evaluation)))
        print(json.dumps(refused(Path("absent.csv"), Path)))
    """) == [
        "output 'refused' should be pandas.DataFrame, and is list",
        "output 'refused' should be HTML, and is None",
        "output 'refused' should be sklearn.LogisticRegression, and is type",
        "output 'refused' should be sklearn.LogisticRegression, and is dict",
        "output 'refused' should be Evaluation, and is dict",
        "output 'refused' cannot be written as numpy: Object arrays cannot be saved when allow_pickle=False",
        "output 'refused' cannot be written as pandas: Duplicate column names found: ['a', 'a']",
        "output 'refused' cannot be written as evaluation: labels must be texts, or numbers, or truth values, without "
        "gaps; not NoneType, str",
        "output 'refused' cannot be written as path: absent.csv does not exist",
    ]


def test_a_file_keeps_its_name_and_is_given_under_it(told: Callable[[str], list[Any]]) -> None:
    metadata, linked, foreign, given, directory, inside = told("""
        Path("scan.nii.gz").write_text("scan")
        metadata = write(Path("scan.nii.gz"), Path)
        print(json.dumps(metadata))
        print(json.dumps((outputs / "output").samefile("scan.nii.gz")))
        Path("../outside.csv").write_text("a")
        write(Path("../outside.csv"), Path, "foreign")
        print(json.dumps((outputs / "foreign").samefile("../outside.csv")))
        given = read(metadata, Path)
        print(json.dumps([given.name, given.read_text()]))
        Path("tree/deep").mkdir(parents=True)
        Path("tree/deep/a.txt").write_text("a")
        Path("tree/link.txt").symlink_to("deep/a.txt")
        Path("tree/also").symlink_to("deep")
        print(json.dumps(write(Path("tree"), Path, "directory")))
        files = [path for path in sorted((outputs / "directory").rglob("*")) if path.is_file()]
        assert not any(path.is_symlink() for path in files)
        print(json.dumps([str(path.relative_to(outputs / "directory")) for path in files]))
    """)
    assert metadata == {"format": "path", "filename": "scan.nii.gz", "type": "pathlib.PosixPath"}
    assert linked
    assert not foreign
    assert given == ["scan.nii.gz", "scan"]
    assert directory["filename"] == "tree/"
    assert inside == ["also/a.txt", "deep/a.txt", "link.txt"]


def test_links_to_nothing_and_links_in_a_circle_are_refused(told: Callable[[str], list[Any]]) -> None:
    nothing, circle, pipe = told("""
        for name, target in (("nothing", "absent"), ("circle", "..")):
            (Path(name) / "below").mkdir(parents=True)
            (Path(name) / "below" / "link").symlink_to(target)
            print(json.dumps(refused(Path(name), Path)))
            import shutil; shutil.rmtree(outputs / "refused")
        os.mkfifo("pipe")
        print(json.dumps(refused(Path("pipe"), Path)))
    """)
    assert "nothing/below/link is a symbolic link to nothing" in nothing
    assert "circle/below/link is a symbolic link to a directory that holds it" in circle
    assert "pipe is neither a file nor a directory" in pipe


def test_a_format_of_the_projects_own_writes_and_reads(told: Callable[[str], list[Any]], tmp_path: Path) -> None:
    (tmp_path / "graphs.py").write_text(
        "from palmette.authoring.annotations import Format\n"
        "def read(path):\n    return sorted(path.read_text().split())\n"
        "def write(value, path):\n    path.write_text(' '.join(sorted(value)))\n"
        "GRAPH = Format(read, write, '.gml')\n"
    )
    metadata, back, wrong = told("""
        sys.path.append("..")
        import graphs, pandas as pd
        declared = Annotated[set, graphs.GRAPH]
        metadata = write({"b", "a"}, declared, "graph")
        print(json.dumps(metadata))
        print(json.dumps([read(metadata, name="graph"), read(metadata, declared, "graph")]))
        try:
            read(metadata, pd.DataFrame, "graph")
        except DefinitionError as error:
            print(json.dumps(error.message))
    """)
    assert metadata == {"reader": "graphs:read", "format": "custom", "filename": "graph.gml", "type": "set"}
    assert back == [["a", "b"], ["a", "b"]]
    assert wrong == "it holds custom, and pandas is wanted"


def test_a_missing_library_is_named(told: Callable[[str], list[Any]]) -> None:
    assert told("""
        import pandas as pd
        from palmette.authoring.signatures import Kind
        from palmette.errors import PalmetteError
        metadata = write(pd.DataFrame({"a": [1]}), pd.DataFrame)
        try:
            formats.read(outputs / "output", metadata, Kind(format="polars"))
        except PalmetteError as error:
            print(json.dumps(error.message))
    """) == ["polars is needed to read or write this kind of value, and is not installed here"]
