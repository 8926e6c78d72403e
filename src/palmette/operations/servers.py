"""The servers that a user has logged in to: names, addresses and tokens, in a file that the user alone can read."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, Final

from palmette.client.connection import Connection, Server, document, not_ours, parsed
from palmette.domain import wire
from palmette.domain.hosting import Role
from palmette.errors import NotFound, ServerError, UsageError
from palmette.operations.messages import PROTOCOL

#: what `--on` says for the project's own home
LOCAL: Final = "local"
_NAME: Final = re.compile(r"[A-Za-z0-9][\w.-]{0,62}")


@dataclass(frozen=True, kw_only=True)
class Greeting:
    """What a server says of itself, and of whoever asks."""

    #: "palmette"
    server: str
    version: str
    protocol: str
    #: the token's name; empty where none is needed
    caller: str = ""
    role: Role = Role.READ
    #: the projects that have runs there
    projects: tuple[str, ...] = ()


def file(environ: Mapping[str, str]) -> Path:
    """Where the servers of this user are kept."""
    given = Path(environ.get("XDG_CONFIG_HOME", ""))
    base = given if given.is_absolute() else Path(environ.get("HOME") or Path.home()) / ".config"
    return base / "palmette" / "servers.toml"


def known(environ: Mapping[str, str]) -> dict[str, Server]:
    """The servers of this user, by name."""
    path = file(environ)
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}", "Mend it, or delete it and log in again.") from None
    return {name: _server(path, name, table) for name, table in found.items()}


def _server(path: Path, name: str, table: Any) -> Server:
    if not isinstance(table, Mapping) or not isinstance(table.get("url"), str):
        raise UsageError(f"{path}: [{name}] has no url", "Mend it, or delete it and log in again.")
    return Server(url=table["url"], name=name, token=str(table.get("token", "")))


def named(wanted: str, environ: Mapping[str, str]) -> Server:
    """The server of that name, or at that URL. One that has no token of its own is given PALMETTE_TOKEN."""
    servers = known(environ)
    token = environ.get("PALMETTE_TOKEN", "").strip()
    if "://" in wanted:
        url = parsed(wanted).geturl()
        found = next((each for each in servers.values() if each.url == url), Server(url=url))
    elif wanted in servers:
        found = servers[wanted]
    else:
        names = ", ".join(servers)
        hint = f"There are: {names}." if names else "Log in to one: palmette login URL --name NAME."
        raise NotFound(f"there is no server {wanted!r}", hint)
    return found if found.token or not token else Server(url=found.url, name=found.name, token=token)


def greet(server: Server) -> Greeting:
    """Ask a server what it is; ServerError if it is none of Palmette's, or one of another time."""
    said = document(Connection(server), "/server")
    if not isinstance(said, Mapping) or said.get("server") != "palmette":
        raise not_ours(server)
    if said.get("protocol") != PROTOCOL:
        what = f"{server.called} is Palmette {said.get('version')}, which speaks protocol {said.get('protocol')}"
        raise ServerError(what, f"This Palmette speaks protocol {PROTOCOL}: install the same version here.")
    return wire.load(Greeting, {name: said[name] for name in Greeting.__dataclass_fields__ if name in said})


def suggested(url: str) -> str:
    """A name for the server at a URL: the first part of its host's name."""
    host = parsed(url).hostname or ""
    first = host if re.fullmatch(r"[\d.:]+", host) else host.partition(".")[0]
    return re.sub(r"[^\w.-]", "-", first) or "server"


def keep(server: Server, environ: Mapping[str, str]) -> Path:
    """Remember a server under its name; UsageError for a name that another one has, or that is none."""
    if not _NAME.fullmatch(server.name) or server.name == LOCAL:
        raise UsageError(f"{server.name!r} is no name for a server", "Use letters, digits and _ . -, and not `local`.")
    servers = known(environ)
    there = servers.get(server.name)
    if there is not None and there.url != server.url:
        raise UsageError(
            f"{server.name} is the server at {there.url}", "Choose another --name, or first: palmette logout."
        )
    return _write(servers | {server.name: server}, environ)


def forget(name: str, environ: Mapping[str, str]) -> None:
    """Forget a server and its token; NotFound says which there are."""
    servers = known(environ)
    if name not in servers:
        hint = f"There are: {', '.join(servers)}." if servers else "There is none."
        raise NotFound(f"there is no server {name!r}", hint)
    _write({each: server for each, server in servers.items() if each != name}, environ)


def _write(servers: Mapping[str, Server], environ: Mapping[str, str]) -> Path:
    """Write the file anew, all or nothing, for the user's eyes alone."""
    path = file(environ)
    text = "".join(
        f"[{json.dumps(name)}]\nurl = {json.dumps(each.url)}\n"
        + (f"token = {json.dumps(each.token)}\n" if each.token else "")
        + "\n"
        for name, each in sorted(servers.items())
    )
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Made for its owner alone (0600), before anything is in it.
        with NamedTemporaryFile("w", dir=path.parent, prefix=".servers-", delete=False, encoding="utf-8") as new:
            try:
                new.write(text)
                new.flush()
                os.fsync(new.fileno())
                Path(new.name).rename(path)
            except BaseException:
                with suppress(FileNotFoundError):
                    Path(new.name).unlink()
                raise
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    return path
