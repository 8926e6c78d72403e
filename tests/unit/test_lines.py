"""Where commits of real repositories stand to the branch that they are compared with."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from palmette.domain.lines import Fork, Line, Start
from palmette.domain.run import Git, Run, Setting, Source
from palmette.operations import lines

ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}
IDENTITY = {
    **ENVIRON,
    "GIT_CONFIG_GLOBAL": os.devnull,
    **{f"GIT_{who}_{what}": "ada@x" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


def git(directory: Path, *arguments: str) -> str:
    """What Git says. Each commit has a time of its own, so that none is another one's twin."""
    git.moment += 1  # type: ignore[attr-defined]
    moment = {f"GIT_{who}_DATE": f"{git.moment} +0000" for who in ("AUTHOR", "COMMITTER")}  # type: ignore[attr-defined]
    command = ["git", "-C", str(directory), "-c", "protocol.file.allow=always", *arguments]
    done = subprocess.run(command, env=IDENTITY | moment, check=True, capture_output=True, text=True)
    return str(done.stdout).strip()


git.moment = 1_700_000_000  # type: ignore[attr-defined]


def commit(directory: Path, name: str) -> str:
    """A commit that adds a file of that name; its SHA."""
    (directory / name).write_text(name)
    git(directory, "add", name)
    git(directory, "commit", "-q", "-m", name)
    return git(directory, "rev-parse", "HEAD")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty repository on main."""
    root = tmp_path / "root"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    return root


@pytest.fixture
def history(root: Path) -> dict[str, str]:
    """main: m1 m2 m3; feature, which left it at m2: f1 f2, and is checked out."""
    found = {name: commit(root, name) for name in ("m1", "m2")}
    git(root, "checkout", "-q", "-b", "feature")
    found |= {name: commit(root, name) for name in ("f1", "f2")}
    git(root, "checkout", "-q", "main")
    found["m3"] = commit(root, "m3")
    git(root, "checkout", "-q", "feature")
    return found


def run_of(sha: str, *, dirty: bool = False, settings: tuple[Setting, ...] = ()) -> Run:
    return Run(
        id="head", project="p", algorithm="a", git=Git(commit=sha, branch="feature", dirty=dirty), settings=settings
    )


def line_of(root: Path, sha: str, environ: Mapping[str, str] = {}, target: str = "main") -> Line:
    found = lines.of(root, run_of(sha), target, ENVIRON | dict(environ))
    assert found is not None
    return found


def clone(root: Path, *options: str) -> Path:
    where = root.parent / "clone"
    git(root, "clone", "-q", *options, f"file://{root}", str(where))
    return where


def test_a_branch_is_compared_with_where_it_left(root: Path, history: dict[str, str]) -> None:
    found = line_of(root, history["f2"])
    assert found == Line(target="main", start=Start.MERGE_BASE, commits=(history["m2"], history["m1"]))


def test_a_commit_of_the_branch_itself_is_compared_with_the_one_before(root: Path, history: dict[str, str]) -> None:
    found = line_of(root, history["m2"])
    assert (found.start, found.commits) == (Start.FIRST_PARENT, (history["m1"],))
    assert line_of(root, history["m1"]) == Line(target="main", start=Start.FIRST_PARENT)


def test_what_is_more_than_its_commit_is_compared_with_that_commit(root: Path, history: dict[str, str]) -> None:
    override = Setting(name="C", value=2, source=Source.OVERRIDE)
    for run in (run_of(history["m3"], dirty=True), run_of(history["m3"], settings=(override,))):
        found = lines.of(root, run, "main", ENVIRON)
        assert found is not None
        assert (found.start, found.commits[0]) == (Start.COMMIT, history["m3"])
    preset = Setting(name="C", value=2, source=Source.PRESET)
    found = lines.of(root, run_of(history["m3"], settings=(preset,)), "main", ENVIRON)
    assert found is not None
    assert found.start is Start.FIRST_PARENT


def test_of_a_merge_the_first_parent_is_followed(root: Path, history: dict[str, str]) -> None:
    git(root, "checkout", "-q", "main")
    git(root, "merge", "-q", "--no-ff", "-m", "merge", "feature")
    merge, after = git(root, "rev-parse", "HEAD"), commit(root, "m4")
    assert line_of(root, after).commits == (merge, history["m3"], history["m2"], history["m1"])
    # What was merged did leave the branch once.
    merged = line_of(root, history["f1"])
    assert (merged.start, merged.commits) == (Start.MERGE_BASE, (history["m2"], history["m1"]))


def test_a_rebased_branch_has_left_where_it_was_put(root: Path, history: dict[str, str]) -> None:
    git(root, "rebase", "-q", "main")
    found = line_of(root, git(root, "rev-parse", "HEAD"))
    assert found.commits[0] == history["m3"]
    gone = line_of(root, history["f2"])
    assert gone.commits[0] == history["m2"]
    [remark] = gone.remarks
    assert remark == (f"no branch has its commit {history['f2'][:8]} any more: its branch was force-pushed or deleted")


def test_a_commit_that_is_not_here_is_said_to_be_gone(root: Path, history: dict[str, str]) -> None:
    found = line_of(root, "0" * 39 + "1")
    assert (found.start, found.commits) == (Start.NONE, ())
    assert found.remarks == ("its commit 00000000 is not here: its branch was force-pushed, or never fetched",)


def test_without_a_commit_or_a_repository_there_is_no_line(root: Path, tmp_path: Path, history: dict[str, str]) -> None:
    assert lines.of(root, run_of(""), "main", ENVIRON) is None
    assert lines.of(tmp_path, run_of(history["m1"]), "main", ENVIRON) is None
    assert lines.of(root, run_of(history["m1"]), "main", {"PATH": ""}) is None
    assert lines.of(root, run_of("--all"), "main", ENVIRON) is None


def test_another_history_has_no_commit_in_common(root: Path, history: dict[str, str]) -> None:
    git(root, "checkout", "-q", "--orphan", "other")
    found = line_of(root, commit(root, "o1"))
    assert (found.start, found.remarks) == (Start.NONE, ("it has no commit in common with main",))


def test_a_local_branch_that_is_behind_does_not_count(root: Path, history: dict[str, str]) -> None:
    git(root, "checkout", "-q", "main")
    here = clone(root)
    newer = commit(root, "m4")
    git(here, "fetch", "-q")
    git(here, "checkout", "-q", "-b", "topic", "origin/main")
    head = commit(here, "t1")
    assert line_of(here, head).commits[0] == newer


def test_a_remote_branch_that_is_behind_does_not_count(root: Path, history: dict[str, str]) -> None:
    git(root, "checkout", "-q", "main")
    here = clone(root)
    unpushed = commit(here, "m4")
    assert line_of(here, unpushed).start is Start.FIRST_PARENT
    git(here, "checkout", "-q", "-b", "topic")
    assert line_of(here, commit(here, "t1")).commits[0] == unpushed


def test_of_two_that_have_diverged_the_remote_one_is_taken_and_that_is_said(
    root: Path, history: dict[str, str]
) -> None:
    git(root, "checkout", "-q", "main")
    here = clone(root)
    own = commit(here, "own")
    commit(root, "m4")
    git(here, "fetch", "-q")
    found = line_of(here, own)
    assert (found.start, found.commits[0]) == (Start.MERGE_BASE, history["m3"])
    assert found.remarks == ("main and origin/main have diverged: origin/main is taken",)


def test_a_shallow_clone_still_names_the_commit_before(root: Path, history: dict[str, str]) -> None:
    git(root, "checkout", "-q", "main")
    here = clone(root, "--depth", "1")
    found = line_of(here, history["m3"])
    assert found == Line(target="main", start=Start.FIRST_PARENT, commits=(history["m2"],), shallow=True)


def test_a_clone_that_is_cut_off_says_so(root: Path, history: dict[str, str]) -> None:
    here = clone(root, "--depth", "1", "--no-single-branch")
    found = line_of(here, history["f2"])
    assert (found.start, found.shallow) == (Start.NONE, True)
    assert found.remarks == ("this clone ends before the commits that it has in common with main",)
    git(here, "fetch", "-q", "--deepen", "2")
    assert line_of(here, history["f2"]).commits[0] == history["m2"]


def test_a_clone_of_one_branch_does_not_have_the_target(root: Path, history: dict[str, str]) -> None:
    here = clone(root, "--single-branch")
    found = line_of(here, history["f2"])
    assert found.remarks == ("this clone does not have main",)
    # What the head comes from may be known to be the target's.
    assert found.own == tuple(history[name] for name in ("f2", "f1", "m2", "m1"))
    stand = lines.stand(here, Git(commit=history["f2"]), ENVIRON, "main")
    assert (stand.place.start, stand.place.history) == (Start.NONE, ())
    assert [each.sha for each in stand.history] == list(found.own)


def test_a_branch_into_which_the_target_was_merged_comes_from_that_too(root: Path, history: dict[str, str]) -> None:
    git(root, "merge", "-q", "-m", "merge", "main")
    head = commit(root, "f3")
    here = clone(root, "--single-branch")
    own = line_of(here, head).own
    # Of the target's commits the newest comes first.
    assert [each for each in own if each in (history["m3"], history["m2"])] == [history["m3"], history["m2"]]
    stand = lines.stand(here, Git(commit=head), ENVIRON, "main")
    assert lines.fork(stand, run_of(head)).merged == (history["m3"],)


def test_a_base_that_a_whole_clone_lacks_is_not_believed(root: Path, history: dict[str, str]) -> None:
    named = {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "CI_MERGE_REQUEST_DIFF_BASE_SHA": "1" * 40}
    found = line_of(root, history["f2"], named)
    assert (found.start, found.commits[0]) == (Start.MERGE_BASE, history["m2"])
    [remark] = found.remarks
    assert "11111111 that the CI names as the base is not here" in remark
    # In a shallow one it may lie further back.
    shallow = line_of(clone(root, "--depth", "1"), history["f2"], named)
    assert (shallow.start, shallow.commits) == (Start.DIFF_BASE, ("1" * 40,))


def test_a_ci_looks_beyond_a_target_that_it_has_not_fetched_again(root: Path, history: dict[str, str]) -> None:
    git(root, "checkout", "-q", "main")
    here = clone(root)
    newer = commit(root, "m4")
    git(root, "checkout", "-q", "-b", "topic")
    head = commit(root, "t1")
    git(here, "fetch", "-q", "origin", "topic")
    found = line_of(here, head, {"CI": "true"})
    assert (found.start, found.commits[0], found.own) == (Start.MERGE_BASE, history["m3"], (head, newer))
    assert line_of(here, head).own == ()


def test_a_merge_requests_base_is_taken_even_where_its_commit_was_not_fetched(
    root: Path, history: dict[str, str]
) -> None:
    here = clone(root, "--depth", "1", "--single-branch")
    git(here, "checkout", "-q", "--detach")
    gitlab = {
        "CI_COMMIT_SHA": history["f2"],
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": history["m2"],
    }
    assert lines.target(here, gitlab, "develop") == "main"
    found = line_of(here, history["f2"], gitlab)
    assert found == Line(target="main", start=Start.DIFF_BASE, commits=(history["m2"],), shallow=True)
    # Of another run it says nothing.
    assert line_of(root, history["f1"], gitlab).start is Start.MERGE_BASE


def test_merged_results_are_compared_with_what_they_hold_of_the_target(root: Path, history: dict[str, str]) -> None:
    git(root, "checkout", "-q", "--detach", "main")
    git(root, "merge", "-q", "--no-ff", "-m", "merge", "feature")
    merged = git(root, "rev-parse", "HEAD")
    gitlab = {
        "CI_COMMIT_SHA": merged,
        "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": history["f2"],
        "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": history["m3"],
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": history["m2"],
    }
    github = {"GITHUB_BASE_REF": "main", "GITHUB_SHA": merged}
    for environ in (gitlab, github):
        found = line_of(root, merged, environ)
        assert (found.start, found.commits[0]) == (Start.MERGE_BASE, history["m3"])


def test_the_target_is_what_is_set_or_the_remotes_own_or_the_usual_one(root: Path, history: dict[str, str]) -> None:
    assert lines.target(root, ENVIRON, "develop") == "develop"
    assert lines.target(root, ENVIRON | {"GITHUB_BASE_REF": "release"}, "develop") == "release"
    assert lines.target(root, ENVIRON, None) == "main"
    git(root, "branch", "-m", "main", "master")
    assert lines.target(root, ENVIRON, None) == "master"
    assert lines.target(clone(root), ENVIRON, None) == "feature"
    assert lines.target(root.parent, ENVIRON, None) == "main"


def test_other_branches_of_the_remote_are_not_mistaken_for_the_target(root: Path, history: dict[str, str]) -> None:
    git(root, "branch", "master", "feature")
    git(root, "branch", "A", "main")
    here = clone(root)
    for target in ("main", "A"):
        assert line_of(here, history["f2"], target=target).commits[0] == history["m2"]
    head = run_of(history["f2"])
    assert lines.stand(here, head.git, ENVIRON, None).target == "feature"
    git(here, "remote", "set-head", "origin", "--delete")
    stand = lines.stand(here, head.git, ENVIRON, None)
    assert lines.fork(stand, head) == Fork(target="main", start=Start.MERGE_BASE, commit=history["m2"])


def test_a_run_remembers_where_it_stood_and_the_commits_before(root: Path, history: dict[str, str]) -> None:
    head = run_of(history["f2"])
    stand = lines.stand(root, head.git, ENVIRON, None)
    found = lines.fork(stand, head, "tumour")
    assert (found.target, found.start, found.commit, found.against) == (
        *("main", Start.MERGE_BASE, history["m2"]),
        "tumour",
    )
    chain = [(each.sha, each.parent) for each in stand.history]
    assert chain == [(history["m2"], history["m1"]), (history["m1"], "")]
    # On the branch itself the run's own commit is told of as well.
    head = run_of(history["m3"])
    stand = lines.stand(root, head.git, ENVIRON, None)
    found = lines.fork(stand, head)
    assert (found.start, found.commit) == (Start.FIRST_PARENT, history["m2"])
    assert [each.sha for each in stand.history] == [history[name] for name in ("m3", "m2", "m1")]
    assert lines.fork(lines.stand(root.parent, Git(), ENVIRON, None), run_of("")) == Fork()
