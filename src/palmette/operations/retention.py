"""The rules by which runs are kept or let go. Pure: they choose, and touch nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from palmette.errors import Problem, UsageError
from palmette.store.retention import Candidate

_AGE: Final = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What somebody wants to let go. Without any, only what no run refers to."""

    #: of each algorithm and branch so many of the newest runs keep their bytes
    keep_last: int | None = None
    #: seconds; runs that are no older keep their bytes
    older_than: float | None = None
    #: tags that protect a run; without any, each tag does
    keep: tuple[str, ...] = ()
    #: ids of runs that are named, and of runs that a query found: they are deleted
    named: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    #: as it was asked for, for whoever asks later why the bytes are gone
    text: str = ""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The runs that the rules let go."""

    #: run → the epoch of its lease when it was chosen; the run goes, with all that is known of it
    delete: Mapping[str, int] = field(default_factory=dict)
    #: the bytes of these go; the runs stay
    collect: tuple[str, ...] = ()
    #: why runs stay that a rule would have let go → how many
    spared: Mapping[str, int] = field(default_factory=dict)


def age(text: str) -> float:
    """The seconds that a text like "90d" or "12h" means; ValueError for any other."""
    found = _AGE.fullmatch(text.strip())
    if found is None:
        raise ValueError(text)
    return float(found[1]) * _SECONDS[found[2]]


def choose(rules: Rules, candidates: Sequence[Candidate], now: float) -> Choice:
    """Apply the rules to runs that come newest first; UsageError for a run that was named and must stay."""
    by_id = {run.id: run for run in candidates}
    if problems := [_refusal(by_id[name], rules) for name in rules.named if _reason(by_id[name], rules)]:
        raise UsageError("not every run can be deleted", problems=problems)
    spared: Counter[str] = Counter()
    chosen: dict[str, int] = {}
    for name in dict.fromkeys((*rules.named, *rules.found)):
        run = by_id.get(name)
        if run is not None and _lets_go(run, rules, spared):
            chosen[name] = run.epoch
    due = [run for run in _due(rules, candidates, now) if run.id not in chosen]
    collect = tuple(run.id for run in due if _lets_go(run, rules, spared))
    return Choice(delete=chosen, collect=collect, spared=dict(spared))


def _due(rules: Rules, candidates: Sequence[Candidate], now: float) -> list[Candidate]:
    """The runs whose bytes the rules give up: beyond the newest, older than the age; both where both are said."""
    if rules.keep_last is None and rules.older_than is None:
        return []
    seen: Counter[tuple[str, str]] = Counter()
    due = []
    for run in candidates:
        seen[run.algorithm, run.branch] += 1
        beyond = rules.keep_last is None or seen[run.algorithm, run.branch] > rules.keep_last
        old = rules.older_than is None or now - run.created > rules.older_than
        if beyond and old and not run.collected:
            due.append(run)
    return due


def _lets_go(run: Candidate, rules: Rules, spared: Counter[str]) -> bool:
    reason = _reason(run, rules)
    if reason:
        spared[reason] += 1
    return not reason


def _reason(run: Candidate, rules: Rules) -> str:
    """Why a run stays whatever the rules say; empty if nothing speaks for it."""
    if not run.final:
        return "not over"
    if run.promoted:
        return "promoted"
    if run.baseline:
        return "a baseline"
    if _protecting(run.tags, rules.keep):
        return "tagged"
    if run.noted:
        return "noted"
    return "another run was made from it" if run.origin else ""


def _protecting(tags: Collection[str], keep: Collection[str]) -> bool:
    return any(tag in keep for tag in tags) if keep else bool(tags)


def _refusal(run: Candidate, rules: Rules) -> Problem:
    hints = {
        "not over": f"Cancel it first: palmette cancel {run.id}.",
        "promoted": "It stays for good, since it may be in use: palmette promote --list",
        "a baseline": "Others were compared with it.",
        "tagged": f"Take its tags from it first: palmette tag -d {run.id} {' '.join(sorted(run.tags))}",
        "noted": f"Clear its note first: palmette note {run.id} --clear",
        "another run was made from it": "Delete that one first.",
    }
    reason = _reason(run, rules)
    said = {
        "not over": "is not over",
        "promoted": "was promoted",
        "a baseline": "is a baseline",
        "tagged": "is tagged",
        "noted": "has a note",
    }
    what = said.get(reason, reason)
    return Problem(where=run.id, what=what, hint=hints[reason])
