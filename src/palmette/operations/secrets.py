"""Secrets on one machine: values from the environment or the project's `.env`, versions that give nothing away."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets as random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from palmette.errors import ConfigError, Problem

_KEY_BYTES = 32


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """Values by name, and for each a version that changes whenever the value does."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    versions: Mapping[str, str] = field(default_factory=dict)


def gather(names: Iterable[str], root: Path, environ: Mapping[str, str]) -> Secrets:
    """The named secrets; ConfigError naming every one that is nowhere. The environment wins over `.env`."""
    wanted = sorted(set(names))
    if not wanted:
        return Secrets()
    file = dotenv(root / ".env")
    values = {name: environ.get(name, file.get(name, "")) for name in wanted}
    missing = [name for name, value in values.items() if not value]
    if missing:
        hint = f"Set it in the environment, or as {{}}=… in {root / '.env'}."
        problems = [Problem(where=name, what="this secret is not set", hint=hint.format(name)) for name in missing]
        raise ConfigError("a step asks for secrets that are not there", problems=problems)
    key = _key(environ)
    versions = {
        name: hmac.new(key, f"{name}={value}".encode(), hashlib.sha256).hexdigest()[:16]
        for name, value in values.items()
    }
    return Secrets(values=values, versions=versions)


def dotenv(path: Path) -> dict[str, str]:
    """The variables of a `.env` file: NAME=value lines, comments, `export` and one pair of quotes. Nothing is
    expanded or executed."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return {}
    found: dict[str, str] = {}
    for line in lines:
        name, separator, value = line.strip().removeprefix("export ").partition("=")
        if not separator or name.startswith("#") or not name.strip().isidentifier():
            continue
        value = value.strip()
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
        found[name.strip()] = value
    return found


def _key(environ: Mapping[str, str]) -> bytes:
    """This user's key for versions, made at its first use. It lies in the config directory, never beside a store, so
    that a copied store does not let anyone try out values."""
    base = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/")) / ".config")
    path = base / "palmette" / "key"
    try:
        return path.read_bytes()
    except FileNotFoundError:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = path.with_name(f"key.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(random.token_bytes(_KEY_BYTES))
    try:
        # A link fails where another process was first; its key is the one to use then.
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
    return path.read_bytes()
