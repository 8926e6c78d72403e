"""Tokens: who may speak to the server. A token itself is kept nowhere, only its SHA-256."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Row, delete, exists, or_, select, update

from palmette.domain.hosting import Role
from palmette.store.database import Store
from palmette.store.schema import tokens
from palmette.store.statements import insert_new

_WRITE: Final = insert_new(tokens)


@dataclass(frozen=True, kw_only=True)
class Token:
    """A name, and what its bearer may do."""

    name: str
    role: Role
    #: SHA-256 of the token, hexadecimal
    digest: str
    created: float = 0.0
    #: None for never
    expires: float | None = None
    #: the last use, to the minute; None before the first
    used: float | None = None


def create(store: Store, token: Token) -> bool:
    """Write it down; False, and nothing changes, if there is one of that name."""
    values = {
        "name": token.name,
        "role": token.role.value,
        "digest": token.digest,
        "created": token.created or time.time(),
        "expires": token.expires,
        "used": None,
    }
    with store.write() as connection:
        return connection.execute(_WRITE, values).rowcount > 0


def known(store: Store, digest: str) -> tuple[Token | None, bool]:
    """The token with this digest, expired ones included; and whether the store has any token at all."""
    with store.read() as connection:
        row = connection.execute(select(tokens).where(tokens.c.digest == digest)).one_or_none() if digest else None
        some = row is not None or connection.execute(select(exists().select_from(tokens))).scalar_one()
    return (_token(row) if row else None), bool(some)


def listed(store: Store) -> tuple[Token, ...]:
    """All of them, by name."""
    with store.read() as connection:
        return tuple(map(_token, connection.execute(select(tokens).order_by(tokens.c.name))))


def touch(store: Store, name: str, moment: float, grain: float) -> None:
    """Note that it was used, unless that was noted less than `grain` seconds before."""
    stale = or_(tokens.c.used.is_(None), tokens.c.used <= moment - grain)
    with store.write() as connection:
        connection.execute(update(tokens).where(tokens.c.name == name, stale).values(used=moment))


def remove(store: Store, name: str) -> bool:
    """Forget a token; whether there was one."""
    with store.write() as connection:
        return connection.execute(delete(tokens).where(tokens.c.name == name)).rowcount > 0


def _token(row: Row[Any]) -> Token:
    return Token(
        name=row.name,
        role=Role(row.role),
        digest=row.digest,
        created=row.created,
        expires=row.expires,
        used=row.used,
    )
