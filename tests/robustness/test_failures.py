"""What the world does to a run: disks fill up, files rot, directories belong to others. One clear error each time, and
nothing left behind that looks whole and is not."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")


def spoil(path: Path, content: Callable[[bytes], bytes]) -> None:
    """Change a stored file without a trace: its time stays."""
    found, data = path.stat(), path.read_bytes()
    path.chmod(0o600)
    path.write_bytes(content(data))
    path.chmod(found.st_mode)
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def flipped(data: bytes) -> bytes:
    return data[:10] + bytes([data[10] ^ 1]) + data[11:]


def made(small: Any) -> Path:
    """The stored bytes of what the first step made."""
    ((digest,),) = small.rows("SELECT DISTINCT digest FROM artifacts")
    sha256 = digest.partition(":")[2]
    return Path(small.home / "blobs" / sha256[:2] / sha256[2:])


# A full disk


def fill(directory: Path, leave: int) -> None:
    """Take all of a disk but so many bytes."""
    free = os.statvfs(directory).f_bavail * os.statvfs(directory).f_frsize
    with (directory / "filler").open("wb") as file:
        file.write(b"\0" * max(0, free - leave))


def test_no_space_for_the_store_is_said_before_there_is_a_run(small: Any, disk: Callable[..., Path]) -> None:
    fill(disk("project/.palmette", "1m"), 8192)
    assert "no space is left" in small("run", "small", code=69).error
    assert [name for name in small.files() if name.startswith(".palmette/")] == [".palmette/filler"]


def test_no_space_for_the_bundle_is_said_before_there_is_a_run(small: Any, disk: Callable[..., Path]) -> None:
    disk("project/.palmette/bundles", "64k")
    assert "no space is left for the bundle" in small("run", "small", code=69).error
    assert list((small.home / "bundles").iterdir()) == []
    assert small.rows("SELECT * FROM runs") == []


def test_no_space_for_an_artifact_fails_its_step_and_leaves_no_part_of_it(
    small: Any, disk: Callable[..., Path]
) -> None:
    disk("project/.palmette/blobs", "1m")
    failed = json.loads(small("run", "small", "size=3000000", "--json", code=3).out)
    (task,) = [task for task in failed["tasks"] if task["state"] == "failed"]
    assert task["name"] == "make"
    assert "no space is left" in task["message"]
    assert list((small.home / "blobs" / "incoming").iterdir()) == []
    assert small.rows("SELECT count(*) FROM artifacts") == [(0,)]


def test_no_space_for_the_attempt_fails_its_step(small: Any, disk: Callable[..., Path]) -> None:
    disk("project/.palmette/runs", "1m")
    failed = json.loads(small("run", "small", "size=3000000", "--json", code=3).out)
    (task,) = [task for task in failed["tasks"] if task["state"] == "failed"]
    assert task["name"] == "make"
    assert "no space is left" in task["message"]


def test_a_disk_that_fills_up_on_the_way_stops_the_run_and_with_space_it_goes_on(
    small: Any, disk: Callable[..., Path]
) -> None:
    place = disk("project/.palmette", "8m")
    driver, run = small.stop_at("measure")
    fill(place, 0)
    small.open_gates()
    _, err = driver.communicate()
    assert "Traceback" not in err
    assert (driver.returncode, err.count("error:")) == (69, 1), err
    assert "no space is left" in err
    assert not small.tasks_running()
    (place / "filler").unlink()
    assert json.loads(small("resume", run, "--json").out)["state"] == "succeeded"


# A store that cannot be used


@needs_root
def test_a_read_only_store_is_named(small: Any) -> None:
    small("run", "small")
    subprocess.run(["mount", "--bind", small.home, small.home], check=True)
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", small.home], check=True)
        assert "cannot be written: it is read-only" in small("run", "small", code=69).error
    finally:
        subprocess.run(["umount", "-l", small.home], check=True)


@needs_root
def test_a_store_of_somebody_else_is_refused(small: Any, tmp_path: Path) -> None:
    small("run", "small")
    for path in (tmp_path, *tmp_path.parents[:3]):  # with pytest-xdist there is one more that is private
        path.chmod(path.stat().st_mode | 0o011)
    for path in small.place.rglob("*"):
        os.chown(path, 65534, 65534, follow_symlinks=False)
    os.chown(small.place / "run", 65534, 65534)
    small.prefix = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    before = small.files()
    assert "permission denied" in small("runs", code=69).error
    assert small.files() == before


def test_a_store_of_a_newer_version_is_refused_unchanged(small: Any) -> None:
    small("run", "small")
    with sqlite3.connect(small.home / "store.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
    connection.close()
    for verb in (("runs",), ("run", "small"), ("resume",)):
        assert "A newer Palmette made it" in small(*verb, code=69).error
    assert small.rows("SELECT count(*) FROM runs") == [(1,)]


def test_a_store_that_is_no_database_is_refused_unchanged(small: Any) -> None:
    small.home.mkdir()
    (small.home / "store.db").write_text("These are notes, and no database at all.\n" * 100)
    for verb in (("runs",), ("run", "small")):
        assert "is not a Palmette store" in small(*verb, code=69).error
    assert (small.home / "store.db").read_text().startswith("These are notes")


# Bytes that are not what they were


def remove(path: Path) -> None:
    path.unlink()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda path: spoil(path, flipped), "are not what they were"),
        (lambda path: spoil(path, lambda data: data[:500]), "are not what they were"),
        (remove, "are missing"),
    ],
    ids=["a flipped bit", "a short file", "no file"],
)
def test_damaged_bytes_are_never_handed_out(small: Any, damage: Callable[[Path], None], said: str) -> None:
    small("run", "small")
    damage(made(small))
    assert said in small("artifacts", "get", "last", "make", code=69).error
    assert not (small.directory / "made.bin").exists()
    assert not [name for name in small.files() if name.startswith(".made")]


def test_a_missing_file_is_made_again(small: Any) -> None:
    small("run", "small")
    made(small).unlink()
    again = json.loads(small("run", "small", "--json").out)
    assert {task["name"]: task["cached"] for task in again["tasks"]} == {"make": False, "measure": True}
    small("artifacts", "get", "last", "make")
    assert (small.directory / "made.bin").read_bytes() == b"x" * 1000


def test_a_damaged_file_stops_the_step_that_needs_it_and_is_made_again_when_it_is_deleted(small: Any) -> None:
    small("run", "small")
    spoil(made(small), flipped)
    failed = json.loads(small("run", "small", "times=2", "--json", code=3).out)
    states = {task["name"]: (task["state"], task["message"]) for task in failed["tasks"]}
    assert states["make"][0] == "cached"
    assert states["measure"][0] == "failed"
    assert "Delete it and run again" in states["measure"][1]
    made(small).unlink()
    assert json.loads(small("run", "small", "times=2", "--json").out)["state"] == "succeeded"


# A machine that is not as expected


def test_without_git_a_run_says_so_and_succeeds(small: Any, tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q"], cwd=small.directory, check=True)
    (empty := tmp_path / "bin").mkdir()
    done = small("run", "small", environ={"PATH": str(empty)})
    assert "git" in done.err.lower()
    assert "Traceback" not in done.err


@needs_root
def test_a_home_that_cannot_be_written_is_done_without(small: Any, disk: Callable[..., Path]) -> None:
    disk("user/home", "64k", "ro")
    small("run", "small")
    assert small.files()


@needs_root
def test_a_runtime_directory_of_somebody_else_is_not_used(small: Any) -> None:
    os.chown(small.place / "run", 65534, 65534)
    small("run", "small", environ={"PALMETTE_IDLE": "1"})
    assert list((small.place / "run").iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "with spaces and 'quotes\"",
        "größe–日本",
        ".hidden/below",
        "/".join(["a-directory-with-a-long-name"] * 7),
        "%41 $HOME;&#{}",
    ],
)
def test_a_project_may_lie_anywhere(small: Any, tmp_path: Path, name: str) -> None:
    directory = tmp_path / name
    directory.parent.mkdir(parents=True, exist_ok=True)
    small.directory.rename(directory)
    small.directory = directory
    small("run", "small")
    small("run", "small", "size=2000", "--isolated")
    small("artifacts", "get", "last", "make")
    assert (directory / "made.bin").stat().st_size == 2000


def test_the_home_may_lie_on_another_disk(small: Any, disk: Callable[..., Path]) -> None:
    disk("project/.palmette", "64m")
    small("run", "small")
    small("artifacts", "get", "last", "make")
    shutil.rmtree(small.home / "runs")
    again = json.loads(small("run", "small", "--json").out)
    assert [task["cached"] for task in again["tasks"]] == [True, True]


# What is wrong with the request or the code is said before anything is made


def test_a_wrong_value_leaves_nothing_behind(small: Any) -> None:
    before = small.files()
    assert "is not a whole number" in small("run", "small", "size=many", code=2).error
    assert small.files() == before


def test_a_wrong_definition_leaves_nothing_behind(small: Any) -> None:
    path = small.directory / "algorithms" / "small.py"
    path.write_text(path.read_text().replace("-> int:", ":"))
    before = small.files()
    assert "measure" in small("run", "small", code=1).error
    assert small.files() == before
