"""A captured step in somebody's terminal, under a debugger.

Run as a program, with what is wanted as JSON and then the arguments of the step's container. The debugger talks to the
terminal; what the step prints goes there too, and into the attempt's log.
"""

import sys

if __name__ == "__main__":
    # The kit in place of this file's directory, whose modules must not stand in for the standard library's.
    sys.path[0] = __file__.rpartition("/palmette/")[0]

import bdb
import contextlib
import ctypes
import json
import os
import pdb
import signal
import types
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any, TextIO, TypedDict, cast

from palmette.runtime import bootstrap, environment, task
from palmette.runtime.complaint import complain
from palmette.runtime.finder import BundleFinder

#: the exit code that says: the project's interpreter lacks debugpy
NO_DEBUGPY = 69
_PR_SET_PDEATHSIG = 1


class Wanted(TypedDict):
    """How the step is debugged."""

    #: stop at its first line
    stop: bool
    #: wait for an IDE at this port; None for pdb
    port: int | None
    #: where what it prints is written too; empty for nowhere
    log: str
    #: the terminal has to be taken from whoever started this
    foreground: bool


class Tee:
    """A text stream whose text goes into a log too."""

    def __init__(self, stream: TextIO, log: TextIO) -> None:
        self._stream, self._log = stream, log

    def write(self, text: str) -> int:
        """Write the text to both."""
        self._log.write(text)
        self._log.flush()
        return self._stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Debugger(pdb.Pdb):
    """Talks to the terminal itself, so that the log holds what the step printed and nothing else."""

    def __init__(self) -> None:
        super().__init__()
        self.stdout = cast("TextIO", sys.__stdout__)
        self.prompt = "(pdb) "

    def lookupmodule(self, filename: str) -> str | None:
        """The file of a breakpoint: first-party ones by their place in the project."""
        for each in sys.meta_path:
            if isinstance(each, BundleFinder):
                with contextlib.suppress(KeyError):
                    return self.canonic(str(each.shown(filename)))
        return super().lookupmodule(filename)


def come_forward() -> None:
    """Be what the terminal's keys reach; leave the terminal with whoever started this by dying with it."""
    os.setpgid(0, 0)
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    os.tcsetpgrp(0, os.getpgrp())
    signal.signal(signal.SIGTTOU, before)
    # Nobody would wake it again.
    signal.signal(signal.SIGTSTP, signal.SIG_IGN)


def stopped(frame_of: Callable[[], types.FrameType]) -> Callable[..., None]:
    """What `breakpoint()` calls."""

    def hook(*_: Any, **__: Any) -> None:
        Debugger().set_trace(frame_of())

    return hook


def told(error: BaseException, surroundings: Mapping[str, str]) -> None:
    """Print the traceback and open the debugger where the exception was raised."""
    if isinstance(error, bdb.BdbQuit):
        print("palmette: it was left in the debugger", file=sys.stderr)
        return
    complain(error, surroundings)
    if isinstance(error, Exception):
        sys.stderr.flush()
        debugger = Debugger()
        debugger.reset()
        debugger.interaction(None, error.__traceback__)


def entered(function: Callable[..., Any], positional: Sequence[Any], by_name: Mapping[str, Any]) -> Any:
    """Call the step, stopping at its first line."""
    # As `runcall`, which would take leaving the debugger for an answer.
    debugger = Debugger()
    debugger.reset()
    sys.settrace(debugger.trace_dispatch)
    try:
        return function(*positional, **by_name)
    finally:
        debugger.set_quit()
        sys.settrace(None)


def listen(port: int) -> None:
    """Wait until an IDE has attached itself."""
    if find_spec("debugpy") is None:
        raise SystemExit(NO_DEBUGPY)
    debugpy = import_module("debugpy")
    _, bound = debugpy.listen(("127.0.0.1", port))
    print(f"waiting for a debugger at 127.0.0.1:{bound}", file=sys.stderr, flush=True)
    debugpy.wait_for_client()


def main(arguments: list[str]) -> int:
    """Carry out the step that the arguments say, as `bootstrap` does, under a debugger."""
    wanted: Wanted = json.loads(arguments[0])
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if wanted["foreground"]:
        come_forward()
    sys.modules["__main__"] = types.ModuleType("__main__")
    sys.argv = ["-c"]
    given = bootstrap.options(arguments[1:])
    directory = f"{os.environ['PALMETTE_BUNDLES']}/{given['bundle']}"
    if wanted["log"]:
        log = open(wanted["log"], "a", encoding="utf-8")  # noqa: PTH123, SIM115
        sys.stdout, sys.stderr = (cast("TextIO", Tee(stream, log)) for stream in (sys.stdout, sys.stderr))
    sys.path.insert(0, directory)
    environment.verify(json.loads(given.get("pins", "{}")), "")
    handed = [given["step"], given["executor-input"], directory, given.get("fields", "")]
    if wanted["port"] is not None:
        listen(wanted["port"])
        if wanted["stop"]:
            return task.main(handed, call=_halted)
        return task.main(handed)
    sys.breakpointhook = stopped(lambda: sys._getframe(2))
    return task.main(handed, call=entered if wanted["stop"] else task.plainly, tell=told)


def _halted(function: Callable[..., Any], positional: Sequence[Any], by_name: Mapping[str, Any]) -> Any:
    """Call the step; an IDE stops one step before it."""
    import_module("debugpy").breakpoint()
    return function(*positional, **by_name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
