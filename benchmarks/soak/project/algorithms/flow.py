# mypy: disable-error-code="arg-type, call-arg, possibly-undefined, misc"
"""Short steps in all that a pipeline can be made of: loops, parts, conditions, an exit task, files from elsewhere."""

import hashlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from palmette import (
    FinalStatus,
    InputFile,
    Metrics,
    Reference,
    algorithm,
    collect,
    command,
    each,
    on_exit,
    one_of,
    otherwise,
    step,
    when,
)

RETRIES = 1


@dataclass(frozen=True)
class Part:
    """What the part is told."""

    weight: int = 3


@dataclass(frozen=True)
class Config:
    """What a run is told."""

    salt: int = 0  #: makes one run's exit task another's
    folds: list[int] = field(default_factory=lambda: [0, 1, 2])  #: what the loop goes through
    labels: InputFile = InputFile("data/labels.csv")  #: read where it lies
    pictures: InputFile = InputFile("data/pictures")  #: a directory, read where it lies
    here: InputFile = InputFile("data/large.bin")  #: passed on by reference
    part: Part = Part()


def pause(seconds: float = 0.05) -> None:
    """Give whoever shoots a moment."""
    time.sleep(seconds)


@step(fresh="always", retries=RETRIES, backoff=0.05)
def items() -> list[dict[str, int]]:
    """What the second loop goes through; the same each time."""
    pause()
    return [{"size": size, "times": 2} for size in range(3)]


@step(fresh="always", retries=RETRIES, backoff=0.05)
def folder(size: int, labels: Path) -> Path:
    """A directory, with a file that may be executed."""
    path = Path("folder")
    for part in range(6):
        (path / str(part % 2)).mkdir(parents=True, exist_ok=True)
        (path / str(part % 2) / f"{part}.txt").write_text(f"{size} {part // 2}\n" * 200)
        pause(0.005)
    (path / "run.sh").write_text("#!/bin/sh\necho fine\n")
    (path / "run.sh").chmod(0o755)
    (path / "labels").write_bytes(labels.read_bytes())
    return path


@step(retries=RETRIES, backoff=0.05)
def weigh(folder: Path, weight: int) -> int:
    """How much there is in a directory."""
    pause()
    assert os.access(folder / "run.sh", os.X_OK)
    return weight * sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@step(retries=RETRIES, backoff=0.05)
def join(folders: list[Path], weights: list[int]) -> str:
    """What a loop came to, in its order."""
    pause()
    found = hashlib.sha256(repr(weights).encode())
    for each_folder in folders:
        for path in sorted(each_folder.rglob("*")):
            found.update(path.read_bytes() if path.is_file() else b"")
    return found.hexdigest()


@step(retries=RETRIES, backoff=0.05)
def multiply(size: int, times: int) -> int:
    """A number."""
    pause()
    return size * times


@step(retries=RETRIES, backoff=0.05)
def pass_on(here: Path) -> Reference:
    """What lies elsewhere and stays there."""
    pause()
    return Reference(str(here.resolve()))


@step(retries=RETRIES, backoff=0.05)
def look(large: Path, pictures: Path) -> int:
    """How large what lies elsewhere is."""
    pause()
    return large.stat().st_size + sum(path.stat().st_size for path in pictures.rglob("*.png"))


@step(retries=RETRIES, backoff=0.05)
def say(text: str) -> str:
    """A word."""
    pause()
    return text


@step(fresh="always", retries=RETRIES, backoff=0.05)
def tell(salt: int, status: FinalStatus) -> str:
    """What became of the rest."""
    pause()
    return f"{status.state} {salt * 0}"


@step(retries=RETRIES, backoff=0.05)
def report(word: str, joined: str, products: list[int], large: int, counted: Path) -> Metrics:
    """What it all comes to."""
    pause()
    return Metrics(word=len(word), joined=int(joined[:8], 16), large=large, counted=len(counted.read_bytes()),
                   products=sum(products))  # fmt: skip


count = command(
    "python -m counting.count {labels} --out {output}",
    name="count",
    inputs={"labels": Path},
    outputs=Path,
    retries=RETRIES,
    backoff=0.05,
)


@algorithm(config=Part)
def weighed(config: Part, folder: Path) -> int:
    """A part of the pipeline."""
    return weigh(folder, config.weight)


@algorithm(config=Config)
def flow(config: Config) -> None:
    """Loops, a part in one, a condition behind it, and a task for the end."""
    with on_exit(tell(config.salt)):
        for fold in each(config.folds, parallel=2):
            made = folder(fold, config.labels)
            weight = weighed(config.part, made)
        joined = join(collect(made), collect(weight))
        for item in each(items()):
            with when(item["size"] > 0):
                multiply(item["size"], item["times"])
            product = multiply(item["times"], item["size"])
            for part in each([1, 2]):
                multiply(part, item["size"])
        with when(joined != ""):
            good = say("good")
        with otherwise():
            bad = say("bad")
        large = look(pass_on(config.here), config.pictures)
        report(one_of(good, bad), joined, collect(product), large, count(config.labels))
