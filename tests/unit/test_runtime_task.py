"""One step, carried out in a process of its own, from its bundle."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import palmette

PROGRAM = "import sys; from palmette.runtime.task import main; sys.exit(main(sys.argv[1:]))"


@dataclass(frozen=True, kw_only=True)
class Carried:
    """A step that was carried out."""

    code: int
    out: str
    err: str
    directory: Path
    values: dict[str, Any] = field(default_factory=dict)
    artifacts: dict[str, Any] = field(default_factory=dict)

    def output(self, name: str = "output") -> Path:
        return self.directory / "outputs" / name

    def metadata(self, name: str = "output") -> dict[str, Any]:
        metadata: dict[str, Any] = self.artifacts[name]["artifacts"][0]["metadata"]
        return metadata


Carry = Callable[..., Carried]


@pytest.fixture
def carry(make_bundle: Callable[..., Any], tmp_path: Path) -> Carry:
    """Carry out a step of a module "app" with this source, as the engine's processes do."""
    project = tmp_path / "project"
    project.mkdir()

    def run(
        source: str,
        target: str = "app:work",
        *,
        values: tuple[str, ...] = (),
        artifacts: tuple[str, ...] = (),
        inputs: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
        python: Path | str = sys.executable,
        fields: Mapping[str, Any] | None = None,
        **parameters: Any,
    ) -> Carried:
        bundle = make_bundle({"app.py": source})
        (project / "app.py").write_text(source)
        directory = tmp_path / "attempt"
        (directory / "work").mkdir(parents=True, exist_ok=True)
        asked = {
            "inputs": {
                "parameterValues": parameters,
                "artifacts": {n: {"artifacts": [a]} for n, a in (inputs or {}).items()},
            },
            "outputs": {
                "parameters": {name: {"outputFile": str(directory / "values" / name)} for name in values},
                "artifacts": {
                    name: {
                        "artifacts": [
                            {
                                "name": name,
                                "type": {"schemaTitle": "system.Artifact"},
                                "uri": str(directory / "outputs" / name),
                                "metadata": {},
                            }
                        ]
                    }
                    for name in artifacts
                },
                "outputFile": str(directory / "executor_output.json"),
            },
        }
        done = subprocess.run(
            [
                python,
                "-P",
                "-c",
                PROGRAM,
                target,
                json.dumps(asked),
                str(bundle.directory),
                json.dumps(fields or {}),
            ],
            capture_output=True,
            text=True,
            cwd=directory / "work",
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(Path(palmette.__file__).parents[1]),
                "PALMETTE_BUNDLES": str(bundle.home),
                "PALMETTE_PROJECT": str(project),
                "PALMETTE_SOURCES": str(project),
                "PALMETTE_EVENTS": str(directory / "events.jsonl"),
                **(environment or {}),
            },
            check=False,
        )
        answered = directory / "executor_output.json"
        answer = json.loads(answered.read_text()) if answered.exists() else {"parameterValues": {}, "artifacts": {}}
        return Carried(
            code=done.returncode,
            out=done.stdout,
            err=done.stderr,
            directory=directory,
            values=answer["parameterValues"],
            artifacts=answer["artifacts"],
        )

    return run


def test_parameters_arrive_as_the_types_that_were_declared(carry: Carry) -> None:
    done = carry(
        """
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Literal, Optional

class Gaps(Enum):
    MEAN = "m"
    MEDIAN = "n"

@dataclass(frozen=True)
class Tree:
    depth: int = 3
    rate: float = 0.1

def work(n: int, ratio: float, gaps: Gaps, day: date, ngrams: tuple[int, ...], tree: Tree, penalty: Literal["l1", "l2"],
         most: Optional[int], names: dict[str, float], verbose: bool = True, unsaid=None) -> str:
    return repr((n, ratio, gaps, day, ngrams, tree, penalty, most, names, verbose, unsaid))
""",
        values=("output",),
        n=5.0,
        ratio=1,
        gaps="MEDIAN",
        day="2024-05-31",
        ngrams=[2.0, 4.0],
        penalty="l1",
        names={"a": 1},
        **{"tree.depth": 7.0, "tree.rate": 0.1},
    )
    assert done.code == 0, done.err
    assert done.values["output"] == (
        "(5, 1.0, <Gaps.MEDIAN: 'n'>, datetime.date(2024, 5, 31), (2, 4), Tree(depth=7, rate=0.1), 'l1', None, "
        "{'a': 1.0}, True, None)"
    )


def test_a_value_outside_of_its_range_is_refused_before_the_step_runs(carry: Carry) -> None:
    source = """
from typing import Annotated
from palmette.authoring.annotations import Range
def work(share: Annotated[float, Range(0.05, 0.5)]) -> float:
    print("ran")
    return share
"""
    done = carry(source, values=("output",), share=0.9)
    assert (done.code, done.out) == (1, "")
    assert "step work was given a value that it does not take" in done.err
    assert "0.05 to 0.5" in done.err
    assert "Traceback" not in done.err


def test_the_config_fields_that_inputs_come_from_are_held_against_them_all_at_once(carry: Carry) -> None:
    source = """
def work(share: float, kind: str) -> float:
    print("ran")
    return share
"""
    fields = {
        "share": {"name": "test_share", "type": "NUMBER_DOUBLE", "low": 0.05, "high": 0.5},
        "kind": {"name": "penalty", "type": "STRING", "choices": ["l1", "l2"]},
    }
    done = carry(source, values=("output",), fields=fields, share=0.9, kind="l3")
    assert (done.code, done.out) == (1, "")
    assert "test_share: 0.9 is not a number from 0.05 to 0.5" in done.err
    assert "penalty: 'l3' is not one of l1, l2" in done.err
    assert carry(source, values=("output",), fields=fields, share=0.5, kind="l1").code == 0


def test_outputs_are_split_by_the_signature_and_written_as_files_too(carry: Carry) -> None:
    done = carry(
        """
from typing import NamedTuple
from palmette.authoring.results import HTML, Metrics

class Gave(NamedTuple):
    page: HTML
    metrics: Metrics
    count: int
    share: float
    names: list[str]
    nothing: float | None

def work() -> Gave:
    return Gave(HTML("<p>"), Metrics(auc=0.5), 3, 1, ["a"], None)
""",
        values=("count", "share", "names", "nothing"),
        artifacts=("page", "metrics"),
    )
    assert done.code == 0, done.err
    assert done.values == {"count": 3, "share": 1.0, "names": ["a"]}
    assert [(done.directory / "values" / name).read_text() for name in ("count", "names")] == ["3", '["a"]']
    assert not (done.directory / "values" / "nothing").exists()
    assert done.output("page").read_text() == "<p>"
    assert done.metadata("page") == {"format": "html", "filename": "page.html", "type": "HTML"}
    assert done.metadata("metrics")["auc"] == 0.5
    assert sorted(path.name for path in (done.directory / "outputs").iterdir()) == ["metrics", "page"]


def test_a_result_of_another_shape_or_type_names_the_step_and_the_output(carry: Carry) -> None:
    for source, message in (
        ("def work() -> tuple[int, str]:\n    return 1", "step work: a tuple of 2 is declared, not a int"),
        ("def work() -> int:\n    return 0.5", "step work: output 'output' should be int, and is float"),
        ("def work() -> int:\n    return None", "step work: output 'output' should be int, and is NoneType"),
        (
            "from palmette.authoring.results import HTML\ndef work() -> HTML:\n    return 1",
            "step work: output 'output' should be HTML, and is int",
        ),
    ):
        done = carry(source, values=("output",), artifacts=("output",))
        assert done.code == 1
        assert done.err.startswith(f"palmette: {message}")
        assert "Traceback" not in done.err
        assert not (done.directory / "executor_output.json").exists()


def test_an_exception_of_the_step_shows_the_users_frames_alone(carry: Carry, tmp_path: Path) -> None:
    done = carry(
        "def work() -> int:\n    try:\n        1 / 0\n    except ZeroDivisionError:\n        raise ValueError('no')"
    )
    assert done.code == 1
    assert "ZeroDivisionError" in done.err
    assert done.err.endswith("ValueError: no\n")
    assert f'File "{tmp_path}/project/app.py", line 5, in work' in done.err
    assert "runtime" not in done.err


def test_a_module_that_cannot_be_imported_shows_where(carry: Carry, tmp_path: Path) -> None:
    done = carry("import absent_library\ndef work() -> None: ...")
    assert f'File "{tmp_path}/project/app.py", line 1, in <module>' in done.err
    assert "importlib" not in done.err
    done = carry("def work( -> None: ...")
    assert "SyntaxError" in done.err


def test_what_the_step_gives_to_sys_exit_is_respected(carry: Carry) -> None:
    assert carry("import sys\ndef work() -> int:\n    sys.exit(7)").code == 7
    done = carry("import sys\ndef work() -> int:\n    sys.exit('enough')")
    assert (done.code, done.err) == (1, "enough\n")
    assert carry("import sys\ndef work() -> None:\n    sys.exit()").code == 0
    done = carry("import sys\ndef work() -> int:\n    sys.exit(0)")
    assert done.code == 1
    assert "called sys.exit before it gave its outputs" in done.err


def test_a_project_file_that_was_left_behind_gets_a_hint(carry: Carry, tmp_path: Path) -> None:
    (tmp_path / "project" / "data").mkdir()
    (tmp_path / "project" / "data" / "x.csv").write_text("a")
    done = carry("def work() -> None:\n    open('data/x.csv')")
    assert done.code == 1
    assert "data/x.csv is a file of the project" in done.err
    assert "importlib.resources" in done.err
    assert 'data: InputFile = InputFile("data/x.csv")' in done.err
    again = (
        "    except FileNotFoundError as error:\n        raise FileNotFoundError(*error.args, 'data/x.csv') from error"
    )
    done = carry(f"def work() -> None:\n    try:\n        open('data/x.csv')\n{again}")
    assert done.err.count("is a file of the project") == 1
    done = carry("def work() -> None:\n    open('nowhere.csv')")
    assert "of the project" not in done.err


def test_secrets_are_not_printed(carry: Carry) -> None:
    done = carry(
        """
import logging, os, sys
def work() -> None:
    print("token is", os.environ["TOKEN"])
    logging.getLogger("app").info("token %s", os.environ["TOKEN"])
    print(["key", os.environ["KEY"]], file=sys.stderr)
    raise ValueError(os.environ["TOKEN"])
""",
        environment={"TOKEN": "s3cr3t-token", "KEY": "line one\nline two", "PALMETTE_SECRETS": "TOKEN,KEY,UNSET"},
    )
    assert done.code == 1
    assert "token is ***" in done.out
    assert "ValueError: ***" in done.err
    for secret in ("s3cr3t", "line one", "line two"):
        assert secret not in done.out + done.err


def test_logging_works_unasked_and_as_the_step_configures_it(carry: Carry) -> None:
    done = carry("import logging\ndef work() -> None:\n    logging.getLogger('app').info('hello')")
    assert done.err.endswith(" INFO app: hello\n")
    done = carry(
        "import logging\ndef work() -> None:\n    logging.basicConfig(format='mine %(message)s')\n"
        "    logging.getLogger('app').warning('hello')"
    )
    assert done.err == "mine hello\n"


def test_logged_metrics_are_lines_of_the_event_file(carry: Carry) -> None:
    done = carry(
        "from palmette.authoring.events import log_metric\ndef work() -> None:\n    log_metric('loss', 0.5, step=1)"
    )
    (line,) = (done.directory / "events.jsonl").read_text().splitlines()
    assert json.loads(line)["metric"] == "loss"


@pytest.mark.parametrize("events", ["", "events.jsonl"], ids=["in a pod", "here"])
def test_what_a_cluster_would_lose_of_a_step_is_kept_in_one_file(carry: Carry, tmp_path: Path, events: str) -> None:
    done = carry(
        """
from typing import Annotated, NamedTuple
from palmette import HTML, Sensitive, log_metric, progress

class Gave(NamedTuple):
    page: HTML
    large: bytes
    secret: Annotated[bytes, Sensitive]
    count: int
    name: Annotated[str, Sensitive]

def work() -> Gave:
    for step in range(2):
        log_metric("loss", 0.5, step=step)
    progress(1, 1)
    return Gave(HTML("<p>"), bytes((1 << 20) + 1), b"Ada", 3, "Ada")
""",
        values=("count", "name"),
        artifacts=("page", "large", "secret", "palmette-kept"),
        environment={"PALMETTE_EVENTS": events and str(tmp_path / events)},
    )
    assert done.code == 0, done.err
    with zipfile.ZipFile(done.output("palmette-kept")) as kept:
        assert sorted(kept.namelist()) == ["kept.json", "logged", "made/page"]
        assert kept.read("made/page") == b"<p>"
        logged = [json.loads(line) for line in kept.read("logged").splitlines()]
        about = json.loads(kept.read("kept.json"))
    assert [each["step"] for each in logged if "metric" in each] == [0, 1]
    assert (about["values"], about["cut"]) == ({"count": 3}, False)
    assert {name: each["size"] for name, each in about["made"].items()} == {"page": 3, "large": (1 << 20) + 1}
    assert about["made"]["page"]["metadata"] == done.metadata("page")


def test_an_input_that_lies_on_a_mounted_store_is_found(carry: Carry) -> None:
    done = carry(
        "from pathlib import Path\ndef work(data: Path) -> str:\n    return data.read_text()",
        inputs={"data": {"name": "data", "type": {"schemaTitle": "system.Artifact"}, "uri": "gs://bucket/data"}},
    )
    assert done.code == 1
    assert "step work, input 'data': its file is not there: /gcs/bucket/data" in done.err


def test_a_step_that_is_no_function_of_its_own_keeps_its_declared_outputs(carry: Carry) -> None:
    done = carry(
        "import math\nfrom palmette.authoring.steps import step\n"
        "root = step(math.sqrt, inputs={'x': float}, outputs=float)\n",
        "app:root",
        values=("output",),
        x=4,
    )
    assert done.code == 0, done.err
    assert done.values == {"output": 2.0}


def test_tables_and_models_travel_between_steps(carry: Carry, project_python: Path) -> None:
    source = """
import pandas as pd
from sklearn.linear_model import LogisticRegression

def work(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"x": range(rows), "y": [row > 2 for row in range(rows)]})

def fit(table, C: float) -> LogisticRegression:
    return LogisticRegression(C=C).fit(table[["x"]], table["y"])
"""
    first = carry(source, artifacts=("output",), python=project_python, rows=6)
    assert first.code == 0, first.err
    assert first.metadata()["rows"] == 6
    moved = first.output().rename(first.directory / "table")
    given = {
        "name": "output",
        "type": {"schemaTitle": "system.Dataset"},
        "uri": str(moved),
        "metadata": first.metadata(),
    }
    second = carry(source, "app:fit", artifacts=("output",), inputs={"table": given}, python=project_python, C=1)
    assert second.code == 0, second.err
    assert second.metadata()["type"] == "sklearn.LogisticRegression"


def test_nonsense_in_place_of_the_request_is_one_clear_error(make_bundle: Callable[..., Any]) -> None:
    bundle = make_bundle({"app.py": ""})
    for text in ("", "[]", "{}", '{"outputs": {}}'):
        done = subprocess.run(
            [sys.executable, "-P", "-c", PROGRAM, "app:work", text, str(bundle.directory)],
            capture_output=True,
            text=True,
            env={"PYTHONPATH": str(Path(palmette.__file__).parents[1])},
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.startswith("palmette: the step was not given a KFP ExecutorInput")
