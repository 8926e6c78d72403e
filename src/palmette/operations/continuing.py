"""What pyproject.toml says about continuous learning: ``[tool.palmette.ci]``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from palmette.domain.values import Json
from palmette.errors import Problem
from palmette.operations.spelling import meant

_WHERE: Final = "[tool.palmette.ci]"
_SPAN: Final = re.compile(r"[1-9][0-9]*[dhm]")


class Toy(StrEnum):
    """Which algorithms a commit is tried with."""

    #: those whose code, lock or settings changed
    CHANGED = "changed"
    #: on the default branch all of them, elsewhere those that changed
    ALL = "all"


class Tracker(StrEnum):
    """Where the texts of tickets come from."""

    #: JIRA where JIRA_URL is set, GitLab's or GitHub's issues where a token of theirs is, else none
    AUTO = "auto"
    JIRA = "jira"
    GITLAB = "gitlab"
    GITHUB = "github"
    #: `tickets` in pyproject.toml
    STATIC = "static"
    NONE = "none"


class Gone(StrEnum):
    """What becomes of the runs of a branch that is gone."""

    KEEP = "keep"
    #: their bytes are given up, what is known of them stays
    THIN = "thin"


class Fail(StrEnum):
    """What makes `palmette ci report` fail."""

    NOTHING = "nothing"
    #: a gate that failed (exit code 4), and one that is inconclusive (5)
    GATE = "gate"


@dataclass(frozen=True, kw_only=True)
class Continuous:
    """How a project is trained by its CI."""

    #: which algorithms a commit is tried with
    toy: Toy = Toy.CHANGED
    #: where the texts of tickets come from
    tracker: Tracker = Tracker.AUTO
    #: the tracker's projects: then only their keys count, in any case ("ia-1742")
    ticket_projects: tuple[str, ...] = ()
    #: ticket → its text, for `tracker = "static"`
    tickets: Mapping[str, str] = field(default_factory=dict)
    #: the Kubeflow that runs are sent to, one of `targets`; empty for Palmette's own
    target: str = ""
    #: how long a branch may be gone before its experiment is archived: "14d"
    grace: str = "14d"
    #: what becomes of the runs of a branch that is gone
    gone: Gone = Gone.KEEP
    #: how long a job waits for its runs, if not until it must end: "20m"
    wait: str = ""
    #: what makes `palmette ci report` fail
    fail_on: Fail = Fail.GATE


_CHOICES: Final[Mapping[str, type[StrEnum]]] = {"toy": Toy, "tracker": Tracker, "gone": Gone, "fail-on": Fail}
_TEXTS: Final = ("target", "grace", "wait")
_NAMES: Final = (*_CHOICES, *_TEXTS, "ticket-projects", "tickets")


def seconds(span: str) -> float:
    """The length of "14d", "36h", "20m" in seconds."""
    return float(span[:-1]) * {"d": 86400, "h": 3600, "m": 60}[span[-1]]


def read(table: Json) -> tuple[Continuous, tuple[Problem, ...]]:
    """Read the table; each thing that is not as it must be is a problem."""
    if not isinstance(table, Mapping):
        return Continuous(), (Problem(where=_WHERE, what="must be a table", hint="Write: [tool.palmette.ci]"),)
    values: dict[str, object] = {}
    problems: list[Problem] = []
    for key, value in table.items():
        where = f"{_WHERE} {key}"
        if key not in _NAMES:
            problems.append(Problem(where=where, what="there is no such setting", hint=meant(key, _NAMES)))
        elif wrong := _wrong(key, value):
            problems.append(Problem(where=where, what=f"{value!r} is not {wrong}"))
        else:
            kind = _CHOICES.get(key)
            taken = kind(str(value)) if kind else tuple(value) if isinstance(value, list) else value
            values[key.replace("-", "_")] = taken
    return Continuous(**values), tuple(problems)  # type: ignore[arg-type]  # each was looked at above


def _wrong(key: str, value: Json) -> str:
    """What a value would have to be, where it is not."""
    if key in _CHOICES:
        allowed = [each.value for each in _CHOICES[key]]
        return "" if value in allowed else " or ".join(f'"{each}"' for each in allowed)
    if key == "ticket-projects":
        fits = isinstance(value, list) and all(isinstance(each, str) and each.strip() for each in value)
        return "" if fits else "a list of texts"
    if key == "tickets":
        fits = isinstance(value, Mapping) and all(isinstance(each, str) for each in value.values())
        return "" if fits else "a table of texts"
    if not isinstance(value, str):
        return "a text"
    return "" if key == "target" or _SPAN.fullmatch(value) else 'a time like "14d", "36h" or "20m"'
