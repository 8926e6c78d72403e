"""What an update of a host to a commit came to."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from palmette.domain.branches import Branch
from palmette.ir.dialects import Dialect


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """A version of an algorithm's pipeline for the commit."""

    algorithm: str
    #: identifiers on the host; empty where it would be uploaded
    pipeline: str = ""
    version: str = ""
    #: the version's name
    name: str
    #: it was there already, with the same document
    known: bool = False
    #: digest of the document, and of all that goes into the algorithm
    document: str = ""
    closure: str = ""


class Filing(StrEnum):
    """What was done about an experiment."""

    MADE = "made"
    FOUND = "found"
    #: it was found, and given another text
    DESCRIBED = "described"
    #: it was taken out of the archive
    RESTORED = "restored"


@dataclass(frozen=True, kw_only=True)
class Filed:
    """The experiment of a branch."""

    #: on the host; empty where it would be made
    id: str = ""
    name: str
    #: its description, without the footer
    text: str
    done: Filing
    #: the text is to be filled in later
    pending: bool = False
    #: what whoever reads of it should know, as a sentence without a full stop
    remark: str = ""


@dataclass(frozen=True, kw_only=True)
class Followed:
    """What became of a recurring run."""

    id: str
    name: str
    #: whether it was moved now
    moved: bool = False
    #: the names of the version that it had (empty for the newest at each tick) and of the one that it has
    before: str = ""
    version: str = ""
    #: parameters that were the old version's defaults, and are the new one's
    defaults: tuple[str, ...] = ()
    #: it starts no runs, as before
    paused: bool = False
    #: why it stays where it is, or what else is to be known, as a sentence without a full stop
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class Updated:
    """A host that was updated to a commit."""

    project: str
    #: empty for a tag
    branch: str
    tag: str
    #: full SHA
    commit: str
    #: how the host is called, and the address of its pages
    host: str
    pages: str = ""
    dialect: Dialect = Dialect.PALMETTE
    #: nothing was changed: it is what would be done
    dry: bool = False
    versions: tuple[Uploaded, ...] = ()
    #: None for a tag
    experiment: Filed | None = None
    #: the branch as the home has it now; None for a tag
    head: Branch | None = None
    #: why the branch stays at another commit, as a sentence without a full stop; empty where it was moved
    stays: str = ""
    recurring: tuple[Followed, ...] = ()
    #: what whoever reads of it should know, as sentences without a full stop
    warnings: tuple[str, ...] = ()
