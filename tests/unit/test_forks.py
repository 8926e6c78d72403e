"""What a repository tells of the commit of a run elsewhere."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from palmette.domain.run import Git, Run
from palmette.operations import git
from palmette.operations.forks import Repository
from palmette.operations.project import Project

ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
WRITTEN = {
    **ENVIRON,
    "GIT_CONFIG_GLOBAL": os.devnull,
    **{f"GIT_{who}_EMAIL": "ada@x" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_NAME": "ada" for who in ("AUTHOR", "COMMITTER")},
    **{f"GIT_{who}_DATE": "1700000000 +0000" for who in ("AUTHOR", "COMMITTER")},
}


def repository(root: Path) -> Repository:
    """One commit, whose author the repository knows by another name."""
    (root / ".mailmap").write_text("Ada Lovelace <ada@x>\n")
    for arguments in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "Know names\n\nAll of them."]):
        subprocess.run(["git", "-C", root, *arguments], env=WRITTEN, check=True)
    return Repository(Project(root=root, name="ia", roots=(root,), home=root / ".palmette"), ENVIRON)


def test_a_run_elsewhere_has_the_author_and_the_message_that_one_here_has(tmp_path: Path) -> None:
    told = repository(tmp_path)
    here = git.read(tmp_path, ENVIRON).git
    run, history = told.told(Run(id="r1", project="ia", algorithm="a", git=Git(branch="IA-1", commit=here.commit)))
    assert (here.author, here.message) == ("Ada Lovelace", "Know names")
    assert (run.git.branch, run.git.author, run.git.message) == ("IA-1", here.author, here.message)
    assert (run.git.committed, run.fork.target) == (1_700_000_000.0, "main")
    assert [each.sha for each in history] == [here.commit]


def test_a_run_of_a_commit_that_is_not_here_stays_as_it_is(tmp_path: Path) -> None:
    told = repository(tmp_path)
    for commit in ("a" * 40, "HEAD", ""):
        run = Run(id="r1", project="ia", algorithm="a", git=Git(branch="IA-1", commit=commit))
        assert told.told(run) == (run, ())
