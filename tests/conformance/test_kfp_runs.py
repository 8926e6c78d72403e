"""The engine executes control flow that the stock SDK compiled, with real processes, to what a backend gives."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conformance.engine_bench import Bench

from palmette.domain.run import TaskChanged
from palmette.domain.states import RunState, TaskState
from palmette.engine.executors.choice import Executors
from palmette.engine.memory import MemoryLedger
from palmette.engine.planning import plan
from palmette.ir import codec


@pytest.fixture(scope="session")
def compiled(sdk: Callable[[str], object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("control")
    sdk("2.17").run("kfp_control.py", directory)  # type: ignore[attr-defined]
    return directory


@pytest.fixture
def bench(tmp_path: Path, compiled: Path, sdk: Callable[[str], object]) -> Iterator[Bench]:
    python: Path = sdk("2.17").python  # type: ignore[attr-defined]
    made = Bench(tmp_path, compiled, Executors(), f"{python.parent}{os.pathsep}{os.environ['PATH']}")
    yield made
    made.executor.close()


GOOD, SKIPPED, FAILED = TaskState.SUCCEEDED, TaskState.SKIPPED, TaskState.FAILED


def test_of_exclusive_branches_one_is_executed_and_the_run_succeeds(bench: Bench) -> None:
    ran = bench.run("branches")
    assert ran.state is RunState.SUCCEEDED
    assert ran.shown() == {
        "number": GOOD,
        "quoted": GOOD,
        "elif": GOOD,
        "never": SKIPPED,
        "neither": SKIPPED,
        "else": SKIPPED,
    }
    assert ran.message("never") == "condition not met: share < 0.5, where share is 0.5"


def test_a_value_cannot_change_what_a_condition_means(bench: Bench) -> None:
    ran = bench.run("branches", {"word": "x' == 'x' || 'a' != 'a", "share": 0.1})
    assert ran.shown() == {
        "number": GOOD,
        "quoted": GOOD,
        "never": GOOD,
        "neither": GOOD,
        "elif": SKIPPED,
        "else": SKIPPED,
    }


@pytest.mark.parametrize(("side", "word"), [("heads", "left"), ("tails", "right")])
def test_one_of_several_is_the_branch_that_ran(bench: Bench, side: str, word: str) -> None:
    ran = bench.run("chosen", {"side": side})
    assert ran.state is RunState.SUCCEEDED
    assert (ran.value("which"), ran.value("whose")) == (word, f"{word} data")


def test_loops_run_over_constants_parameters_outputs_and_nothing(bench: Bench) -> None:
    ran = bench.run("loops")
    assert ran.state is RunState.SUCCEEDED
    told = {name: ran.value(f"all {name}") for name in ("fixed", "dynamic", "nothing", "nested")}
    assert told == {"fixed": "[5,6]", "dynamic": "[1,2,3]", "nothing": "[]", "nested": "[[1,2],[1,2]]"}
    assert ran.value("nested[1][0]") == 1
    assert ran.task("for-loop-2.1.number").component == "fixed[1]"


def test_a_limit_lets_that_many_iterations_run_at_once(bench: Bench) -> None:
    ran = bench.run("loops")
    changes = [change for transaction in ran.ledger.transactions for change in transaction]
    fixed = {record.name for record in ran.ledger.tasks.values() if record.component.startswith("fixed[")}
    running = [
        (change.task, change.state) for change in changes if isinstance(change, TaskChanged) and change.task in fixed
    ]
    assert len(fixed) == 2
    assert [state for _, state in running] == [TaskState.QUEUED, TaskState.RUNNING, TaskState.SUCCEEDED] * 2


def test_artifacts_are_collected_in_the_order_of_the_items_and_looped_over(bench: Bench) -> None:
    ran = bench.run("artifacts")
    assert ran.state is RunState.SUCCEEDED
    assert ran.value("joined", "Output") == "a,b,c"
    assert [ran.value(f"read one[{index}]") for index in range(3)] == ["a", "b", "c"]
    parts = next(record.parts for record in ran.ledger.tasks.values() if record.component == "joined")
    assert parts is not None
    assert len([said for said in parts.inputs["given"] if said.startswith("sha256:")]) == 3


def test_every_iteration_has_a_fingerprint_of_its_own(bench: Bench) -> None:
    ran = bench.run("loops")
    keys = {record.component: record.fingerprint for record in ran.ledger.tasks.values() if record.fingerprint}
    assert keys["fixed[0]"] != keys["fixed[1]"]
    assert keys["nested[0][0]"] == keys["nested[1][0]"] != keys["nested[0][1]"], "what is equal may be used again"


def test_a_failed_iteration_leaves_the_others_alone_and_its_consumers_out(bench: Bench) -> None:
    ran = bench.run("failing")
    assert ran.state is RunState.FAILED
    shown = ran.shown()
    assert [shown[f"broken[{index}]"] for index in range(3)] == [GOOD, FAILED, GOOD]
    assert [shown[f"after[{index}]"] for index in range(3)] == [GOOD, SKIPPED, GOOD]
    assert shown["told"] is SKIPPED
    assert ran.message("told") == "broken[1] failed"


def test_what_ignores_a_failure_gets_its_default_and_the_run_fails_all_the_same(bench: Bench) -> None:
    ran = bench.run("failing")
    assert (ran.shown()["tolerant"], ran.value("tolerant", "Output")) == (GOOD, "got 7")
    assert ran.state is RunState.FAILED


def test_an_exit_task_runs_whatever_became_of_the_body_and_is_told(bench: Bench) -> None:
    bad = bench.run("ending", {"x": 1}, id="bad")
    assert bad.state is RunState.FAILED
    assert bad.shown() == {"broken": FAILED, "next": SKIPPED, "last": GOOD}
    said = bad.value("last", "Output")
    assert isinstance(said, str)
    assert said.startswith("FAILED of exit-handler-1: broken failed: exit code 1")
    good = bench.run("ending", {"x": 2}, id="good")
    assert good.state is RunState.SUCCEEDED
    assert good.value("last", "Output") == "COMPLETE of exit-handler-1: None"


def test_pipelines_in_loops_in_pipelines_have_defaults_and_absent_inputs(bench: Bench) -> None:
    ran = bench.run("nesting")
    assert ran.state is RunState.SUCCEEDED
    assert ran.value("told") == '["default","default"]'
    assert [ran.value(f"maybe[{index}]") for index in range(2)] == ["absent", "absent"]
    assert [ran.shown()[f"large[{index}]"] for index in range(2)] == [SKIPPED, GOOD]
    assert ran.value("optional") == "absent"
    assert bench.run("nesting", {"z": "v"}, id="z").value("optional") == "given v"


def test_what_is_imported_is_recorded_with_its_place_and_reaches_its_consumer(bench: Bench) -> None:
    source = bench.directory / "rows.csv"
    source.write_text("some rows")
    ran = bench.run("importing", {"uri": str(source)})
    assert ran.state is RunState.SUCCEEDED
    (artifact,) = ran.task("importer").outputs.artifacts.values()
    assert (artifact.uri, artifact.type, artifact.filename) == (str(source), "system.Dataset", "rows.csv")
    assert artifact.metadata == {"from": str(source), "n": 3}
    assert ran.value("read") == "some rows"
    assert not ran.task("importer").attempts


def test_what_cannot_be_imported_fails_with_the_reason(bench: Bench) -> None:
    ran = bench.run("importing", {"uri": "/nowhere/x"})
    assert (ran.state, ran.message("importer")) == (RunState.FAILED, "there is no file /nowhere/x")
    assert ran.shown()["read"] is SKIPPED


def test_a_part_that_is_not_there_fails_its_task_and_nothing_beside_it(bench: Bench) -> None:
    ran = bench.run("hopeless")
    assert ran.state is RunState.FAILED
    assert ran.shown() == {"number": GOOD, "number-2[0]": FAILED, "beside": GOOD}
    assert 'Key not found in map : "b"' in ran.message("number-2[0]")


@pytest.mark.parametrize("name", ["loops", "failing", "ending", "nesting", "chosen"])
def test_a_run_goes_on_from_what_was_written_down_wherever_its_driver_died(bench: Bench, name: str) -> None:
    whole = bench.run(name, id="whole")
    count = len(whole.ledger.transactions)
    planned = plan(codec.loads((bench.compiled / f"{name}.yaml").read_bytes()), {})
    for length in sorted({count // 4, count // 2, 3 * count // 4}):
        ledger = MemoryLedger(planned.records())
        for transaction in whole.ledger.transactions[:length]:
            ledger.record(transaction)
        again = bench.run(name, ledger=ledger, id=f"again-{length}")
        assert again.state is whole.state
        assert again.shown() == whole.shown()
        before = {record.name: record.outputs.parameters for record in whole.ledger.tasks.values()}
        assert {record.name: record.outputs.parameters for record in ledger.tasks.values()} == before
