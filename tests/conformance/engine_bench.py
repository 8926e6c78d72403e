"""The engine with real processes, ready to drive what the stock SDK compiled."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from palmette.domain.artifact import Artifact
from palmette.domain.run import Run, RunChanged, TaskRecord
from palmette.domain.states import RunState, TaskState
from palmette.domain.values import Json
from palmette.engine.attempt import Surroundings
from palmette.engine.cel import Cel
from palmette.engine.executors.choice import Executors
from palmette.engine.loop import drive
from palmette.engine.memory import MemoryLedger
from palmette.engine.plan import Plan
from palmette.engine.planning import plan
from palmette.engine.ports import Importer, Referred
from palmette.engine.reuse import Policy
from palmette.engine.world import World
from palmette.errors import NotFound
from palmette.ir import codec


class Files:
    """Content-addressed files, and files outside that are referred to."""

    def __init__(self, root: Path) -> None:
        self._root = root
        root.mkdir(exist_ok=True)

    def put(self, path: Path) -> tuple[str, int]:
        content = path.read_bytes()
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        path.replace(self._root / digest)
        return digest, len(content)

    def restore(self, digest: str, path: Path) -> None:
        shutil.copyfile(self._root / digest, path)

    def refer(self, uri: str) -> Referred:
        path = Path(uri)
        if not path.is_file():
            raise NotFound(f"there is no file {uri}")
        digest = "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
        shutil.copyfile(path, self._root / digest)
        return Referred(uri=uri, digest=digest, size=path.stat().st_size, filename=path.name)

    def fetch(self, uri: str, target: Path) -> None:
        shutil.copyfile(uri, target)


@dataclass
class Cores:
    """As many as anyone asks for; how many were in use at once is kept."""

    used: int = 0
    threads: int = 1
    gpus: tuple[int, ...] = ()

    def claim(self, cpu: float, memory: int, gpu: int) -> Cores:
        return self

    def release(self) -> None:
        pass


@dataclass
class Ran:
    """A run that is over."""

    ledger: MemoryLedger

    @property
    def state(self) -> RunState:
        return self.ledger.state

    @property
    def why(self) -> str:
        """What was last said of the whole run, and of the tasks that failed."""
        changes = (change for transaction in self.ledger.transactions for change in transaction)
        whole = [change.message for change in changes if isinstance(change, RunChanged)][-1]
        failed = (record for record in self.ledger.tasks.values() if record.state is TaskState.FAILED)
        return "\n".join([whole, *(f"  {record.name}: {record.message}" for record in failed)])

    def task(self, name: str) -> TaskRecord:
        return self.ledger.tasks[name]

    def shown(self) -> dict[str, TaskState]:
        return {record.component: record.state for record in self.ledger.tasks.values() if not record.group}

    def value(self, title: str, output: str = "out") -> Json:
        (found,) = [record for record in self.ledger.tasks.values() if record.component == title]
        return found.outputs.parameters[output]

    def artifact(self, title: str, output: str) -> Artifact:
        (found,) = [record for record in self.ledger.tasks.values() if record.component == title]
        return found.outputs.artifacts[output]

    def message(self, title: str) -> str:
        (found,) = [record for record in self.ledger.tasks.values() if record.component == title]
        return found.message


@dataclass
class Bench:
    """Drives compiled pipelines."""

    directory: Path
    compiled: Path
    executor: Executors
    path: str
    files: Files = field(init=False)
    importer: Importer | None = None

    def __post_init__(self) -> None:
        self.files = Files(self.directory / "blobs")

    def plan(self, name: str, parameters: Mapping[str, Json] | None = None) -> Plan:
        return plan(codec.loads((self.compiled / f"{name}.yaml").read_bytes()), parameters or {})

    def run(
        self, name: str, parameters: Mapping[str, Json] | None = None, ledger: MemoryLedger | None = None, id: str = "r"
    ) -> Ran:
        planned = self.plan(name, parameters)
        ledger = ledger or MemoryLedger(planned.records())
        environment = {"PATH": self.path, "HOME": str(self.directory)}
        world = World(
            ledger=ledger,
            executor=self.executor,
            slots=Cores(),
            files=self.files,
            where=Surroundings(home=self.directory, bundles=self.directory, environment=environment),
            importer=self.importer or self.files,
            expressions=Cel(),
        )
        run = Run(id=id, project="p", algorithm="a", name=name, state=ledger.state)
        drive(planned, run, list(ledger.tasks.values()), world, Policy(reuse_unsaid=True))
        return Ran(ledger)
