"""Where a job of a CI stands: which branch, which commit, which merge request, how long it may take."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Provider(StrEnum):
    """Who runs the job."""

    GITLAB = "gitlab"
    GITHUB = "github"
    JENKINS = "jenkins"
    #: nobody that is known: only what Git, the command line and PALMETTE_* say
    NONE = "none"


class Cause(StrEnum):
    """Why there is a job at all."""

    PUSH = "push"
    MERGE_REQUEST = "merge request"
    TAG = "tag"
    SCHEDULE = "schedule"
    #: somebody clicked
    MANUAL = "manual"
    API = "api"
    #: another pipeline
    TRIGGER = "trigger"
    UNKNOWN = "unknown"


@dataclass(frozen=True, kw_only=True)
class Context:
    """What is known of a job, whoever runs it. A text that is empty is not known."""

    provider: Provider = Provider.NONE
    cause: Cause = Cause.UNKNOWN
    #: "feature/IA-1742-doc-type"; of a merge request its source branch; empty for a tag
    branch: str = ""
    #: full SHA of what is checked out
    commit: str = ""
    #: full SHA that a run is filed under and reported on: the branch's own, where `commit` is a merge made for a test
    head: str = ""
    #: full SHA that the merge request's changes are counted from
    base: str = ""
    #: the merge request's target branch
    target: str = ""
    default_branch: str = ""
    tag: str = ""
    #: the merge request's number as the forge shows it: "7"
    merge_request: str = ""
    merge_request_url: str = ""
    #: the merge request's title and description
    title: str = ""
    description: str = ""
    #: the forge's name of the repository ("acme/ia"), its number, and the root of its API ("https://…/api/v4")
    repository: str = ""
    repository_id: str = ""
    api: str = ""
    #: who pushed, as the forge calls them
    author: str = ""
    #: identifiers and addresses of the job and of the pipeline it is of
    job: str = ""
    job_url: str = ""
    pipeline: str = ""
    pipeline_url: str = ""
    #: grows from pipeline to pipeline of a repository; 0 where nothing does
    order: int = 0
    #: when the job is ended from outside, seconds since the epoch; None where nobody says
    deadline: float | None = None
    #: what could not be found out, as sentences without a full stop
    remarks: tuple[str, ...] = ()

    @property
    def on_default(self) -> bool:
        """Whether the branch is the default branch."""
        return bool(self.branch) and self.branch == self.default_branch

    @property
    def compared_with(self) -> str:
        """The branch that this one is compared with; empty for the default branch itself, outside of merge requests."""
        return self.target or ("" if self.on_default else self.default_branch)
