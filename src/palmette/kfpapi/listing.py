"""The grammar of lists: `filter`, `sort_by`, `page_size` and `page_token` → `domain.listing.Slice`, and back."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as stored
from enum import Enum
from typing import Any, Final
from urllib.parse import unquote_plus

from palmette.domain.listing import Comparing, Operand, Page, Predicate, Slice
from palmette.domain.values import Json
from palmette.errors import Problem, UsageError
from palmette.kfpapi import codec
from palmette.kfpapi.kinds import moment, spelled, whole

#: rows of a page where nothing is said, and the most that are given
SIZE: Final = 20
MOST: Final = 200
#: comparisons of one filter, and values of one IN
_PREDICATES: Final = 50
_VALUES: Final = 500

_OPERATIONS: Final = {
    1: Comparing.EQUALS,
    2: Comparing.NOT_EQUALS,
    3: Comparing.GREATER_THAN,
    5: Comparing.GREATER_THAN_EQUALS,
    6: Comparing.LESS_THAN,
    7: Comparing.LESS_THAN_EQUALS,
    8: Comparing.IN,
    9: Comparing.IS_SUBSTRING,
}
#: what a predicate's value may be called → the kind of value, and whether there are several
_OPERANDS: Final[Mapping[str, tuple[str, bool]]] = {
    "int_value": ("whole", False),
    "long_value": ("whole", False),
    "string_value": ("text", False),
    "timestamp_value": ("moment", False),
    "int_values": ("whole", True),
    "long_values": ("whole", True),
    "string_values": ("text", True),
}


class Sort(Enum):
    """What a field holds."""

    TEXT = "text"
    MOMENT = "moment"


@dataclass(frozen=True, kw_only=True)
class Key:
    """What may be filtered and sorted by."""

    #: the noun's field; empty for what every row has alike
    field: str
    sort: Sort = Sort.TEXT
    #: for a field of few values: what the API calls them → what the noun holds; other names are refused
    words: Mapping[str, tuple[Operand, ...]] = stored(default_factory=dict)
    sortable: bool = True


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What part of a list was asked for, in the words of the request."""

    sort_by: str
    filter: str
    slice: Slice


@dataclass(frozen=True, kw_only=True)
class Grammar:
    """What may be asked of a list."""

    #: "runs": a token of one list is none of another
    name: str
    keys: Mapping[str, Key]
    tags: bool = False

    def read(
        self,
        *,
        page_token: str = "",
        page_size: str = "",
        sort_by: str = "",
        filter: str = "",
        within: Sequence[Predicate] = (),
    ) -> Wanted:
        """The part that is meant; UsageError where a part of it cannot be read."""
        size = self._size(page_size)
        start: tuple[Operand, str] | None = None
        if page_token:
            told = self._opened(page_token)
            for given, kept, name in ((sort_by, told[0], "sort_by"), (filter, told[1], "filter")):
                if given and given != kept:
                    raise UsageError(f"page_token belongs to a list with another {name}", "Begin without page_token.")
            sort_by, filter, start = told
        order, descending = self._order(sort_by)
        predicates = (*within, *self._predicates(filter))
        if start is not None:
            self._fits(order, start)
        key = self.keys[order].field
        asked = Slice(predicates=predicates, order=key, descending=descending, size=size, start=start)
        return Wanted(sort_by=sort_by, filter=filter, slice=asked)

    def token(self, asked: Wanted, page: Page[Any]) -> str:
        """Where the list goes on; empty at its end."""
        if page.following is None:
            return ""
        value = [self.name, asked.sort_by, asked.filter, *page.following]
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()

    def _opened(self, token: str) -> tuple[str, str, tuple[Operand, str]]:
        wrong = UsageError("page_token is none that this list gave", "Begin without page_token.")
        try:
            value = codec.parse(base64.b64decode(token.encode("ascii", "replace"), altchars=b"-_", validate=True))
        except (UsageError, binascii.Error):
            raise wrong from None
        match value:
            case [self.name, str(sort_by), str(filter), str() | int() | float() | None as at, str(id)]:
                return sort_by, filter, (at, id)
            case _:
                raise wrong

    def _fits(self, order: str, start: tuple[Operand, str]) -> None:
        expected = (int, float) if self.keys[order].sort is Sort.MOMENT else (str,)
        if start[0] is not None and (isinstance(start[0], bool) or not isinstance(start[0], expected)):
            raise UsageError("page_token is none that this list gave", "Begin without page_token.")

    @staticmethod
    def _size(text: str) -> int:
        if not text:
            return SIZE
        size = whole(text)
        if size is None or not 0 <= size < 2**31:
            raise UsageError("page_size is no whole number from 0 to 2147483647")
        return min(size, MOST) or SIZE

    def _order(self, text: str) -> tuple[str, bool]:
        match text.split():
            case []:
                return "created_at", False
            case [key]:
                descending = False
            case [key, direction] if direction.lower() in ("asc", "desc"):
                descending = direction.lower() == "desc"
            case _:
                raise UsageError("sort_by is not FIELD, FIELD asc or FIELD desc")
        key = key.lower()
        if key not in self.keys or not self.keys[key].sortable or not self.keys[key].field:
            known = ", ".join(name for name, each in self.keys.items() if each.sortable and each.field)
            raise UsageError(f"{self.name} cannot be sorted by {_cut(key)}", f"They can be by {known}.")
        return key, descending

    # Filters.

    def _predicates(self, text: str) -> tuple[Predicate, ...]:
        if not text:
            return ()
        # KFP's own server decodes it once more than HTTP does.
        value = codec.parse((text if text.lstrip()[:1] == "{" else unquote_plus(text)).encode(), "the filter")
        if not isinstance(value, Mapping) or value.keys() - {"predicates"}:
            raise UsageError('the filter is not of the form {"predicates": [{"operation", "key", VALUE}]}')
        entries = value.get("predicates") or []
        if not isinstance(entries, list) or len(entries) > _PREDICATES:
            raise UsageError(f"the filter's predicates are no list of {_PREDICATES} at the most")
        problems: list[Problem] = []
        found: list[Predicate] = []
        for at, entry in enumerate(entries):
            try:
                found += self._predicate(entry)
            except UsageError as error:
                problems.append(Problem(where=f"predicates[{at}]", what=error.message, hint=error.hint))
        if problems:
            raise UsageError("the filter cannot be read", problems=problems)
        return tuple(found)

    def _predicate(self, entry: Json) -> list[Predicate]:
        if not isinstance(entry, Mapping):
            raise UsageError(f"an object is expected, not {spelled(entry)}")
        given = {_snake(name): value for name, value in entry.items() if value is not None}
        if unknown := sorted(given.keys() - _OPERANDS.keys() - {"operation", "key"}):
            raise UsageError(f"there is no such field: {_cut(unknown[0])}")
        comparing = _comparing(given.get("operation"))
        name = given.get("key")
        if not isinstance(name, str):
            raise UsageError("key is missing")
        values = [each for each in _OPERANDS if each in given]
        if len(values) != 1:
            raise UsageError("exactly one value is expected")
        sort, several = _OPERANDS[values[0]]
        operands = _operands(given[values[0]], sort, several)
        if several != (comparing is Comparing.IN):
            raise UsageError("IN compares with several values, the others with one")
        if comparing is Comparing.IS_SUBSTRING and sort != "text":
            raise UsageError("IS_SUBSTRING compares with a text")
        return self._meant(name, comparing, operands, sort)

    def _meant(self, name: str, comparing: Comparing, operands: tuple[Operand, ...], sort: str) -> list[Predicate]:
        if self.tags and name.startswith("tags."):
            if comparing is not Comparing.EQUALS or sort != "text":
                raise UsageError("tags can only be compared by EQUALS with a text")
            return [Predicate(field=name, comparing=comparing, operands=operands)]
        key = self.keys.get(name)
        if key is None:
            hint = f"They can be by {', '.join(self.keys)}{', tags.KEY' * self.tags}."
            raise UsageError(f"no support for filtering on unrecognized field {_cut(name)}", hint)
        if not key.field:
            return []
        if key.sort is Sort.MOMENT and not key.words:
            return _moments(key.field, comparing, operands)
        if sort != "text":
            raise UsageError(f"{name} is compared with a text")
        texts = tuple(str(each) for each in operands)
        if key.words:
            return _chosen(key, comparing, texts)
        return [Predicate(field=key.field, comparing=comparing, operands=texts)]


def _snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def _cut(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:59]}…")


def _comparing(value: Json) -> Comparing:
    if isinstance(value, str) and value in Comparing.__members__:
        return Comparing(value)
    if isinstance(value, int) and not isinstance(value, bool) and value in _OPERATIONS:
        return _OPERATIONS[value]
    raise UsageError(f"operation is none of {', '.join(Comparing)}")


def _operands(value: Json, sort: str, several: bool) -> tuple[Operand, ...]:
    if several:
        entries = value.get("values") if isinstance(value, Mapping) and not value.keys() - {"values"} else None
        if not isinstance(entries, list) or not 0 < len(entries) <= _VALUES:
            raise UsageError(f'{{"values": [...]}} of 1 to {_VALUES} is expected')
    else:
        entries = [value]
    return tuple(_operand(each, sort) for each in entries)


def _operand(value: Json, sort: str) -> Operand:
    if sort == "text" and isinstance(value, str):
        return value
    if sort == "whole" and (number := whole(value)) is not None and -(2**63) <= number < 2**63:
        return number
    if sort == "moment" and isinstance(value, str) and (seconds := moment(value)) is not None:
        return seconds
    expected = {"text": "a text", "whole": "a whole number", "moment": "a time as in 2026-05-31T14:00:00Z"}[sort]
    raise UsageError(f"{expected} is expected, not {spelled(value)}")


def _moments(name: str, comparing: Comparing, operands: tuple[Operand, ...]) -> list[Predicate]:
    """KFP knows times to the second, the store to more: a second is then all the times in it."""
    second = operands[0] if len(operands) == 1 else None
    if isinstance(second, str):
        second = moment(second)
    if second is None or isinstance(second, str):
        raise UsageError("a time is compared with one timestamp_value")
    following = second + 1
    least, below = Comparing.GREATER_THAN_EQUALS, Comparing.LESS_THAN
    wanted: Mapping[Comparing, list[tuple[Comparing, float]]] = {
        Comparing.EQUALS: [(least, second), (below, following)],
        Comparing.GREATER_THAN: [(least, following)],
        Comparing.GREATER_THAN_EQUALS: [(least, second)],
        Comparing.LESS_THAN: [(below, second)],
        Comparing.LESS_THAN_EQUALS: [(below, following)],
    }
    if comparing not in wanted:
        raise UsageError(f"a time cannot be compared by {comparing}")
    return [Predicate(field=name, comparing=how, operands=(float(value),)) for how, value in wanted[comparing]]


def _chosen(key: Key, comparing: Comparing, texts: tuple[str, ...]) -> list[Predicate]:
    """A field of few values holds one of those for which the comparison is true."""
    holds: Callable[[str], bool]
    match comparing:
        case Comparing.EQUALS | Comparing.IN:
            holds = texts.__contains__
        case Comparing.NOT_EQUALS:
            holds = lambda word: word not in texts  # noqa: E731
        case Comparing.IS_SUBSTRING:
            holds = lambda word: texts[0].lower() in word.lower()  # noqa: E731
        case _:
            raise UsageError(f"a state cannot be compared by {comparing}")
    kept = tuple(value for word, values in key.words.items() if holds(word) for value in values)
    everything = {value for values in key.words.values() for value in values}
    if set(kept) == everything:
        return []
    if None in everything and kept:
        # The one value stands for what is absent, and there is one other, which stands for all that is there.
        how = Comparing.EQUALS if None in kept else Comparing.NOT_EQUALS
        return [Predicate(field=key.field, comparing=how, operands=(None,))]
    if not kept:
        # No value is both absent and there.
        if None in everything:
            opposite = (Comparing.EQUALS, Comparing.NOT_EQUALS)
            return [Predicate(field=key.field, comparing=how, operands=(None,)) for how in opposite]
        return [Predicate(field=key.field, comparing=Comparing.IN, operands=("",))]
    return [Predicate(field=key.field, comparing=Comparing.IN, operands=kept)]


# What each list may be asked.

#: what is archived has the time of that in the field; "" stands for any
_STORAGE: Final = Key(field="archived", sort=Sort.MOMENT, words={"AVAILABLE": (None,), "ARCHIVED": ("",)})
_NAMESPACE: Final = Key(field="", sortable=False)
_STATES: Final = Key(
    field="state",
    words={
        "PENDING": ("PENDING",),
        "RUNNING": ("RUNNING",),
        "SUCCEEDED": ("SUCCEEDED",),
        # A run that was canceled has failed, as far as KFP's clients know.
        "FAILED": ("FAILED", "CANCELED"),
        "CANCELING": ("CANCELING",),
        "CANCELED": (),
        "SKIPPED": (),
        "PAUSED": (),
        "RUNTIME_STATE_UNSPECIFIED": (),
    },
)
_TEXTS: Final = {"id": Key(field="id"), "name": Key(field="name"), "description": Key(field="description")}
_CREATED: Final = {"created_at": Key(field="created", sort=Sort.MOMENT)}

EXPERIMENTS: Final = Grammar(
    name="experiments",
    keys={
        **_CREATED,
        "experiment_id": Key(field="id"),
        **_TEXTS,
        "display_name": Key(field="name"),
        "last_run_created_at": Key(field="last_run", sort=Sort.MOMENT),
        "namespace": _NAMESPACE,
        "storage_state": _STORAGE,
    },
)
PIPELINES: Final = Grammar(
    name="pipelines",
    keys={
        **_CREATED,
        "pipeline_id": Key(field="id"),
        **_TEXTS,
        "display_name": Key(field="display_name"),
        "namespace": _NAMESPACE,
    },
    tags=True,
)
VERSIONS: Final = Grammar(
    name="pipeline versions",
    keys={**_CREATED, "pipeline_version_id": Key(field="id"), **_TEXTS, "display_name": Key(field="display_name")},
    tags=True,
)
RUNS: Final = Grammar(
    name="runs",
    keys={
        **_CREATED,
        "run_id": Key(field="id"),
        **_TEXTS,
        "display_name": Key(field="name"),
        "finished_at": Key(field="ended", sort=Sort.MOMENT),
        "scheduled_at": Key(field="scheduled", sort=Sort.MOMENT),
        "experiment_id": Key(field="experiment"),
        "recurring_run_id": Key(field="schedule"),
        "state": _STATES,
        "status": _STATES,
        "namespace": _NAMESPACE,
        "storage_state": _STORAGE,
    },
)
RECURRING_RUNS: Final = Grammar(
    name="recurring runs",
    keys={
        **_CREATED,
        "recurring_run_id": Key(field="id"),
        **_TEXTS,
        "display_name": Key(field="name"),
        "updated_at": Key(field="updated", sort=Sort.MOMENT),
        "experiment_id": Key(field="experiment"),
    },
)
