"""A job remembers which run it begins before it begins it: who looks in between has nothing to report."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.trained import Past, Told

from palmette.ci import settling
from palmette.ci.forge import Forge
from palmette.ci.settling import Settled
from palmette.domain.branches import Check, Kind
from palmette.domain.context import Context
from palmette.errors import UsageError
from palmette.operations import checks
from palmette.operations.inside import Inside

SHA = "c" * 40


def nowhere(_: Context) -> Forge:
    raise UsageError("nobody is to be told")


def test_a_run_that_is_about_to_begin_is_not_one_that_has_ended(tmp_path: Path) -> None:
    past = Past(tmp_path / "home")
    place = Inside(past.home)

    def look(moment: float) -> Settled:
        return settling.settle(place, {}, forge_of=nowhere, now=lambda: moment)

    check = Check(project="clinic", commit=SHA, algorithm="tumour", kind=Kind.FULL, run="chosen", created=1_990.0)
    checks.record(past.home, replace(check, key="mine"))
    assert [each.run for each in look(1_995.0).running] == ["chosen"]
    assert [each.settled for each in checks.of(past.home, SHA)] == [None]

    run = past.add(Told(commit=SHA))
    checks.record(past.home, replace(check, run=run))
    assert [each.run for each in look(1_996.0).done] == [run]

    # Whoever chose it was killed in between, or somebody deleted it.
    checks.record(past.home, replace(check, commit="d" * 40))
    assert [each.run for each in look(1_990.0 + 601).done] == ["chosen"]
    past.home.store.close()
