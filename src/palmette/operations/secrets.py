"""Secrets: values from the environment, the project's `.env` or the store, with versions that give nothing away."""

from __future__ import annotations

import hashlib
import hmac
import secrets as random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Final

from palmette.errors import ConfigError, NotFound, Problem, StoreError, UsageError
from palmette.operations import keys, naming
from palmette.operations.home import Home
from palmette.operations.vault import HomeVault, sealing
from palmette.store import secrets as stored
from palmette.store.secrets import Sealed

#: The secret whose keys are what steps ask for by name alone, here as on a cluster.
OWN: Final = "palmette"
#: bytes of all values of a secret, as on a cluster
LARGEST: Final = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """Values by name, and for each a version that changes whenever the value does."""

    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    versions: Mapping[str, str] = field(default_factory=dict)


def gather(names: Iterable[str], root: Path, environ: Mapping[str, str], vault: HomeVault | None = None) -> Secrets:
    """The named secrets; ConfigError naming every one that is nowhere. The environment wins over `.env`, and that over
    what the store has."""
    wanted = sorted(set(names))
    if not wanted:
        return Secrets()
    file = dotenv(root / ".env")
    near = {name: value for name in wanted if (value := environ.get(name, file.get(name, "")))}
    kept = stored_in(vault, (name for name in wanted if name not in near)) if vault else Secrets()
    missing = [name for name in wanted if name not in near and name not in kept.values]
    if missing:
        problems = [Problem(where=name, what="this secret is not set", hint=_hint(name, root)) for name in missing]
        raise ConfigError("a step asks for secrets that are not there", problems=problems)
    # Only what is not in the store needs the key, which is made at its first use.
    key = keys.own(environ).current if near else b""
    versions = {
        name: hmac.new(key, f"{name}={value}".encode(), hashlib.sha256).hexdigest()[:16] for name, value in near.items()
    }
    return Secrets(values={**near, **kept.values}, versions={**versions, **kept.versions})


def stored_in(vault: HomeVault, names: Iterable[str]) -> Secrets:
    """Those of the named secrets that the store has: "KEY" of the secret "palmette", "NAME/KEY" of another one. What a
    server hands to runs of others, who shall not see its environment."""
    values: dict[str, str] = {}
    versions: dict[str, str] = {}
    placed = sorted((holder or OWN, key, name) for name in set(names) for holder, _, key in [name.rpartition("/")])
    for holder, group in groupby(placed, key=lambda entry: entry[0]):
        # The versions first: where a value changes in between, its old version lets the step run once more than needed.
        marks, found = vault.versions(holder), vault.secret(holder) or {}
        for _, key, name in group:
            if key in found and key in marks:
                values[name], versions[name] = found[key], marks[key]
    return Secrets(values=values, versions=versions)


def _hint(name: str, root: Path) -> str:
    holder, _, key = name.rpartition("/")
    keep = f"palmette secret set {holder or OWN} {key}"
    return (
        f"Keep it: {keep}." if holder else f"Set it in the environment, or as {name}=… in {root / '.env'}; or {keep}."
    )


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


# What the store keeps


@dataclass(frozen=True, kw_only=True)
class Kept:
    """A secret without its values."""

    #: empty for one that all projects of the store may use
    project: str
    name: str
    #: key → when it was set
    keys: Mapping[str, float]


def require(name: str, values: Mapping[str, str]) -> None:
    """UsageError if this cannot be a secret, before there is a store to keep it in."""
    naming.require("secret", name, values)
    if empty := [key for key, value in values.items() if not value]:
        raise UsageError(f"no value was given for {', '.join(empty)}", "Give one, or delete the key.")
    if sum(len(value.encode("utf-8", "surrogatepass")) for value in values.values()) > LARGEST:
        raise UsageError(f"the secret {name} is too large", "A cluster's secret holds 1 MiB; a file may be larger.")


def keep(home: Home, name: str, values: Mapping[str, str], environ: Mapping[str, str], *, project: str = "") -> None:
    """Set these keys of a secret, encrypted with the user's key; its other keys stay. A value that is there already
    keeps its version. UsageError with every key that cannot be one."""
    require(name, values)
    keys.apart(environ, home.directory)
    before = {entry.key: entry for entry in stored.of(home.store, project, name)}
    own = keys.own(environ)
    entries = []
    for key, value in values.items():
        sealed = sealing().seal(own, (project, name, key), value)
        version = before[key].version if key in before and _same(own, before[key], value) else random.token_hex(8)
        entries.append(Sealed(project=project, name=name, key=key, value=sealed, version=version))
    stored.put(home.store, entries)


def listed(home: Home) -> tuple[Kept, ...]:
    """The secrets of the store, by project and name. No value is read."""
    found = groupby(stored.listed(home.store), key=lambda entry: (entry.project, entry.name))
    return tuple(
        Kept(project=project, name=name, keys={entry.key: entry.updated for entry in entries})
        for (project, name), entries in found
    )


def forget(home: Home, name: str, keys: Sequence[str] = (), *, project: str = "") -> int:
    """Forget these keys of a secret, or all of it; how many keys are gone. NotFound, and nothing is forgotten, if one
    is not there."""
    there = {entry.key for entry in stored.of(home.store, project, name)}
    if not there:
        raise NotFound(f"there is no secret {name}", "See which there are: palmette secret list.")
    if absent := [key for key in keys if key not in there]:
        raise NotFound(f"the secret {name} has no key {', '.join(absent)}", f"It has {', '.join(sorted(there))}.")
    return stored.remove(home.store, project, name, keys)


def rekey(home: Home, environ: Mapping[str, str]) -> int:
    """Encrypt all that the store keeps with a new key, or none of it; how many values. The key before is kept, for the
    other stores of this user."""
    entries = stored.listed(home.store)
    before = keys.known(environ)
    for entry in entries:
        # What cannot be read is said before anything is changed.
        sealing().unseal(before, (entry.project, entry.name, entry.key), entry.value)
    renewed = keys.renew(environ)

    def anew(entry: Sealed) -> str:
        place = (entry.project, entry.name, entry.key)
        text: str = sealing().seal(renewed, place, sealing().unseal(renewed, place, entry.value))
        return text

    return stored.reseal(home.store, anew)


def _same(known: keys.Keys, entry: Sealed, value: str) -> bool:
    try:
        found: str = sealing().unseal(known, (entry.project, entry.name, entry.key), entry.value)
    except StoreError:
        return False  # of a key that is gone: it is set anew
    return hmac.compare_digest(found.encode("utf-8", "surrogatepass"), value.encode("utf-8", "surrogatepass"))
