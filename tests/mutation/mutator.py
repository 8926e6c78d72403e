"""Python source with one thing changed: a constant, an operator, an argument, a statement, an import."""

from __future__ import annotations

import ast
import contextlib
import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A module's text with one thing changed."""

    definition: str
    file: str
    text: str
    #: what was done, and where: "line 12: drop an argument"
    what: str
    #: the function whose body holds the change, where nothing else does: "clinic.charts:page"
    inside: str = ""


@dataclass(frozen=True)
class Site:
    """A part of a module that is changed by itself."""

    definition: str
    node: ast.AST
    inside: str = ""


def sites(module: str, tree: ast.Module) -> Iterator[Site]:
    """Every definition of a module: functions, their decorators, fields, methods, constants, imports."""
    for node in tree.body:
        match node:
            case ast.FunctionDef(name=name):
                for decorator in node.decorator_list:
                    yield from _decorator(f"{module}:{name}", decorator)
                yield from (Site(f"{module}:{name}", each) for each in (node.args, node.returns) if each)
                yield from (Site(f"{module}:{name}", each, f"{module}:{name}") for each in _code(node))
            case ast.ClassDef(name=name):
                yield from (Site(f"{module}:{name}@", decorator) for decorator in node.decorator_list)
                yield from _members(f"{module}:{name}", node)
            case ast.Assign(targets=[ast.Name(id=name)]):
                yield Site(f"{module}:{name}", node)
            case ast.Import() | ast.ImportFrom():
                yield from (Site(f"{module}:{each.asname or each.name}", node) for each in node.names)
            case _:
                pass


def _members(definition: str, node: ast.ClassDef) -> Iterator[Site]:
    for each in node.body:
        match each:
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
                yield Site(f"{definition}.{name}", each)
            case ast.FunctionDef(name=name):
                own = f"{definition}.{name}"
                yield from (Site(own, decorator) for decorator in each.decorator_list)
                yield from (Site(own, code, own) for code in _code(each))
            case _:
                pass


def _decorator(definition: str, decorator: ast.expr) -> Iterator[Site]:
    """An algorithm's presets, metrics and config are told apart; a step's decorator is one thing."""
    if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "algorithm":
        yield from (Site(f"{definition}@{each.arg}", each.value) for each in decorator.keywords)
    else:
        yield Site(f"{definition}@", decorator)


def _code(function: ast.FunctionDef) -> list[ast.stmt]:
    return function.body[1:] if ast.get_docstring(function) else function.body


def mutants(module: str, file: str, text: str) -> Iterator[Mutant]:
    """Every way in which the mutator changes a module."""
    for site in sites(module, ast.parse(text)):
        if isinstance(site.node, ast.Import | ast.ImportFrom):
            edits = _imports(site.node, site.definition.partition(":")[2], text)
        else:
            edits = _edits(site, text)
        for line, what, changed in edits:
            with contextlib.suppress(SyntaxError):
                if ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text)):
                    said = f"line {line}: {what}"
                    yield Mutant(definition=site.definition, file=file, text=changed, what=said, inside=site.inside)


def mutants_anywhere(file: str, text: str) -> Iterator[Mutant]:
    """Every way in which the mutator changes a module, statement by statement."""
    for node in ast.parse(text).body:
        for line, what, changed in _edits(Site(file, node), text):
            with contextlib.suppress(SyntaxError):
                if ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text)):
                    yield Mutant(definition=file, file=file, text=changed, what=f"line {line}: {what}")


def _imports(node: ast.Import | ast.ImportFrom, name: str, text: str) -> Iterator[tuple[int, str, str]]:
    """The name not imported at all, and another thing imported under it."""
    kept = copy.deepcopy(node)
    kept.names = [each for each in node.names if (each.asname or each.name) != name]
    without = ast.unparse(kept) if kept.names else "pass"
    for instead in (f"from functools import partial as {name}", f"import math as {name}", "pass"):
        yield node.lineno, f"{instead} instead of {name}", _replaced(text, node, f"{without}; {instead}")


def _edits(site: Site, text: str) -> Iterator[tuple[int, str, str]]:
    for node, whole in _within(site.node, site.node):
        if not isinstance(whole, ast.expr | ast.stmt):  # it has no place of its own in the text
            continue
        for what, new in _changes(node):
            # The parser does not say where the parts of an f-string are.
            instead = new if whole is node else _swapped(whole, node, new)
            said = f"({ast.unparse(instead)})" if isinstance(instead, ast.expr) else ast.unparse(instead)
            yield whole.lineno, what, _replaced(text, whole, said.replace("\n", f"\n{_indent(whole)}"))


def _indent(node: ast.AST) -> str:
    return " " * getattr(node, "col_offset", 0)


def _within(node: ast.AST, whole: ast.AST) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Each node with the node that is replaced when it changes."""
    whole = whole if isinstance(whole, ast.JoinedStr) else node
    yield node, whole
    inner = list(ast.iter_child_nodes(node))
    for each in reversed(inner) if isinstance(node, ast.AnnAssign) else inner:  # a default before its type
        yield from _within(each, whole)


def _swapped(whole: ast.AST, old: ast.AST, new: ast.AST) -> ast.AST:
    numbered = list(ast.walk(whole))
    twin = copy.deepcopy(whole)
    place = list(ast.walk(twin))[next(i for i, each in enumerate(numbered) if each is old)]

    class Swap(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> Any:
            return new if node is place else self.generic_visit(node)

    return Swap().visit(twin)  # type: ignore[no-any-return]


def _replaced(text: str, node: ast.AST, new: str) -> str:
    lines = text.encode().splitlines(keepends=True)
    assert isinstance(node, ast.expr | ast.stmt)
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    before = b"".join(lines[: node.lineno - 1]) + lines[node.lineno - 1][: node.col_offset]
    after = lines[node.end_lineno - 1][node.end_col_offset :] + b"".join(lines[node.end_lineno :])
    return (before + new.encode() + after).decode()


FLIPPED: Mapping[type, type] = {
    ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.And: ast.Or, ast.Or: ast.And,
}  # fmt: skip


def _changes(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:  # noqa: C901 (one case for each kind of change)
    match node:
        case ast.Constant(value=bool() as value):
            yield "negate a constant", ast.Constant(not value)
        case ast.Constant(value=int() | float() as value):
            yield "halve", ast.Constant(value / 2 if isinstance(value, float) else value // 2)
            yield "add one", ast.Constant(value + 1)
        case ast.Constant(value=str() as value):
            yield "another text", ast.Constant(f"{value}x")
        case ast.Constant(value=None):
            yield "zero for None", ast.Constant(0)
        case ast.Compare(ops=[operator, *rest]):
            yield "flip a comparison", _with(node, ops=[FLIPPED[type(operator)](), *rest])
        case ast.BinOp(op=operator) | ast.BoolOp(op=operator) if type(operator) in FLIPPED:
            yield "flip an operator", _with(node, op=FLIPPED[type(operator)]())
        case ast.Call():
            for index in range(len(node.args)):
                yield "drop an argument", _with(node, args=[*node.args[:index], *node.args[index + 1 :]])
            if len(node.args) > 1:
                yield "swap arguments", _with(node, args=node.args[::-1])
            for index in range(len(node.keywords)):
                yield "drop a keyword", _with(node, keywords=[*node.keywords[:index], *node.keywords[index + 1 :]])
        case ast.Attribute(attr="MEDIAN"):
            yield "another member", _with(node, attr="MEAN")
        case ast.Return(value=ast.expr() as value):
            yield "return None", ast.Return(ast.Constant(None))
            yield "return it twice", ast.Return(ast.Tuple([value, value], ast.Load()))
        case ast.Expr() | ast.If() | ast.For() | ast.Raise() | ast.AugAssign():
            yield "remove a statement", ast.Pass()
        case ast.AnnAssign(value=ast.expr()):
            yield "no default", _with(node, value=None)
        case ast.ListComp() | ast.GeneratorExp() | ast.DictComp():
            for generator in node.generators:
                if generator.ifs:
                    yield "drop a condition", _with(node, generators=[_with(generator, ifs=[])])
        case ast.Name(id="step"):
            yield "an option", ast.Call(node, [], [ast.keyword("retries", ast.Constant(3))])
        case ast.Name(id="list" | "str" | "float" | "int" as name, ctx=ast.Load()):
            yield (
                "another type",
                ast.Name({"list": "set", "str": "repr", "float": "int", "int": "float"}[name], ast.Load()),
            )
        case ast.List(elts=[_, _, *_]) | ast.Tuple(elts=[_, _, *_], ctx=ast.Load()) as several:
            yield "the other way round", _with(several, elts=several.elts[::-1])
        case ast.Dict(keys=[_, _, *_]):
            yield "drop an entry", _with(node, keys=node.keys[:-1], values=node.values[:-1])
        case _:
            pass


def _with(node: Any, **fields: Any) -> Any:
    twin = copy.copy(node)
    for name, value in fields.items():
        setattr(twin, name, value)
    return twin


def few(found: list[Mutant], most: int) -> list[Mutant]:
    """At most so many, as different as can be: one of each kind of change first."""
    seen: dict[str, int] = {}
    ranked = []
    for place, each in enumerate(found):
        kind = each.what.partition(": ")[2]
        ranked.append((seen.setdefault(kind, 0), place, each))
        seen[kind] += 1
    return [each for _, _, each in sorted(ranked, key=lambda one: one[:2])[:most]]
