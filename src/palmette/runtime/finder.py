"""First-party modules come from the bundle, and from nowhere else.

A step that ran from the working tree would hide what capture missed until the pod fails. So the bundle is asked first,
and a module that would come from one of the project's own source directories instead is refused.
"""

from __future__ import annotations

import hashlib
import json
import marshal
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import (
    EXTENSION_SUFFIXES,
    ExtensionFileLoader,
    ModuleSpec,
    NamespaceLoader,
    SourceFileLoader,
)
from importlib.util import MAGIC_NUMBER, cache_from_source, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

_SUFFIXES = (".py", *EXTENSION_SUFFIXES)


class BundleFinder(MetaPathFinder):
    """Finds the bundle's modules; refuses those of `sources` that are not in it.

    Code is shown at its place in the first of `sources` that holds the same bytes, so that tracebacks and breakpoints
    lead to the file one edits. `cache` is where compiled code is kept, or None.
    """

    def __init__(self, bundle: Path, sources: Sequence[Path] = (), cache: Path | None = None) -> None:
        self._bundle = bundle
        self._sources = tuple(dict.fromkeys(Path(os.path.realpath(source)) for source in sources))
        self._cache = cache
        listed = json.loads((bundle / "manifest.json").read_bytes())["files"]
        self._digests: dict[str, str] = {entry["path"]: entry["sha256"] for entry in listed}
        self._modules = _modules(self._digests)
        #: top-level names that the bundle holds; Palmette's own kit is not the project's
        self.names = {name for name in self._modules if "." not in name}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The bundle's module; None for what is not first-party; ImportError for what is and is not in the bundle."""
        top = fullname.partition(".")[0]
        if top == "palmette":
            return None
        if fullname in self._modules:
            return self._spec(fullname, path)
        if top != fullname and top not in self.names:
            return None
        spec = self._elsewhere(fullname, path, target)
        for place in _places(spec) if spec else self._standing(fullname):
            if self._first_party(place):
                raise _not_captured(fullname, place)
        return spec

    def shown(self, path: str) -> Path:
        """Where to show a file of the bundle: in the working tree while its bytes are equal."""
        for source in self._sources:
            with suppress(OSError):
                if hashlib.sha256((source / path).read_bytes()).hexdigest() == self._digests[path]:
                    return source / path
        return self._bundle / path

    def _spec(self, fullname: str, path: Sequence[str] | None) -> ModuleSpec | None:
        relative = self._modules[fullname]
        file = self._bundle / relative
        if not relative.endswith(_SUFFIXES):
            # A third-party distribution may hold another part of the same namespace package.
            elsewhere = self._elsewhere(fullname, path, None)
            others = [] if elsewhere is None or elsewhere.has_location else _places(elsewhere)
            portions = dict.fromkeys([str(file), *(place for place in others if not self._first_party(place))])
            # The last argument would look for more of them whenever sys.path changes.
            loader = NamespaceLoader(fullname, list(portions), lambda *_: None)
            spec = ModuleSpec(fullname, loader, is_package=True)
            spec.submodule_search_locations = loader._path  # type: ignore[attr-defined]
            return spec
        if not relative.endswith(".py"):
            return spec_from_file_location(fullname, file, loader=ExtensionFileLoader(fullname, str(file)))
        return spec_from_file_location(
            fullname, file, loader=_Loader(fullname, file, self.shown(relative), self._cache)
        )

    def _elsewhere(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None) -> ModuleSpec | None:
        """What the import system would find without this finder."""
        for finder in sys.meta_path:
            if finder is not self:
                spec = finder.find_spec(fullname, path, target)
                if spec is not None:
                    return spec
        return None

    def _standing(self, fullname: str) -> list[str]:
        """The file in the working tree that nobody found, because the working tree is not searched."""
        stem = fullname.replace(".", "/")
        names = [f"{stem}{suffix}" for suffix in _SUFFIXES] + [f"{stem}/__init__.py"]
        return [str(source / name) for source in self._sources for name in names if (source / name).is_file()]

    def _first_party(self, place: str) -> bool:
        """Whether a path is the project's source: not an environment or a hidden directory below it."""
        real = Path(os.path.realpath(place))
        if real.is_relative_to(os.path.realpath(self._bundle)):
            return False
        for source in self._sources:
            if real.is_relative_to(source):
                foreign = ("site-packages", "dist-packages")
                parts = real.relative_to(source).parts
                return not any(part.startswith(".") or part in foreign for part in parts)
        return False


class _Loader(SourceFileLoader):
    """Loads a module's source from the bundle and shows it where the user edits it."""

    def __init__(self, fullname: str, file: Path, shown: Path, cache: Path | None) -> None:
        super().__init__(fullname, str(file))
        self._shown = shown
        key = f"{file}\0{shown}\0{cache_from_source('x')}"
        self._compiled = cache / hashlib.sha256(key.encode()).hexdigest()[:32] if cache else None

    def get_code(self, fullname: str) -> CodeType:
        """The compiled module, from the cache where it is there. A bundle never changes, so that cannot be stale."""
        if self._compiled is None:
            return self._compile()
        with suppress(OSError, EOFError, ValueError, TypeError):
            data = self._compiled.read_bytes()
            code = marshal.loads(data[len(MAGIC_NUMBER) :])
            if data.startswith(MAGIC_NUMBER) and isinstance(code, CodeType):
                return code
        code = self._compile()
        with suppress(OSError):
            self._compiled.parent.mkdir(exist_ok=True)
            fresh = self._compiled.with_name(f".{self._compiled.name}.{os.getpid()}")
            fresh.write_bytes(MAGIC_NUMBER + marshal.dumps(code))
            fresh.replace(self._compiled)
        return code

    def _compile(self) -> CodeType:
        return compile(self.get_data(self.path), str(self._shown), "exec", dont_inherit=True)


def install(bundle: Path, environment: Mapping[str, str]) -> BundleFinder:
    """Serve the project's modules from the bundle from now on, also to processes started by multiprocessing.

    Modules of the same names that are loaded already (an editable install's namespace package, say) are forgotten.
    """
    roots = environment.get("PALMETTE_SOURCES") or environment.get("PALMETTE_PROJECT", "")
    sources = [Path(entry) for entry in roots.split(os.pathsep) if entry]
    cache = bundle / "__code__" if environment.get("PALMETTE_BUNDLES") else None
    finder = BundleFinder(bundle, sources, cache)
    sys.path[:] = [str(bundle), *(entry for entry in sys.path if entry not in ("", str(bundle)))]
    sys.meta_path.insert(0, finder)
    # Seldom there. To look at the names of all modules would copy the pages that they lie in into every fork.
    if any(name in sys.modules for name in finder.names):
        for name in [name for name in sys.modules if name.partition(".")[0] in finder.names]:
            del sys.modules[name]
    return finder


def _modules(paths: Mapping[str, str]) -> dict[str, str]:
    """Module names and the files, or directories, that they are, relative to the bundle."""
    found: dict[str, str] = {}
    for path in sorted(paths, key=lambda path: (not path.endswith(".py"), path)):
        suffix = next((suffix for suffix in _SUFFIXES if path.endswith(suffix)), None)
        if suffix is None or path.startswith("palmette/"):
            continue
        parts = path.removesuffix(suffix).split("/")
        if not all(part.isidentifier() for part in parts):
            continue
        for depth in range(1, len(parts)):
            found.setdefault(".".join(parts[:depth]), "/".join(parts[:depth]))
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def _places(spec: ModuleSpec) -> list[str]:
    """The files and directories that a module would come from."""
    if spec.has_location and spec.origin:
        return [spec.origin]
    return list(spec.submodule_search_locations or ())


def _not_captured(fullname: str, place: str) -> ImportError:
    return ModuleNotFoundError(
        f"{fullname} is the project's own module ({place}), but it was not captured with this step, because no import "
        "statement that the step reaches names it.\n"
        f'  Say that it is needed: @step(include=["{fullname}"]), or a comment `# palmette: imports {fullname}` beside '
        'the dynamic import, or closure = "package" under [tool.palmette] to take whole packages.',
        name=fullname,
    )
