"""What is known of earlier toy runs on a branch, by whichever host remembers them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from palmette.domain.branches import Kind
from palmette.errors import AccessDenied, NotFound, PalmetteError, ServerError, StoreError
from palmette.operations import checks
from palmette.operations.checks import Tried
from palmette.operations.places import Place


@dataclass(frozen=True, kw_only=True)
class Before:
    """What is known of earlier toy runs on a branch, by algorithm."""

    succeeded: Mapping[str, Tried] = field(default_factory=dict)
    newest: Mapping[str, Tried] = field(default_factory=dict)
    #: why nothing is known; empty where something is
    why: str = ""
    #: whether whoever remembers it did not answer
    silent: bool = False


def remembered(place: Place, branch: str) -> Before:
    """What the home remembers of them."""
    if not place.there:
        return Before(why="nothing was ever run here, so all are tried")
    try:
        newest, good = place(checks.newest, Kind.TOY, branch), place(checks.tried, Kind.TOY, branch)
    except AccessDenied:
        raise
    except NotFound:
        return Before(why="nothing was ever run here, so all are tried")
    except (ServerError, StoreError) as error:
        return silent(error)
    found = Before(succeeded=_by_algorithm(good), newest=_by_algorithm(newest))
    return found if newest else Before(why=f"there are no toy runs on {branch or 'a branch'} yet, so all are tried")


def silent(error: PalmetteError) -> Before:
    """Nothing, since whoever remembers did not answer."""
    return Before(why=f"what was tried before cannot be asked for, so all are tried: {error.message}", silent=True)


def _by_algorithm(tried: Iterable[Tried]) -> dict[str, Tried]:
    return {each.check.algorithm: each for each in tried}
