"""Who asks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from palmette.domain.hosting import Role

#: Where whoever checks tokens leaves the caller, in the scope of a request.
KEY: Final = "palmette.caller"


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Who asks, and what they may do."""

    #: the name of the token; empty where nobody had to say
    name: str = ""
    role: Role = Role.ADMIN


def of(scope: Any) -> Caller:
    """Who asks; where nobody checks tokens, somebody who may do everything."""
    caller = scope.get(KEY)
    return caller if isinstance(caller, Caller) else Caller()
