"""Walking syntax trees quickly: the standard library's walkers take most of a capture's time."""

from __future__ import annotations

import ast

#: Nodes that say how another is used and hold nothing themselves.
_LEAVES = (ast.expr_context, ast.operator, ast.unaryop, ast.cmpop, ast.boolop)


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes directly inside a node, in the order of its fields."""
    found: list[ast.AST] = []
    for value in node.__dict__.values():
        if type(value) is list:
            found += [each for each in value if isinstance(each, ast.AST)]
        elif isinstance(value, ast.AST) and not isinstance(value, _LEAVES):
            found.append(value)
    return found


def everything(node: ast.AST) -> list[ast.AST]:
    """The node and all nodes inside it, outer ones first."""
    found = [node]
    for each in found:  # grows while it is walked
        if type(each) is not ast.Name and type(each) is not ast.Constant:
            found += children(each)
    return found


def statements(node: ast.AST) -> list[ast.stmt]:
    """All statements inside a node, those of functions and classes too."""
    found: list[ast.stmt] = []
    queue = [node]
    for each in queue:
        for value in each.__dict__.values():
            if type(value) is list and value and isinstance(value[0], ast.stmt | ast.ExceptHandler | ast.match_case):
                queue += value
                found += [inner for inner in value if isinstance(inner, ast.stmt)]
    return found
