"""What another tool costs on the same work, measured beside ours.

Luigi only: the leanest that forks. The figures of the others, with how they were measured, are in the documentation.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.measure import Row, interleaved
from benchmarks.stage import Stage

_CHAIN = 50
_LUIGI = """
import sys
import luigi

class Link(luigi.Task):
    number, where = luigi.IntParameter(), luigi.Parameter()
    def requires(self):
        return [Link(number=self.number - 1, where=self.where)] if self.number else []
    def output(self):
        return luigi.LocalTarget(f"{self.where}/{self.number}")
    def run(self):
        with self.output().open("w") as file:
            file.write(str(self.number))

options = {"local_scheduler": True, "workers": 1, "log_level": "ERROR"}
sys.exit(not luigi.build([Link(number=int(sys.argv[1]) - 1, where=sys.argv[2])], **options))
"""


def measure(directory: Path, *, quick: bool) -> list[Row]:
    """A chain of trivial tasks in Luigi, in its own process and with a fork each."""
    stage = Stage(directory / "stage")
    python, script = directory / "venv" / "bin" / "python", directory / "chain.py"
    uv = str(Path(sys.executable).with_name("uv"))
    for command in (["venv", "--quiet", str(directory / "venv")], ["pip", "install", "--quiet", "luigi"]):
        more = ["--python", str(python)] if command[0] == "pip" else ["--python", sys.executable]
        subprocess.run([uv, *command, *more], check=True)
    count = 0

    def chain(length: int, *, fork: bool) -> float:
        nonlocal count
        count += 1
        where = directory / f"out{count}"
        where.mkdir()
        script.write_text(_LUIGI.replace('"workers": 1', '"workers": 2') if fork else _LUIGI)
        return stage.time([str(python), str(script), str(length), str(where)])

    things = {
        "one": lambda: chain(1, fork=False),
        "chain": lambda: chain(_CHAIN, fork=False),
        "one, fork": lambda: chain(1, fork=True),
        "chain, fork": lambda: chain(_CHAIN, fork=True),
    }
    found = interleaved(2 if quick else 5, things)
    return [
        Row(what="Luigi, a task of a chain of 50, in process", measured=(found["chain"] - found["one"]) / (_CHAIN - 1)),
        Row(
            what="Luigi, the same, a fork each",
            measured=(found["chain, fork"] - found["one, fork"]) / (_CHAIN - 1),
        ),
    ]
