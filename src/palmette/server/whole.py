"""The application with everything that belongs to it, as `palmette serve` serves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.applications import Starlette

from palmette.operations.home import Home
from palmette.operations.working import Wakes
from palmette.server.app import build
from palmette.server.guard import before
from palmette.server.measures import Measures
from palmette.server.palmette import table


def whole(home: Home, *, environ: Mapping[str, str], worker: Wakes | None, hosts: Sequence[str]) -> Starlette:
    """KFP's routes and Palmette's over a home, behind what asks for tokens, bounds, counts and logs. `hosts` are the
    addresses that it is reached at."""
    measures = Measures(home)
    return build(
        home,
        environ=environ,
        worker=worker,
        guard=before(home, hosts, measures),
        others=(*table.ROWS, measures.row()),
    )
