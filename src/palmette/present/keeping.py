"""Secrets, config maps, volumes and tokens, for people and for machines. No value of a secret comes here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from rich.table import Table
from rich.text import Text

from palmette.domain.values import Json
from palmette.operations.configmaps import ConfigMap
from palmette.operations.secrets import Kept
from palmette.operations.tokens import Token
from palmette.operations.volumes import Volume
from palmette.present import words

_ALL: Final = "all"


def secrets(kept: Sequence[Kept], now: float) -> Table:
    """A line for each secret."""
    rows = [(each.name, each.project, ", ".join(each.keys), _age(now, max(each.keys.values()))) for each in kept]
    return _scoped(rows, ("secret", "for", "keys", "set"))


def configmaps(kept: Sequence[ConfigMap], now: float) -> Table:
    """A line for each config map."""
    rows = [(each.name, each.project, ", ".join(each.values), _age(now, each.updated)) for each in kept]
    return _scoped(rows, ("config map", "for", "keys", "set"))


def volumes(kept: Sequence[Volume], sizes: Sequence[int], now: float) -> Table:
    """A line for each volume."""
    table = _table("volume", "for", "holds", "made", "by", "where")
    for each, size in zip(kept, sizes, strict=True):
        age = _age(now, each.created)
        _row(table, each.name, each.project or _ALL, words.size(size), age, each.run or "hand", each.path)
    return table


def tokens(kept: Sequence[Token], now: float) -> Table:
    """A line for each token."""
    table = _table("token", "may", "expires", "made", "used")
    for each in kept:
        used = "never" if each.used is None else _age(now, each.used)
        _row(table, each.name, each.role, _left(each.expires, now), _age(now, each.created), used)
    return table


def secret(kept: Kept) -> dict[str, Json]:
    """A secret for machines."""
    keys: list[Json] = [{"key": key, "set_at": words.instant(moment)} for key, moment in kept.keys.items()]
    return {"name": kept.name, "project": kept.project, "keys": keys}


def configmap(kept: ConfigMap) -> dict[str, Json]:
    """A config map for machines, without its values."""
    updated = words.instant(kept.updated)
    return {"name": kept.name, "project": kept.project, "keys": list(kept.values), "set_at": updated}


def volume(kept: Volume, path: Path) -> dict[str, Json]:
    """A volume for machines."""
    return {
        "name": kept.name,
        "project": kept.project,
        "path": str(path),
        "size": kept.size,
        "access_modes": list(kept.access_modes),
        "storage_class": kept.storage_class,
        "run_id": kept.run or None,
        "created_at": words.instant(kept.created),
    }


def token(kept: Token) -> dict[str, Json]:
    """A token for machines, without itself."""
    return {
        "name": kept.name,
        "role": kept.role.value,
        "created_at": words.instant(kept.created),
        "expires_at": words.instant(kept.expires),
        "used_at": words.instant(kept.used),
    }


def _scoped(rows: Iterable[tuple[str, str, str, str]], headings: tuple[str, ...]) -> Table:
    table = _table(*headings)
    for name, project, keys, age in rows:
        _row(table, name, project or _ALL, keys, age)
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in headings:
        # Names may be long: they are broken, so that every line can be copied whole from somewhere.
        table.add_column(heading, overflow="fold")
    return table


def _row(table: Table, *cells: str) -> None:
    # Nothing that somebody called something is markup.
    table.add_row(*map(Text, cells))


def _age(now: float, moment: float) -> str:
    return words.ago(max(0.0, now - moment))


def _left(expires: float | None, now: float) -> str:
    if expires is None:
        return "never"
    left = expires - now
    return f"in {words.age(left)}" if left >= 60 else "in a minute" if left > 0 else "expired"
