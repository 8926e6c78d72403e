"""The environments of a project and of its runs: what steps name, the Python they are for, where they are built."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from palmette.capture import uv
from palmette.capture.groups import Groups
from palmette.capture.installed import InterpreterFacts, scan
from palmette.capture.keeping import Keeping
from palmette.domain.run import Environment, Pin
from palmette.errors import EnvironmentFailed, InterpreterError, PalmetteError
from palmette.operations.directories import cache_directory
from palmette.operations.project import Project, workspace
from palmette.operations.shelf import Kept, Shelf

#: Raised when a Python is asked something else.
_SCHEMA: Final = 1
#: as the template says it of itself
_PROBE: Final = """
import json, os, sys
libc = (os.confstr("CS_GNU_LIBC_VERSION") or "musl").split()[0]
place = f"{sys.platform}-{os.uname().machine}-{libc}"
base = getattr(sys, "_base_executable", sys.executable) or sys.executable
print(json.dumps([sys.version.split()[0], sys.implementation.name, place, os.path.realpath(base)]))
"""


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


def satisfies(executable: Path, pins: Sequence[Pin], python: str, environ: Mapping[str, str]) -> bool:
    """Whether an interpreter finds exactly the pinned distributions, whatever else it finds, and is of that minor
    version. Of a pin that comes from no index nobody can say so by its version."""
    sites = (
        *executable.parent.parent.glob("lib*/python3*/site-packages"),
        *executable.parent.parent.glob("lib*/python3*/dist-packages"),
    )
    if any(pin.url for pin in pins) or not sites:
        return False
    facts = replace(base(executable, environ), site_packages=sites)
    if facts.python.split(".")[:2] != python.split(".")[:2]:
        return False
    found = scan(facts, Keeping(cache_directory(environ) / "installed"))
    return all(pin.name in found and found[pin.name].version == pin.version for pin in pins)


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
