"""Environments that are built from pins, kept in the user's cache, and shared by whoever needs the same.

Each lies in a directory named by its key: what is pinned, with hashes, and the Python and platform it is for. Whoever
builds one holds its lock alone; whoever uses one shares the lock, and the kernel drops a lock with its last holder, so
nothing that is in use is ever removed, and a dead process keeps nothing. An environment counts once its marker is
there, which is written last: what a killed process has left is built anew.

What is built is copied, never linked to uv's cache, loses its write permission, and is mounted read-only for a step
where the system allows that. Where neither stops a step (root in a plain container), the next user sees by sizes and
times that a file was changed, and builds it again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from palmette.capture import uv
from palmette.capture.installed import InterpreterFacts
from palmette.domain.run import Pin
from palmette.domain.values import digest
from palmette.engine.executors.berth import BUILT
from palmette.errors import EnvironmentFailed

#: Raised when an environment is built in another way, so that older ones are left to be collected.
_SCHEMA: Final = 1

#: Says what takes long; a verb shows it (`cli.patience`).
log: Final = logging.getLogger("palmette.environments")


@dataclass(frozen=True, kw_only=True)
class Kept:
    """An environment in the cache."""

    #: what it was first built for: "torch"; empty for a project's own or where that is not known
    name: str
    directory: Path
    #: bytes
    size: int
    #: when somebody last began to use it, seconds since the epoch
    used: float
    in_use: bool = False
    #: `collect` has removed it, or would without `dry_run`
    removed: bool = False


@dataclass
class Shelf:
    """The environments of this user's, and those among them that this process holds until it is closed."""

    directory: Path
    environ: Mapping[str, str]
    _held: list[int] = field(default_factory=list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of everything."""
        while self._held:
            os.close(self._held.pop())

    def interpreter(
        self,
        pins: Sequence[Pin],
        python: InterpreterFacts,
        *,
        name: str = "",
        root: Path | None = None,
        sources: Sequence[str] | None = None,
    ) -> Path:
        """The Python of the environment with exactly these distributions, built if it is not there, and held.

        `python` is the interpreter it is for, `root` the project whose settings say where packages come from, or
        `sources` are the options with which uv finds them.
        EnvironmentFailed says what is gone, with uv's words.
        """
        title = f"the environment {name}" if name else _titled("")
        place = self.place(pins, python)
        while True:
            lock = self._lock(place, title)
            try:
                changed = _changed(place)
                if changed is None:
                    os.utime(lock)
                    self._held.append(lock)
                    return place / "bin" / "python"
                if changed:
                    log.warning("%s was changed since it was built (%s): it is built again", title, changed)
                # The lock is given up and taken anew by this; what another did in between is seen below.
                fcntl.flock(lock, fcntl.LOCK_EX)
                if _is(lock, place) and _changed(place) is not None:
                    _Building(place, pins, python, name, root or Path("/"), self.environ, lock, sources).build(title)
            except BaseException:
                os.close(lock)
                raise
            os.close(lock)

    def place(self, pins: Sequence[Pin], python: InterpreterFacts) -> Path:
        """Where the environment with exactly these distributions lies, once it is built."""
        return self.directory / _key(pins, python)

    def keep(self, executable: Path) -> None:
        """Hold the environment of this interpreter, if it is one of these; EnvironmentFailed if it is gone."""
        if not executable.is_relative_to(self.directory):
            return
        place = self.directory / executable.relative_to(self.directory).parts[0]
        lock = self._lock(place, "the environment")
        self._held.append(lock)
        if _changed(place) is not None:
            raise EnvironmentFailed(f"the environment {place} was removed", "Run it anew: that builds it again.")
        os.utime(lock)

    def _lock(self, place: Path, title: str) -> int:
        """The environment's lock, shared with others that use it; waits for whoever builds it."""
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        while True:
            lock = os.open(_lock_of(place), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                try:
                    fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    log.info("waiting for another process that builds %s", title)
                    fcntl.flock(lock, fcntl.LOCK_SH)
                if _is(lock, place):
                    return lock
            except BaseException:
                os.close(lock)
                raise
            os.close(lock)

    def collect(self, older_than: float, *, dry_run: bool = False) -> tuple[Kept, ...]:
        """Remove what nobody uses and nobody has used for so many seconds; all there is, the least recently used first.

        With `dry_run` nothing is removed, and `removed` says what would be.
        """
        found = []
        for path in sorted(self.directory.glob("*.lock")) if self.directory.is_dir() else []:
            with contextlib.suppress(FileNotFoundError):
                found.append(self._collected(path.with_suffix(""), older_than, dry_run))
        return tuple(sorted((each for each in found if each), key=lambda each: (each.used, each.directory)))

    def _collected(self, place: Path, older_than: float, dry_run: bool) -> Kept | None:
        lock = os.open(_lock_of(place), os.O_RDWR | os.O_CLOEXEC)
        try:
            used = os.fstat(lock).st_mtime
            known = _marker(place)
            kept = Kept(name=str(known.get("name", "")), directory=place, size=_size(place), used=used)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return replace(kept, in_use=True)
            if not _is(lock, place):
                return None
            # The remains of a build that was killed are nobody's.
            if known and time.time() - used < older_than:
                return kept
            if not dry_run:
                remove(place)
                _lock_of(place).unlink()
            return replace(kept, removed=True) if known else None
        finally:
            os.close(lock)


@dataclass(frozen=True)
class _Building:
    """One environment on its way."""

    place: Path
    pins: Sequence[Pin]
    python: InterpreterFacts
    name: str
    root: Path
    environ: Mapping[str, str]
    lock: int
    sources: Sequence[str] | None

    def build(self, title: str) -> None:
        """Make it, whole or not at all."""
        count = len(self.pins)
        log.info("building %s: %s", _titled(self.name), "1 package" if count == 1 else f"{count} packages")
        command, began = uv.find(self.environ), time.monotonic()
        remove(self.place)
        try:
            self._install(command, title)
            _finish(self.place, {"name": self.name, "python": self.python.python, "built": time.time()})
        except BaseException:
            remove(self.place)
            raise
        log.info("built %s in %.1f s", _titled(self.name), time.monotonic() - began)

    def _install(self, command: uv.Uv, title: str) -> None:
        what = f"{title} cannot be built"
        with tempfile.TemporaryDirectory(prefix="palmette-") as temporary:
            base = ("--python", self.python.executable)
            command("venv", "--quiet", "--no-project", *base, self.place, where=self.root, what=what, lock=self.lock)
            if not self.pins:
                return
            requirements = Path(temporary) / "requirements.txt"
            requirements.write_text("".join(f"{_requirement(pin)}\n" for pin in self.pins), encoding="utf-8")
            # Hashes decide what is installed, so it matters little which index has it. Copies are made because a step
            # that writes through a link would change uv's cache, and with it every environment.
            how = ["--link-mode", "copy", "--compile-bytecode", "--index-strategy", "unsafe-best-match"]
            how += ["--require-hashes"] if all(pin.hashes for pin in self.pins) else []
            sync = ("pip", "sync", "--quiet", "--strict", "--python", str(self.place / "bin" / "python"))
            command(
                *(*sync, *how, *self._sources(), str(requirements)),
                where=self.root,
                what=what,
                hint=self._unhashed(),
                lock=self.lock,
            )

    def _sources(self) -> Sequence[str]:
        return uv.sources(self.environ, self.root) if self.sources is None else self.sources

    def _unhashed(self) -> str:
        bare = [pin.name for pin in self.pins if not pin.hashes and not pin.url]
        return f"No hashes are known of {', '.join(bare)}." if bare else ""


def _titled(name: str) -> str:
    return f"environment {name}" if name else "the project's environment"


def _requirement(pin: Pin) -> str:
    what = f"{pin.name} @ {pin.url}" if pin.url else f"{pin.name}=={pin.version}"
    return " ".join([what, *(f"--hash={each}" for each in pin.hashes)])


def _key(pins: Sequence[Pin], python: InterpreterFacts) -> str:
    what = sorted([pin.name, pin.version, pin.url, *pin.hashes] for pin in pins)
    whose = [python.python, python.implementation, python.platform, python.executable]
    return digest([_SCHEMA, *whose, [[*each] for each in what]])[:32]


def _lock_of(place: Path) -> Path:
    return place.with_name(f"{place.name}.lock")


def _is(lock: int, place: Path) -> bool:
    """Whether this is still the lock, and not one that was removed with its environment."""
    try:
        return os.path.samestat(os.fstat(lock), _lock_of(place).stat())
    except FileNotFoundError:
        return False


# What was built, and whether it is still that


def _finish(place: Path, about: Mapping[str, Any]) -> None:
    """Take the write permission away, note every file, and let it count."""
    stamps = dict(_stamps(place))
    for directory, _, names in os.walk(place):
        for path in (Path(directory, name) for name in ("", *names)):
            if not path.is_symlink():
                path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222)
    place.chmod(0o700)  # for the marker
    temporary = place / f".{BUILT}"
    with temporary.open("w", encoding="utf-8") as file:
        json.dump({**about, "schema": _SCHEMA, "files": stamps}, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.chmod(0o400)
    temporary.replace(place / BUILT)
    place.chmod(0o500)


def _changed(place: Path) -> str | None:
    """None if the environment is as it was built; else a file that is not, or nothing if there is no environment."""
    files = _marker(place).get("files")
    if not isinstance(files, dict) or not (place / "bin" / "python").exists():
        return ""
    now = dict(_stamps(place))
    return next((name for name in {**files, **now} if files.get(name) != now.get(name) and name != BUILT), None)


def _marker(place: Path) -> Mapping[str, Any]:
    try:
        found = json.loads((place / BUILT).read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _stamps(place: Path) -> Iterator[tuple[str, list[int]]]:
    """Size and time of every file; what Python keeps of modules for itself counts only with its module."""
    waiting = [(place, "")]
    while waiting:
        directory, above = waiting.pop()
        with contextlib.suppress(OSError), os.scandir(directory) as entries:
            for entry in entries:
                name = above + entry.name
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((Path(entry.path), f"{name}/"))
                elif not entry.is_symlink() and not name.endswith(".pyc"):
                    facts = entry.stat()
                    yield name, [facts.st_size, facts.st_mtime_ns]


def _directories(place: Path) -> Iterator[Path]:
    for directory, _, _ in os.walk(place):
        yield Path(directory)


def _size(place: Path) -> int:
    """Bytes on the disk."""
    total = 0
    for directory, _, names in os.walk(place):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(directory, name).lstat().st_blocks * 512
    return total


def remove(place: Path) -> None:
    """Remove an environment, read-only as it is: its marker first, so that no part of it counts."""
    if not place.exists():
        return
    place.chmod(0o700)
    (place / BUILT).unlink(missing_ok=True)
    for directory in _directories(place):
        directory.chmod(0o700)
    shutil.rmtree(place)
