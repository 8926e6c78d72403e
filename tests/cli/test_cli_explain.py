"""`palmette diff` and `palmette why`: what differs between two runs, and why a step ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Hub, Project

JOB = """
    from dataclasses import dataclass
    from pathlib import Path
    from palmette import Metric, Metrics, Text, algorithm, step
    from rules import scale

    @dataclass(frozen=True)
    class Config:
        factor: float = 2.0

    @step(fresh="always")
    def fetch() -> Text:
        return Text((Path("{here}") / "data").read_text())

    @step(env=["REGION"], secrets=["TOKEN"])
    def fit(data: Text, factor: float) -> float:
        return scale(len(data), factor)

    @step
    def judge(model: float) -> Metrics:
        return Metrics(score=model)

    @algorithm(config=Config, metrics=[Metric("score", goal="max", primary=True)])
    def job(config: Config) -> None:
        judge(fit(fetch(), config.factor))
"""


@pytest.fixture
def job(bare: Project) -> Project:
    """A project with one run of the algorithm `job`."""
    bare.write("algorithms/job.py", JOB)
    bare.write("rules.py", "def scale(value, factor):\n    return value * factor\n")
    bare.write("data", "abc")
    bare.environ |= {"REGION": "north", "TOKEN": "sesame-one"}
    bare.run("job")
    return bare


def test_the_first_run_has_nothing_to_be_compared_with(job: Project) -> None:
    out = job("diff").out
    assert out.startswith("job not comparable: ")
    assert "Run job once more, name a run" in out
    assert "ran: no earlier run of this step is known" in job("why", "last", "fit").out


def test_only_what_differs_is_shown_cause_first(job: Project, hub: Hub) -> None:
    job.server = hub.of(job.directory / ".palmette")
    job.run("job", "factor=3")
    out = job("diff").out
    assert "Only factor changed." in out
    assert "2.0 → 3.0" in out
    assert "+3" in out
    titles = [line for line in out.splitlines() if line and not line.startswith(" ")]
    assert [title for title in titles if title in ("config", "code", "data", "metrics")] == ["config", "metrics"]
    found = job.json("diff")
    assert [(change["name"], change["before"], change["after"]) for change in found["config"]] == [("factor", 2.0, 3.0)]
    assert found["code"] == found["environment"] == []
    assert [(change["task"], change["source"]) for change in found["data"]] == [("judge", False)]
    [score] = found["metrics"]
    assert (score["name"], score["before"], score["after"]) == ("score", 6.0, 9.0)


def test_code_and_data_are_told_apart(job: Project, hub: Hub) -> None:
    job.server = hub.of(job.directory / ".palmette")
    job.write("rules.py", "def scale(value, factor):\n    return value * factor + 1\n")
    job.write("data", "abcdef")
    job.run("job")
    out = job("diff").out
    assert "The code and the data changed" in out
    assert "rules.py  +1 −1, reached by fit" in out
    assert "fetch.output" in out
    assert "rules:scale" in job("diff", "--all").out


def test_two_runs_that_are_named_are_read_from_the_second_to_the_first(job: Project) -> None:
    older = job.show()["run_id"]
    newer = job.run("job", "factor=3")["run_id"]
    for head, baseline, change in ((newer, older, "2.0 → 3.0"), (older, newer, "3.0 → 2.0")):
        out = job("diff", head, baseline).out
        assert f"baseline  {baseline}" in out
        assert change in out


def test_equal_runs_differ_in_nothing(job: Project) -> None:
    job.run("job")
    assert "Nothing that goes in differs" in job("diff").out


def test_runs_of_two_algorithms_are_compared_with_a_remark(job: Project) -> None:
    source = (job.directory / "algorithms" / "job.py").read_text()
    job.write("algorithms/other.py", source.replace("def job(", "def other("))
    job.run("other")
    done = job("diff", "other", "job")
    assert "algorithm" in done.out


CHANGES = {
    "code": ("the code", ["rules:scale"]),
    "parameter": ("a parameter", ["factor", "2 → 5"]),
    "data": ("its input", ["data"]),
    "env": ("an environment variable", ["REGION"]),
    "secret": ("a secret", ["TOKEN"]),
}


@pytest.mark.parametrize("what", CHANGES)
def test_why_names_the_change(job: Project, what: str) -> None:
    arguments: list[str] = []
    match what:
        case "code":
            job.replace("rules.py", "value * factor", "factor * value")
        case "parameter":
            arguments = ["factor=5"]
        case "data":
            job.write("data", "other")
        case "env":
            job.environ["REGION"] = "south"
        case _:
            job.environ["TOKEN"] = "sesame-two"
    assert "fit" not in job.run("job", *arguments).cached
    kind, words = CHANGES[what]
    out = job("why", "last", "fit").out
    assert f"{kind} changed" in out
    for word in words:
        assert word in out
    assert "sesame" not in out
    [reason] = job("why", "last", "fit", "--json").json
    assert reason["changed"]


def test_why_of_what_was_reused_names_where_it_was_made(job: Project, hub: Hub) -> None:
    job.server = hub.of(job.directory / ".palmette")
    first = job.show()["run_id"]
    job.write("rules.py", "def scale(value, factor):\n    # a comment\n    return value * factor\n")
    job.run("job")
    out = job("why").out
    assert f"fit  reused from {first}" in out
    assert "fetch  ran" in out
    assert "reused" in job("why", "last", "judge").out


def test_why_of_what_two_runs_did_at_once_says_so(bare: Project) -> None:
    bare.write(
        "algorithms/slow.py",
        """
        from pathlib import Path
        from palmette import algorithm, step

        @step(fresh="1d", cpu=0.1)
        def wait() -> str:
            with open("{here}/begun.txt", "a") as file:
                print("begun", file=file)
            while not Path("{here}/go").exists():
                pass
            return "done"

        @algorithm
        def slow() -> None:
            wait()
        """,
    )
    runs = []
    for number in (1, 2):
        runs.append(bare.start("run", "slow"))
        bare.eventually(lambda number=number: bare.lines("begun.txt") == ["begun"] * number)  # type: ignore[misc]
    bare.touch("go")
    for process in runs:
        bare.finished(process, 0)
    assert "the earlier execution was not over when this run began" in bare("why", "last", "wait").out


def test_why_of_a_file_that_a_config_names(bare: Project) -> None:
    bare.write("labels.csv", "a,1")
    bare.write(
        "algorithms/ward.py",
        """
        from dataclasses import dataclass
        from pathlib import Path
        from palmette import InputFile, algorithm, step

        @dataclass(frozen=True)
        class Config:
            labels: InputFile = InputFile("labels.csv")

        @step
        def count(labels: Path) -> int:
            return len(labels.read_text())

        @algorithm(config=Config)
        def ward(config: Config) -> None:
            count(config.labels)
        """,
    )
    bare.run("ward")
    bare.run("ward")
    assert "import-labels  ran: each run looks at what lies there" in bare("why", "last", "import-labels").out
