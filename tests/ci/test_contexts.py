"""Where a job stands: tables of what each CI says, and real clones for what it does not."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from palmette.ci.contexts import found
from palmette.domain.context import Cause, Context, Provider
from palmette.errors import NotFound, UsageError
from palmette.operations import git as repositories
from palmette.operations import jobs, lines

HEAD, MERGE, BASE, TIP = (letter * 40 for letter in "abcd")
EMPTY = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
ENVIRON = {"PATH": os.environ["PATH"], "HOME": "/nowhere"}

GITLAB = {
    "CI": "true",
    "GITLAB_CI": "true",
    "CI_PIPELINE_SOURCE": "push",
    "CI_COMMIT_SHA": HEAD,
    "CI_COMMIT_BEFORE_SHA": "0" * 40,
    "CI_COMMIT_REF_NAME": "feature/x",
    "CI_COMMIT_BRANCH": "feature/x",
    "CI_DEFAULT_BRANCH": "main",
    "CI_PROJECT_PATH": "acme/ia",
    "CI_PROJECT_ID": "17",
    "CI_PROJECT_URL": "https://git.example/acme/ia",
    "CI_API_V4_URL": "https://git.example/api/v4",
    "CI_PIPELINE_ID": "901",
    "CI_PIPELINE_IID": "12",
    "CI_JOB_ID": "3001",
    "CI_JOB_URL": "https://git.example/acme/ia/-/jobs/3001",
    "GITLAB_USER_LOGIN": "ada",
}
REQUEST = {
    **{name: value for name, value in GITLAB.items() if name != "CI_COMMIT_BRANCH"},
    "CI_PIPELINE_SOURCE": "merge_request_event",
    "CI_MERGE_REQUEST_IID": "7",
    "CI_MERGE_REQUEST_PROJECT_PATH": "acme/ia",
    "CI_MERGE_REQUEST_PROJECT_URL": "https://git.example/acme/ia",
    "CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "acme/ia",
    "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "feature/x",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "develop",
    "CI_MERGE_REQUEST_DIFF_BASE_SHA": BASE,
    "CI_MERGE_REQUEST_TITLE": "IA-1742: types",
}
GITHUB = {
    "CI": "true",
    "GITHUB_ACTIONS": "true",
    "GITHUB_EVENT_NAME": "push",
    "GITHUB_SHA": HEAD,
    "GITHUB_REF": "refs/heads/feature/x",
    "GITHUB_REF_NAME": "feature/x",
    "GITHUB_REF_TYPE": "branch",
    "GITHUB_REPOSITORY": "acme/ia",
    "GITHUB_REPOSITORY_ID": "17",
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_API_URL": "https://api.github.example",
    "GITHUB_RUN_ID": "901",
    "GITHUB_JOB": "toy",
    "GITHUB_ACTOR": "ada",
}
JENKINS = {"JENKINS_URL": "https://ci.example/", "BUILD_TAG": "jenkins-ia-7", "GIT_COMMIT": HEAD, "BUILD_URL": "u"}


def detect(
    root: Path, environ: Mapping[str, str], branch: str = "", commit: str = "", setting: str | None = None
) -> Context:
    """The context alone."""
    return found(root, environ, branch=branch, commit=commit, setting=setting).context


def test_a_branch_is_compared_with_its_target_else_with_the_default_branch() -> None:
    branch = Context(branch="idea", default_branch="main")
    assert branch.compared_with == "main"
    assert replace(branch, target="release").compared_with == "release"
    assert replace(branch, branch="").compared_with == "main"
    trunk = Context(branch="main", default_branch="main")
    assert (trunk.compared_with, replace(trunk, target="release").compared_with) == ("", "release")


def read(*parts: Mapping[str, str], without: tuple[str, ...] = ()) -> Context:
    environ = {name: value for part in parts for name, value in part.items()}
    return jobs.read({name: value for name, value in environ.items() if name not in without}).context


def test_what_gitlab_says_of_a_push() -> None:
    assert read(GITLAB) == Context(
        provider=Provider.GITLAB,
        cause=Cause.PUSH,
        branch="feature/x",
        commit=HEAD,
        head=HEAD,
        default_branch="main",
        repository="acme/ia",
        repository_id="17",
        api="https://git.example/api/v4",
        author="ada",
        job="3001",
        job_url="https://git.example/acme/ia/-/jobs/3001",
        pipeline="901",
        order=12,
    )


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        # The order in which a branch is looked for.
        (REQUEST, {"branch": "feature/x", "merge_request": "7", "target": "develop", "base": BASE}),
        (GITLAB | {"CI_COMMIT_REF_NAME": "other"}, {"branch": "feature/x"}),
        (GITLAB | {"CI_COMMIT_BRANCH": ""}, {"branch": "feature/x"}),
        (GITLAB | {"CI_COMMIT_BRANCH": "", "CI_COMMIT_REF_NAME": "refs/heads/y"}, {"branch": "y"}),
        (GITLAB | {"CI_COMMIT_BRANCH": "HEAD", "CI_COMMIT_REF_NAME": "HEAD"}, {"branch": ""}),
        (
            GITLAB | {"CI_COMMIT_BRANCH": "", "CI_COMMIT_TAG": "v1", "CI_COMMIT_REF_NAME": "v1"},
            {"branch": "", "tag": "v1", "cause": Cause.TAG},
        ),
        # Ten years of how a merge request's ref is spelled.
        (
            GITLAB | {"CI_COMMIT_BRANCH": "", "CI_COMMIT_REF_NAME": "refs/merge-requests/9/head"},
            {"branch": "", "merge_request": "9"},
        ),
        (REQUEST | {"CI_COMMIT_REF_NAME": "refs/merge-requests/7/merge"}, {"branch": "feature/x"}),
        # Of what is merged for a test, the branch's own commit counts.
        (
            REQUEST | {"CI_COMMIT_SHA": MERGE, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": HEAD},
            {"commit": MERGE, "head": HEAD},
        ),
        # Open merge requests of a branch's pipeline: this project's.
        (
            GITLAB | {"CI_OPEN_MERGE_REQUESTS": "up/ia!3,acme/ia!8"},
            {"merge_request": "8", "merge_request_url": "https://git.example/acme/ia/-/merge_requests/8"},
        ),
        (GITLAB | {"CI_OPEN_MERGE_REQUESTS": "up/ia!3"}, {"merge_request": ""}),
        # A fork's main is not this project's, and its merge request has a number elsewhere.
        (
            REQUEST | {"CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "bob/ia", "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME": "main"},
            {"branch": "bob:main", "on_default": False, "merge_request": "7"},
        ),
        (REQUEST | {"CI_PROJECT_PATH": "bob/ia"}, {"merge_request": "", "branch": "acme:feature/x"}),
        (GITLAB | {"CI_COMMIT_BRANCH": "main"}, {"on_default": True}),
        (GITLAB | {"CI_PIPELINE_SOURCE": "schedule"}, {"cause": Cause.SCHEDULE}),
        (GITLAB | {"CI_PIPELINE_SOURCE": "web"}, {"cause": Cause.MANUAL}),
        (GITLAB | {"CI_PIPELINE_SOURCE": "parent_pipeline"}, {"cause": Cause.TRIGGER}),
        (GITLAB | {"CI_COMMIT_SHA": "0" * 40}, {"commit": "", "head": ""}),
        # A pipeline that is tried on somebody's own machine.
        ({"GITLAB_CI": "false", "CI_COMMIT_SHA": HEAD, "CI_JOB_ID": "1"}, {"provider": Provider.GITLAB}),
        (
            GITLAB | {"CI_JOB_STARTED_AT": "1970-01-01T00:01:40Z", "CI_JOB_TIMEOUT": "3600"},
            {"deadline": 100.0 + 3600 - 60},
        ),
        (GITLAB | {"CI_JOB_TIMEOUT": "3600"}, {"deadline": None}),
        # GitHub: a push, a tag, what there is no event of.
        (GITHUB, {"branch": "feature/x", "order": 901, "pipeline": "901", "cause": Cause.PUSH, "deadline": None}),
        (GITHUB, {"job_url": "https://github.example/acme/ia/actions/runs/901"}),
        (
            GITHUB | {"GITHUB_REF": "refs/tags/v1", "GITHUB_REF_NAME": "v1", "GITHUB_REF_TYPE": "tag"},
            {"branch": "", "tag": "v1", "cause": Cause.TAG},
        ),
        (
            GITHUB | {"GITHUB_REF_NAME": "7/merge", "GITHUB_HEAD_REF": "feature/x", "GITHUB_BASE_REF": "main"},
            {"branch": "feature/x", "merge_request": "7", "target": "main"},
        ),
        (
            GITHUB | {"GITHUB_REF_NAME": f"gh-readonly-queue/main/pr-7-{HEAD}", "GITHUB_EVENT_NAME": "merge_group"},
            {"branch": "", "merge_request": "7", "target": "main", "cause": Cause.MERGE_REQUEST},
        ),
        # Jenkins
        (JENKINS | {"BRANCH_NAME": "feature/x", "GIT_BRANCH": "other"}, {"branch": "feature/x"}),
        (JENKINS | {"GIT_BRANCH": "origin/feature/x"}, {"branch": "feature/x"}),
        (
            JENKINS | {"BRANCH_NAME": "PR-7", "CHANGE_BRANCH": "f", "CHANGE_ID": "7", "CHANGE_TARGET": "main"},
            {"branch": "f", "merge_request": "7", "target": "main", "cause": Cause.MERGE_REQUEST},
        ),
        (JENKINS | {"BRANCH_NAME": "main", "BRANCH_IS_PRIMARY": "true"}, {"on_default": True}),
        # What anybody may set
        (
            {"PALMETTE_BRANCH": "b", "PALMETTE_COMMIT": HEAD, "PALMETTE_TARGET_BRANCH": "main"},
            {"provider": Provider.NONE, "branch": "b", "head": HEAD, "target": "main"},
        ),
        (GITLAB | {"PALMETTE_DEFAULT_BRANCH": "trunk"}, {"default_branch": "trunk"}),
        ({}, {"provider": Provider.NONE, "branch": "", "commit": ""}),
    ],
)
def test_what_each_ci_says(environ: Mapping[str, str], says: Mapping[str, object]) -> None:
    context = read(environ)
    assert {name: getattr(context, name) for name in says} == says


def event(tmp_path: Path, **content: object) -> dict[str, str]:
    file = tmp_path / "event.json"
    file.write_text(json.dumps(content))
    return {"GITHUB_EVENT_PATH": str(file)}


def pull_request(**head: object) -> dict[str, object]:
    return {
        "number": 7,
        "html_url": "https://github.example/acme/ia/pull/7",
        "title": "Types",
        "body": "For IA-1742",
        "head": {"sha": HEAD, "repo": {"full_name": "acme/ia"}} | head,
        "base": {"sha": BASE},
    }


def test_the_event_tells_github_s_own_commit_of_a_pull_request(tmp_path: Path) -> None:
    job = GITHUB | {
        "GITHUB_SHA": MERGE,
        "GITHUB_EVENT_NAME": "pull_request",
        "GITHUB_REF_NAME": "7/merge",
        "GITHUB_HEAD_REF": "feature/x",
        "GITHUB_BASE_REF": "main",
    }
    told = event(tmp_path, pull_request=pull_request(), repository={"default_branch": "trunk"})
    context = read(job, told)
    assert (context.commit, context.head, context.base, context.merge_request) == (MERGE, HEAD, BASE, "7")
    assert (context.default_branch, context.title, context.description) == ("trunk", "Types", "For IA-1742")

    # There, what the job is given is the target branch's: nothing of the request is checked out.
    target = read(job, told, {"GITHUB_EVENT_NAME": "pull_request_target", "GITHUB_SHA": TIP})
    assert (target.commit, target.head) == (HEAD, HEAD)

    forked = event(tmp_path, pull_request=pull_request(repo={"full_name": "bob/ia"}))
    assert read(job, forked).branch == "bob:feature/x"

    (tmp_path / "event.json").write_text("no JSON")
    broken = read(job, told)
    assert (broken.branch, broken.head) == ("feature/x", MERGE)
    assert broken.remarks == ("GITHUB_EVENT_PATH names no event that can be read",)


def test_a_branch_that_is_named_leaves_another_ones_merge_request_behind(tmp_path: Path) -> None:
    """A repository is not needed: what the CI and the user say is enough."""
    context = detect(tmp_path, ENVIRON | REQUEST, branch="other")
    assert (context.branch, context.merge_request, context.target, context.title) == ("other", "", "", "")
    assert (context.head, context.repository, context.order) == (HEAD, "acme/ia", 12)
    assert context.remarks == ("--branch says other; the job's own branch is feature/x",)
    # An old set-up says what the CI says anyway, and in its spelling.
    for same in ("feature/x", "refs/heads/feature/x", "HEAD", "refs/merge-requests/7/head"):
        assert detect(tmp_path, ENVIRON | REQUEST, branch=same) == detect(tmp_path, ENVIRON | REQUEST)
    tag = GITLAB | {"CI_COMMIT_BRANCH": "", "CI_COMMIT_TAG": "v1", "CI_COMMIT_REF_NAME": "v1"}
    assert detect(tmp_path, ENVIRON | tag, branch="v1") == detect(tmp_path, ENVIRON | tag)
    fork = REQUEST | {"CI_MERGE_REQUEST_SOURCE_PROJECT_PATH": "bob/ia"}
    assert detect(tmp_path, ENVIRON | fork, branch="feature/x").branch == "bob:feature/x"


def test_six_characters_of_the_ci_s_own_commit_are_enough(tmp_path: Path) -> None:
    merged = ENVIRON | REQUEST | {"CI_COMMIT_SHA": MERGE, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": HEAD}
    for given in (MERGE[:6], HEAD[:8].upper(), MERGE):
        context = detect(tmp_path, merged, commit=given)
        assert (context.commit, context.head) == (MERGE, HEAD)
    other = detect(tmp_path, merged, commit=TIP)
    assert (other.commit, other.head, other.base) == (TIP, TIP, "")
    with pytest.raises(UsageError, match="'aaaaa' is too short"):
        detect(tmp_path, merged, commit="aaaaa")
    with pytest.raises(NotFound, match="no commit 123456 is known"):
        detect(tmp_path, merged, commit="123456")
    alike = merged | {"CI_MERGE_REQUEST_DIFF_BASE_SHA": "a" * 39 + "b"}
    with pytest.raises(UsageError, match="aaaaaa may be one of 2 commits"):
        detect(tmp_path, alike, commit="aaaaaa")


# Real repositories


def git(directory: Path, *arguments: str) -> str:
    git.moment += 1  # type: ignore[attr-defined]
    who = {f"GIT_{each}_{what}": "ada@x" for each in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    when = {f"GIT_{each}_DATE": f"{git.moment} +0000" for each in ("AUTHOR", "COMMITTER")}  # type: ignore[attr-defined]
    command = ["git", "-C", str(directory), *arguments]
    environ = ENVIRON | {"GIT_CONFIG_GLOBAL": os.devnull} | who | when
    return subprocess.run(command, env=environ, check=True, capture_output=True, text=True).stdout.strip()


git.moment = 1_700_000_000  # type: ignore[attr-defined]


@pytest.fixture
def remote(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A repository whose main has m0, m1 and whose feature/x, which is one after m0, has f0 … f3."""
    root = tmp_path / "remote"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    made: dict[str, str] = {}

    def commit(name: str) -> None:
        git(root, "commit", "-q", "--allow-empty", "-m", name)
        made[name] = git(root, "rev-parse", "HEAD")

    commit("m0")
    git(root, "checkout", "-q", "-b", "feature/x")
    for number in range(4):
        commit(f"f{number}")
    git(root, "checkout", "-q", "main")
    commit("m1")
    return root, made


def clone(remote: Path, *options: str) -> Path:
    where = remote.parent / "clone"
    git(remote.parent, "clone", "-q", *options, f"file://{remote}", str(where))
    return where


def test_a_merge_that_jenkins_made_for_itself_is_taken_apart_and_no_other(remote: tuple[Path, dict[str, str]]) -> None:
    root, made = remote
    here = clone(root)
    git(here, "update-ref", "refs/remotes/origin/PR-7", made["f3"])
    request = JENKINS | ENVIRON | {"CHANGE_ID": "7", "CHANGE_BRANCH": "feature/x", "CHANGE_TARGET": "main"}

    def seen(commit: str, **more: str) -> tuple[str, str]:
        context = detect(here, request | {"GIT_COMMIT": commit} | more)
        return context.commit, context.head

    for first, second in (("f3", "m1"), ("m1", "f3")):
        git(here, "checkout", "-q", "--detach", made[first])
        git(here, "merge", "-q", "--no-edit", made[second])
        merge = git(here, "rev-parse", "HEAD")
        assert seen(merge) == seen(made["f3"]) == (merge, made["f3"])
        assert seen(merge, PALMETTE_COMMIT=made["f3"]) == (made["f3"], made["f3"])
        assert seen(merge, CHANGE_TARGET="release") == (merge, merge)
    # Somebody merged the target into the branch, and pushed that.
    git(here, "update-ref", "refs/remotes/origin/PR-7", merge)
    assert seen(merge) == (merge, merge)
    git(here, "checkout", "-q", "--detach", made["f3"])
    assert seen(made["f3"]) == (made["f3"], made["f3"])


def test_six_characters_are_enough_where_the_clone_has_one_commit(remote: tuple[Path, dict[str, str]]) -> None:
    root, made = remote
    here = clone(root, "--depth=1", "--branch=feature/x")
    assert git(here, "rev-list", "--count", "HEAD") == "1"

    def resolved(name: str) -> str:
        return detect(here, ENVIRON, commit=made[name][:6], branch="feature/x").commit

    # It is here; it is the tip of another branch; it is deeper than the clone goes.
    assert resolved("f3") == made["f3"]
    assert resolved("m1") == made["m1"]
    assert git(here, "rev-list", "--count", "HEAD") == "1"
    assert resolved("f0") == made["f0"]
    assert git(here, "rev-list", "--count", "HEAD") == "5"

    with pytest.raises(NotFound) as raised:
        detect(here, ENVIRON, commit="012345", branch="feature/x")
    assert raised.value.message == "commit 012345 is neither here nor on origin"
    assert raised.value.hint == "Give all of it, or fetch it: git fetch origin feature/x"


def test_a_whole_clone_stays_whole_and_gets_what_it_lacks(remote: tuple[Path, dict[str, str]]) -> None:
    root, made = remote
    here = clone(root)
    git(root, "checkout", "-q", "feature/x")
    for name in ("f4", "f5"):
        git(root, "commit", "-q", "--allow-empty", "-m", name)
    lacking = git(root, "rev-parse", "HEAD~1")
    assert detect(here, ENVIRON, commit=lacking[:7], branch="feature/x").head == lacking
    assert git(here, "rev-parse", "--is-shallow-repository") == "false"
    assert detect(here, ENVIRON, commit="origin/feature/x").commit == made["f3"]
    with pytest.raises(NotFound, match="there is no commit '--all' here"):
        detect(here, ENVIRON, commit="--all")


def test_a_commit_is_looked_for_on_all_branches_where_none_is_named(remote: tuple[Path, dict[str, str]]) -> None:
    root, _ = remote
    here = clone(root)
    git(root, "checkout", "-q", "feature/x")
    for name in ("f4", "f5"):
        git(root, "commit", "-q", "--allow-empty", "-m", name)
    lacking = git(root, "rev-parse", "HEAD~1")
    assert detect(here, ENVIRON, commit=lacking[:7]).commit == lacking
    with pytest.raises(NotFound, match="commit 012345 is neither here nor on origin"):
        detect(here, ENVIRON, commit="012345")


def test_a_remote_that_refuses_a_fetch_does_not_have_the_commit(remote: tuple[Path, dict[str, str]]) -> None:
    root, _ = remote
    here = clone(root)
    (root / "lost").write_text("lost")
    git(root, "add", "lost")
    git(root, "commit", "-q", "-m", "m2")
    blob = git(root, "rev-parse", "HEAD:lost")
    (root / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(NotFound, match="commit 012345 is neither here nor on origin"):
        detect(here, ENVIRON, commit="012345")


def test_a_beginning_that_several_commits_have_names_them(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    git(root, "init", "-q", "-b", "main")
    for body in alike():
        command = ["git", "-C", str(root), "hash-object", "-t", "commit", "-w", "--literally", "--stdin"]
        made = subprocess.run(command, env=ENVIRON, check=True, capture_output=True, input=body)
    with pytest.raises(UsageError) as raised:
        detect(root, ENVIRON, commit=made.stdout.decode()[:6])
    assert [problem.what for problem in raised.value.problems] == ["the other", "one"]


def alike() -> list[bytes]:
    """Two commits whose SHAs begin with the same six characters."""
    return [commit_of(1_700_002_199, "one"), commit_of(1_700_001_451, "the other")]


def commit_of(moment: int, subject: str) -> bytes:
    who = f"a <a@x> {moment} +0000"
    return f"tree {EMPTY}\nauthor {who}\ncommitter {who}\n\n{subject}\n".encode()


def test_git_says_what_the_ci_does_not(remote: tuple[Path, dict[str, str]]) -> None:
    root, made = remote
    here = clone(root, "--branch=feature/x")
    told = found(here, ENVIRON)
    assert (told.context.branch, told.context.head, told.context.default_branch) == ("feature/x", made["f3"], "main")
    assert told.sources["branch"] == told.sources["commit"] == "Git"
    git(here, "checkout", "-q", "--detach")
    detached = detect(here, ENVIRON)
    assert detached.branch == ""
    assert detached.remarks == ("no branch is known: -b BRANCH or PALMETTE_BRANCH names it",)
    other = detect(here, ENVIRON | GITLAB)
    assert other.commit == HEAD
    assert other.remarks == (f"commit {made['f3'][:8]} is checked out, not {HEAD[:8]}",)


@pytest.mark.parametrize("setting", [None, "develop"])
@pytest.mark.parametrize("environ", [{}, GITLAB, REQUEST, JENKINS | {"CHANGE_TARGET": "release"}])
def test_the_context_and_the_comparison_agree_on_the_target(
    remote: tuple[Path, dict[str, str]], environ: Mapping[str, str], setting: str | None
) -> None:
    here = clone(remote[0])
    context = detect(here, ENVIRON | environ, setting=setting)
    assert (context.target or context.default_branch) == lines.target(here, ENVIRON | environ, setting)


# What a run is filed under


def merged_for_a_test(root: Path) -> tuple[Path, str]:
    here = clone(root)
    git(here, "checkout", "-q", "--detach", "origin/main")
    git(here, "merge", "-q", "--no-ff", "-m", "Merge for a test", "origin/feature/x")
    return here, git(here, "rev-parse", "HEAD")


def test_a_run_of_ci_is_filed_under_the_branch_and_its_own_commit(remote: tuple[Path, dict[str, str]]) -> None:
    root, made = remote
    here, merge = merged_for_a_test(root)
    job = ENVIRON | REQUEST | {"CI_COMMIT_SHA": merge, "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": made["f3"]}
    read = repositories.read(here, job)
    assert (read.git.branch, read.git.commit, read.git.message) == ("feature/x", made["f3"], "f3")
    assert (read.tested, read.checked_out.commit) == (merge, merge)
    assert read.note == f"commit {made['f3'][:8]} is tested as {merge[:8]}, merged for that"
    assert not read.git.dirty
    # What is compared with is what the merge holds of the target branch, whichever of both commits it is asked for.
    named = job | {"CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main", "CI_MERGE_REQUEST_TARGET_BRANCH_SHA": made["m1"]}
    for git_state in (read.git, read.checked_out):
        stand = lines.stand(here, git_state, named, None)
        assert stand.place.history[0].sha == made["m1"]

    git(here, "checkout", "-q", "--detach", made["f3"])
    pushed = repositories.read(here, ENVIRON | GITLAB | {"CI_COMMIT_SHA": made["f3"]})
    assert (pushed.git.branch, pushed.git.commit, pushed.note) == ("feature/x", made["f3"], "")


def test_a_job_says_nothing_of_a_repository_that_is_not_its_own(remote: tuple[Path, dict[str, str]]) -> None:
    root, made = remote
    read = repositories.read(root, ENVIRON | GITLAB)
    assert (read.git.branch, read.git.commit) == ("main", made["m1"])
    named = repositories.read(root, ENVIRON | GITLAB | {"PALMETTE_COMMIT": made["f0"], "PALMETTE_BRANCH": "x"})
    assert (named.git.branch, named.git.commit, named.git.message) == ("x", made["f0"], "f0")
    assert named.note == f"filed under commit {made['f0'][:8]}, though {made['m1'][:8]} is checked out"


def test_without_git_a_job_knows_what_it_checked_out(tmp_path: Path) -> None:
    job = GITLAB | {"PATH": "", "CI_PROJECT_DIR": str(tmp_path)}
    read = repositories.read(tmp_path, job)
    assert (read.git.branch, read.git.commit, read.git.author) == ("feature/x", HEAD, "ada")
    assert read.note == "git is not installed: uncommitted changes are not recorded"
    assert repositories.read(tmp_path.parent, job).git.commit == ""


def test_a_clone_of_the_merge_alone_is_filed_under_the_commit_that_the_event_names(
    remote: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    root, made = remote
    git(root, "checkout", "-q", "-b", "merged")
    git(root, "merge", "-q", "--no-ff", "-m", "Merge for a test", "feature/x")
    here = clone(root, "--depth=1", "--branch=merged")
    git(here, "checkout", "-q", "--detach")
    merge = git(here, "rev-parse", "HEAD")
    job = GITHUB | {"GITHUB_SHA": merge, "GITHUB_HEAD_REF": "feature/x", "GITHUB_BASE_REF": "main"}
    request = pull_request(sha=made["f3"]) | {"base": {"sha": made["m1"]}}
    read = repositories.read(here, ENVIRON | job | event(tmp_path, pull_request=request))
    assert (read.git.commit, read.git.branch, read.git.author) == (made["f3"], "feature/x", "ada")
    assert (read.git.message, read.tested) == ("Types", merge)
