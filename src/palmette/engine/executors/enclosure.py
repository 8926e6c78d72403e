"""Gives one command the file system that its pod would see, and becomes it.

Runs as a program of its own (``python -I -S enclosure.py``). What it is to do comes as JSON over standard input, which
is memory: no secret lies on a disk or in a command line. Imports the standard library only.

Everything happens in a mount namespace of this process, which the kernel clears away with the last process in it. Root
makes one just so, others within a user namespace of their own. A mount point that does not exist is never made on the
host. The nearest directory that exists is veiled instead: another directory is mounted over it, in which all that was
there is mounted again, and the mount point is made in that. Where the root itself is veiled, the process moves into the
new one (pivot_root).
"""

# ruff: noqa: PTH101, PTH102, PTH103, PTH110, PTH112, PTH115, PTH116, PTH118, PTH120, PTH123, PTH211
# (Importing pathlib costs more than all mounts.)
from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import signal
import stat
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from palmette.engine.ports import Launch

LIBC = ctypes.CDLL(None, use_errno=True)
NEW_MOUNTS, NEW_USER = 0x00020000, 0x10000000
READ_ONLY, NO_SUID, NO_DEV, NO_EXEC, REMOUNT, BIND, RECURSIVE = 1, 2, 4, 8, 32, 4096, 16384
UNBINDABLE, PRIVATE, DETACH = 1 << 17, 1 << 18, 2
#: Beside so many others a mount point is not made: each of them is mounted again.
MOST = 4096
#: Where nothing may be mounted, since processes need what is there.
TAKEN = ("/", "/proc", "/sys", "/dev")
#: Nobody: who runs what must not be root and says no more.
NOBODY = 65534


class Refused(Exception):
    """Says what cannot be had."""


def checked(result: int) -> None:
    """Raise what a C function left in errno."""
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """As mount(2)."""
    words = (os.fsencode(word) or None for word in (source, target, kind))
    checked(LIBC.mount(*words, ctypes.c_ulong(flags), os.fsencode(options) or None))


def own_space() -> None:
    """Have a mount namespace of which nobody else sees anything."""
    user, group = os.geteuid(), os.getegid()
    if LIBC.unshare(NEW_MOUNTS):
        if LIBC.unshare(NEW_USER | NEW_MOUNTS):
            why = os.strerror(ctypes.get_errno())
            raise Refused(f"this system lets {'root' if not user else 'you'} mount nothing, not even privately ({why})")
        for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
            with open(f"/proc/self/{name}", "w") as file:
                file.write(text)
    mount("", "/", flags=RECURSIVE | PRIVATE)


class FileSystem:
    """What the command is to see. `scratch` is a directory for veils, which exists."""

    def __init__(self, scratch: str) -> None:
        self._scratch = scratch
        #: mount point → whether one may make mount points below it without anyone else seeing them
        self._known: dict[str, bool] = {}
        self._sealed: list[str] = []

    def attach(self, wanted: Mapping[str, Any]) -> None:
        """Mount one thing where it is wanted; Refused if that cannot be."""
        at = wanted["at"]
        try:
            source = self._source(wanted)
            path = self._point(at, file=source is not None and not os.path.isdir(source))
            if source is None:
                self._memory(path, wanted)
            else:
                mount(source, path, flags=BIND | RECURSIVE)
            self._known[path] = True
        except OSError as error:
            raise Refused(f"cannot mount {wanted['what']} at {at}: {error.strerror}") from None

    def seal(self) -> None:
        """Make read-only what is. Last, since mount points may lie within."""
        for path in self._sealed:
            mount("", path, flags=REMOUNT | BIND | READ_ONLY | NO_SUID | NO_DEV)

    def open_way(self, directory: str) -> None:
        """Let everyone reach this directory, if they may use it, through those around it that keep them out."""
        way = directory
        barred = ""
        while way != "/":
            way = os.path.dirname(way)
            barred = barred if os.stat(way).st_mode & stat.S_IXOTH else way
        if barred:
            held = os.open(directory, os.O_PATH)
            mount("tmpfs", barred, "tmpfs", NO_SUID | NO_DEV, "mode=0755,size=64k")
            os.makedirs(directory, mode=0o755)
            mount(f"/proc/self/fd/{held}", directory, flags=BIND | RECURSIVE)
            os.close(held)

    def _source(self, wanted: Mapping[str, Any]) -> str | None:
        """What is mounted, or None for what lives in memory. A path within a volume leads nowhere else."""
        if wanted["source"] is None:
            return None
        whole = os.path.realpath(str(wanted["source"]))
        part = os.path.realpath(os.path.join(whole, wanted["within"]))
        if part != whole and not part.startswith(whole.rstrip("/") + "/"):
            raise Refused(f"{wanted['within']} leads out of {wanted['what']}, which is to be mounted at {wanted['at']}")
        if not os.path.exists(part):
            os.makedirs(part)
        return part

    def _memory(self, path: str, wanted: Mapping[str, Any]) -> None:
        files = wanted["files"]
        size = f",size={wanted['size']}" if wanted["size"] else ""
        mode = "1777" if files is None else "0755"
        mount("tmpfs", path, "tmpfs", NO_SUID | NO_DEV, f"mode={mode}{size}")
        if files is not None:
            for name, text in files.items():
                with open(os.path.join(path, name), "x", encoding="utf-8") as file:
                    file.write(text)
                    os.fchmod(file.fileno(), 0o644)
            self._sealed.append(path)

    def _point(self, at: str, *, file: bool) -> str:
        """A place to mount at, made if it is not there."""
        path = os.path.realpath(at)
        if path in TAKEN:
            raise Refused(f"nothing can be mounted at {at}")
        if os.path.lexists(path):
            return path
        parent = os.path.dirname(path)
        while not os.path.lexists(parent):
            parent = os.path.dirname(parent)
        if not self._ours(parent):
            self._veil(parent)
        os.makedirs(os.path.dirname(path) if file else path, exist_ok=True)
        if file:
            open(path, "x").close()
        return path

    def _ours(self, path: str) -> bool:
        while path not in self._known and path != "/":
            path = os.path.dirname(path)
        return self._known.get(path, False)

    def _veil(self, parent: str) -> None:
        entries = list(os.scandir(parent))
        if len(entries) > MOST:
            raise Refused(f"there are {len(entries)} others in {parent}, beside which a mount point would be needed")
        base = os.path.join(self._scratch, f"veil{len(self._known)}")
        os.mkdir(base)
        if parent == "/":
            # In memory, and left out where it would hold itself.
            mount("tmpfs", base, "tmpfs", NO_SUID, "mode=0755,size=1m")
            mount("", base, flags=UNBINDABLE)
        held = os.open(parent, os.O_PATH)
        if parent != "/":
            facts = os.stat(parent)
            os.chmod(base, stat.S_IMODE(facts.st_mode))
            with contextlib.suppress(OSError):
                os.chown(base, facts.st_uid, facts.st_gid)
            mount(base, parent, flags=BIND)
        for entry in entries:
            # The veil itself may hide where it was made.
            new = os.path.join(base if parent == "/" else parent, entry.name)
            with contextlib.suppress(FileNotFoundError):  # it is gone by now
                self._again(entry, f"/proc/self/fd/{held}/{entry.name}", new)
            self._known[os.path.join(parent, entry.name)] = False
        os.close(held)
        if parent == "/":
            self._move(base)
        self._known[parent] = True

    def _again(self, entry: os.DirEntry[str], old: str, new: str) -> None:
        """Show one more of what was there before."""
        if entry.is_symlink():
            os.symlink(os.readlink(old), new)
            return
        directory = stat.S_ISDIR(os.stat(old).st_mode)
        if directory:
            os.mkdir(new)
        else:
            open(new, "x").close()
        mount(old, new, flags=BIND | RECURSIVE)

    def _move(self, root: str) -> None:
        os.chdir(root)
        checked(LIBC.pivot_root(b".", b"."))
        checked(LIBC.umount2(b".", DETACH))
        os.chdir("/")


def become(user: int | None, group: int | None, own: Sequence[str]) -> None:
    """Go on as that user. What is its own is given to it first."""
    if user is None and group is None:
        return
    as_group = group if group is not None else user if user is not None else os.getegid()
    for path in own:
        os.chown(path, -1 if user is None else user, as_group)
    os.setgroups([])
    os.setgid(as_group)
    if user is not None:
        os.setuid(user)


def execute(command: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """Be the command; as shells do with what cannot be run."""
    for number in (signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvpe(command[0], list(command), dict(environment))
    except OSError as error:
        leave(f"cannot start: {error}", 127 if isinstance(error, FileNotFoundError) else 126)


def first(before: Sequence[Mapping[str, Any]]) -> None:
    """Run each of these to its end; go no further if one fails."""
    for one in before:
        if not (child := os.fork()):
            execute(one["command"], one["environment"])
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code:
            code = 128 - code if code < 0 else code
            leave(f"the init container {one['name']} failed with exit code {code}", code)


def leave(what: str, code: int) -> NoReturn:
    """End this process, saying why."""
    os.write(2, f"palmette: {what}\n".encode())
    os._exit(code)


def main() -> None:
    """Do what standard input says."""
    order = json.loads(sys.stdin.buffer.read())
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    root = os.geteuid() == 0
    user, group = (order["user"], order["group"]) if root else (None, None)
    try:
        if order["mounts"] or (root and user):
            own_space()
            system = FileSystem(order["scratch"])
            for wanted in sorted(order["mounts"], key=lambda wanted: os.path.realpath(wanted["at"]).count("/")):
                system.attach(wanted)
            if user:
                system.open_way(order["home"])
            system.seal()
        become(user, group, order["own"])
        os.chdir(order["directory"])
    except Refused as refused:
        leave(str(refused), 126)
    except OSError as error:
        hint = " (is the system out of user namespaces?)" if error.errno == errno.ENOSPC else ""
        leave(f"its file system cannot be made: {error}{hint}", 126)
    first(order["before"])
    execute(order["command"], order["environment"])


def needed(launch: Launch) -> bool:
    """Whether the attempt must begin in an enclosure."""
    return bool(launch.mounts or launch.before) or launch.user is not None or launch.group is not None


def enclosed(launch: Launch, command: Sequence[str], environment: Mapping[str, str]) -> tuple[list[str], str]:
    """The command that makes the enclosure, and what it must read on standard input."""
    home, scratch = launch.directory, launch.scratch
    own = [home, *(home / name for name in ("work", "outputs", "values", scratch.name) if (home / name).exists())]
    lent = [mount.source for mount in launch.mounts if mount.source is not None]
    own += [path for path in lent if path.is_relative_to(scratch)]
    order = {
        "mounts": [
            {
                "at": mount.at,
                "what": mount.what,
                "source": None if mount.source is None else str(mount.source),
                "within": mount.within,
                "files": None if mount.files is None else dict(mount.files),
                "size": mount.size,
            }
            for mount in launch.mounts
        ],
        "user": launch.user,
        "group": launch.group,
        "own": [str(path) for path in own],
        "home": str(home),
        "scratch": str(scratch),
        "directory": str(home / "work"),
        "before": [
            {"name": one.name, "command": list(one.command), "environment": {**environment, **one.environment}}
            for one in launch.before
        ],
        "command": list(command),
        "environment": dict(environment),
    }
    return [sys.executable, "-I", "-S", __file__], json.dumps(order)


if __name__ == "__main__":
    main()
