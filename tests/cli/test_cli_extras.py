"""What a comparison has executed beside the two runs: the baseline's model on new data, resamples of a metric."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tests.cli.wards import WARD

from palmette.operations import extras, performing, project
from palmette.operations.extras import Extra, Found, Purpose
from palmette.operations.home import Home, open_home
from palmette.operations.project import Project as Settled
from palmette.store import extras as rows
from palmette.store import runs, tasks

if TYPE_CHECKING:
    from conftest import Project


@pytest.fixture
def ward(bare: Project) -> Project:
    bare.write("algorithms/ward.py", WARD)
    bare.write("rows", "150")
    return bare


def opened(ward: Project) -> tuple[Settled, Home]:
    found = project.find(ward.directory, ward.environ)
    return found, open_home(found)


def asked(ward: Project, head: str, baseline: str) -> tuple[Extra, ...]:
    return extras.needed(opened(ward)[1], head, baseline)


def completed(ward: Project, head: str, baseline: str) -> list[Purpose]:
    """Execute all that is needed; for what."""
    settled, home = opened(ward)
    done = []
    while todo := extras.needed(home, head, baseline):
        performing.execute(settled, ward.environ, todo[0], lambda _: None)
        done.append(todo[0].purpose)
        assert len(done) < 5
    return done


def found(ward: Project, head: str, baseline: str) -> Found:
    home = opened(ward)[1]
    return extras.found(home, runs.get(home.store, head), runs.get(home.store, baseline))


def pair(ward: Project) -> tuple[str, str]:
    """A head whose data grew since its baseline."""
    baseline = ward.run("ward")["run_id"]
    ward.write("rows", "180")
    return ward.run("ward", "shift=0.1")["run_id"], baseline


def test_the_baselines_model_answers_the_heads_examples_once(ward: Project) -> None:
    head, baseline = pair(ward)
    assert completed(ward, head, baseline) == [Purpose.RESCORED, Purpose.RESAMPLED]
    executed = ward.lines("done.txt")
    assert len(executed) == 3
    known = found(ward, head, baseline)
    assert known.evaluation is not None
    assert (known.by, len(known.evaluation.keys)) == ("head", 60)
    # A threshold of 0.5 is right about more of them than one of 0.6.
    replicates = known.replicates["hits"]
    assert replicates.baseline == pytest.approx(known.metrics["hits"])
    assert replicates.baseline > replicates.head
    assert replicates.resampled.shape == (500, 2)
    assert completed(ward, head, baseline) == []
    # A twin of the baseline has the same model, so its answers are known.
    ward.write("rows", "150")
    twin = ward.run("ward")["run_id"]
    assert Purpose.RESCORED in completed(ward, head, twin)
    assert found(ward, head, twin).metrics == known.metrics
    assert ward.lines("done.txt") == executed


def test_what_the_baselines_model_was_trained_on_is_what_its_own_run_says(ward: Project) -> None:
    # Example 3 of the head's test data was in the baseline's training: a leak.
    ward.replace("algorithms/ward.py", "train_keys=keys[~tested]", "train_keys=[*keys[~tested], 3]")
    baseline = ward.run("ward")["run_id"]
    ward.replace("algorithms/ward.py", "train_keys=[*keys[~tested], 3]", "train_keys=keys[~tested]")
    ward.write("rows", "180")
    head = ward.run("ward", "shift=0.1")["run_id"]
    completed(ward, head, baseline)
    known = found(ward, head, baseline)
    assert known.evaluation is not None
    trained = set(np.asarray(known.evaluation.train_keys).tolist())
    assert 3 in trained
    assert max(trained) < 150
    # It is left out of what is resampled: 59 of 60 examples have a share of hits in 59ths.
    share = known.replicates["hits"].baseline * 59
    assert share == pytest.approx(round(share))


def test_such_a_run_is_listed_nowhere_and_goes_with_its_head(ward: Project) -> None:
    head, baseline = pair(ward)
    completed(ward, head, baseline)
    extra = found(ward, head, baseline).run
    assert [row["run_id"] for row in ward.json("runs")] == [head, baseline]
    assert ward.show("last")["run_id"] == head
    assert ward.show(extra)["origin"] == head
    assert "evaluate" in ward("show", extra).out
    ward("logs", extra)
    for verb in ("rerun", "reproduce"):
        assert f"palmette diff {head}" in ward(verb, extra, code=2).err
    assert f"palmette gc --run {head}" in ward("gc", "--run", extra, "--yes", code=2).err
    ward("gc", "--run", head, "--yes")
    assert f"there is no run '{extra}'" in ward("show", extra, code=2).err


def test_where_the_heads_step_cannot_read_the_model_the_baselines_own_scores_it(ward: Project) -> None:
    baseline = ward.run("ward")["run_id"]
    ward.write("rows", "180")
    for old, new in (('{"at": 0.5 + shift}', '{"place": 0.5 + shift}'), ('known["at"]', 'known["place"]')):
        ward.replace("algorithms/ward.py", old, new)
    head = ward.run("ward")["run_id"]
    assert completed(ward, head, baseline) == [Purpose.RESCORED, Purpose.OWN, Purpose.RESAMPLED]
    known = found(ward, head, baseline)
    assert known.evaluation is not None
    assert (known.by, len(known.evaluation.keys)) == ("baseline", 60)
    assert "the evaluation step of this run cannot score" in known.remarks[0]
    assert known.remarks[1] == "the baseline was rescored by its own evaluation step"


def test_where_the_steps_take_models_of_other_kinds_the_baselines_own_scores_it(ward: Project) -> None:
    baseline = ward.run("ward")["run_id"]
    ward.write("rows", "180")
    ward.replace("algorithms/ward.py", "evaluate(model: Path,", "evaluate(model: Path, second: Path,")
    ward.replace(
        "algorithms/ward.py", "evaluate(fit(table, config.test, config.shift)", "evaluate(*both(table, config)"
    )
    pairs = (
        "def both(table, config):\n    return [fit(table, config.test, shift) for shift in (config.shift, 0.25)]\n\n"
    )
    ward.replace("algorithms/ward.py", "@algorithm(", f"{pairs}@algorithm(")
    head = ward.run("ward")["run_id"]
    assert completed(ward, head, baseline) == [Purpose.OWN, Purpose.RESAMPLED]
    known = found(ward, head, baseline)
    assert (known.by, known.metrics.keys()) == ("baseline", {"hits"})
    assert known.remarks == (
        "the evaluation step of this run cannot score the baseline's model: "
        "the baseline has no model for the input second",
        "the baseline was rescored by its own evaluation step",
    )


def test_what_failed_is_tried_once_more_only_where_that_is_asked_for(ward: Project) -> None:
    broken = f'    if Path("{ward.directory}/broken").exists():\n        raise OSError\n'
    ward.replace("algorithms/ward.py", "    rows = int(table", f"{broken}    rows = int(table")
    pair(ward)
    ward.write("broken", "")
    known = ward.lines("done.txt")

    def compared(*options: str) -> tuple[str, int]:
        found = ward("diff", "--json", *options).json
        return found["verdict"], len(ward.lines("done.txt")) - len(known)

    assert compared() == ("not comparable", 2)
    assert compared() == ("not comparable", 2)
    assert compared("--again") == ("not comparable", 4)
    (ward.directory / "broken").unlink()
    assert compared() == ("not comparable", 4)
    assert compared("--again") == ("inconclusive", 5)
    assert compared("--again") == ("inconclusive", 5)


def test_a_step_without_a_model_is_not_executed_again(ward: Project) -> None:
    ward.replace("algorithms/ward.py", "Annotated[Path, Model]", "Path")
    head, baseline = pair(ward)
    assert asked(ward, head, baseline) == ()
    assert found(ward, head, baseline).remarks == ("the baseline is not rescored: no input of evaluate is a model",)


def test_data_that_lie_elsewhere_and_were_changed_there_are_not_scored_on(ward: Project) -> None:
    text = (ward.directory / "algorithms/ward.py").read_text()
    text = text.replace("Model, algorithm", "Model, Reference, algorithm").replace("table: Path", "table: Reference")
    text = text.replace(
        "def fetch() -> Path:", 'def fetch() -> Reference:\n    return Reference(f"file://{HERE}/rows")'
    )
    text = text.replace("table.read_text()", "table.path.read_text()")
    (ward.directory / "algorithms/ward.py").write_text(text)
    head, baseline = pair(ward)
    ward.write("rows", "210")
    assert completed(ward, head, baseline) == [Purpose.RESCORED]
    known = found(ward, head, baseline)
    assert known.evaluation is None
    assert known.remarks == ("the baseline is not rescored: what lies elsewhere is not what it was (table)",)


def test_the_same_examples_need_nothing_but_resamples_of_the_projects_own_metric(ward: Project) -> None:
    baseline = ward.run("ward")["run_id"]
    head = ward.run("ward", "shift=0.1")["run_id"]
    assert [extra.purpose for extra in asked(ward, head, baseline)] == [Purpose.RESAMPLED]
    ward.replace("algorithms/ward.py", "return float(np.mean(", "return float(2 * np.mean(")
    ward.replace("algorithms/ward.py", '{"hits": hits(', '{"hits": 0.5 * hits(')
    other = ward.run("ward", "shift=0.2")["run_id"]
    completed(ward, other, baseline)
    known = found(ward, other, baseline)
    assert known.replicates == {}
    assert "recomputed from the examples of this run it is" in known.refused["hits"]
    [metric] = ward("diff", other, baseline, "--json").json["metrics"]
    assert f"(paired bootstrap: {known.refused['hits']};" in metric["judged"]["reason"]


def test_a_number_that_another_step_logs_is_computed_again_by_its_function(ward: Project) -> None:
    told = "@step\ndef tell(it: Evaluation) -> Metrics:\n    return Metrics(hits=hits(it.labels, it.predictions))\n\n"
    for old, new in (
        ("from palmette import", "from palmette import Metrics,"),
        ('metrics={"hits": hits(labels[tested], predictions[tested])},', ""),
        ("@algorithm(", f"{told}@algorithm("),
        ("    evaluate(fit(table, config.test, config.shift), table, config.test)",
         "    tell(evaluate(fit(table, config.test, config.shift), table, config.test))"),
    ):  # fmt: skip
        ward.replace("algorithms/ward.py", old, new)
    head, baseline = pair(ward)
    assert completed(ward, head, baseline) == [Purpose.RESCORED, Purpose.RESAMPLED]
    known = found(ward, head, baseline)
    assert known.evaluation is not None
    right = known.evaluation.labels == known.evaluation.predictions
    assert known.metrics == {"hits": pytest.approx(float(right.mean()))}
    [metric] = ward("diff", head, baseline, "--json").json["metrics"]
    assert metric["judged"]["evidence"]["method"] == "paired bootstrap"


LOOPED = """

    @step
    def folds() -> list[int]:
        return [0, 1, 2]

    class Fitted(NamedTuple):
        model: Annotated[Path, Model]
        at: float

    @step
    def fit_fold(table: Path, fold: int, shift: float) -> Annotated[Path, Model]:
        path = Path("model.json")
        path.write_text(json.dumps(0.4 + shift + fold / 10))
        return path

    @step
    def scale(table: Path, shift: float) -> Fitted:
        path = Path("scale.json")
        path.write_text("1.0")
        return Fitted(path, 1.0 + shift)

    @step
    def together(models: list[Path], scale: Path, at: float, table: Path) -> Evaluation:
        keys = np.arange(int(table.read_text()))
        mean = np.mean([json.loads(model.read_text()) for model in models])
        return Evaluation(metrics={"mean": mean, "at": at}, keys=keys, labels=keys, predictions=keys)

    @algorithm(config=Config, metrics=[Metric("mean")])
    def several(config: Config) -> None:
        table = fetch()
        models = []
        for fold in each(folds()):
            models.append(fit_fold(table, fold, config.shift))
        scaled = scale(table, config.shift)
        together(collect(models[0]), scaled.model, scaled.at, table)
"""


def test_the_models_of_a_loop_are_scored_together_and_what_came_with_one_is_said(ward: Project) -> None:
    ward.write("algorithms/ward.py", WARD.rstrip() + LOOPED)
    ward.replace("algorithms/ward.py", "import Annotated", "import Annotated, NamedTuple")
    ward.replace("algorithms/ward.py", "from palmette import", "from palmette import collect, each,")
    baseline = ward.run("several")["run_id"]
    ward.write("rows", "180")
    head = ward.run("several", "shift=0.25")["run_id"]
    assert completed(ward, head, baseline) == [Purpose.RESCORED]
    known = found(ward, head, baseline)
    assert known.metrics == pytest.approx({"mean": 0.5, "at": 1.25})
    assert known.remarks == ("the baseline's model was scored with this run's at",)


BEGUN = """
import os, sys
from pathlib import Path
from palmette.operations import extras, performing, project
from palmette.operations.home import open_home
settled = project.find(Path.cwd(), os.environ)
[extra] = extras.needed(open_home(settled), *sys.argv[1:])
performing.execute(settled, os.environ, extra, lambda _: None)
"""


def begun(ward: Project, head: str, baseline: str) -> subprocess.Popen[bytes]:
    """Another process that executes an extra task, which does not end before the file `hold` is gone."""
    ward.touch("hold")
    already = len(ward.lines("done.txt"))
    process = subprocess.Popen(
        [sys.executable, "-c", BEGUN, head, baseline], cwd=ward.directory, env=ward.environ, stderr=subprocess.DEVNULL
    )
    ward.eventually(lambda: len(ward.lines("done.txt")) > already)
    return process


def test_a_comparison_goes_on_where_a_killed_one_was(ward: Project) -> None:
    head, baseline = pair(ward)
    process = begun(ward, head, baseline)
    process.kill()
    process.wait()
    home = opened(ward)[1]
    left = rows.of(home.store, head, baseline)[Purpose.RESCORED]
    assert not left.state.final
    (ward.directory / "hold").unlink()
    assert completed(ward, head, baseline) == [Purpose.RESCORED, Purpose.RESAMPLED]
    known = found(ward, head, baseline)
    assert (known.run, known.by) == (left.id, "head")
    [task] = [task for task in tasks.of_run(home.store, left.id) if task.attempts]
    assert [attempt.number for attempt in task.attempts] == [1, 1]


def test_comparisons_that_begin_at_once_execute_once_and_say_the_same(ward: Project) -> None:
    pair(ward)
    executed = len(ward.lines("done.txt"))
    asked = [sys.executable, "-m", "palmette", "diff", "--json"]
    begun = [
        subprocess.Popen(asked, cwd=ward.directory, env=ward.environ, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for _ in range(3)
    ]
    first, *others = (process.communicate()[0] for process in begun)
    assert others == [first, first]
    assert b"baseline rescored, none left out" in first
    assert len(ward.lines("done.txt")) == executed + 1


def test_who_asks_for_the_end_finds_it_begun_anew_the_next_time(ward: Project) -> None:
    head, baseline = pair(ward)
    process = begun(ward, head, baseline)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait() != 0
    home = opened(ward)[1]
    left = rows.of(home.store, head, baseline)[Purpose.RESCORED]
    assert left.state == "CANCELED"
    (ward.directory / "hold").unlink()
    completed(ward, head, baseline)
    assert found(ward, head, baseline).run not in ("", left.id)
    assert f"there is no run '{left.id}'" in ward("show", left.id, code=2).err
    assert not (home.runs / left.id).exists()
