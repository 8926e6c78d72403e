"""Stock Python components beside `kfp.local`, whose process runner has no environment of its own to make."""

from __future__ import annotations

import io
import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import kfp

from benchmarks.measure import Row, within
from benchmarks.peers import environments
from benchmarks.soak.hosting import Hosting
from palmette.domain.states import RunState
from palmette.domain.values import Json
from palmette.operations import served, submitting
from palmette.operations.home import Home, serve_home

HERE: Final = Path(__file__).parent
PIPELINES: Final = HERE / "stock_pipelines.py"
#: What kfp.local is given: with pip in front of each, a loop of 1,000 would take it twenty minutes. The cost of a task
#: does not depend on how many there are.
LOCAL: Final = {"four": 4, "chain": 8, "loop": 8}
#: what is measured
NAMES: Final = ("four", "chain", "loop", "thousand")


@dataclass(frozen=True, kw_only=True)
class Took:
    """Seconds of a run, and of one that finds all of it done before; and how many tasks they are about."""

    cold: float
    cached: float
    tasks: int

    @property
    def each(self) -> float:
        return self.cold / self.tasks

    @property
    def each_cached(self) -> float:
        return self.cached / self.tasks


def measure(directory: Path, *, quick: bool) -> list[Row]:
    """Four steps, a chain of 50, loops of 100 and of 1,000, executed anew and found done before; in both tools what is
    measured begins when everything is imported and ends with the run. Ours twice: driven as a server's driver does, and
    through `palmette serve` and the official client."""
    directory.mkdir(parents=True)
    pipelines = directory / "pipelines"
    pipelines.mkdir()
    subprocess.run([sys.executable, "-W", "ignore", PIPELINES, "compile", pipelines], check=True)
    found = {}
    for through, drives in {"": _drives, ", through the server": _serves}.items():
        with drives(directory) as drive:
            drive(pipelines / "four.yaml", {"warm": True})
            found[through] = {name: _ours(drive, pipelines, name, quick=quick) for name in NAMES}
    local = {name: _local(directory, name, count) for name, count in LOCAL.items()}
    theirs = {**local, "thousand": local["loop"]}
    return [
        row
        for through, ours in found.items()
        for name, took in ours.items()
        for row in _rows(name, through, took, theirs[name])
    ]


def _rows(name: str, through: str, took: Took, theirs: Took) -> Iterator[Row]:
    if name == "four":
        what = f"four stock steps{through}"
        yield Row(what=what, measured=took.cold, against="kfp.local", limit=theirs.cold)
        yield Row(what=f"{what}, cached", measured=took.cached, against="kfp.local", limit=theirs.cached)
        return
    length = {"chain": "a chain of 50", "loop": "a loop of 100", "thousand": "a loop of 1,000"}[name]
    what, against = f"a stock task of {length}{through}", f"kfp.local, of {theirs.tasks}"
    yield within(what, took.each, 0.030, "30 ms", against=against, limit=theirs.each)
    yield Row(what=f"{what}, cached", measured=took.each_cached, against=against, limit=theirs.each_cached)


def _ours(drive: Callable[..., float], pipelines: Path, name: str, *, quick: bool) -> Took:
    count = {"four": 4, "chain": 50, "loop": 100, "thousand": 1000}[name]
    file = pipelines / f"{'loop' if name == 'thousand' else name}.yaml"
    given = {"count": count} if name in ("loop", "thousand") else {}
    rounds = 1 if quick or name == "thousand" else 3
    cold = statistics.median(drive(file, {**given, "anew": True}) for _ in range(rounds))
    cached = statistics.median(drive(file, given) for _ in range(rounds))
    return Took(cold=cold, cached=cached, tasks=count)


@contextmanager
def _drives(directory: Path) -> Iterator[Callable[[Path, Mapping[str, Json]], float]]:
    """A home, and how a run is submitted to it and driven as a server's driver does; the seconds that it takes."""
    runtime = directory / "run"
    runtime.mkdir(mode=0o700)
    environ = {**os.environ, "XDG_RUNTIME_DIR": str(runtime), "XDG_CACHE_HOME": str(directory / "cache")}
    home = serve_home(directory / "home")
    on = served.grounds(environ, Path(sys.executable))

    def drive(document: str, parameters: Mapping[str, Json]) -> str:
        return _driven(home, on, submitting.Submission(document=document.encode(), parameters=parameters))

    try:
        yield _timed(drive)
    finally:
        for place in Path("/proc").iterdir():
            with suppress(OSError):
                if f"\0--socket\0{runtime}/".encode() in (place / "cmdline").read_bytes():
                    os.kill(int(place.name), signal.SIGKILL)


@contextmanager
def _serves(directory: Path) -> Iterator[Callable[[Path, Mapping[str, Json]], float]]:
    """A server, and how the official client hands a run to it and waits; the seconds that it takes."""
    place = Hosting(directory=directory / "served")
    package = directory / "package.yaml"
    try:
        client = kfp.Client(host=place.start().url)

        def drive(document: str, parameters: Mapping[str, Json]) -> str:
            package.write_text(document, encoding="utf-8")
            # It prints where the run can be looked at.
            with redirect_stdout(io.StringIO()):
                run = client.create_run_from_pipeline_package(str(package), arguments=dict(parameters))
            # It looks every five seconds otherwise; and each look takes time from the run.
            ended = client.wait_for_run_completion(run.run_id, timeout=600, sleep_duration=0.05)
            return str(ended.state)

        yield _timed(drive)
    finally:
        place.close()


def _timed(drive: Callable[[str, Mapping[str, Json]], str]) -> Callable[[Path, Mapping[str, Json]], float]:
    """Times how a file is driven: as it was the last time, or with code that is new ("anew", "warm")."""
    number, latest = itertools.count(), {}

    def timed(file: Path, given: Mapping[str, Json]) -> float:
        if given.get("anew") or given.get("warm") or file not in latest:
            # Another source is another fingerprint.
            mark = f"# {next(number)}\\n\\ndef "
            text = file.read_text(encoding="utf-8")
            latest[file] = text.replace("def following", f"{mark}following").replace("def first", f"{mark}first")
        parameters = {name: value for name, value in given.items() if name == "count"}
        begun = time.perf_counter()
        state = drive(latest[file], parameters)
        if state != RunState.SUCCEEDED:
            raise SystemExit(f"{file.name} {state}")
        return time.perf_counter() - begun

    return timed


def _driven(home: Home, on: served.Grounds, submission: submitting.Submission) -> RunState:
    return served.drive(home, submitting.submit(home, submission).id, on, served.Quiet())


def _local(directory: Path, name: str, count: int) -> Took:
    """What kfp.local takes: its own interpreter has pip, which it calls in front of each step."""
    place = directory / "local"
    python = place / "bin" / "python"
    if not place.exists():
        found = environments.python("kfp")
        subprocess.run([found, "-m", "venv", place], check=True)
        (site,) = place.glob("lib/python3*/site-packages")
        (theirs,) = found.parent.parent.glob("lib/python3*/site-packages")
        (site / "kfp.pth").write_text(f"{theirs}\n")
    work = directory / f"local-{name}"
    work.mkdir()
    shape = "loop" if name == "loop" else "chain"
    command = [python, "-W", "ignore", PIPELINES, "local", work, shape, str(count)]
    said = subprocess.run(command, capture_output=True, text=True, check=False)
    if said.returncode:
        raise SystemExit(f"kfp.local failed: {said.stderr[-2000:]}")
    cold, cached = json.loads(said.stdout.splitlines()[-1])
    return Took(cold=cold, cached=cached, tasks=count)
