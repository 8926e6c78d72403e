"""What was captured: closures, environments, bundles; each once, under its digest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import BindParameter, Connection, bindparam, select

from palmette.domain import wire
from palmette.domain.run import Environment, Pin
from palmette.domain.values import Json
from palmette.store.columns import decode, encode
from palmette.store.database import Store
from palmette.store.schema import bundles, closures, environments
from palmette.store.statements import insert_new

_KEEP_CLOSURE: Final = insert_new(closures)
_KEEP_ENVIRONMENT: Final = insert_new(environments)
_KEEP_BUNDLE: Final = insert_new(bundles)
_DIGEST: Final[BindParameter[str]] = bindparam("digest")
_CLOSURE: Final = select(closures.c.definitions).where(closures.c.digest == _DIGEST)
_BUNDLE: Final = select(bundles).where(bundles.c.digest == _DIGEST)


@dataclass(frozen=True, kw_only=True)
class BundleRecord:
    """The files of a bundle; the bytes are unpacked in the home."""

    #: of its manifest, 64 hexadecimal digits
    digest: str
    #: bytes, of all files
    size: int
    #: path in the bundle → SHA-256
    files: Mapping[str, str]


def keep_closure(store: Store, digest: str, definitions: Json) -> None:
    """Remember the definitions that a step reaches; what is there already stays."""
    with store.write() as connection:
        connection.execute(_KEEP_CLOSURE, {"digest": digest, "definitions": encode(definitions)})


def closure(store: Store, digest: str) -> Json:
    """The definitions under that digest; None if there are none."""
    with store.read() as connection:
        found = connection.execute(_CLOSURE, {"digest": digest}).scalar()
    loaded: Json = None if found is None else decode(found)
    return loaded


def keep_bundle(store: Store, bundle: BundleRecord) -> None:
    """Remember what is in a bundle; what is there already stays."""
    values = {"digest": bundle.digest, "size": bundle.size, "files": encode(dict(bundle.files))}
    with store.write() as connection:
        connection.execute(_KEEP_BUNDLE, values)


def bundle(store: Store, digest: str) -> BundleRecord | None:
    """The bundle with that digest; None if it is not known."""
    with store.read() as connection:
        found = connection.execute(_BUNDLE, {"digest": digest}).first()
    return None if found is None else BundleRecord(digest=digest, size=found.size, files=decode(found.files))


def keep_pins(connection: Connection, environment: Environment) -> None:
    """Remember the pins of a run's environment, in the transaction that accepts the run."""
    if environment.digest:
        pins = encode(wire.dump(environment.pins))
        connection.execute(_KEEP_ENVIRONMENT, {"digest": environment.digest, "pins": pins})


def pins(connection: Connection, digests: Iterable[str]) -> dict[str, tuple[Pin, ...]]:
    """The pins of several environments at once."""
    query = select(environments).where(environments.c.digest.in_(sorted(set(digests))))
    return {row.digest: wire.load(tuple[Pin, ...], decode(row.pins)) for row in connection.execute(query)}
