"""The command `palmette`, forked from a process that has imported all of it already.

A test of the command costs little but the imports of the command: hundreds of calls would spend most of their time on
them. What is forked is a process like any other, with its own number, directory, environment, standard streams and exit
code; only the interpreter's start is shared. PALMETTE_TEST_COLD=1 starts a new interpreter for every call.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

#: variables that an interpreter reads when it starts
_STARTING: Final = ("PYTHON", "LC_", "LANG", "OPENBLAS", "OMP", "MALLOC", "LD_")
#: how a call begins: the official client of a cluster takes half a second to import, and few calls need it
_CLUSTER: Final = b"k"
_OTHER: Final = b"!"


class Warm:
    """Runs commands in forks of one process."""

    def __init__(self, command: Path, environ: Mapping[str, str]) -> None:
        """`environ` says how the interpreter starts."""
        self._command, self._started_with = command, _starting(environ)
        self._place = tempfile.TemporaryDirectory(prefix="warm", dir="/tmp")
        self._address = f"{self._place.name}/socket"
        listening = socket.socket(socket.AF_UNIX)
        listening.bind(self._address)
        listening.listen(64)
        self._process = subprocess.Popen(
            [sys.executable, __file__, str(listening.fileno()), str(command)],
            pass_fds=[listening.fileno()],
            env={**environ, "OPENBLAS_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            cwd="/",
        )
        listening.close()

    def serves(self, environ: Mapping[str, str]) -> bool:
        """Whether a command in such an environment would find the same interpreter."""
        return _starting(environ) == self._started_with and "PALMETTE_TEST_COLD" not in os.environ

    def run(
        self, arguments: Sequence[str], *, cwd: Path, environ: Mapping[str, str], typed: str | None, timeout: float
    ) -> tuple[int, str, str]:
        """Run the command to its end; its exit code, and what it wrote to standard output and error."""
        with socket.socket(socket.AF_UNIX) as line:
            line.connect(self._address)
            told = {"arguments": [str(each) for each in arguments], "cwd": str(cwd), "environ": dict(environ)}
            with _streams(typed) as (theirs, ours):
                socket.send_fds(line, [_CLUSTER if "--target" in arguments else _OTHER], theirs)
                line.sendall(json.dumps(told).encode() + b"\n")
                for each in theirs:
                    os.close(each)
                deadline = time.monotonic() + timeout
                number = struct.unpack("i", _exactly(line, 4))[0]
                try:
                    out, err = _read(ours, deadline)
                    line.settimeout(max(0.01, deadline - time.monotonic()))
                    code = struct.unpack("i", _exactly(line, 4))[0]
                except TimeoutError:
                    os.kill(number, signal.SIGKILL)
                    raise
        return code, out, err

    def end(self) -> None:
        """End the process; those that were forked go on."""
        self._process.communicate()
        self._place.cleanup()


def _starting(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if name.startswith(_STARTING)}


@contextmanager
def _streams(typed: str | None) -> Iterator[tuple[list[int], list[int]]]:
    """The standard streams of a command, which the receiver closes, and our ends of the last two."""
    if typed is None:
        stdin = os.open(os.devnull, os.O_RDONLY)
    else:
        stdin, ours = os.pipe()
        # A pipe holds what anybody types.
        os.write(ours, typed.encode())
        os.close(ours)
    out, out_theirs = os.pipe()
    err, err_theirs = os.pipe()
    try:
        yield [stdin, out_theirs, err_theirs], [out, err]
    finally:
        os.close(out)
        os.close(err)


def _read(ours: Sequence[int], deadline: float) -> list[str]:
    found = {each: b"" for each in ours}
    with selectors.DefaultSelector() as selector:
        for each in ours:
            selector.register(each, selectors.EVENT_READ)
        while selector.get_map():
            ready = selector.select(deadline - time.monotonic())
            if not ready:
                raise TimeoutError(f"the command did not end; it wrote {found}")
            for key, _ in ready:
                data = os.read(key.fd, 1 << 16)
                found[key.fd] += data
                if not data:
                    selector.unregister(key.fd)
    # As `subprocess` reads text.
    return [found[each].decode().replace("\r\n", "\n").replace("\r", "\n") for each in ours]


def _exactly(line: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        part = line.recv(count - len(data))
        if not part:
            raise ConnectionError("the warm process is gone")
        data += part
    return data


# In the process that is forked.


def _serve(listening: socket.socket, command: str) -> None:
    """Fork one process that sees to each call, until standard input ends."""
    _load()
    sys.path[0] = str(Path(command).parent)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with selectors.DefaultSelector() as selector:
        selector.register(listening, selectors.EVENT_READ)
        selector.register(0, selectors.EVENT_READ)
        while all(key.fd for key, _ in selector.select()):
            line, _ = listening.accept()
            if line.recv(1, socket.MSG_PEEK) == _CLUSTER and "kfp" not in sys.modules:
                _settle("kfp", "kfp_server_api")
            if os.fork():
                line.close()
                continue
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _see_to(line, command)
            os._exit(0)


def _load() -> None:
    """Import what any verb does."""
    lazy = importlib.import_module("palmette.cli.lazy")
    modules = [module for module, _, _ in lazy.VERBS.values()] + list(lazy._OPERATIONS.values())
    _settle(*(module for module in modules if not module.startswith("palmette.server")))


def _settle(*modules: str) -> None:
    """Import modules, and see that a fork is safe."""
    for module in modules:
        importlib.import_module(module)
    assert len([*Path("/proc/self/task").iterdir()]) == 1, f"threads: {threading.enumerate()}"
    gc.collect()
    gc.freeze()


def _see_to(line: socket.socket, command: str) -> None:
    _, streams, _, _ = socket.recv_fds(line, 1, 3)
    with line.makefile("rb", buffering=0) as file:
        told = json.loads(file.readline())
    child = os.fork()
    if not child:
        line.close()
        _be(command, streams, told)
    for each in (0, 1, 2):
        os.close(each)
    for each in streams:
        os.close(each)
    with suppress(BrokenPipeError):
        line.sendall(struct.pack("i", child))
        line.sendall(struct.pack("i", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])))


def _be(command: str, streams: Sequence[int], told: Mapping[str, Any]) -> None:
    """Be the command, in this process, and end with it."""
    code = 1
    try:
        for number, each in enumerate(streams):
            os.dup2(each, number)
            os.close(each)
        os.environ.clear()
        os.environ.update(told["environ"])
        time.tzset()
        os.chdir(told["cwd"])
        sys.argv = [command, *told["arguments"]]
        code = _exit_code()
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _exit_code() -> int:
    try:
        importlib.import_module("palmette.cli").main()
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            return leaving.code or 0
        print(leaving.code, file=sys.stderr)
        return 1
    except BaseException:  # noqa: BLE001 - as an interpreter does
        traceback.print_exc()
        return 1
    return 0


if __name__ == "__main__":
    _serve(socket.socket(fileno=int(sys.argv[1])), sys.argv[2])
