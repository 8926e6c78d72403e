"""Which jobs GitLab makes, and how: rules, retries, groups and interruption.

gitlab-ci-local parses all of that and follows little of it: `workflow:rules` stop nothing there, and `retry`,
`resource_group` and `interruptible` have no effect. So nothing here is executed: the expanded file is held against what
GitLab's documentation says of each kind of pipeline.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from palmette.ci.files import Forge, Wish, files, place

ROOT: Final = Path(__file__).parents[2]
#: what a token of `rules:if` may be
_TOKEN: Final = re.compile(r"""\s*(\$\w+|"[^"]*"|'[^']*'|/(?:[^/\\]|\\.)*/|==|!=|=~|!~|&&|\|\||[()]|null)""")
DEFAULT: Final = {"CI_DEFAULT_BRANCH": "main"}
BRANCH: Final = DEFAULT | {"CI_COMMIT_BRANCH": "feature/x", "CI_COMMIT_REF_NAME": "feature/x"}
MAIN: Final = DEFAULT | {"CI_COMMIT_BRANCH": "main", "CI_COMMIT_REF_NAME": "main"}
OPEN: Final = {"CI_OPEN_MERGE_REQUESTS": "acme/ia!7"}
ASKED: Final = {"PALMETTE_ALGORITHM": "tumour"}


def holds(condition: str, variables: Mapping[str, str]) -> bool:
    """What GitLab makes of an `if`: && binds before ||, a variable alone holds where it is set and not empty."""
    tokens = _TOKEN.findall(condition)
    assert "".join(tokens) == re.sub(r"\s+(?=([^\"]*\"[^\"]*\")*[^\"]*$)", "", condition), condition
    position = 0

    def value() -> str | None:
        nonlocal position
        token = tokens[position]
        position += 1
        if token.startswith("$"):
            return variables.get(token[1:])
        return None if token == "null" else token[1:-1]

    def compared() -> bool:
        nonlocal position
        if tokens[position] == "(":
            position += 1
            inner = either()
            position += 1
            return inner
        left = value()
        if position == len(tokens) or tokens[position] not in ("==", "!=", "=~", "!~"):
            return bool(left)
        sign = tokens[position]
        position += 1
        right = value()
        if sign in ("==", "!="):
            return (left == right) is (sign == "==")
        return bool(left is not None and re.search(right or "", left)) is (sign == "=~")

    def both() -> bool:
        nonlocal position
        found = compared()
        while position < len(tokens) and tokens[position] == "&&":
            position += 1
            found = compared() and found
        return found

    def either() -> bool:
        nonlocal position
        found = both()
        while position < len(tokens) and tokens[position] == "||":
            position += 1
            found = both() or found
        return found

    return either()


def outcome(rules: list[dict[str, Any]], variables: Mapping[str, str]) -> dict[str, Any] | None:
    """The first rule that applies; None where none does, or it says never."""
    for rule in rules:
        if "if" not in rule or holds(rule["if"], variables):
            return None if rule.get("when") == "never" else rule
    return None


def preview(command: tuple[str, ...], root: Path) -> dict[str, Any]:
    """The files of a directory as gitlab-ci-local expands them, once they are committed."""
    origin = "http://127.0.0.1:1/acme/ia.git"
    who = ["-c", "user.name=Ada", "-c", "user.email=ada@example.org"]
    for arguments in (
        ["init", "--initial-branch=main"],
        ["remote", "add", "origin", origin],
        ["add", "."],
        [*who, "commit", "-m", "Train"],
        ["update-ref", "refs/remotes/origin/main", "HEAD"],
        ["symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/main"],
    ):
        subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True)
    done = subprocess.run([*command, "--preview"], cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = yaml.safe_load(done.stdout)
    return document


@pytest.fixture(scope="module")
def expanded(gitlab_ci_local: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The files that are written, expanded."""
    root = tmp_path_factory.mktemp("repository")
    place(files(Wish(forge=Forge.GITLAB, install="true", prepare="true"), root), root)
    return preview(gitlab_ci_local, root)


def pipeline(expanded: dict[str, Any], variables: Mapping[str, str]) -> dict[str, str]:
    """Job → when it runs, in a pipeline of these variables; empty where GitLab makes no pipeline. A manual job that
    others would wait for is called "blocking"."""
    if outcome(expanded["workflow"]["rules"], variables) is None:
        return {}
    made = {}
    for name, job in expanded.items():
        if "script" in job and (rule := outcome(job["rules"], variables)) is not None:
            when = rule.get("when", "on_success")
            made[name.removeprefix("palmette:")] = (
                "blocking" if when == "manual" and not rule.get("allow_failure") else when
            )
    return made


def source(name: str) -> dict[str, str]:
    return {"CI_PIPELINE_SOURCE": name}


REQUEST: Final = DEFAULT | OPEN | {
    "CI_COMMIT_REF_NAME": "feature/x", "CI_MERGE_REQUEST_IID": "7", "CI_PIPELINE_SOURCE": "merge_request_event"
}  # fmt: skip
TRIED: Final = {"update": "on_success", "toy": "on_success", "train": "manual"}
CLICKED: Final = {"update": "on_success", "toy": "manual", "train": "manual"}
KEPT: Final = {"settle": "on_success", "gc": "on_success"}

#: the pipeline, the variables that GitLab's documentation says it has, and the jobs
PIPELINES: Final = [
    ("push of a branch", BRANCH | source("push"), CLICKED),
    ("push of a branch with a merge request", BRANCH | OPEN | source("push"), {}),
    ("merge request", REQUEST, TRIED),
    ("push of the default branch", MAIN | source("push"), TRIED),
    ("push of a default branch that is to be merged elsewhere", MAIN | OPEN | source("push"), {}),
    ("tag", DEFAULT | source("push") | {"CI_COMMIT_TAG": "v1", "CI_COMMIT_REF_NAME": "v1"}, {"update": "on_success"}),
    ("schedule", MAIN | source("schedule"), KEPT),
    ("schedule, with a merge request", MAIN | OPEN | source("schedule"), KEPT),
    ("schedule of a tag", DEFAULT | source("schedule") | {"CI_COMMIT_TAG": "v1"}, KEPT),
    ("form", BRANCH | source("web"), CLICKED),
    ("form, with a merge request", BRANCH | OPEN | source("web"), CLICKED),
    ("form, with an algorithm", BRANCH | source("web") | ASKED, CLICKED | {"train": "on_success"}),
    ("form, default branch", MAIN | source("web"), TRIED),
    ("API, with an algorithm", BRANCH | OPEN | source("api") | ASKED, CLICKED | {"train": "on_success"}),
    ("trigger, with an algorithm", MAIN | source("trigger") | ASKED, TRIED | {"train": "on_success"}),
    ("another pipeline", MAIN | source("pipeline"), TRIED),
    ("push, with an algorithm among the project's variables", BRANCH | source("push") | ASKED, CLICKED),
]  # fmt: skip


@pytest.mark.parametrize(("variables", "jobs"), [each[1:] for each in PIPELINES], ids=[each[0] for each in PIPELINES])
def test_each_kind_of_pipeline_has_the_jobs_that_it_should(
    expanded: dict[str, Any], variables: dict[str, str], jobs: dict[str, str]
) -> None:
    made = pipeline(expanded, variables | {"PALMETTE_ALGORITHM": variables.get("PALMETTE_ALGORITHM", "")})
    assert made == jobs
    # GitLab refuses a pipeline with a job that needs one which is not there.
    for name in made:
        assert {each["job"].removeprefix("palmette:") for each in expanded[f"palmette:{name}"].get("needs", [])} <= set(
            made
        )


def test_a_push_makes_one_pipeline_whether_or_not_a_merge_request_is_open(expanded: dict[str, Any]) -> None:
    for open_ in ({}, OPEN):
        made = [pipeline(expanded, BRANCH | open_ | source("push"))]
        made += [pipeline(expanded, REQUEST)] if open_ else []
        assert len([each for each in made if each]) == 1


def test_a_job_is_started_again_only_when_it_says_so_or_the_runner_failed(expanded: dict[str, Any]) -> None:
    for job in (each for each in expanded.values() if "script" in each):
        assert job["retry"] == {
            "max": 1, "when": ["runner_system_failure", "stuck_or_timeout_failure"], "exit_codes": [75]
        }  # fmt: skip
        assert job["allow_failure"] == {"exit_codes": [5, 6]}


def test_a_newer_push_ends_what_only_waits_and_never_an_update(expanded: dict[str, Any]) -> None:
    assert expanded["workflow"]["auto_cancel"] == {"on_new_commit": "interruptible"}
    stopped = {name for name, job in expanded.items() if "script" in job and job["interruptible"]}
    assert stopped == {"palmette:toy"}


def test_updates_of_one_branch_come_one_after_the_other(expanded: dict[str, Any]) -> None:
    groups = {name: job["resource_group"] for name, job in expanded.items() if "resource_group" in job}
    assert groups == {
        "palmette:update": "palmette-update-$CI_COMMIT_REF_SLUG",
        "palmette:settle": "palmette-settle",
        "palmette:gc": "palmette-gc",
    }
    # GitLab takes letters, digits, and these.
    assert all(re.fullmatch(r"[\w\-/${}. ]+", each) for each in groups.values())


def test_reports_are_shown_on_the_merge_request_whatever_became_of_the_job(expanded: dict[str, Any]) -> None:
    for name in ("toy", "train"):
        artifacts = expanded[f"palmette:{name}"]["artifacts"]
        assert (artifacts["when"], artifacts["expose_as"]) == ("always", "Palmette report")
        # GitLab shows a directory only if it ends so, and none that a variable names.
        assert artifacts["paths"] == ["palmette-report/"]
        assert artifacts["reports"]["junit"] == "palmette-report/palmette-junit.xml"


def test_the_component_comes_to_the_same_jobs_as_the_file(
    expanded: dict[str, Any], gitlab_ci_local: tuple[str, ...], tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "templates", tmp_path / "templates")
    (main,) = files(Wish(forge=Forge.GITLAB, component="acme/ia", install="true", prepare="true"), tmp_path)
    # The client finds a component of the repository's own at its own commit.
    text = re.sub(r"acme/ia/palmette@\S+", "$CI_PROJECT_PATH/palmette@$CI_COMMIT_SHA", main.text)
    (tmp_path / main.path).write_text(text)
    assert preview(gitlab_ci_local, tmp_path) == expanded
