"""What people name on a host of pipelines: an algorithm, a branch, a commit, the beginning of an identifier."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final, TypeVar

from palmette.domain.footer import split
from palmette.domain.hosting import Edit, Experiment, Pipeline, Schedule, Version
from palmette.domain.values import Json
from palmette.errors import NotFound, UsageError
from palmette.operations.hosts import PipelineHost
from palmette.operations.project import Project
from palmette.operations.scopes import Names, owner

T = TypeVar("T", Pipeline, Version, Experiment, Schedule)

#: characters of an identifier, of a commit, that name something
_FEWEST: Final = 4
_SHOWN: Final = 6
#: fields of a recurring run that name another object by its identifier
_REFERRING: Final = ("version", "experiment")


@dataclass(frozen=True, kw_only=True)
class Looked:
    """A host, as a project looks at it."""

    host: PipelineHost
    names: Names
    #: whether a project looks; without one, all objects are meant by their names on the host
    scoped: bool

    @classmethod
    def at(cls, host: PipelineHost, project: Project | None) -> Looked:
        """As the project of the directory does, if there is one."""
        name = project.name if project else ""
        return cls(host=host, names=Names(prefix=host.prefix(name), project=name), scoped=bool(project))

    def claimed(self) -> Looked:
        """The same, with its names settled: before its first object is made."""
        if not self.scoped:
            return self
        name = self.names.project
        return replace(self, names=Names(prefix=self.host.claim(name), project=name))

    # Lists

    def pipelines(self, *, every: bool) -> list[Pipeline]:
        """The project's pipelines, else all."""
        found = self.host.pipelines.listed()
        return [each for each in found if every or not self.scoped or self.names.algorithm(each) is not None]

    def experiments(self, *, every: bool) -> list[Experiment]:
        """The experiments of the project's branches, else all."""
        found = self.host.experiments.listed()
        return [each for each in found if every or not self.scoped or self._own(each)]

    def schedules(self, *, every: bool) -> list[Schedule]:
        """The recurring runs of the project, else all: those that say so, and those of its pipelines."""
        found = list(self.host.schedules.listed())
        if every or not self.scoped:
            return found
        own = {each.id for each in self.pipelines(every=False)}
        return [each for each in found if self._own(each) or each.pipeline in own]

    def _own(self, thing: Experiment | Schedule) -> bool:
        return "names" not in split(thing.description)[1] and owner(thing) == self.names.project

    # One of them

    def pipeline(self, said: str) -> Pipeline:
        """An algorithm's pipeline, or the one of that name or identifier; NotFound says which there are."""
        for name in dict.fromkeys([self.names.pipeline(said), said]):
            if (found := self.host.pipelines.named(name)) is not None:
                return found
        there = self.pipelines(every=True)
        return self._by_id("pipeline", said, there, [self.names.algorithm(each) or each.name for each in there])

    def version(self, pipeline: Pipeline, said: str) -> Version:
        """The version of that name, of that commit, or of that identifier; the newest for "newest"."""
        if said == "newest":
            return self.newest(pipeline)
        if (found := self.host.pipelines.version(pipeline.id, said)) is not None:
            return found
        there = list(self.host.pipelines.versions(pipeline.id))
        if len(said) >= _FEWEST:
            for each in there:
                if str(split(each.description)[1].get("commit", "")).startswith(said):
                    return each
        return self._by_id(f"version of {pipeline.name}", said, there, [each.name for each in there])

    def newest(self, pipeline: Pipeline, branch: str = "") -> Version:
        """The version that it was given last, of a branch if one is said; NotFound if there is none."""
        for each in self.host.pipelines.versions(pipeline.id):
            if not branch or split(each.description)[1].get("branch") == branch:
                return each
        of = f" of the branch {branch}" if branch else ""
        raise NotFound(f"{pipeline.name} has no version{of}", "Upload one: palmette ci update, or pipeline upload.")

    def versions(self, pipeline: Pipeline, branch: str = "") -> list[Version]:
        """Its versions, the newest first, or those of a branch."""
        found = self.host.pipelines.versions(pipeline.id)
        return [each for each in found if not branch or split(each.description)[1].get("branch") == branch]

    def version_name(self, schedule: Schedule) -> str:
        """What the version of a recurring run is called; its identifier where it is gone, nothing for the newest."""
        if not schedule.version:
            return ""
        found = self.host.pipelines.versions(schedule.pipeline)
        try:
            return next((each.name for each in found if each.id == schedule.version), schedule.version)
        except NotFound:
            return schedule.version

    def experiment_name(self, schedule: Schedule) -> str:
        """What the experiment of a recurring run is called; its identifier where it is gone."""
        found = self.host.experiments.listed()
        return next((each.name for each in found if each.id == schedule.experiment), schedule.experiment)

    def experiment(self, said: str) -> Experiment:
        """A branch's experiment, or the one of that name or identifier."""
        for name in dict.fromkeys([self.names.experiment(said), said]):
            found = self.host.experiments.named(name)
            if found is not None:
                return found
        there = list(self.host.experiments.listed())
        for each in there:
            # One that somebody renamed, or whose branch's name is too long for a name.
            if self.scoped and self.names.branch(each) == said:
                return each
        return self._by_id("experiment", said, there, [self.names.branch(each) or each.name for each in there])

    def schedule(self, said: str) -> Schedule:
        """The recurring run of that name or identifier, the project's own before others'; UsageError where several are
        called so."""
        there = self.schedules(every=True)
        named = self.namesakes(said) or [each for each in there if each.name == said]
        if len(named) > 1:
            ids = ", ".join(each.id for each in named)
            raise UsageError(f"{len(named)} recurring runs are called {said!r}", f"Name one by its identifier: {ids}.")
        return named[0] if named else self._by_id("recurring run", said, there, [each.name for each in there])

    def readable(self, schedule: Schedule, edits: Sequence[Edit]) -> list[Edit]:
        """The edits of a recurring run with the names of versions and experiments for their identifiers, where they
        are there still."""
        touched = {name for each in edits for name in (*each.before, *each.after)}
        names: dict[str, str] = {}
        if "version" in touched:
            with suppress(NotFound):
                names |= {each.id: each.name for each in self.host.pipelines.versions(schedule.pipeline)}
        if "experiment" in touched:
            names |= {each.id: each.name for each in self.host.experiments.listed()}

        def told(side: Mapping[str, Json]) -> dict[str, Json]:
            return {name: names.get(str(value), value) if name in _REFERRING else value for name, value in side.items()}

        return [replace(each, before=told(each.before), after=told(each.after)) for each in edits]

    def namesakes(self, name: str) -> list[Schedule]:
        """The project's recurring runs of that name: a host lets several be called the same."""
        return [each for each in self.schedules(every=False) if each.name == name]

    def _by_id(self, noun: str, said: str, there: Sequence[T], names: Sequence[str]) -> T:
        found = [each for each in there if each.id == said or (len(said) >= _FEWEST and each.id.startswith(said))]
        if len(found) == 1:
            return found[0]
        if found:
            raise UsageError(f"{said!r} begins {len(found)} identifiers", "Say more of it.")
        raise NotFound(f"{self.host.called} has no {noun} {said!r}", _alike(said, names))


def _alike(said: str, names: Iterable[str]) -> str:
    known = list(dict.fromkeys(names))
    if not known:
        return "There is none yet."
    close = get_close_matches(said, known, n=3)
    if close:
        return f"Did you mean {' or '.join(close)}?"
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return f"There are: {', '.join(known[:_SHOWN])}{more}."
