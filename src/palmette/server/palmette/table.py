"""Palmette's own rows of what the server answers: those of the table of verbs, and those that carry bytes."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from dataclasses import is_dataclass
from enum import Enum
from inspect import getdoc
from typing import Any, Final

from palmette.domain import wire
from palmette.domain.hosting import Role
from palmette.operations import messages
from palmette.operations.messages import LINES, names, plain
from palmette.operations.verbs import PREFIX, VERBS, Verb
from palmette.server.palmette import streams
from palmette.server.palmette.routes import Offered
from palmette.server.rows import FLAG, NUMBER, TEXT, Content, Manner, Query, Row, Schema

_TAG: Final = "palmette"
_SCOPE: Final = {"project": Query(description="whose runs are meant; without it those of all projects")}
_ANY: Final[Schema] = {}


def _row(verb: Verb) -> Row:
    offered = Offered(verb)
    named = messages.named(verb.path)
    takes = {name: declared for name, declared in offered.shape.takes.items() if name not in named}
    in_body = verb.method not in ("GET", "DELETE") and bool(takes)
    return Row(
        name=verb.operation,
        method=verb.method,
        path=PREFIX + verb.path,
        summary=(getdoc(offered.operation) or "").partition("\n\n")[0].replace("\n", " "),
        handle=offered.__call__,
        role=verb.role,
        query=_SCOPE if in_body else {**_SCOPE, **_queries(takes, offered.shape.optional)},
        body=Content(schema=_object(takes, offered.shape.optional)) if in_body else None,
        reply=Content(schema=_ANY, media=LINES) if offered.shape.streams else Content(schema=_ANY),
        tag=_TAG,
        manner=Manner.OWN,
    )


def _queries(takes: Mapping[str, Any], optional: frozenset[str]) -> dict[str, Query]:
    flat: dict[str, Any] = {}
    for each, declared in takes.items():
        flat |= wire.hints(declared) if isinstance(declared, type) and is_dataclass(declared) else {each: declared}
    return {
        name: Query(schema=schema(flat[name]), required=name in takes and name not in optional)
        for name in sorted(names(takes))
    }


def _object(takes: Mapping[str, Any], optional: frozenset[str]) -> Schema:
    known = {name: schema(declared) for name, declared in takes.items()}
    needed = [name for name in takes if name not in optional]
    return {"type": "object", "properties": known, "required": needed, "additionalProperties": False}


def schema(declared: Any) -> Schema:
    """The JSON Schema of what is declared so, as far as it is worth saying."""
    wanted = plain(declared)
    if isinstance(wanted, type) and is_dataclass(wanted):
        return {"type": "object"}
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return {"type": "string", "enum": [each.value for each in wanted]}
    origin, inner = typing.get_origin(wanted), typing.get_args(wanted)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": schema(inner[1])}
    if isinstance(origin, type):
        return {"type": "array", "items": schema(inner[0])}
    return {str: TEXT, int: NUMBER, bool: FLAG, float: {"type": "number"}}.get(wanted, _ANY)


def _own() -> Iterator[Row]:
    yield Row(
        name="server",
        method="GET",
        path=f"{PREFIX}/server",
        summary="What answers here, and who asks.",
        handle=streams.greeting,
        reply=Content(schema=_ANY),
        tag=_TAG,
        manner=Manner.OWN,
    )
    yield Row(
        name="blobs.get",
        method="GET",
        path=f"{PREFIX}/blobs/{{digest}}",
        summary="The bytes with this digest: sha256:… of a file, sha256-dir:… of the list of a directory's files.",
        handle=streams.given,
        reply=Content(schema=_ANY, media=streams.BYTES),
        tag=_TAG,
        manner=Manner.OWN,
    )
    yield Row(
        name="blobs.put",
        method="PUT",
        path=f"{PREFIX}/blobs/{{digest}}",
        summary="Store bytes; what is not the digest's is refused. Its length must be said.",
        handle=streams.taken,
        role=Role.RUN,
        body=Content(schema=_ANY, media=streams.BYTES),
        reply=Content(schema=_ANY),
        tag=_TAG,
        manner=Manner.OWN,
    )
    yield Row(
        name="artifacts.content",
        method="GET",
        path=f"{PREFIX}/runs/{{ref}}/artifacts/{{name}}/content",
        summary="An artifact's bytes, as they are checked against its digest; a directory as a tar archive.",
        handle=streams.content,
        query=_SCOPE,
        reply=Content(schema=_ANY, media=streams.BYTES),
        tag=_TAG,
        manner=Manner.OWN,
    )


ROWS: Final = (*map(_row, VERBS), *_own())
