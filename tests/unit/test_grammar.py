"""What a query says, and where it goes wrong."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palmette.domain import moments
from palmette.domain import query as q
from palmette.domain.grammar import parse
from palmette.domain.query import Group, Kind, Operator, Span
from palmette.errors import QueryError

NOW = 1_795_000_000.0
KNOWN = ("config.lr", "config.penalty", "metric.auc")
BRANCH = q.Field(Group.RUN, "branch", Kind.TEXT)
LR = q.Field(Group.CONFIG, "lr", Kind.ANY)


def said(text: str) -> q.Query:
    return parse(text, now=NOW, known=KNOWN)


def where(text: str) -> q.Node:
    return said(text).where


def test_and_binds_more_than_or_and_not_most() -> None:
    a, b, c = q.Words("a"), q.Words("b"), q.Words("c")
    assert where("a b or not c") == q.Or((q.And((a, b)), q.Not(c)))
    assert where("a and (b or c)") == q.And((a, q.Or((b, c))))
    assert where("not a b") == q.And((q.Not(a), b))
    assert where("A AND b") == q.And((q.Words("A"), b))


def test_a_word_with_a_test_behind_it_is_a_field_and_any_other_is_looked_for() -> None:
    equal = q.Compare(BRANCH, Operator.EQUAL, "feat/x")
    assert where("branch = feat/x") == where("branch=feat/x") == where("branch = 'feat/x'") == equal
    assert where('branch "out of" memory') == q.And((q.Words("branch"), q.Words("out of"), q.Words("memory")))
    assert where("'and'") == q.Words("and")


def test_what_is_short_for_something_is_that() -> None:
    assert where("branch != main") == where("not branch = main")
    assert where("branch in (main, x)") == where("(branch = main or branch = x)")
    assert where("branch not in (main)") == where("not branch = main")
    assert where("config.lr is undefined") == q.Not(q.Defined(LR))
    assert where("metric.auc > 0") == where("metric.auc.last > 0")


def test_a_number_in_quotes_is_text() -> None:
    assert where("config.lr = 1e-3") == q.Compare(LR, Operator.EQUAL, q.Scalar("1e-3", 0.001))
    assert where("config.lr = '1e-3'") == q.Compare(LR, Operator.EQUAL, q.Scalar("1e-3"))
    assert where("config.lr = true") == q.Compare(LR, Operator.EQUAL, q.Scalar("true", 1.0))


def test_names_may_have_dots_and_be_quoted() -> None:
    assert q.fields_of(said('metric."roc auc".max > 0')) == (q.Field(Group.METRIC, "roc auc", Kind.NUMBER, "max"),)
    assert q.fields_of(said("metric.val.loss > 0")) == (q.Field(Group.METRIC, "val.loss", Kind.NUMBER, "last"),)
    assert q.fields_of(said("step.loop-1.0.fit.cached = yes")) == (
        q.Field(Group.STEP, "loop-1.0.fit", Kind.FLAG, "cached"),
    )


def test_order_and_limit_come_last() -> None:
    query = said("branch = main sort -metric.auc limit 20")
    assert (query.sort, query.limit) == (q.Sort(q.Field(Group.METRIC, "auc", Kind.NUMBER, "last"), True), 20)
    assert said("sort created") == q.Query(sort=q.Sort(q.Field(Group.RUN, "created", Kind.MOMENT)))
    assert said("  ") == q.Query()


@pytest.mark.parametrize(
    ("text", "column", "what"),
    [
        ("branch > main", 7, "branch is text"),
        ("auc > 0.9", 0, "no field 'auc'"),
        ("x and brnch = a", 6, "no field 'brnch'"),
        ("metric.auc > high", 13, "'high' is not a number"),
        ("metric.auc = nan", 13, "'nan' is not a number"),
        ("config.lr < high", 12, "'high' is text"),
        ("state = faled", 8, "no state 'faled'"),
        ("step.fit.state = pending or state = cached", 36, "no state 'cached'"),
        ("started > soon", 10, "'soon' is not a time"),
        ("started > 2026-02-30", 10, "is not a time"),
        ("duration = -3", 11, "is not a duration"),
        ("dirty = maybe", 8, "is not true or false"),
        ("(a or b", 0, "never closed"),
        ("a )", 2, "opens nowhere"),
        ("branch =", 8, "ends here"),
        ("branch = main or", 16, "ends here"),
        ("a 'b", 2, "never closed"),
        ("limit 5 sort id", 8, "'sort' is not expected"),
        ("sort tag", 5, "cannot be sorted"),
        ("sort -step.fit.state", 5, "cannot be sorted"),
        ("limit 0", 6, "no number of runs"),
        ("limit ²", 6, "no number of runs"),
        ("state in failed", 9, "( is expected"),
        ("state is", 8, "defined or undefined"),
        ("''", 0, "nothing to look for"),
        ("and", 0, "a condition is expected"),
        ("(" * 60 + "a", 40, "nested"),
        ("a " * 300, 400, "too long"),
    ],
)
def test_what_cannot_be_read_is_pointed_at(text: str, column: int, what: str) -> None:
    with pytest.raises(QueryError) as caught:
        said(text)
    first, query, mark, *_ = f"{caught.value}\n".split("\n")
    assert what in first
    assert query[mark.index("^") :].strip()[:3] == text[column:].strip()[:3]
    assert max(map(len, (query, mark))) <= 80


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("auc > 0.9", "Did you mean metric.auc?"),
        ("LR = 1", "Did you mean config.lr?"),
        ("brnch = x", "Did you mean branch?"),
        ("metrc.auc > 1", "Did you mean metric.auc?"),
        ("step.fit = 3", "Write step.fit.state or step.fit.duration or step.fit.cached."),
        ("state = faled", "Did you mean failed?"),
    ],
)
def test_what_was_meant_is_guessed(text: str, hint: str) -> None:
    with pytest.raises(QueryError) as caught:
        said(text)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90.0), ("1h30m", 5400.0), ("2.5h", 9000.0), ("3d", 259_200.0), ("250ms", 0.25), ("", None), ("1x", None)],
)
def test_durations(text: str, seconds: float | None) -> None:
    assert moments.duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("-7d", Span(NOW - 604_800, NOW - 604_800)),
        ("now", Span(NOW, NOW)),
        ("2026-05-31", Span(1780185600.0, 1780272000.0)),
        ("2026-02", Span(1769904000.0, 1772323200.0)),
        ("2026-05-31T14:00", Span(1780236000.0, 1780236060.0)),
        ("2026-05-31T14:00:00+02:00", Span(1780228800.0, 1780228801.0)),
        ("today", Span(1794960000.0, 1795046400.0)),
        ("yesterday", Span(1794873600.0, 1794960000.0)),
        ("-7", None),
        ("2026", None),
        ("2026-13-01", None),
        ("9999-12-31", None),
    ],
)
def test_times_last_as_long_as_they_are_precise(text: str, span: Span | None) -> None:
    assert moments.moment(text, NOW) == span


PIECES = ["a", "(", ")", "and", "or", "not", "=", ">", "in", "is", "sort", "limit", "'", '"', "1", "id"]


@given(st.text(max_size=60) | st.lists(st.sampled_from(PIECES)).map(" ".join))
def test_any_text_is_a_query_or_a_query_error(text: str) -> None:
    try:
        found = said(text)
    except QueryError:
        return
    assert isinstance(found, q.Query)
