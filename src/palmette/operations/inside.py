"""A home that is open already, as the place where verbs are carried out: a server's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

from palmette.operations import reading
from palmette.operations.home import Home
from palmette.operations.reading import Fetched

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Inside:
    """A home, with the runs of its project. Satisfies `places.Place`."""

    home: Home

    def __call__(self, operation: Callable[Concatenate[Home, P], T], *values: P.args, **named: P.kwargs) -> T:
        """Call the operation."""
        return operation(self.home, *values, **named)

    @property
    def there(self) -> bool:
        """It is open."""
        return True

    @property
    def project(self) -> str:
        """The project whose runs are meant; empty for all."""
        return self.home.project

    def fetch(
        self, ref: str, name: str, *, destination: Path | None, directory: Path, replace: bool = False
    ) -> Fetched:
        """Copy it out of the home."""
        return reading.fetch(self.home, ref, name, destination=destination, directory=directory, replace=replace)

    def every(self) -> Inside:
        """With the runs of all projects."""
        return Inside(replace(self.home, project=""))

    def begun(self) -> Inside:
        """As it is."""
        return self

    def nothing(self, what: str = "runs") -> str:
        """No more than that."""
        return f"No {what} yet."
