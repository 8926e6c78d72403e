"""One note for all jobs of a merge request: each writes its own sections, and none loses another's.

No forge writes a note only if it is what was read. So whoever wrote looks again afterwards, both at the note and at
what the home remembers was said; what somebody else's write has lost is written once more. The last to write has seen
everything, whoever that is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from palmette.ci.forge import Forge, Note
from palmette.ci.web import WebError
from palmette.errors import ServerError
from palmette.present import notes
from palmette.present.notes import Section

#: times that a note is written before whoever else writes to it is left to it
_TRIES: Final = 20
_FORBIDDEN: Final = 403
_GONE: Final = 404


@dataclass(frozen=True, kw_only=True)
class Target:
    """The note that is meant."""

    forge: Forge
    project: str
    #: the merge request
    number: str
    #: its newest commit
    head: str
    #: what stands below the verdict
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """What the home remembers was said of algorithms at a commit, by whichever job."""

    #: algorithm → stamp
    stamps: Callable[[], Mapping[str, str]] = dict
    #: says it anew; None where that cannot be
    again: Callable[[str], Section | None] = lambda _: None


@dataclass(frozen=True, kw_only=True)
class Written:
    """What became of a note."""

    sections: tuple[Section, ...] = ()
    #: empty where it says nothing of what was to be written
    id: str = ""
    #: sentences without a full stop
    remarks: tuple[str, ...] = ()


def write(
    target: Target,
    own: Sequence[Section],
    memory: Memory,
    *,
    calm: float = 0.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Written:
    """Write these sections into the note, which is made if there is none. After `calm` seconds it is looked at once
    more, where no home tells of what others said."""
    return _Writing(target, {each.algorithm: each for each in own}, memory, calm, sleep).done()


@dataclass
class _Writing:
    target: Target
    own: dict[str, Section]
    memory: Memory
    calm: float
    sleep: Callable[[float], None]
    #: notes of others, by id
    foreign: set[str] = field(default_factory=set)
    remarks: list[str] = field(default_factory=list)
    #: algorithm → the stamp that it was said anew for
    renewed: dict[str, str] = field(default_factory=dict)
    #: algorithms of which the note speaks of a newer commit
    outranked: set[str] = field(default_factory=set)

    def done(self) -> Written:
        """Go on until the note says it all."""
        for tried in range(_TRIES):
            told = self.memory.stamps()
            found = self._found()
            sections = self._merged(found, told)
            body = self._body(sections)
            note = found[0] if found else None
            if (note is None or note.body.strip() != body.strip()) and not self._put(body, note):
                continue
            for each in found[1:]:
                self._remove(each)
            if self.calm and not tried:
                self.sleep(self.calm)
            after = self._found()
            if len(after) == 1 and _says(after[0], body, sections) and self.memory.stamps() == told:
                return self._written(sections, after[0])
            if tried > 1:
                self.sleep(0.05 * tried)
        raise ServerError(f"the note on {self.target.forge.called} is rewritten by others all the time", "Try again.")

    def _written(self, sections: tuple[Section, ...], note: Note) -> Written:
        remarks = self.remarks
        if self.outranked:
            names, head = ", ".join(sorted(self.outranked)), self.target.head[:8]
            remarks = [
                *remarks,
                f"the note says of {names} how {head} does, which is the merge request's commit by now",
            ]
        silent = bool(self.own) and self.outranked == set(self.own)
        return Written(sections=sections, id="" if silent else note.id, remarks=tuple(remarks))

    def _body(self, sections: Sequence[Section]) -> str:
        target = self.target
        return notes.note(target.project, sections, head=target.head, title=target.title, limit=target.forge.limit)

    def _found(self) -> list[Note]:
        """The project's notes that are ours, the oldest first."""
        first = notes.marker(self.target.project)
        every = self.target.forge.notes(self.target.number)
        return [each for each in every if each.body.startswith(first) and each.id not in self.foreign]

    def _merged(self, found: Sequence[Note], told: Mapping[str, str]) -> tuple[Section, ...]:
        merged: dict[str, Section] = {}
        for note in reversed(found):
            merged |= {each.algorithm: each for each in notes.sections(note.body)}
        self.outranked = {name for name, section in self.own.items() if self._newer(merged.get(name), section)}
        merged |= {name: section for name, section in self.own.items() if name not in self.outranked}
        commits = {each.commit for each in self.own.values()}
        for name, stamp in told.items():
            known = merged.get(name)
            if known is not None and (known.stamp == stamp or known.commit not in commits):
                continue
            if self.renewed.get(name) != stamp and (again := self.memory.again(name)) is not None:
                self.renewed[name] = stamp
                merged[name] = self.own[name] = again
        return tuple(sorted(merged.values(), key=lambda each: each.algorithm))

    def _newer(self, known: Section | None, own: Section) -> bool:
        """Whether the section that is there is of the newest commit, and ours is of an older one."""
        head = self.target.head
        return known is not None and bool(head) and known.commit == head != own.commit

    def _put(self, body: str, note: Note | None) -> bool:
        """Whether it was written; where it is somebody else's or gone by now, all is looked at again."""
        try:
            self.target.forge.put_note(self.target.number, body, note)
        except WebError as error:
            if note is None or error.status not in (_FORBIDDEN, _GONE):
                raise
            if error.status == _FORBIDDEN:
                self.foreign.add(note.id)
                self.remarks.append(
                    "the note that is there was written with another token: a new one is kept beside it"
                )
            return False
        return True

    def _remove(self, note: Note) -> None:
        """Another job made one at the same time: what it says stands in the oldest by now."""
        try:
            self.target.forge.remove_note(self.target.number, note)
        except WebError as error:
            if error.status != _FORBIDDEN:
                raise
            self.foreign.add(note.id)


def _says(note: Note, body: str, wanted: Sequence[Section]) -> bool:
    """Whether the note says all that. The links of its sections may be those of another job that says the same."""
    if note.body.strip() == body.strip():
        return True
    found = {(each.algorithm, each.commit, each.stamp) for each in notes.sections(note.body)}
    return found >= {(each.algorithm, each.commit, each.stamp) for each in wanted}
