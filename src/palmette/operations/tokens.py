"""Tokens: who may speak to the server, what they may do there, and until when."""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets as random
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from palmette.domain.hosting import Role
from palmette.domain.moments import DURATION_SHAPES, duration
from palmette.errors import AlreadyThere, NotFound, StoreError, UsageError
from palmette.operations.home import Home
from palmette.store import tokens
from palmette.store.tokens import Token

__all__ = ["Made", "Recognised", "Token", "create", "lifetime", "listed", "recognise", "require", "revoke"]

#: What every token begins with, so that it is known as one where it should not be.
PREFIX: Final = "pal_"
#: seconds between two notes of a token's use
GRAIN: Final = 60.0

_BYTES: Final = 32
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]{0,62}", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Made:
    """A new token. Nobody can read it again."""

    token: Token
    secret: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """Whose token was presented."""

    #: empty for nobody's
    name: str
    #: None for nobody's: it is unknown, or has expired
    role: Role | None
    #: whether the store has any token
    guarded: bool


def nameable(name: str) -> None:
    """UsageError if this cannot be the name of a token, before there is a store to keep it in."""
    if not _NAME.fullmatch(name):
        hint = "Use up to 63 letters, digits, and _ . @ - after the first one."
        raise UsageError(f"{name[:80]!r} cannot be the name of a token", hint)


def create(home: Home, name: str, role: Role, *, lifetime: float | None, now: float | None = None) -> Made:
    """Make a token that is valid for so many seconds, None for ever; AlreadyThere if there is one of that name."""
    nameable(name)
    moment = time.time() if now is None else now
    secret = PREFIX + random.token_urlsafe(_BYTES)
    expires = None if lifetime is None else moment + lifetime
    token = Token(name=name, role=role, digest=_digest(secret), created=moment, expires=expires)
    if not tokens.create(home.store, token):
        raise AlreadyThere(f"there is a token {name} already", f"Another name, or: palmette token revoke {name}.")
    return Made(token=token, secret=secret)


def listed(home: Home) -> tuple[Token, ...]:
    """All tokens of the store, by name, expired ones included."""
    return tokens.listed(home.store)


def revoke(home: Home, name: str) -> None:
    """Forget a token: from now on it is nobody's. NotFound if there is none of that name."""
    if not tokens.remove(home.store, name):
        raise NotFound(f"there is no token {name}", "See which there are: palmette token list.")


def recognise(home: Home, presented: str, *, now: float | None = None) -> Recognised:
    """Whose token this is. Its use is noted, to the minute."""
    moment = time.time() if now is None else now
    digest = _digest(presented) if presented.startswith(PREFIX) else ""
    token, guarded = tokens.known(home.store, digest)
    # The index has found it by its digest already; comparing again costs nothing and says that it is meant.
    if token is None or not hmac.compare_digest(token.digest, digest) or over(token, moment):
        return Recognised(name="", role=None, guarded=guarded)
    if token.used is None or moment - token.used >= GRAIN:
        # A store that cannot be written just now is no reason to turn anyone away.
        with suppress(StoreError):
            tokens.touch(home.store, token.name, moment, GRAIN)
    return Recognised(name=token.name, role=token.role, guarded=True)


def over(token: Token, now: float) -> bool:
    """Whether it has expired."""
    return token.expires is not None and token.expires <= now


def lifetime(text: str) -> float | None:
    """Seconds that "90d" or "12h" stand for, None for "never"; UsageError for anything else."""
    if text == "never":
        return None
    seconds = duration(text)
    if not seconds:
        raise UsageError(f"{text!r} is no time for which a token could be valid", f"Give {DURATION_SHAPES}; or never.")
    return seconds


def loopback(host: str) -> bool:
    """Whether an address, or a name for one, is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.lower().rstrip(".") == "localhost"


def require(home: Home, hosts: Sequence[str], now: float | None = None) -> None:
    """UsageError if others could reach the server on one of these addresses, and nobody has a token that is valid."""
    reached = [host for host in hosts if not loopback(host)]
    if reached and all(over(token, time.time() if now is None else now) for token in tokens.listed(home.store)):
        raise UsageError(
            f"on {', '.join(reached)} others can reach the server, and it has no token that is valid",
            "Make one first: palmette token create NAME --role admin. Or listen on 127.0.0.1.",
        )


def _digest(secret: str) -> str:
    return sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
