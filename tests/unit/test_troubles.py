"""A run whose drivers die is given up in the end; one that only waits for its store never is."""

from __future__ import annotations

import signal

from palmette.operations.troubles import BROKEN, DONE, NOT_NOW, Troubles


def test_a_store_that_cannot_be_used_for_a_day_is_no_run_s_end() -> None:
    troubles, now = Troubles(), 0.0
    while now < 86_400:
        troubles.note("run", NOT_NOW, now)
        now += 30
    assert not troubles.hopeless("run")
    assert troubles.over("run", now)


def test_a_driver_with_errors_is_tried_less_often_and_then_given_up() -> None:
    troubles = Troubles()
    for _ in range(4):
        troubles.note("run", BROKEN, 0.0)
    assert not troubles.hopeless("run")
    assert not troubles.over("run", 0.3)
    assert troubles.over("run", 0.5)
    troubles.note("run", BROKEN, 0.5)
    assert troubles.hopeless("run")


def test_a_driver_that_is_killed_again_and_again_is_given_up_unless_one_comes_through() -> None:
    troubles = Troubles()
    for run in ("unlucky", "lucky"):
        for _ in range(19):
            troubles.note(run, -signal.SIGKILL, 0.0)
    troubles.note("lucky", DONE, 0.0)
    for run in ("unlucky", "lucky"):
        troubles.note(run, -signal.SIGKILL, 0.0)
    assert troubles.hopeless("unlucky")
    assert not troubles.hopeless("lucky")


def test_a_run_that_others_drove_meanwhile_is_forgotten() -> None:
    troubles = Troubles()
    for _ in range(20):
        troubles.note("run", -signal.SIGKILL, 0.0)
    troubles.note("another", NOT_NOW, 3_600.0)
    assert not troubles.hopeless("run")
