"""Seven short steps that do all that a kill could spoil: files, curves, retries, daemons, fresh processes."""

import hashlib
import os
import time
from dataclasses import dataclass
from pathlib import Path

from palmette import Metrics, algorithm, log_metric, step

POINTS = 40
RETRIES = 1


@dataclass(frozen=True)
class Config:
    """What a run is told."""

    salt: int = 0  #: makes one run's last step another's


@step(fresh="always", retries=RETRIES, backoff=0.05)
def numbers() -> list[int]:
    """A value that travels as a parameter."""
    time.sleep(0.05)
    return [pow(3, power, 65_537) for power in range(200)]


@step(fresh="always", retries=RETRIES, backoff=0.05)
def table(values: list[int]) -> Path:
    """A file, written slowly."""
    path = Path("table.csv")
    with path.open("w") as file:
        for part in range(20):
            file.writelines(f"{part},{value},{value * part}\n" for value in values * 20)
            file.flush()
            time.sleep(0.005)
    return path


@step(fresh="always", retries=RETRIES, backoff=0.05)
def folder(values: list[int]) -> Path:
    """A directory of files, some of them equal, and an empty directory."""
    path = Path("folder")
    for part in range(12):
        (path / str(part % 4)).mkdir(parents=True, exist_ok=True)
        (path / str(part % 4) / f"{part}.txt").write_text("\n".join(str(value % (part // 2 + 1)) for value in values))
        time.sleep(0.005)
    (path / "empty").mkdir()
    return path


@step(fresh="always", retries=RETRIES, backoff=0.05)
def curve(table: Path) -> int:
    """Logs a curve, point by point."""
    text = table.read_bytes()
    for point in range(POINTS):
        log_metric("loss", 1 / (point + 1), step=point)
        time.sleep(0.005)
    return len(text)


@step(fresh="always", retries=RETRIES, backoff=0.05)
def daemon(folder: Path) -> int:
    """Leaves a process behind that has left its session and its parent."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.execvp("sleep", ["sleep", "3600"])
        os._exit(0)
    os.wait()
    time.sleep(0.1)
    return sum(path.stat().st_size for path in folder.rglob("*.txt"))


@step(fresh="always", retries=RETRIES, backoff=0.05, env=["OMP_NUM_THREADS"])
def alone(folder: Path) -> bytes:
    """Runs as a fresh process, and fails at its first attempt."""
    time.sleep(0.1)
    if Path.cwd().parent.name == "1":
        raise RuntimeError("the first attempt always fails")
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*.txt")))


@step(retries=RETRIES, backoff=0.05)
def together(table: Path, size: int, count: int, data: bytes, salt: int) -> Metrics:
    """What it all comes to."""
    time.sleep(0.05)
    return Metrics(
        table=int(hashlib.sha256(table.read_bytes()).hexdigest()[:8], 16), size=size, count=count, data=len(data)
    )


@algorithm(config=Config)
def soak(config: Config) -> None:
    """Two branches that run at once, and their end."""
    values = numbers()
    rows = table(values)
    files = folder(values)
    together(rows, curve(rows), daemon(files), alone(files), config.salt)
