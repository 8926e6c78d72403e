"""The command `uv`, which reads its own locks and builds environments; Palmette resolves nothing itself."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from palmette.errors import EnvironmentFailed

#: lines of uv's own words that an error quotes
_QUOTED: Final = 20
#: Set for somebody else's call of uv, so wrong for this one; the last decides which Python a build is for.
_FOREIGN: Final = frozenset({"VIRTUAL_ENV", "UV_PROJECT_ENVIRONMENT", "CONDA_PREFIX", "UV_SYSTEM_PYTHON", "UV_PYTHON"})
#: what says in uv's own way where packages come from
_OWN: Final = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_INDEX_URL", "UV_EXTRA_INDEX_URL", "UV_FIND_LINKS")
#: pip's settings and the options of uv that mean the same
_PIP: Final = {
    "index-url": "--default-index",
    "extra-index-url": "--index",
    "find-links": "--find-links",
    "trusted-host": "--allow-insecure-host",
}
#: those of them that say yes or no, and one that uv is told as a variable
_NO_INDEX: Final = "no-index"
_CERTIFICATES: Final = "cert"


@dataclass(frozen=True, kw_only=True)
class Uv:
    """A uv that is there."""

    command: Path
    environ: Mapping[str, str]

    def __call__(
        self, *arguments: str | Path, where: Path, what: str, hint: str = "", lock: int | None = None, text: str = ""
    ) -> str:
        """Call it in a directory; what it printed. EnvironmentFailed, with the end of its words, if it fails.

        It reads `text` from its standard input. An open `lock` is handed on, so that it holds until uv has ended,
        whatever becomes of this process.
        """
        command = [str(self.command), "--no-progress", "--color", "never", *map(str, arguments)]
        given = {name: value for name, value in self.environ.items() if name not in _FOREIGN}
        # What the user did not ask for is not fetched, a Python least of all.
        given = {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_ENV_FILE": "1", **given}
        try:
            with subprocess.Popen(
                command,
                cwd=where,
                env=given,
                stdin=subprocess.PIPE if text else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[] if lock is None else [lock],
            ) as process:
                try:
                    out, err = process.communicate(text.encode() if text else None)
                except BaseException:
                    process.kill()
                    raise
        except OSError as error:
            raise EnvironmentFailed(f"{what}: {self.command} cannot be started: {error.strerror}", _HINT) from None
        if process.returncode:
            said = [line.removeprefix("error: ") for line in err.decode(errors="replace").splitlines() if line.strip()]
            raise EnvironmentFailed(what, "\n".join([*said[-_QUOTED:], *([hint] if hint else [])]))
        return out.decode(errors="replace")


_HINT: Final = "It is installed with palmette; install it again (`pip install uv`), or put it on the PATH."


def find(environ: Mapping[str, str], beside: Path | None = None) -> Uv:
    """The uv on the PATH, else the one that is installed beside Palmette; EnvironmentFailed if there is none."""
    for place in (environ.get("PATH", os.defpath), str(beside or Path(sys.executable).parent)):
        if found := shutil.which("uv", path=place):
            certificates = _pip(environ).get(_CERTIFICATES)
            trusted = {"SSL_CERT_FILE": certificates[0]} if certificates else {}
            return Uv(command=Path(found), environ={**trusted, **environ})
    raise EnvironmentFailed("there is no uv, which reads locks and builds environments", _HINT)


def sources(environ: Mapping[str, str], root: Path) -> list[str]:
    """The options that let uv look where the user's pip looks; none where the user has told uv itself.

    Indexes that a project marks as explicit are added: what is installed is pinned by hashes, not by its index.
    """
    shared = _document(root / "pyproject.toml").get("tool", {}).get("uv", {})
    own = {**shared, **_document(root / "uv.toml")}
    explicit = [str(index.get("url", "")) for index in own.get("index", []) if index.get("explicit")]
    options = [part for url in explicit if url for part in ("--index", url)]
    told = any(environ.get(name) for name in _OWN) or not {"index", "index-url", "extra-index-url"}.isdisjoint(own)
    if told or any(_document(path) for path in _of_user("uv/uv.toml", environ)):
        return options
    said = _pip(environ)
    for name, option in _PIP.items():
        options += [part for value in said.get(name, ()) for part in (option, value)]
    yes = [value.lower() in ("1", "true", "yes", "on") for value in said.get(_NO_INDEX, ())]
    return [*options, *(["--no-index"] if any(yes) else [])]


def _pip(environ: Mapping[str, str]) -> Mapping[str, Sequence[str]]:
    """What pip is told, by its settings' names: files first, then variables, which precede them."""
    said: dict[str, Sequence[str]] = {}
    names = (*_PIP, _NO_INDEX, _CERTIFICATES)
    named = environ.get("PIP_CONFIG_FILE", "")
    for path in [*_of_user("pip/pip.conf", environ), *([Path(named)] if named else [])]:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, encoding="utf-8")
        except (configparser.Error, UnicodeDecodeError):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                said |= {name: parser.get(section, name).split() for name in names if parser.has_option(section, name)}
    variables = {name: environ.get(f"PIP_{name.upper().replace('-', '_')}", "").split() for name in names}
    return {**said, **{name: values for name, values in variables.items() if values}}


def _of_user(name: str, environ: Mapping[str, str]) -> Iterator[Path]:
    """Where a tool's configuration may lie: the system's first, then the user's."""
    for place in reversed((environ.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(os.pathsep)):
        yield Path(place) / name
    yield Path("/etc", name if name.startswith("uv/") else Path(name).name)
    home = environ.get("HOME", "")
    config = environ.get("XDG_CONFIG_HOME") or (f"{home}/.config" if home else "")
    if config:
        yield Path(config) / name


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}
