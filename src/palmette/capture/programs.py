"""The programs that command steps start, as far as they are Python of the project's own."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Final

_PYTHON: Final = re.compile(r"python[\d.]*")
#: options of Python's own that take a value
_VALUED: Final = ("-X", "-W")


def module_of(words: str | Sequence[str]) -> tuple[str, str]:
    """The module that a command runs, and its path if it names it by that; two empty texts for other programs.

    "python -m trainer.fit" runs trainer.fit; "python scripts/fit.py" and "scripts/fit.py" run scripts.fit.
    """
    try:
        rest = shlex.split(words) if isinstance(words, str) else list(words)
    except ValueError:
        return "", ""
    if rest and _PYTHON.fullmatch(rest[0]):
        del rest[0]
        while rest and rest[0].startswith("-") and rest[0] not in ("-m", "-c", "-"):
            del rest[: 2 if rest[0] in _VALUED else 1]
        if rest[:1] == ["-m"]:
            return (rest[1] if len(rest) > 1 and "{" not in rest[1] else ""), ""
    script = rest[0].removeprefix("./") if rest else ""
    if not script.endswith(".py") or script.startswith("/") or "{" in script:
        return "", ""
    return script.removesuffix(".py").replace("/", "."), script
