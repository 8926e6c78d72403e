"""What a module's names are bound to, where an innocent expression may run code or use something up.

`a + b`, `a.b` or `f"{a}"` do nothing but compute, unless `a` is an object of a class of the project's own that says
otherwise; and whoever reads an iterator leaves less of it to the next.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from palmette.capture.imports import dotted

if TYPE_CHECKING:
    from palmette.capture.definitions import Index
    from palmette.capture.effects import Effects, Own

#: How many assignments are followed: `a = b; b = c`.
_DEPTH: Final = 8

#: Special methods that no operator runs.
_CALLED: Final = frozenset(
    """
    __aenter__ __aexit__ __call__ __class_getitem__ __copy__ __deepcopy__ __del__ __dir__ __enter__ __exit__
    __getnewargs__ __getstate__ __init__ __init_subclass__ __new__ __post_init__ __reduce__ __reduce_ex__
    __set_name__ __setstate__ __subclasshook__
    """.split()  # noqa: SIM905 (a list says no more and is longer)
)

_ITERATORS: Final = frozenset(f"builtins.{name}" for name in ("enumerate", "filter", "iter", "map", "reversed", "zip"))


class Objects:
    """Answers for the expressions of one module's top level."""

    def __init__(self, effects: Effects, own: Index) -> None:
        self.effects = effects
        self.own = own

    def surprising(self, node: ast.AST) -> ast.expr | None:
        """The part of an expression on which it may run code of the project's: the first operand that is such."""
        attribute = node.attr if isinstance(node, ast.Attribute) else ""
        for operand in _operands(node):
            for made in self._classes(operand):
                if any(_answers(each, attribute) for each in self._bases(made, _DEPTH)):
                    return operand
        return None

    def used_up(self, node: ast.AST) -> bool:
        """Whether a name is bound to an iterator, which whoever reads it uses up."""
        if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
            return False
        return any(
            isinstance(value, ast.GeneratorExp) or self._iterates(own, value) for own, value in self._values(node)
        )

    def subscripted(self, node: ast.Subscript) -> bool:
        """Whether subscripting a class runs what the project says: `Own[int]`."""
        origin = self.effects.origin(self.own, dotted(node.value))
        if isinstance(origin, str) or not isinstance(origin.node, ast.ClassDef):
            return False
        return any(_defines(each, "__class_getitem__") for each in self._bases(origin, _DEPTH))

    def _iterates(self, own: Index, value: ast.expr) -> bool:
        origin = self.effects.origin(own, dotted(value.func)) if isinstance(value, ast.Call) else ""
        return isinstance(origin, str) and (origin in _ITERATORS or origin.startswith("itertools."))

    def _values(self, node: ast.expr, depth: int = _DEPTH) -> Iterator[tuple[Index, ast.expr]]:
        """The expressions that a name may have been bound to, each with the module where it stands."""
        origin = self.effects.origin(self.own, dotted(node))
        if isinstance(origin, str) or depth == 0:
            return
        for fragment in origin.index.by_name.get(origin.name, ()):
            bound = fragment.node
            if (
                isinstance(bound, ast.Assign | ast.AnnAssign)
                and bound.value is not None
                and origin.name in fragment.binds
            ):
                yield origin.index, bound.value
                if isinstance(bound.value, ast.Name | ast.Attribute):
                    yield from Objects(self.effects, origin.index)._values(bound.value, depth - 1)

    def _classes(self, node: ast.expr) -> Iterator[Own]:
        """The project's classes that an expression may be an object of."""
        found = [(self.own, node)] if isinstance(node, ast.Call) else self._values(node)
        for own, value in found:
            origin = self.effects.origin(own, dotted(value.func)) if isinstance(value, ast.Call) else ""
            if not isinstance(origin, str) and isinstance(origin.node, ast.ClassDef):
                yield origin

    def _bases(self, made: Own, depth: int) -> Iterator[ast.ClassDef]:
        assert isinstance(made.node, ast.ClassDef)
        yield made.node
        for base in made.node.bases if depth else ():
            origin = self.effects.origin(made.index, dotted(base))
            if not isinstance(origin, str) and isinstance(origin.node, ast.ClassDef):
                yield from self._bases(origin, depth - 1)


def _operands(node: ast.AST) -> list[ast.expr]:
    """What an expression asks to compute something."""
    match node:
        case ast.Compare():
            return [node.left, *node.comparators]
        case ast.BinOp():
            return [node.left, node.right]
        case ast.BoolOp():
            return node.values
        case ast.IfExp():
            return [node.test]
        case ast.UnaryOp():
            return [node.operand]
        case ast.Subscript() | ast.Attribute() | ast.FormattedValue() | ast.Starred():
            return [node.value]
        case ast.comprehension():
            return [node.iter]
        case ast.Call():
            return [*node.args, *(each.value for each in node.keywords)]
        case ast.If():
            return [node.test]
        case ast.AugAssign():
            # The target is only written for the grammar; it is read too.
            return [*([ast.Name(node.target.id, ast.Load())] if isinstance(node.target, ast.Name) else []), node.value]
        case ast.Assign(targets=[ast.Tuple() | ast.List()], value=value):
            return [value]
        case _:
            return []


def _answers(node: ast.ClassDef, attribute: str) -> bool:
    """Whether a class has a method that an operator runs; with an attribute, one that reading it runs."""
    for each in node.body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            special = each.name.startswith("__") and each.name.endswith("__")
            if attribute and (each.name in ("__getattr__", "__getattribute__") or _read(each, attribute)):
                return True
            if not attribute and special and each.name not in _CALLED:
                return True
    return False


def _read(method: ast.FunctionDef | ast.AsyncFunctionDef, attribute: str) -> bool:
    names = {dotted(each)[-1:] for each in method.decorator_list}
    return (
        method.name == attribute and bool(method.decorator_list) and not names <= {("staticmethod",), ("classmethod",)}
    )


def _defines(node: ast.ClassDef, name: str) -> bool:
    return any(isinstance(each, ast.FunctionDef) and each.name == name for each in node.body)
