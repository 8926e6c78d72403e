"""The normal form of a definition: a text that is equal when the code means the same.

Comments, formatting, line numbers and (unless something reads them) docstrings vanish; annotations, defaults,
decorators and bases stay. The standard library's own dumps change from one Python to the next, so this one is ours:
it spells fields by name, leaves out what is empty and what only the parser cares about, and mends the ways in which
f-strings have been parsed. It is the same on every Python that can parse the source.
"""

from __future__ import annotations

import ast
import hashlib
from enum import IntEnum

#: What the parser notes for the compiler's sake, or for type checkers'.
_DROPPED = frozenset({"ctx", "kind", "type_comment", "type_ignores"})


class Detail(IntEnum):
    """How much of the text counts. Each level counts all that the one before does."""

    CODE = 0
    #: something that runs reads docstrings
    DOCSTRINGS = 1
    #: something that runs reads source text
    SOURCE = 2


def normal_form(node: ast.AST, detail: Detail = Detail.CODE) -> str:
    """The node's canonical text, in ASCII."""
    parts: list[str] = []
    _write(node, detail, parts)
    return "".join(parts)


def form_digest(node: ast.AST, detail: Detail = Detail.CODE) -> str:
    """The SHA-256 of the normal form."""
    return hashlib.sha256(normal_form(node, detail).encode()).hexdigest()


def _write(node: ast.AST, detail: Detail, parts: list[str]) -> None:
    if isinstance(node, ast.Constant):
        parts.append(_constant(node.value))
        return
    if isinstance(node, ast.JoinedStr):
        _write_joined(node, detail, parts)
        return
    parts.append(type(node).__name__)
    parts.append("(")
    for name in node._fields:
        value = getattr(node, name, None)
        if value is None or value == [] or name in _DROPPED:
            continue
        if name == "body" and detail is Detail.CODE and isinstance(value, list):
            value = _meaningful(node, value)
            if not value:
                continue
        parts.append(f"{name}=")
        _write_value(value, detail, parts)
        parts.append(",")
    parts.append(")")


def _write_value(value: object, detail: Detail, parts: list[str]) -> None:
    match value:
        case ast.AST():
            _write(value, detail, parts)
        case list():
            parts.append("[")
            for item in value:
                _write_value(item, detail, parts)
                parts.append(",")
            parts.append("]")
        case _:  # names, levels, conversions and the constants of patterns
            parts.append(_constant(value))


def _meaningful(node: ast.AST, body: list[ast.stmt]) -> list[ast.stmt]:
    """Without statements that do nothing: docstrings, texts used as comments, `pass`."""
    if not isinstance(node, ast.Module | ast.stmt | ast.ExceptHandler | ast.match_case):
        return body
    return [each for each in body if not isinstance(each, ast.Pass) and not _is_text(each)]


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _constant(value: object) -> str:
    # hex() because long decimal texts are refused, ascii() because what is printable depends on the Unicode version
    text = hex(value) if type(value) is int else ascii(value)
    return f"{type(value).__name__}:{text}"


def _write_joined(node: ast.JoinedStr, detail: Detail, parts: list[str]) -> None:
    parts.append("JoinedStr[")
    text = ""
    for value in _flat(node):
        if isinstance(value, ast.Constant):
            text += str(value.value)
            continue
        if text:
            parts.append(f"{_constant(text)},")
            text = ""
        _write_field(value, detail, parts)
    parts.append(f"{_constant(text)}]" if text else "]")


def _flat(node: ast.JoinedStr) -> list[ast.expr]:
    flat: list[ast.expr] = []
    for value in node.values:
        flat += _flat(value) if isinstance(value, ast.JoinedStr) else [value]
    return flat


def _write_field(value: ast.expr, detail: Detail, parts: list[str]) -> None:
    if not isinstance(value, ast.FormattedValue):
        _write(value, detail, parts)
        return
    parts.append("{")
    _write(value.value, detail, parts)
    parts.append(f"!{value.conversion}")
    if isinstance(value.format_spec, ast.JoinedStr) and any(map(_says_something, _flat(value.format_spec))):
        parts.append(":")
        _write_joined(value.format_spec, detail, parts)
    parts.append("},")


def _says_something(value: ast.expr) -> bool:
    return not (isinstance(value, ast.Constant) and value.value == "")
