"""What is installed in an interpreter's site-packages, read from its files."""

from __future__ import annotations

import ast
import json
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlparse

from packaging.markers import InvalidMarker, UndefinedComparison, UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from palmette.capture.keeping import Keeping
from palmette.domain.values import digest
from palmette.domain.wire import dump, load

#: Raised when what is read of a distribution changes, so that what was kept is read again.
_SCHEMA: Final = 1

#: A directory changed less than this many seconds ago may change again within the same tick of its clock.
_UNSETTLED: Final = 1.0

_SUFFIXES: Final = (".py", ".so", ".pyd")


@dataclass(frozen=True, kw_only=True)
class InterpreterFacts:
    """What the project's interpreter says of itself."""

    #: "3.11.7"
    python: str
    #: "cpython"
    implementation: str
    #: "linux-x86_64-glibc"
    platform: str
    executable: str
    #: in the order in which they are searched
    site_packages: tuple[Path, ...]

    @property
    def markers(self) -> dict[str, str]:
        """The values of PEP 508's variables there; the kernel's release and version are left out, as nothing that is
        pinned may hang on them."""
        system, _, rest = self.platform.partition("-")
        names = {"linux": "Linux", "darwin": "Darwin", "win32": "Windows"}
        return {
            "implementation_name": self.implementation,
            "implementation_version": self.python,
            "os_name": "nt" if system == "win32" else "posix",
            "platform_machine": rest.partition("-")[0],
            "platform_python_implementation": {"cpython": "CPython", "pypy": "PyPy"}.get(self.implementation, ""),
            "platform_release": "",
            "platform_system": names.get(system, system.capitalize()),
            "platform_version": "",
            "python_full_version": self.python,
            "python_version": ".".join(self.python.split(".")[:2]),
            "sys_platform": system,
        }


@dataclass(frozen=True, kw_only=True)
class Distribution:
    """One installed distribution."""

    #: normalised: "scikit-learn"
    name: str
    version: str
    #: its ….dist-info
    record: str
    #: names that can be imported from it
    tops: tuple[str, ...] = ()
    #: requirements that hold in this interpreter without any extra
    requires: tuple[str, ...] = ()
    #: requirements that may hold with one
    conditional: tuple[str, ...] = ()
    #: the directory it was installed from, where that is one
    directory: str = ""
    #: directories an editable install imports from
    sources: tuple[str, ...] = ()
    editable: bool = False


def scan(facts: InterpreterFacts, keeping: Keeping) -> dict[str, Distribution]:
    """The installed distributions by name; of one that is there twice, the one that is imported."""
    markers = facts.markers
    about = digest(markers)
    found: dict[str, Distribution] = {}
    for directory in facts.site_packages:
        try:
            changed = directory.stat().st_mtime_ns
        except OSError:
            continue
        key = f"site-{_SCHEMA}-{directory}-{changed}-{about}"
        distributions = _loaded(keeping.get(key))
        if distributions is None:
            distributions = [entry for path in _records(directory) if (entry := _distribution(path, markers))]
            if time.time() - changed / 1e9 > _UNSETTLED:
                keeping.put(key, [dump(entry) for entry in distributions])
        for entry in distributions:
            found.setdefault(entry.name, entry)
    return found


def sources(facts: InterpreterFacts, keeping: Keeping) -> tuple[Path, ...]:
    """The directories that editable installs put on the interpreter's path: the team's own code, wherever it lies."""
    found = (source for entry in scan(facts, keeping).values() for source in entry.sources)
    return tuple(Path(source) for source in dict.fromkeys(found))


def providers(module: str, candidates: Sequence[Distribution]) -> list[Distribution]:
    """Which of the distributions that share a top-level name hold this module: those with the longest part of its path,
    all of them where that says nothing."""
    if len(candidates) < 2:
        return list(candidates)
    names = module.split(".")
    prefixes = [tuple(names[:length]) for length in range(1, len(names) + 1)]
    lengths: list[int] = []
    for candidate in candidates:
        held = {parts[:length] for parts in _modules(Path(candidate.record)) for length in range(1, len(parts) + 1)}
        lengths.append(sum(prefix in held for prefix in prefixes))
    return [entry for entry, length in zip(candidates, lengths, strict=True) if length == max(lengths)]


def _loaded(kept: Any) -> list[Distribution] | None:
    try:
        return [load(Distribution, entry) for entry in kept]
    except (TypeError, AttributeError, ValueError, KeyError):
        return None


def _records(directory: Path) -> list[Path]:
    """The metadata of what is installed there, in an order that does not vary."""
    return sorted(path for path in directory.iterdir() if path.suffix in (".dist-info", ".egg-info"))


def _distribution(record: Path, markers: Mapping[str, str]) -> Distribution | None:
    """What is installed there; None for the remains of something that was removed."""
    file = record if record.is_file() else record / ("METADATA" if record.suffix == ".dist-info" else "PKG-INFO")
    headers = _headers(file)
    name, version = headers.get("name", [""])[0], headers.get("version", [""])[0]
    if not name or not version:
        return None
    requires, conditional = _requirements(headers.get("requires-dist", []), markers)
    editable, directory = _origin(record)
    return Distribution(
        name=canonicalize_name(name),
        version=version,
        record=str(record),
        tops=_tops(record, name),
        requires=requires,
        conditional=conditional,
        directory=directory,
        sources=tuple(_sources(record, Path(directory))) if editable else (),
        editable=editable,
    )


def _headers(file: Path) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    last: list[str] = []
    try:
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if line in ("\n", "\r\n"):  # a folded licence may hold lines of blanks
                    break
                if line[0] in " \t" and last:
                    last[-1] += " " + line.strip()
                    continue
                key, _, value = line.partition(":")
                last = headers.setdefault(key.strip().lower(), [])
                last.append(value.strip())
    except OSError:
        return {}
    return headers


#: The usual marker of an extra; parsing hundreds of them would be most of the work.
_EXTRA_ONLY: Final = re.compile(r"""^[^;]*;\s*\(?\s*extra\s*==\s*["'][^"']*["']\s*\)?\s*$""")


def _requirements(texts: Iterable[str], markers: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    plain, conditional = [], []
    for text in texts:
        if ";" not in text:
            plain.append(text)
        elif _EXTRA_ONLY.match(text) or (not holds(text, markers) and "extra" in text):
            conditional.append(text)
        elif holds(text, markers):
            plain.append(text.partition(";")[0].strip())
    return tuple(plain), tuple(conditional)


def holds(text: str, markers: Mapping[str, str], extra: str = "") -> bool:
    """Whether a requirement counts in this interpreter; one that cannot be understood does not."""
    try:
        requirement = Requirement(text)
        return requirement.marker is None or requirement.marker.evaluate({**markers, "extra": extra})
    except (InvalidRequirement, InvalidMarker, UndefinedComparison, UndefinedEnvironmentName):
        return False


def _tops(record: Path, name: str) -> tuple[str, ...]:
    listed = {parts[0] for parts in _modules(record)}
    if not listed:
        try:
            listed = {line.strip() for line in (record / "top_level.txt").read_text(encoding="utf-8").splitlines()}
        except (OSError, UnicodeDecodeError):
            listed = {name.replace("-", "_")} if record.is_file() else set()
    return tuple(sorted(top for top in listed if top.isidentifier()))


def _modules(record: Path) -> Iterator[tuple[str, ...]]:
    """The modules a distribution holds, in parts; what it put outside site-packages is left out."""
    for path in _files(record):
        if not path.endswith(_SUFFIXES) or path.startswith(("/", "..")) or "-info/" in path:
            continue
        *packages, file = path.split("/")
        stem = file.partition(".")[0]
        yield tuple(packages) if stem == "__init__" and packages else (*packages, stem)


def _files(record: Path) -> list[str]:
    for name in ("RECORD", "installed-files.txt"):
        try:
            lines = (record / name).read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            continue
        # A path is quoted where it holds a comma, which no module's does.
        return [line.partition(",")[0].removeprefix("../") for line in lines]
    return []


def _origin(record: Path) -> tuple[bool, str]:
    """Whether it is an editable install, and the directory it was installed from."""
    try:
        origin = json.loads((record / "direct_url.json").read_bytes())
        about = origin.get("dir_info")
        path = unquote(urlparse(origin["url"]).path) if isinstance(about, dict) else ""
        return bool(path) and about.get("editable") is True, path
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False, ""


def _sources(record: Path, directory: Path) -> Iterator[str]:
    """Where an editable install imports from: its .pth file's directories, its finder's mapping, or else the usual."""
    found: list[str] = []
    for path in _files(record):
        try:
            text = (record.parent / path).read_text(encoding="utf-8") if "/" not in path else ""
        except (OSError, UnicodeDecodeError):
            continue
        if path.endswith(".pth"):
            found += [
                line.strip() for line in text.splitlines() if line.startswith("/") and Path(line.strip()).is_dir()
            ]
        elif path.startswith("__editable__") and path.endswith("_finder.py"):
            found += [str(Path(target).parent) for name, target in _mapping(text) if Path(target).stem == name]
    usual = directory / "src"
    yield from dict.fromkeys(found or [str(usual if usual.is_dir() else directory)])


def _mapping(text: str) -> Iterator[tuple[str, str]]:
    """The names and places that a finder of setuptools' maps."""
    match = re.search(r"^MAPPING\b[^=]*=\s*(\{.*\})\s*$", text, re.MULTILINE)
    try:
        mapping = ast.literal_eval(match[1]) if match else {}
    except (ValueError, SyntaxError):
        return
    for name, target in mapping.items():
        yield str(name).rpartition(".")[2], str(target)
