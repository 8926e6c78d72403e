"""A store of many runs, made quickly and the same every time: what searches are measured in.

Of `count` runs (seed 3), spread evenly over the two years before `now`:

| what | how it is spread |
| --- | --- |
| algorithm | tumour 40 %, progression 30 %, digits 20 %, doc_type 10 % |
| branch | main 30 %; else one of 400, `feature/IA-NUMBER-WORD-WORD`, the first ones far more often (1/rank) |
| commit, author | 20,000 commits; 12 authors |
| preset, state | full 60 %, toy 40 %; succeeded 88 %, failed 9 %, canceled 2 %, running 1 % |
| config | 20 fields: 8 numbers, 4 whole numbers, 5 choices, 2 flags, `warmup` in every second run alone |
| metrics | 10, each with last, min and max; `calibration` in every fifth run alone; failed runs have none |
| tags | candidate 5 %, baseline 1 %, champion 0.2 % |
| words | a commit's message of 4 to 9 words of 2,000 (1/rank), a note on 5 %, a message on each failure |
| steps | 4 tasks with an artifact each; fetching is reused in every second run, and yields one of 300 tables |

The points of metrics are left out: a search reads their summaries. Everything is written below the indexes' feet: they
are dropped first and made again in the end.
"""

from __future__ import annotations

import bisect
import hashlib
import itertools
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Connection, Index

from palmette.store import schema
from palmette.store.database import Store
from palmette.store.texts import folded

SEED: Final = 3
PROJECT: Final = "clinic"
_YEARS: Final = 2 * 365 * 86_400.0
_BATCH: Final = 2_000
_STEPS: Final = ("fetch_dataset", "build_and_fit", "evaluate_model", "report")
_FAILURES: Final = ("MemoryError: out of memory", "ValueError: Input contains NaN", "TimeoutError: read timed out")
_SYLLABLES: Final = ["ba", "de", "fi", "go", "lu", "ma", "ne", "pi", "ro", "su", "ta", "ve", "wi", "zo"]
_METRICS: Final = ("auc", "accuracy", "loss", "f1", "precision", "recall", "brier", "ece", "specificity", "calibration")


def fill(store: Store, count: int, *, now: float, seed: int = SEED) -> None:
    """Write so many runs into an empty store."""
    crowd = _Crowd(random.Random(seed), now, count)
    with store.write() as connection:
        indexes = _indexes(connection)
        for index in indexes:
            index.drop(connection)
        connection.execute(schema.projects.insert(), {"name": PROJECT, "created": now - _YEARS})
        for batch in itertools.batched(range(count), _BATCH) if hasattr(itertools, "batched") else _batches(count):
            rows: dict[str, list[dict[str, Any]]] = {}
            for number in batch:
                for table, row in crowd.run(number):
                    rows.setdefault(table, []).append(row)
            for table, found in rows.items():
                _write(connection, table, found)
        for index in indexes:
            index.create(connection)
    with store.write() as connection:
        connection.exec_driver_sql("ANALYZE" if connection.dialect.name == "postgresql" else "SELECT 1")


def _batches(count: int) -> Iterator[range]:
    return (range(begin, min(begin + _BATCH, count)) for begin in range(0, count, _BATCH))


def _indexes(connection: Connection) -> list[Index]:
    """The indexes that this database has, in the same order every time."""
    dialect = connection.dialect.name
    found = []
    for table in schema.metadata.sorted_tables:
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            condition = getattr(index, "_ddl_if", None)
            if condition is None or condition.dialect == dialect:
                found.append(index)
    return found


def _write(connection: Connection, table: str, rows: Sequence[dict[str, Any]]) -> None:
    """Rows that all have the same columns, as fast as the database takes them."""
    names = list(rows[0])
    columns = ", ".join(f'"{name}"' for name in names)
    cursor = connection.connection.cursor()
    if connection.dialect.name == "postgresql":
        with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:  # type: ignore[attr-defined]
            for row in rows:
                copy.write_row(list(row.values()))
        return
    marks = ", ".join("?" * len(names))
    cursor.executemany(f"INSERT INTO {table} ({columns}) VALUES ({marks})", [tuple(row.values()) for row in rows])


@dataclass
class _Zipf:
    """Draws places of a list, the first ones far more often."""

    count: int
    totals: list[float] = field(init=False)

    def __post_init__(self) -> None:
        self.totals = list(itertools.accumulate(1 / rank for rank in range(1, self.count + 1)))

    def draw(self, chance: random.Random) -> int:
        return bisect.bisect(self.totals, chance.random() * self.totals[-1])


class _Crowd:
    """The rows of each run."""

    def __init__(self, chance: random.Random, now: float, count: int) -> None:
        self._chance, self._now, self._count = chance, now, count
        vocabulary = sorted({"".join(chance.choices(_SYLLABLES, k=chance.randint(2, 4))) for _ in range(2_400)})
        chance.shuffle(vocabulary)
        self._words = vocabulary[:2_000]
        self._word, self._branch = _Zipf(len(self._words)), _Zipf(400)
        self._branches = [f"feature/IA-{1_000 + 7 * n}-{self._said(2, '-')}" for n in range(400)]
        self._commits = [chance.randbytes(20).hex() for _ in range(20_000)]
        self._authors = [f"{name} <{name}@clinic.example>" for name in self._words[100:112]]
        self._tables = [
            (f"sha256:{hashlib.sha256(b'%d' % n).hexdigest()}", chance.randint(500, 10_000)) for n in range(300)
        ]

    def _said(self, count: int, between: str = " ") -> str:
        return between.join(self._words[self._word.draw(self._chance)] for _ in range(count))

    def run(self, number: int) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every row of a run, with its table."""
        chance = self._chance
        id = f"{chance.getrandbits(60):012x}"[:9] + f"{number:06x}"[-6:]
        created = self._now - _YEARS * (1 - number / self._count) + chance.random() * 100
        state = chance.choices(("SUCCEEDED", "FAILED", "CANCELED", "RUNNING"), (88, 9, 2, 1))[0]
        took = chance.lognormvariate(6, 1.2)
        row = self._row(id, created, state, took)
        yield "runs", row
        said = (row["name"], row["note"], row["git_message"], row["message"], row["ticket"])
        yield "texts", {"run": id, "text": folded("\n".join(filter(None, said)))}
        yield from self._config(id, number)
        if state in ("SUCCEEDED", "RUNNING"):
            yield from self._metrics(id, number, created)
        for tag, share in (("candidate", 0.05), ("baseline", 0.01), ("champion", 0.002)):
            if chance.random() < share:
                yield "tags", {"run": id, "tag": tag}
        yield from self._steps(id, created, state, took)

    def _row(self, id: str, created: float, state: str, took: float) -> dict[str, Any]:
        chance = self._chance
        branch = "main" if chance.random() < 0.3 else self._branches[self._branch.draw(chance)]
        algorithm = chance.choices(("tumour", "progression", "digits", "doc_type"), (40, 30, 20, 10))[0]
        texts = dict.fromkeys(
            ("description", "git_diff", "lock", "lock_digest", "version", "sweep", "origin", "host_name"), ""
        )
        return {
            **texts,
            **dict.fromkeys(("bundle", "environment"), hashlib.sha256(branch.encode()).hexdigest()),
            "id": id,
            "project": PROJECT,
            "algorithm": algorithm,
            "state": state,
            "name": algorithm,
            "preset": "full" if chance.random() < 0.6 else "toy",
            "metrics": json.dumps(
                [{"kind": "MetricSpec", "name": "auc", "goal": "max", "primary": True, "tolerance": 0.005}]
            ),
            "git_branch": branch,
            "git_commit": chance.choice(self._commits),
            "git_author": chance.choice(self._authors),
            "git_message": self._said(chance.randint(4, 9)),
            "git_committed": created - 60,
            "git_dirty": chance.random() < 0.1,
            "python": "3.11.7",
            "implementation": "cpython",
            "platform": "linux-x86_64-glibc",
            "executable": "/opt/clinic/.venv/bin/python",
            "spec": f"sha256:{hashlib.sha256(algorithm.encode()).hexdigest()}",
            "trigger": "ci" if branch == "main" else "cli",
            "tokens": "{}",
            "refresh": False,
            "created": created,
            "started": created + 1,
            "ended": None if state == "RUNNING" else created + 1 + took,
            "message": chance.choice(_FAILURES) if state == "FAILED" else "",
            "note": self._said(6) if chance.random() < 0.05 else "",
            "epoch": 1,
            "ticket": branch[8:15] if branch != "main" else "",
        }

    def _config(self, id: str, number: int) -> Iterator[tuple[str, dict[str, Any]]]:
        chance = self._chance
        values: dict[str, Any] = {
            "lr": 10 ** chance.uniform(-5, -1),
            "C": chance.choice((0.01, 0.1, 1.0, 10.0, 100.0)),
            **{f"weight_{letter}": chance.random() for letter in "abcde"},
            "dropout": chance.choice((0.0, 0.1, 0.2, 0.3, 0.5)),
            "epochs": chance.choice((5, 10, 20, 50, 100)),
            "batch": 2 ** chance.randint(3, 9),
            "seed": chance.randint(0, 999),
            "depth": chance.randint(2, 12),
            "penalty": chance.choice(("l1", "l2", "elasticnet")),
            "optimizer": chance.choice(("adam", "sgd", "adamw")),
            "dataset": f"{chance.choice(self._words[:50])}.parquet",
            "scaler": chance.choice(("standard", "robust", "none")),
            "solver": chance.choice(("lbfgs", "saga")),
            "augment": chance.random() < 0.5,
            "balanced": chance.random() < 0.2,
        }
        if number % 2:
            values["warmup"] = chance.randint(1, 10)
        for position, name in enumerate(sorted(values)):
            value = values[name]
            yield (
                "settings",
                {
                    "run": id,
                    "name": name,
                    "position": position,
                    "value": json.dumps(value),
                    "number": None if isinstance(value, str) else float(value),
                    "text": value if isinstance(value, str) else None,
                    "source": "default",
                    "origin": "",
                },
            )

    def _metrics(self, id: str, number: int, time: float) -> Iterator[tuple[str, dict[str, Any]]]:
        for name in sorted(_METRICS if number % 5 == 0 else _METRICS[:-1]):
            last = self._chance.betavariate(8, 2)
            value = 1 - last if name in ("loss", "brier", "ece") else last
            yield (
                "summaries",
                {
                    "run": id,
                    "name": name,
                    "task": "evaluate-model",
                    "serial": 1,
                    "points": 20,
                    "last": value,
                    "step": 19,
                    "low": value * self._chance.uniform(0.5, 1),
                    "high": min(1.0, value * self._chance.uniform(1, 1.5)),
                    "time": time,
                },
            )

    def _steps(self, id: str, created: float, state: str, took: float) -> Iterator[tuple[str, dict[str, Any]]]:
        chance, begun = self._chance, created + 1
        broken = chance.randrange(len(_STEPS)) if state != "SUCCEEDED" else len(_STEPS)
        digest, rows = chance.choice(self._tables)
        for position, (step, share) in enumerate(zip(_STEPS, (0.1, 0.7, 0.15, 0.05), strict=True)):
            cached = position == 0 and chance.random() < 0.5
            become = "CACHED" if cached else "SUCCEEDED"
            became = become if position < broken else state if position == broken else "SKIPPED"
            name, ended = step.replace("_", "-"), begun + share * took
            made = became in ("SUCCEEDED", "CACHED")
            ran = made or became in ("FAILED", "RUNNING", "CANCELED")
            yield (
                "tasks",
                {
                    "run": id,
                    "name": name,
                    "position": position,
                    "project": PROJECT,
                    "state": became,
                    "executor": f"exec-{name}",
                    "component": step,
                    "needs": "[]",
                    "fingerprint": chance.randbytes(32).hex(),
                    "made": ended if made else None,
                    "started": begun if ran else None,
                    "ended": None if became == "RUNNING" else ended,
                    "message": "",
                },
            )
            begun = ended
            if made:
                other = f"sha256:{chance.randbytes(32).hex()}"
                table = {"format": "parquet", "rows": rows} if position == 0 else {"format": "joblib"}
                yield (
                    "artifacts",
                    {
                        "run": id,
                        "task": name,
                        "name": "output",
                        "position": 0,
                        "type": "system.Dataset" if position == 0 else "system.Artifact",
                        "digest": digest if position == 0 else other,
                        "size": rows * 200,
                        "filename": "output.parquet",
                        "metadata": json.dumps(table),
                        "uri": "",
                        "rows": rows if position == 0 else None,
                    },
                )
