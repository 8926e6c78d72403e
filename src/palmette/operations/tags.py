"""Which words may be tags."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from palmette.errors import Problem, UsageError

_TAG: Final = re.compile(r"[\w][\w.:/-]{0,62}")


def require(names: Sequence[str]) -> None:
    """UsageError with every one that is no tag: 1 to 63 letters, digits and ``_ . : / -``."""
    wrong = [name for name in names if not _TAG.fullmatch(name)]
    if wrong:
        hint = "Use letters, digits and _ . : / -, at most 63 of them, beginning with a letter or digit."
        problems = [Problem(where=name, what="this is no tag", hint=hint) for name in wrong]
        raise UsageError("not every tag can be used", problems=problems)
