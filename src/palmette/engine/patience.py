"""Work that may take long, such as hashing what is huge, done while the lease on the run is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from palmette.engine.ports import Bytes, Importer, Referred

T = TypeVar("T")


class Patience:
    """Does work on a thread of its own; whoever waits for it acts now and then."""

    def __init__(self, act: Callable[[], object], every: float) -> None:
        self._act = act
        self._every = every
        self._pool = ThreadPoolExecutor(1)

    def do(self, work: Callable[[], T]) -> T:
        """What the work gives, or raises."""
        future = self._pool.submit(work)
        while not wait([future], timeout=self._every).done:
            self._act()
        return future.result()

    def close(self) -> None:
        """Wait for what is still being done."""
        self._pool.shutdown()


@dataclass(frozen=True)
class PatientBytes:
    """Bytes that are stored and restored with patience."""

    files: Bytes
    patience: Patience

    def put(self, path: Path) -> tuple[str, int]:
        """As `Bytes` has it."""
        return self.patience.do(lambda: self.files.put(path))

    def restore(self, digest: str, path: Path) -> None:
        """As `Bytes` has it."""
        self.patience.do(lambda: self.files.restore(digest, path))


@dataclass(frozen=True)
class PatientImporter:
    """An importer that is waited for with patience."""

    importer: Importer
    patience: Patience

    def refer(self, uri: str) -> Referred:
        """As `Importer` has it."""
        return self.patience.do(lambda: self.importer.refer(uri))

    def fetch(self, uri: str, target: Path) -> None:
        """As `Importer` has it."""
        self.patience.do(lambda: self.importer.fetch(uri, target))


@dataclass(frozen=True)
class PatientInterpreters(Mapping[str, Path]):
    """Interpreters that may have to be built first, which is waited for with patience."""

    interpreters: Mapping[str, Path]
    patience: Patience

    def __getitem__(self, name: str) -> Path:
        return self.patience.do(lambda: self.interpreters[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.interpreters)

    def __len__(self) -> int:
        return len(self.interpreters)
