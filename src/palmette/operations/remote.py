"""A server as the place where verbs are carried out: each is asked for as the table of verbs says."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from dataclasses import replace as altered
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

from palmette.client.connection import RESTARTS, Answer, Connection, Server, lines, not_ours, segment
from palmette.client.downloads import Wanted, bring
from palmette.domain import wire
from palmette.errors import ServerError
from palmette.operations import reading
from palmette.operations.home import Home
from palmette.operations.messages import LINES, PART, PROTOCOL, VALUES, Shape, read, shape, spelled, written
from palmette.operations.reading import Fetched
from palmette.operations.verbs import Verb, verb_of

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class There:
    """A project's runs on a server."""

    connection: Connection
    #: empty for all projects
    project: str

    def __call__(self, operation: Callable[Concatenate[Home, P], T], *values: P.args, **named: P.kwargs) -> T:
        """Ask the server for what the operation gives."""
        verb, known = verb_of(operation), shape(operation)
        asked = _Asked.of(verb, known, known.bound(values, named), self.project)
        if known.streams:
            return cast(T, self._flow(asked, known))
        answer = self.connection.ask(verb.method, asked.path, asked.query, body=asked.body, accept=VALUES)
        return cast(T, self._loaded(known.gives, answer))

    @property
    def there(self) -> bool:
        """A server always has a store."""
        return True

    def fetch(
        self, ref: str, name: str, *, destination: Path | None, directory: Path, replace: bool = False
    ) -> Fetched:
        """Copy it from the server, checked against its digest."""
        entry = self(reading.named, ref, name)
        target = reading.place(entry, destination=destination, directory=directory, replace=replace)
        wanted = Wanted(
            run=ref,
            name=name,
            digest=entry.artifact.digest,
            elsewhere=bool(entry.artifact.uri),
            directory=entry.artifact.directory,
            project=self.project,
        )
        reading.export(target, lambda new: bring(self.connection, wanted, new))
        return Fetched(path=target, size=entry.artifact.size)

    def every(self) -> There:
        """With the runs of all its projects."""
        return altered(self, project="")

    def begun(self) -> There:
        """As it is: whatever is sent there makes its project."""
        return self

    def at_once(self) -> There:
        """As it is now: it is not waited for, if it is being started again."""
        return altered(self, connection=Connection(self.connection.server))

    def nothing(self, what: str = "runs") -> str:
        """No more than that: where it was looked is known."""
        return f"No {what} yet."

    def _flow(self, asked: _Asked, known: Shape) -> Iterator[Any]:
        parts = self.connection.flow(asked.method, asked.path, asked.query, body=asked.body, accept=LINES)
        for value in lines(parts):
            yield wire.load(known.item, value)

    def _loaded(self, declared: Any, answer: Answer) -> Any:
        server = self.connection.server
        if "palmette-protocol" not in answer.headers:
            raise not_ours(server)
        try:
            return read(declared, answer.body)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            spoken, version = (answer.headers.get(f"palmette-{each}", "?") for each in ("protocol", "version"))
            known = f" (protocol {PROTOCOL})" if spoken != PROTOCOL else ""
            what = f"{server.called} answers in a way that this Palmette does not understand"
            hint = f"It is Palmette {version} (protocol {spoken}). Install the same version here{known}."
            raise ServerError(what, hint) from error


@dataclass(frozen=True)
class _Asked:
    """A call as HTTP."""

    method: str
    path: str
    query: list[tuple[str, str]]
    body: bytes | None

    @classmethod
    def of(cls, verb: Verb, known: Shape, arguments: dict[str, Any], project: str) -> _Asked:
        """By the row of the table: what stands in the path, then the rest."""
        rest = dict(arguments)

        def filled(found: re.Match[str]) -> str:
            # Left out, it is what the operation's own signature says.
            value = rest.pop(found[1], "last")
            what = {"ref": "run", "head": "run", "reference": "sweep"}.get(found[1], found[1])
            parts = str(value).split("/") if found[2] else [str(value)]
            return "/".join(segment(each, what) for each in parts)

        path = PART.sub(filled, verb.path)
        query = [("project", project)] if project else []
        if verb.method in ("GET", "DELETE"):
            return cls(verb.method, path, [*query, *spelled(rest)], None)
        return cls(verb.method, path, query, written(rest))


def reach(server: Server, project: str, *, patient: bool = False) -> There:
    """The runs of a project on a server. Nothing is asked yet. `patient`: where it has answered and is gone, it is
    waited for a while."""
    return There(Connection(server, restarts=RESTARTS if patient else ()), project)
