"""Run the commands that the docs show, and write down what they print.

A page is executed from top to bottom in a directory of its own, by a user with a home of their own:

* a fence ``python file=algorithms/x.py`` (any language) writes that file;
* a fence ``diff file=algorithms/x.py`` changes it: what the lines with a blank or - say becomes what those with a blank
  or + say;
* a fence ``console`` runs its lines that begin with ``$``. The lines below a command must appear in its output; a line
  that ends in … stands for one that begins like it, a lone … for any lines;
* comments stand for what a reader need not see: ``<!-- run: COMMAND -->``, ``<!-- copy: examples/clinic -->`` (go to a
  copy of it), ``<!-- environment: clinic -->`` (its Python, with scikit-learn, as .venv).

Any other fence is left alone. `python scripts/screens.py [PAGE…]` rewrites the outputs that are not as they were;
tests/tutorial fails where one is not.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
#: where a reader's files are said to lie
ADA: Final = "/home/ada"
#: seconds for one command
PATIENCE: Final = 120
ANYTHING: Final = "…"
#: what a command says only where the machine is slow, and no page shows
WAITING: Final = "importing the project's packages …"

#: Where pages serve. Each reader has ports of their own, since pages are followed side by side.
_PORTS: Final = ("8080", "8090")
#: Where these are looked for: below those that the system hands out to whoever wants any.
_BELOW: Final = range(16_384, 32_768)

_FENCE: Final = re.compile(r"^(?P<ticks>```+)(?P<info>[^`]*)$")
_COMMENT: Final = re.compile(r"^<!-- (?P<verb>run|copy|environment): (?P<what>.+) -->$")

#: What is another one each time, and what it is called when two lines are compared.
_VARYING: Final = tuple(
    (re.compile(pattern), name)
    for pattern, name in (
        (r"\b(?:sha256(?:-dir)?:)?(?=[a-f]*\d)[0-9a-f]{7,64}\b", "NAME"),
        # One of 10,000 looks like a digest.
        (r"\b[a-hjkmnp-tv-z][0-9a-hjkmnp-tv-z]{11}\b", "NAME"),
        (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?", "TIME"),
        (r"\b(?:just )?now\b|\b\d+ \w+ ago\b", "DURATION"),
        (r"\b[\d,.]+ (?:ms|s|m|min|h|d)\b(?: \d+ [ms]\b)?", "DURATION"),
        (r"\b[\d,.]+ (?:B|bytes|[KMGT]iB)(?!\w)", "SIZE"),
        (r"\bPython \d+\.\d+(?:\.\d+)?", "PYTHON"),
        (r"\b\d+ packages?\b", "PACKAGES"),
        (r"^host\b.*", "HOST"),
        (r"\bpid \d+\b", "PID"),
        (r"\bserved in .*|\bin [\d.]+s\b", "DURATION"),
    )
)


@dataclass
class Command:
    """A command that a page shows."""

    text: str
    #: where its output stands in the page: first line, and the line behind the last
    start: int
    end: int
    shown: list[str]
    printed: list[str] = field(default_factory=list)

    @property
    def differs(self) -> str:
        """The first line that is shown and was not printed; empty if all were. Steps run at the same time, so that
        the order of lines is nobody's promise."""
        rest = list(self.printed)
        for line in self.shown:
            found = next((each for each in rest if line == ANYTHING or same(line, each)), None)
            if found is None and line != ANYTHING:
                return line
            if found is not None and line != ANYTHING:
                rest.remove(found)
        return ""

    @property
    def exact(self) -> bool:
        """Whether nothing but what is shown was printed."""
        return len(self.shown) == len(self.printed) and not self.differs


@dataclass(frozen=True)
class Block:
    """A fence or a comment that means something here."""

    info: str
    lines: tuple[str, ...]
    #: the page's line, from 0, that its first line is
    start: int


@dataclass
class Reader:
    """Somebody who follows a page to the letter."""

    top: Path
    python: Path
    clinic: Path
    directory: Path = field(init=False)
    #: the ports of the pages, and what they are here
    ports: dict[str, str] = field(init=False)
    #: keep other readers from the ports
    kept: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    def __post_init__(self) -> None:
        self.directory = self.top
        self.ports = {port: _free(self.kept) for port in _PORTS}
        (self.top / ".run").mkdir(mode=0o700)

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PATH": f"{self.python.parent}:{os.environ.get('PATH', os.defpath)}",
            "HOME": str(self.top),
            "XDG_RUNTIME_DIR": str(self.top / ".run"),
            "LANG": "C.UTF-8",
            "COLUMNS": "80",
            "TERM": "dumb",
            **{f"GIT_{who}_{what}": value for who in ("AUTHOR", "COMMITTER") for what, value in _ADA.items()},
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "init.defaultBranch",
            "GIT_CONFIG_VALUE_0": "main",
        }

    def follow(self, text: str) -> list[Command]:
        """Execute a page; the commands with what they printed. A command that fails raises."""
        followed = []
        for block in blocks(text):
            language, _, rest = block.info.partition(" ")
            name = rest.strip().removeprefix("file=")
            if language in ("run", "copy", "environment"):
                self._prepare(language, block.lines[0])
            elif language == "diff" and name:
                self._edit(self.directory / name, block.lines)
            elif rest.strip().startswith("file="):
                path = self.directory / name
                path.parent.mkdir(parents=True, exist_ok=True)
                text = _moved("".join(f"{line}\n" for line in block.lines), self.ports)
                path.write_text(text, encoding="utf-8")
            elif language == "console":
                for command in commands(block):
                    command.printed = self.run(command.text)
                    followed.append(command)
        return followed

    def run(self, command: str) -> list[str]:
        """What a command prints in a shell; where it leaves the directory, the next one starts there."""
        after = self.top / ".directory"
        script = f"{_moved(command, self.ports)}\ncode=$?; pwd > {shlex.quote(str(after))}; exit $code"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.directory,
            env=self.environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            check=False,
        )
        printed = done.stdout.decode(errors="replace").replace(str(self.top), ADA)
        printed = _moved(printed, {here: there for there, here in self.ports.items()})
        if done.returncode:
            raise AssertionError(f"$ {command}\n{printed}(exit code {done.returncode})")
        self.directory = Path(after.read_text().strip())
        return [line.rstrip() for line in printed.splitlines() if line.rstrip() != WAITING]

    def _prepare(self, verb: str, what: str) -> None:
        if verb == "run":
            self.run(what)
        elif verb == "environment":
            (self.directory / ".venv").symlink_to(self.clinic)
        else:
            source = ROOT / what
            ignored = shutil.ignore_patterns(".venv", ".palmette", "__pycache__", ".pytest_cache")
            self.directory = self.top / source.name
            shutil.copytree(source, self.directory, ignore=ignored)

    @staticmethod
    def _edit(path: Path, lines: Sequence[str]) -> None:
        old = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("+"))
        new = "".join(f"{line[1:]}\n" for line in lines if not line.startswith("-"))
        text = path.read_text(encoding="utf-8")
        if text.count(old) != 1:
            raise AssertionError(f"this stands {text.count(old)} times in {path.name}:\n{old}")
        path.write_text(text.replace(old, new), encoding="utf-8")


_ADA: Final = {
    "NAME": "Ada",
    "EMAIL": "ada@example.org",
    "DATE": "2026-01-01T12:00:00+0000",
}


def _free(kept: contextlib.ExitStack) -> str:
    """A port that nobody listens on, and that is no other reader's until `kept` is closed."""
    while True:
        port = random.choice(_BELOW)
        mark = kept.enter_context(socket.socket(socket.AF_UNIX))
        # Whoever comes second meets an error, at the name as at the port.
        with contextlib.suppress(OSError), socket.socket() as tried:
            mark.bind(f"\0palmette-screens-{port}")
            tried.bind(("127.0.0.1", port))
            return str(port)


def _moved(text: str, ports: Mapping[str, str]) -> str:
    """The text with other ports: in addresses, and where one is said to the command."""
    known = "|".join(ports)
    return re.sub(rf"(?<=:)(?:{known})\b|(?<=--port )(?:{known})\b", lambda found: ports[found[0]], text)


def blocks(text: str) -> Iterator[Block]:
    """What a page wants to be done, in order."""
    fence, info, start, held = "", "", 0, list[str]()
    for number, line in enumerate(text.splitlines()):
        if fence:
            if line.strip() == fence:
                yield Block(info, tuple(held), start)
                fence = ""
            else:
                held.append(line)
        elif found := _FENCE.match(line):
            fence, info, start, held = found["ticks"], found["info"].strip(), number + 1, []
        elif comment := _COMMENT.match(line.strip()):
            yield Block(comment["verb"], (comment["what"],), number)


def commands(block: Block) -> list[Command]:
    """The commands of a console, each with the output that is shown."""
    found: list[Command] = []
    for number, line in enumerate(block.lines, block.start):
        if line.startswith("$ "):
            found.append(Command(line[2:], number + 1, number + 1, []))
        elif found:
            found[-1].shown.append(line)
            found[-1].end = number + 1
        else:
            raise AssertionError(f"line {number + 1}: a console begins with a command")
    for command in found:
        while command.shown and not command.shown[-1].strip():
            command.shown.pop()
            command.end -= 1
    return found


def same(shown: str, printed: str) -> bool:
    """Whether two lines say the same, but for what is another one each time and the last digits of numbers."""
    one, other = _plain(shown).split(), _plain(printed).split()
    if one and one[-1].endswith(ANYTHING):
        head = " ".join(one).removesuffix(ANYTHING).rstrip()
        return " ".join(other).startswith(head)
    return len(one) == len(other) and all(_alike(*pair) for pair in zip(one, other, strict=True))


def _plain(line: str) -> str:
    for pattern, name in _VARYING:
        line = pattern.sub(name, line)
    return line


def _alike(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        first, second = (float(each.replace("−", "-").rstrip(",")) for each in (one, other))
    except ValueError:
        return False
    # Another processor adds in another order. Whole numbers are counts, and are equal or not.
    return "." in one and "." in other and abs(first - second) <= 0.02 * max(1.0, abs(first))


@contextlib.contextmanager
def reader(python: Path, clinic: Path) -> Iterator[Reader]:
    """A reader with an empty home; all they started is ended with them."""
    top = Path(tempfile.mkdtemp(prefix="palmette-"))
    ada = Reader(top, python, clinic)
    try:
        yield ada
    finally:
        _end_processes(top)
        ada.kept.close()
        subprocess.run(["chmod", "-R", "u+w", str(top)], check=False)
        shutil.rmtree(top, ignore_errors=True)


def _end_processes(top: Path) -> None:
    """End whatever was started with this home: idle templates, and a run that a page left behind."""
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and int(path.name) != os.getpid():
            with contextlib.suppress(OSError):
                if str(top).encode() in (path / "cmdline").read_bytes() + (path / "environ").read_bytes():
                    os.kill(int(path.name), signal.SIGKILL)


def shown_pages() -> list[Path]:
    """The pages that show what a command prints."""
    found = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [path for path in found if any(block.info == "console" for block in blocks(path.read_text("utf-8")))]


def rewritten(text: str, followed: Sequence[Command]) -> tuple[str, list[str]]:
    """The page with the outputs that were printed now, and the commands whose shortened output no longer fits.

    A page on which nothing differs stays as it is; otherwise all of it is of one time, so that its runs keep their
    names from one command to the next.
    """
    lines = text.splitlines()
    shortened = [any(line.endswith(ANYTHING) for line in command.shown) for command in followed]
    left = [command for command, short in zip(followed, shortened, strict=True) if short and command.differs]
    if all(short or command.exact for command, short in zip(followed, shortened, strict=True)):
        return text, [f"$ {command.text}: {command.differs}" for command in left]
    for command, short in reversed(list(zip(followed, shortened, strict=True))):
        if not short:
            lines[command.start : command.end] = command.printed
    return "\n".join(lines) + "\n", [f"$ {command.text}: {command.differs}" for command in left]


def clinic_python() -> Path:
    """The Python of examples/clinic."""
    named = os.environ.get("PALMETTE_TEST_PYTHON")
    return Path(named) if named else ROOT / "examples" / "clinic" / ".venv" / "bin" / "python"


def main(arguments: Sequence[str]) -> int:
    """Rewrite the named pages, or all; 1 if something has to be done by hand."""
    failed = 0
    for path in [Path(name).resolve() for name in arguments] or shown_pages():
        text = path.read_text("utf-8")
        try:
            with reader(Path(sys.executable), clinic_python().parent.parent) as ada:
                new, left = rewritten(text, ada.follow(text))
        except AssertionError as error:
            sys.stdout.write(f"{path.relative_to(ROOT)}: {error}\n")
            failed = 1
            continue
        if new != text:
            path.write_text(new, encoding="utf-8")
            sys.stdout.write(f"wrote {path.relative_to(ROOT)}\n")
        for line in left:
            sys.stdout.write(f"{path.relative_to(ROOT)}: shorten it anew: {line}\n")
            failed = 1
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
