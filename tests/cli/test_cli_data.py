"""Commands, files that a config names, and data by reference, in real runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project

TRAINER = '''
    """The team's own program."""

    import argparse
    import json
    from pathlib import Path

    from trainer.lib import scale

    if __name__ == "__main__":
        parser = argparse.ArgumentParser()
        for name in ("data", "out", "rate", "score", "metrics"):
            parser.add_argument(f"--{name}")
        given = parser.parse_args()
        rows = Path(given.data).read_text().splitlines()
        Path(given.out).mkdir()
        Path(given.out, "model.txt").write_text(str(scale(len(rows), float(given.rate))))
        Path(given.score).write_text("0.75\\n")
        Path(given.metrics).write_text(json.dumps({"auc": 0.75}))
        print("trained on", len(rows), "rows")
'''

ALGORITHM = """
    from dataclasses import dataclass
    from pathlib import Path

    from palmette import InputFile, Metric, Metrics, Reference, algorithm, command, step

    @dataclass(frozen=True)
    class Config:
        labels: InputFile = InputFile("data/labels.csv")
        rate: float = 0.5

    fit = command(
        "python -m trainer.fit --data {data} --out {model} --rate={rate} --score {score} --metrics {metrics}",
        inputs={"data": Path, "rate": float},
        outputs={"model": Path, "score": float, "metrics": Metrics},
    )

    @step
    def look(model: Path, score: float) -> str:
        return f"{(model / 'model.txt').read_text()} {score}"

    @step
    def refer(labels: Path) -> Reference:
        return Reference(labels.parent / "scans")

    @step
    def use(scans: Reference, same: Path) -> str:
        assert scans.path == same
        return ",".join(sorted(path.name for path in same.iterdir()))

    @algorithm(config=Config, metrics=[Metric("auc", goal="max")])
    def trained(config: Config) -> None:
        made = fit(config.labels, config.rate)
        look(made.model, made.score)
        scans = refer(config.labels)
        use(scans, scans)
"""


@pytest.fixture
def trained(bare: Project) -> Project:
    bare.write("trainer/__init__.py", "")
    bare.write("trainer/lib.py", "def scale(rows, rate):\n    return rows * rate\n")
    bare.write("trainer/fit.py", TRAINER)
    bare.write("algorithms/trained.py", ALGORITHM)
    bare.write("data/labels.csv", "a,1\nb,2\n")
    bare.write("data/scans/1.dcm", "one")
    return bare


def values(project: Project) -> dict[str, object]:
    return {entry["name"]: entry["value"] for entry in project.json("artifacts", "list") if "value" in entry}


def executed(project: Project, *arguments: str) -> set[str]:
    """The steps that a run executed: neither reused nor imported."""
    run = project.run("trained", *arguments)
    assert run["state"] == "succeeded"
    return {name for name in run.states if name not in run.cached and not name.startswith("import")}


def test_a_command_is_a_step_like_any(trained: Project) -> None:
    run = trained.run("trained")
    assert run["metrics"]["auc"] == 0.75
    assert values(trained) == {"fit.score": 0.75, "look.output": "1.0 0.75", "use.output": "1.dcm"}
    assert "trained on 2 rows" in trained("logs", "last", "fit").out
    assert executed(trained) == set()


def test_what_runs_again_is_what_a_change_reaches(trained: Project) -> None:
    trained.run("trained")
    trained.replace("trainer/lib.py", "rows * rate", "rows + rate")
    assert executed(trained) == {"fit", "look"}
    trained.write("data/labels.csv", "a,1\nb,2\nc,3\n")
    assert executed(trained) == {"fit", "look", "refer"}


def test_data_by_reference_that_changed_is_referred_to_again(trained: Project) -> None:
    trained.run("trained")
    trained.write("data/scans/2.dcm", "two")
    assert executed(trained) == {"refer", "use"}
    assert values(trained)["use.output"] == "1.dcm,2.dcm"


def test_a_command_that_fails_ends_its_step_with_its_own_code(trained: Project) -> None:
    trained.write("trainer/fit.py", "raise SystemExit(7)\n")
    run = trained.run("trained", code=3)
    attempt = run.task("fit")["attempts"][-1]
    assert attempt["exit_code"] == 7
    assert "the command ended with exit code 7: python -m trainer.fit" in trained("logs", "last", "fit").out


def test_a_program_finds_no_module_that_was_not_taken_along(trained: Project) -> None:
    trained.write("trainer/left.py", "x = 1\n")
    trained.write("trainer/fit.py", 'name = "trainer." + "left"\n__import__("importlib").import_module(name)\n')
    trained.run("trained", code=3)
    assert "was not captured with this step" in trained("logs", "last", "fit").out


def test_a_missing_file_is_an_error_before_the_run_starts(trained: Project) -> None:
    trained.run("trained")
    ended = trained("run", "trained", "labels=nope.csv", code=2)
    assert "labels: nope.csv does not exist" in ended.err
    assert len(trained.json("runs")) == 1


def test_a_path_that_is_typed_begins_where_it_is_typed(trained: Project) -> None:
    trained.write("data/other.csv", "a,1\n")
    trained("run", "trained", "labels=other.csv", cwd=trained.directory / "data")
    assert trained.show()["config"]["labels"] == "data/other.csv"


def test_a_file_that_nothing_declared_is_told_of_with_the_way_out(trained: Project) -> None:
    line = "return f\"{(model / 'model.txt').read_text()} {score}\""
    trained.replace("algorithms/trained.py", line, 'return open("data/labels.csv").read()')
    trained.run("trained", code=3)
    assert 'InputFile("data/labels.csv")' in trained("logs", "last", "look").out


def test_artifacts_say_what_is_passed_by_reference_and_fetch_it(trained: Project) -> None:
    trained.run("trained")
    assert f"by reference: {trained.directory}/data/scans" in trained("artifacts").out
    trained("artifacts", "get", "last", "refer", "-o", "mine")
    assert (trained.directory / "mine" / "1.dcm").read_text() == "one"
    value = trained("artifacts", "get", "last", "fit.score", code=2)
    assert "fit.score is a value and no artifact: 0.75" in value.err
    trained.write("data/scans/1.dcm", "changed")
    gone = trained("artifacts", "get", "last", "refer", "-o", "again", code=2)
    assert "is not what it was" in gone.err
    assert not trained.exists("again")


def test_a_cluster_is_told_that_it_cannot_read_a_path(trained: Project) -> None:
    ended = trained("compile", "trained", "-o", "trained.yaml", "--image", "x")
    assert "config.labels is 'data/labels.csv', a path that no cluster has" in ended.err
    assert "runtimeParameter: uri" in (trained.directory / "trained.yaml").read_text()
