"""Twelve searches in a store of 100,000 runs (`crowd` says what is in it), and what their indexes cost a run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks import branches, crowd
from benchmarks.measure import Row, interleaved, timed
from palmette.domain.grammar import parse
from palmette.domain.run import Git, Run, Setting
from palmette.store import database, runs, search
from palmette.store.database import Store
from palmette.store.identity import new_run_id

#: the searches, by name; each is asked for its first 20 runs and for how many there are, up to 1,000
SEARCHES: Final = {
    "and": "branch = main and metric.auc >= 0.9 and config.penalty = l1",
    "or": "tag = champion or config.lr < 2e-5",
    "not": "not (state = succeeded or preset = toy)",
    "sort by metric": "algorithm = tumour sort -metric.auc",
    "text": 'memory "out of"',
    "undefined": "config.warmup is undefined and metric.calibration is defined",
    "relative time": "started > -7d",
    "tag": "tag = champion and state = succeeded",
    "nested": "ticket = IA-1007 and metric.auc.last >= 0.8 and (config.lr < 1e-3 or tag = champion) and started > -90d "
    "sort -metric.auc",
    "range": "metric.loss.min > 0.1 and metric.loss.min <= 0.12 and config.dropout >= 0.2",
    "contains": "branch contains ia-17 and message contains memory",
    "step and data": "step.build_and_fit.duration > 30m and data.fetch_dataset.rows > 9000",
}
_INDEXES: Final = (
    "ix_runs_listed",
    "ix_settings_name_number_run",
    "ix_settings_name_text_run",
    "ix_settings_other",
    "ix_summaries_name_last_low_high_run",
    "ix_tasks_searched",
    "ix_artifacts_searched",
)


def measure(directory: Path, *, quick: bool) -> list[Row]:
    """Each search's median and 95th percentile, beside one look at every config value."""
    count, rounds = (10_000, 7) if quick else (100_000, 21)
    now = time.time()
    store = database.open(directory / "crowd")
    crowd.fill(store, count, now=now)
    whole = statistics.median(timed(lambda: _every_value(store)) for _ in range(5))
    rows = []
    for name, text in SEARCHES.items():
        times, worked = [], []
        for _ in range(rounds):
            before = time.process_time()
            times.append(timed(lambda text=text: _search(store, text, now)))  # type: ignore[misc]
            worked.append(time.process_time() - before)
        middle, late = statistics.median(times), _late(times)
        rows.append(
            Row(
                what=f"search {name!r}, p95 (p50 {middle * 1000:.0f} ms; processor p95 {_late(worked) * 1000:.0f} ms)",
                measured=late,
                against="reading every config value",
                limit=whole,
                budget="100 ms",
                met=late <= 0.1,
            )
        )
    rows.append(_accepting(directory, store, rounds))
    rows.append(branches.measure(directory, store, rounds))
    store.close()
    return rows


def _late(times: Sequence[float]) -> float:
    return sorted(times)[round(0.95 * (len(times) - 1))]


def _search(store: Store, text: str, now: float) -> search.Found:
    return search.find(store, crowd.PROJECT, parse(text, now=now), limit=20)


def _every_value(store: Store) -> None:
    with store.read() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM settings WHERE value = ''").scalar()


def _accepting(directory: Path, store: Store, rounds: int) -> Row:
    """What the indexes of searches cost whoever starts a run."""
    bare = database.open(directory / "bare")
    with bare.write() as connection:
        for index in _INDEXES:
            connection.exec_driver_sql(f"DROP INDEX {index}")

    def accept(place: Store) -> Callable[[], float]:
        return lambda: statistics.median(timed(lambda: runs.create(place, _run())) for _ in range(20))

    found = interleaved(max(3, rounds // 4), {"store": accept(store), "bare": accept(bare)})
    bare.close()
    return Row(
        what="accepting a run of 20 fields, beside all those",
        measured=found["store"],
        against="an empty store without the indexes",
        limit=found["bare"],
    )


def _run() -> Run:
    fields = tuple(Setting(name=f"field_{number}", value=number / 7) for number in range(20))
    git = Git(branch="feature/IA-1742-long", commit="c" * 40, author="A", message="Widen the margin")
    return Run(id=new_run_id(), project=crowd.PROJECT, algorithm="tumour", settings=fields, git=git)
