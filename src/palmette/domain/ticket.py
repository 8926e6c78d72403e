"""Tickets: the keys of an issue tracker, as they stand in the names of branches."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

#: what a key looks like where the tracker's projects are not known
_ANY: Final = "[A-Z][A-Z0-9_]{1,9}"


def tickets(text: str, projects: Collection[str] = ()) -> tuple[str, ...]:
    """The tickets that a branch's name (a title, a message) mentions, in upper case, as written, each once.

    Where the tracker's projects are known, only theirs count, and their case does not: "ia-1742_doc" is IA-1742.
    Otherwise a key has to be in upper case, since "covid-19" and "release-2021" look like one.
    """
    key = "|".join(re.escape(project) for project in projects) or _ANY
    # `\b` would take the underscore of "IA-1742_doc" for a letter.
    pattern = rf"(?<![A-Za-z0-9])({key})-([1-9][0-9]{{0,6}})(?![A-Za-z0-9])"
    found = re.finditer(pattern, text, re.IGNORECASE if projects else 0)
    return tuple(dict.fromkeys(f"{match[1].upper()}-{match[2]}" for match in found))


#: "123-title", "feature/123-title", "fix/#123"; "#123" elsewhere, but not "other/project#123"
_ISSUE: Final = re.compile(r"(?:^|/)([1-9][0-9]{0,6})(?=[-_]|$)|(?<![A-Za-z0-9_&])#([1-9][0-9]{0,6})(?![A-Za-z0-9])")
_NUMBER: Final = re.compile(r"(?<![A-Za-z0-9_/&])#([1-9][0-9]{0,6})(?![A-Za-z0-9])")


def issues(branch: str) -> tuple[str, ...]:
    """The issues of a forge that a branch's name mentions, as "#123"."""
    found = (match[1] or match[2] for match in _ISSUE.finditer(branch))
    return tuple(f"#{number}" for number in dict.fromkeys(found))


def mentioned(text: str) -> tuple[str, ...]:
    """The issues of a forge that a title or a description mentions, as "#123"."""
    return tuple(f"#{number}" for number in dict.fromkeys(match[1] for match in _NUMBER.finditer(text)))


def ticket(text: str, projects: Collection[str] = ()) -> str:
    """The first ticket that is mentioned; empty for none."""
    return next(iter(tickets(text, projects)), "")
