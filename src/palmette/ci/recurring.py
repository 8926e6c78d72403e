"""Recurring runs that follow a branch: each is pointed at the new version, with what people edited there."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from palmette.domain.context import Context
from palmette.domain.footer import signed, split
from palmette.domain.hosting import Schedule, Version
from palmette.errors import Conflict, NotFound, Temporary
from palmette.operations import branches
from palmette.operations.following import follows, merge
from palmette.operations.hosts import PipelineHost
from palmette.operations.places import Place
from palmette.operations.updates import Followed, Uploaded

#: How often somebody may be quicker before it is given up for now.
_TRIES: Final = 20
_BY: Final = "palmette ci update"


@dataclass
class Moves:
    """The recurring runs of a host, and the versions that they are pointed at."""

    host: PipelineHost
    project: str
    context: Context
    #: pipeline → the version that is new, and its document
    targets: Mapping[str, tuple[Uploaded, bytes]]
    #: called before each change; may raise
    pause: Callable[[], None] = lambda: None
    _versions: dict[str, dict[str, Version]] = field(default_factory=dict)
    _documents: dict[str, bytes | None] = field(default_factory=dict)

    def schedules(self) -> list[Schedule]:
        """Those of the pipelines that were updated; of another branch than the default one, those that name it."""
        found = [each for each in self.host.schedules.listed() if each.pipeline in self.targets]
        return found if self.context.on_default else [each for each in found if self._named(each)]

    def decided(self, schedule: Schedule) -> tuple[Followed, Schedule | None]:
        """What becomes of a recurring run; what it is to be, where that is something else than it is."""
        target, text = self.targets[schedule.pipeline]
        version = self.version(schedule)
        had = version.name if version else ""
        said = Followed(id=schedule.id, name=schedule.name, before=had, version=had, paused=not schedule.enabled)
        if why := follows(schedule, version, self.context.branch, self.project):
            return replace(said, why=why), None
        if target.version and schedule.version == target.version:
            return said, None
        if why := self._later(version):
            return replace(said, why=why), None
        merged = merge(schedule.parameters, self.document(version), text)
        if merged.why:
            return replace(said, why=f"{target.name} does not take its parameters: {merged.why}"), None
        own, facts = split(schedule.description)
        after = replace(
            schedule,
            version=target.version,
            parameters=merged.parameters,
            description=signed(own, {**facts, "project": self.project, "follows": self.context.branch}),
        )
        pinned = (
            "" if schedule.version else "it took the newest version, which may be another branch's: now it is pinned"
        )
        return replace(said, moved=True, version=target.name, defaults=merged.followed, why=pinned), after

    def version(self, schedule: Schedule) -> Version | None:
        """The version that it has; None for the newest, or one that is gone."""
        if not schedule.version:
            return None
        if schedule.pipeline not in self._versions:
            listed = self.host.pipelines.versions(schedule.pipeline)
            self._versions[schedule.pipeline] = {each.id: each for each in listed}
        return self._versions[schedule.pipeline].get(schedule.version)

    def document(self, version: Version | None) -> bytes | None:
        """The document of a version; None for none, and for one whose document is gone."""
        if version is None:
            return None
        if version.id not in self._documents:
            try:
                self._documents[version.id] = self.host.pipelines.document(version)
            except NotFound:
                self._documents[version.id] = None
        return self._documents[version.id]

    def _named(self, schedule: Schedule) -> bool:
        return split(schedule.description)[1].get("follows") == self.context.branch

    def forget(self) -> None:
        """Look anew: somebody changed something."""
        self._versions.clear()

    def _later(self, version: Version | None) -> str:
        """That the version is one of a later pipeline, if it is."""
        order = split(version.description)[1].get("order") if version else None
        later = isinstance(order, int) and self.context.order and order > self.context.order
        return "it is at the version of a later commit already" if later else ""


def move(home: Place, moves: Moves) -> tuple[Followed, ...]:
    """Point what follows the branch at the new versions, one after the other, as long as no later commit is there.
    Temporary where somebody else edits a recurring run all the time."""
    return tuple(_moves(home, moves))


def foreseen(moves: Moves) -> tuple[Followed, ...]:
    """What `move` would do; nothing is changed."""
    return tuple(moves.decided(each)[0] for each in moves.schedules())


def _moves(home: Place, moves: Moves) -> Iterator[Followed]:
    for schedule in moves.schedules():
        moves.pause()
        yield _moved(home, moves, schedule)


def _moved(home: Place, moves: Moves, schedule: Schedule) -> Followed:
    context = moves.context
    for _ in range(_TRIES):
        said, after = moves.decided(schedule)
        if after is None:
            return said
        # After the recurring run was read: whoever is later moves the branch first, and then what was read here, so
        # that one of the two is noticed.
        head = home(branches.named, context.branch)
        if head is not None and head.head != context.head:
            return replace(said, moved=False, version=said.before, why=f"{context.branch} is at {head.head[:8]} by now")
        try:
            made = moves.host.schedules.replace(schedule, after, author=context.author or _BY, why=_why(context))
        except (Conflict, NotFound):
            moves.forget()
            found = next((each for each in moves.schedules() if each.id == schedule.id), None)
            if found is None:
                return replace(said, moved=False, version=said.before, why="somebody deleted it just now")
            schedule = found
        else:
            return replace(said, id=made.id)
    raise Temporary(
        f"the recurring run {schedule.name!r} is edited by others all the time", "Run palmette ci update again."
    )


def _why(context: Context) -> str:
    return f"{context.branch} is at {context.head[:8]}"
