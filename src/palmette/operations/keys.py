"""The user's key: what it lies in, and how another takes its place.

It lies in the user's config directory and never beside a store, so that a copied store gives nothing away. Older keys
are kept beside it: one user may have many stores, and only those that were encrypted anew need no older one.
"""

from __future__ import annotations

import hashlib
import os
import secrets as random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from palmette.errors import StoreError, UsageError

#: variables that name a key in place of the file's, and one that was used before it
VARIABLE: Final = "PALMETTE_KEY"
FORMER: Final = "PALMETTE_KEY_OLD"

_BYTES: Final = 32
#: fewer characters can be guessed
_SHORTEST: Final = 32
_OTHERS: Final = 0o077


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The key in use, and those that were."""

    current: bytes
    #: where it comes from, for messages
    where: str
    older: tuple[bytes, ...] = ()

    def __repr__(self) -> str:
        return f"Keys({self.where})"


def name(key: bytes) -> str:
    """What tells keys apart, and says nothing of them."""
    return hashlib.sha256(b"palmette key\0" + key).hexdigest()[:12]


def known(environ: Mapping[str, str]) -> Keys | None:
    """The user's keys; None if there is none yet. Nothing is made."""
    older = [*_former(environ)]
    path = location(environ)
    filed = _read(path)
    if given := environ.get(VARIABLE, ""):
        if filed is not None:
            older.append(filed)
        return Keys(current=_given(VARIABLE, given), where=VARIABLE, older=(*older, *_ring(path)))
    return None if filed is None else Keys(current=filed, where=str(path), older=(*older, *_ring(path)))


def own(environ: Mapping[str, str]) -> Keys:
    """The user's keys, made at the first use."""
    found = known(environ)
    if found is None:
        _make(location(environ))
        found = known(environ)
    assert found is not None
    return found


def renew(environ: Mapping[str, str]) -> Keys:
    """Put a new key in place of the one in use, which is kept as an older one; PALMETTE_KEY stays what it is."""
    before = own(environ)
    if before.where == VARIABLE:
        return before
    path = location(environ)
    try:
        ring = path.with_name("keys")
        ring.mkdir(mode=0o700, exist_ok=True)
        # First the old one is safe, then it gives way.
        _write(ring / name(before.current), before.current)
        _write(path, random.token_bytes(_BYTES))
    except OSError as error:
        raise _unusable(path, error) from error
    return own(environ)


def location(environ: Mapping[str, str]) -> Path:
    """The file of the key."""
    base = Path(environ.get("XDG_CONFIG_HOME") or Path(environ.get("HOME", "/")) / ".config")
    return base / "palmette" / "key"


def apart(environ: Mapping[str, str], home: Path) -> None:
    """UsageError where the key would lie within the home that it protects."""
    path = location(environ)
    if not environ.get(VARIABLE) and path.resolve().is_relative_to(home.resolve()):
        hint = "Set XDG_CONFIG_HOME to a directory outside it, or hand the key over in PALMETTE_KEY."
        raise UsageError(f"the key {path} would lie beside the secrets that it protects", hint)


def _former(environ: Mapping[str, str]) -> tuple[bytes, ...]:
    return (_given(FORMER, environ[FORMER]),) if environ.get(FORMER) else ()


def _given(variable: str, text: str) -> bytes:
    key = text.strip().encode()
    if len(key) < _SHORTEST:
        hint = f"Give it {_SHORTEST} characters or more, made at random: openssl rand -base64 32"
        raise UsageError(f"the key in {variable} is too short", hint)
    return key


def _ring(path: Path) -> tuple[bytes, ...]:
    ring = path.with_name("keys")
    try:
        return tuple(file.read_bytes() for file in sorted(ring.iterdir()))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise _unusable(ring, error) from error


def _read(path: Path) -> bytes | None:
    try:
        if path.stat().st_mode & _OTHERS:
            raise StoreError(f"the key {path} is open to other users", f"Close it: chmod 600 {path}")
        return path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error) from error


def _make(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = _new(path, random.token_bytes(_BYTES))
        try:
            # A link fails where another process was first; its key is the one to use then.
            os.link(temporary, path)
            _settle(path.parent)
        except FileExistsError:
            pass
        finally:
            temporary.unlink()
    except OSError as error:
        raise _unusable(path, error) from error


def _write(path: Path, key: bytes) -> None:
    """In one step: nobody ever sees half of it."""
    _new(path, key).replace(path)
    _settle(path.parent)


def _settle(directory: Path) -> None:
    """What has a name in it now has it after a power failure, too: without the key all secrets are lost."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _new(path: Path, key: bytes) -> Path:
    temporary = path.with_name(f"{path.name}.{os.getpid()}.{random.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(key)
        file.flush()
        os.fsync(descriptor)
    return temporary


def _unusable(path: Path, error: OSError) -> StoreError:
    hint = f"Let {path.parent} be yours alone and writable, or hand the key over in {VARIABLE}."
    return StoreError(f"the key {path} cannot be used: {error.strerror}", hint)
