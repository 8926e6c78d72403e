"""A bundle: the captured files, Palmette's carried parts and a manifest, under the digest of that manifest.

The digest is over the manifest's bytes, which name every path, size and content digest, and nothing else: touching a
file, another umask, clone path, user or locale, another zlib do not change it.
"""

from __future__ import annotations

import ast
import contextlib
import errno
import fcntl
import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
import tokenize
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from palmette.capture.closure import CARRIED, Closure
from palmette.capture.keeping import Keeping
from palmette.domain.values import Json, canonical
from palmette.errors import CaptureError, StoreError

SCHEMA: Final = 1
#: 1 January 1980, the earliest time that every archive format can say.
TIME: Final = 315532800
MANIFEST: Final = "manifest.json"
#: Bytes of an archive's files at most: source that is written by hand is far from it.
_LARGEST: Final = 256 << 20

_RECORDING: Final = ("blocks", "components", "functions", "groups", "placeholders", "record", "recorder", "wiring")
#: What records an algorithm, and what starts processes: needed where the tool is, and nowhere else.
_AT_HOME: Final = frozenset(
    f"palmette/{name}.py"
    for name in (
        *(f"authoring/{name}" for name in _RECORDING),
        *(f"domain/{name}" for name in ("artifact", "config", "fingerprint", "metric", "run", "states")),
        *(f"domain/{name}" for name in ("grammar", "hosting", "listing", "moments", "query", "ticket", "wire")),
        *(f"domain/{name}" for name in ("branches", "context", "footer")),
        *(
            f"runtime/{name}"
            for name in ("bootstrap", "delivery", "describe", "keeper", "outcome", "spare", "template", "threads")
        ),
        *(f"runtime/{name}" for name in ("contrast", "debug", "trial")),
    )
)

_PALMETTE: Final = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """Files by their path below the bundle, and the manifest that names them."""

    #: SHA-256 of the manifest's bytes
    digest: str
    manifest: bytes
    #: path → bytes; sorted, without the manifest itself
    files: Mapping[str, bytes]

    def archive(self) -> bytes:
        """The tar.gz of the files and the manifest: equal bytes for equal bundles (and equal zlibs)."""
        raw = io.BytesIO()
        with tarfile.open(fileobj=raw, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for path, content in sorted({**self.files, MANIFEST: self.manifest}.items()):
                entry = tarfile.TarInfo(path)
                entry.size, entry.mtime, entry.mode = len(content), TIME, 0o644
                archive.addfile(entry, io.BytesIO(content))
        packed = io.BytesIO()
        with gzip.GzipFile(filename="", fileobj=packed, mode="wb", compresslevel=9, mtime=0) as stream:
            stream.write(raw.getvalue())
        return packed.getvalue()


def bundle(closure: Closure, kit: Mapping[str, bytes], *, python: str = "3.11") -> Bundle:
    """The bundle of a closure and Palmette's carried parts. `python` is the least version that may run it.

    A closure without a single first-party module is refused: its digest would be the same for all of them.
    """
    if not closure.by_module:
        hint = "Check `source-roots` in `[tool.palmette]`: the step's own module must lie below one of them."
        raise CaptureError("there is no first-party source to take along", hint)
    own = {taken.path: closure.content(taken) for taken in closure.files}
    clash = sorted(path for path in own if path in kit or path == MANIFEST or path.startswith("palmette/"))
    if clash:
        raise CaptureError(f"{clash[0]} has a name that Palmette keeps for itself", "Rename it.")
    return assemble({**own, **kit}, python=python)


def assemble(files: Mapping[str, bytes], *, python: str) -> Bundle:
    """A bundle of just these files."""
    ordered = {path: files[path] for path in sorted(files)}
    entries: list[Json] = [
        {"path": path, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for path, content in ordered.items()
    ]
    manifest = canonical({"schema": SCHEMA, "python": python, "files": entries})
    return Bundle(digest=hashlib.sha256(manifest).hexdigest(), manifest=manifest, files=ordered)


@cache
def kit() -> Mapping[str, bytes]:
    """The parts of this Palmette that the project's interpreter needs here, by their path, as they are."""
    names = ["__init__.py", *(f"{name}.py" for name in CARRIED if (_PALMETTE / f"{name}.py").is_file())]
    files = [_PALMETTE / name for name in names]
    files += [path for name in CARRIED for path in (_PALMETTE / name).rglob("*.py")]
    found = {f"palmette/{path.relative_to(_PALMETTE).as_posix()}": path.read_bytes() for path in files}
    return dict(sorted(found.items()))


def carried(keeping: Keeping | None = None) -> Mapping[str, bytes]:
    """What of the kit goes along with every bundle: enough to carry out a step anywhere, not to record or to fork.

    Comments and docstrings are left out, since every byte stands in a pipeline once a step; lines keep their numbers,
    so that a traceback still leads to the source. That takes longer than all else about a bundle, so it is kept.
    """
    whole = {path: content for path, content in kit().items() if path not in _AT_HOME}
    if keeping is None:
        return {path: bare(content) for path, content in whole.items()}
    sources = hashlib.sha256()
    for content in (*whole.values(), Path(__file__).read_bytes()):
        sources.update(hashlib.sha256(content).digest())
    key = f"carried {sources.hexdigest()}"
    kept = keeping.get(key)
    if isinstance(kept, dict) and kept.keys() == whole.keys():
        return {path: str(text).encode() for path, text in kept.items()}
    made = {path: bare(content) for path, content in whole.items()}
    keeping.put(key, {path: content.decode() for path, content in made.items()})
    return made


def bare(source: bytes) -> bytes:
    """Python source without comments and docstrings, each line still in its place."""
    text = source.decode()
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        docstring = _docstring(node)
        if docstring is not None:
            # An ellipsis stands in, as the docstring may be all of a body; a module may be empty.
            rest = "" if isinstance(node, ast.Module) else "..."
            lines[docstring.lineno - 1] = lines[docstring.lineno - 1][: docstring.col_offset] + rest
            for number in range(docstring.lineno, docstring.end_lineno or docstring.lineno):
                lines[number] = ""
    for token in tokenize.generate_tokens(io.StringIO("\n".join([*lines, ""])).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column].rstrip()
    return "\n".join([*lines, ""]).encode()


def _docstring(node: ast.AST) -> ast.expr | None:
    if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) or not node.body:
        return None
    first = node.body[0]
    value = first.value if isinstance(first, ast.Expr) else None
    return value if isinstance(value, ast.Constant) and isinstance(value.value, str) else None


def unpack(bundle: Bundle, directory: Path) -> Path:
    """Make `directory/DIGEST` hold the bundle, and return it.

    The directory appears whole or not at all. Those who unpack into the same place take turns, so that equal bundles
    are written once, and what someone who was killed has left is cleared away. One that is there and complete is left
    alone; one that is damaged is replaced.
    """
    target = directory / bundle.digest
    if _usable(bundle, target):
        return target
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with _alone(directory):
            if _usable(bundle, target):
                return target
            temporary = Path(tempfile.mkdtemp(prefix=f".{bundle.digest[:12]}-", dir=directory))
            try:
                _write(bundle, temporary)
                _place(temporary, target)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise _unwritable(directory, error) from error
    verify(target)
    return target


def adopt(unpacked: Path, bundle: Bundle, directory: Path) -> Path:
    """As `unpack`, but with what was unpacked elsewhere, which is moved where the file system allows it."""
    target = directory / bundle.digest
    with contextlib.suppress(OSError):  # another file system; a reason that lasts is told below
        directory.mkdir(parents=True, exist_ok=True)
        with _alone(directory):
            if not target.exists():
                unpacked.rename(target)
                _sync(directory)
    return unpack(bundle, directory)


def remove(directory: Path, name: str, *, before: float) -> bool:
    """Remove what was unpacked there unless somebody has unpacked it since; whether it went. Each time it is unpacked,
    though it is there, shows in its time of modification."""
    target = directory / name
    with _alone(directory):
        # Under another name first: whoever looks at it from now on unpacks it anew, after us.
        doomed = Path(tempfile.mkdtemp(prefix=".doomed-", dir=directory)) / name
        target.rename(doomed)
        spared = doomed.stat().st_mtime >= before
        if spared:
            doomed.rename(target)
        shutil.rmtree(doomed.parent, ignore_errors=True)
    return not spared


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Be the only one who unpacks there. The lock of someone who is killed is given back; what was begun is removed."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        for rest in directory.glob(".*"):
            shutil.rmtree(rest, ignore_errors=True)
        yield
    finally:
        os.close(descriptor)


def _unwritable(directory: Path, error: OSError) -> StoreError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StoreError(f"no space is left for the bundle in {directory}", "Free some space there.")
    hint = "Check the permissions of the directory and how its disk is mounted."
    return StoreError(f"the bundle cannot be unpacked into {directory}: {error.strerror}", hint)


def verify(target: Path) -> None:
    """Compare an unpacked bundle with its manifest and its name; StoreError names the first file that differs."""
    manifest = _read(target / MANIFEST)
    if hashlib.sha256(manifest).hexdigest() != target.name:
        raise StoreError(f"{target / MANIFEST} is not what it was", f"Delete {target}; it is made again.")
    for path, size, sha256 in _entries(manifest):
        content = _read(target / path)
        if len(content) != size or hashlib.sha256(content).hexdigest() != sha256:
            raise StoreError(f"{target / path} is not what it was", f"Delete {target}; it is made again.")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error


def _entries(manifest: bytes) -> Iterator[tuple[str, int, str]]:
    for entry in json.loads(manifest)["files"]:
        yield entry["path"], entry["size"], entry["sha256"]


def _usable(bundle: Bundle, target: Path) -> bool:
    """Whether the bundle is there and complete; if so it is known to have been needed now."""
    if not _complete(bundle, target):
        return False
    with contextlib.suppress(OSError):  # gone by now, or of somebody else
        os.utime(target)
    return target.exists()


def _complete(bundle: Bundle, target: Path) -> bool:
    """Whether the bundle is there, by manifest and sizes: files are never changed once the directory has its name."""
    try:
        if (target / MANIFEST).read_bytes() != bundle.manifest:
            return False
        return all((target / path).stat().st_size == len(content) for path, content in bundle.files.items())
    except OSError:
        return False


def _write(bundle: Bundle, directory: Path) -> None:
    directory.chmod(0o755)
    everything = {**bundle.files, MANIFEST: bundle.manifest}
    folders = sorted({(directory / path).parent for path in everything})
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(8) as pool:  # one after the other, each would wait for the disk
        list(pool.map(lambda path: _write_file(directory / path, everything[path]), everything))
    for folder in folders:
        _sync(folder)


def _write_file(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    path.chmod(0o444)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _place(temporary: Path, target: Path) -> None:
    """Give the finished directory its name; a damaged one that has it goes."""
    if target.exists():
        damaged = Path(tempfile.mkdtemp(prefix=".damaged-", dir=target.parent))
        target.rename(damaged / "bundle")
        shutil.rmtree(damaged, ignore_errors=True)
    temporary.rename(target)
    _sync(target.parent)


def opened(archive: bytes, digest: str) -> Bundle:
    """The bundle that an archive holds; CaptureError unless it is exactly the one of that digest."""
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(_inflated(archive))) as tar:
            for member in tar:
                stream = tar.extractfile(member) if member.isreg() else None
                if stream is None or member.name in files:
                    raise _damaged(f"it holds something that is not a plain file: {member.name}")
                files[member.name] = stream.read()
        manifest = files.pop(MANIFEST, b"")
        if hashlib.sha256(manifest).hexdigest() != digest:
            raise _damaged(f"it is not {digest}")
        listed = {path: sha256 for path, _, sha256 in _entries(manifest)}
    except (OSError, EOFError, ValueError, KeyError, TypeError, tarfile.TarError, zlib.error) as error:
        raise _damaged(str(error)) from None
    if listed.keys() != files.keys():
        raise _damaged("its files are not those of its manifest")
    for path, content in files.items():
        if os.path.normpath(path) != path or path[0] in "/." or "\\" in path:
            raise _damaged(f"a path leads out of it: {path}")
        if hashlib.sha256(content).hexdigest() != listed[path]:
            raise _damaged(f"{path} is not what it was")
    return Bundle(digest=digest, manifest=manifest, files=dict(sorted(files.items())))


def _inflated(archive: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(archive)) as stream:
        data = stream.read(_LARGEST + 1)
    if len(data) > _LARGEST:
        raise _damaged(f"unpacked it would be larger than {_LARGEST >> 20} MiB")
    return data


def _damaged(why: str) -> CaptureError:
    return CaptureError(f"the bundle in the pipeline is damaged: {why}", "Compile the pipeline again.")
