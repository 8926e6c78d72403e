"""The secret that examples' keys are hashed with."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from palmette.blobs import Blobs
from palmette.operations.home import Home
from palmette.operations.salt import SALT, salt
from palmette.store import database


def home(directory: Path) -> Home:
    return Home(directory=directory, project="", store=database.open(directory), blobs=Blobs(directory / "blobs"))


def test_it_is_made_once_and_is_of_this_home_alone(tmp_path: Path) -> None:
    one, other = home(tmp_path / "one"), home(tmp_path / "other")
    first = salt(one)
    assert len(first) == 64
    assert first == salt(one) == salt(home(tmp_path / "one"))
    assert first != salt(other)
    assert stat.S_IMODE((one.directory / SALT).stat().st_mode) == 0o600


def test_where_none_can_be_kept_there_is_none(tmp_path: Path) -> None:
    mine = home(tmp_path / "one")
    (mine.directory / SALT).mkdir()
    assert salt(mine) == ""


def test_all_who_ask_at_once_get_the_same_and_nothing_is_left(tmp_path: Path) -> None:
    mine = home(tmp_path / "one")
    with ThreadPoolExecutor(8) as pool:
        found = {*pool.map(lambda _: salt(mine), range(16))}
    assert len(found) == 1
    assert [path.name for path in mine.directory.iterdir() if SALT in path.name] == [SALT]
