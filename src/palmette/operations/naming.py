"""What secrets, config maps, volumes and their keys may be called: what Kubernetes takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from palmette.errors import Problem, UsageError

_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_KEY: Final = re.compile(r"[-._a-zA-Z0-9]+", re.ASCII)
_LONGEST: Final = 253


def require(kind: str, name: str, keys: Iterable[str] = ()) -> None:
    """UsageError with every name that cannot be one; `kind` is what has the name: "secret", "volume"."""
    if problems := tuple(_problems(kind, name, keys)):
        wrong = [f"of a {each}" for each in (kind, "key") if each in {problem.where for problem in problems}]
        raise UsageError(f"this cannot be the name {', or '.join(wrong)}", problems=problems)


def _problems(kind: str, name: str, keys: Iterable[str]) -> Iterator[Problem]:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        hint = f"Use up to {_LONGEST} small letters, digits, dots and dashes; a letter or digit first and last."
        yield Problem(where=kind, what=f"{name[:80]!r} is no name that a cluster would take", hint=hint)
    for key in keys:
        if not _KEY.fullmatch(key) or len(key) > _LONGEST or key in (".", ".."):
            hint = f"Use up to {_LONGEST} letters, digits, and ``- _ .``"
            yield Problem(where="key", what=f"{key[:80]!r} is no name that a cluster would take", hint=hint)
