"""What is read from a forge and written to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """How a commit stands in one respect."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A status as it is shown at a commit."""

    #: what it is about: "palmette/trains"
    name: str
    status: Status
    #: one line
    description: str = ""
    #: where more is to be seen; empty for nowhere
    url: str = ""
    #: the branch, for forges that want to know
    branch: str = ""


@dataclass(frozen=True, kw_only=True)
class Note:
    """A note on a merge request."""

    id: str
    body: str
    author: str = ""


@dataclass(frozen=True, kw_only=True)
class MergeRequest:
    """A merge request, or a pull request."""

    number: str
    #: full SHA of its newest commit; empty where the forge does not say
    head: str = ""
    branch: str = ""
    target: str = ""
    title: str = ""
    url: str = ""
    opened: bool = True
