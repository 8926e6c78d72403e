"""Settings of pods as the stock SDK writes them: what a task finds is what a cluster would give it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from palmette.domain.run import Run, TaskRecord
from palmette.domain.states import RunState
from palmette.domain.values import Json
from palmette.engine.attempt import Surroundings, remove
from palmette.engine.executors.choice import Executors
from palmette.engine.loop import drive
from palmette.engine.memory import MemoryLedger
from palmette.engine.planning import plan
from palmette.engine.reuse import Policy
from palmette.engine.world import World
from palmette.errors import UsageError
from palmette.ir import codec


class Files:
    """Keeps nothing: no task here makes a file."""

    def put(self, path: Path) -> tuple[str, int]:
        raise AssertionError

    def restore(self, digest: str, path: Path) -> None:
        raise AssertionError


@dataclass
class Cores:
    """As many as anyone asks for."""

    threads: int = 1
    gpus: tuple[int, ...] = ()

    def claim(self, cpu: float, memory: int, gpu: int) -> Cores:
        return self

    def release(self) -> None:
        pass


@dataclass
class Shelf:
    """Two secrets, and volumes below a directory."""

    root: Path
    seen: list[str] = field(default_factory=list)

    def secret(self, name: str) -> Mapping[str, str] | None:
        return {"db": {"word": "w"}, "other": {"word": "o"}}.get(name)

    def configmap(self, name: str) -> Mapping[str, str] | None:
        return None

    def version(self, name: str) -> str:
        return hashlib.sha256(name.encode()).hexdigest()

    def volume(self, name: str) -> Path | None:
        path = self.root / name
        return path if path.is_dir() else None

    def create_volume(self, name: str, *, size: str, access_modes: Sequence[str], storage_class: str) -> Path:
        path = self.root / name
        if path.exists():
            raise UsageError(f"there is a volume {name} already")
        path.mkdir(parents=True)
        self.seen.append(f"{size} {','.join(access_modes)} {storage_class}")
        return path

    def delete_volume(self, name: str) -> None:
        remove(self.root / name)


@dataclass
class Bench:
    """Drives what `kfp_platform.py` compiled."""

    directory: Path
    compiled: Path
    executor: Executors
    vault: Shelf

    def run(self, name: str, parameters: Mapping[str, Json] | None = None) -> dict[str, TaskRecord]:
        self.plan = plan(codec.loads((self.compiled / f"{name}.yaml").read_bytes()), parameters or {})
        ledger = MemoryLedger(self.plan.records())
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.directory)}
        world = World(
            ledger=ledger,
            executor=self.executor,
            slots=Cores(),
            files=Files(),
            where=Surroundings(home=self.directory, bundles=self.directory, environment=environment),
            vault=self.vault,
        )
        run = Run(id="r1", project="p", algorithm="a", state=RunState.PENDING, created=1.0)
        state = drive(self.plan, run, self.plan.records(), world, Policy(grace=1.0))
        assert state is RunState.SUCCEEDED, [(one.name, one.message) for one in ledger.tasks.values() if one.message]
        return {one.component: one for one in ledger.tasks.values() if not one.group}


def out(record: TaskRecord) -> Json:
    return record.outputs.parameters["out"]


@pytest.fixture(scope="module")
def compiled(sdk: Callable[[str], object], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("compiled")
    sdk("2.17").run("kfp_platform.py", directory)  # type: ignore[attr-defined]
    return directory


@pytest.fixture
def bench(compiled: Path, tmp_path: Path) -> Iterator[Bench]:
    executor = Executors(environment=dict(os.environ))
    yield Bench(tmp_path / "home", compiled, executor, Shelf(tmp_path / "volumes"))
    executor.close()


def test_the_name_of_a_secret_may_come_from_anywhere_and_null_asks_for_nothing(bench: Bench) -> None:
    tasks = bench.run("secrets", {"which": "other"})
    assert out(tasks["all"]) == "wowo"
    assert [out(tasks["shell"]), out(tasks["each[0]"]), out(tasks["each[1]"])] == ["o", "w", "o"]


def test_a_volume_is_made_filled_read_and_deleted(bench: Bench) -> None:
    tasks = bench.run("volumes")
    assert [out(tasks["fill"]), out(tasks["read[0]"]), out(tasks["read[1]"])] == ["filled", "5\n", "5\n"]
    assert bench.vault.seen == ["1Gi ReadWriteMany s"]
    assert not list(bench.vault.root.iterdir())


def test_a_volume_that_is_in_use_is_deleted_once_it_is_not(bench: Bench) -> None:
    tasks = bench.run("deleted_early")
    assert out(tasks["slow"]) == "began go poked "
    assert not list(bench.vault.root.iterdir())


def test_what_one_machine_cannot_do_is_accepted_and_said(bench: Bench) -> None:
    assert out(bench.run("elsewhere")["shell"]) == "fine"
    said = {note.what for note in bench.plan.notes}
    for ignored in ("node selectors", "tolerations", "node affinity", "image pull secrets", "the image pull policy"):
        assert [note for note in said if note.startswith(ignored)]
    assert "image busybox: not used here, its tasks are processes" in map(str, bench.plan.notes)
    assert [note for note in said if note.startswith("it runs as the user and group it asks for only where root")]
