"""What reaches tasks through loops, conditions, parts, commands and files.

After a change, a run with reuse comes to what a run without it does, and executes no more than the change concerns.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.mutation.conftest import Place

FLOWS = "algorithms/flow.py"
FLOW = """
    from dataclasses import dataclass, field
    from pathlib import Path

    from helping import suffix
    from palmette import FinalStatus, InputFile, Reference
    from palmette import algorithm, collect, command, each, on_exit, one_of, otherwise, step, when


    @dataclass(frozen=True)
    class Part:
        weight: int = 3


    @dataclass(frozen=True)
    class Config:
        folds: list[int] = field(default_factory=lambda: [1, 2])
        labels: InputFile = InputFile("data/labels.csv")
        pictures: InputFile = InputFile("data/pictures")
        address: str = "{here}/elsewhere/scans.bin"
        name: str = "table"
        limit: int = 100
        word: str = "rows"
        part: Part = Part()


    def tree(path: Path) -> list[str]:
        found = sorted(each for each in path.rglob("*") if each.is_file())
        return [f"{each.relative_to(path)} {each.read_text()} {each.stat().st_mode & 0o100}" for each in found]


    @step
    def spread(fold: int) -> Path:
        place = Path("spread")
        place.mkdir()
        (place / f"{fold}.txt").write_text("x" * fold)
        return place


    @step
    def weigh(made: Path, weight: int) -> int:
        return weight * sum(len(line) for line in tree(made))


    @step
    def join(weights: list[int], folders: list[Path]) -> str:
        return f"{weights} {[tree(each) for each in folders]}"


    @step
    def call(name: str) -> Path:
        Path(f"{name}.csv").write_text("1")
        return Path(f"{name}.csv")


    @step
    def read(file: Path) -> str:
        return file.name


    @step
    def label(labels: Path) -> str:
        return labels.name + labels.read_text()


    @step
    def look(pictures: Path) -> list[str]:
        return tree(pictures)


    @step
    def scans(address: str) -> Reference:
        return Reference(address)


    @step
    def measure(scans: Path) -> str:
        return scans.read_text()


    @step
    def locate(scans: Reference) -> str:
        return scans.uri


    @step
    def say(text: str) -> str:
        return suffix(text)


    @step
    def shout(text: str) -> str:
        return text.upper()


    @step
    def tell(word: str, status: FinalStatus) -> str:
        return f"{word} {status.state}"


    count = command(
        "python -m counting.count {labels} {word} --out {output}",
        inputs={"labels": Path, "word": str},
        outputs=str,
    )


    @algorithm(config=Part)
    def weighed(config: Part, made: Path) -> int:
        return weigh(made, config.weight)


    @algorithm(config=Config)
    def flow(config: Config) -> None:
        with on_exit(tell(config.word)):
            for fold in each(config.folds):
                made = spread(fold)
                weight = weighed(config.part, made)
            joined = join(collect(weight), collect(made))
            with when(config.limit > 10):
                high = say("high")
            with otherwise():
                low = say("low")
            shout(one_of(high, low))
            read(call(config.name))
            label(config.labels)
            look(config.pictures)
            there = scans(config.address)
            measure(there)
            locate(there)
            count(config.labels, config.word)
"""

FILES = {
    FLOWS: FLOW,
    "helping.py": """
        def suffix(text):
            return text + "!"
    """,
    "counting/__init__.py": "",
    "counting/count.py": """
        import sys
        from pathlib import Path

        from counting.lines import lines

        if __name__ == "__main__":
            _, source, word, _, target = sys.argv
            unit = Path(__file__).with_name("unit.txt").read_text()
            Path(target).write_text(f"{len(lines(Path(source)))} {word}{unit}")
    """,
    "counting/lines.py": """
        def lines(path):
            return path.read_text().splitlines()
    """,
    "counting/unit.txt": "s",
    "data/labels.csv": "a\nb\n",
    "data/pictures/one.txt": "1",
    "data/pictures/inner/two.txt": "2",
    "elsewhere/scans.bin": "scans",
}


@dataclass(frozen=True)
class Change:
    """Something that is done to the project, or said on the command line, and which steps it concerns."""

    #: more than these is a needless rerun, less is unsound if it shows
    reruns: str = ""
    done: Callable[[Place], object] = lambda _: None
    said: tuple[str, ...] = ()


def edit(file: str, old: str, new: str) -> Callable[[Place], object]:
    return lambda place: place.replace(file, old, new)


def write(file: str, text: str) -> Callable[[Place], object]:
    return lambda place: (place.directory / file).write_text(text)


def move(file: str, to: str) -> Callable[[Place], object]:
    def moved(place: Place) -> None:
        (place.directory / to).parent.mkdir(exist_ok=True)
        shutil.move(place.directory / file, place.directory / to)

    return moved


def touch(file: str) -> Callable[[Place], object]:
    return lambda place: os.utime(place.directory / file, (1, 1))


CHANGES: Mapping[str, Change] = {
    "nothing": Change(),
    "an item": Change("spread[1] weigh[1] join", said=("folds=[1,3]",)),
    "an item more": Change("spread[2] weigh[2] join", said=("folds=[1,2,3]",)),
    "the order of the items": Change("join", said=("folds=[2,1]",)),
    "an item twice": Change("join", said=("folds=[1,2,2]",)),
    "no items": Change("join", said=("folds=[]",)),
    "the config of a part": Change("weigh[0] weigh[1] join", said=("part.weight=4",)),
    "the step of a part": Change(
        "weigh[0] weigh[1] join", edit(FLOWS, "return weight * sum(", "return 1 + weight * sum(")
    ),
    "the order of what is collected": Change(
        "weigh[0] weigh[1] join",
        edit(FLOWS, "return weight * sum(len(line) for line in tree(made))", "return 9 - weight * len(tree(made))"),
    ),
    "the branch": Change("say-2 shout", said=("limit=5",)),
    "the condition": Change("say-2 shout", edit(FLOWS, "config.limit > 10", "config.limit > 1000")),
    "what a branch says": Change("say shout", edit(FLOWS, 'say("high")', 'say("higher")')),
    "what the other branch says": Change("", edit(FLOWS, 'say("low")', 'say("lower")')),
    "a helper of a branch": Change("say shout", edit("helping.py", '"!"', '"?"')),
    "the name of a file": Change("call read", said=("name=list",)),
    "an input file": Change("label count", write("data/labels.csv", "a\nb\nc\n")),
    "an input file touched": Change("", touch("data/labels.csv")),
    "an input file moved": Change("", move("data/labels.csv", "other/labels.csv"), ("labels=other/labels.csv",)),
    "an input file renamed": Change("label count", move("data/labels.csv", "data/x.tsv"), ("labels=data/x.tsv",)),
    "a file in a directory": Change("look", write("data/pictures/inner/two.txt", "3")),
    "a file in a directory that may be executed": Change(
        "look", lambda place: (place.directory / "data/pictures/one.txt").chmod(0o755)
    ),
    "a file more in a directory": Change("look", write("data/pictures/three.txt", "3")),
    "what is referred to": Change("scans measure locate", write("elsewhere/scans.bin", "other")),
    "what is referred to, touched": Change("", touch("elsewhere/scans.bin")),
    "where what is referred to lies": Change(
        "scans measure locate",
        move("elsewhere/scans.bin", "else/scans.bin"),
        ("address={here}/else/scans.bin",),
    ),
    "the program of a command": Change("count", edit("counting/count.py", "{word}{unit}", "{unit}{word}")),
    "an import of a program": Change("count", edit("counting/lines.py", "splitlines()", "split('a')")),
    "a data file of a program": Change("count", write("counting/unit.txt", "S")),
    "an argument of a command": Change("count", said=("word=lines",)),
    "the words of a command": Change("count", edit(FLOWS, "{labels} {word} --out", "{labels} many{word} --out")),
    "a comment in a program": Change("", edit("counting/count.py", "import sys", "import sys  # arguments")),
}  # fmt: skip


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory, place_in: Callable[[Path], Place]) -> Place:
    """The project, run once."""
    place = place_in(tmp_path_factory.mktemp("flow") / "project")
    place.write("pyproject.toml", f"""
        [project]
        name = "flow"
        version = "0.1.0"

        [tool.palmette]
        algorithms = ["algorithms"]
        python = "{sys.executable}"
        lock = "none"
    """)  # fmt: skip
    lay(place)
    place.run("flow")
    return place


def lay(place: Place) -> None:
    """Write the project's files."""
    for file, text in FILES.items():
        place.write(file, text)


def rows(place: Place, query: str, run: str) -> list[Any]:
    with contextlib.closing(sqlite3.connect(place.directory / ".palmette" / "store.db")) as connection:
        return connection.execute(query, (run,)).fetchall()


def made(place: Place, run: str) -> dict[str, Any]:
    """All values and bytes that the tasks of a run made."""
    values = rows(place, "SELECT task, name, value FROM parameters WHERE run = ?", run)
    files = rows(place, "SELECT task, name, digest, filename, position, uri FROM artifacts WHERE run = ?", run)
    return {f"{task}.{name}": rest for task, name, *rest in [*values, *files]}


@pytest.fixture
def place(original: Place) -> Iterator[Place]:
    """The project as it was; what was executed before is still known."""
    yield original
    for name in ("algorithms", "counting", "data", "elsewhere", "else", "other"):
        shutil.rmtree(original.directory / name, ignore_errors=True)
    lay(original)


@pytest.mark.slow
@pytest.mark.parametrize("name", CHANGES)
def test_a_change_reruns_what_shows_it_and_nothing_that_it_does_not_concern(name: str, place: Place) -> None:
    change = CHANGES[name]
    change.done(place)
    said = [each.replace("{here}", str(place.directory)) for each in change.said]

    run = place.run("flow", *said)["run_id"]

    anew = place.run("flow", *said, "--no-cache")["run_id"]
    assert made(place, run) == made(place, anew)
    executed = rows(place, "SELECT DISTINCT component FROM attempts JOIN tasks ON tasks.run = attempts.run AND "
                    "tasks.name = attempts.task WHERE attempts.run = ?", run)  # fmt: skip
    # The end is always told; and of what one refers to, only what was there last time can be known to be there still.
    assert {component for (component,) in executed} <= {"tell", "scans", *change.reruns.split()}
