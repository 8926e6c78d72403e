"""How each tool does the same work: a training of four steps, a chain and a fan of steps that do nothing."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from benchmarks.peers import environments
from benchmarks.stage import CLINIC, ROOT, Stage

WORK: Final = Path(__file__).parent / "work"
TRAINING: Final = ("fetch", "fit", "evaluate", "report")
_NEEDS: Final = {
    "fetch": ([], ["data.npy"]),
    "fit": (["data.npy"], ["model.joblib"]),
    "evaluate": (["data.npy", "model.joblib"], ["metrics.json"]),
    "report": (["metrics.json"], ["report.html"]),
}


class Tool(Protocol):
    """One way of doing the work. Each call is one command, with nothing done before unless `again` says so."""

    name: str
    #: whether what is unchanged is not done again
    caches: bool

    def do(self, work: str, width: int, *, again: bool = False) -> float:
        """The wall time of the work. `again` is in the place of the last one, where all of it was done."""


class Peer:
    """A tool that is called by commands in a directory."""

    def __init__(
        self,
        name: str,
        directory: Path,
        commands: Callable[[str, int], list[list[str]]],
        prepare: Callable[[str, int], list[list[str]]] | None = None,
        *,
        caches: bool = False,
    ) -> None:
        self.name, self.caches = name, caches
        self._stage = Stage(directory / name.replace(" ", "-").replace(",", ""))
        self._top = self._stage.project.parent
        self._commands, self._prepare = commands, prepare
        self._count = itertools.count()

    def do(self, work: str, width: int, *, again: bool = False) -> float:
        """In a directory of its own, prepared before the clock runs."""
        if not again:
            self._stage.project = self._top / f"place{next(self._count)}"
            self._stage.project.mkdir()
            for file in ("one.py", "steps.py"):
                shutil.copy(WORK / file, self._stage.project)
            for command in self._prepare(work, width) if self._prepare else []:
                self._time(command)
        return sum(self._time(command) for command in self._commands(work, width))

    def _time(self, command: list[str]) -> float:
        place = str(self._stage.project)
        own = {
            "PYTHONPATH": place,
            "METAFLOW_USER": "bench",
            "METAFLOW_DEFAULT_DATASTORE": "local",
            "DVC_NO_ANALYTICS": "1",
        }
        return self._stage.time(command, {**own, "METAFLOW_DATASTORE_SYSROOT_LOCAL": place})


class Ours:
    """Palmette, with the same step code."""

    name, caches = "Palmette", True

    def __init__(self, directory: Path) -> None:
        self._stage = Stage(directory / "palmette", CLINIC / ".venv" / "bin" / "python")
        self._stage.generated(_source())
        shutil.copy(WORK / "steps.py", self._stage.project / "steps.py")

    def do(self, work: str, width: int, *, again: bool = False) -> float:
        """The template stays alive between calls, as it does between a user's."""
        options = [] if again else ["--no-cache"]
        return self._stage.palmette("run", work if work == "training" else f"{work}{width}", *options)

    def first(self) -> float:
        """The training with no template alive and an empty store."""
        self._stage.cold()
        return self._stage.palmette("run", "training")

    def leave(self) -> None:
        """End the templates."""
        self._stage.leave()


def _source() -> str:
    return (ROOT / "benchmarks" / "peers" / "work" / "with_palmette.py").read_text()


def plain(directory: Path) -> tuple[Peer, Peer]:
    """One script that does everything, and a process for each step: the limits."""
    python = str(CLINIC / ".venv" / "bin" / "python")

    def script(work: str, width: int) -> list[list[str]]:
        return [[python, "one.py", "all"]] if work == "training" else [[python, "-c", f"list(range({width}))"]]

    def processes(work: str, width: int) -> list[list[str]]:
        steps = TRAINING if work == "training" else tuple(map(str, range(width)))
        return [[python, "one.py", step] for step in steps]

    return Peer("one plain script", directory, script), Peer("a plain process per step", directory, processes)


def luigi(directory: Path, *, fork: bool) -> Peer:
    """Luigi's local scheduler: in its own process, or with a fork for each task."""
    python, script = str(environments.python("luigi")), str(WORK / "with_luigi.py")
    name = "Luigi, a fork each" if fork else "Luigi, in process"
    return Peer(
        name, directory, lambda work, width: [[python, script, work, str(width), "2" if fork else "1"]], caches=True
    )


def kfp(directory: Path) -> Peer:
    """kfp.local in its leanest form: processes without an environment of their own, and nothing installed."""
    python, script = str(environments.python("kfp")), str(WORK / "with_kfp.py")
    return Peer("kfp.local", directory, lambda work, width: [[python, script, work, str(width), "cached"]], caches=True)


def metaflow(directory: Path) -> Peer:
    """Metaflow with its local store."""
    python, script = str(environments.python("metaflow")), str(WORK / "with_metaflow.py")
    run = [
        python,
        "flow.py",
        "--quiet",
        "--no-pylint",
        "run",
        "--max-workers",
        str(os.cpu_count() or 1),
        "--max-num-splits",
        "1000",
    ]
    return Peer(
        "Metaflow", directory, lambda *_: [run], lambda work, width: [[python, script, work, str(width), "flow.py"]]
    )


def dvc(directory: Path) -> Peer:
    """DVC's pipelines: commands with files between them."""
    python = str(environments.python("dvc"))
    command = [str(Path(python).with_name("dvc"))]

    def prepare(work: str, width: int) -> list[list[str]]:
        stages = list(_stages(python, work, width))
        return [
            [*command, "init", "--quiet", "--no-scm"],
            [python, "-c", "import sys; open('dvc.yaml', 'w').write(sys.argv[1])", "\n".join(["stages:", *stages, ""])],
        ]

    return Peer("DVC repro", directory, lambda *_: [[*command, "repro", "--quiet"]], prepare, caches=True)


def _stages(python: str, work: str, width: int) -> list[str]:
    if work == "training":
        return [_stage(python, step, *_NEEDS[step]) for step in TRAINING]
    return [
        _stage(python, str(number), [f"link{number - 1}"] if work == "chain" and number else [], [f"link{number}"])
        for number in range(width)
    ]


def _stage(python: str, step: str, needs: list[str], makes: list[str]) -> str:
    lists = "".join(f", {word}: [{', '.join(names)}]" for word, names in (("deps", needs), ("outs", makes)) if names)
    return f"  step{step}: {{cmd: {python} one.py {step}{lists}}}"
