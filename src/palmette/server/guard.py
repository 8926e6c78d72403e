"""What stands before every route, in its order."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.middleware import Middleware

from palmette.operations.home import Home
from palmette.server.auth import Auth
from palmette.server.journal import Journal
from palmette.server.limits import Bounds, Limits
from palmette.server.measures import Measured, Measures


def before(
    home: Home, hosts: Sequence[str], measures: Measures, *, bounds: Bounds | None = None
) -> tuple[Middleware, ...]:
    """The outermost first: what is refused is logged and counted too, and a body is bounded before anybody reads it.

    `hosts` are the addresses that the server listens on; `measures.row()` belongs among the rows.
    """
    return (
        Middleware(Journal),
        Middleware(Measured, measures=measures),
        Middleware(Limits, bounds=bounds),
        Middleware(Auth, home=home, hosts=tuple(hosts)),
    )
