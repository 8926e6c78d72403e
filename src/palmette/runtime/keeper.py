"""Starts processes for others, watches them, and leaves nothing behind when they or their owners are gone.

Runs as a program of its own (``python -I -S keeper.py FD``) that starts commands for the one driver at the other end of
the socket FD, and below `template`, which forks instead. Imports the standard library only, nothing of Palmette's.

Lines of JSON come in, lines of JSON go out; one thread, one loop. Each task has its own session and, where the system
allows it, its own pid namespace with its own /proc::

    keeper ── nursery ── init of task 1     pid 1 of the namespace: adopts orphans, does nothing else
      ├────────────────── task 1            forked by the keeper *into* that namespace, so that its pid there is not 1:
      └────────────────── task 2            as pid 1 it could not kill itself, abort() or die of a plain SIGTERM

The kernel kills a whole namespace with its init, and the init goes with the nursery, the nursery with the keeper: no
daemon that a task detaches survives any of the three. The nursery is forked before anything large is imported, so a
namespace costs well under a millisecond. Without the right to make namespaces ("subreaper"), tasks and keeper adopt
their orphans (PR_SET_CHILD_SUBREAPER), and what a finished task leaves to the keeper is killed; then only a keeper
killed by SIGKILL can leave detached daemons behind, which `palmette.engine.processes` looks for. PALMETTE_ISOLATION=
subreaper asks for that.
"""

# ruff: noqa: PTH123, PTH208
# (Importing pathlib costs more than the rest of the start.)
from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NoReturn, TypeAlias

Message: TypeAlias = "dict[str, Any]"
Source: TypeAlias = "tuple[int, int, Callable[[], object]]"

LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
NEW_PID, NEW_MOUNTS = 0x20000000, 0x00020000
BIND, READ_ONLY = 0x1000 | 0x4000, 0x20 | 0x1
RECURSIVE_SLAVE, NO_SUID_DEV_EXEC = 0x4000 | 0x80000, 0x2 | 0x4 | 0x8
#: The kernel's PF_EXITING, in the flags of /proc/PID/stat.
EXITING = 0x4
READ, WRITE = select.POLLIN, select.POLLOUT


def checked(result: int) -> None:
    """Raise what a C function left in errno."""
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def die_with(parent: int) -> None:
    """Be killed when the parent dies, even if it is dead already. A namespace's members see no parent (0)."""
    checked(LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))
    if os.getppid() not in (parent, 0):
        os._exit(0)


def own_proc() -> None:
    """Mount a /proc that shows the own pid namespace, for this process and its children only."""
    checked(LIBC.unshare(NEW_MOUNTS))
    checked(LIBC.mount(b"none", b"/", None, RECURSIVE_SLAVE, None))
    checked(LIBC.mount(b"proc", b"/proc", b"proc", NO_SUID_DEV_EXEC, None))


def protect(path: bytes) -> None:
    """Mount a directory read-only over itself, for this process and its children only, if the system lets it."""
    if not LIBC.mount(path, path, None, BIND, None):
        LIBC.mount(None, path, None, BIND | READ_ONLY, None)


def started_at(pid: int) -> int:
    """Clock ticks since boot at which a process started; 0 if there is none."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
        return int(file.read().rpartition(b")")[2].split()[19])
    return 0


def children() -> list[int]:
    """This process's children; what it has adopted is among them."""
    own, found = os.getpid(), []
    with contextlib.suppress(OSError), open(f"/proc/{own}/task/{own}/children") as file:
        return [int(pid) for pid in file.read().split()]
    for pid in map(int, filter(str.isdigit, os.listdir("/proc"))):
        with contextlib.suppress(OSError), open(f"/proc/{pid}/stat", "rb") as file:
            if int(file.read().rpartition(b")")[2].split()[1]) == own:
                found.append(pid)
    return found


class Nursery:
    """Makes pid namespaces, each with an init that lives until it is killed or this process's keeper dies."""

    def __init__(self) -> None:
        self.own = os.open("/proc/self/ns/pid", os.O_RDONLY)
        self.channel, theirs = socket.socketpair()
        keeper, self.pid = os.getpid(), os.fork()
        if not self.pid:
            self.channel.close()
            with contextlib.suppress(BaseException):
                self._serve(theirs, keeper)
            os._exit(0)
        theirs.close()
        self.works = self.channel.recv(1) == b"y"
        self.asked = False
        if not self.works:
            self.channel.close()
            os.waitpid(self.pid, 0)

    def _serve(self, channel: socket.socket, keeper: int) -> None:
        die_with(keeper)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        if not (probe := self._fork()):
            own_proc()
            os._exit(7)
        if os.waitstatus_to_exitcode(os.waitpid(probe, 0)[1]) != 7:
            return
        # Inherited by the inits: what they adopt is reaped by the kernel.
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        life, hold = os.pipe()
        channel.sendall(b"y")
        while channel.recv(1):
            if not (init := self._fork()):
                os.close(hold)
                channel.close()
                os.read(life, 1)  # returns when the nursery is gone
                os._exit(0)
            channel.sendall(b"%d\n" % init)

    def _fork(self) -> int:
        checked(LIBC.unshare(NEW_PID))
        if pid := os.fork():
            checked(LIBC.setns(self.own, NEW_PID))
        return pid

    def leaving(self) -> bool:
        """Whether the kernel is clearing it away: the inits may see that before the other end of the channel does."""
        with contextlib.suppress(OSError), open(f"/proc/{self.pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
            return fields[0] in (b"Z", b"X") or bool(int(fields[6]) & EXITING)
        return True

    def namespace(self) -> int:
        """A pidfd of the init of a new, empty namespace, in which the next fork of the caller will be."""
        self.ask()
        self.asked, pid = False, b""
        while not pid.endswith(b"\n"):
            if not (part := self.channel.recv(32)):
                raise SystemExit("the nursery is gone")
            pid += part
        init = os.pidfd_open(int(pid))
        space = os.open(f"/proc/{int(pid)}/ns/pid", os.O_RDONLY)
        checked(LIBC.setns(space, NEW_PID))
        os.close(space)
        return init

    def ask(self) -> None:
        """Have the next namespace made in the meantime."""
        if not self.asked:
            self.channel.sendall(b"?")
        self.asked = True

    def leave(self) -> None:
        """Let the next fork be in the caller's own namespace again."""
        checked(LIBC.setns(self.own, NEW_PID))
        self.ask()


def live(settle: Callable[[], object], run: Callable[[], int]) -> NoReturn:
    """Settle, run, and end the process: with the code of `run`, or as shells do with what cannot be run."""
    code = 126
    try:
        settle()
        code = 127
        code = run()
    except OSError as error:
        code = 127 if code == 127 and isinstance(error, FileNotFoundError) else 126
        os.write(2, f"palmette: cannot start: {error}\n".encode())
    finally:
        os._exit(code)


class Line:
    """A connection: messages in, messages out, never blocking."""

    def __init__(self, connection: socket.socket) -> None:
        connection.setblocking(False)
        self.connection, self.inbox, self.outbox = connection, bytearray(), bytearray()

    def receive(self) -> Iterator[Message]:
        """What came in; raises ConnectionError when the other side is gone."""
        with contextlib.suppress(BlockingIOError):
            while True:
                if not (data := self.connection.recv(1 << 18)):
                    raise ConnectionResetError
                self.inbox += data
                if b"\n" in data:
                    *lines, self.inbox = self.inbox.split(b"\n")
                    yield from map(json.loads, lines)

    def send(self, message: Message) -> None:
        """Send soon."""
        self.outbox += json.dumps(message).encode() + b"\n"
        self.flush()

    def flush(self) -> None:
        """Send what can be sent now. A reader that is gone shows when reading."""
        with contextlib.suppress(OSError):
            while self.outbox:
                del self.outbox[: self.connection.send(self.outbox)]


class Task:
    """A running child; `init` is the pidfd of its namespace's init, or -1."""

    def __init__(self, id: str, owner: Line, pid: int, init: int) -> None:
        self.id, self.owner, self.pid, self.init = id, owner, pid, init
        self.deadline = float("inf")
        self.result: Message = {}

    def ask(self) -> None:
        """SIGTERM to the task's process group."""
        try:
            os.killpg(self.pid, signal.SIGTERM)
        except OSError:  # it has not made its session yet
            os.kill(self.pid, signal.SIGTERM)

    def alone(self) -> bool:
        """Whether nothing is left in its namespace but the init, which whatever loses its parent comes to at once."""
        with contextlib.suppress(OSError, IndexError), open(f"/proc/self/fdinfo/{self.init}") as facts:
            init = facts.read().partition("\nPid:")[2].split()[0]
            with open(f"/proc/{init}/task/{init}/children") as found:
                return not found.read(1)
        return False

    def kill(self) -> None:
        """SIGKILL to all of it, or, without a namespace, to the leader, whose orphans come to the keeper."""
        self.deadline = float("inf")
        with contextlib.suppress(OSError):
            if self.init >= 0:
                signal.pidfd_send_signal(self.init, signal.SIGKILL)
            elif not self.result:
                os.kill(self.pid, signal.SIGKILL)


class Keeper:
    """Starts commands for those who are connected."""

    def __init__(self) -> None:
        checked(LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
        self.lines: list[Line] = []
        self.tasks: list[Task] = []
        self.ending = False
        self.nursery: Nursery | None = None
        with contextlib.suppress(OSError, AttributeError):  # a kernel without pidfds, or without namespaces
            os.close(os.pidfd_open(os.getpid()))
            if os.environ.get("PALMETTE_ISOLATION") != "subreaper":
                nursery = Nursery()
                self.nursery = nursery if nursery.works else None
        self.bell, self.ringer = socket.socketpair()
        self.bell.setblocking(False)
        self.ringer.setblocking(False)
        self.listen()

    def listen(self) -> None:
        """Hear of children and of SIGTERM in the loop; leave the terminal's signals to those who sit there."""
        signal.set_wakeup_fd(self.ringer.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self.end_all)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def end_all(self, *_: object) -> None:
        """Leave the loop soon."""
        self.ending = True

    def serve(self) -> None:
        """Work until there is nobody to work for; then kill what still runs."""
        while not self.ending and not self.finished():
            self.turn()
        self.leave()
        for task in self.tasks:
            task.kill()
        deadline = time.monotonic() + 5
        while self.tasks and time.monotonic() < deadline:
            self.turn(0.05)

    def finished(self) -> bool:
        """Whether nobody needs this process any more."""
        return not self.lines and not self.tasks

    def leave(self) -> None:
        """Be out of reach."""

    def turn(self, longest: float = 3600) -> None:
        """Wait for something to happen, and deal with it."""
        poll, ready = select.poll(), {}
        for number, events, act in self.sources():
            poll.register(number, events)
            ready[number] = act
        until = min((task.deadline for task in self.tasks), default=float("inf"))
        wait = max(0.0, min(longest, until - time.monotonic()))
        happened = [number for number, _ in poll.poll(wait * 1000)]
        # In the order of the sources: the nursery's death must be seen before the deaths that it brings.
        for number in ready:
            if number in happened:
                ready[number]()
        for task in self.tasks:
            if task.deadline <= time.monotonic():
                task.kill()

    def sources(self) -> Iterator[Source]:
        """What to wait for, and what to do then."""
        if self.nursery:
            yield self.nursery.channel.fileno(), 0, self.orphaned
        yield self.bell.fileno(), READ, self.reap
        for line in self.lines:
            yield line.connection.fileno(), READ | WRITE * bool(line.outbox), partial(self.hear, line)
        for task in self.tasks:
            if task.result and task.init >= 0:
                yield task.init, READ, partial(self.over, task)

    def orphaned(self) -> None:
        """If the nursery is dead, all tasks are. That is not their fault: say nothing, and be gone."""
        poll = select.poll()
        if self.nursery:
            poll.register(self.nursery.channel, 0)
            if poll.poll(0) or self.nursery.leaving():
                os._exit(70)

    def hear(self, line: Line) -> None:
        """Obey what came over a line; end what belongs to it when it is gone."""
        line.flush()
        try:
            for message in line.receive():
                self.obey(line, message)
        except (OSError, ValueError, KeyError):
            self.lines.remove(line)
            line.connection.close()
            for task in self.tasks:
                if task.owner is line:
                    task.kill()

    def obey(self, line: Line, message: Message) -> None:
        """Do one thing that was asked for."""
        if message["op"] == "hello":
            line.send(self.hello())
        elif message["op"] == "start":
            self.start(line, message)
        elif message["op"] == "end":
            for task in self.tasks:
                if task.owner is line and task.id == message["id"] and not task.result:
                    if message["grace"]:
                        task.ask()
                    task.deadline = min(task.deadline, time.monotonic() + message["grace"])

    def hello(self) -> Message:
        """Who this is."""
        pid = os.getpid()
        return {
            "op": "hello",
            "pid": pid,
            "start": started_at(pid),
            "isolation": "pid-namespace" if self.nursery else "subreaper",
        }

    def refusal(self) -> str:
        """Why no fork is safe now; empty if one is."""
        return ""

    def start(self, line: Line, message: Message) -> None:
        """Start a task, or say why not."""
        if why := self.refusal():
            line.send({"op": "refused", "id": message["id"], "why": why})
            return
        try:
            pid, init = self.child(message)
        except OSError as error:  # too many processes, or no memory
            line.send({"op": "refused", "id": message["id"], "why": f"no fork is possible: {error}"})
            return
        self.tasks.append(Task(message["id"], line, pid, init))
        line.send({"op": "started", "id": message["id"], "pid": pid, "start": started_at(pid)})

    def child(self, message: Message) -> tuple[int, int]:
        """A process that becomes the task, and the pidfd of its namespace's init or -1."""
        return self.forked(lambda keeper, init: self.begin(message, keeper, init))

    def forked(self, become: Callable[[int, int], NoReturn]) -> tuple[int, int]:
        """A child in a namespace of its own, where there are such, and the pidfd of that namespace's init."""
        init = self.nursery.namespace() if self.nursery else -1
        keeper = os.getpid()
        # Held back until the child has its own handlers, lest it swallow a SIGTERM that is meant for it.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            if not (pid := self.fork()):
                become(keeper, init)
        except OSError:
            if init >= 0:
                signal.pidfd_send_signal(init, signal.SIGKILL)
                os.close(init)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
            if self.nursery:
                self.nursery.leave()
        return pid, init

    def fork(self) -> int:
        """A child of this process; 0 in the child."""
        return os.fork()

    def begin(self, message: Message, keeper: int, init: int) -> NoReturn:
        """Become the task."""
        live(lambda: self.settle(message, lambda: self.part(keeper, init)), lambda: self.run(message))

    def part(self, keeper: int, init: int) -> None:
        """Have nothing in common with the keeper; signals are still held back."""
        die_with(keeper)
        os.setsid()
        if self.nursery:
            own_proc()
            os.close(init)
            os.close(self.nursery.own)
        else:
            checked(LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for door in self.doors():
            door.close()
        for task in self.tasks:
            if task.init >= 0:
                os.close(task.init)

    def settle(self, message: Message, part: Callable[[], None] = lambda: None) -> None:
        """Make everything as it is for a process that was started afresh."""
        for name in ("stdin", "log"):
            flags = os.O_RDONLY if name == "stdin" else os.O_WRONLY | os.O_APPEND | os.O_CREAT
            number = os.open(message.get(name, os.devnull), flags, 0o600)
            for target in (0,) if name == "stdin" else (1, 2):
                os.dup2(number, target)
            os.close(number)
        if "input" in message:
            number = os.memfd_create("input")
            os.write(number, message["input"].encode())
            os.lseek(number, 0, 0)
            os.dup2(number, 0)
            os.close(number)
        part()
        if self.nursery:
            for path in message.get("protected", ()):
                protect(os.fsencode(path))
        signal.pthread_sigmask(signal.SIG_UNBLOCK, signal.valid_signals())
        os.umask(message.get("umask", 0o022))
        with contextlib.suppress(OSError):
            os.sched_setaffinity(0, message.get("affinity") or os.sched_getaffinity(0))
        os.chdir(message["directory"])

    def doors(self) -> list[socket.socket]:
        """The sockets that are no business of a task's."""
        nursery = [self.nursery.channel] if self.nursery else []
        return [self.bell, self.ringer, *nursery, *(line.connection for line in self.lines)]

    def run(self, message: Message) -> int:
        """Replace this process by the command."""
        for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(number, signal.SIG_DFL)
        command = message["command"]
        os.execvpe(command[0], command, message["environment"])

    def reap(self) -> None:
        """See which tasks have exited."""
        with contextlib.suppress(BlockingIOError):
            while self.bell.recv(4096):
                pass
        for task in [task for task in self.tasks if not task.result]:
            pid, status, usage = os.wait4(task.pid, os.WNOHANG)
            if pid:
                # The nursery's end is seen before the deaths that it brings.
                self.orphaned()
                code = os.waitstatus_to_exitcode(status)
                task.result = {
                    "op": "exited",
                    "id": task.id,
                    "code": 128 - code if code < 0 else code,
                    "cpu_seconds": usage.ru_utime + usage.ru_stime,
                    "peak_memory": usage.ru_maxrss * 1024,
                }
                # Then there is nobody to wait for. (A namespace's collapse ends nothing with 0.)
                alone = task.init >= 0 and not code and task.alone()
                task.kill()
                if task.init < 0:
                    self.sweep()
                if task.init < 0 or alone:
                    self.over(task)

    def sweep(self) -> None:
        """Kill what dead tasks have left: every child that is no task, with all below it."""
        while strays := set(children()) - self.kept():
            for pid in strays:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(pid, 0)

    def kept(self) -> set[int]:
        """The children that are no strays."""
        return {task.pid for task in self.tasks if not task.result}

    def over(self, task: Task) -> None:
        """All of the task is gone: report it."""
        if task.init >= 0:
            os.close(task.init)
        self.tasks.remove(task)
        if task.owner in self.lines:
            task.owner.send(task.result)


def main() -> None:
    """Serve the driver at the other end of the socket whose number is the only argument."""
    # The nursery keeps a copy, so the driver sees the end of the line only when all tasks are gone, too.
    os.set_inheritable(int(sys.argv[1]), False)
    keeper = Keeper()
    keeper.lines.append(Line(socket.socket(fileno=int(sys.argv[1]))))
    keeper.serve()


if __name__ == "__main__":
    main()
