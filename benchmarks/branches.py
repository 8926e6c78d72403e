"""Which of 500 branches need somebody, in the store of 100,000 runs that searches are measured in."""

from __future__ import annotations

import gc
import statistics
import time
from pathlib import Path
from typing import Any, Final

from sqlalchemy import insert, select

from benchmarks import crowd
from benchmarks.measure import Row, timed
from palmette.blobs import Blobs
from palmette.operations import overviews
from palmette.operations.home import Home
from palmette.store import overviews as rows
from palmette.store.columns import encode
from palmette.store.database import Store
from palmette.store.schema import branches, checks, runs

COUNT: Final = 500
_OUTCOMES: Final = ("better", "worse", "equivalent", "inconclusive")


def measure(directory: Path, store: Store, rounds: int) -> Row:
    """How long the list takes: each branch has a row, and each commit that was run a check of each kind."""
    _fill(store)
    home = Home(directory=directory, project=crowd.PROJECT, store=store, blobs=Blobs(directory / "blobs"))
    times, worked = [], []
    # As `palmette serve` does with what it is made of: what filled the store here is no part of a list.
    gc.collect()
    gc.freeze()
    for _ in range(rounds):
        before = time.process_time()
        times.append(timed(lambda: overviews.branches(home)))
        worked.append(time.process_time() - before)
    gc.unfreeze()
    late, middle = (round(share * (rounds - 1)) for share in (0.95, 0.5))
    times, worked = sorted(times), sorted(worked)
    spent = f"p50 {times[middle] * 1000:.0f} ms; processor p50 {worked[middle] * 1000:.0f} ms"
    whole = statistics.median(timed(lambda: rows.counted(store, crowd.PROJECT)) for _ in range(5))
    return Row(
        what=f"{COUNT} branches by what they need, p95 ({spent})",
        measured=times[late],
        against="counting their runs",
        limit=whole,
        budget="100 ms",
        met=times[late] <= 0.1,
    )


def _fill(store: Store) -> None:
    wanted = (runs.c.id, runs.c.git_branch, runs.c.git_commit, runs.c.algorithm, runs.c.preset, runs.c.created)
    with store.write() as connection:
        made = connection.execute(select(*wanted).where(runs.c.git_branch != "").order_by(runs.c.created)).all()
        heads = {row.git_branch: row.git_commit for row in made}
        heads |= {f"quiet/{number}": f"{number:040x}" for number in range(COUNT - len(heads))}
        connection.execute(insert(branches), [_branch(name, head) for name, head in heads.items()])
        kept = {(row.git_commit, row.algorithm, row.preset == "toy"): row for row in made}
        tried = [_check(row, number) for number, row in enumerate(kept.values())]
        for begin in range(0, len(tried), 1000):
            connection.execute(insert(checks), tried[begin : begin + 1000])


def _branch(name: str, head: str) -> dict[str, object]:
    texts = dict.fromkeys(("experiment", "fork", "merge_request_url"), "")
    ticket = {"kind": "Ticket", "key": "IA-1742", "title": "DOC TYPE"}
    told = {"author": "Ada", "title": "Widen", "merge_request": "7", "tickets": encode([ticket])}
    counts = {"order": 1, "ahead": 3, "behind": 2}
    moments = {"committed": 1.0, "seen": 1.0, "gone": None, "archived": None}
    target = "" if name == "main" else "main"
    return {
        "project": crowd.PROJECT,
        "name": name,
        "head": head,
        "target": target,
        **texts,
        **told,
        **counts,
        **moments,
    }


def _check(row: Any, number: int) -> dict[str, object]:
    toy = row.preset == "toy"
    primary = {"metric": "auc", "head": 0.9, "baseline": 0.8, "difference": 0.1}
    verdict = {"outcome": _OUTCOMES[number % len(_OUTCOMES)], "primary": primary, "baseline": row.id}
    return {
        "project": crowd.PROJECT,
        "commit": row.git_commit,
        "algorithm": row.algorithm,
        "kind": "toy" if toy else "full",
        "variant": "",
        "run": row.id,
        "unchanged": False,
        "branch": row.git_branch,
        "closure": "c" * 64,
        "parts": encode({f"clinic/module_{place}.py": "d" * 64 for place in range(20)}),
        "reason": "",
        "key": row.id,
        "context": "{}",
        "created": row.created,
        "verdict": "{}" if toy else encode(verdict),
        "settled": None,
        "tries": 0,
        "trouble": "",
    }
