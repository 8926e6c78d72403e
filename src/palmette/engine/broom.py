"""What clears away behind a run: nothing waits for it, and it waits until there is nothing else to do."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path


class Broom:
    """Removes directories in a thread of its own.

    Which would take turns with the driver's, call by call, just when that has the next task to start. So what is in the
    way is kept in mind, until somebody is about to wait anyway.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._litter: list[tuple[Callable[[Path], None], Path]] = []

    def later(self, clear: Callable[[Path], None], path: Path) -> None:
        """Clear it in this way, at the next sweep."""
        self._litter.append((clear, path))

    def sweep(self) -> None:
        """Begin with what has come together."""
        litter, self._litter = self._litter, []
        for clear, path in litter:
            self._thread.submit(clear, path)

    def close(self) -> None:
        """Leave once everything is clear."""
        self.sweep()
        self._thread.shutdown()
