"""What every forge is: what is read from it and written to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol
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


class Forge(Protocol):
    """What is asked of a forge about one repository. Each call raises `WebError` where that cannot be."""

    @property
    def called(self) -> str:
        """As sentences call it: "GitLab"."""
        ...

    @property
    def limit(self) -> int:
        """Characters that a note may have."""
        ...

    @property
    def writes(self) -> bool:
        """Whether what opens it may write, as far as that is known before it is tried."""
        ...

    def merge_request(self, branch: str) -> MergeRequest | None:
        """The open merge request of a branch, the newest; None if there is none."""
        ...

    def numbered(self, number: str) -> MergeRequest | None:
        """The merge request of that number, open or not; None if there is none."""
        ...

    def notes(self, number: str) -> Iterator[Note]:
        """All notes of a merge request, the oldest first."""
        ...

    def put_note(self, number: str, body: str, note: Note | None = None) -> Note:
        """Write a note, in place of the one that is named; `WebError` of status 403 where that is somebody else's."""
        ...

    def remove_note(self, number: str, note: Note) -> None:
        """Delete a note of one's own; nothing happens if it is gone."""
        ...

    def status(self, commit: str, standing: Standing) -> None:
        """Say how a commit stands. The same may be said twice."""
        ...

    def branches(self) -> tuple[str, ...]:
        """The names of all branches that the repository has."""
        ...


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
