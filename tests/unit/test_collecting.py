"""Garbage goes, and nothing else: in a real home, beside those who store, and under those who kill."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from palmette.blobs import Blobs
from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.run import Process, Run, RunChanged, TaskChanged
from palmette.domain.states import RunState, TaskState
from palmette.engine import processes
from palmette.errors import StoreError
from palmette.operations import collecting, leftovers
from palmette.operations.collecting import User
from palmette.operations.home import DATABASES, Home
from palmette.operations.leftovers import Kind, Leftover
from palmette.operations.retention import Rules
from palmette.store import database, identity, leases, runs
from palmette.store.ledger import RunLedger

LONG_AGO = 1_000_000_000.0
ME = processes.process_of(os.getpid())
DEAD = Process(pid=ME.pid, start=1, boot=ME.boot)


@contextmanager
def opened(directory: Path) -> Iterator[Home]:
    store = database.open(directory)
    try:
        yield Home(directory=directory, project="clinic", store=store, blobs=Blobs(directory / "blobs"))
    finally:
        store.close()


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    with opened(tmp_path / ".palmette") as found:
        yield found


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    for name in ("run", "tmp"):
        (tmp_path / name).mkdir(mode=0o700)
    places = {"XDG_RUNTIME_DIR": "run", "XDG_CACHE_HOME": "cache", "TMPDIR": "tmp"}
    return {"HOME": str(tmp_path), **{name: str(tmp_path / place) for name, place in places.items()}}


@pytest.fixture
def user(environ: dict[str, str]) -> User:
    return User.of(environ)


def age(home: Home) -> None:
    """Let everything have been needed long ago."""
    for path in home.directory.rglob("*"):
        if path.name != database.FILE:
            os.utime(path, (LONG_AGO, path.stat().st_mtime if path.is_file() else LONG_AGO))


def accept(home: Home, **values: object) -> Run:
    run = Run(**{"id": identity.new_run_id(), "project": "clinic", "algorithm": "tumour", **values})  # type: ignore[arg-type]
    runs.create(home.store, run)
    return runs.get(home.store, run.id)


def made(home: Home, *contents: bytes, over: bool = True) -> Run:
    """A run whose step made these files."""
    run = accept(home)
    lease = leases.take(home.store, run.id, "here", ME, alive=lambda _: True)
    ledger = RunLedger(home.store, lease, home.blobs.claim)
    artifacts = {
        f"output{number}": Artifact(
            type="system.Model", digest=home.blobs.put_bytes(content), size=len(content), filename="model"
        )
        for number, content in enumerate(contents)
    }
    ledger.record([RunChanged(state=RunState.RUNNING, time=1.0)])
    done = Outputs(artifacts=artifacts)
    ledger.record([TaskChanged(task="fit", state=TaskState.SUCCEEDED, time=2.0, fingerprint="f", outputs=done)])
    if over:
        ledger.record([RunChanged(state=RunState.SUCCEEDED, time=3.0)])
        leases.release(home.store, lease)
    return run


def collected(home: Home | None, user: User, rules: Rules = collecting.NO_RULES) -> list[Leftover]:
    return list(collecting.collect(home, user, collecting.survey(home, user, rules)))


def kinds(found: list[Leftover]) -> list[Kind]:
    return sorted(one.kind for one in found)


def test_where_nothing_was_ever_run_there_is_nothing_to_collect(user: User) -> None:
    assert collecting.survey(None, user).empty
    assert collected(None, user) == []


def test_bytes_go_when_no_run_refers_to_them(home: Home, user: User) -> None:
    made(home, b"needed")
    stray = home.blobs.put_bytes(b"of nobody")
    age(home)

    gone = collected(home, user)

    assert [(one.kind, one.size) for one in gone] == [(Kind.BLOBS, 9)]
    assert not home.blobs.exists(stray)
    assert home.blobs.exists(home.blobs.put_bytes(b"needed"))
    assert collecting.survey(home, user).empty


def test_a_survey_changes_nothing(home: Home, user: User) -> None:
    run = made(home, b"bytes")
    age(home)
    before = sorted(home.directory.rglob("*"))

    plan = collecting.survey(home, user, Rules(keep_last=0))

    assert (plan.choice.collect, kinds(list(plan.leftovers))) == ((run.id,), [Kind.BLOBS])
    assert sorted(home.directory.rglob("*")) == before


def test_a_directory_goes_file_by_file_and_what_another_one_shares_stays(
    home: Home, user: User, tmp_path: Path
) -> None:
    def put(*names: str) -> str:
        directory = tmp_path / "made"
        directory.mkdir()
        for name in names:
            (directory / name).write_text(name)
        return home.blobs.put(directory)[0]

    stays = put("shared", "own")
    goes = put("shared", "other")
    accept(home, spec=stays)
    age(home)

    gone = collected(home, user)

    assert len(gone) == 2
    assert home.blobs.exists(stays)
    assert not home.blobs.exists(goes)


def test_what_was_stored_just_now_waits_for_a_later_time(home: Home, user: User) -> None:
    stray = home.blobs.put_bytes(b"soon to be referred to")

    plan = collecting.survey(home, user)

    assert plan.empty
    assert [one.size for one in plan.waiting] == [22]
    assert collected(home, user) == []
    assert home.blobs.exists(stray)


def test_what_was_stored_since_a_living_run_began_stays_however_late_it_commits(home: Home, user: User) -> None:
    run = accept(home, created=LONG_AGO)
    lease = leases.take(home.store, run.id, "here", ME, alive=lambda _: True)
    stray = home.blobs.put_bytes(b"not yet committed")
    age(home)

    assert collected(home, user) == []
    assert home.blobs.exists(stray)

    leases.release(home.store, lease)
    assert kinds(collected(home, user)) == [Kind.BLOBS]


def test_a_dead_driver_keeps_nothing(home: Home, user: User) -> None:
    run = accept(home, created=LONG_AGO - 1)
    leases.take(home.store, run.id, "here", DEAD, alive=lambda _: False)
    home.blobs.put_bytes(b"of the dead")
    age(home)

    assert kinds(collected(home, user)) == [Kind.BLOBS]


def test_bytes_that_became_needed_after_the_survey_survive(home: Home, user: User) -> None:
    run = made(home, b"model")
    digest = home.blobs.put_bytes(b"model")
    age(home)
    plan = collecting.survey(home, user, Rules(keep_last=0))
    assert plan.leftovers

    assert home.blobs.claim(digest)
    list(collecting.collect(home, user, plan))

    assert home.blobs.exists(digest)
    assert collecting.survey(home, user, Rules(keep_last=0)).choice.collect == (), run.id


def test_a_collected_task_is_not_reused(home: Home, user: User) -> None:
    made(home, b"model")
    age(home)
    collected(home, user, Rules(keep_last=0, text="--keep-last 0"))

    later = accept(home)
    lease = leases.take(home.store, later.id, "here", ME, alive=lambda _: True)

    assert RunLedger(home.store, lease, home.blobs.claim).reusable("f") is None


def test_a_deleted_run_takes_its_directory_and_its_bundle_along(home: Home, user: User) -> None:
    bundle = "b" * 64
    run = accept(home, bundle=bundle, state=RunState.SUCCEEDED)
    for place in (home.bundles / bundle, home.bundles / ("c" * 64), home.runs / run.id / "fit" / "1"):
        place.mkdir(parents=True)
        (place / "log").write_text("said")
    age(home)

    assert kinds(collected(home, user)) == [Kind.BUNDLES]
    assert (home.bundles / bundle).exists()
    assert kinds(collected(home, user, Rules(named=(run.id,)))) == [Kind.BUNDLES, Kind.RUNS]
    assert not list(home.runs.iterdir())


def test_rooms_of_attempts_go_a_day_after_the_run_and_logs_stay(home: Home, user: User) -> None:
    old, new, going = (
        accept(home, state=state, ended=ended)
        for state, ended in (
            (RunState.FAILED, LONG_AGO),
            (RunState.FAILED, time.time()),
            (RunState.RUNNING, None),
        )
    )
    for run in (old, new, going):
        room = home.runs / run.id / "for-loop-1.0.fit" / "1" / "work"
        room.mkdir(parents=True)
        (room / "scratch").write_text("scratch")
        (room.parent / "log").write_text("said")
        (home.runs / run.id / ".workspace" / "repository" / "work").mkdir(parents=True)

    gone = collected(home, user)

    assert [(one.kind, one.path.relative_to(home.runs).as_posix(), one.size) for one in gone] == [
        (Kind.ATTEMPTS, f"{old.id}/.workspace", 0),
        (Kind.ATTEMPTS, f"{old.id}/for-loop-1.0.fit/1/work", 7),
    ]
    assert (home.runs / old.id / "for-loop-1.0.fit" / "1" / "log").read_text() == "said"


def test_a_directory_in_which_a_process_works_stays(home: Home, user: User) -> None:
    run = accept(home, state=RunState.FAILED, ended=LONG_AGO)
    room = home.runs / run.id / "fit" / "1" / "work"
    room.mkdir(parents=True)
    process = subprocess.Popen([sys.executable, "-c", "input()"], cwd=room, stdin=subprocess.PIPE)
    try:
        assert collected(home, user) == []
    finally:
        process.communicate(b"\n")
    assert kinds(collected(home, user)) == [Kind.ATTEMPTS]


def test_of_temporary_directories_only_palmettes_own_go(user: User) -> None:
    ours, users, young = (
        user.temporary / name for name in ("palmette-ab_12xyz", "palmette-notebook", "palmette-ab_12xyy")
    )
    trial = user.directories.cache / "trial-ab12xyzz"
    for place in (ours, users, young, trial):
        place.mkdir()
    (ours / "log").write_text("x")
    (users / "thesis.tex").write_text("x")
    for place in (ours, users, trial):
        os.utime(place, (LONG_AGO, LONG_AGO))

    assert {one.path for one in collected(None, user)} == {ours, trial}
    assert users.exists()
    assert young.exists()


def test_kits_of_other_versions_go_and_the_own_one_stays(user: User) -> None:
    other = user.directories.kit.with_name("d" * 64)
    other.mkdir()
    for kit in (other, user.directories.kit):
        os.utime(kit, (LONG_AGO, LONG_AGO))

    assert [one.path for one in collected(None, user)] == [other]
    assert user.directories.kit.exists()


def test_a_home_whose_records_are_elsewhere_too_is_not_touched(home: Home, user: User) -> None:
    (home.directory / DATABASES).write_text("postgresql://db/palmette\n")

    with pytest.raises(StoreError, match="postgresql://db/palmette"):
        collecting.survey(home, user)


def test_bytes_claimed_in_the_last_moment_survive(home: Home, user: User) -> None:
    digest = home.blobs.put_bytes(b"looked at, and now claimed")
    age(home)
    found = collecting.survey(home, user).leftovers
    assert home.blobs.claim(digest)

    assert list(leftovers.remove(found, home.blobs.incoming)) == []
    assert home.blobs.exists(digest)


COLLECT = """
import sys
from pathlib import Path
from palmette.blobs import Blobs
from palmette.operations import collecting
from palmette.operations.home import Home
from palmette.operations.retention import Rules
from palmette.store import database
import os
directory = Path(sys.argv[1])
home = Home(directory=directory, project="clinic", store=database.open(directory), blobs=Blobs(directory / "blobs"))
user = collecting.User.of(os.environ)
for _ in collecting.collect(home, user, collecting.survey(home, user, Rules())):
    pass
"""


@pytest.mark.parametrize("left", [700, 450, 303])
def test_killed_at_any_moment_it_leaves_what_is_needed_and_the_next_one_ends_it(
    home: Home, user: User, environ: dict[str, str], tmp_path: Path, left: int
) -> None:
    def put(name: str, files: int) -> str:
        directory = tmp_path / name
        directory.mkdir()
        for number in range(files):
            (directory / str(number)).write_text(f"{name} {number}")
        return home.blobs.put(directory)[0]

    put("old", 600)
    kept = put("new", 300)
    accept(home, spec=kept)
    age(home)

    process = subprocess.Popen([sys.executable, "-c", COLLECT, str(home.directory)], env={**os.environ, **environ})
    while process.poll() is None and count(home) > left:
        pass
    process.kill()
    process.wait()

    assert home.blobs.exists(kept)
    collected(home, user)
    assert count(home) == 301
    home.blobs.export(kept, tmp_path / "whole")


def count(home: Home) -> int:
    """The stored files."""
    return sum(len(files) for directory, _, files in os.walk(home.blobs.root) if "incoming" not in directory)


def store_again(directory: Path, results: multiprocessing.Queue[int]) -> None:
    """What a driver does: store or claim bytes, refer to them, and find them there."""
    with opened(directory) as home:
        missing = 0
        for number in range(60):
            content = f"shared {number % 20}".encode()
            digest = home.blobs.put_bytes(content) if number % 2 else f"sha256:{digest_of(content)}"
            if home.blobs.claim(digest):
                accept(home, spec=digest)
                missing += not home.blobs.exists(digest)
        results.put(missing)


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_what_others_store_while_it_collects_is_never_missing(home: Home, user: User) -> None:
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[int] = context.Queue()
    for number in range(20):
        home.blobs.put_bytes(f"shared {number}".encode())
    age(home)
    drivers = [context.Process(target=store_again, args=(home.directory, results)) for _ in range(2)]
    for driver in drivers:
        driver.start()

    while any(driver.is_alive() for driver in drivers):
        collected(home, user)

    assert [results.get(timeout=60) for _ in drivers] == [0, 0]
    assert all(home.blobs.exists(entry.run.spec) for entry in runs.page(home.store, limit=1000))
