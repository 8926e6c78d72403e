"""A directory of 20,000 small files between steps, beside what copying, linking and packing it cost."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from benchmarks.measure import Row, interleaved, timed
from palmette.blobs import Blobs

FILES = 20_000


def measure(directory: Path, *, quick: bool) -> list[Row]:
    """Store and restore, cold and unchanged."""
    source = directory / "source"
    _write(source)
    os.sync()
    rounds = iter(range(1000))
    kept: list[Path] = []

    def place(name: str) -> Path:
        path = directory / f"{name}-{next(rounds)}"
        kept.append(path)
        return path

    warm = Blobs(directory / "warm")
    digest, _ = warm.put(_copied(source, place("first")))

    def stored_cold() -> float:
        blobs, path = Blobs(place("blobs")), _copied(source, place("new"))
        os.sync()
        return timed(lambda: blobs.put(path))

    def stored_unchanged() -> float:
        path = _copied(source, place("same"))
        return timed(lambda: warm.put(path))

    def passed_on() -> float:
        path = place("on")
        warm.restore(digest, path)
        return timed(lambda: warm.put(path))

    times = interleaved(
        2 if quick else 5,
        {
            "cp": lambda: timed(lambda: _durable(source, place("cp"))),
            "link": lambda: timed(lambda: _run("cp", "-al", source, place("link"))),
            "tar": lambda: timed(lambda: _run("tar", "cf", place("tar"), "-C", source, ".")),
            "cold": stored_cold,
            "unchanged": stored_unchanged,
            "passed on": passed_on,
            "restore cold": lambda: timed(lambda: Blobs(warm.root).restore(digest, place("back"))),
            "restore": lambda: timed(lambda: warm.restore(digest, place("back"))),
            "clear": lambda: _cleared(kept),
        },
    )
    copy, link, tar = "cp -r and sync", "cp -al", "tar"
    about = f"{FILES:,} files: "
    return [
        Row(what=f"{about}stored, all new", measured=times["cold"], against=copy, limit=times["cp"]),
        Row(what=f"{about}stored, all known", measured=times["unchanged"], against=copy, limit=times["cp"]),
        Row(what=f"{about}passed on unchanged", measured=times["passed on"], against=link, limit=times["link"]),
        Row(
            what=f"{about}restored, store just opened", measured=times["restore cold"], against=tar, limit=times["tar"]
        ),
        Row(what=f"{about}restored again", measured=times["restore"], against=link, limit=times["link"]),
    ]


def _write(root: Path) -> None:
    for number in range(FILES):
        path = root / f"{number % 200:03d}" / f"{number}.bin"
        if number < 200:
            path.parent.mkdir(parents=True)
        path.write_bytes(f"{number}".encode() * 300)


def _copied(source: Path, target: Path) -> Path:
    _run("cp", "-r", source, target)
    return target


def _durable(source: Path, target: Path) -> None:
    _copied(source, target)
    os.sync()


def _run(*command: str | Path) -> None:
    subprocess.run(command, check=True)


def _cleared(paths: list[Path]) -> float:
    """Between the rounds: what they left would fill the disk."""
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    paths.clear()
    return 0.0
