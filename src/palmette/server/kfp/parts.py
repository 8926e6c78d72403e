"""What several groups of routes need: the parameters of lists, and documents as they are shown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeVar

from palmette.domain.listing import Page, Predicate, Slice
from palmette.domain.values import Json
from palmette.kfpapi.listing import Grammar
from palmette.operations import contents
from palmette.operations.home import Home
from palmette.server.rows import NUMBER, Asked, Query

T = TypeVar("T")

PREFIX: Final = "/apis/v2beta1"
NAMESPACE: Final = {"namespace": Query(description="Ignored: there is one namespace.")}
#: What every list takes.
LIST: Final[Mapping[str, Query]] = {
    "page_token": Query(description="The next_page_token of the page before; empty for the first page."),
    "page_size": Query(schema={**NUMBER, "minimum": 0}, description="20 where nothing is said, 200 at the most."),
    "sort_by": Query(description="FIELD, FIELD asc or FIELD desc; created_at where nothing is said."),
    "filter": Query(
        description='{"predicates": [{"operation": "EQUALS", "key": "display_name", "string_value": "a"}]}, as JSON.'
    ),
    **NAMESPACE,
}


def listed(
    grammar: Grammar, asked: Asked, page: Callable[[Slice], Page[T]], within: Sequence[Predicate] = ()
) -> tuple[tuple[T, ...], int, str]:
    """The rows of a page, how many there are in all, and the token of the next page."""
    query = {name: asked.query.get(name, "") for name in ("page_token", "page_size", "sort_by", "filter")}
    wanted = grammar.read(**query, within=within)
    found = page(wanted.slice)
    return found.items, found.total, grammar.token(wanted, found)


class Documents:
    """Documents as they are shown. Within one answer, each is read once."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._known: dict[str, Mapping[str, Json]] = {}

    def shown(self, digest: str) -> Mapping[str, Json]:
        """As `contents.document`; nothing without a digest."""
        if not digest:
            return {}
        if digest not in self._known:
            self._known[digest] = contents.document(self._home, digest)
        return self._known[digest]
