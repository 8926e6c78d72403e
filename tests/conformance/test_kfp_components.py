"""Stock Python components in forks: each release of the SDK, and all that `kfp.local` gets wrong."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from tests.conformance.conftest import Sdk
from tests.conformance.engine_bench import Cores

from palmette.blobs import Blobs
from palmette.domain.run import Reused, Run, TaskRecord
from palmette.domain.states import RunState, TaskState
from palmette.domain.values import Json
from palmette.engine.attempt import Surroundings
from palmette.engine.cel import Cel
from palmette.engine.executors.choice import Executors
from palmette.engine.loop import drive
from palmette.engine.memory import MemoryLedger
from palmette.engine.planning import plan
from palmette.engine.reuse import Policy
from palmette.engine.world import World
from palmette.ir import codec
from palmette.ir.check import check
from palmette.operations import environments
from palmette.operations.preparing import directories
from palmette.operations.stock import Interpreters

GOOD, SKIPPED, FAILED = TaskState.SUCCEEDED, TaskState.SKIPPED, TaskState.FAILED


@dataclass
class Bench:
    """Drives what one SDK has compiled, with that SDK's interpreter."""

    directory: Path
    compiled: Path
    python: Path
    executors: Executors
    earlier: dict[str, Reused] = field(default_factory=dict)
    count: int = 0

    def run(self, name: str, parameters: Mapping[str, Json] | None = None) -> dict[str, TaskRecord]:
        """The tasks of a run that is over, by what they are called."""
        self.count += 1
        document = codec.loads((self.compiled / f"{name}.yaml").read_bytes())
        assert not [*check(document)]
        planned = plan(document, parameters or {})
        ledger = MemoryLedger(planned.records())
        ledger.earlier = self.earlier
        environ = {"PATH": os.environ["PATH"], "HOME": str(self.directory), "XDG_CACHE_HOME": str(self.directory)}
        with environments.shelf(environ) as held:
            where = Surroundings(
                home=self.directory,
                bundles=self.directory,
                environment={"PATH": environ["PATH"], "HOME": environ["HOME"]},
                foreign=Interpreters(planned, self.python, environ, held),
            )
            world = World(
                ledger=ledger,
                executor=self.executors,
                slots=Cores(),
                files=Blobs(self.directory / "blobs"),
                where=where,
                expressions=Cel(),
            )
            run = Run(id=f"r{self.count}", project="p", algorithm="a", name=name, state=ledger.state)
            drive(planned, run, list(ledger.tasks.values()), world, Policy(reuse_unsaid=True))
        self.state = ledger.state
        for record in ledger.tasks.values():
            if record.fingerprint and record.state is GOOD:
                self.earlier[record.fingerprint] = Reused(
                    run=run.id, task=record.name, outputs=record.outputs, made=record.ended or 0.0
                )
        return {record.component: record for record in ledger.tasks.values() if not record.group}

    def value(self, name: str, task: str, parameters: Mapping[str, Json] | None = None) -> Json:
        """The output of a task of a run that succeeded."""
        found = self.run(name, parameters)
        assert self.state is RunState.SUCCEEDED, {each: record.message for each, record in found.items()}
        return found[task].outputs.parameters["Output"]


@pytest.fixture(scope="module")
def bench(sdk: Callable[[str], Sdk], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Bench]]:
    """A bench for each SDK that is asked for; all of them share the template of their interpreter."""
    made: dict[str, Bench] = {}
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}

    def make(version: str) -> Bench:
        if version not in made:
            compiled, directory = tmp_path_factory.mktemp("compiled"), tmp_path_factory.mktemp("home")
            used = sdk(version)
            used.run("kfp_components.py", compiled)
            executors = Executors(kit=directories(environ).kit, templates=directory / "templates", environment=environ)
            made[version] = Bench(directory, compiled, used.python, executors)
        return made[version]

    yield make
    for one in made.values():
        one.executors.close()


@pytest.mark.parametrize("version", ["2.0", "2.5", "2.14", "2.17"])
def test_components_of_every_release_are_forked_and_do_the_same(bench: Callable[[str], Bench], version: str) -> None:
    found = bench(version).run("everyday", {"count": 4})
    assert [record.message for record in found.values()] == ["", ""]
    assert [(each.how, each.why) for record in found.values() for each in record.attempts] == [("fork", "")] * 2
    assert found["fit"].outputs.parameters == {"loss": 1.0, "notes": {"uses": "4"}}
    assert found["make"].outputs.artifacts["rows"].metadata["count"] == 4


def test_an_old_component_in_a_process_of_its_own_finds_its_files_too(bench: Callable[[str], Bench]) -> None:
    old = bench("2.0")
    with contextlib.closing(Executors()) as executors:
        found = replace(old, executors=executors, earlier={}, count=100).run("everyday")
    assert found["fit"].outputs.parameters["loss"] == 0.75
    assert [each.how for record in found.values() for each in record.attempts] == ["process"] * 2


@pytest.fixture
def newest(bench: Callable[[str], Bench]) -> Bench:
    return bench("2.17")


@pytest.mark.parametrize("value", ["it's", "x' == 'x' or 'a' == 'a"])
def test_a_value_with_quotes_cannot_change_what_a_condition_means(newest: Bench, value: str) -> None:
    found = newest.run("quoted", {"value": value})
    assert (found["then"].state, found["else"].state)[0] is SKIPPED
    assert found["else"].state.good
    assert found["chosen"].outputs.parameters["Output"] == "no"


def test_integers_stay_integers_and_nothing_is_collected_from_no_items(newest: Bench) -> None:
    assert newest.value("collected", "total") == 6
    assert newest.value("collected", "total", {"count": 0}) == 0


def test_the_items_of_a_list_that_does_not_say_what_is_in_it_are_what_they_are(newest: Bench) -> None:
    found = newest.run("untyped")
    assert [found[f"twice[{index}]"].outputs.parameters["Output"] for index in range(2)] == [0, 2]


def test_a_parameter_that_is_not_given_is_none(newest: Bench) -> None:
    assert newest.value("optional", "maybe") == "absent"
    assert newest.value("optional", "maybe", {"value": "x"}) == "given x"


def test_placeholders_within_a_text_do_not_break_it(newest: Bench) -> None:
    said = newest.value("placed", "word")
    assert isinstance(said, str)
    assert " at " in said


def test_a_component_that_is_a_container_runs_beside_those_that_are_functions(newest: Bench) -> None:
    found = newest.run("mixed")
    assert found["word"].outputs.parameters["Output"] == "word!"
    assert [record.attempts[0].how for record in (found["shouts"], found["word"])] == ["process", "fork"]


def test_a_task_that_logs_metrics_is_not_executed_again(newest: Bench) -> None:
    first, second = newest.run("metered"), newest.run("metered")
    assert len(first["measured"].attempts) == 1
    assert first["measured"].outputs.artifacts["metrics"].metadata == {"auc": 0.75}
    assert not second["measured"].attempts
    assert second["measured"].outputs == first["measured"].outputs


def test_tasks_that_do_not_need_each_other_run_at_once(newest: Bench, tmp_path: Path) -> None:
    found = newest.run("meeting", {"directory": str(tmp_path)})
    assert {record.state for record in found.values()} == {GOOD}


def test_one_of_several_artifacts_is_the_one_that_was_made(newest: Bench) -> None:
    assert newest.value("either", "read") == "the left one"
    assert newest.value("either", "read", {"side": "other"}) == "the right one"


def test_an_exit_task_is_told_what_a_cluster_tells(newest: Bench) -> None:
    assert newest.value("ending", "told") == "COMPLETE"


def test_a_failure_keeps_its_log_its_neighbours_and_its_reason(newest: Bench) -> None:
    found = newest.run("failing")
    assert newest.state is RunState.FAILED
    assert found["broken"].message == "exit code 1: ValueError: no good: really"
    log = (newest.directory / found["broken"].attempts[0].directory / "log").read_text()
    assert "\nsaid before\nTraceback (most recent call last):\n" in log
    assert (found["word"].state, found["setting"].outputs.parameters["Output"]) == (GOOD, "toy")
