"""What the shooting came to, as a page."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.soak.shooting import Round


@dataclass(frozen=True, kw_only=True)
class Report:
    """All rounds of a seed."""

    seed: int
    rounds: list[Round]
    #: what had not left after the idle time
    late: list[str]
    idle: float
    seconds: float

    @property
    def violations(self) -> list[str]:
        """Everything that should not have happened."""
        found = [
            f"{text} — after {'; '.join(f'{kind} ({moment})' for kind, moment in one.kills)}; try again: "
            f"`python -m benchmarks.soak --seed {self.seed} --round {one.number}`"
            for one in self.rounds
            for text in one.violations
        ]
        return found + self.late


def text(result: Report) -> str:
    """The report in Markdown."""
    kills = [kill for one in result.rounds for kill in one.kills]
    states = Counter(one.state or "never accepted" for one in result.rounds)
    kernel = ".".join(platform.release().split(".")[:2])
    lines = [
        f"# {len(kills):,} kills",
        "",
        f"Seed {result.seed}, {len(result.rounds)} runs, {result.seconds / 60:.0f} minutes on {os.cpu_count()} cores, "
        f"Linux {kernel}, Python {platform.python_version()}. Again: `python -m benchmarks.soak --kills "
        f"{len(kills)} --seed {result.seed}` (the same choices; the moments depend on the machine).",
        "",
        f"Runs: {_listed(states)}. Attempts lost without their fault: {sum(one.lost for one in result.rounds)}; failed "
        f"(shot, or meant to fail): {sum(one.failed for one in result.rounds)}. Commands that gave up with one error "
        f"before there was a run: {sum(one.refused for one in result.rounds)}. Idle templates were gone after at most "
        f"{result.idle:.0f} s.",
        "",
        f"**Violations: {len(result.violations) or 'none'}.**",
        *(f"- {violation}" for violation in result.violations),
        "",
        *_table("victim", Counter(kind for kind, _ in kills)),
        *_table("moment", Counter(moment for _, moment in kills)),
    ]
    return "\n".join(lines)


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.most_common())


def _table(title: str, counts: Counter[str]) -> Iterator[str]:
    yield from (f"| {title} | kills |", "| --- | ---: |")
    yield from _rows(counts.most_common())
    yield ""


def _rows(pairs: Iterable[tuple[str, int]]) -> Iterator[str]:
    return (f"| {name} | {count} |" for name, count in pairs)
