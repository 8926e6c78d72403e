"""A module's top level, cut into fragments: what each binds, changes and uses by name."""

from __future__ import annotations

import ast
import copy
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

from palmette.capture.imports import absolute, dotted, imports, is_typing_only
from palmette.capture.names import Alias, Uses, uses
from palmette.capture.nodes import children, everything
from palmette.capture.normal import Detail, normal_form
from palmette.capture.sources import Parsed

#: Methods that change a built-in container in place.
MUTATORS: Final = frozenset(
    """
    add append appendleft clear difference_update discard extend extendleft insert intersection_update
    move_to_end pop popitem popleft remove reverse rotate setdefault sort subtract symmetric_difference_update
    update
    """.split()  # noqa: SIM905 (a list says no more and is longer)
)

_WORD = re.compile(r"[^\W\d]\w*")

#: Statements that hold others which run when the module does.
Compound = ast.If | ast.Try | ast.TryStar | ast.For | ast.While | ast.With | ast.Match


@dataclass(frozen=True, eq=False)
class Fragment:
    """One top-level statement; of an import statement, one name."""

    node: ast.stmt
    #: names it binds or deletes
    binds: frozenset[str]
    #: names whose value it changes in place, as written
    changes: frozenset[str]
    #: what the names that it imports mean; several where branches differ
    aliases: Mapping[str, tuple[Alias, ...]]
    #: the part of `node` that counts: without Palmette's decorators
    counted: ast.stmt
    #: for an import: its canonical text
    text: str = ""

    @cached_property
    def uses(self) -> Uses:
        return Uses() if self.text else uses(self.counted)

    @cached_property
    def span(self) -> tuple[int, int]:
        decorators = getattr(self.node, "decorator_list", [])
        first = min([self.node.lineno, *(each.lineno for each in decorators)])
        return first, self.node.end_lineno or self.node.lineno

    def form(self, detail: Detail) -> str:
        """The fragment's normal form."""
        return self.text or self._forms.setdefault(detail, normal_form(self.counted, detail))

    @cached_property
    def _forms(self) -> dict[Detail, str]:
        return {}


@dataclass(frozen=True, eq=False)
class Index:
    """A module's fragments, by the names that they bind or change."""

    parsed: Parsed
    fragments: tuple[Fragment, ...]
    by_name: Mapping[str, tuple[Fragment, ...]]
    #: name → the names that the values it is assigned may hold on to
    held: Mapping[str, set[str]]
    #: modules from which everything is imported
    stars: tuple[str, ...]

    @property
    def module(self) -> str:
        return self.parsed.file.name

    def aliases(self, name: str) -> tuple[Alias, ...]:
        """What a top-level name means where it is imported."""
        return tuple(alias for each in self.by_name.get(name, ()) for alias in each.aliases.get(name, ()))

    def behind(self, name: str) -> frozenset[str]:
        """The name and all whose value may be, or be inside, the same object."""
        return frozenset(_reachable(name, self.held))

    @cached_property
    def used(self) -> frozenset[str]:
        """Every name in the module's code, and in its short texts: they may be annotations, or be in `__all__`."""
        found: set[str] = set()
        for node in everything(self.parsed.tree):
            if type(node) is ast.Name:
                found.add(node.id)
            elif type(node) is ast.Constant and type(node.value) is str and len(node.value) < 100:
                found.update(_WORD.findall(node.value))
        return frozenset(found)


@lru_cache(maxsize=4096)
def index(parsed: Parsed) -> Index:
    """Cut a module into fragments."""
    package = parsed.file.package
    said = imports(parsed)
    palmette = frozenset(name for name, origin in said.origins.items() if origin.partition(".")[0] == "palmette")
    fragments = [each for node in parsed.tree.body for each in _fragments(node, package, palmette)]
    values = _values(fragments)
    known = frozenset(name for each in fragments for name in each.binds)
    by_name: dict[str, list[Fragment]] = {}
    for fragment in fragments:
        names = set(fragment.binds)
        for name in fragment.changes:
            names |= _reachable(name, values) & known
        for name in names:
            by_name.setdefault(name, []).append(fragment)
    stars = [each.module for each in said.found if "*" in each.names]
    return Index(parsed, tuple(fragments), {name: tuple(each) for name, each in by_name.items()}, values, tuple(stars))


def is_main(test: ast.expr) -> bool:
    """Whether a condition is `__name__ == "__main__"`, which never holds in a step."""
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.left, ast.Name)
        and test.left.id == "__name__"
        and isinstance(test.ops[0], ast.Eq)
        and isinstance(test.comparators[0], ast.Constant)
        and test.comparators[0].value == "__main__"
    )


def root_name(node: ast.expr) -> str:
    """The name at the left end of `a.b[c].d()`; "" if there is none."""
    while isinstance(node, ast.Attribute | ast.Subscript | ast.Call | ast.Starred):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def is_palmette(node: ast.expr, names: frozenset[str]) -> bool:
    """Whether a decorator, or what a call calls, is Palmette's."""
    chain = dotted(node.func if isinstance(node, ast.Call) else node)
    return bool(chain) and chain[0] in names


def _fragments(node: ast.stmt, package: str, palmette: frozenset[str]) -> Iterator[Fragment]:
    match node:
        case ast.Import() | ast.ImportFrom():
            for name, alias in _imported(node, package):
                yield Fragment(node, frozenset({name}), frozenset(), {name: (alias,)}, node, f"{alias} as {name}")
        case ast.If() if is_main(node.test):
            for each in node.orelse:
                yield from _fragments(each, package, palmette)
        case ast.If() if is_typing_only(node.test):
            for each in node.orelse:
                yield from _fragments(each, package, palmette)
        case _:
            aliases: dict[str, tuple[Alias, ...]] = {}
            for inner in _statements(node):
                if isinstance(inner, ast.Import | ast.ImportFrom):
                    for name, alias in _imported(inner, package):
                        aliases[name] = (*aliases.get(name, ()), alias)
            binds = frozenset({*aliases, *bound(node)})
            yield Fragment(node, binds, frozenset(_changed(node)), aliases, _counted(node, palmette))


def _imported(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, Alias]]:
    for each in node.names:
        if isinstance(node, ast.ImportFrom):
            yield each.asname or each.name, Alias(absolute(node.module or "", package, node.level), each.name)
        elif each.asname:
            yield each.asname, Alias(each.name)
        else:
            yield each.name.partition(".")[0], Alias(each.name, top=True)


def _statements(node: ast.stmt) -> Iterator[ast.stmt]:
    """The statement and those inside it that run at the same time; not the bodies of definitions."""
    yield node
    if not isinstance(node, Compound):
        return
    for block in ("body", "orelse", "finalbody"):
        for inner in getattr(node, block, []):
            yield from _statements(inner)
    for holder in (*getattr(node, "handlers", []), *getattr(node, "cases", [])):
        for inner in holder.body:
            yield from _statements(inner)


def bound(node: ast.AST) -> Iterator[str]:
    """The names that a statement binds or deletes in its own scope."""
    match node:
        case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
            yield node.name
            return
        case ast.Lambda():
            return
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            yield from (root_name(each.target) for each in ast.walk(node) if isinstance(each, ast.NamedExpr))
            return
        case ast.Name(ctx=ast.Store() | ast.Del()):
            yield node.id
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)):
            yield name
        case _:
            pass
    for child in children(node):
        yield from bound(child)


def _changed(node: ast.stmt) -> Iterator[str]:
    """The names whose objects a statement changes in place."""
    for inner in _statements(node):
        match inner:
            case ast.Assign(targets=targets) | ast.Delete(targets=targets):
                yield from _roots(targets)
            case ast.AugAssign(target=ast.Name(id=name)):
                yield name
            case ast.AugAssign(target=target) | ast.AnnAssign(target=target) | ast.For(target=target):
                yield from _roots([target])
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr=attr, value=base))) if attr in MUTATORS:
                yield root_name(base)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                for each in inner.decorator_list:
                    function = each.func if isinstance(each, ast.Call) else each
                    if isinstance(function, ast.Attribute) and function.attr == "register":
                        yield root_name(function)
            case _:
                pass


def _roots(targets: Iterable[ast.expr]) -> Iterator[str]:
    for target in targets:
        if isinstance(target, ast.Attribute | ast.Subscript):
            yield root_name(target)
        elif isinstance(target, ast.Tuple | ast.List):
            yield from _roots(target.elts)
        elif isinstance(target, ast.Starred):
            yield from _roots([target.value])


def _values(fragments: Iterable[Fragment]) -> dict[str, set[str]]:
    values: dict[str, set[str]] = {}
    for fragment in fragments:
        for inner in _statements(fragment.node):
            if isinstance(inner, ast.Assign | ast.AnnAssign | ast.AugAssign) and inner.value is not None:
                targets = inner.targets if isinstance(inner, ast.Assign) else [inner.target]
                held = {name for name in _held(inner.value)}
                for name in {root_name(each) for target in targets for each in _parts(target)}:
                    values.setdefault(name, set()).update(held)
    return values


def _parts(target: ast.expr) -> Iterator[ast.expr]:
    if isinstance(target, ast.Tuple | ast.List):
        for each in target.elts:
            yield from _parts(each)
    else:
        yield target


def _held(node: ast.AST) -> Iterator[str]:
    """The names that a value may hold on to: all in it but modules whose functions are called."""
    if isinstance(node, ast.Name):
        yield node.id
    elif isinstance(node, ast.Call) and _gives_nothing(node.func):
        if isinstance(node.func, ast.Name):  # a class, and its instance shares what the class holds
            yield node.func.id
        for each in (*node.args, *(keyword.value for keyword in node.keywords)):
            yield from _held(each)
    else:
        for child in children(node):
            yield from _held(child)


def _gives_nothing(function: ast.expr) -> bool:
    """Whether what a call returns holds at most its arguments: `f(x)`, `np.asarray(x)`, but not `x.get(1)`."""
    chain = dotted(function)
    return len(chain) == 1 or (len(chain) == 2 and chain[1] not in _GIVING)


#: Methods that give away what their object holds.
_GIVING = frozenset({"get", "setdefault", "copy", "values", "items", "pop", "union"})


def _reachable(name: str, values: Mapping[str, set[str]]) -> set[str]:
    seen: set[str] = set()
    queue = [name]
    while queue:
        each = queue.pop()
        if each and each not in seen:
            seen.add(each)
            queue += values.get(each, ())
    return seen


def _counted(node: ast.stmt, palmette: frozenset[str]) -> ast.stmt:
    """The statement without what Palmette's decorators say, since that is tracked elsewhere."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        kept = [each for each in node.decorator_list if not is_palmette(each, palmette)]
        if len(kept) < len(node.decorator_list):
            node = copy.copy(node)
            node.decorator_list = kept
    elif isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and is_palmette(node.value, palmette):
        chain = dotted(node.value.func)
        if chain[-1] in ("step", "command") and node.value.args:
            node = copy.copy(node)
            value = copy.copy(node.value)
            assert isinstance(value, ast.Call)
            value.args, value.keywords = value.args[:1], []
            node.value = value
    return node
