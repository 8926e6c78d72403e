"""What the machine itself costs: no orchestrator can be below this."""

from __future__ import annotations

import os
import re
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Row, each, interleaved, timed
from benchmarks.stage import Stage
from palmette.capture.bundle import assemble, kit, unpack
from palmette.engine.executors.template import Call, Template

_FORK = "pid = os.fork()\nif not pid: os._exit(0)\nos.waitpid(pid, 0)"


def measure(stage: Stage, *, quick: bool) -> list[Row]:
    """The limits, each a row without a budget."""
    times = interleaved(
        5 if quick else 20,
        {
            "python -I -S -c pass": lambda: timed(lambda: _python("-I", "-S")),
            "python -c pass": lambda: timed(_python),
        },
    )
    bare = fork(stage, Path(sys.executable), (), count=50)
    rows = [Row(what=what, measured=seconds) for what, seconds in times.items()]
    rows.append(Row(what="fork, exit and wait in a bare template", measured=bare))
    heavy = fork(stage, stage.python, ("sklearn.linear_model", "pandas", "pyarrow"), count=50)
    rows.append(Row(what="the same in one that imported scikit-learn", measured=heavy))
    # On the disk that the stores of this benchmark are on.
    with tempfile.TemporaryDirectory(dir=stage.project) as directory:
        rows.append(Row(what="a transaction of SQLite (WAL, FULL)", measured=_transaction(Path(directory))))
        rows.append(Row(what="a byte written and fsynced", measured=_flush(Path(directory))))
    return rows


def fork(stage: Stage, python: Path, imports: tuple[str, ...], *, count: int) -> float:
    """The time of a fork, an exit and a wait in a template of that interpreter with those imports: the median of five
    means."""
    environment = stage.environment
    where = unpack(assemble(kit(), python="3.11"), stage.runtime / "kits")
    template = Template.reach(python, where, stage.runtime / "templates", environment)
    try:
        template.begin_preload(imports)
        template.finish_preload()
        arguments = ["-n", str(count), "-r", "5", "-v", "-u", "msec", "-s", "import os", _FORK]
        with tempfile.TemporaryDirectory() as directory:
            # `timeit` is an entry that any template has.
            call = Call(
                entry="timeit:main", arguments=arguments, directory=Path(directory), log=Path(directory) / "log"
            )
            said = template.call(call).log
    finally:
        template.close()
    found = re.search(r"raw times: (.*)", said)
    if found is None:
        raise SystemExit(f"timeit said: {said}")
    totals = [float(number) for number in re.findall(r"([\d.e+-]+) msec", found[1])]
    return statistics.median(totals) / 1000 / count


def _python(*options: str) -> None:
    subprocess.run([sys.executable, *options, "-c", "pass"], check=True)


def _transaction(directory: Path) -> float:
    connection = sqlite3.connect(directory / "x.db", isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE t (a TEXT)")
    try:
        return each(200, lambda: connection.execute("INSERT INTO t VALUES ('x')"))
    finally:
        connection.close()


def _flush(directory: Path) -> float:
    descriptor = os.open(directory / "byte", os.O_WRONLY | os.O_CREAT, 0o600)

    def write() -> None:
        os.write(descriptor, b"x")
        os.fsync(descriptor)

    try:
        return each(200, write)
    finally:
        os.close(descriptor)
        shutil.rmtree(directory / "byte", ignore_errors=True)
