"""Where runs are looked at and changed: in the project's own home, or on a server. The verbs are the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Concatenate, ParamSpec, Protocol, TypeVar

from palmette.operations import reading
from palmette.operations.home import Home, known_home, make_home, no_runs, open_home
from palmette.operations.project import Project
from palmette.operations.reading import Fetched

P = ParamSpec("P")
T = TypeVar("T")


class Place(Protocol):
    """Where verbs are carried out: ``place(reading.show, "last")``."""

    def __call__(self, operation: Callable[Concatenate[Home, P], T], *values: P.args, **named: P.kwargs) -> T:
        """What the operation gives there; errors are raised here as they are there."""
        ...

    @property
    def there(self) -> bool:
        """Whether anything was ever kept there. Where nothing was, a list is empty, and the rest is an error."""
        ...

    @property
    def project(self) -> str:
        """The project whose runs are meant; empty for all of them."""
        ...

    def fetch(
        self, ref: str, name: str, *, destination: Path | None, directory: Path, replace: bool = False
    ) -> Fetched:
        """A copy of an artifact that is there, as `reading.fetch` makes it."""
        ...

    def every(self) -> Place:
        """The same place, with the runs of all projects."""
        ...

    def begun(self) -> Place:
        """The same place, made if it is not there yet."""
        ...

    def nothing(self, what: str = "runs") -> str:
        """What a list says where there are none."""
        ...


@dataclass(frozen=True)
class Here:
    """The project's own home."""

    of: Project
    all_projects: bool = False
    make: bool = False

    def __call__(self, operation: Callable[Concatenate[Home, P], T], *values: P.args, **named: P.kwargs) -> T:
        """Call the operation."""
        return operation(self.home, *values, **named)

    @cached_property
    def home(self) -> Home:
        """The home, open; NotFound where nothing was ever run."""
        return self._scoped(make_home(self.of) if self.make else open_home(self.of))

    @property
    def there(self) -> bool:
        """Whether there is a store."""
        return known_home(self.of) is not None

    @property
    def project(self) -> str:
        """The project's name, unless all are meant."""
        return "" if self.all_projects else self.of.name

    def fetch(
        self, ref: str, name: str, *, destination: Path | None, directory: Path, replace: bool = False
    ) -> Fetched:
        """Copy it out of the home."""
        return reading.fetch(self.home, ref, name, destination=destination, directory=directory, replace=replace)

    def every(self) -> Here:
        """With the runs of all projects that use this home."""
        return replace(self, all_projects=True)

    def begun(self) -> Here:
        """Made if it is not there; the same each time, since opening a store takes longer than asking it."""
        return self if self.make else self._made

    @cached_property
    def _made(self) -> Here:
        return replace(self, make=True)

    def nothing(self, what: str = "runs") -> str:
        """Where there are none, if the user named the place."""
        return no_runs(self.of, what)

    def _scoped(self, home: Home) -> Home:
        return replace(home, project=self.project)
