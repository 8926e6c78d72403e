"""Python's way to the verbs, in a real project: `palmette.run`, `runs`, `get`."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Project

JOB = """
    import time
    from dataclasses import dataclass, field
    from pathlib import Path
    from palmette import HTML, Metric, Metrics, algorithm, log_metric, step

    @dataclass(frozen=True)
    class Model:
        depth: int = 3

    @dataclass(frozen=True)
    class Config:
        label: str = "plain"
        layers: list[int] = field(default_factory=lambda: [1])
        limit: int | None = None
        gate: str = ""
        model: Model = Model()

    @step
    def fit(label: str, layers: list[int], depth: int, limit: int | None, gate: str) -> dict[str, float]:
        print(f"fitting {label}")
        while gate and not Path(gate).exists():
            time.sleep(0.02)
        if label == "broken":
            raise ValueError("this label is broken")
        for epoch in range(3):
            log_metric("loss", 3.0 - epoch, step=epoch)
        return {"size": float(depth + sum(layers) + (limit or 0))}

    @step
    def report(model: dict[str, float]) -> HTML:
        return HTML(f"<p>{model['size']}</p>")

    @step
    def score(model: dict[str, float]) -> Metrics:
        return Metrics(size=model["size"])

    @algorithm(config=Config, presets={"toy": Config(layers=[0])}, metrics=[Metric("size", primary=True)])
    def job(config: Config) -> None:
        model = fit(config.label, config.layers, config.model.depth, config.limit, config.gate)
        report(model)
        score(model)
"""


@pytest.fixture
def job(bare: Project) -> Project:
    """A project with an algorithm of the standard library alone."""
    bare.write("algorithms/__init__.py", "")
    bare.write("algorithms/job.py", JOB)
    return bare


def python(project: Project, code: str, *, cwd: Path | None = None, **environ: str) -> Any:
    """What a program in the project's interpreter prints: one JSON value, and what it said on standard error."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "import json, palmette\n" + code],
        cwd=cwd or project.directory,
        env=project.environ | environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


def test_a_run_is_started_and_looked_into(job: Project) -> None:
    found, said = python(
        job,
        """
run = palmette.run("job", label="it's, fine", layers=[2, 3], limit=None, overrides={"model.depth": 4},
                   tags=["mine"], note="from Python")
fit = run["fit"]
print(json.dumps([run.state, run.config, run.metrics, run.tags, run.note, run.algorithm, fit.log, fit.state,
                  fit.outputs["output"], fit.output, [point.value for point in run.curve("loss")],
                  run["report"].outputs["html"].load(), run["report"].output.read_bytes().decode(),
                  run["report"].output.path().name, repr(run), run._repr_html_().count("<tr>") > 5]))
""",
    )
    state, config, metrics, tags, note, algorithm, log, task, output, same, loss, *rest = found
    assert (state, task, algorithm) == ("SUCCEEDED", "SUCCEEDED", "job")
    expected = {"label": "it's, fine", "layers": [2, 3], "limit": None, "gate": "", "model.depth": 4}
    assert config == expected
    assert metrics == {"loss": 1.0, "size": 9.0}
    assert (tags, note, log) == (["mine"], "from Python", "fitting it's, fine\n")
    assert output == same == {"size": 9.0}
    assert loss == [3.0, 2.0, 1.0]
    assert rest[:3] == ["<p>9.0</p>", "<p>9.0</p>", "output.html"]
    assert rest[3].endswith("job succeeded: loss=1, size=9>")
    assert rest[4] is True
    assert "✓ fit" in said


def test_a_failed_run_says_which_step_and_quotes_its_log(job: Project) -> None:
    found, _ = python(
        job,
        """
try:
    palmette.run("job", label="broken", quiet=True)
except palmette.errors.RunFailed as error:
    print(json.dumps([str(error), error.step, error.run.state, error.run["score"].state]))
""",
    )
    text, step, state, skipped = found
    assert "fit: exit code 1: ValueError: this label is broken" in text
    assert "  | fitting broken" in text
    assert (step, state, skipped) == ("fit", "FAILED", "SKIPPED")


LOOP = """
    from palmette import HTML, Metrics, algorithm, collect, each, step

    @step
    def folds() -> list[int]:
        return [3, 4, 5]

    @step
    def fit(fold: int) -> int:
        print(f"fold {fold}")
        return fold * fold

    @step
    def page(fold: int) -> HTML:
        return HTML(f"page {fold}")

    @step
    def mean(scores: list[int]) -> Metrics:
        return Metrics(score=sum(scores) / len(scores))

    @algorithm
    def loop() -> None:
        for fold in each(folds()):
            score = fit(fold)
            page(fold)
        mean(collect(score))
"""


def test_the_iterations_of_a_loop_are_counted_from_0(job: Project) -> None:
    job.write("algorithms/loop.py", LOOP)
    found, _ = python(
        job,
        """
palmette.run("loop", quiet=True)
run = palmette.run("loop", quiet=True)
print(json.dumps([len(run["fit"]), [task.output for task in run["fit"]], run["fit"][2].log, run["fit[1]"].output,
                  run["page"][1].output.load(), len(run["mean"])]))
""",
    )
    assert found == [3, [9, 16, 25], "fold 5\n", 16, "page 4", 1]


def test_no_iteration_of_a_loop_stands_for_the_others(job: Project) -> None:
    job.write("algorithms/loop.py", LOOP.replace("        print(", "        1 / (fold - 4)\n        print("))
    found, _ = python(
        job,
        """
try:
    palmette.run("loop", quiet=True)
except palmette.errors.RunFailed as error:
    fit, mean = error.run["fit"], error.run["mean"]
said = []
for ask in (lambda: fit.output, lambda: fit.outputs, lambda: fit.log, lambda: mean.output):
    try:
        ask()
    except palmette.errors.NotFound as error:
        said.append(str(error))
print(json.dumps([said, fit.state, fit.message, fit[0].state]))
""",
    )
    said, state, message, first = found
    assert "fit was executed 3 times" in said[0]
    assert 'run["fit"][0].output' in said[0]
    assert said[0] == said[1].replace(".outputs", ".output") == said[2].replace(".log", ".output")
    assert "mean has no output; it is skipped: fit[1] failed" in said[3]
    assert (state, first) == ("FAILED", "SUCCEEDED")
    assert "ZeroDivisionError" in message


def test_errors_are_those_of_the_command_with_every_problem(job: Project) -> None:
    found, said = python(
        job,
        """
found = []
for fields in ({"labl": 1}, {"layers": "x", "limit": "y"}):
    try:
        palmette.run("job", **fields)
    except palmette.errors.ConfigError as error:
        found.append([problem.what for problem in error.problems])
try:
    palmette.get("nothing")
except palmette.errors.NotFound as error:
    found.append([error.message, error.hint])
print(json.dumps(found))
""",
    )
    assert found[0] == ["there is no field 'labl'"]
    assert len(found[1]) == 2
    assert found[2][1].startswith("Start one")
    assert said == ""


def test_runs_are_listed_and_compared(job: Project) -> None:
    found, _ = python(
        job,
        """
first = palmette.run("job", quiet=True)
second = palmette.run("job", preset="toy", quiet=True)
second.tag("best", "small")
second.untag("small")
listed = palmette.runs(frame=False)
print(json.dumps([[run.id for run in listed] == [second.id, first.id], palmette.get().id == second.id,
                  second.diff(first)["config"], palmette.get(first.id[:6]).duration > 0, second.tags]))
""",
    )
    assert found[0] is True
    assert found[1] is True
    assert [each["name"] for each in found[2]] == ["layers"]
    assert found[3:] == [True, ["best"]]


def test_a_run_that_is_not_waited_for_goes_on_and_can_be_waited_for(job: Project) -> None:
    found, _ = python(
        job,
        """
from pathlib import Path
run = palmette.run("job", gate="go", wait=False)
before = run.state.final
Path("go").touch()
print(json.dumps([before, run.wait().state, run.metrics["size"]]))
""".replace('"go"', f'"{job.directory}/go"'),
    )
    assert found == [False, "SUCCEEDED", 4.0]


def test_an_interruption_is_passed_on_once(job: Project) -> None:
    code = 'import palmette; palmette.run("job", gate="never", quiet=True)'
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=job.directory,
        env=job.environ,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    job.started.append(process)
    job.eventually(
        lambda: job.exists(".palmette/store.db") and job.json("runs") and job.show().states["fit"] == "running"
    )
    os.killpg(process.pid, signal.SIGINT)
    ended = job.finished(process, -signal.SIGINT)
    assert "KeyboardInterrupt" in ended.err
    assert job.show()["state"] == "canceled"
    assert job.processes() == []


def test_the_project_is_that_of_the_working_directory_else_of_the_calling_file(job: Project, tmp_path: Path) -> None:
    python(job, 'palmette.run("job", quiet=True); print(1)')
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    inside, _ = python(job, "print(len(palmette.runs(frame=False)))", cwd=job.directory / "algorithms")
    named, _ = python(job, f"print(len(palmette.runs(frame=False, project={str(job.directory)!r})))", cwd=elsewhere)
    job.write("look.py", "import palmette\nprint(len(palmette.runs(frame=False)))\n")
    calling = subprocess.run(
        [sys.executable, job.directory / "look.py"], cwd=elsewhere, env=job.environ, capture_output=True, check=True
    )
    assert (inside, named, json.loads(calling.stdout)) == (1, 1, 1)


def test_a_list_that_was_cut_short_says_so(job: Project) -> None:
    found, _ = python(
        job,
        """
import warnings
for limit in (1, 2):
    palmette.run("job", limit=0, overrides={"limit": limit}, quiet=True)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    palmette.runs(limit=1, frame=False)
print(json.dumps([str(each.message) for each in caught]))
""".replace("limit=0, ", ""),
    )
    assert found == ["there may be older runs than the newest 1, which are here: limit= gives more"]


def test_the_tool_is_the_one_that_is_named(job: Project) -> None:
    found, _ = python(
        job,
        """
try:
    palmette.runs(frame=False)
except palmette.errors.InterpreterError as error:
    print(json.dumps(str(error)))
""",
        PALMETTE_TOOL="/nowhere/palmette",
    )
    assert "PALMETTE_TOOL names '/nowhere/palmette'" in found
    assert "uv tool install palmette" in found


def test_without_pandas_a_table_is_an_error_that_names_it(job: Project) -> None:
    hidden = job.directory / "hidden"
    hidden.mkdir()
    (hidden / "pandas.py").write_text("raise ModuleNotFoundError(\"No module named 'pandas'\", name='pandas')\n")
    found, _ = python(
        job,
        """
palmette.run("job", quiet=True)
try:
    palmette.runs()
except palmette.errors.PalmetteError as error:
    print(json.dumps(str(error)))
""",
        PYTHONPATH=str(hidden),
    )
    assert found.startswith("pandas is needed")


def test_runs_become_a_table(clinic: Project, clinic_python: Path) -> None:
    clinic.run("tumour", "--preset", "toy")
    clinic.run("tumour", "C=0.1")
    code = """
import palmette
table = palmette.runs("tumour")
assert str(table["started"].dtype).startswith("datetime64"), table.dtypes
assert table["metric.auc"].dtype == "float64"
assert list(table["config.C"]) == [0.1, 0.1], table
model = palmette.get()["build_and_fit"].outputs["model"].load()
assert hasattr(model, "predict")
print(",".join(table["state"]))
"""
    done = subprocess.run(
        [clinic_python, "-c", code],
        cwd=clinic.directory,
        env=clinic.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "succeeded,succeeded\n"
