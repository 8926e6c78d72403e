"""What the server answers, as rows of a table: the routes are made from it, and their description too."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, TypeAlias

from starlette.requests import Request
from starlette.responses import Response

from palmette.domain.hosting import Role
from palmette.domain.values import Json
from palmette.kfpapi import codec, messages
from palmette.operations.home import Home
from palmette.server.caller import Caller

#: A JSON Schema; it may refer to "#/components/schemas/NAME".
Schema: TypeAlias = Mapping[str, Any]

TEXT: Final[Schema] = {"type": "string"}
NUMBER: Final[Schema] = {"type": "integer"}
FLAG: Final[Schema] = {"type": "boolean"}
JSON: Final = "application/json"
FORM: Final = "multipart/form-data"


class Manner(Enum):
    """How an error is said."""

    KFP = "kfp"
    #: KFP's uploads and the reading of artifacts say it in their own way
    UPLOAD = "upload"
    OWN = "own"


@dataclass(frozen=True, kw_only=True)
class Content:
    """What a request or an answer carries."""

    schema: Schema
    #: called in a thread; UsageError for what cannot be read
    read: Callable[[Any], Any] = lambda value: value
    write: Callable[[Any], Json] = lambda value: value
    media: str = JSON
    #: schemas that it refers to, by name
    parts: Mapping[str, Schema] = field(default_factory=dict)
    required: bool = True


@dataclass(frozen=True, kw_only=True)
class Query:
    """A parameter that stands in the query."""

    schema: Schema = field(default_factory=lambda: TEXT)
    description: str = ""
    required: bool = False


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, read."""

    home: Home
    caller: Caller
    #: tells the worker that there is something to do
    wake: Callable[[], None]
    path: Mapping[str, str]
    query: Mapping[str, str]
    #: what the row's `body` read; None where there is none
    body: Any = None
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Sent:
    """The file of a form: what the `read` of a body of kind FORM is given."""

    filename: str
    data: bytes


#: Carries a request out; runs in a thread, so that it may take its time.
Answer: TypeAlias = Callable[[Asked], Any]
#: Does everything by itself, in the event loop: for streams and files. It is given what was asked, without a body.
Handle: TypeAlias = Callable[[Request, Asked], Awaitable[Response]]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One thing that can be asked. One of `answer` and `handle` is set."""

    #: unique: "RunService_GetRun"
    name: str
    method: str
    #: "/apis/v2beta1/runs/{run_id}:archive"; "{name:path}" may hold slashes
    path: str
    summary: str
    answer: Answer | None = None
    handle: Handle | None = None
    #: the least that whoever asks must be; None: everybody may ask
    role: Role | None = Role.READ
    query: Mapping[str, Query] = field(default_factory=dict)
    body: Content | None = None
    #: None: nothing that could be described
    reply: Content | None = None
    tag: str = ""
    manner: Manner = Manner.KFP


def message(declared: type[Any]) -> Content:
    """A message of KFP's API as what is carried."""
    return Content(
        schema={"$ref": f"#/components/schemas/{declared.__name__}"},
        read=lambda value: codec.load(declared, value),
        write=codec.dump,
        parts={each.__name__: codec.schema(each) for each in codec.within(declared)},
    )


#: The answer of what has nothing to say.
EMPTY: Final = message(messages.Empty)
