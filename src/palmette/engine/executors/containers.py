"""Attempts in their images: the command line for Docker or Podman, and what must be cleared away behind it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from palmette.engine.executors import undertaker
from palmette.engine.ports import Launch, Mount

#: So many processes may a container have.
_PROCESSES: Final = 4096
#: Variables that the runtime's own program obeys. A container's are given to it by value, so that they do not steer it.
_STEERING: Final = re.compile(
    r"PATH|HOME|TMPDIR|(?:LD|XDG|DOCKER|BUILDKIT|PODMAN)_.*|CONTAINERS?_.*|(?:HTTPS?|NO|ALL)_PROXY", re.IGNORECASE
)
#: Where the kernel keeps files in memory.
_MEMORY: Final = Path("/dev/shm")


def command_line(launch: Launch, lent: Mapping[str, Path], user: tuple[int, int]) -> list[str]:
    """What runs the attempt in its image. `lent` says where the files of a mount lie that has some, by its path; `user`
    is who runs it unless it asks for somebody. Values of variables are not in it, but for those that would steer the
    program itself."""
    container = launch.container
    assert container is not None
    podman = "podman" in Path(container.runtime).name
    words = [container.runtime, "run", "--rm", "--name", container.name]
    words += ["--pull", container.pull] if container.pull else []
    words += ["--workdir", str(launch.directory / "work"), "--user", _user(launch, user)]
    words += ["--pids-limit", str(_PROCESSES)]
    if launch.memory:
        words += ["--memory", str(launch.memory), "--memory-swap", str(launch.memory)]
    if container.cpus:
        words += ["--cpus", f"{container.cpus:g}"]
    if launch.gpus and podman:
        words += [word for gpu in launch.gpus for word in ("--device", f"nvidia.com/gpu={gpu}")]
    elif launch.gpus:
        words += ["--gpus", f'"device={",".join(map(str, launch.gpus))}"']
    words += ["--mount", _bind(launch.directory, str(launch.directory))]
    for path in container.shared:
        words += ["--mount", _bind(path, str(path))]
    for path in container.shown:
        words += ["--mount", _bind(path, str(path), sealed=True)]
    for mount in launch.mounts:
        words += _mounted(mount, lent)
    words += _variables(launch)
    if launch.command:
        words += ["--entrypoint", launch.command[0]]
    return [*words, container.image, *launch.command[1:], *launch.args]


def _user(launch: Launch, user: tuple[int, int]) -> str:
    uid = user[0] if launch.user is None else launch.user
    gid = launch.group if launch.group is not None else user[1] if launch.user is None else launch.user
    return f"{uid}:{gid}"


def _mounted(mount: Mount, lent: Mapping[str, Path]) -> list[str]:
    if mount.files is not None:
        return ["--mount", _bind(lent[mount.at], mount.at, sealed=True)]
    if mount.source is not None:
        return ["--mount", _bind(mount.source / mount.within, mount.at)]
    if mount.at == str(_MEMORY):
        return ["--shm-size", str(mount.size)] if mount.size else []
    size = f",size={mount.size}" if mount.size else ""
    return ["--tmpfs", f"{mount.at}:rw,mode=1777{size}"]


def _bind(source: Path, target: str, *, sealed: bool = False) -> str:
    """One line of comma-separated values, quoted where a path needs that."""
    line = io.StringIO()
    fields = ["type=bind", f"source={source}", f"target={target}", *(["readonly"] if sealed else [])]
    csv.writer(line, lineterminator="").writerow(fields)
    return line.getvalue()


def _variables(launch: Launch) -> Iterator[str]:
    assert launch.container is not None
    for name in launch.container.variables:
        by_value = _STEERING.fullmatch(name) and name not in launch.container.confidential
        yield from ("--env", f"{name}={launch.environment[name]}" if by_value else name)
    if "HOME" not in launch.container.variables:
        yield from ("--env", f"HOME={launch.directory / 'work'}")


def client(launch: Launch, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment of the program that runs the container: its own, and what it hands on by name."""
    assert launch.container is not None
    own = {name: value for name, value in environ.items() if _STEERING.fullmatch(name) or name in ("USER", "LANG")}
    handed = {name: launch.environment[name] for name in launch.container.variables}
    return {**handed, **own, **{name: handed[name] for name in handed if name in launch.container.confidential}}


class Containers:
    """The containers of one driver. Whatever becomes of it, none of them stays."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._undertaker: subprocess.Popen[str] | None = None
        self._files: dict[str, Path] = {}

    def begin(self, launch: Launch) -> tuple[list[str], dict[str, str]]:
        """The command that runs the attempt in its image, and its environment."""
        container = launch.container
        assert container is not None
        room = Path(tempfile.mkdtemp(prefix="palmette-", dir=self._memory()))
        self._files[container.name] = room
        self._tell(container.runtime, {"name": container.name, "files": str(room)})
        lent = {}
        for index, mount in enumerate(launch.mounts):
            if mount.files is not None:
                lent[mount.at] = _written(room / str(index), mount.files)
            elif mount.source is not None and mount.within:
                (mount.source / mount.within).mkdir(parents=True, exist_ok=True)
        if launch.user is not None and not os.geteuid():
            for name in ("", "work", "outputs", "values"):
                if (path := launch.directory / name).exists():
                    os.chown(path, launch.user, -1 if launch.group is None else launch.group)
        return command_line(launch, lent, (os.geteuid(), os.getegid())), client(launch, self._environ)

    def over(self, launch: Launch, *, killed: bool) -> None:
        """Clear away behind an attempt that is over. Of one that was killed the container may be left; return when it
        is gone."""
        container = launch.container
        assert container is not None
        if killed:
            undertaker.remove(container.runtime, container.name)
        if (room := self._files.pop(container.name, None)) is not None:
            shutil.rmtree(room, ignore_errors=True)
        self._tell(container.runtime, {"name": container.name})

    def close(self) -> None:
        """Let go; what is left is cleared away."""
        if self._undertaker is not None and self._undertaker.stdin is not None:
            self._undertaker.stdin.close()
            self._undertaker.wait()
            self._undertaker = None

    def _tell(self, runtime: str, message: Mapping[str, str]) -> None:
        if self._undertaker is None:
            self._undertaker = subprocess.Popen(
                [sys.executable, "-I", "-S", undertaker.__file__, runtime],
                stdin=subprocess.PIPE,
                text=True,
                start_new_session=True,
                env=dict(self._environ),
            )
        assert self._undertaker.stdin is not None
        self._undertaker.stdin.write(json.dumps(message) + "\n")
        self._undertaker.stdin.flush()

    def _memory(self) -> Path:
        """A directory in memory, for what must not be on a disk."""
        own = Path(self._environ.get("XDG_RUNTIME_DIR", ""))
        return own if self._environ.get("XDG_RUNTIME_DIR") and own.is_dir() else _MEMORY


def _written(directory: Path, files: Mapping[str, str]) -> Path:
    directory.mkdir(mode=0o755)
    for name, text in files.items():
        (directory / name).write_text(text, encoding="utf-8")
        (directory / name).chmod(0o644)
    return directory
