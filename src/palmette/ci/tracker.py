"""What every tracker is, and how its answers are taken: with care, since people write what stands in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

from palmette.domain.branches import Ticket
from palmette.domain.values import Json
from palmette.errors import PalmetteError

#: What is said of a ticket that is not there, or may not be seen: trackers do not tell which.
NOT_VISIBLE: Final = "not visible"
_LONG: Final = 200


class Tracker(Protocol):
    """Where tickets are."""

    @property
    def called(self) -> str:
        """As sentences call it: "JIRA"."""
        ...

    def keys(self, branch: str, texts: Sequence[str]) -> tuple[str, ...]:
        """The tickets that a branch's name mentions; else those of the first of the texts that mentions any."""
        ...

    def fetch(self, key: str, seconds: float) -> Ticket:
        """Look a ticket up within so many seconds. `Unasked` where that cannot be begun, `WebError` where it fails."""
        ...


class Unasked(PalmetteError):
    """A tracker is not asked, for a reason that stands in the message: "JIRA_TOKEN is not set"."""


def table(value: Json) -> Mapping[str, Json]:
    """The value, if it is a table; else an empty one."""
    return value if isinstance(value, Mapping) else {}


def words(value: Json) -> str:
    """The value, if it is a text."""
    return value if isinstance(value, str) else ""


def line(value: Json) -> str:
    """A text as one line: no control characters, and no more than fits into a description."""
    text = " ".join("".join(sign if sign.isprintable() else " " for sign in words(value)).split())
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"


def page(value: Json) -> str:
    """The address of a page, if it is one of the web's."""
    text = words(value)
    return text if text.startswith(("https://", "http://")) and text.isprintable() and " " not in text else ""
