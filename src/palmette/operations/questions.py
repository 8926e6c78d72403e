"""Questions to Git about one directory."""

from __future__ import annotations

import os
import select
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

#: A repository that takes longer is on a disk that is not there.
SECONDS: Final = 15.0
#: Bytes of a text that are read.
_LIMIT: Final = 16 << 20


class Answer:
    """A question that Git is working on."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def complete(self) -> tuple[bytes, str]:
        """The whole answer, and what Git complained of if it gave none."""
        answer, complaint = self._process.communicate(timeout=SECONDS)
        # Most questions let Git complain to nobody.
        return answer, (complaint or b"").decode(errors="replace").strip() or "?" if self._process.returncode else ""

    def output(self, limit: int) -> bytes:
        """The answer, not much more than `limit` bytes of it."""
        assert self._process.stdout is not None
        descriptor, deadline, data = self._process.stdout.fileno(), time.monotonic() + SECONDS, bytearray()
        while len(data) <= limit:
            if not select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))[0]:
                raise subprocess.TimeoutExpired(self._process.args, SECONDS)
            if not (more := os.read(descriptor, 1 << 16)):
                break
            data += more
        return bytes(data)

    def text(self) -> str:
        """The answer in characters, without the end of its last line; nothing where Git could not tell."""
        return self.output(_LIMIT).decode(errors="replace").rstrip("\n")

    def end(self) -> None:
        """Let go of the process, finished or not."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


class Ask:
    """Puts questions to Git in one directory."""

    def __init__(self, command: str, root: Path, environment: Mapping[str, str]) -> None:
        # `git diff` would write an index whose times are out of date, and asks nobody whether it may lock it.
        settings = ("core.fsmonitor=false", "core.quotePath=false", "diff.autoRefreshIndex=false")
        self._start = [command, "-C", str(root), *(word for setting in settings for word in ("-c", setting))]
        self._environment = environment
        self._answers: list[Answer] = []
        #: the clone ends before the history does; known to whoever got it from `asking`
        self.shallow = False

    def __call__(self, verb: str, *arguments: str) -> Answer:
        process = subprocess.Popen(
            [*self._start, verb, *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if verb in ("status", "rev-parse") else subprocess.DEVNULL,
        )
        self._answers.append(Answer(process))
        return self._answers[-1]

    def end(self) -> None:
        """Let go of everything that was asked."""
        for answer in self._answers:
            answer.end()


def alone(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment in which nothing but the repository's own configuration is read."""
    return {
        "PATH": environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
    }


def permitted(environ: Mapping[str, str]) -> dict[str, str]:
    """The same with the user's configuration."""
    own = {name: value for name, value in environ.items() if name in ("HOME", "XDG_CONFIG_HOME")}
    own |= {name: value for name, value in environ.items() if name.startswith("GIT_CONFIG")}
    without = ("GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_GLOBAL")
    return {name: value for name, value in alone(environ).items() if name not in without} | own


def outside(environ: Mapping[str, str]) -> dict[str, str]:
    """An environment in which a remote is asked: with what the user's Git needs for that, but nobody is asked for a
    password."""
    # A GIT_DIR that somebody left, as hooks do, would name another repository.
    kept = ("GIT_SSH", "GIT_SSL", "GIT_PROXY", "GIT_CONFIG", "GIT_HTTP")
    own = {name: value for name, value in environ.items() if not name.startswith("GIT_") or name.startswith(kept)}
    silent = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "SSH_ASKPASS_REQUIRE": "never", "LC_ALL": "C"}
    return {"GIT_SSH_COMMAND": "ssh -o BatchMode=yes", "PATH": os.defpath} | own | silent


def foreign(complaint: str) -> bool:
    """Whether Git refuses because the repository belongs to somebody else: permission stands in the user's
    configuration."""
    return "dubious ownership" in complaint or "unsafe repository" in complaint


@contextmanager
def asking(root: Path, environ: Mapping[str, str]) -> Iterator[Ask | None]:
    """Whoever may ask Git about a directory; None where there is no Git, no repository, or no permission."""
    command = shutil.which("git", path=environ.get("PATH", os.defpath))
    asks: list[Ask] = []
    try:
        for environment in (alone(environ), permitted(environ)) if command else ():
            asks.append(Ask(command or "", root, environment))
            answer, complaint = asks[-1]("rev-parse", "--is-shallow-repository").complete()
            asks[-1].shallow = answer.strip() == b"true"
            if not foreign(complaint):
                yield None if complaint else asks[-1]
                return
        yield None
    finally:
        for ask in asks:
            ask.end()
