"""What cannot be done here about a run that another host executes."""

from __future__ import annotations

from palmette.domain.run import Run
from palmette.errors import Conflict
from palmette.operations.home import Home
from palmette.store import mirrors


def refuse(home: Home, run: Run, what: str) -> None:
    """Conflict for a run that is executed elsewhere, with where that is. `what` is so: "cannot be canceled here"."""
    if not run.mirrored:
        return
    mirror = mirrors.of_run(home.store, run.id)
    progress = mirror.progress if mirror else {}
    where, page = progress.get("called", "another host"), progress.get("page", "")
    raise Conflict(f"run {run.id} {what}: it is executed on {where}", f"See {page}" if page else "")
