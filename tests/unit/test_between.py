"""The commits between two runs, from real repositories."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from palmette.domain.run import Git, Run
from palmette.operations.between import MOST, commits

ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
IDENTITY = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ada L",
    "GIT_AUTHOR_EMAIL": "ada@x",
    "GIT_COMMITTER_NAME": "Other",
    "GIT_COMMITTER_EMAIL": "o@x",
}


def git(directory: Path, *arguments: str, date: int = 1_700_000_000) -> str:
    environment = {**ENVIRON, **IDENTITY, "GIT_COMMITTER_DATE": f"{date} +0000"}
    done = subprocess.run(["git", "-C", directory, *arguments], env=environment, check=True, capture_output=True)
    return done.stdout.decode().strip()


def run(commit: str) -> Run:
    return Run(id="r", project="p", algorithm="a", git=Git(commit=commit))


def commit(root: Path, subject: str, date: int) -> str:
    git(root, "commit", "-q", "--allow-empty", "-m", subject, date=1_700_000_000 + date)
    return git(root, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> dict[str, str]:
    """Two commits on a branch and one on `main`, since they parted."""
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    shas = {"root": str(root), "base": commit(root, "Begin", 0)}
    git(root, "switch", "-q", "-c", "feature")
    shas["first"] = commit(root, "Fill gaps: ü \x0b ok", 1)
    shas["second"] = commit(root, "Scale", 3)
    git(root, "switch", "-q", "main")
    shas["main"] = commit(root, "Meanwhile", 2)
    return shas


def test_commits_of_either_side_are_listed_the_newest_first(repository: dict[str, str]) -> None:
    found = commits(Path(repository["root"]), ENVIRON, run(repository["second"]), run(repository["main"]))
    assert found is not None
    assert [(each.sha, each.behind) for each in found] == [
        (repository["second"], False),
        (repository["main"], True),
        (repository["first"], False),
    ]
    assert (found[2].subject, found[2].author, found[2].committed) == ("Fill gaps: ü \x0b ok", "Ada L", 1_700_000_001.0)


def test_the_same_commit_and_one_ahead_of_the_other(repository: dict[str, str]) -> None:
    root = Path(repository["root"])
    assert commits(root, ENVIRON, run(repository["base"]), run(repository["base"])) == ()
    ahead = commits(root, ENVIRON, run(repository["first"]), run(repository["base"]))
    assert ahead is not None
    assert [each.sha for each in ahead] == [repository["first"]]


@pytest.mark.parametrize("unknown", ["", "1" * 40, "--all", "main"])
def test_what_the_repository_does_not_know_is_not_guessed(repository: dict[str, str], unknown: str) -> None:
    root = Path(repository["root"])
    for pair in ((unknown, repository["base"]), (repository["base"], unknown)):
        assert commits(root, ENVIRON, *map(run, pair)) is None


def test_outside_of_a_repository_nothing_is_known(tmp_path: Path) -> None:
    assert commits(tmp_path, ENVIRON, run("1" * 40), run("2" * 40)) is None


def test_a_clone_that_ends_before_the_histories_meet_does_not_tell(repository: dict[str, str], tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth", "1", "--no-single-branch", f"file://{repository['root']}", str(clone))
    assert commits(clone, ENVIRON, run(repository["second"]), run(repository["main"])) is None


def test_histories_without_a_common_commit_are_not_laid_side_by_side(repository: dict[str, str]) -> None:
    root = Path(repository["root"])
    git(root, "switch", "-q", "--orphan", "other")
    assert commits(root, ENVIRON, run(commit(root, "Another", 9)), run(repository["main"])) is None


def test_a_long_history_is_listed_in_part(repository: dict[str, str]) -> None:
    root = Path(repository["root"])
    stream = "".join(
        f"commit refs/heads/long\ncommitter O <o@x> {1_700_000_100 + n} +0000\ndata 1\nx\n"
        + (f"from {repository['main']}\n" if n == 0 else "")
        for n in range(MOST + 5)
    )
    subprocess.run(
        ["git", "-C", root, "fast-import", "--quiet"], input=stream.encode(), env={**ENVIRON, **IDENTITY}, check=True
    )
    found = commits(root, ENVIRON, run(git(root, "rev-parse", "long")), run(repository["main"]))
    assert found is not None
    assert len(found) == MOST
