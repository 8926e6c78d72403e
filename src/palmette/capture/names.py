"""The names that a piece of code takes from its module, by Python's rules of scope.

A local variable hides a module's name; a class body hides nothing from its methods; a comprehension has a scope of
its own; an import inside a function makes its local name mean a module or a definition of one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from palmette.capture.imports import dotted, is_typing_only
from palmette.capture.nodes import children

#: Attributes and names that say how the code looks at itself or at other code.
TELLING: Final = frozenset(
    """
    __code__ __doc__ __globals__ __subclasses__ docopt docstring_parser doctest dspy f_builtins f_globals fastmcp
    findsource fire get_objects
    get_referrers getcomments getdoc getsource getsourcefile getsourcelines instructor langchain langchain_core
    linecache llama_index magentic marvin pydantic_ai pydoc smolagents typer use_attribute_docstrings
    """.split()  # noqa: SIM905 (a list says no more and is longer)
)


@dataclass(frozen=True)
class Alias:
    """What an imported name means."""

    #: absolute; with leading dots where a relative import inside a function is not resolved yet
    module: str
    #: the name taken from it; empty for the module itself
    name: str = ""
    #: `import a.b`: the name means "a"
    top: bool = False

    def __str__(self) -> str:
        return f"from {self.module} import {self.name}" if self.name else f"import {self.module}"


@dataclass(frozen=True)
class Use:
    """A name and the attributes that are read from it at once: `h.scaled` is ("h", "scaled")."""

    names: tuple[str, ...]
    #: the meaning of the first name where the code itself imports it; else it is the module's
    alias: Alias | None = None


@dataclass(frozen=True, kw_only=True)
class Uses:
    """All that a piece of code uses."""

    found: frozenset[Use] = frozenset()
    #: what its functions import
    imported: frozenset[Alias] = frozenset()
    #: names and attributes of TELLING
    telling: frozenset[str] = frozenset()


def uses(node: ast.AST) -> Uses:
    """The names that a statement and everything inside it uses, resolved as far as the statement itself tells."""
    walk = _Walk()
    walk.visit(node)
    return Uses(found=frozenset(walk.found), imported=frozenset(walk.imported), telling=frozenset(walk.telling))


@dataclass
class _Walk:
    found: set[Use] = field(default_factory=set)
    imported: set[Alias] = field(default_factory=set)
    telling: set[str] = field(default_factory=set)
    #: of the functions around: local name → its imports, none for a plain variable
    scopes: list[dict[str, tuple[Alias, ...]]] = field(default_factory=list)

    def visit(self, node: ast.AST) -> None:  # noqa: C901 (one case for each kind of scope)
        match node:
            case ast.Name():
                if isinstance(node.ctx, ast.Load):
                    self._use((node.id,))
            case ast.Attribute():
                self._attribute(node)
            case ast.Constant(value=str() as text) if text.startswith("__"):  # for getattr, vars and the like
                self.telling.update(TELLING.intersection((text,)))
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._all(node.decorator_list)
                self._signature(node.args)
                self._annotation(node.returns)
                self._all(getattr(node, "type_params", []))
                self._inside(node.args, node.body)
            case ast.Lambda():
                self._signature(node.args)
                self._inside(node.args, [node.body])
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                self._comprehension(node)
            case ast.AnnAssign():
                self.visit(node.target)
                self._annotation(node.annotation)
                self._all([node.value] if node.value else [])
            case ast.Global():
                for name in node.names:
                    self.found.add(Use((name,)))
            case ast.Import() | ast.ImportFrom() if self.scopes:
                self.imported.update(alias for _, alias in local_imports(node))
            case ast.Import() | ast.ImportFrom():
                pass
            case ast.If() if is_typing_only(node.test):
                self._all(node.orelse)
            case _:
                self._all(children(node))

    def _all(self, nodes: Iterable[ast.AST]) -> None:
        for each in nodes:
            self.visit(each)

    def _use(self, names: tuple[str, ...]) -> None:
        self.telling.update(TELLING.intersection(names))
        for scope in reversed(self.scopes):
            if names[0] in scope:
                self.found.update(Use(names, alias) for alias in scope[names[0]])
                return
        self.found.add(Use(names))

    def _attribute(self, node: ast.Attribute) -> None:
        names = dotted(node)
        if names:
            self._use(names)
            return
        if node.attr in TELLING:
            self.telling.add(node.attr)
        self.visit(node.value)

    def _signature(self, arguments: ast.arguments) -> None:
        for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
            self._annotation(each.annotation if each else None)
        self._all(each for each in (*arguments.defaults, *arguments.kw_defaults) if each is not None)

    def _annotation(self, node: ast.expr | None) -> None:
        """Visit an annotation, and what the texts in it spell: "Config" means the class of that name."""
        if node is None:
            return
        self.visit(node)
        for each in _texts(node):
            try:
                self.visit(ast.parse(each, mode="eval").body)
            except (SyntaxError, ValueError):
                continue

    def _inside(self, arguments: ast.arguments, body: Iterable[ast.AST]) -> None:
        body = list(body)
        scope: dict[str, tuple[Alias, ...]] = {}
        for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
            if each is not None:
                scope[each.arg] = ()
        outer: set[str] = set()
        for node in body:
            for name, alias in _locals(node, outer):
                scope[name] = (*scope.get(name, ()), *([alias] if alias else []))
        self.scopes.append({name: aliases for name, aliases in scope.items() if name not in outer})
        self._all(body)
        self.scopes.pop()

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> None:
        first = node.generators[0]
        self.visit(first.iter)
        targets = (each for generator in node.generators for each in ast.walk(generator.target))
        self.scopes.append({each.id: () for each in targets if isinstance(each, ast.Name)})
        for generator in node.generators:
            self._all([*([generator.iter] if generator is not first else []), generator.target, *generator.ifs])
        self._all([node.key, node.value] if isinstance(node, ast.DictComp) else [node.elt])
        self.scopes.pop()


def local_imports(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, Alias]]:
    """The names that an import statement binds; a relative module keeps its dots."""
    for each in node.names:
        if isinstance(node, ast.ImportFrom):
            yield each.asname or each.name, Alias("." * node.level + (node.module or ""), each.name)
        elif each.asname:
            yield each.asname, Alias(each.name)
        else:
            yield each.name.partition(".")[0], Alias(each.name, top=True)


def _locals(node: ast.AST, outer: set[str]) -> Iterator[tuple[str, Alias | None]]:
    """The names that a statement makes local to its function; `outer` gathers those declared not to be."""
    match node:
        case ast.Global() | ast.Nonlocal():
            outer.update(node.names)
            return
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name, None
            return
        case ast.Import() | ast.ImportFrom():
            yield from local_imports(node)
            return
        case ast.Lambda():
            return
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            walrus = (each.target for each in ast.walk(node) if isinstance(each, ast.NamedExpr))
            yield from ((each.id, None) for each in walrus if isinstance(each, ast.Name))
            return
        case ast.Name(ctx=ast.Store() | ast.Del()):
            yield node.id, None
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name, None
        case ast.MatchMapping(rest=str(name)):
            yield name, None
        case _:
            pass
    for child in children(node):
        yield from _locals(child, outer)


def _texts(node: ast.AST) -> Iterator[str]:
    """The texts inside an annotation that may be types: not those of a `Literal`."""
    if isinstance(node, ast.Subscript) and dotted(node.value)[-1:] == ("Literal",):
        return
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    for child in children(node):
        yield from _texts(child)
