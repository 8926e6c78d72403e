"""What is in the distributions, and what is not."""

from __future__ import annotations

import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Installer

ROOT = Path(__file__).parents[2]


def test_the_wheel_holds_every_file_of_the_package_and_nothing_else(installer: Installer) -> None:
    source = ROOT / "src"
    files = {path.relative_to(source).as_posix() for path in (source / "palmette").rglob("*") if path.is_file()}
    packed = {name for name in zipfile.ZipFile(installer.wheel).namelist() if ".dist-info/" not in name}
    assert packed == {name for name in files if "__pycache__" not in name}
    assert "palmette/py.typed" in packed
    assert any(name.startswith("palmette/store/migrations/versions/0001_") for name in packed)


def test_the_wheel_says_what_it_is_and_under_which_licence(installer: Installer) -> None:
    archive = zipfile.ZipFile(installer.wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith("/METADATA"))
    (licence,) = (name for name in archive.namelist() if name.endswith("/LICENSE"))
    said = Parser().parsestr(archive.read(metadata).decode())
    assert said["Requires-Python"] == ">=3.11"
    assert said["License-Expression"] == "Apache-2.0"
    assert archive.read(licence) == (ROOT / "LICENSE").read_bytes()


def test_the_source_distribution_holds_nothing_that_running_leaves_behind(installer: Installer) -> None:
    (path,) = installer.wheel.parent.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = [Path(name).parts[1:] for name in archive.getnames()]
    assert not [name for name in names if {".venv", ".palmette", "__pycache__", ".git"} & {*name}]
    assert ("src", "palmette", "__init__.py") in names
