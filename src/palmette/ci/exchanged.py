"""What is read from a forge and written to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote

from palmette.ci.web import WebError
from palmette.domain.lines import full


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


def part(text: str) -> str:
    """A text as one part of a path, which leads nowhere else. What a job says of itself is not to be trusted."""
    if text in ("", ".", ".."):
        raise WebError(f"{text!r} names nothing on a forge", reason="it names nothing")
    return quote(text, safe="")


def commit(sha: str) -> str:
    """The same of a commit, which is named in full."""
    if not full(sha):
        raise WebError(f"{sha[:80]!r} is no full SHA of a commit", reason="it is no commit")
    return sha


def number(text: str) -> str:
    """The same of a merge request's number, or of a note's."""
    if not (text.isascii() and text.isdecimal()):
        raise WebError(f"{text[:80]!r} is no number of a merge request", reason="it is no number")
    return text
