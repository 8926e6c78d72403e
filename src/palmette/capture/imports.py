"""The imports of one module, read from its syntax tree: lazy ones, relative ones and literal dynamic ones too."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from palmette.capture.nodes import children, statements
from palmette.capture.programs import module_of
from palmette.capture.sources import Parsed

#: The three ways out of an import that cannot be read. Every message about one ends in it.
WAYS_OUT: Final = (
    'Name what it loads: `@step(include=["app.plug_*"])` on the step, or a comment `# palmette: imports app.plug_a, '
    'app.plug_b` beside the import; or take everything: `closure = "package"` in `[tool.palmette]`.'
)

_COMMENT = re.compile(r"#\s*palmette:\s*imports?\s+(?P<names>[\w.*?\[\], ]+)")

#: Functions that import what their first argument names.
_LOADERS = frozenset(
    {
        "importlib.import_module",
        "importlib.__import__",
        "builtins.__import__",
        "runpy.run_module",
        "pkgutil.resolve_name",
    }
)
#: Functions that import, or find to be imported, what no literal can name.
_OPAQUE = frozenset(
    {
        "runpy.run_path",
        "importlib.util.spec_from_file_location",
        "importlib.util.module_from_spec",
        "importlib.machinery.SourceFileLoader",
        "imp.load_source",
        "imp.load_module",
    }
)
#: Functions that list the modules of packages.
_WALKERS = frozenset({"pkgutil.walk_packages", "pkgutil.iter_modules"})
_ENTRY_POINTS = frozenset({"importlib.metadata.entry_points", "importlib_metadata.entry_points"})


#: What a handler names that catches a failed import.
_MISSING: Final = frozenset({("ImportError",), ("ModuleNotFoundError",), ("Exception",), ("BaseException",)})

#: Without any of these words in its text, a module imports by statements alone.
_DYNAMIC = ("importlib", "__import__", "runpy", "pkgutil", "import imp", "from imp ")


@dataclass(frozen=True, kw_only=True)
class Import:
    """One import statement's wish, or one literal dynamic import's: absolute, but not yet looked up."""

    #: the dotted module; what `import a.b` and `from a.b import c` call "a.b"
    module: str
    #: what is imported from it; "*" for everything; empty where the module itself is meant
    names: tuple[str, ...] = ()
    line: int = 0
    #: inside a function: it happens when that runs
    lazy: bool = False
    #: inside `try`: it may be missing
    guarded: bool = False
    #: inside a `try` that goes on where it cannot be imported
    optional: bool = False
    #: by `import_module` or the like
    dynamic: bool = False
    #: it is run as a program by a command step
    program: bool = False
    #: the path of that program, where it is named by one
    script: str = ""


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A dynamic import that names nothing that could be read."""

    line: int
    call: str
    #: entry points concern first-party code only where the project declares some; the group, or "" if unknown
    group: str | None = None
    #: for a walk over packages: the root name of its argument, which may be a third-party package
    root: str = ""


@dataclass(frozen=True, kw_only=True)
class Declared:
    """Globs of modules that the author named, in a comment or in `@step(include=[…])`."""

    line: int
    globs: tuple[str, ...]
    #: a comment's; otherwise a decorator's
    comment: bool
    #: first and last line of the function around it, or None for the whole module
    span: tuple[int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Imports:
    """All that a module says about what it imports."""

    found: tuple[Import, ...] = ()
    #: only type checkers follow these
    typing_only: tuple[Import, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    declared: tuple[Declared, ...] = ()
    #: local name → dotted origin, for every import anywhere in the module
    origins: dict[str, str] = field(default_factory=dict)

    def covered(self, unreadable: Unreadable) -> bool:
        """Whether a comment in the same function, or outside of all functions, answers for a dynamic import."""
        return any(
            each.comment and (each.span is None or each.span[0] <= unreadable.line <= each.span[1])
            for each in self.declared
        )


@lru_cache(maxsize=4096)
def imports(parsed: Parsed) -> Imports:
    """The imports of a module. SyntaxError and ValueError pass for what Python cannot parse."""
    reader = _Reader(parsed)
    reader.body(parsed.tree.body)
    return Imports(
        found=tuple(reader.found),
        typing_only=tuple(reader.typing_only),
        unreadable=tuple(reader.unreadable),
        declared=(*_comments(parsed, reader.spans), *reader.declared),
        origins=reader.origins,
    )


def is_typing_only(test: ast.expr) -> bool:
    """Whether a condition is `TYPE_CHECKING`, however it was imported."""
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def absolute(module: str, package: str, level: int) -> str:
    """What a relative import means: `level` dots and `module` within `package`; "" if it leads above the top."""
    if not level:
        return module
    parts = package.split(".") if package else []
    if level - 1 >= len(parts):
        return ""
    base = parts[: len(parts) - level + 1]
    return ".".join([*base, module] if module else base)


def dotted(node: ast.expr) -> tuple[str, ...]:
    """`a.b.c` as its names; empty for any other expression."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else ()


def _catches_missing(caught: ast.expr | None) -> bool:
    """Whether a handler of these exceptions catches that a module is not installed."""
    if isinstance(caught, ast.Tuple):
        return any(_catches_missing(each) for each in caught.elts)
    return caught is None or dotted(caught)[-1:] in _MISSING


class _Reader:
    """One walk over a tree. Origins of names are taken from the whole module, whatever scope they stand in."""

    def __init__(self, parsed: Parsed) -> None:
        self.name = parsed.file.name
        self.package = parsed.file.package
        self.found: list[Import] = []
        self.typing_only: list[Import] = []
        self.unreadable: list[Unreadable] = []
        self.declared: list[Declared] = []
        self.spans: list[tuple[int, int]] = []
        self.origins: dict[str, str] = {}
        self._lazy = 0
        self._guarded = 0
        self._optional = 0
        self._into = self.found
        #: calls are judged once all the names are known
        self._dynamic = any(word in parsed.text for word in _DYNAMIC)
        #: without such words, only statements can import
        self._calls = self._dynamic or "include" in parsed.text or "command" in parsed.text
        for node in statements(parsed.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    self.origins[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom):
                base = absolute(node.module or "", self.package, node.level)
                self.origins.update({each.asname or each.name: f"{base}.{each.name}" for each in node.names})

    def body(self, nodes: list[ast.stmt]) -> None:
        for node in nodes:
            self.visit(node)

    def visit(self, node: ast.AST) -> None:
        match node:
            case ast.Import():
                self._into.extend(self._made(alias.name, (), node) for alias in node.names)
            case ast.ImportFrom():
                base = absolute(node.module or "", self.package, node.level)
                self._into.append(self._made(base, tuple(alias.name for alias in node.names), node))
            case ast.If() if is_typing_only(node.test):
                before, self._into = self._into, self.typing_only
                self.body(node.body)
                self._into = before
                self.body(node.orelse)
            case ast.Try() | ast.TryStar():
                self._try(node)
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._function(node)
            case ast.Call():
                self._call(node)
            case ast.Name() | ast.Attribute() if self._dynamic and self._origin(node) in _LOADERS:
                self.unreadable.append(Unreadable(line=node.lineno, call=f"{ast.unparse(node)} as a value"))
            case _:
                self._children(node)

    def _try(self, node: ast.Try | ast.TryStar) -> None:
        """Its alternatives may be missing one by one; what `finally` imports is always wanted."""
        optional = any(_catches_missing(handler.type) for handler in node.handlers)
        self._guarded += 1
        self._optional += optional
        for each in (*node.body, *node.handlers, *node.orelse):
            self.visit(each)
        self._optional -= optional
        self.body(node.finalbody)
        self._guarded -= 1

    def _children(self, node: ast.AST) -> None:
        for child in children(node):
            if self._calls or not isinstance(child, ast.expr):
                self.visit(child)

    def _made(self, module: str, names: tuple[str, ...], node: ast.stmt | ast.expr, *, dynamic: bool = False) -> Import:
        return Import(
            module=module,
            names=names,
            line=node.lineno,
            lazy=self._lazy > 0,
            guarded=self._guarded > 0,
            optional=self._optional > 0,
            dynamic=dynamic,
        )

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for each in (*node.decorator_list, node.args, *([node.returns] if node.returns else [])):
            self.visit(each)
        start = min([node.lineno, *(each.lineno for each in node.decorator_list)])
        self.spans.append((start, node.end_lineno or node.lineno))
        self._lazy += 1
        self.body(node.body)
        self._lazy -= 1

    def _origin(self, node: ast.expr) -> str:
        names = dotted(node)
        if not names:
            return ""
        root = self.origins.get(names[0])
        if root is None:
            return "builtins.__import__" if names == ("__import__",) else ""
        return ".".join((root, *names[1:]))

    def _call(self, node: ast.Call) -> None:
        origin = self._origin(node.func)
        if origin.startswith("palmette.") and origin.endswith((".step", ".command")):
            self._include(node)
            if origin.endswith(".command"):
                self._program(node)
        if not self._dynamic or not origin:
            self._children(node)
            return
        if origin in _LOADERS:
            self._loaded(node, origin)
        elif origin == "importlib.util.find_spec":
            name = self._text(node.args[0]) if node.args else None
            if name and not name.startswith("."):
                self.found.append(self._made(name, (), node, dynamic=True))
        elif origin in _OPAQUE:
            self.unreadable.append(Unreadable(line=node.lineno, call=ast.unparse(node.func)))
        elif origin in _WALKERS:
            inner = next(iter([*node.args, *(each.value for each in node.keywords)]), None)
            names = dotted(inner) if inner is not None else ()
            root = self.origins.get(names[0], "") if names else ""
            self.unreadable.append(Unreadable(line=node.lineno, call=ast.unparse(node.func), root=root))
        elif origin in _ENTRY_POINTS:
            given = next((each.value for each in node.keywords if each.arg == "group"), None)
            group = (self._text(given) if given is not None else None) or ""
            self.unreadable.append(Unreadable(line=node.lineno, call=ast.unparse(node.func), group=group))
        else:
            self._children(node)
            return
        for each in (*node.args, *(each.value for each in node.keywords)):
            self.visit(each)

    def _loaded(self, node: ast.Call, origin: str) -> None:
        """Note what `import_module("x")` and its kin load, or that it cannot be read."""
        given = {each.arg: each.value for each in node.keywords}
        first = node.args[0] if node.args else given.get("name", given.get("mod_name"))
        name = self._text(first) if first is not None else None
        if name is not None and origin == "importlib.import_module" and name.startswith("."):
            base = node.args[1] if len(node.args) > 1 else given.get("package")
            package = self._text(base) if base is not None else None
            level = len(name) - len(name.lstrip("."))
            name = absolute(name[level:], package, level) if package else None
        elif name is not None and origin.endswith("__import__") and (len(node.args) > 4 or "level" in given):
            name = None
        if not name:
            self.unreadable.append(Unreadable(line=node.lineno, call=ast.unparse(node)[:60]))
            return
        self.found.append(self._made(name.partition(":")[0], (), node, dynamic=True))

    def _text(self, node: ast.expr) -> str | None:
        """The value of an expression of literal texts, `__name__` and `__package__`; None for any other."""
        match node:
            case ast.Constant(value=str(text)):
                return text
            case ast.Name(id="__name__"):
                return self.name
            case ast.Name(id="__package__"):
                return self.package
            case ast.BinOp(op=ast.Add()):
                left, right = self._text(node.left), self._text(node.right)
                return left + right if left is not None and right is not None else None
            case ast.JoinedStr():
                parts = [
                    self._text(each.value if isinstance(each, ast.FormattedValue) else each) for each in node.values
                ]
                return None if any(part is None for part in parts) else "".join(part or "" for part in parts)
            case _:
                return None

    def _program(self, node: ast.Call) -> None:
        """Note what a command runs; the words of a command are literal."""
        given = node.args[0] if node.args else None
        whole = self._text(given) if given is not None else None
        texts = [self._text(each) for each in given.elts] if isinstance(given, ast.List | ast.Tuple) else [whole]
        words = [text for text in texts if text is not None]
        if len(words) < len(texts):
            self.unreadable.append(Unreadable(line=node.lineno, call=ast.unparse(node)[:60]))
            return
        module, script = module_of(words if whole is None else whole)
        if module:
            made = self._made(module, (), node, dynamic=True)
            self.found.append(replace(made, lazy=True, program=True, script=script))

    def _include(self, node: ast.Call) -> None:
        given = next((each.value for each in node.keywords if each.arg == "include"), None)
        items = [given] if isinstance(given, ast.Constant) else list(getattr(given, "elts", ()))
        globs = tuple(text for each in items if (text := self._text(each)))
        if globs:
            self.declared.append(Declared(line=node.lineno, globs=globs, comment=False))


def _comments(parsed: Parsed, spans: list[tuple[int, int]]) -> Iterator[Declared]:
    if not _COMMENT.search(parsed.text):
        return
    for token in tokenize.tokenize(io.BytesIO(parsed.content).readline):
        found = _COMMENT.match(token.string) if token.type == tokenize.COMMENT else None
        if found:
            line = token.start[0]
            globs = tuple(each for each in re.split(r"[,\s]+", found["names"]) if each)
            around = [span for span in spans if span[0] <= line <= span[1]]
            span = min(around, key=lambda each: each[1] - each[0]) if around else None
            yield Declared(line=line, globs=globs, comment=True, span=span)
