"""What was meant by a key that does not exist."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def meant(key: str, known: Iterable[str], there_are: str = "There are") -> str:
    """A hint: the key that is spelled nearly so, else all that there are."""
    names = list(known)
    close = get_close_matches(key.replace("_", "-").lower(), names, n=1)
    return f"Did you mean {close[0]!r}?" if close else f"{there_are}: {', '.join(names)}."
