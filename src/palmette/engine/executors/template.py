"""The driver's side of the template: one per interpreter, shared by every driver of the user, started when missing."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from palmette.engine.executors.berth import Berth
from palmette.engine.executors.connection import Connection, Disconnected, Message
from palmette.errors import InterpreterError

#: seconds after which a template that does not answer is given up; a large import on a slow disk takes its time
PATIENCE: Final = 300.0


@dataclass(frozen=True, kw_only=True)
class Hello:
    """The facts of a template and its interpreter."""

    pid: int
    start: int
    #: "3.11.7"
    python: str
    executable: str
    prefix: str
    #: its site-packages directories
    paths: tuple[str, ...]
    #: "linux-x86_64-glibc"
    platform: str
    implementation: str
    #: "pid-namespace" or "subreaper"
    isolation: str


@dataclass(frozen=True, kw_only=True)
class Preloaded:
    """What importing came to."""

    imported: tuple[str, ...] = ()
    #: module → error
    failed: Mapping[str, str] = field(default_factory=dict)
    #: of the template, afterwards; 1 is the least
    threads: int = 1


@dataclass(frozen=True, kw_only=True)
class Call:
    """A function to be called in a fork of the template."""

    #: "module:function"; takes the list of arguments, returns the exit code
    entry: str
    arguments: Sequence[str]
    #: the current directory
    directory: Path
    #: where standard output and error are appended
    log: Path
    #: complete
    environment: Mapping[str, str] = field(default_factory=dict)
    #: that numerical libraries may use
    threads: int = 1
    #: directories that it sees read-only, where the system allows that
    protected: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a call ended."""

    code: int
    #: standard output and error
    log: str


class Template:
    """A line to the template. What was started over it ends with it."""

    def __init__(self, berth: Berth) -> None:
        self._berth = berth
        self._hello: Hello | None = None
        self._preloads: list[tuple[str, ...]] = []
        self._preloaded: list[Preloaded] = []
        self._waiting: list[Message] = []
        self._connect()

    @classmethod
    def reach(
        cls, python: Path, kit: Path, templates: Path, environment: Mapping[str, str], *, idle: float = 45.0
    ) -> Template:
        """Connect to the interpreter's template below the directory `templates`, or start it. Does not wait for it:
        the first question does, and raises InterpreterError where it cannot work. `environment` is the caller's own;
        only what importing needs of it is passed on."""
        return cls(Berth(python, kit, templates, environment, idle))

    def hello(self) -> Hello:
        """The facts of the template, once it answers."""
        for _ in range(3):
            # One that was about to leave hangs up without an answer: then there is a next one.
            try:
                self._collect(lambda: self._hello is not None)
            except Disconnected:
                self._berth.check()
                self._reconnect()
            if self._hello:
                return self._hello
        raise InterpreterError(f"the template of {self._berth.python} does not answer", self._berth.tail())

    def begin_preload(self, modules: Sequence[str]) -> None:
        """Have modules imported in the template; returns at once."""
        self._preloads.append(tuple(modules))
        with contextlib.suppress(Disconnected):  # `hello` finds out, and sends it again
            self._connection.send({"op": "preload", "modules": list(modules)})

    def finish_preload(self) -> Preloaded:
        """Wait for every preload begun; what they came to, together. A template that died of one is left behind: the
        modules count as failed, and the next question goes to a new template."""
        self.hello()
        try:
            self._collect(lambda: not self._preloads)
        except Disconnected:
            why = "the template died while importing it or a module beside it"
            self._preloaded.append(Preloaded(failed={name: why for names in self._preloads for name in names}))
            self._preloads.clear()
            self._reconnect()
        found, self._preloaded = self._preloaded, []
        return Preloaded(
            imported=tuple(name for one in found for name in one.imported),
            failed={name: why for one in found for name, why in one.failed.items()},
            threads=found[-1].threads if found else 1,
        )

    def call(self, call: Call, *, timeout: float | None = None) -> Outcome:
        """Make a call and wait for it; killed after `timeout` seconds (137). The log file is written anew."""
        for _ in range(2):
            self.hello()
            call.log.write_bytes(b"")
            try:
                result = self._result(call, timeout)
            except Disconnected:
                self._reconnect()
                continue
            if result["op"] == "refused":
                raise InterpreterError(f"the template of {self._berth.python} cannot be forked", result["why"])
            return Outcome(code=result["code"], log=call.log.read_text(encoding="utf-8", errors="replace"))
        raise InterpreterError(f"the template of {self._berth.python} died during {call.entry}", self._berth.tail())

    def _result(self, call: Call, timeout: float | None) -> Message:
        id = f"call {time.monotonic_ns()}"
        self.start(id, call)
        deadline = time.monotonic() + timeout if timeout else float("inf")
        while True:
            for message in self._waiting:
                if message.get("id") == id and message["op"] in ("exited", "refused"):
                    self._waiting = [other for other in self._waiting if other.get("id") != id]
                    return message
            if time.monotonic() >= deadline:
                self.end(id, 0)
                deadline = float("inf")
            self._receive(min(60.0, deadline - time.monotonic()))

    def start(self, id: str, call: Call) -> None:
        """Begin a call; `messages` tells of it. Raises Disconnected if the template is dead."""
        self._connection.send(
            {
                "op": "start",
                "id": id,
                "entry": call.entry,
                "arguments": list(call.arguments),
                "environment": dict(call.environment),
                "directory": str(call.directory),
                "log": str(call.log),
                "threads": call.threads,
                "protected": list(call.protected),
                **surroundings(),
            }
        )

    def end(self, id: str, grace: float) -> None:
        """Ask it to stop, and kill all of it after `grace` seconds. Raises Disconnected if the template is dead."""
        self._connection.send({"op": "end", "id": id, "grace": grace})

    def messages(self) -> list[Message]:
        """What came since the last call about what was started: never waits. Raises Disconnected when the template,
        and with it all that ran in it, is dead."""
        self._receive(0)
        found, self._waiting = self._waiting, []
        return found

    def fileno(self) -> int:
        """Readable when there are messages."""
        return self._connection.fileno()

    def close(self) -> None:
        """Hang up. What still runs for this line is killed; the template stays for others."""
        self._connection.close()
        self._berth.came_up()

    def _connect(self) -> None:
        """Connect, and ask everything that is still unanswered."""
        self._hello = None
        self._connection = Connection(self._berth.connect())
        with contextlib.suppress(Disconnected):
            self._connection.send({"op": "hello"})
            for modules in self._preloads:
                self._connection.send({"op": "preload", "modules": list(modules)})

    def _reconnect(self) -> None:
        self._connection.close()
        self._connect()

    def _collect(self, done: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not done() and time.monotonic() < deadline:
            self._receive(max(0.0, deadline - time.monotonic()))

    def _receive(self, timeout: float) -> None:
        """Take what came: answers to questions here, the rest for `messages`."""
        for message in self._connection.receive(timeout):
            match message["op"]:
                case "hello":
                    facts = {name: value for name, value in message.items() if name not in ("op", "paths")}
                    self._hello = Hello(**facts, paths=tuple(message["paths"]))
                    self._berth.came_up()
                case "preloaded":
                    self._preloads.pop(0)
                    imported, failed = tuple(message["imported"]), message["failed"]
                    self._preloaded.append(Preloaded(imported=imported, failed=failed, threads=message["threads"]))
                case _:
                    self._waiting.append(message)


def surroundings() -> dict[str, Any]:
    """What a process inherits from the one that starts it, and a keeper must be told instead."""
    status = Path("/proc/self/status").read_text()
    umask = status.partition("\nUmask:")[2].partition("\n")[0].strip()
    return {"umask": int(umask or "022", 8), "affinity": sorted(os.sched_getaffinity(0))}
