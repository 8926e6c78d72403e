"""Which tasks come after one, so that a rerun executes them anew."""

from __future__ import annotations

import pytest

from palmette.operations.policy import downstream

NEEDS: dict[str, tuple[str, ...]] = {
    "load": (),
    "split": ("load",),
    "for-loop-1": ("split",),
    "for-loop-1.0": (),
    "for-loop-1.0.fit": (),
    "for-loop-1.1": (),
    "for-loop-1.1.fit": (),
    "best": ("for-loop-1",),
    "count": ("load",),
    "for-loop-10": ("load",),
}


@pytest.mark.parametrize(
    ("names", "after"),
    [
        (["best"], {"best"}),
        (["count"], {"count"}),
        (["for-loop-1.0.fit"], {"for-loop-1.0.fit", "best"}),
        (["for-loop-1"], {name for name in NEEDS if name.startswith("for-loop-1.")} | {"for-loop-1", "best"}),
        (["split"], set(NEEDS) - {"load", "count", "for-loop-10"}),
        (["load"], set(NEEDS)),
    ],
)
def test_a_group_counts_as_all_that_is_in_it(names: list[str], after: set[str]) -> None:
    assert downstream(names, NEEDS) == after
