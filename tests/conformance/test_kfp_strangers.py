"""Constructs within constructs, handed in by KFP's own client, come to what they mean; each within each other one."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.conformance import kfp_blocks
from tests.conformance.kfp_blocks import WRITABLE, Block
from tests.conformance.stranger import Stranger, stranger, told, why

__all__ = ["stranger"]  # the fixture
pytestmark = pytest.mark.filterwarnings("ignore")
HOLDING = [kind for kind in WRITABLE if kind.holds]
LEAVES = [kind for kind in WRITABLE if not kind.holds]


@pytest.mark.parametrize("outer", HOLDING, ids=lambda kind: kind.__name__)
def test_every_construct_within_this_one_means_what_it_says(
    stranger: Stranger, tmp_path: Path, outer: type[Block]
) -> None:
    name = f"around-{outer.__name__.lower()}"
    means = kfp_blocks.save(tmp_path, name, [kfp_blocks.around(outer)])
    (run,) = stranger.start_all([tmp_path / f"{name}.yaml"]).values()
    ended = stranger.ended(run)
    assert told(ended) == means, why(ended)


def blocks(depth: int) -> st.SearchStrategy[tuple[Block, ...]]:
    """Some blocks, with blocks within them."""
    leaf = st.sampled_from(LEAVES).map(lambda kind: kind())
    if not depth:
        return st.tuples(leaf)
    held = st.tuples(st.sampled_from(HOLDING), blocks(depth - 1)).map(lambda found: found[0](found[1]))
    return st.lists(st.one_of(held, leaf), min_size=1, max_size=2).map(tuple)


NUMBERS = itertools.count()


@settings(
    max_examples=12,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(found=blocks(3))
def test_whatever_is_put_together_means_what_it_says(
    stranger: Stranger, tmp_path: Path, found: tuple[Block, ...]
) -> None:
    name = f"composed-{next(NUMBERS)}"
    means = kfp_blocks.save(tmp_path, name, found)
    (run,) = stranger.start_all([tmp_path / f"{name}.yaml"]).values()
    ended = stranger.ended(run)
    assert told(ended) == means, why(ended)


def test_runs_leave_no_process_no_open_file_and_nothing_in_temporary_places(stranger: Stranger, tmp_path: Path) -> None:
    packages = [tmp_path / f"left-{seed}.yaml" for seed in (3, 9)]
    for seed, package in zip((3, 9), packages, strict=True):
        kfp_blocks.save(tmp_path, package.stem, kfp_blocks.grown(seed))
    # What is made once for all, as connections and locks are, is there after the first ones.
    for run in stranger.start_all(packages).values():
        stranger.ended(run)
    stranger.hosting.until(stranger.idle)
    before = stranger.left()
    for number, package in itertools.product(range(3), packages):
        stranger.start(package, place=str(stranger.place(f"{package.stem}-{number}")))
    stranger.hosting.until(lambda: not stranger.hosting.rows("SELECT 1 FROM runs WHERE ended IS NULL"))
    stranger.hosting.until(stranger.idle)
    stranger.hosting.until(lambda: stranger.left().open <= before.open)
    after = stranger.left()
    assert (after.processes, after.files) == (before.processes, before.files)
