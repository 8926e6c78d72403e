"""The home as a host of pipelines: this machine's, or a Palmette server, asked the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeVar

from palmette.domain.hosting import Edit, Experiment, Pipeline, Schedule, Version
from palmette.ir.dialects import Dialect
from palmette.operations import edits, hosting, recurring
from palmette.operations.hosts import HostedRun, Order
from palmette.operations.places import Place
from palmette.operations.recurring import Wanted
from palmette.operations.remote import There

HERE: Final = "this machine"

T = TypeVar("T")


@dataclass(frozen=True)
class PlacedHost:
    """A home, wherever it is. Looking makes nothing: what was never made has no pipelines."""

    place: Place
    dialect: Dialect = Dialect.PALMETTE

    @property
    def called(self) -> str:
        """The server's name, or this machine."""
        return self.place.connection.server.called if isinstance(self.place, There) else HERE

    @property
    def pages(self) -> str:
        """The server's address; this machine's home has none."""
        return self.place.connection.server.url if isinstance(self.place, There) else ""

    @cached_property
    def pipelines(self) -> PlacedPipelines:
        """Pipelines and their versions."""
        return PlacedPipelines(self.place)

    @cached_property
    def experiments(self) -> PlacedExperiments:
        """What runs are filed under."""
        return PlacedExperiments(self.place)

    @cached_property
    def runs(self) -> PlacedRuns:
        """One-off runs, which servers of the home execute."""
        return PlacedRuns(self.place)

    @cached_property
    def schedules(self) -> PlacedSchedules:
        """Recurring runs, which servers of the home start."""
        return PlacedSchedules(self.place)

    def claim(self, project: str) -> str:
        """What precedes the project's names, settled for ever."""
        return self.place.begun()(hosting.claim, project)

    def prefix(self, project: str) -> str:
        """What `claim` would give."""
        return self.place(hosting.prefix, project) if project and self.place.there else ""


def _every(place: Place, listing: Callable[..., Any], *values: Any, **named: Any) -> Iterator[Any]:
    """All of a list that comes in parts."""
    start = ""
    while place.there:
        part = place(listing, *values, **named, start=start)
        yield from part.items
        start = part.following
        if not start:
            return


def _one(found: Iterator[T]) -> T | None:
    return next(found, None)


@dataclass(frozen=True)
class PlacedPipelines:
    """`hosts.Pipelines` of a home."""

    place: Place

    def listed(self) -> Iterator[Pipeline]:
        """In the order in which they were made."""
        return _every(self.place, hosting.list_pipelines)

    def named(self, name: str) -> Pipeline | None:
        """The one of exactly this name."""
        return _one(_every(self.place, hosting.list_pipelines, name=name)) if name else None

    def create(self, name: str, *, description: str) -> Pipeline:
        """Made, or found."""
        return self.place.begun()(hosting.create_pipeline, name, description)

    def versions(self, pipeline: str) -> Iterator[Version]:
        """The newest first."""
        return _every(self.place, hosting.list_versions, pipeline)

    def version(self, pipeline: str, name: str) -> Version | None:
        """The one of exactly this name."""
        return _one(_every(self.place, hosting.list_versions, pipeline, name=name)) if name else None

    def add(self, pipeline: str, name: str, document: bytes, *, description: str) -> Version:
        """Uploaded as text."""
        text = document.decode(errors="replace")
        return self.place.begun()(hosting.add_version, pipeline, name, text, description=description)

    def document(self, version: Version) -> bytes:
        """As JSON."""
        return self.place(hosting.document_of, version.pipeline, version.id).encode()

    def remove(self, pipeline: str, version: str = "") -> None:
        """Deleted; runs stay."""
        if version:
            self.place(hosting.remove_version, pipeline, version)
        else:
            self.place(hosting.remove_pipeline, pipeline)


@dataclass(frozen=True)
class PlacedExperiments:
    """`hosts.Experiments` of a home."""

    place: Place

    def listed(self) -> Iterator[Experiment]:
        """In the order in which they were made."""
        return _every(self.place, hosting.list_experiments)

    def named(self, name: str) -> Experiment | None:
        """The one of exactly this name."""
        return _one(_every(self.place, hosting.list_experiments, name=name)) if name else None

    def create(self, name: str, *, description: str) -> Experiment:
        """Made, or found."""
        return self.place.begun()(hosting.create_experiment, name, description)

    def describe(self, id: str, description: str) -> bool:
        """Always possible here."""
        self.place(hosting.describe_experiment, id, description)
        return True

    def rename(self, id: str, name: str) -> bool:
        """Always possible here."""
        self.place(hosting.rename_experiment, id, name)
        return True

    def archive(self, id: str) -> None:
        """With its runs; its recurring runs are disabled."""
        self.place(hosting.archive_experiment, id)

    def unarchive(self, id: str) -> None:
        """Without its runs."""
        self.place(hosting.unarchive_experiment, id)


@dataclass(frozen=True)
class PlacedRuns:
    """`hosts.Runs` of a home."""

    place: Place

    def begin(self, order: Order) -> HostedRun:
        """Accepted for the servers of the home."""
        return self.place.begun()(hosting.begin_run, order)

    def get(self, id: str) -> HostedRun:
        """NotFound if there is none."""
        return self.place(hosting.hosted_run, id)

    def listed(self, experiment: str = "") -> Iterator[HostedRun]:
        """The newest first."""
        return _every(self.place, hosting.list_runs, experiment)

    def cancel(self, id: str) -> None:
        """Ended as soon as its driver hears of it."""
        self.place(hosting.cancel_run, id)


@dataclass(frozen=True)
class PlacedSchedules:
    """`hosts.Schedules` of a home, which edits them in place."""

    place: Place

    def listed(self) -> Iterator[Schedule]:
        """In the order in which they were made."""
        return _every(self.place, recurring.list_schedules)

    def create(self, wanted: Schedule) -> Schedule:
        """All that is wrong is said at once."""
        return self.place.begun()(recurring.create, Wanted.of(wanted))

    def replace(self, before: Schedule, after: Schedule, *, author: str = "", why: str = "") -> Schedule:
        """Edited in place; identifier, ticks and runs stay."""
        said = {"expected": edits.mark(before), "author": author, "why": why}
        return self.place(recurring.edit, before.id, Wanted.of(after), **said)

    def history(self, schedule: Schedule) -> tuple[Edit, ...]:
        """The newest first."""
        return self.place(recurring.history, schedule.id)

    def ticks(self, schedule: Schedule, count: int) -> tuple[float, ...]:
        """In the home's time zone."""
        return self.place(recurring.ticks, schedule.id, count)

    def switch(self, id: str, *, enabled: bool) -> None:
        """Enabled or disabled."""
        self.place(recurring.switch, id, enabled)

    def fire(self, schedule: Schedule) -> HostedRun:
        """A run now."""
        return self.place(recurring.fire, schedule.id)

    def remove(self, id: str) -> None:
        """Deleted; its runs stay."""
        self.place(recurring.delete, id)
