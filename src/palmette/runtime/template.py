"""The template: imports what steps need once, and is forked for each task and each recording.

Runs in the project's interpreter, started by `palmette.engine.executors.template` with a listening socket; any process
of the same user may connect. Third-party modules only are imported here; a project's own are imported after the fork.

What threads there are after importing (measured). A fork copies only the thread that calls it, so a lock that another
one holds stays locked for ever in the child:

* NumPy, SciPy, scikit-learn: none, because OPENBLAS_NUM_THREADS is 1 at the start (`threads` raises it after the fork);
* pandas, matplotlib, Pillow, joblib: none;
* pyarrow (pandas imports it): "jemalloc_bg_thd"; jemalloc takes its locks before a fork and starts the thread anew in
  the child (pthread_atfork), so it is let pass. Arrow's own pools start at the first use, which no import is.

Any other thread, and the fork is refused: the caller starts a fresh process instead.
"""

# ruff: noqa: PTH108, PTH116, PTH123, PTH208
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this is where that is found out
    sys.exit("Python %d.%d.%d is too old: Palmette needs 3.11 or newer" % sys.version_info[:3])  # noqa: UP031
# The kit in place of this file's directory, whose modules must not stand in for the standard library's.
sys.path[0] = __file__.rpartition("/palmette/")[0]

import argparse  # noqa: E402
import atexit  # noqa: E402
import contextlib  # noqa: E402
import gc  # noqa: E402
import importlib  # noqa: E402
import os  # noqa: E402
import socket  # noqa: E402
import struct  # noqa: E402
import threading  # noqa: E402
import time  # noqa: E402
import traceback  # noqa: E402
import types  # noqa: E402
import warnings  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from typing import NoReturn  # noqa: E402

from palmette.runtime import threads  # noqa: E402
from palmette.runtime.keeper import READ, Keeper, Line, Message, Source, live  # noqa: E402
from palmette.runtime.spare import Spare  # noqa: E402

HARMLESS = {"jemalloc_bg_thd"}


def strangers() -> list[str]:
    """The names of the threads that make a fork unsafe."""
    names = []
    for thread in os.listdir("/proc/self/task"):
        if thread != str(os.getpid()):
            with contextlib.suppress(OSError), open(f"/proc/self/task/{thread}/comm") as file:
                names.append(file.read().strip())
    return [name for name in names if name not in HARMLESS]


class Template(Keeper):
    """Forks of this process, for whoever connects to its socket."""

    def __init__(self, door: socket.socket, path: str, idle: float) -> None:
        super().__init__()
        self.door, self.path, self.idle, self.busy = door, path, idle, time.monotonic()
        self.place = os.stat(path).st_ino
        self.setters, self.known = threads.setters(), len(sys.modules)
        self.spare: Spare | None = None
        self.used = False

    def sources(self) -> Iterator[Source]:
        """The keeper's, and new connections."""
        yield from super().sources()
        if not self.ending:
            yield self.door.fileno(), READ, self.accept

    def accept(self) -> None:
        """Let someone in, of the same user only."""
        connection, _ = self.door.accept()
        _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        if user in (os.geteuid(), 0):
            self.lines.append(Line(connection))

    def turn(self, longest: float = 3600) -> None:
        """One turn; wakes when it has been idle long enough."""
        super().turn(min(longest, self.idle))
        if self.lines or self.tasks:
            self.busy = time.monotonic()
        # Here and not while an order is carried out, so that the spare knows nothing of it.
        if self.used and not self.spare and not self.ending and not self.refusal():
            self.used = False
            with contextlib.suppress(OSError):
                self.spare = Spare(self)

    def finished(self) -> bool:
        """Whether nobody has been here for long."""
        return time.monotonic() - self.busy >= self.idle

    def leave(self) -> None:
        """Give up the socket: first its name, so that nobody who finds it finds it dead. Who has connected just now
        is cut off before an answer, and starts another template."""
        self.ending = True
        self.dismiss()
        with contextlib.suppress(OSError):
            if os.stat(self.path).st_ino == self.place:
                os.unlink(self.path)
        self.door.close()

    def obey(self, line: Line, message: Message) -> None:
        """The keeper's orders, and `preload`."""
        if message["op"] == "preload":
            line.send({"op": "preloaded", **self.preload(message["modules"])})
        else:
            super().obey(line, message)

    def preload(self, modules: list[str]) -> Message:
        """Import what can be imported; a step that needs the rest will say so itself."""
        failed = {}
        # An import leaves next to no garbage, and looking for it again and again takes an eighth of the time.
        gc.disable()
        for name in modules:
            try:
                importlib.import_module(name)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - foreign code may raise anything; it is reported
                failed[name] = f"{type(error).__name__}: {error}"
        self.listen()
        if self.known != len(sys.modules):
            self.dismiss()
            self.setters, self.known = threads.setters(), len(sys.modules)
            # Out of the collector's sight, whose marks would copy every page into every child.
            gc.freeze()
        gc.enable()
        imported = [name for name in modules if name not in failed]
        return {"imported": imported, "failed": failed, "threads": len(os.listdir("/proc/self/task"))}

    def hello(self) -> Message:
        """Who this is, and the facts of the interpreter."""
        libc = (os.confstr("CS_GNU_LIBC_VERSION") or "musl").split()[0]
        return super().hello() | {
            "python": sys.version.split()[0],
            "executable": sys.executable,
            "prefix": sys.prefix,
            "paths": [entry for entry in sys.path if entry.rstrip("/").endswith(("site-packages", "dist-packages"))],
            "platform": f"{sys.platform}-{os.uname().machine}-{libc}",
            "implementation": sys.implementation.name,
        }

    def refusal(self) -> str:
        """Names the threads that are in the way."""
        found = strangers()
        return f"the template runs threads of its own: {', '.join(found)}" if found else ""

    def fork(self) -> int:
        """As the keeper does. Python 3.12 warns of any second thread; the harmless ones are let pass knowingly."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return os.fork()

    def doors(self) -> list[socket.socket]:
        """The keeper's, the door, and that of the spare."""
        spare = [self.spare.channel] if self.spare else []
        return [*super().doors(), self.door, *spare]

    def child(self, message: Message) -> tuple[int, int]:
        """The spare, if it is there; else as the keeper does."""
        self.used, spare, self.spare = True, self.spare, None
        if spare and spare.order(message):
            return spare.pid, spare.init
        return super().child(message)

    def kept(self) -> set[int]:
        """The keeper's, and the spare."""
        return super().kept() | ({self.spare.pid} if self.spare else set())

    def reap(self) -> None:
        """As the keeper does; forget a spare that has died."""
        if self.spare and self.spare.dead():
            self.dismiss()
        super().reap()

    def dismiss(self) -> None:
        """Have no spare."""
        if self.spare:
            self.spare.dismiss()
        self.spare = None

    def begin(self, message: Message, keeper: int, init: int) -> NoReturn:
        """As the keeper does, rehearsed."""

        def settle() -> None:
            self.rehearse()
            self.settle(message, lambda: self.part(keeper, init))

        live(settle, lambda: self.run(message))

    def rehearse(self) -> None:
        """Do what a task needs and what needs nothing of a task."""
        sys.argv = ["-c"]
        # Otherwise a spawned child of the step would import this file as its parent's main module.
        sys.modules["__main__"] = types.ModuleType("__main__")
        # Shared by all forks otherwise. Python's own `random` seeds itself anew after a fork.
        if numbers := sys.modules.get("numpy.random"):
            numbers.seed(int.from_bytes(os.urandom(4), "big"))  # a quarter of the time that its own choice takes

    def run(self, message: Message) -> int:
        """Call the function with the arguments, as a fresh interpreter would."""
        os.environ.clear()
        os.environ.update(message["environment"])
        time.tzset()
        for setter in self.setters if message["threads"] > 1 else ():  # one it is already
            setter(message["threads"])
        try:
            code = call(message["entry"], message["arguments"])
            threading._shutdown()  # type: ignore[attr-defined]
            atexit._run_exitfuncs()
        finally:
            with contextlib.suppress(OSError, ValueError):
                sys.stdout.flush()
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.flush()
        return code


def call(entry: str, arguments: list[str]) -> int:
    """Call "module:function" with the arguments; the exit code, as Python itself would choose it."""
    module, _, name = entry.partition(":")
    code: object = 1
    try:
        code = getattr(importlib.import_module(module), name)(arguments)
    except SystemExit as leaving:
        code = leaving.code
    except KeyboardInterrupt:
        code = 130
    except BaseException:  # noqa: BLE001 - whatever it is, it is shown and ends the process
        traceback.print_exc()
    if code is None or isinstance(code, int):
        return (code or 0) & 0xFF
    print(code, file=sys.stderr)
    return 1


def main() -> None:
    """Leave whoever started this, and serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True, help="where the socket lies, to remove it")
    parser.add_argument("--listen", type=int, required=True, help="file descriptor of that socket")
    parser.add_argument("--idle", type=float, default=45.0, help="seconds")
    given = parser.parse_args()
    if os.fork():
        os._exit(0)
    os.setsid()
    os.set_inheritable(given.listen, False)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    Template(socket.socket(fileno=given.listen), given.socket, given.idle).serve()


if __name__ == "__main__":
    main()
