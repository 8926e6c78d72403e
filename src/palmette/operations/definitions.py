"""The definitions that a step reached, as they were written down when it was executed."""

from __future__ import annotations

from collections.abc import Mapping

from palmette.domain.fingerprint import Parts
from palmette.operations.home import Home
from palmette.store import captures


def reached(home: Home, parts: Parts | None) -> Mapping[str, str]:
    """The definitions that a task reached, and their digests; none where nothing was recorded."""
    found = captures.closure(home.store, parts.closure) if parts and parts.closure else None
    return {name: str(digest) for name, digest in found.items()} if isinstance(found, Mapping) else {}
