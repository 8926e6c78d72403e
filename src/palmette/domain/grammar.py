"""The language of searches: text → `query.Query`.

    QUERY  = [ OR ] [ "sort" ["-"]FIELD ] [ "limit" NUMBER ]
    OR     = AND { "or" AND }
    AND    = NOT { ["and"] NOT }
    NOT    = "not" NOT | "(" OR ")" | FIELD TEST | WORD
    TEST   = ( "=" | "!=" | "<" | "<=" | ">" | ">=" | "contains" ) VALUE
           | "is" ( "defined" | "undefined" ) | ["not"] "in" "(" VALUE { "," VALUE } ")"

A word with a test behind it is a field; any other is looked for in what is said of the run. Quotes, " or ', make one
word of several and take their meaning from the words of the language.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final, assert_never

from palmette.domain import moments
from palmette.domain.query import (
    ASPECTS,
    KEYWORDS,
    OPERATORS,
    RUN_FIELDS,
    And,
    Compare,
    Defined,
    Field,
    Group,
    Kind,
    Node,
    Not,
    Operator,
    Or,
    Query,
    Scalar,
    Sort,
    Value,
    Words,
    field_at,
    sortable,
)
from palmette.domain.states import RunState, TaskState
from palmette.errors import QueryError

#: more than anybody types, and less than what a database refuses
_LONGEST: Final = 4_000
_DEEPEST: Final = 40
_MOST: Final = 200

_SIGN: Final = re.compile(r"!=|<=|>=|[=<>(),]")
_PLAIN: Final = re.compile(r"""(?:[^\s"'()<>=!,]|!(?!=))+""")
_NUMBER: Final = re.compile(r"[+-]?(?:\d[\d_]*\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)
_FLAGS: Final = {"true": True, "yes": True, "false": False, "no": False}
_COMPARISONS: Final = ("=", "!=", "<", "<=", ">", ">=")


@dataclass(frozen=True)
class Token:
    """A word or a sign of a query."""

    text: str
    #: where it begins, from 0
    column: int
    #: it is "=", "(" …; a quoted one is a word
    sign: bool = False
    quoted: bool = False
    #: the word, parted at the dots that no quotes enclose
    path: tuple[str, ...] = ()

    @property
    def keyword(self) -> str:
        """The word of the language that it is; empty for none."""
        word = self.text.lower()
        return word if word in KEYWORDS and not self.sign and not self.quoted else ""


def parse(text: str, *, now: float, known: Collection[str] = ()) -> Query:
    """The query that a text says. QueryError says where it does not; `known` are names of config fields and metrics
    ("config.C") that it may suggest. `now` is what "-7d" is counted from, seconds since the epoch."""
    if len(text) > _LONGEST:
        raise QueryError(f"the query is too long: {len(text):,} characters, and {_LONGEST:,} are allowed")
    return _Reader(text, now, known).query()


def tokens(text: str) -> Iterator[Token]:
    """The words and signs of a text, in order."""
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
        elif sign := _SIGN.match(text, place):
            yield Token(sign[0], place, sign=True)
            place = sign.end()
        else:
            token, place = _word(text, place)
            yield token


def _word(text: str, begin: int) -> tuple[Token, int]:
    """The word that begins there, quoted parts included, and where it ends."""
    parts, quoted, place = [""], text[begin] in "\"'", begin
    while place < len(text):
        mark = text[place]
        if mark in "\"'":
            end = text.find(mark, place + 1)
            if end < 0:
                raise QueryError.at(text, place, "this quote is never closed", f"Write another {mark} where it ends.")
            parts[-1] += text[place + 1 : end]
            place = end + 1
        elif plain := _PLAIN.match(text, place):
            first, *others = plain[0].split(".")
            parts = [*parts[:-1], parts[-1] + first, *others]
            place = plain.end()
        else:
            break
    return Token(".".join(parts), begin, quoted=quoted, path=tuple(parts)), place


class _Reader:
    """Reads one query, from left to right."""

    def __init__(self, text: str, now: float, known: Collection[str]) -> None:
        self._text, self._now, self._known = text, now, known
        self._tokens = list(tokens(text))
        self._next = 0
        self._depth = 0
        if len(self._tokens) > _MOST:
            column = self._tokens[_MOST].column
            raise QueryError.at(text, column, f"the query is too long: it has more than {_MOST} words and signs")

    def query(self) -> Query:
        """All of it."""
        where: Node = And() if self._at("sort", "limit", "") else self._or()
        sort = self._sort() if self._take("sort") else None
        limit = self._limit() if self._take("limit") else None
        if (token := self._token) is not None:
            what = "this parenthesis opens nowhere" if token.text == ")" else f"{token.text!r} is not expected here"
            order = "sort and limit come last, in this order." if token.keyword == "sort" else ""
            raise self._wrong(token.column, what, order or "Expected: and, or, sort, limit, or the end.")
        return Query(where=where, sort=sort, limit=limit)

    # Where it stands.

    @property
    def _token(self) -> Token | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _at(self, *words: str) -> bool:
        """Whether one of these keywords or signs comes next; "" is the end."""
        token = self._token
        return ("" if token is None else token.text if token.sign else token.keyword or "\0") in words

    def _take(self, *words: str) -> str:
        """The keyword or sign that comes next, if it is one of these, and go on."""
        if not self._at(*words) or (token := self._token) is None:
            return ""
        self._next += 1
        return token.text if token.sign else token.keyword

    def _wrong(self, column: int, what: str, hint: str = "") -> QueryError:
        return QueryError.at(self._text, column, what, hint)

    def _missing(self, what: str, example: str) -> QueryError:
        """Something else is here than what has to be."""
        token = self._token
        column = len(self._text.rstrip()) if token is None else token.column
        found = "the query ends here" if token is None else f"{token.text!r} stands here"
        return self._wrong(column, f"{found}, where {what} is expected", example)

    # Conditions.

    def _or(self) -> Node:
        parts = [self._and()]
        while self._take("or"):
            parts.append(self._and())
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _and(self) -> Node:
        parts = [self._not()]
        while self._take("and") or not self._at("or", "sort", "limit", ")", ""):
            parts.append(self._not())
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def _not(self) -> Node:
        token = self._token
        self._depth += 1
        if token is not None and self._depth > _DEEPEST:
            raise self._wrong(token.column, f"the query is nested more than {_DEEPEST} deep")
        try:
            if self._take("not"):
                return Not(self._not())
            if self._take("("):
                inner = self._or()
                if token is not None and not self._take(")"):
                    raise self._wrong(token.column, "this parenthesis is never closed", "Write a ) where it ends.")
                return inner
            return self._condition()
        finally:
            self._depth -= 1

    def _condition(self) -> Node:
        word = self._word("a condition", "Write FIELD = VALUE, or a word to look for.")
        negated = self._at("not") and self._follows("in")
        if negated:
            self._next += 1
        if self._at(*_COMPARISONS, "contains"):
            return self._comparison(word)
        if self._take("in"):
            found = self._one_of(self._field(word))
            return Not(found) if negated else found
        if self._take("is"):
            return self._definition(word)
        if not word.text.strip():
            raise self._wrong(word.column, "there is nothing to look for", "Write a word between the quotes.")
        return Words(word.text)

    def _follows(self, keyword: str) -> bool:
        after = self._next + 1
        return after < len(self._tokens) and self._tokens[after].keyword == keyword

    def _comparison(self, word: Token) -> Node:
        token = self._tokens[self._next]
        field, sign = self._field(word), self._take(*_COMPARISONS, "contains")
        operator = Operator("=" if sign == "!=" else sign)
        allowed = OPERATORS[field.kind]
        if operator not in allowed:
            signs = ", ".join([each.value for each in allowed] + ["!="])
            raise self._wrong(
                token.column, f"{field} is {field.kind.value}: {sign!r} says nothing of it", f"Use {signs}."
            )
        compared = Compare(field, operator, self._value(field, operator))
        return Not(compared) if sign == "!=" else compared

    def _one_of(self, field: Field) -> Node:
        example = f"Write {field} in (A, B)."
        if not self._take("("):
            raise self._missing("(", example)
        parts = [Compare(field, Operator.EQUAL, self._value(field, Operator.EQUAL))]
        while self._take(","):
            parts.append(Compare(field, Operator.EQUAL, self._value(field, Operator.EQUAL)))
        if not self._take(")"):
            raise self._missing(") or a comma", example)
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def _definition(self, word: Token) -> Node:
        field, token = self._field(word), self._token
        said = "" if token is None or token.sign else token.text.lower()
        if said not in ("defined", "undefined"):
            raise self._missing("defined or undefined", f"Write {field} is undefined.")
        self._next += 1
        return Defined(field) if said == "defined" else Not(Defined(field))

    def _word(self, what: str, example: str) -> Token:
        token = self._token
        if token is None or token.sign or token.keyword:
            raise self._missing(what, example)
        self._next += 1
        return token

    # The end.

    def _sort(self) -> Sort:
        word = self._word("a field", "Write sort created, or sort -metric.auc for the largest first.")
        descending = word.path[0].startswith("-")
        path = (word.path[0][descending:], *word.path[1:])
        field = self._field(Token(word.text[descending:], word.column + descending, path=path))
        if not sortable(field):
            raise self._wrong(word.column, f"runs cannot be sorted by {field}", "Sort by a number, a time or a text.")
        return Sort(field, descending)

    def _limit(self) -> int:
        word = self._word("a number", "Write limit 50.")
        if not (word.text.isascii() and word.text.isdigit() and 1 <= int(word.text) <= 1_000_000):
            raise self._wrong(word.column, f"{word.text!r} is no number of runs", "Write a number from 1 on.")
        return int(word.text)

    # Fields and values.

    def _field(self, word: Token) -> Field:
        field = field_at(word.path)
        if field is not None:
            return field
        raise self._wrong(word.column, f"there is no field {word.text!r}", _hint(word.path, self._known))

    def _value(self, field: Field, operator: Operator) -> Value:
        shape = _SHAPES.get(field.kind, "a value")
        word = self._word(shape, f"Write {field} {operator.value} VALUE.")
        value = self._read(field, operator, word)
        if value is not None:
            return value
        if field.kind is Kind.STATE:
            raise self._wrong(word.column, f"there is no state {word.text!r}", _state_hint(field, word.text))
        if field.kind is Kind.ANY:
            what = f"{word.text!r} is text, which {operator.value} does not compare"
            raise self._wrong(word.column, what, "Use =, !=, contains, or a number.")
        raise self._wrong(word.column, f"{word.text!r} is not {field.kind.value}", f"{field} takes {shape}.")

    def _read(self, field: Field, operator: Operator, word: Token) -> Value | None:
        text = word.text
        match field.kind:
            case Kind.TEXT | Kind.PREFIX:
                return text
            case Kind.NUMBER:
                return _number(text)
            case Kind.DURATION:
                return moments.duration(text)
            case Kind.MOMENT:
                return moments.moment(text, self._now)
            case Kind.FLAG:
                return _FLAGS.get(text.lower())
            case Kind.STATE:
                return text.upper() if text.upper() in _states(field) else None
            case Kind.ANY:
                number = None if word.quoted else _scalar(text)
                ordered = operator not in (Operator.EQUAL, Operator.CONTAINS)
                return None if ordered and number is None else Scalar(text, number)
            case _:
                assert_never(field.kind)


_SHAPES: Final = {
    Kind.NUMBER: "a number: 0.9, 1e-3",
    Kind.DURATION: f"a duration: {moments.DURATION_SHAPES}",
    Kind.MOMENT: f"a time: {moments.MOMENT_SHAPES}",
    Kind.FLAG: "true or false",
    Kind.STATE: "a state",
}


def _number(text: str) -> float | None:
    if not _NUMBER.fullmatch(text):
        return None
    number = float(text)
    return number if math.isfinite(number) else None


def _scalar(text: str) -> float | None:
    flag = {"true": 1.0, "false": 0.0}.get(text)
    return _number(text) if flag is None else flag


def _states(field: Field) -> list[str]:
    return [state.value for state in (RunState if field.group is Group.RUN else TaskState)]


def _state_hint(field: Field, text: str) -> str:
    states = [state.lower() for state in _states(field)]
    close = get_close_matches(text.lower(), states, n=1)
    return f"Did you mean {close[0]}?" if close else f"There are: {', '.join(states)}."


def _hint(path: tuple[str, ...], known: Collection[str]) -> str:
    """What may have been meant by the name of a field that there is not."""
    name = ".".join(path)
    if path[0] == Group.STEP and len(path) > 1:
        aspects = " or ".join(f"{name}.{aspect}" for aspect in ASPECTS[Group.STEP])
        return f"Write {aspects}."
    inside = [each for each in known if each.partition(".")[2] == name]
    if inside:
        return f"Did you mean {' or '.join(sorted(inside)[:3])}?"
    groups = [f"{group}." for group in Group if group is not Group.RUN]
    names = {each.lower(): each for each in [*RUN_FIELDS, *known]}
    tails = {each.partition(".")[2].lower(): each for each in known}
    close = get_close_matches(name.lower(), [*names, *tails], n=3, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(dict.fromkeys(names.get(each) or tails[each] for each in close))}?"
    return f"There are: {', '.join([*RUN_FIELDS, *(f'{group}NAME' for group in groups)])}."
