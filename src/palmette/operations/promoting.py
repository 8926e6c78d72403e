"""Aliases: which run of an algorithm is the one in production, and how it came to be."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from palmette.errors import Conflict, NotFound, UsageError
from palmette.operations.home import Home
from palmette.store import promotions
from palmette.store.promotions import Promotion

_ALIAS: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII | re.IGNORECASE)


def require(alias: str) -> None:
    """UsageError for what cannot be an alias: it is 1 to 63 letters, digits and ``. _ -``."""
    if not _ALIAS.fullmatch(alias):
        hint = "Use up to 63 letters, digits and . _ - beginning with a letter or digit: production."
        raise UsageError(f"{alias[:80]!r} is no alias", hint)


def current(home: Home, algorithm: str, alias: str) -> Promotion | None:
    """What the alias is now; None if it was never promoted to. NotFound where several projects have one of that name
    and none of them is meant."""
    found = promotions.current(home.store, project=home.project, algorithm=algorithm, alias=alias)
    if len(found) > 1:
        names = ", ".join(each.project for each in found)
        hint = f"Ask in a directory of one of them: {names}."
        raise NotFound(f"{algorithm}@{alias} is a run of several projects", hint)
    return found[0] if found else None


def aliases(home: Home, algorithm: str = "") -> Sequence[Promotion]:
    """What every alias of the project is now, or of an algorithm, by algorithm and alias."""
    return promotions.current(home.store, project=home.project, algorithm=algorithm)


def log(home: Home, algorithm: str = "", alias: str = "") -> Sequence[Promotion]:
    """Every promotion and rollback of the project, of an algorithm, or to an alias; the newest first."""
    return promotions.log(home.store, project=home.project, algorithm=algorithm, alias=alias)


def rollback(
    home: Home, algorithm: str, alias: str, *, reason: str = "", author: str = "", caller: str = ""
) -> Promotion:
    """Go back to the run that the alias was before; said twice, to the one before that. What was rolled back is not
    gone back to. Conflict if there is nothing before."""
    while True:
        now = current(home, algorithm, alias)
        if now is None:
            known = ", ".join(each.name for each in aliases(home, algorithm))
            raise NotFound(f"no run is {algorithm}@{alias}", f"There is {known}." if known else _none(algorithm))
        past = promotions.log(home.store, project=now.project, algorithm=algorithm, alias=alias)
        standing = _standing(past)
        if len(standing) < 2:
            hint = f"Promote another run instead: palmette promote RUN --as {alias}."
            raise Conflict(f"{now.name} was no other run before {now.run}", hint)
        before = standing[-2]
        restored = Promotion(
            project=now.project,
            algorithm=algorithm,
            alias=alias,
            run=before.run,
            restored=before.serial,
            author=caller or author,
            reason=reason,
            ruling=before.ruling,
        )
        if done := promotions.add(home.store, restored, after=now.serial):
            return done


def _standing(past: Sequence[Promotion]) -> list[Promotion]:
    """The promotions that were not rolled back, the newest last: the last one is what the alias is."""
    standing: list[Promotion] = []
    for each in sorted(past, key=lambda each: each.serial):
        if each.restored is None:
            standing.append(each)
        else:
            restored = each.restored
            standing = [one for one in standing if one.serial <= restored]
    return standing


def _none(algorithm: str) -> str:
    return f"{algorithm} has no alias. Make one: palmette promote RUN --as ALIAS."
