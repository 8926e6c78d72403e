"""Macros in parameters."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from palmette.domain.values import Json
from palmette.operations.macros import Moment, expand, formatted

TICK = datetime(2026, 5, 3, 14, 5, 9, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("layout", "text"),
    [
        ("20060102150405", "20260503140509"),
        ("2006-01-02T15:04:05Z07:00", "2026-05-03T14:05:09Z"),
        ("Monday, 2 January 2006, 3:04 PM MST", "Sunday, 3 May 2026, 2:05 PM UTC"),
        ("Mon _2 Jan 06 03h 4m 5s -0700", "Sun  3 May 26 02h 5m 9s +0000"),
        ("002", "123"),
        ("no time", "no time"),
        ("", ""),
    ],
)
def test_a_layout_of_go_is_followed(layout: str, text: str) -> None:
    assert formatted(TICK, layout) == text


def test_every_macro_is_expanded_in_texts_wherever_they_stand() -> None:
    moment = Moment(run="r1", now=TICK + 60, scheduled=TICK, index=7)
    given: Json = {"a": ["[[RunUUID]]/[[Index]]", 5, None], "b": "[[ScheduledTime]] [[CurrentTime.15:04]]"}
    assert expand(given, moment) == {"a": ["r1/7", 5, None], "b": "20260503140509 14:06"}


@pytest.mark.parametrize("text", ["[[ScheduledTime]]", "[[Index]]", "[[Unknown]]", "[[RunUUID.x]]", "[[", "[RunUUID]"])
def test_what_says_nothing_of_this_run_stays(text: str) -> None:
    assert expand(text, Moment(run="r1", now=TICK)) == text


def test_what_an_expansion_gives_is_not_expanded_again() -> None:
    assert expand("[[RunUUID]]", Moment(run="[[Index]]", now=TICK, index=1)) == "[[Index]]"
