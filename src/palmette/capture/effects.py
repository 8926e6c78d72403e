"""Whether importing a module does more than import, define and assign constants, and where it does.

Where this cannot tell, there is an effect: a module that counts whole costs a run that was not needed, one that
wrongly counts in parts would cost a wrong result.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from palmette.capture.definitions import MUTATORS, Index, bound, index, is_main, is_palmette, root_name
from palmette.capture.imports import absolute, dotted, is_typing_only
from palmette.capture.names import Alias
from palmette.capture.nodes import children
from palmette.capture.objects import Objects
from palmette.capture.purity import READING, keeps, makes_its_own, pure_base, pure_callable
from palmette.capture.sources import Kind, SourceTree

#: Names that give a module's code its own namespace to change.
NAMESPACE: Final = frozenset({"globals", "vars", "exec", "eval", "locals"})

_OPERATORS = (ast.LShift, ast.RShift)

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Own:
    """A definition of the project's: the statement that binds a name, where it is the only one."""

    index: Index
    name: str
    node: ast.stmt | None


class Effects:
    """Judges the modules of one source tree; each is judged once."""

    def __init__(self, tree: SourceTree) -> None:
        self.tree = tree
        self._reasons: dict[str, str] = {}

    def index(self, module: str) -> Index | None:
        """The fragments of a first-party module."""
        found = self.tree.find(module)
        return index(self.tree.read(found)) if found is not None else None

    def reason(self, module: str) -> str:
        """Why importing the module may do something; "" if it only imports, defines and assigns constants."""
        if module not in self._reasons:
            self._reasons[module] = ""  # while it is judged itself
            self._reasons[module] = self._judge(module)
        return self._reasons[module]

    def _judge(self, module: str) -> str:
        own = self.index(module)
        if own is None:
            return ""
        if own.parsed.file.kind is Kind.EXTENSION:
            return "it is compiled"
        if own.stars:
            return f"imports everything from {own.stars[0]}"
        judge = _Judge(self, own)
        return next(judge.block(own.parsed.tree.body), "")

    def origin(self, own: Index, names: tuple[str, ...]) -> str | Own:
        """What a chain of names means at a module's top level: a foreign name or a definition; "" if unknown."""
        if not names:
            return ""
        if names[0] not in own.by_name:
            return f"builtins.{'.'.join(names)}"
        for _ in range(20):
            aliases = own.aliases(names[0])
            if not aliases:
                nodes = [each.node for each in own.by_name[names[0]]]
                return Own(own, names[0], nodes[0] if len(nodes) == 1 and len(names) == 1 else None)
            if len({alias.module for alias in aliases}) > 1 and len({alias.name for alias in aliases}) > 1:
                return ""
            step = self._step(aliases[0], names[1:])
            if isinstance(step, str):
                return step
            own, names = step
            if names[0] not in own.by_name:
                return ""
        return ""

    def _step(self, alias: Alias, rest: tuple[str, ...]) -> str | tuple[Index, tuple[str, ...]]:
        """Follow an import by one module."""
        base = alias.module.partition(".")[0] if alias.top else alias.module
        chain = (*((alias.name,) if alias.name else ()), *rest)
        if self.tree.find(base) is None:
            return ".".join((base, *chain))
        while chain and self.tree.find(f"{base}.{chain[0]}") is not None:
            inner = self.index(base)
            itself = f"{base}.{chain[0]}"
            aliases = inner.aliases(chain[0]) if inner is not None else ()
            bound = inner is not None and chain[0] in inner.by_name
            if bound and not any(f"{each.module}.{each.name}" == itself for each in aliases):
                break
            base, chain = f"{base}.{chain[0]}", chain[1:]
        own = self.index(base)
        return (own, chain) if own is not None and chain else ""


class _Judge:
    """One module's statements, judged in order. Each method yields reasons."""

    def __init__(self, effects: Effects, own: Index) -> None:
        self.effects = effects
        self.own = own
        self.palmette = frozenset(
            name
            for name in own.by_name
            if any(each.module.partition(".")[0] == "palmette" for each in own.aliases(name))
        )
        self.objects = Objects(effects, own)
        #: names of the class bodies around, which decorators like `@x.setter` go by
        self.local: set[str] = set()
        #: in the body of a class
        self.inside = False

    def block(self, nodes: Iterable[ast.stmt]) -> Iterator[str]:
        for node in nodes:
            yield from self.statement(node)

    def statement(self, node: ast.stmt) -> Iterator[str]:
        yield from self._computes(node)
        match node:
            case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Global():
                return
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from self._decorated(node)
                yield from self.every((*node.args.defaults, *(each for each in node.args.kw_defaults if each)))
            case ast.ClassDef():
                yield from self._class(node)
            case ast.Assign():
                yield from self.value(node.value)
                yield from self._targets(node.targets)
            case ast.AnnAssign() | ast.AugAssign():
                yield from self.value(node.value) if node.value else ()
                yield from self._targets([node.target])
            case ast.Delete():
                yield from self._targets(node.targets)
            case ast.Expr():
                yield from self._expression(node)
            case ast.If() if is_main(node.test) or is_typing_only(node.test):
                yield from self.block(node.orelse)
            case ast.If():
                yield from self.value(node.test)
                yield from self.block((*node.body, *node.orelse))
            case ast.Try():
                yield from self.block((*node.body, *node.orelse, *node.finalbody))
                yield from self.block(each for handler in node.handlers for each in handler.body)
            case _ if type(node).__name__ == "TypeAlias":
                return
            case _:
                yield f"line {node.lineno} runs a `{type(node).__name__.lower()}` statement"

    def every(self, nodes: Iterable[ast.expr]) -> Iterator[str]:
        for node in nodes:
            yield from self.value(node)

    def value(self, node: ast.AST) -> Iterator[str]:
        """Judge an expression that is evaluated while the module is imported."""
        yield from self._computes(node)
        match node:
            case ast.Call():
                yield from self._call(node)
            case ast.Lambda():
                yield from self.every((*node.args.defaults, *(each for each in node.args.kw_defaults if each)))
            case ast.Await() | ast.Yield() | ast.YieldFrom():
                yield f"line {node.lineno} waits"
            case ast.BinOp(op=operator) if isinstance(operator, _OPERATORS) and not _literal(node):
                yield f"line {node.lineno} uses `{ast.unparse(node)[:40]}`, whose operator may do anything"
            case _:
                for child in children(node):
                    yield from self.value(child)

    def _computes(self, node: ast.AST) -> Iterator[str]:
        """Judge what operators and the like do: with the project's own objects, anything; to an iterator, reading."""
        if isinstance(node, ast.Call) and is_palmette(node, self.palmette):
            return
        operand = self.objects.surprising(node)
        if operand is not None:
            said = ast.unparse(operand)[:40]
            yield f"line {getattr(node, 'lineno', 0)} computes with `{said}`, which may do anything"
        elif self.objects.used_up(node) or (isinstance(node, ast.Subscript) and self.objects.subscripted(node)):
            yield f"line {getattr(node, 'lineno', 0)} reads `{ast.unparse(node)[:40]}`, which may change it"

    def _expression(self, node: ast.Expr) -> Iterator[str]:
        match node.value:
            case ast.Call(func=ast.Attribute(attr=attr, value=base)) as call if attr in MUTATORS:
                name = root_name(base)
                if name not in self.own.by_name or not self._container(name):
                    yield self._says(call)
                yield from self._changed(name, call.lineno)
                yield from self.every((*call.args, *(each.value for each in call.keywords)))
            case value:
                yield from self.value(value)

    def _container(self, name: str) -> bool:
        """Whether a name is only ever bound to built-in containers."""
        found = False
        for fragment in self.own.by_name[name]:
            node = fragment.node
            if name not in fragment.binds or isinstance(node, ast.AugAssign | ast.Delete):
                continue
            value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
            called = self.effects.origin(self.own, dotted(value.func)) if isinstance(value, ast.Call) else ""
            made = isinstance(called, str) and called.rpartition(".")[0] in ("builtins", "collections")
            if not made and not isinstance(value, _CONTAINERS):
                return False
            found = True
        return found

    def _targets(self, targets: Iterable[ast.expr]) -> Iterator[str]:
        for target in targets:
            if isinstance(target, ast.Tuple | ast.List):
                yield from self._targets(target.elts)
            elif isinstance(target, ast.Attribute | ast.Subscript):
                yield from self._changed(root_name(target), target.lineno)
                yield from self.value(target)

    def _changed(self, name: str, line: int) -> Iterator[str]:
        """Judge a change to a name's object: one that came from elsewhere is a patch."""
        if self.inside or name not in self.own.by_name:
            yield f"line {line} changes `{name}`, which is not its own"
            return
        for each in sorted(self.own.behind(name)):
            origin = self.effects.origin(self.own, (each,)) if self.own.aliases(each) else ""
            held = each != name and isinstance(origin, str) and makes_its_own(origin)
            if self.own.aliases(each) and not held:
                yield f"line {line} patches `{each}`, which it imports"

    def _says(self, node: ast.Call) -> str:
        return f"line {node.lineno} calls `{ast.unparse(node.func)[:40]}`"

    def _call(self, node: ast.Call) -> Iterator[str]:
        arguments = (*node.args, *(each.value for each in node.keywords))
        chain = dotted(node.func)
        if is_palmette(node, self.palmette):
            yield from self._palmette(arguments)
            return
        origin = self.effects.origin(self.own, chain)
        yield from self.every(arguments)
        if isinstance(node.func, ast.Attribute) and node.func.attr in READING and self._reads(node.func):
            yield from self.value(node.func.value)
        elif isinstance(origin, Own):
            if not (isinstance(origin.node, ast.ClassDef) and self.plain_class(origin)):
                yield self._says(node)
        elif not pure_callable(origin):
            yield self._says(node)
        elif not keeps(origin):
            yield from self._handed(node, arguments)

    def _handed(self, node: ast.Call, arguments: Iterable[ast.expr]) -> Iterator[str]:
        """Judge functions handed to one that may call them: `sorted(x, key=f)`."""
        for each in arguments:
            given = self.effects.origin(self.own, dotted(each))
            changing = isinstance(each, ast.Attribute) and each.attr in MUTATORS
            if changing or (isinstance(given, Own) and isinstance(given.node, Function)):
                yield f"line {node.lineno} hands `{ast.unparse(each)[:40]}` to `{ast.unparse(node.func)[:40]}`"
            elif isinstance(each, ast.Lambda):
                yield from self.value(each.body)

    def _palmette(self, arguments: Iterable[ast.expr]) -> Iterator[str]:
        """Judge what Palmette's decorators are given: configs may be made there, whatever they check."""
        for node in arguments:
            for each in ast.walk(node):
                if isinstance(each, ast.Call) and not is_palmette(each, self.palmette):
                    origin = self.effects.origin(self.own, dotted(each.func))
                    if not isinstance(origin, Own) or not isinstance(origin.node, ast.ClassDef):
                        yield from self._call(each)

    def _reads(self, function: ast.Attribute) -> bool:
        """Whether a method named like a reading one is a built-in's or a foreign object's, not the project's."""
        base = function.value
        chain = dotted(base)
        if isinstance(base, ast.Call):
            return isinstance(self.effects.origin(self.own, dotted(base.func)), str)
        if not chain or chain[0] not in self.own.by_name:  # a literal, or the variable of a comprehension
            return True
        if self.own.aliases(chain[0]):
            return False
        nodes = [each.node for each in self.own.by_name[chain[0]] if chain[0] in each.binds]
        values = [each.value if isinstance(each, ast.Assign | ast.AnnAssign) else None for each in nodes]
        return all(
            each is not None
            and (not isinstance(each, ast.Call) or isinstance(self.effects.origin(self.own, dotted(each.func)), str))
            for each in values
        )

    def _decorated(self, node: Function | ast.ClassDef) -> Iterator[str]:
        for each in node.decorator_list:
            if is_palmette(each, self.palmette):
                yield from self._palmette(
                    [*each.args, *(given.value for given in each.keywords)] if isinstance(each, ast.Call) else []
                )
                continue
            called = isinstance(each, ast.Call)
            function = each.func if isinstance(each, ast.Call) else each
            chain = dotted(function)
            if len(chain) == 2 and chain[0] in self.local and chain[1] in ("setter", "getter", "deleter", "register"):
                continue
            if len(chain) == 2 and chain[1] == "register" and self._dispatches(chain[0]):
                continue
            origin = self.effects.origin(self.own, chain)
            if isinstance(each, ast.Call):
                yield from self.every((*each.args, *(given.value for given in each.keywords)))
            if isinstance(origin, Own):
                if not (isinstance(origin.node, Function) and _wraps(self.effects, origin, 2 if called else 1)):
                    yield f"line {each.lineno} applies `@{ast.unparse(function)[:40]}`"
            elif not pure_callable(origin):
                yield f"line {each.lineno} applies `@{ast.unparse(function)[:40]}`"

    def _dispatches(self, name: str) -> bool:
        nodes = [each.node for each in self.own.by_name.get(name, ()) if name in each.binds and not each.aliases]
        return any(
            isinstance(node, Function) and any(dotted(each)[-1:] == ("singledispatch",) for each in node.decorator_list)
            for node in nodes
        )

    def _class(self, node: ast.ClassDef) -> Iterator[str]:
        yield from self._decorated(node)
        for base in node.bases:
            yield from self._base(base)
        for keyword in node.keywords:
            origin = self.effects.origin(self.own, dotted(keyword.value))
            if keyword.arg == "metaclass" and not (isinstance(origin, str) and origin.startswith(("abc.", "enum."))):
                yield f"line {node.lineno} uses the metaclass `{ast.unparse(keyword.value)}`"
            yield from self.value(keyword.value)
        before = self.local, self.inside
        self.local, self.inside = {*self.local, *(name for each in node.body for name in bound(each))}, True
        yield from self.block(node.body)
        self.local, self.inside = before

    def _base(self, base: ast.expr) -> Iterator[str]:
        inner = base.value if isinstance(base, ast.Subscript) else base
        if isinstance(inner, ast.Call):
            yield from self.value(inner)
            return
        origin = self.effects.origin(self.own, dotted(inner))
        if isinstance(origin, str):
            if not pure_base(origin, sys.stdlib_module_names):
                yield f"line {base.lineno} subclasses `{ast.unparse(base)[:40]}`"
        elif not isinstance(origin.node, ast.ClassDef) or self._registers(origin):
            yield f"line {base.lineno} subclasses `{ast.unparse(base)[:40]}`, which may register it"

    def _registers(self, own: Own) -> bool:
        """Whether subclassing one of the project's classes may run code."""
        node = own.node
        assert isinstance(node, ast.ClassDef)
        hooks = ("__init_subclass__", "__class_getitem__")
        if any(isinstance(each, Function) and each.name in hooks for each in node.body):
            return True
        there = _Judge(self.effects, own.index)
        return bool(node.keywords) or any(True for base in node.bases for _ in there._base(base))

    def plain_class(self, own: Own) -> bool:
        """Whether making an instance only fills it: no code runs but checks."""
        node = own.node
        assert isinstance(node, ast.ClassDef)
        there = _Judge(self.effects, own.index)
        for each in node.body:
            if isinstance(each, Function) and each.name in _FILLING:
                if not _plain_body(there, each.body, {"self", "cls"}):
                    return False
            elif isinstance(each, ast.AnnAssign) and isinstance(each.value, ast.Call):
                made = [given.value for given in each.value.keywords if given.arg == "default_factory"]
                if any(not _makes(there, factory) for factory in made):
                    return False
        origins = [there.effects.origin(own.index, dotted(base)) for base in node.bases]
        return not any(True for base in node.bases for _ in there._base(base)) and all(
            isinstance(each, str) or there.plain_class(each) for each in origins
        )


def _makes(judge: _Judge, factory: ast.expr) -> bool:
    if isinstance(factory, ast.Lambda):
        return not any(True for _ in judge.value(factory.body))
    origin = judge.effects.origin(judge.own, dotted(factory))
    if isinstance(origin, Own):
        return isinstance(origin.node, ast.ClassDef) and judge.plain_class(origin)
    return pure_callable(origin)


def _plain_body(judge: _Judge, body: Iterable[ast.stmt], changed: set[str]) -> bool:
    """Whether a function's statements check, assign local names and attributes of `changed`, and no more."""
    for node in body:
        match node:
            case ast.Raise() | ast.Pass() | ast.Return() | ast.Assert():
                inner: list[ast.AST] = [node]
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr="__setattr__")) as call):
                inner = [*call.args]
            case ast.Expr():
                inner = [node]
            case ast.If(test=test):
                if not _plain_body(judge, (*node.body, *node.orelse), changed):
                    return False
                inner = [test]
            case ast.Assign(targets=targets, value=value):
                if not all(isinstance(each, ast.Name) or root_name(each) in changed for each in targets):
                    return False
                inner = [value]
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                inner = [*node.decorator_list]
            case _:
                return False
        if any(True for each in inner for _ in judge.value(each)):
            return False
    return True


def _wraps(effects: Effects, own: Own, depth: int) -> bool:
    """Whether applying one of the project's decorators only makes a wrapper; `depth` calls are made to apply it."""
    assert isinstance(own.node, Function)
    return _wrapper(_Judge(effects, own.index), own.node, depth)


def _wrapper(judge: _Judge, node: Function, depth: int) -> bool:
    if not _plain_body(judge, node.body, {each.name for each in node.body if isinstance(each, Function)}):
        return False
    return depth == 1 or all(_wrapper(judge, each, depth - 1) for each in node.body if isinstance(each, Function))


#: Special methods that making an instance runs, or that being bound in a class body does.
_FILLING: Final = ("__new__", "__init__", "__post_init__", "__setattr__", "__set_name__")

_CONTAINERS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)


def _literal(node: ast.AST) -> bool:
    return all(isinstance(each, ast.Constant | ast.BinOp | ast.operator) for each in ast.walk(node))


def resolved(alias: Alias, package: str) -> Alias:
    """An alias with its relative module made absolute."""
    level = len(alias.module) - len(alias.module.lstrip("."))
    return Alias(absolute(alias.module[level:], package, level), alias.name, alias.top) if level else alias
