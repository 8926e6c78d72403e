"""Names that KFP accepts: lower-case letters, digits and hyphens."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from palmette.errors import CompileError

#: what KFP allows for a pipeline's name
_LONGEST: Final = 128


def key(name: str) -> str:
    """The name as KFP spells it: ``build_and_fit`` → ``build-and-fit``; empty if nothing of it is left."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")


def keys(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """A key for each name, no two the same, nor one of those taken; numbered in the order of the names."""
    found: dict[str, str] = {}
    used = set(taken)
    for name in names:
        text = base = key(name) or "step"
        number = 2
        while text in used:
            text, number = f"{base}-{number}", number + 1
        used.add(text)
        found[name] = text
    return found


def pipeline_name(algorithm: str, prefix: str = "") -> str:
    """The pipeline's name, the prefix in front of the algorithm's."""
    text = "-".join(filter(None, (key(prefix), key(algorithm))))
    if not key(algorithm) or len(text) > _LONGEST:
        raise CompileError(
            f"{algorithm!r} cannot be the name of a pipeline",
            f"Use letters and digits, at most {_LONGEST} of them, the prefix included.",
        )
    return text
