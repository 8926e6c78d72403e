"""The OpenAPI document of a table of rows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import Any, Final

from starlette.responses import Response

from palmette.server.rows import JSON, TEXT, Asked, Content, Manner, Row

_NAME: Final = re.compile(r"\{(\w+)(?::path)?\}")
_TOKEN: Final = {
    "type": "http",
    "scheme": "bearer",
    "description": "A token made by `palmette token create`. On loopback none is needed, unless there are any.",
}
_PROBLEM: Final = {
    "type": "object",
    "properties": {"where": TEXT, "what": TEXT, "hint": TEXT},
    "required": ["where", "what", "hint"],
}
#: The bodies in which errors are said.
_ERRORS: Final[dict[Manner, tuple[str, dict[str, Any]]]] = {
    Manner.KFP: (
        "Error",
        {
            "type": "object",
            "properties": {
                "code": {"type": "integer", "description": "gRPC's code"},
                "message": TEXT,
                "details": {"type": "array", "items": {"type": "object"}},
            },
            "required": ["code", "message"],
        },
    ),
    Manner.UPLOAD: (
        "UploadError",
        {
            "type": "object",
            "properties": {"error_message": TEXT, "error_details": TEXT},
            "required": ["error_message", "error_details"],
        },
    ),
    Manner.OWN: (
        "OwnError",
        {
            "type": "object",
            "properties": {
                "error": {
                    "type": "object",
                    "properties": {
                        "type": TEXT,
                        "message": TEXT,
                        "hint": TEXT,
                        "problems": {"type": "array", "items": _PROBLEM},
                    },
                    "required": ["type", "message", "hint", "problems"],
                }
            },
            "required": ["error"],
        },
    ),
}
_FAILURES: Final = {
    "400": "what was asked is wrong, or the state of things forbids it",
    "401": "a token is missing, unknown or out of date",
    "403": "the token does not allow it",
    "404": "there is no such thing",
    "409": "the name is taken, or somebody else is at it",
    "413": "the request is too large",
    "414": "the address is too long",
    "429": "too many requests at once",
    "503": "the store cannot be read or written now",
}


def document(rows: Sequence[Row]) -> dict[str, Any]:
    """The description of the rows."""
    paths: dict[str, dict[str, Any]] = {}
    for row in rows:
        paths.setdefault(_NAME.sub(r"{\1}", row.path), {})[row.method.lower()] = _operation(row)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Palmette",
            "version": version("palmette"),
            "description": "Kubeflow Pipelines' REST API v2beta1, and Palmette's own routes beside it.",
        },
        "paths": paths,
        "components": {"schemas": _parts(rows), "securitySchemes": {"token": _TOKEN}},
        "security": [{"token": []}, {}],
    }


def row(described: dict[str, Any]) -> Row:
    """The row that gives the document."""
    text = json.dumps(described, separators=(",", ":")).encode()

    def answer(_asked: Asked) -> Response:
        return Response(text, media_type=JSON)

    return Row(name="openapi", method="GET", path="/openapi.json", summary="This document.", answer=answer, role=None)


def _operation(row: Row) -> dict[str, Any]:
    described: dict[str, Any] = {
        "operationId": row.name,
        "summary": row.summary,
        "responses": {"200": _reply(row), **_failures(row)},
    }
    if row.tag:
        described["tags"] = [row.tag]
    if row.role is None:
        described["security"] = []
    else:
        described["x-palmette-role"] = row.role.value
    parameters = list(_parameters(row))
    if parameters:
        described["parameters"] = parameters
    if row.body is not None:
        described["requestBody"] = {"required": row.body.required, "content": _content(row.body)}
    return described


def _parameters(row: Row) -> Iterable[dict[str, Any]]:
    for name in _NAME.findall(row.path):
        yield {"name": name, "in": "path", "required": True, "schema": TEXT}
    for name, query in row.query.items():
        described = {"name": name, "in": "query", "required": query.required, "schema": query.schema}
        yield {**described, "description": query.description} if query.description else described


def _content(content: Content) -> dict[str, Any]:
    return {content.media: {"schema": content.schema}}


def _reply(row: Row) -> dict[str, Any]:
    said = {"description": "It was carried out."}
    return said if row.reply is None else {**said, "content": _content(row.reply)}


def _failures(row: Row) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{_ERRORS[row.manner][0]}"}
    wanted = _FAILURES if row.role is not None else {}
    return {
        status: {"description": words, "content": {JSON: {"schema": reference}}} for status, words in wanted.items()
    }


def _parts(rows: Sequence[Row]) -> dict[str, Any]:
    carried = [content for row in rows for content in (row.body, row.reply) if content is not None]
    parts = {name: schema for content in carried for name, schema in content.parts.items()}
    used = dict(_ERRORS[manner] for manner in {row.manner for row in rows})
    return {name: schema for name, schema in sorted({**parts, **used}.items())}
