"""`palmette ci context`, and the verbs that go by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project

JOB = {
    "CI": "true",
    "GITLAB_CI": "true",
    "CI_PIPELINE_ID": "901",
    "CI_PIPELINE_SOURCE": "push",
    "CI_COMMIT_BRANCH": "feature/IA-1742-doc-type",
    "CI_DEFAULT_BRANCH": "main",
    "CI_JOB_TOKEN": "token-of-the-job",
}


@pytest.fixture
def commit(tiny: Project) -> str:
    """A project in a repository; its only commit, which is checked out as a CI does."""
    tiny.git("init", "-q", "-b", "main")
    tiny.git("add", "-A")
    tiny.git("-c", "user.name=Ada", "-c", "user.email=ada@x", "commit", "-q", "-m", "One")
    sha = (tiny.directory / ".git" / "refs" / "heads" / "main").read_text().strip()
    tiny.git("checkout", "-q", "--detach")
    return sha


def test_what_is_known_is_shown_with_where_it_comes_from(tiny: Project, commit: str) -> None:
    job = JOB | {"CI_COMMIT_SHA": commit, "CI_MERGE_REQUEST_TITLE": "\x1b[31mred"}
    shown = tiny("ci", "context", environ=job)
    rows = {line[:14].strip(): line[14:].split() for line in shown.out.splitlines() if line.startswith(("b", "c", "d"))}
    assert rows["commit"] == [commit, "CI_COMMIT_SHA"]
    assert rows["cause"] == ["push", "CI_PIPELINE_SOURCE"]
    assert "\x1b" not in shown.out
    document = tiny("ci", "context", "--json", environ=job).json
    assert (document["provider"], document["head"], document["on_default"]) == ("gitlab", commit, False)
    assert document["sources"]["branch"] == "CI_COMMIT_BRANCH"
    assert "token-of-the-job" not in str(document)


def test_six_characters_and_a_branch_take_the_place_of_the_jobs_own(tiny: Project, commit: str) -> None:
    document = tiny("ci", "context", "-c", commit[:6], "-b", "feature/IA-1742", "--json").json
    assert (document["commit"], document["branch"]) == (commit, "feature/IA-1742")
    ended = tiny("ci", "context", "-c", "0123456", code=2)
    assert ended.err == (
        "error: commit 0123456 is not here, and there is no remote to ask\n"
        "Give all of it, or fetch it: git fetch REMOTE BRANCH\n"
    )


def test_a_run_of_a_job_is_filed_under_the_branch_that_is_not_checked_out(tiny: Project, commit: str) -> None:
    tiny("run", "example", environ=JOB | {"CI_COMMIT_SHA": commit})
    [run] = tiny("runs", "branch = feature/IA-1742-doc-type and ticket = IA-1742", "--json").json
    assert run["git"]["commit"] == commit
