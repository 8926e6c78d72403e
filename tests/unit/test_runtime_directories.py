"""Directories that a step gives: moved where nobody else needs them, copied where somebody may."""

from __future__ import annotations

from pathlib import Path

import pytest

from palmette.authoring.signatures import kind_of
from palmette.runtime import formats
from palmette.runtime.task import _alone

PATH = kind_of(Path)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A directory where a step works."""
    directory = tmp_path / "work" / "made"
    (directory / "deep").mkdir(parents=True)
    (directory / "deep" / "a").write_text("a")
    (tmp_path / "outputs").mkdir()
    return directory


def test_a_directory_of_the_steps_own_is_moved(made: Path, tmp_path: Path) -> None:
    metadata = formats.write(made, tmp_path / "outputs" / "x", "x", PATH, spare=True)
    assert metadata["filename"] == "made/"
    assert (tmp_path / "outputs" / "x" / "deep" / "a").read_text() == "a"
    assert not made.exists()


def test_one_with_links_in_it_or_from_elsewhere_is_not(made: Path, tmp_path: Path) -> None:
    (made / "link").symlink_to("deep/a")
    formats.write(made, tmp_path / "outputs" / "x", "x", PATH, spare=True)
    assert (tmp_path / "outputs" / "x" / "link").read_text() == "a"
    assert not (tmp_path / "outputs" / "x" / "link").is_symlink()
    elsewhere = tmp_path / "mine"
    elsewhere.mkdir()
    formats.write(elsewhere, tmp_path / "outputs" / "y", "y", PATH, spare=True)
    assert made.exists()
    assert elsewhere.exists()


def test_a_directory_that_two_outputs_share_belongs_to_neither(made: Path) -> None:
    assert _alone(made, [made])
    assert not _alone(made, [made, made])
    assert not _alone(made, [made, made / "deep"])
    assert not _alone(made / "deep", [made, made / "deep"])
