"""The slice is sound on tricky Python: where a change makes the real code answer otherwise, the digest differs.

The projects of tricky_python.txt are changed as they say, and then in every way that the mutator knows; each variant
is run for real.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.mutation.mutator import few, mutants_anywhere

from palmette.capture.closure import close
from palmette.capture.reach import reach
from palmette.capture.sources import SourceTree
from palmette.errors import CaptureError

TEXT = (Path(__file__).parent / "tricky_python.txt").read_text()
#: Of each file; enough to find what the one change of each project does not.
MUTANTS = 3

#: Runs main:fit of each project in a fork: what it returned, or that it crashed.
RUNNER = """
import json, os, signal, sys
import asyncio, concurrent.futures, decimal, dataclasses, importlib.util, inspect, palmette, pydoc, unittest.mock
answers = []
for project in json.load(sys.stdin):
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        os.chdir(project)
        signal.alarm(2)  # a mutant may never end
        sys.path.insert(0, project)
        sys.dont_write_bytecode = True
        answer = "crashed"
        try:
            from main import fit
            answer = repr(fit())
        except BaseException as error:
            answer = f"crashed: {type(error).__name__}"
        os.write(write, answer.replace(project, "")[:4000].encode())
        os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        answers.append(pipe.read().decode())
    os.waitpid(child, 0)
json.dump(answers, sys.stdout)
"""


@dataclass(frozen=True)
class Tricky:
    """A project, and a change to one of its files."""

    files: Mapping[str, str]
    file: str
    before: str
    after: str


def tricky(section: str) -> tuple[str, Tricky]:
    name, _, rest = section.partition("\n")
    body, file, before = rest.split("\n+++")[0], *rest.split("\n+++ ")[1].split("\n+++\n")[0].split("\n", 1)
    after = rest.split("\n+++\n")[1].rstrip("\n")
    files = {each.partition("\n")[0]: f"{each.partition(chr(10))[2]}\n" for each in f"\n{body}".split("\n--- ")[1:]}
    return name, Tricky(files, file, before, after)


PROJECTS = dict(tricky(section) for section in f"\n{TEXT}".split("\n=== ")[1:])


@dataclass(frozen=True)
class Variant:
    """A project as it is written, with the digest of what its step reaches."""

    directory: Path
    #: "" where the source is refused
    digest: str


def written(directory: Path, files: Mapping[str, str]) -> Variant:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    try:
        digest = reach(close(SourceTree(directory, (directory,)), ["main"]), "main:fit").digest
    except CaptureError:
        digest = ""
    return Variant(directory, digest)


def answers(variants: list[Variant]) -> list[str]:
    """What the steps of the variants return."""
    asked = json.dumps([str(each.directory) for each in variants])
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", RUNNER],
        input=asked,
        capture_output=True,
        text=True,
        timeout=250,
        check=True,
    )
    found: list[str] = json.loads(done.stdout)
    return found


def test_every_change_of_a_tricky_project_that_its_result_shows_changes_the_digest(tmp_path: Path) -> None:
    pairs = []
    for number, each in enumerate(PROJECTS.values()):
        text = each.files[each.file]
        assert each.before in text
        changed = {**each.files, each.file: text.replace(each.before, each.after, 1)}
        pairs.append((written(tmp_path / f"{number}-old", each.files), written(tmp_path / f"{number}-new", changed)))
    said = answers([variant for pair in pairs for variant in pair])
    told = dict(zip(PROJECTS, zip(said[::2], said[1::2], strict=True), strict=True))
    assert [name for name, (old, _) in told.items() if old.startswith("crashed")] == []
    assert [name for name, (old, new) in told.items() if old == new] == []
    assert [name for name, (old, new) in zip(PROJECTS, pairs, strict=True) if old.digest == new.digest] == []


@pytest.mark.parametrize("part", range(4))
def test_no_mutant_of_a_tricky_project_answers_otherwise_under_the_same_digest(part: int, tmp_path: Path) -> None:
    names, variants = [], []
    for number, (name, each) in enumerate(list(PROJECTS.items())[part::4]):
        original = written(tmp_path / f"{number}", each.files)
        for what, files in changed(each):
            mutant = written(tmp_path / f"{number}-{len(variants)}", files)
            names.append(f"{name}, {what}")
            variants += [original, mutant]
    said = answers(variants)
    pairs = zip(
        names, zip(said[::2], said[1::2], strict=True), zip(variants[::2], variants[1::2], strict=True), strict=True
    )
    unsound = [name for name, (old, new), (one, other) in pairs if old != new and one.digest == other.digest]
    assert unsound == []


def changed(project: Tricky) -> Iterator[tuple[str, Mapping[str, str]]]:
    for file, text in project.files.items():
        if file.endswith(".py"):
            for mutant in few(list(mutants_anywhere(file, text)), MUTANTS):
                yield f"{file}, {mutant.what}", {**project.files, file: mutant.text}
