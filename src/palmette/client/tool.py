"""Where the tool is, and how it is asked: one process a question, one JSON value as its answer.

The tool's own requirements need not be met here: it may live in an environment of its own.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from types import FrameType
from typing import Any, Final

from palmette import errors
from palmette.errors import InterpreterError, PalmetteError, Problem, UsageError

#: How the tool and this module understand each other; another number for another way.
PROTOCOL: Final = "1"
_REQUIREMENT: Final = re.compile(r"([\w.-]+)(?:\[[^]]*\])?\s*>=\s*([\d.]+)")
_HINT: Final = (
    "Install it in an environment of its own (uv tool install palmette, or pipx install palmette), or name it in "
    "PALMETTE_TOOL."
)

#: Seconds after which a Ctrl-C is heard at the latest: one that arrives in the instant before a call that waits for
#: ever would only be heard after it.
_BEAT: Final = 0.2

#: Takes a line of what the tool says while it works.
Hear = Callable[[str], None]


@dataclass(frozen=True)
class Place:
    """Where questions are asked: a project's directory, and variables that the tool is given beside this process's."""

    directory: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str, hear: Hear | None = None) -> Any:
        """The verb's answer, of one that is asked with --json; its errors are raised here as they are there."""
        return ask(self, arguments, hear)[1]


def here(project: str | os.PathLike[str] | None) -> Place:
    """The project that was named; else that of the working directory, else that of the file that called."""
    if project is not None:
        return Place(Path(project).resolve())
    if _projects(Path.cwd()):
        return Place(Path.cwd())
    own = str(Path(__file__).parents[1])
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(own):
        frame = frame.f_back
    calling = Path(frame.f_code.co_filename) if frame else Path()
    return Place(calling.parent if calling.is_file() and _projects(calling.parent) else Path.cwd())


def _projects(directory: Path) -> bool:
    """Whether the directory is in a project: the tool finds out for good, and says what is wrong."""
    for parent in (directory, *directory.parents):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if "[tool.palmette" in (parent / "pyproject.toml").read_text(encoding="utf-8"):
                return True
    return False


def command(environ: Mapping[str, str]) -> list[str]:
    """The words that start the tool: PALMETTE_TOOL, else this interpreter if it has what the tool requires, else the
    `palmette` of another environment on the PATH. InterpreterError says how to install it."""
    if named := environ.get("PALMETTE_TOOL"):
        path = shutil.which(named, path=environ.get("PATH", os.defpath))
        if path is None:
            raise InterpreterError(f"PALMETTE_TOOL names {named!r}, which cannot be executed", _HINT)
        return [path]
    lacking = unmet()
    if not lacking:
        return [sys.executable, "-P", "-m", "palmette"]
    own = Path(sys.executable).parent
    places = [part for part in environ.get("PATH", os.defpath).split(os.pathsep) if part and Path(part) != own]
    path = shutil.which("palmette", path=os.pathsep.join(places))
    if path is None:
        raise InterpreterError(f"the command palmette is not here: {sys.executable} lacks {', '.join(lacking)}", _HINT)
    return [path]


def unmet() -> list[str]:
    """What the tool requires and this interpreter does not have: "SQLAlchemy>=2.0.30 (1.4.54 is installed)"."""
    try:
        wanted = requires("palmette") or []
    except PackageNotFoundError:
        return ["palmette itself, which is on the path and not installed"]
    found = []
    for text in wanted:
        known = _REQUIREMENT.match(text)
        if known is None or "extra ==" in text:
            continue
        name, least = known.groups()
        try:
            installed = version(name)
        except PackageNotFoundError:
            found.append(f"{name}>={least}")
        else:
            if _numbers(installed) < _numbers(least):
                found.append(f"{name}>={least} ({installed} is installed)")
    return found


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text)[:3])


def surroundings(place: Place, words: Sequence[str]) -> dict[str, str]:
    """The variables that the tool is given."""
    environ = {**os.environ, **place.variables, "PALMETTE_PROTOCOL": PROTOCOL, "PYTHONUNBUFFERED": "1"}
    if words[0] != sys.executable:  # paths of this interpreter's mean nothing to another
        environ = {name: value for name, value in environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    if sys.prefix != sys.base_prefix:
        environ.setdefault("VIRTUAL_ENV", sys.prefix)
    return environ


class Asked:
    """A question that is being answered. The tool is in a process group of its own: it outlives whoever asked."""

    def __init__(self, place: Place, arguments: Sequence[str], *, listening: bool) -> None:
        words = command(os.environ)
        self._first: dict[str, Any] | None = None
        self._rest = ""
        self._process = subprocess.Popen(
            [*words, *arguments],
            cwd=place.directory,
            env=surroundings(place, words),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if listening else subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            errors="replace",
            process_group=0,
        )
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._readers = [threading.Thread(target=self._read, daemon=True)]
        if listening:
            self._readers.append(threading.Thread(target=self._listen, daemon=True))
        self._idle = [*self._readers]

    def accepted(self) -> str:
        """The id of the run that was begun; the error, if none was."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        try:
            self._first = dict(json.loads(line))
            name = str(self._first["accepted"])
        except (ValueError, KeyError, TypeError):
            self._rest = line + self._process.stdout.read()
            self._close()
            raise self._error(self._process.wait(), []) from None
        self._start()
        return name

    def end(self, hear: Hear | None = None) -> tuple[int, Any]:
        """Wait for the answer: exit code and value. An interruption is passed on to the tool, once."""
        heard: list[str] = []
        interruption: KeyboardInterrupt | None = None
        while True:
            try:
                self._start()
                for line in self._lines():
                    heard.append(line)
                    if hear is not None:
                        hear(line)
                self._process.wait()
                break
            except KeyboardInterrupt as pressed:
                interruption = pressed
                self._process.send_signal(signal.SIGINT)
        self._close()
        if interruption is not None:
            raise interruption
        return self._process.returncode, self._value(self._process.returncode, heard)

    def _close(self) -> None:
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def _start(self) -> None:
        while self._idle:
            # Taken out first: one whose start is interrupted is started all the same.
            self._idle.pop().start()

    def _lines(self) -> Iterator[str]:
        """What it says on standard error until it is over."""
        while any(reader.is_alive() for reader in self._readers) or not self._said.empty():
            with contextlib.suppress(queue.Empty):
                yield self._said.get(timeout=_BEAT)

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self._said.put(line.rstrip("\n"))

    def _read(self) -> None:
        assert self._process.stdout is not None
        self._rest += self._process.stdout.read()

    @property
    def _answer(self) -> str:
        """What came on standard output, behind the line that named the run."""
        first, _, rest = self._rest.partition("\n")
        return rest if first.startswith('{"accepted"') else self._rest

    def _value(self, code: int, heard: Sequence[str]) -> Any:
        try:
            value = json.loads(self._answer)
        except ValueError:
            if code == 0:
                return self._answer
            raise self._error(code, heard) from None
        if isinstance(value, dict) and "error" in value:
            raise self._error(code, heard)
        return value

    def _error(self, code: int, heard: Sequence[str]) -> PalmetteError:
        """The error as the tool said it; of a tool that could not even say it, the end of what it printed."""
        try:
            said = json.loads(self._answer)["error"]
            kind = getattr(errors, said["type"], PalmetteError)
            problems = [Problem(**each) for each in said["problems"]]
            error: PalmetteError = kind(said["message"], said["hint"], problems=problems)
        except (ValueError, KeyError, TypeError):
            what = f"the command palmette ended with exit code {code}"
            return PalmetteError(what, "\n".join([*heard, self._answer][-20:]).strip())
        return error


def ask(place: Place, arguments: Sequence[str], hear: Hear | None = None) -> tuple[int, Any]:
    """Ask the tool and wait: its exit code and its answer. What it says meanwhile goes to `hear`."""
    if not place.directory.is_dir():
        raise UsageError(f"there is no directory {place.directory}", "Name the project's directory.")
    return Asked(place, arguments, listening=True).end(hear)


def say(line: str) -> None:
    """Show a line of progress where this interpreter shows errors: a terminal, or a notebook's cell."""
    print(line, file=sys.stderr, flush=True)
