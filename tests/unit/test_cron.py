"""Cron expressions against a clock that is looked at every second."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from palmette.domain.hosting import Cron, Periodic
from palmette.errors import UsageError
from palmette.operations import cron
from palmette.operations.cron import Times

PARIS = ZoneInfo("Europe/Paris")
#: changes its clocks by half an hour, and within the day
LORD_HOWE = ZoneInfo("Australia/Lord_Howe")
#: changes its clocks at a quarter to three
CHATHAM = ZoneInfo("Pacific/Chatham")


def at(text: str, zone: tzinfo = UTC) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=zone).timestamp())


def moments(expression: str, since: int, count: int, zone: tzinfo = UTC) -> Iterator[str]:
    """The next so many moments, as the clock on the wall shows them."""
    times = cron.parse(expression)
    assert isinstance(times, Times)
    for _ in range(count):
        found = cron.after(times, since, zone)
        assert found is not None
        since = found
        yield datetime.fromtimestamp(found, zone).isoformat(sep=" ")


def naive(fields: list[str], since: int, until: int, zone: tzinfo) -> list[int]:
    """Every second whose wall clock fits, found by looking at each of them."""
    allowed = [spelled(field) for field in fields]
    both = any(field[0] in "*?" for field in (fields[3], fields[5]))

    def fits(moment: int) -> bool:
        wall = datetime.fromtimestamp(moment, zone)
        shown = (wall.second, wall.minute, wall.hour, wall.day, wall.month, wall.isoweekday() % 7)
        hits = [allowed[place] is None or value in (allowed[place] or ()) for place, value in enumerate(shown)]
        day = hits[3] and hits[5] if both else hits[3] or hits[5]
        return hits[0] and hits[1] and hits[2] and hits[4] and day

    return [moment for moment in range(since + 1, until + 1) if fits(moment)]


def spelled(field: str) -> set[int] | None:
    if field in "*?":
        return None
    if field.startswith("*/"):
        return set(range(0, 60, int(field[2:])))
    return {int(part) for part in field.split(",")}


def numbers(low: int, high: int) -> some.SearchStrategy[str]:
    listed = some.lists(some.integers(low, high), min_size=1, max_size=3)
    return some.one_of(some.just("*"), some.just("?"), listed.map(lambda each: ",".join(map(str, each))))


def often(high: int) -> some.SearchStrategy[str]:
    return some.one_of(numbers(0, high), some.integers(2, 30).map(lambda step: f"*/{step}"))


@settings(max_examples=40, deadline=None)
@given(
    fields=some.tuples(
        some.integers(0, 59).map(str),
        often(59),
        often(23),
        numbers(24, 31),
        some.sampled_from(["*", "?", "3", "10,3", "4,9"]),
        numbers(0, 6),
    ).map(list),
    place=some.sampled_from(
        [
            (PARIS, "2026-03-28T23:40:05"),
            (PARIS, "2026-10-24T23:50:59"),
            (LORD_HOWE, "2026-10-03T23:20:00"),
            (LORD_HOWE, "2026-04-04T23:31:00"),
            (CHATHAM, "2026-09-26T23:50:00"),
            (UTC, "2026-03-31T22:00:01"),
        ]
    ),
)
def test_the_moments_are_those_that_a_look_at_every_second_finds(fields: list[str], place: tuple[tzinfo, str]) -> None:
    zone, start = place
    since = at(start, zone)
    until = since + 4 * 3600
    expected = naive(fields, since, until, zone)
    times = cron.parse(" ".join(fields))
    assert isinstance(times, Times)
    found, moment = [], cron.after(times, since, zone)
    while moment is not None and moment <= until:
        found.append(moment)
        moment = cron.after(times, moment, zone)
    assert found == expected
    if expected:
        trigger = Cron(expression=" ".join(fields))
        assert cron.latest(trigger, expected[0], until, zone) == expected[-1]


def test_a_time_that_a_change_of_the_clocks_leaves_out_does_not_come() -> None:
    assert list(moments("0 30 2 * * *", at("2026-03-28T12:00", PARIS), 2, PARIS)) == [
        "2026-03-30 02:30:00+02:00",
        "2026-03-31 02:30:00+02:00",
    ]


def test_a_time_that_a_change_of_the_clocks_repeats_comes_twice() -> None:
    assert list(moments("0 30 2 * * *", at("2026-10-24T12:00", PARIS), 3, PARIS)) == [
        "2026-10-25 02:30:00+02:00",
        "2026-10-25 02:30:00+01:00",
        "2026-10-26 02:30:00+01:00",
    ]


def test_of_five_fields_the_day_of_the_week_is_left_out() -> None:
    assert list(moments("0 2 * * *", at("2026-01-01T00:00"), 2)) == [
        "2026-01-01 00:02:00+00:00",
        "2026-01-01 01:02:00+00:00",
    ]


@pytest.mark.parametrize(
    ("expression", "first"),
    [
        ("@yearly", "2027-01-01 00:00:00"),
        ("@monthly", "2026-06-01 00:00:00"),
        ("@weekly", "2026-05-17 00:00:00"),
        ("@daily", "2026-05-14 00:00:00"),
        ("@hourly", "2026-05-13 11:00:00"),
        ("0 0 9 ? * MON-FRI", "2026-05-14 09:00:00"),
        ("0 0 9 ? * 1", "2026-05-18 09:00:00"),
        ("0 0 0 1 JAN,jul *", "2026-07-01 00:00:00"),
        ("0 0 0 29 2 ?", "2028-02-29 00:00:00"),
        ("30 10/20 * * * *", "2026-05-13 10:30:30"),
        # Either kind of day, where both are said; both, where one is left open.
        ("0 0 0 14 * sat", "2026-05-14 00:00:00"),
        ("0 0 0 */14 * sat", "2026-08-01 00:00:00"),
    ],
)
def test_expressions_mean_what_they_mean_on_a_cluster(expression: str, first: str) -> None:
    assert next(moments(expression, at("2026-05-13T10:17:42"), 1)) == f"{first}+00:00"


def test_a_time_that_never_comes_has_no_moment() -> None:
    times = cron.parse("0 0 0 31 2 *")
    assert isinstance(times, Times)
    assert cron.after(times, at("2026-01-01T00:00"), PARIS) is None


@pytest.mark.parametrize(("text", "seconds"), [("1h30m", 5400), ("90s", 90), ("1.5m", 90), ("20ms", 1), ("26h", 93600)])
def test_a_length_of_time_is_read(text: str, seconds: int) -> None:
    assert cron.parse(f"@every {text}") == seconds


@pytest.mark.parametrize(
    ("expression", "where"),
    [
        ("60 * * * * *", ["second"]),
        ("* 61 24 * * *", ["minute", "hour"]),
        ("0 0 0 0 13 7", ["day of the month", "month", "day of the week"]),
        ("0 0 0 L * *", ["day of the month"]),
        ("0 0 0 * * MON#2", ["day of the week"]),
        ("0 */0 * * * *", ["minute"]),
        ("0 5-1 * * * *", ["minute"]),
        ("0 1-2-3 1/2/3 * * *", ["minute", "hour"]),
        ("0 -5 , * * *", ["minute", "hour"]),
        ("* * * *", ["cron"]),
        ("* * * * * * *", ["cron"]),
        ("", ["cron"]),
        ("@often", ["cron"]),
        ("@every", ["cron"]),
        ("@every 5 minutes", ["cron"]),
        ("@every " + "9" * 400 + "h", ["cron"]),
        ("٣ * * * * *", ["second"]),
    ],
)
def test_every_field_that_is_wrong_is_named(expression: str, where: list[str]) -> None:
    with pytest.raises(UsageError) as refused:
        cron.parse(expression)
    assert [problem.where for problem in refused.value.problems] == where


def test_an_interval_begins_at_its_start_or_one_later_than_what_was() -> None:
    hourly = Periodic(interval=3600)
    assert cron.first(hourly, 1000.5) == 4600
    assert cron.first(Periodic(interval=3600, start=5000), 1000) == 5000
    assert cron.first(Periodic(interval=3600, start=500), 1000) == 4100
    assert cron.following(hourly, 5000, 1000) == 8600
    assert cron.latest(hourly, 4600, 4600 + 3 * 3600 + 17) == 4600 + 3 * 3600


def test_nothing_comes_after_the_end() -> None:
    assert cron.following(Periodic(interval=60, end=150), 60, 0) == 120
    assert cron.following(Periodic(interval=60, end=150), 120, 0) is None
    assert cron.latest(Cron(expression="@hourly", end=8000), 3600, 40_000) == 7200


def test_a_start_that_is_one_of_the_moments_is_the_first() -> None:
    assert cron.first(Cron(expression="@hourly", start=7200), 100) == 7200
    assert cron.first(Cron(expression="@hourly", start=7201), 100) == 10_800
    assert cron.first(Cron(expression="@hourly"), 7200) == 10_800
