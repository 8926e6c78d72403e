"""What a project's lock file says of every distribution: its version and the hashes of its files."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from palmette.capture.keeping import Keeping
from palmette.domain.values import Json
from palmette.domain.wire import dump, load
from palmette.errors import CaptureError

#: Raised when what is read from a lock changes, so that what was kept of it is read again.
_SCHEMA: Final = 2


@dataclass(frozen=True, kw_only=True)
class Locked:
    """One version of a distribution that a lock allows."""

    #: empty where the lock names no version: a checkout, an archive
    version: str
    #: sorted, "sha256:…"
    hashes: tuple[str, ...] = ()
    #: it is the project's own code, or lies beside it
    local: bool = False
    #: where it counts, as the lock says it; empty for everywhere
    marker: str = ""
    #: the dependency groups that need it, where the lock says it; empty for all
    groups: tuple[str, ...] = ()
    #: where it comes from, if that is no index: "git+https://…@COMMIT", the URL of a file
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class Lock:
    """A lock file."""

    #: relative to the project: "uv.lock", "../uv.lock"
    name: str
    #: SHA-256 of its bytes, 64 hexadecimal digits
    digest: str
    #: normalised name → what is locked; several where the lock distinguishes platforms or Pythons
    entries: Mapping[str, tuple[Locked, ...]]
    #: the command that makes the environment what the lock says
    remedy: str


_Entry: TypeAlias = tuple[str, Locked]

#: In order of preference. requirements.txt counts only with hashes: without, it is a wish.
PREFERENCE: Final = ("uv.lock", "pylock.toml", "poetry.lock", "requirements.txt")


def read(root: Path, keeping: Keeping, *, choice: str = "auto", workspace: Sequence[Path] = ()) -> Lock | None:
    """The project's lock; None if it has none, or `choice` is "none". CaptureError if it cannot be read.

    `choice` may be a path relative to the root. Automatically, the first in order of preference is taken that lies
    beside pyproject.toml, else in the workspace roots above it.
    """
    if choice == "none":
        return None
    if choice != "auto":
        lock = _read(root, choice, keeping)
        if lock is None:
            raise CaptureError(
                f"{choice} pins nothing: it has no hashes",
                'Make one that has (`uv pip compile --generate-hashes`), or set `lock = "none"` in [tool.palmette].',
            )
        return lock
    for number, directory in enumerate((root, *workspace)):
        for name in PREFERENCE if number == 0 else PREFERENCE[:1]:
            if (directory / name).is_file() and (lock := _read(root, _relative(directory, root, name), keeping)):
                return lock
    return None


def _relative(directory: Path, root: Path, name: str) -> str:
    return name if directory == root else "../" * len(root.relative_to(directory).parts) + name


def _read(root: Path, name: str, keeping: Keeping) -> Lock | None:
    path = root / name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CaptureError(f"{path} cannot be read: {error.strerror}", "Mend it, or name another file.") from None
    digest = hashlib.sha256(data).hexdigest()
    parser, remedy = _how(path.name)
    key = f"lock-{_SCHEMA}-{parser.__name__.strip('_')}-{digest}"
    if (entries := _loaded(keeping.get(key))) is None:
        try:
            entries = _gathered(parser(data.decode()))
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            what = f"has no {error}" if isinstance(error, KeyError) else str(error)
            raise CaptureError(
                f"{path} is not a lock file that can be read: {what}",
                'Make it again, or set `lock = "none"` in [tool.palmette] to pin what is installed.',
            ) from None
        keeping.put(key, {name: [dump(entry) for entry in found] for name, found in entries.items()})
    return Lock(name=name, digest=digest, entries=entries, remedy=remedy) if entries else None


def _how(name: str) -> tuple[Callable[[str], Iterator[_Entry]], str]:
    if name == "uv.lock":
        return _uv, "uv sync"
    if name == "poetry.lock":
        return _poetry, "poetry install"
    if name.endswith(".toml"):
        return _pylock, f"uv pip sync {name}"
    return _requirements, f"pip install -r {name}"


def _gathered(found: Iterator[_Entry]) -> dict[str, tuple[Locked, ...]]:
    entries: dict[str, tuple[Locked, ...]] = {}
    for name, locked in found:
        entries[canonicalize_name(name)] = (*entries.get(canonicalize_name(name), ()), locked)
    return dict(sorted(entries.items()))


def _loaded(kept: Json) -> dict[str, tuple[Locked, ...]] | None:
    """What was kept; None if it is not what this version keeps."""
    try:
        return load(dict[str, tuple[Locked, ...]], kept) if isinstance(kept, Mapping) else None
    except (TypeError, AttributeError, ValueError, KeyError):
        return None


# The formats. Each reader yields what it finds; a KeyError, TypeError or ValueError says that the file is malformed.


def _packages(text: str, key: str) -> list[dict[str, Any]]:
    found = tomllib.loads(text).get(key, [])
    if not isinstance(found, list) or not all(isinstance(package, dict) for package in found):
        raise ValueError(f"{key!r} is not a list of tables")
    return found


def _text(value: object, what: str) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{what} is {value!r}, not a text")
    return value


def _uv(text: str) -> Iterator[_Entry]:
    for package in _packages(text, "package"):
        files = [*package.get("wheels", []), package.get("sdist", {})]
        hashes = sorted({_text(file["hash"], "a hash") for file in files if "hash" in file})
        local = not {"editable", "virtual", "directory"}.isdisjoint(package.get("source", {}))
        version = _text(package.get("version", ""), "a version")
        yield _text(package["name"], "a name"), Locked(version=version, hashes=tuple(hashes), local=local)


def _pylock(text: str) -> Iterator[_Entry]:
    for package in _packages(text, "packages"):
        files = [*package.get("wheels", []), package.get("sdist", {}), package.get("archive", {})]
        hashes = sorted(
            {f"{kind}:{_text(digest, 'a hash')}" for file in files for kind, digest in file.get("hashes", {}).items()}
        )
        locked = Locked(
            version=_text(package.get("version", ""), "a version"),
            hashes=tuple(hashes),
            local="directory" in package,
            marker=_text(package.get("marker", ""), "a marker"),
            url=_elsewhere(package.get("vcs"), package.get("archive")),
        )
        yield _text(package["name"], "a name"), locked


def _elsewhere(vcs: Mapping[str, Any] | None, archive: Mapping[str, Any] | None) -> str:
    """The address of a package that no index has."""
    if vcs:
        below = f"#subdirectory={vcs['subdirectory']}" if "subdirectory" in vcs else ""
        return f"{vcs['type']}+{vcs['url']}@{vcs['commit-id']}{below}"
    return _text(archive.get("url", ""), "a URL") if archive else ""


def _poetry(text: str) -> Iterator[_Entry]:
    older = tomllib.loads(text).get("metadata", {}).get("files", {})
    for package in _packages(text, "package"):
        name = _text(package["name"], "a name")
        files = package.get("files") or older.get(name, [])
        hashes = sorted({_text(file["hash"], "a hash") for file in files})
        source, markers = package.get("source", {}), package.get("markers", "")
        locked = Locked(
            version=_text(package["version"], "a version"),
            hashes=tuple(hashes),
            local=source.get("type") == "directory",
            url=_elsewhere(*_checkout(source)),
        )
        # Of each group that needs it, poetry says where; one text where they agree.
        for group in package.get("groups", []) or [""]:
            marker = markers.get(group, "") if isinstance(markers, dict) else markers
            groups = (_text(group, "a group"),) if group else ()
            yield name, replace(locked, marker=_text(marker, "a marker"), groups=groups)


def _checkout(source: Mapping[str, Any]) -> tuple[Mapping[str, Any] | None, Mapping[str, Any] | None]:
    """Poetry's words for a checkout or an archive, in a pylock's."""
    if source.get("type") == "git":
        place = {name: source[name] for name in ("subdirectory",) if name in source}
        return {"type": "git", "url": source["url"], "commit-id": source["resolved_reference"], **place}, None
    return None, {"url": source["url"]} if source.get("type") == "url" else None


_HASH: Final = re.compile(r"\s--hash[=\s]+(\S+)")


def exported(text: str) -> dict[str, tuple[Locked, ...]]:
    """What `uv export` printed. A checkout has no hash there but its commit, and code of one's own has a path alone."""
    lines = [line for line in text.splitlines() if not line.startswith(("-e ", "./", "../", "/", "file:"))]
    return _gathered(_requirements("\n".join(lines), strict=False))


def _requirements(text: str, strict: bool = True) -> Iterator[_Entry]:
    """Pip's own rule: with one hash anywhere, every requirement must be pinned and hashed. Without any, no entries."""
    logical = re.sub(r"\\\r?\n", lambda _: " \0", text)  # a NUL keeps count of the physical lines
    if strict and "--hash" not in re.sub(r"(?m)(^|\s)#.*$", "", logical):
        return
    number = 1
    for line in logical.splitlines():
        here, number = number, number + 1 + line.count("\0")
        stripped = re.sub(r"(^|\s)#.*$", "", line.replace("\0", "")).strip()
        if not stripped or (
            stripped.startswith("-") and not re.match(r"-(r|e)\b|--(requirement|editable)\b", stripped)
        ):
            continue
        if stripped.startswith("-"):
            raise ValueError(f"line {here}: {stripped.split()[0]} cannot stand in a file with hashes")
        hashes = tuple(sorted(_HASH.findall(stripped)))
        try:
            requirement = Requirement(_HASH.sub("", stripped))
        except InvalidRequirement as error:
            raise ValueError(f"line {here}: {str(error).splitlines()[0]}") from None
        pins = [entry for entry in requirement.specifier if entry.operator in ("==", "===")]
        if (strict and not hashes) or (not requirement.url and (len(pins) != 1 or pins[0].version.endswith(".*"))):
            raise ValueError(f"line {here}: {requirement.name} has no single version with hashes")
        locked = Locked(
            version=pins[0].version if pins else "",
            hashes=hashes,
            marker=str(requirement.marker or ""),
            url=requirement.url or "",
        )
        yield requirement.name, locked
