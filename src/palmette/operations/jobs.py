"""The job of a CI that this process is part of, as its environment tells of it. Nothing else is asked.

What Git adds, and what the command line puts in its place, is `ci.contexts`'s matter.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from palmette.domain.context import Cause, Context, Provider
from palmette.domain.lines import full
from palmette.errors import UsageError

#: What is said where a verb needs a commit, and what to do.
NO_COMMIT: Final = "no commit is known"
NAME_COMMIT: Final = "Call it in a repository that has a commit, or name one: -c COMMIT, or PALMETTE_COMMIT."
#: Seconds before the end of a job that are left for saying what was done.
_SPARE: Final = 60.0
#: Bytes of a description of an event that are read.
_EVENT: Final = 16 << 20
_REQUEST: Final = re.compile(r"(?:refs/)?(?:merge-requests|pull)/([0-9]+)/(?:head|merge|train)|([0-9]+)/merge")
_QUEUED: Final = re.compile(r"gh-readonly-queue/(.+)/pr-([0-9]+)-[0-9a-f]+")

#: What anybody may set, and what precedes the CI's own: for a CI that is not known.
_OWN: Final = {
    "base": "PALMETTE_BASE",
    "target": "PALMETTE_TARGET_BRANCH",
    "default_branch": "PALMETTE_DEFAULT_BRANCH",
    "tag": "PALMETTE_TAG",
    "merge_request": "PALMETTE_MERGE_REQUEST",
    "job": "PALMETTE_JOB",
    "job_url": "PALMETTE_JOB_URL",
    "pipeline": "PALMETTE_PIPELINE",
    "pipeline_url": "PALMETTE_PIPELINE_URL",
}
#: The variables of each CI that are taken as they stand.
_GITLAB: Final = {
    "tag": "CI_COMMIT_TAG",
    "default_branch": "CI_DEFAULT_BRANCH",
    "commit": "CI_COMMIT_SHA",
    "head": "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA",
    "base": "CI_MERGE_REQUEST_DIFF_BASE_SHA",
    "target": "CI_MERGE_REQUEST_TARGET_BRANCH_NAME",
    "title": "CI_MERGE_REQUEST_TITLE",
    "description": "CI_MERGE_REQUEST_DESCRIPTION",
    "repository": "CI_PROJECT_PATH",
    "repository_id": "CI_PROJECT_ID",
    "api": "CI_API_V4_URL",
    "author": "GITLAB_USER_LOGIN",
    "job": "CI_JOB_ID",
    "job_url": "CI_JOB_URL",
    "pipeline": "CI_PIPELINE_ID",
    "pipeline_url": "CI_PIPELINE_URL",
}
_GITHUB: Final = {
    "commit": "GITHUB_SHA",
    "target": "GITHUB_BASE_REF",
    "repository": "GITHUB_REPOSITORY",
    "repository_id": "GITHUB_REPOSITORY_ID",
    "api": "GITHUB_API_URL",
    "author": "GITHUB_ACTOR",
    "job": "GITHUB_JOB",
    "pipeline": "GITHUB_RUN_ID",
}
_JENKINS: Final = {
    "tag": "TAG_NAME",
    "commit": "GIT_COMMIT",
    "target": "CHANGE_TARGET",
    "merge_request": "CHANGE_ID",
    "merge_request_url": "CHANGE_URL",
    "title": "CHANGE_TITLE",
    "author": "CHANGE_AUTHOR",
    "job": "BUILD_TAG",
    "job_url": "BUILD_URL",
    "pipeline": "BUILD_TAG",
    "pipeline_url": "BUILD_URL",
}
#: What tells each CI. GITLAB_CI is "false" where a pipeline is tried on somebody's own machine.
_TOLD: Final = (
    (
        Provider.GITLAB,
        ("GITLAB_CI", "CI_PIPELINE_ID", "CI_JOB_ID", "CI_COMMIT_SHA", "CI_MERGE_REQUEST_TARGET_BRANCH_NAME"),
    ),
    (Provider.GITHUB, ("GITHUB_ACTIONS", "GITHUB_SHA", "GITHUB_BASE_REF")),
    (Provider.JENKINS, ("JENKINS_URL", "BUILD_TAG")),
)
_CAUSES: Final = {
    Provider.GITLAB: {
        "push": Cause.PUSH,
        "merge_request_event": Cause.MERGE_REQUEST,
        "schedule": Cause.SCHEDULE,
        "web": Cause.MANUAL,
        "webide": Cause.MANUAL,
        "chat": Cause.MANUAL,
        "api": Cause.API,
        "trigger": Cause.TRIGGER,
        "pipeline": Cause.TRIGGER,
        "parent_pipeline": Cause.TRIGGER,
    },
    Provider.GITHUB: {
        "push": Cause.PUSH,
        "pull_request": Cause.MERGE_REQUEST,
        "pull_request_target": Cause.MERGE_REQUEST,
        "merge_group": Cause.MERGE_REQUEST,
        "schedule": Cause.SCHEDULE,
        "workflow_dispatch": Cause.MANUAL,
        "repository_dispatch": Cause.API,
        "workflow_run": Cause.TRIGGER,
        "workflow_call": Cause.TRIGGER,
    },
}
#: What is true of a job whatever branch it is about.
_ANYWHERE: Final = (
    *("provider", "cause", "commit", "default_branch", "repository", "repository_id", "api", "author"),
    *("job", "job_url", "pipeline", "pipeline_url", "order", "deadline"),
)
_DIRECTORIES: Final = ("CI_PROJECT_DIR", "GITHUB_WORKSPACE", "WORKSPACE")


@dataclass(frozen=True, kw_only=True)
class Job:
    """What the environment tells."""

    context: Context = Context()
    #: field of the context → the variable that it comes from
    sources: Mapping[str, str] = field(default_factory=dict)
    #: full SHAs that the CI names, whatever for: those that a few characters of one may mean
    named: tuple[str, ...] = ()
    #: what the CI checked out; None where it does not say
    directory: Path | None = None

    @property
    def explicit(self) -> bool:
        """Whether somebody said which commit it is about."""
        return self.sources.get("commit") == "PALMETTE_COMMIT"

    def about(self, commit: str) -> bool:
        """Whether it is about what is checked out: the same process may look at other repositories, too."""
        known = self.context
        named = not known.commit and bool(known.branch)
        return self.explicit or named or (bool(commit) and commit in (known.commit, known.head))

    def texts(self, branch: str) -> tuple[str, ...]:
        """What is written about a branch besides its name: title and description of its merge request."""
        return (self.context.title, self.context.description) if branch == self.context.branch else ()


def read(environ: Mapping[str, str], *, now: Callable[[], float] | None = None) -> Job:
    """The job, by the variables of GitLab, GitHub Actions, Jenkins, and PALMETTE_*, which precede. `now` is asked where
    the CI says how long a job may take, but not since when it runs."""
    found = _Found(environ)
    provider = next((each for each, names in _TOLD if any(environ.get(name) for name in names)), Provider.NONE)
    found.take(_OWN)
    match provider:
        case Provider.GITLAB:
            _gitlab(found)
            _deadline(found, now)
        case Provider.GITHUB:
            _github(found)
        case Provider.JENKINS:
            _jenkins(found)
        case Provider.NONE:
            pass
    found.settle("cause", _cause(provider, found), found.sources.get("cause", ""))
    if not found.values.get("head") and (commit := found.values.get("commit")):
        found.settle("head", commit, found.sources["commit"])
    named = next((name for name in _DIRECTORIES if environ.get(name)), None)
    job = Job(
        context=Context(provider=provider, remarks=tuple(found.remarks), **found.values),
        sources={key: source for key, source in found.sources.items() if source},
        named=tuple(dict.fromkeys(found.shas)),
        directory=Path(environ[named]) if named and provider is not Provider.NONE else None,
    )
    job = on(job, found.said("PALMETTE_BRANCH"), "PALMETTE_BRANCH")
    return at(job, sha(found.said("PALMETTE_COMMIT")), "PALMETTE_COMMIT")


def on(job: Job, branch: str, source: str) -> Job:
    """The job as one of a branch that somebody names, by whatever ref. What the CI says of another branch's merge
    request does not count then."""
    name, known = plain(branch), job.context
    if not name or name == known.tag or name in (known.branch, known.branch.rpartition(":")[2]):
        return job
    if not known.branch and not known.tag:
        return replace(job, context=replace(known, branch=name), sources={**job.sources, "branch": source})
    own = {each for each, variable in job.sources.items() if variable.startswith("PALMETTE_")}
    kept = {each: getattr(known, each) for each in {*_ANYWHERE, *own}}
    what = f"branch is {known.branch}" if known.branch else f"tag is {known.tag}"
    remarks = (*known.remarks, f"{source} says {name}; the job's own {what}")
    context = Context(**kept | {"branch": name, "head": known.commit, "remarks": remarks})
    sources = {each: variable for each, variable in job.sources.items() if each in {*kept, "head"}}
    return replace(job, context=context, sources=sources | {"branch": source})


def at(job: Job, commit: str, source: str) -> Job:
    """The job as one of a commit that somebody names by its full SHA."""
    known = job.context
    if not commit or commit in (known.commit, known.head):
        return job
    remarks = known.remarks
    if known.commit:
        remarks += (f"{source} says {commit[:8]}; the job's own commit is {known.commit[:8]}",)
    sources = {each: variable for each, variable in job.sources.items() if each != "base"}
    context = replace(known, commit=commit, head=commit, base="", remarks=remarks)
    return replace(job, context=context, sources=sources | {"commit": source, "head": source})


def commit_of(context: Context) -> str:
    """The full SHA of the commit that a job is about; UsageError where none is known."""
    if commit := context.head or context.commit:
        return commit
    raise UsageError(NO_COMMIT, NAME_COMMIT)


def plain(name: str) -> str:
    """A branch's own name; nothing for what is none: HEAD, a tag, the ref of a merge request."""
    name = name.strip()
    if name == "HEAD" or name.startswith("refs/tags/") or _REQUEST.fullmatch(name):
        return ""
    return name.removeprefix("refs/heads/")


def sha(text: str) -> str:
    """A full SHA, in lower case; nothing for what is none, such as the zeros that stand for no commit."""
    text = text.strip().lower()
    return text if full(text) and text.strip("0") else ""


class _Found:
    """What has been found so far: the first that is said of a field stays."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.values: dict[str, Any] = {}
        self.sources: dict[str, str] = {}
        self.remarks: list[str] = []
        self.event: Mapping[str, Any] = {}
        #: all SHAs that were met
        self.shas: list[str] = []

    def said(self, name: str) -> str:
        """What a variable holds."""
        return self.environ.get(name, "").strip()

    def settle(self, key: str, value: Any, source: str) -> bool:
        """Take a value, unless there is one already; whether there is one now."""
        if key in ("commit", "head", "base"):
            value = sha(str(value))
            self.shas += [value] if value else []
        elif key in ("branch", "target", "default_branch"):
            value = plain(str(value))
        if value and not self.values.get(key):
            self.values[key], self.sources[key] = value, source
        return bool(self.values.get(key))

    def take(self, table: Mapping[str, str]) -> None:
        """Take what variables hold."""
        for key, name in table.items():
            self.settle(key, self.said(name), name)


def _cause(provider: Provider, found: _Found) -> Cause:
    name = {Provider.GITLAB: "CI_PIPELINE_SOURCE", Provider.GITHUB: "GITHUB_EVENT_NAME"}.get(provider, "")
    cause = _CAUSES.get(provider, {}).get(found.said(name), Cause.UNKNOWN) if name else Cause.UNKNOWN
    found.sources["cause"] = name if found.said(name) else ""
    if provider is Provider.JENKINS and found.values.get("merge_request"):
        cause, found.sources["cause"] = Cause.MERGE_REQUEST, "CHANGE_ID"
    if cause in (Cause.PUSH, Cause.UNKNOWN) and found.values.get("tag"):
        cause = Cause.TAG
    return cause


# GitLab


def _gitlab(found: _Found) -> None:
    found.take(_GITLAB)
    found.settle("head", found.said("CI_COMMIT_SHA"), "CI_COMMIT_SHA")
    found.settle("order", _number(found.said("CI_PIPELINE_IID")), "CI_PIPELINE_IID")
    others = (sha(found.said(name)) for name in ("CI_MERGE_REQUEST_TARGET_BRANCH_SHA", "CI_COMMIT_BEFORE_SHA"))
    found.shas += filter(None, others)
    source = "CI_MERGE_REQUEST_SOURCE_BRANCH_NAME"
    if name := plain(found.said(source)):
        found.settle("branch", _forked(found, name, found.said("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH")), source)
    found.settle("branch", found.said("CI_COMMIT_BRANCH"), "CI_COMMIT_BRANCH")
    if not found.values.get("tag"):
        found.settle("branch", found.said("CI_COMMIT_REF_NAME"), "CI_COMMIT_REF_NAME")
    _gitlab_request(found)


def _gitlab_request(found: _Found) -> None:
    """The merge request: the one that the pipeline is for, else an open one of this project from this branch."""
    project = found.said("CI_PROJECT_PATH")
    number, where = found.said("CI_MERGE_REQUEST_IID"), found.said("CI_MERGE_REQUEST_PROJECT_PATH")
    if number and where and where != project:
        found.remarks.append(f"the merge request is {where}!{number}, of another project than this job")
        found.settle("merge_request_url", _request_url(found.said("CI_MERGE_REQUEST_PROJECT_URL"), number), "")
        return
    name = "CI_MERGE_REQUEST_IID"
    if not number:
        named = _REQUEST.fullmatch(found.said("CI_COMMIT_REF_NAME"))
        number, name = (named[1] or "", "CI_COMMIT_REF_NAME") if named else ("", "")
    if not number:
        number, name = _open_request(found, project), "CI_OPEN_MERGE_REQUESTS"
    if number and found.settle("merge_request", number, name):
        url = found.said("CI_MERGE_REQUEST_PROJECT_URL") or found.said("CI_PROJECT_URL")
        found.settle("merge_request_url", _request_url(url, found.values["merge_request"]), name)


def _open_request(found: _Found, project: str) -> str:
    listed = [each.strip().rpartition("!") for each in found.said("CI_OPEN_MERGE_REQUESTS").split(",")]
    here = [number for place, _, number in listed if place == project and number.isdecimal()]
    if len(here) > 1:
        others = ", ".join(f"!{number}" for number in here[1:])
        found.remarks.append(f"the branch has several merge requests: !{here[0]} is taken, not {others}")
    return here[0] if here else ""


def _request_url(project: str, number: str) -> str:
    return f"{project}/-/merge_requests/{number}" if project else ""


def _forked(found: _Found, branch: str, project: str) -> str:
    """A branch's name; of a fork's one with its owner, as a fork's `main` is not this project's."""
    here = found.said("CI_PROJECT_PATH") or found.said("GITHUB_REPOSITORY")
    if not project or not here or project == here:
        return branch
    found.remarks.append(f"the branch is of a fork, {project}")
    return f"{project.rpartition('/')[0]}:{branch}"


def _deadline(found: _Found, now: Callable[[], float] | None) -> None:
    allowed = _number(found.said("CI_JOB_TIMEOUT"))
    if not allowed:
        return
    begun, source = None, "CI_JOB_TIMEOUT"
    with suppress(ValueError):
        begun = datetime.fromisoformat(found.said("CI_JOB_STARTED_AT")).timestamp()
        source = "CI_JOB_STARTED_AT, CI_JOB_TIMEOUT"
    if begun is None and now is not None:
        begun = now()
    if begun is not None:
        found.settle("deadline", begun + allowed - _SPARE, source)


# GitHub Actions


def _github(found: _Found) -> None:
    found.event = _event(found)
    request = _table(found.event, "pull_request")
    about = "GITHUB_EVENT_PATH"
    if request:
        head, base = _table(request, "head"), _table(request, "base")
        found.settle("head", head.get("sha", ""), about)
        found.settle("base", base.get("sha", ""), about)
        for key, name in (("merge_request_url", "html_url"), ("title", "title"), ("description", "body")):
            found.settle(key, _said(request, name), about)
        found.settle("merge_request", str(request.get("number") or found.event.get("number") or ""), about)
        if found.said("GITHUB_EVENT_NAME") == "pull_request_target":
            # GITHUB_SHA is the target branch's here: the request's own code has to be checked out by its SHA.
            found.settle("commit", head.get("sha", ""), about)
    else:
        head = {}
    found.take(_GITHUB)
    if source := plain(found.said("GITHUB_HEAD_REF")):
        found.settle("branch", _forked(found, source, _said(_table(head, "repo"), "full_name")), "GITHUB_HEAD_REF")
    _github_ref(found)
    found.settle("default_branch", _said(_table(found.event, "repository"), "default_branch"), about)
    run, place = found.said("GITHUB_RUN_ID"), f"{found.said('GITHUB_SERVER_URL')}/{found.said('GITHUB_REPOSITORY')}"
    # A workflow's own numbers begin at 1 again when it is renamed; those of runs grow for the whole repository.
    found.settle("order", _number(run), "GITHUB_RUN_ID")
    if run and found.said("GITHUB_SERVER_URL"):
        for key in ("job_url", "pipeline_url"):
            found.settle(key, f"{place}/actions/runs/{run}", "GITHUB_RUN_ID")


def _github_ref(found: _Found) -> None:
    """What GITHUB_REF says where no request names its branch: a branch, a tag, a request, a queue of them."""
    kind = found.said("GITHUB_REF_TYPE")
    name = "GITHUB_REF_NAME" if found.said("GITHUB_REF_NAME") else "GITHUB_REF"
    said = found.said(name)
    if kind == "tag" or said.startswith("refs/tags/"):
        found.settle("tag", said.removeprefix("refs/tags/"), name)
    elif request := _REQUEST.fullmatch(said):
        found.settle("merge_request", request[1] or request[2], name)
    elif queued := _QUEUED.fullmatch(plain(said)):
        found.settle("merge_request", queued[2], name)
        found.settle("target", queued[1], name)
        found.remarks.append("a merge queue does not say which branch a pull request is of")
    else:
        found.settle("branch", said, name)


def _event(found: _Found) -> Mapping[str, Any]:
    path = found.said("GITHUB_EVENT_PATH")
    if not path:
        return {}
    try:
        with Path(path).open("rb") as file:
            event = json.loads(file.read(_EVENT))
    except (OSError, ValueError):
        found.remarks.append("GITHUB_EVENT_PATH names no event that can be read")
        return {}
    return event if isinstance(event, Mapping) else {}


def _table(of: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = of.get(name)
    return value if isinstance(value, Mapping) else {}


def _said(of: Mapping[str, Any], name: str) -> str:
    value = of.get(name)
    return value if isinstance(value, str) else ""


# Jenkins


def _jenkins(found: _Found) -> None:
    found.take(_JENKINS)
    if source := plain(found.said("CHANGE_BRANCH")):
        fork = found.said("CHANGE_FORK")
        if fork:
            found.remarks.append(f"the branch is of a fork, {fork}")
        found.settle("branch", f"{fork.partition('/')[0]}:{source}" if fork else source, "CHANGE_BRANCH")
    if not found.values.get("merge_request") and not found.values.get("tag"):
        found.settle("branch", found.said("BRANCH_NAME"), "BRANCH_NAME")
        found.settle("branch", found.said("GIT_BRANCH").removeprefix("origin/"), "GIT_BRANCH")
    if found.said("BRANCH_IS_PRIMARY") == "true":
        found.settle("default_branch", found.said("BRANCH_NAME"), "BRANCH_IS_PRIMARY")


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0
