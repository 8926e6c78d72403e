"""What travels of a recurring run that somebody edits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from palmette.domain.hosting import Catchup, Cron, Periodic, Schedule, Trigger
from palmette.errors import UsageError
from palmette.operations.recurring import Wanted

THERE = Schedule(
    id="s1", name="old", spec="sha256:own", project="ia", created=1.0, updated=2.0, next=3.0, last=2.5, count=7
)
WANTED = replace(
    THERE,
    name="nightly",
    description="Each night",
    experiment="e1",
    pipeline="p1",
    version="v1",
    spec="",
    parameters={"C": 0.1},
    root="s3://bucket",
    service_account="trainer",
    max_concurrency=3,
    catchup=Catchup.LATEST,
    enabled=False,
)


@pytest.mark.parametrize(
    "trigger", [Cron(expression="0 0 3 * * *", start=1.0, end=2.0), Periodic(interval=60, start=1.0, end=2.0)]
)
def test_all_that_can_be_edited_arrives_and_what_the_home_counts_stays(trigger: Trigger) -> None:
    after = replace(WANTED, trigger=trigger)
    assert Wanted.of(after).applied(THERE) == after


def test_a_document_of_its_own_stays_until_a_pipeline_takes_its_place() -> None:
    own = Wanted.of(replace(WANTED, pipeline="", version=""))
    assert own.applied(THERE).spec == "sha256:own"
    assert replace(own, pipeline="p1").applied(THERE).spec == ""


@pytest.mark.parametrize("when", [{}, {"cron": "0 0 3 * * *", "every": 60}])
def test_it_runs_by_a_cron_expression_or_every_so_often(when: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="exactly one of cron and every"):
        Wanted(name="nightly", **when).applied(THERE)  # type: ignore[arg-type]
