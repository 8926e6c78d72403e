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
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from packaging.utils import canonicalize_name

from palmette.capture import uv
from palmette.capture.groups import Groups
from palmette.capture.installed import InterpreterFacts
from palmette.capture.keeping import Keeping
from palmette.domain.run import Environment, Pin
from palmette.domain.values import digest
from palmette.engine.executors.berth import BUILT
from palmette.errors import EnvironmentFailed, InterpreterError, PalmetteError
from palmette.operations.directories import cache_directory
from palmette.operations.project import Project, workspace

#: Raised when an environment is built in another way, so that older ones are left to be collected.
_SCHEMA: Final = 1
#: as the template says it of itself
_PROBE: Final = """
import json, os, sys
libc = (os.confstr("CS_GNU_LIBC_VERSION") or "musl").split()[0]
place = f"{sys.platform}-{os.uname().machine}-{libc}"
base = getattr(sys, "_base_executable", sys.executable) or sys.executable
print(json.dumps([sys.version.split()[0], sys.implementation.name, place, os.path.realpath(base)]))
"""

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
        self, pins: Sequence[Pin], python: InterpreterFacts, *, name: str = "", root: Path | None = None
    ) -> Path:
        """The Python of the environment with exactly these distributions, built if it is not there, and held.

        `python` is the interpreter it is for, `root` the project whose settings say where packages come from.
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
                    _Building(place, pins, python, name, root or Path("/"), self.environ, lock).build(title)
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
                *(*sync, *how, *uv.sources(self.environ, self.root), str(requirements)),
                where=self.root,
                what=what,
                hint=self._unhashed(),
                lock=self.lock,
            )

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
    for path in (*(place / name for name in stamps), *_directories(place)):
        path.chmod(stat.S_IMODE(path.stat().st_mode) & ~0o222, follow_symlinks=True)
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


# A project's


def shelf(environ: Mapping[str, str]) -> Shelf:
    """The environments in the user's cache."""
    return Shelf(cache_directory(environ) / "environments", environ)


def keeping(environ: Mapping[str, str]) -> Keeping:
    """What was read of locks, by their digests."""
    return Keeping(cache_directory(environ) / "installed")


def groups(project: Project, environ: Mapping[str, str]) -> Groups:
    """What the project's environments are made from."""
    return Groups(
        root=project.root,
        lock=project.lock,
        workspace=workspace(project.root),
        named=project.environments,
        environ=environ,
    )


def of_lock(project: Project, environ: Mapping[str, str], held: contextlib.ExitStack) -> Path:
    """The Python of an environment with the project's own dependencies, as its lock pins them; built and held."""
    python = find_python("", environ, project.root)
    pinned = groups(project, environ).pin("", python, keeping(environ))
    return held.enter_context(shelf(environ)).interpreter(pinned.pins, python, root=project.root)


def built(held: Shelf, wanted: Mapping[str, Environment], executable: Path, root: Path) -> dict[str, Environment]:
    """The environments that steps name, each built for the Python behind this interpreter, and held."""
    python = base(executable, held.environ) if wanted else None
    return {
        name: replace(each, executable=str(held.interpreter(each.pins, python, name=name, root=root)))
        for name, each in wanted.items()
        if python is not None
    }


def again(held: Shelf, own: Environment, named: Mapping[str, Environment], root: Path) -> dict[str, Environment]:
    """The environments of a run that is continued, held, and built again where they are gone. Its own one is used as it
    is; EnvironmentFailed if that was built here, and was removed."""
    held.keep(Path(own.executable))
    return built(held, named, Path(own.executable), root)


def elsewhere(
    modules: Sequence[str], named: Mapping[str, Environment], executable: Path, environ: Mapping[str, str]
) -> list[str]:
    """Those of the modules that an environment which steps name has, or may have as long as it is not built."""
    places = {name: shelf(environ).place(each.pins, base(executable, environ)) for name, each in named.items()}
    unbuilt = any(not place.exists() for place in places.values())
    return [each for each in modules if unbuilt or any(_has(named[name], places[name], each) for name in named)]


def owners(module: str, wanted: Groups, python: InterpreterFacts, environ: Mapping[str, str]) -> list[str]:
    """The project's environments that are known to have a module."""
    found = []
    for name in wanted.known(keeping(environ)):
        with contextlib.suppress(PalmetteError):  # what is wrong with it matters to whoever names it
            environment = wanted.pin(name, python, keeping(environ))
            place = shelf(environ).place(environment.pins, base(Path(python.executable), environ))
            found += [name] if _has(environment, place, module) else []
    return found


def _has(environment: Environment, place: Path, module: str) -> bool:
    top = module.partition(".")[0]
    named = any(pin.name == canonicalize_name(top) for pin in environment.pins)
    return named or (place.exists() and not lacking(place / "bin" / "python", [top]))


def lacking(executable: Path, modules: Sequence[str]) -> list[str]:
    """Those of the modules that an environment has not."""
    sites = [*executable.parent.parent.glob("lib*/python3*/site-packages")]
    tops = dict.fromkeys(module.partition(".")[0] for module in modules)
    return [top for top in tops if not any((site / top).is_dir() or [*site.glob(f"{top}.*")] for site in sites)]


def collect(environ: Mapping[str, str], older_than: float, *, dry_run: bool = False) -> tuple[Kept, ...]:
    """See `Shelf.collect`."""
    return shelf(environ).collect(older_than, dry_run=dry_run)


def base(executable: Path, environ: Mapping[str, str]) -> InterpreterFacts:
    """The installed Python behind an interpreter, be that a virtual environment's; InterpreterError if it does not
    answer."""
    try:
        known = executable.resolve().stat()
        keeping = Keeping(cache_directory(environ) / "pythons")
        key = f"python-{_SCHEMA}-{executable}-{executable.resolve()}-{known.st_size}-{known.st_mtime_ns}"
        said = keeping.get(key)
        if not isinstance(said, list):
            answer = subprocess.run(
                [executable, "-I", "-S", "-c", _PROBE], capture_output=True, stdin=subprocess.DEVNULL, check=True
            )
            said = json.loads(answer.stdout)
            keeping.put(key, said)
    except (OSError, ValueError, subprocess.CalledProcessError) as error:
        raise InterpreterError(f"{executable} does not run as a Python: {error}", "Name another interpreter.") from None
    python, implementation, platform, real = (str(each) for each in said)
    return InterpreterFacts(
        python=python, implementation=implementation, platform=platform, executable=real, site_packages=()
    )


def find_python(version: str, environ: Mapping[str, str], root: Path | None = None) -> InterpreterFacts:
    """A Python of this machine: of exactly this version ("3.11.7"), else of the same minor one; "" for what the project
    asks for (`requires-python`, `.python-version`). EnvironmentFailed if there is none."""
    command = uv.find(environ)
    minor = ".".join(version.split(".")[:2])
    for number, wanted in enumerate(dict.fromkeys([version, minor])):
        what = f"there is no Python {minor} on this machine" if version else "there is no Python for this project"
        try:
            asked = [wanted] if wanted else []
            said = command("python", "find", "--system", *asked, where=root or Path("/"), what=what)
        except EnvironmentFailed:
            if number or wanted == minor:
                raise
            continue
        return base(Path(said.strip()), environ)
    raise AssertionError(version)


def build(
    pins: Sequence[Pin], python: str, environ: Mapping[str, str], *, held: Shelf, root: Path | None = None
) -> Path:
    """Exactly these distributions for that version of Python ("3.11.7"; the same minor version will do where that one
    is gone), built or taken from the cache; its interpreter.

    `held` keeps it until it is closed. EnvironmentFailed says what is gone: uv, the Python, a distribution of an index,
    a file whose hash is not the recorded one. A pin without hashes is looked up by its version alone.
    """
    return held.interpreter(pins, find_python(python, environ, root), root=root)
