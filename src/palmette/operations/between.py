"""The commits between two runs, as the repository at hand tells."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from palmette.comparison.changes import CommitChange
from palmette.domain.lines import full
from palmette.domain.run import Run
from palmette.operations.comparing import Compared
from palmette.operations.questions import Ask, asking

#: commits that are listed; there may be more
MOST: Final = 200
_LOG: Final = (
    *("log", f"-{MOST}", "--left-right", "--no-show-signature", "--no-color", "--encoding=UTF-8"),
    "--format=%m%x00%H%x00%an%x00%ct%x00%s",
)
#: bytes of an answer
_LONGEST: Final = 1 << 20


def told(compared: Compared, root: Path, environ: Mapping[str, str]) -> Compared:
    """The comparison with the commits between its runs, where this repository knows them."""
    comparison = compared.comparison
    if comparison.baseline is None:
        return compared
    found = commits(root, environ, comparison.head.run, comparison.baseline.run)
    remarks = (f"only the newest {MOST} commits between the two are listed",) if found and len(found) == MOST else ()
    return replace(compared, comparison=replace(comparison, commits=found, remarks=(*comparison.remarks, *remarks)))


def commits(root: Path, environ: Mapping[str, str], head: Run, baseline: Run) -> tuple[CommitChange, ...] | None:
    """The commits that only one of the two has, the newest first, those of the baseline marked as behind. None where
    nothing here knows both, or a clone ends before the histories meet."""
    ends = (baseline.git.commit, head.git.commit)
    if not all(map(full, ends)):
        return None
    if ends[0] == ends[1]:
        return ()
    try:
        with asking(root, environ) as ask:
            return None if ask is None else _listed(ask, *ends)
    except (OSError, subprocess.TimeoutExpired):
        return None


def _listed(ask: Ask, baseline: str, head: str) -> tuple[CommitChange, ...] | None:
    # Both at once: starting a process takes longer than answering does.
    base = ask("merge-base", baseline, head)
    log = ask(*_LOG, f"{baseline}...{head}", "--")
    if not base.output(_LONGEST):
        return None
    *lines, _ = log.output(_LONGEST).decode(errors="replace").split("\n")
    return tuple(map(_read, lines))


def _read(line: str) -> CommitChange:
    side, sha, author, committed, subject = line.split("\0", 4)
    return CommitChange(sha=sha, subject=subject, author=author, committed=float(committed), behind=side == "<")
