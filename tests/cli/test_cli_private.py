"""What is sensitive or secret stays where it belongs."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Project

PATIENT = "Mrs-Rosalind-Elsewhere"
SECRET = "s3same-0pen-please"

PATIENTS = """
    from dataclasses import dataclass
    from typing import Annotated

    import pandas as pd
    from palmette import Metrics, Sensitive, algorithm, step

    @dataclass(frozen=True)
    class Config:
        fail: bool = False

    @step
    def fetch() -> Annotated[pd.DataFrame, Sensitive]:
        return pd.DataFrame({"name": ["PATIENT"] * 3, "age": [40717.25, 2.0, 3.0]})

    @step(sensitive=True)
    def pick(patients: pd.DataFrame, fail: bool) -> pd.DataFrame:
        print("picked", patients["name"][0])
        if fail:
            raise ValueError("cannot pick " + patients["name"][0])
        return patients.head(2)

    @step
    def count(patients: pd.DataFrame) -> Metrics:
        return Metrics(rows=len(patients))

    @algorithm(config=Config)
    def patients(config: Config) -> None:
        count(pick(fetch(), config.fail))
"""

WARD = """
    from typing import Annotated

    from palmette import Sensitive, algorithm, collect, each, step

    @step
    def fetch() -> Annotated[bytes, Sensitive]:
        return b"PATIENT"

    @step
    def part(patients: bytes, number: int) -> Annotated[bytes, Sensitive]:
        return patients * number

    @step
    def read(part: bytes) -> int:
        raise ValueError("cannot read " + part.decode())

    @algorithm
    def ward() -> None:
        patients = fetch()
        for number in each([1, 2]):
            made = part(patients, number)
        for one in each(collect(made)):
            read(one)
"""

TOKENS = """
    import os
    from dataclasses import dataclass
    from palmette import Metrics, algorithm, step

    @dataclass(frozen=True)
    class Config:
        fail: bool = False

    @step(secrets=["TOKEN"], env=["REGION"])
    def call(fail: bool) -> Metrics:
        print("calling with", os.environ["TOKEN"], "in", os.environ["REGION"], os.environ.get("UNDECLARED", "alone"))
        if fail:
            raise ValueError("refused: " + os.environ["TOKEN"])
        return Metrics(length=len(os.environ["TOKEN"]))

    @algorithm(config=Config)
    def tokens(config: Config) -> None:
        call(config.fail)
"""

LEAK = """
    import os
    from palmette import algorithm, step

    @step(secrets=["TOKEN"])
    def login() -> str:
        return "Bearer " + os.environ["TOKEN"]

    @step
    def use(header: str) -> int:
        return len(header)

    @algorithm
    def leak() -> None:
        use(login())
"""


def holding(directory: Path, text: str) -> list[Path]:
    """The files below a directory that hold a text."""
    return [path for path in directory.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


def patients(project: Project, python: Path) -> Project:
    shutil.rmtree(project.directory / "algorithms", ignore_errors=True)
    project.write("algorithms/patients.py", PATIENTS.replace("PATIENT", PATIENT))
    text = (project.directory / "pyproject.toml").read_text()
    lines = [f'python = "{python}"' if line.startswith("python =") else line for line in text.splitlines()]
    (project.directory / "pyproject.toml").write_text("\n".join(lines))
    return project


def test_nothing_of_a_sensitive_value_is_shown_logged_or_stored_in_clear(bare: Project, clinic_python: Path) -> None:
    patients(bare, clinic_python)
    run = bare.run("patients")
    for name in ("fetch", "pick"):
        metadata = run.task(name)["artifacts"]["output"]["metadata"]
        assert set(metadata) <= {"format", "filename", "type", "sensitive"}
        assert metadata["sensitive"] is True
    failed = bare("run", "patients", "fail=true", code=3)
    screens = [
        failed.err,
        bare("show").out,
        bare("show", "--json").out,
        bare("diff").out,
        bare("diff", "--json").out,
        bare("why").out,
        bare("artifacts", "patients").out,
        bare("artifacts", "list", run["run_id"], "--json").out,
    ]
    for screen in screens:
        assert PATIENT not in screen
        assert "40717" not in screen
    assert "sensitive" in bare("artifacts", run["run_id"]).out
    assert "its log is not quoted" in failed.err
    store = [path for path in (bare.directory / ".palmette").glob("store.db*") if PATIENT.encode() in path.read_bytes()]
    assert store == []
    # What is left of it is the value itself, in files that the owner alone can read.
    assert (bare.directory / ".palmette").stat().st_mode & 0o077 == 0
    assert {path.relative_to(bare.directory).parts[1] for path in holding(bare.directory / ".palmette", PATIENT)} <= {
        "blobs",
        "bundles",  # the test's own source has the name in it
        "runs",
    }


def test_what_a_step_says_of_a_sensitive_input_is_not_quoted_when_it_fails_in_a_loop(bare: Project) -> None:
    bare.write("algorithms/ward.py", WARD.replace("PATIENT", PATIENT))
    failed = bare("run", "ward", code=3)
    assert failed.err.count("its log is not quoted") == 2
    for screen in (failed.err, bare("show").out, bare("show", "--json").out, bare("why").out):
        assert PATIENT not in screen


def test_a_secret_is_nowhere_in_the_home_and_masked_in_the_log(bare: Project) -> None:
    bare.write("algorithms/tokens.py", TOKENS)
    bare.environ |= {"TOKEN": SECRET, "REGION": "north", "UNDECLARED": "1"}
    assert bare.run("tokens")["metrics"] == {"length": float(len(SECRET))}
    assert bare("logs").out == "call │ calling with *** in north alone\n"
    failed = bare("run", "tokens", "fail=true", code=3)
    assert SECRET not in failed.err
    assert "refused: ***" in failed.err
    assert holding(bare.directory, SECRET) == []
    assert SECRET not in bare("show", "--json").out


def test_a_secret_that_a_step_returns_ends_the_run(bare: Project) -> None:
    bare.write("algorithms/leak.py", LEAK)
    bare.environ["TOKEN"] = SECRET
    failed = bare("run", "leak", code=3)
    assert "holds the value of the secret TOKEN: a secret must not leave its step" in failed.err
    for screen in (failed.err, bare("show").out, bare("show", "--json").out, bare("logs").out):
        assert SECRET not in screen
    assert holding(bare.directory, SECRET) == []


def test_a_changed_secret_runs_the_step_again_and_an_equal_one_does_not(bare: Project) -> None:
    bare.write("algorithms/tokens.py", TOKENS)
    bare.environ |= {"TOKEN": SECRET, "REGION": "north"}
    bare.run("tokens")
    assert bare.run("tokens").cached == {"call"}
    assert bare.run("tokens", environ={"TOKEN": "another"}).cached == set()
    assert bare.run("tokens", environ={"REGION": "south"}).cached == set()
    assert bare.run("tokens", environ={"UNDECLARED": "1"}).cached == {"call"}


def test_a_secret_may_stand_in_the_projects_env_file(bare: Project) -> None:
    bare.write("algorithms/tokens.py", TOKENS)
    bare.environ["REGION"] = "north"
    done = bare("run", "tokens", code=2)
    assert "TOKEN" in done.err
    assert ".env" in done.err
    assert not bare.exists(".palmette/runs")
    bare.write(".env", f"TOKEN='{SECRET}'\n")
    assert bare.run("tokens")["metrics"] == {"length": float(len(SECRET))}
    assert holding(bare.directory / ".palmette", SECRET) == []
