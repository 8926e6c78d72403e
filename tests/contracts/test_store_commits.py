"""First-parent histories in the store, on both databases."""

from __future__ import annotations

from dataclasses import replace

from palmette.domain.lines import Commit, Fork, Start
from palmette.domain.run import Git, Run
from palmette.store import commits
from palmette.store.database import Store


def sha(number: int) -> str:
    return f"{number:040x}"


def history(newest: int, oldest: int, *, cut: bool = False) -> tuple[Commit, ...]:
    """Commits by number, each the child of the one before; a root at 1, or nobody knows the last one's parent."""
    return tuple(
        Commit(sha=sha(each), parent="" if each == 1 or (cut and each == oldest) else sha(each - 1), committed=each)
        for each in range(newest, oldest - 1, -1)
    )


def test_a_history_is_walked_from_any_of_its_commits(store: Store) -> None:
    commits.keep(store, "clinic", history(5, 1))
    assert commits.walk(store, "clinic", sha(3)) == history(3, 1)
    assert commits.walk(store, "clinic", sha(5), limit=2) == history(5, 4)
    assert commits.walk(store, "clinic", sha(9)) == ()
    assert commits.walk(store, "other", sha(3)) == ()


def test_what_several_runs_tell_of_joins(store: Store) -> None:
    commits.keep(store, "clinic", history(3, 1))
    commits.keep(store, "clinic", history(6, 4))
    commits.keep(store, "clinic", history(6, 2))
    assert commits.walk(store, "clinic", sha(6)) == history(6, 1)


def test_a_parent_that_nobody_knew_is_learned_and_one_that_is_known_stays(store: Store) -> None:
    commits.keep(store, "clinic", history(5, 4, cut=True))
    assert commits.walk(store, "clinic", sha(5)) == history(5, 4, cut=True)
    commits.keep(store, "clinic", history(5, 1))
    commits.keep(store, "clinic", history(4, 3, cut=True))
    assert commits.walk(store, "clinic", sha(5)) == history(5, 1)


def test_a_run_is_pushed_with_its_own_commits_and_its_targets(store: Store) -> None:
    commits.keep(store, "clinic", history(5, 1))
    branch = Fork(target="main", start=Start.MERGE_BASE, commit=sha(3))
    run = Run(id="head", project="clinic", algorithm="a", git=Git(commit=sha(5)), fork=branch)
    assert commits.before(store, run) == history(5, 1)
    # Of a branch whose own commits nobody told of, where it left the target is known all the same.
    unknown = replace(run, git=Git(commit=sha(9)))
    assert commits.before(store, unknown) == history(3, 1)
    on_main = replace(run, fork=Fork(target="main", start=Start.FIRST_PARENT, commit=sha(4)))
    assert commits.before(store, on_main) == history(5, 1)
    assert commits.before(store, replace(run, fork=Fork())) == history(5, 1)
    assert commits.before(store, replace(unknown, fork=Fork())) == ()


def test_what_cannot_be_a_history_is_told_from_one() -> None:
    assert commits.plausible(history(3, 1))
    assert not commits.plausible([Commit(sha="main")])
    assert not commits.plausible([Commit(sha=sha(2), parent="--all")])
    assert not commits.plausible(history(2000, 1))
