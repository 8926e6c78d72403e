"""`palmette run --data-of RUN`: trained on what another run recorded of the outside world."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.cli.wards import WARD

if TYPE_CHECKING:
    from conftest import Project


@pytest.fixture
def ward(bare: Project) -> Project:
    bare.write("algorithms/ward.py", WARD)
    bare.write("rows", "150")
    return bare


def test_a_run_is_trained_on_the_data_of_another_one_and_says_so(ward: Project) -> None:
    giver = ward.run("ward")["run_id"]
    ward.write("rows", "180")
    # The code that read them is another one by now.
    ward.replace("algorithms/ward.py", 'path = Path("table.json")', 'path = Path("./table.json")')
    done = ward("run", "ward", "shift=0.1", "--data-of", giver)
    assert f"note: on the data of run {giver}, not read again: fetch" in done.err
    run = ward.show()
    assert run.cached == {"fetch"}
    assert (ward.directory / "rows").read_text() == "180"
    assert "table" not in ward("artifacts", "get", "last", "fetch.output", "--output", "taken").err
    assert (ward.directory / "taken").read_text() == "150"
    assert f"on the data of run {giver}, not read again: fetch" in ward("show").out
    # What has the same settings is on the same data.
    again = ward.json("rerun", run["run_id"], "shift=0.2")
    assert "fetch" in {task["name"] for task in again["tasks"] if task["cached"]}


def test_what_its_steps_would_be_given_now_is_said(ward: Project) -> None:
    ward.replace("algorithms/ward.py", "def fetch()", "def fetch(test: int)")
    ward.replace("algorithms/ward.py", "table = fetch()", "table = fetch(config.test)")
    ward.run("ward")
    code = 'import palmette; run = palmette.run("ward", test=60, data_of="last"); print(run.record["notices"][1])'
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ward.directory, env=ward.environ, capture_output=True, text=True, check=True
    )
    assert done.stdout == "fetch was given test=30 there\n"


def test_what_cannot_be_had_of_a_run_is_said_before_anything_is_executed(ward: Project) -> None:
    run = ward.run("ward")
    giver = run["run_id"]
    other = WARD.replace("def ward(", "def clinic(").replace("def fetch(", "def load(").replace("= fetch()", "= load()")
    ward.write("algorithms/clinic.py", other)
    wrong = ward("run", "clinic", "--data-of", giver, code=2)
    assert "its data are none of clinic's: fetch" in wrong.err
    assert "Steps of clinic that read data: load." in wrong.err
    assert "there is no run" in ward("run", "ward", "--data-of", "nothing", code=2).err
    assert "Choose one." in ward("run", "ward", "--data-of", giver, "--refresh", code=2).err
    digest = ward.json("artifacts", giver)[0]["digest"].rpartition(":")[2]
    (ward.directory / ".palmette" / "blobs" / digest[:2] / digest[2:]).unlink()
    assert f"what fetch of run {giver} read is gone" in ward("run", "ward", "--data-of", giver, code=69).err
    assert [row["run_id"] for row in ward.json("runs")] == [giver]
