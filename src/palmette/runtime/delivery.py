"""What is put into a pipeline so that a step can start anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Final


def _stripped(source: str) -> str:
    """The program without comments, docstrings of one line and blank lines, indented by one column.

    Works on lines, not on the syntax tree, which another Python would write out differently: the text is part of KFP's
    cache key. So `bootstrap` may hold no text over several lines but its own docstring.
    """
    _, _, body = source.split('"""', 2)
    lines = (line.partition("  # ")[0].rstrip() for line in body.splitlines())
    kept = (line for line in lines if line and not line.lstrip().startswith(("#", '"""')))
    return "".join(" " * ((len(line) - len(line.lstrip())) // 4) + line.lstrip() + "\n" for line in kept)


def _program(name: str) -> str:
    return _stripped(Path(__file__).with_name(name).read_text(encoding="utf-8"))


#: The program given to ``python3 -c``, before the step's arguments.
BOOTSTRAP: Final = _program("bootstrap.py")
#: The same for the task that gathers what a cluster's run made.
OUTCOME: Final = _program("outcome.py")
