"""What a step reaches: the definitions whose change may change what it does, and no others.

From the step's function every name is followed that it, or anything reached, uses. Importing a module runs its top
level, so each module that is imported on the way, its parents included, counts whole if that top level does more
than import, define and assign constants. Where names do not tell what is used, more is counted.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from palmette.capture import data as package_data
from palmette.capture.closure import Closure
from palmette.capture.definitions import Fragment, Index
from palmette.capture.effects import NAMESPACE, Effects, resolved
from palmette.capture.imports import Declared, imports
from palmette.capture.names import Alias, Use, Uses
from palmette.capture.normal import Detail, normal_form
from palmette.capture.sources import Kind
from palmette.domain.values import Json, digest

#: Part of every digest: raised when the meaning of one changes.
SCHEMA: Final = 1

#: Importing these does nothing that a result could depend on; `__future__` changes what the module's code means.
_WITHOUT_EFFECT: Final = (sys.stdlib_module_names | {"palmette"}) - {"__future__"}

#: Names that show code its own text.
SOURCE: Final = frozenset({"getsource", "getsourcelines", "getsourcefile", "getcomments", "findsource", "linecache"})
#: Names that find code by no name.
_EVERYTHING: Final = frozenset(
    {"__subclasses__", "__globals__", "f_builtins", "f_globals", "get_objects", "get_referrers"}
)


@dataclass(frozen=True, kw_only=True)
class Reached:
    """The definitions that a step reaches."""

    #: "module:name" → SHA-256 of its normal form; "module:*" for a whole module, "data:path" for a data file
    definitions: Mapping[str, str] = field(default_factory=dict)
    #: the modules that count whole, and why
    modules_whole: Mapping[str, str] = field(default_factory=dict)
    #: of all the definitions
    digest: str = ""


def reach(closure: Closure, target: str, also: Sequence[str] = (), *, include: Sequence[str] = ()) -> Reached:
    """The slice of the closure that `target`, "module:qualname", and the targets in `also` reach.

    `include` holds the globs of modules that the step's dynamic imports load; they count whole.
    """
    walk = _Walk(closure)
    for each in (target, *also):
        walk.target(each)
    walk.include(include, f"{target} includes it")
    walk.run()
    return walk.reached()


@dataclass(frozen=True)
class _Name:
    """Something to look up: a name at the top of a module, and the attributes that are read from it."""

    module: str
    name: str
    rest: tuple[str, ...] = ()
    #: taken from the module by an import or as an attribute, so that it must be there
    foreign: bool = False


class _Walk:
    def __init__(self, closure: Closure) -> None:
        self.closure = closure
        self.effects = _effects(closure)
        self.definitions: dict[tuple[str, str], None] = {}
        self.whole: dict[str, str] = {}
        self.data: dict[str, str] = {}
        self.others: dict[str, str] = {}
        self.playing: set[str] = set()
        self.programs: set[str] = set()
        self.telling: set[str] = set()
        self.everything = ""
        self._queue: list[_Name] = []
        self._seen: set[_Name] = set()
        self._fragments: set[Fragment] = set()

    def target(self, target: str) -> None:
        """Begin at a step's function; one that is not first-party counts by its name alone."""
        module, _, qualname = target.partition(":")
        name = qualname.partition(".")[0]
        if self.closure.tree.find(module) is None:
            self.others[target] = hashlib.sha256(target.encode()).hexdigest()
            return
        self._play(module)
        self._later(_Name(module, name, foreign=True))
        self.others[f"target:{target}"] = ""
        own = self.effects.index(module)
        for fragment in own.by_name.get(name, ()) if own else ():
            for declared in _declared(self.closure, module):
                if not declared.comment and fragment.span[0] <= declared.line <= fragment.span[1]:
                    self.include(declared.globs, f"{target} includes it")

    def include(self, globs: Iterable[str], why: str) -> None:
        """Count whole every module of the closure that one of the globs names."""
        for glob in globs:
            for module, taken in self.closure.by_module.items():
                if fnmatchcase(module, glob) or fnmatchcase(taken.path, glob):
                    self._whole(module, why)
            for path in self.closure.data:
                if fnmatchcase(path, glob):
                    self._data(path)

    def run(self) -> None:
        while self._queue or self._everything():
            if self._queue:
                self._look_up(self._queue.pop())

    def reached(self) -> Reached:
        detail = Detail.SOURCE if self.telling & SOURCE else Detail.DOCSTRINGS if self.telling else Detail.CODE
        forms = {f"{module}:*": _module_digest(self.closure, module, detail) for module in self.whole}
        for module, name in self.definitions:
            if module not in self.whole:
                own = self.effects.index(module)
                assert own is not None
                text = "\n".join(_form(own, fragment, detail) for fragment in own.by_name[name])
                forms[f"{module}:{name}"] = hashlib.sha256(text.encode()).hexdigest()
        targets = sorted(each for each in self.others if each.startswith("target:"))
        forms |= {each: sha for each, sha in self.others.items() if sha} | self.data
        ordered = dict(sorted(forms.items()))
        said: Json = {"schema": SCHEMA, "targets": targets, "definitions": ordered}
        return Reached(definitions=ordered, modules_whole=dict(sorted(self.whole.items())), digest=digest(said))

    def _later(self, name: _Name) -> None:
        if name not in self._seen:
            self._seen.add(name)
            self._queue.append(name)

    def _look_up(self, wanted: _Name) -> None:
        own = self.effects.index(wanted.module)
        if own is None:
            return
        fragments = own.by_name.get(wanted.name, ())
        submodule = f"{wanted.module}.{wanted.name}"
        if wanted.foreign and self.closure.tree.find(submodule) is not None:
            self._submodule(own, wanted, submodule)
            if not fragments and "__getattr__" in own.by_name:  # it answers until the submodule is imported
                self._later(_Name(wanted.module, "__getattr__"))
        elif not fragments and wanted.foreign:
            self._missing(own, wanted)
        if fragments:
            self.definitions[wanted.module, wanted.name] = None
        for fragment in fragments:
            for alias in fragment.aliases.get(wanted.name, ()):
                self._alias(alias, wanted.rest)
            if not fragment.text:
                self._reach(own, fragment)

    def _submodule(self, own: Index, wanted: _Name, submodule: str) -> None:
        """Follow a name that is a module's below the package: a name bound in the package may hide it."""
        aliases = own.aliases(wanted.name)
        if not own.by_name.get(wanted.name) or any(f"{each.module}.{each.name}" == submodule for each in aliases):
            self._module(submodule, wanted.rest, "used as a value")
        elif not any(each.module == submodule for each in aliases):
            self._whole(submodule, f"{own.module} binds its name too")

    def _missing(self, own: Index, wanted: _Name) -> None:
        """Count a module whole that has no such name, unless every module has it."""
        if wanted.name in ("__name__", "__file__", "__package__", "__path__", "__spec__", "__loader__"):
            return
        if wanted.name == "__doc__":
            self.telling.add("__doc__")
        self._whole(own.module, f"`{wanted.name}` is taken from it and not defined by name")

    def _alias(self, alias: Alias, rest: tuple[str, ...]) -> None:
        """Follow what an imported name means."""
        if alias.top:
            self._play(alias.module)
            self._module(alias.module.partition(".")[0], rest, "used as a value")
        elif alias.name:
            self._play(alias.module)
            if self.closure.tree.find(alias.module) is not None:
                self._later(_Name(alias.module, alias.name, rest, foreign=True))
        else:
            self._module(alias.module, rest, "used as a value")

    def _module(self, module: str, rest: tuple[str, ...], why: str) -> None:
        found = self.closure.tree.find(module)
        if found is None:
            return
        self._play(module)
        if rest:
            self._later(_Name(module, rest[0], rest[1:], foreign=True))
        elif found.kind is not Kind.NAMESPACE:
            self._whole(module, why)

    def _reach(self, own: Index, fragment: Fragment) -> None:
        """Follow everything that a fragment uses."""
        if fragment in self._fragments:
            return
        self._fragments.add(fragment)
        package = own.parsed.file.package
        self._tell(own, fragment.uses)
        for alias in fragment.uses.imported:
            absolute = resolved(alias, package)
            self._play(absolute.module)
            if absolute.name:
                self._play(f"{absolute.module}.{absolute.name}")
        for use in fragment.uses.found:
            self._used(own, use)
        self._within(own, *fragment.span)

    def _used(self, own: Index, use: Use) -> None:
        """Follow one name."""
        name = use.names[0]
        if use.alias is not None:
            alias = resolved(use.alias, own.parsed.file.package)
            if self.closure.tree.find(alias.module.partition(".")[0]) is None:
                self.others[f"{own.module}:{alias} as {name}"] = _sha(str(alias))
            self._alias(alias, use.names[1:])
        elif name in own.by_name:
            self._later(_Name(own.module, name, use.names[1:]))
        elif name in NAMESPACE - {"locals"}:
            self._whole(own.module, f"`{name}` is used in it")
        elif name == "__doc__":
            self.others[f"{own.module}:__doc__"] = _sha(ast.get_docstring(own.parsed.tree, clean=False) or "")

    def _tell(self, own: Index, uses: Uses) -> None:
        self.telling |= uses.telling - _EVERYTHING
        found = uses.telling & _EVERYTHING
        for use in uses.found:
            for alias in (use.alias,) if use.alias else own.aliases(use.names[0]):
                meant = (alias.module, *((alias.name,) if alias.name else ()), *use.names[1:])
                if meant[:2] == ("sys", "modules"):
                    found = found | {"sys.modules"}
                elif meant[0] == "builtins" and NAMESPACE.intersection(meant[1:2]):
                    self._whole(own.module, f"`{meant[1]}` is used in it")
        if found:
            self.everything = self.everything or f"`{min(found)}` in {own.module} finds code by no name"

    def _within(self, own: Index, first: int, last: int) -> None:
        """Count what these lines load: by dynamic imports, and as data files."""
        for found in package_data.named(own.parsed, self.closure.tree):
            if first <= found.line <= last:
                for path in package_data.expand(found):
                    self._data(self.closure.tree.relative(path))
        said = imports(own.parsed)
        for each in said.found:
            if each.program and first <= each.line <= last:
                self._program(each.module)
            elif each.dynamic and first <= each.line <= last:
                self._module(each.module, (), f"{own.module} imports it by its name as a text")
        if any(first <= each.line <= last for each in said.unreadable):
            for module in self.closure.included:
                self._whole(module, f"{own.module} imports what cannot be read")
        for declared in said.declared:
            if declared.comment and first <= declared.line <= last:
                self.include(declared.globs, f"a comment in {own.module} names it")

    def _program(self, module: str) -> None:
        """Count whole what runs as a program, and what it imports: its main block uses that too."""
        for name in (module, f"{module}.__main__"):
            found = self.closure.tree.find(name)
            if found is None or found.kind is Kind.NAMESPACE or name in self.programs:
                continue
            self.programs.add(name)
            self._whole(name, "a command runs it")
            own = self.effects.index(name)
            if own is not None:
                self._within(own, 1, len(own.parsed.text.splitlines()))
            for each in imports(self.closure.tree.read(found)).found:
                if self.closure.tree.find(each.module) is not None:
                    for inner in each.names:
                        self._later(_Name(each.module, inner, foreign=True))
                    if not each.names:
                        self._whole(each.module, f"{name} runs as a program, and imports it")

    def _play(self, module: str) -> None:
        """Note that a module is imported, with its parents and all that it imports at once."""
        queue = [module]
        while queue:
            name = queue.pop()
            found = self.closure.tree.find(name)
            if name in self.playing or found is None:
                continue
            self.playing.add(name)
            queue.append(name.rpartition(".")[0])
            parsed = self.closure.tree.read(found)
            for each in imports(parsed).found:
                if not each.lazy:
                    queue += [each.module, *(f"{each.module}.{inner}" for inner in each.names)]
            self._imported(name)

    def _imported(self, module: str) -> None:
        """Count what importing a module does."""
        reason = self.effects.reason(module)
        if reason:
            self._whole(module, reason)
        own = self.effects.index(module)
        assert own is not None
        for declared in imports(own.parsed).declared:
            if declared.comment and declared.span is None:
                self.include(declared.globs, f"a comment in {module} names it")
        for fragment in own.fragments:
            # a third-party module that is imported and not used is imported for what that does
            for name, aliases in fragment.aliases.items() if fragment.text else ():
                for alias in aliases:
                    top = alias.module.partition(".")[0]
                    if name not in own.used and top not in _WITHOUT_EFFECT and self.closure.tree.find(top) is None:
                        self.others[f"{module}:{alias}"] = _sha(str(alias))

    def _whole(self, module: str, why: str) -> None:
        if module in self.whole or self.closure.tree.find(module) is None:
            return
        self.whole[module] = why
        self._play(module)
        own = self.effects.index(module)
        assert own is not None
        for fragment in own.fragments:
            if fragment.text:
                for aliases in fragment.aliases.values():
                    for alias in aliases:
                        self._used_somehow(own, alias)
            else:
                self._reach(own, fragment)
        for star in own.stars:
            self._whole(star, f"{module} imports everything from it")

    def _used_somehow(self, own: Index, alias: Alias) -> None:
        """Follow what a whole module imports by name; a module that it imports is followed where it is used."""
        if alias.name and self.closure.tree.find(alias.module) is not None:
            submodule = f"{alias.module}.{alias.name}"
            there = self.effects.index(alias.module)
            if there is not None and alias.name not in there.by_name and self.closure.tree.find(submodule) is not None:
                return
            self._later(_Name(alias.module, alias.name, foreign=True))

    def _everything(self) -> bool:
        """Count every imported module whole where code is found by no name; whether there was one more."""
        before = len(self.whole)
        if self.everything:
            for module in sorted(self.playing):
                self._whole(module, self.everything)
        return len(self.whole) > before

    def _data(self, relative: str | None) -> None:
        taken = next((each for each in self.closure.files if each.path == relative), None)
        if taken is not None:
            self.data[f"data:{taken.path}"] = taken.sha256


def _effects(closure: Closure) -> Effects:
    """One judgement for all steps of a closure."""
    known: Effects | None = closure.__dict__.get("_effects")
    if known is None:
        known = closure.__dict__["_effects"] = Effects(closure.tree)
    return known


def _form(own: Index, fragment: Fragment, detail: Detail) -> str:
    if detail is Detail.SOURCE and not fragment.text:
        first, last = fragment.span
        return "\n".join(own.parsed.text.splitlines()[first - 1 : last])
    return fragment.form(detail)


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _declared(closure: Closure, module: str) -> Sequence[Declared]:
    found = closure.tree.find(module)
    return imports(closure.tree.read(found)).declared if found is not None else ()


def _module_digest(closure: Closure, module: str, detail: Detail) -> str:
    found = closure.tree.find(module)
    assert found is not None
    parsed = closure.tree.read(found)
    if found.kind is Kind.EXTENSION or detail is Detail.SOURCE:
        return parsed.sha256
    return _sha(normal_form(parsed.tree, detail))
