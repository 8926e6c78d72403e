"""Standard output and error without the values of secrets."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, Final, TextIO, cast

#: What is shorter is as likely a word or a number of the log's own.
_SHORTEST: Final = 4


class Redacted:
    """A text stream that shows "***" in place of each secret."""

    def __init__(self, stream: TextIO, secrets: Iterable[str]) -> None:
        self._stream = stream
        longest_first = sorted(set(secrets), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first)))

    def write(self, text: str) -> int:
        """Write the text; what is redacted is what stands in one call whole."""
        self._stream.write(self._pattern.sub("***", text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of them."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def redact(environment: Mapping[str, str]) -> None:
    """Keep the values of the secrets that PALMETTE_SECRETS names out of what is printed from now on."""
    values = [environment.get(name, "") for name in environment.get("PALMETTE_SECRETS", "").split(",")]
    # A key of several lines is printed line by line, or as Python shows a text.
    spelled = {form for value in values for form in (value, repr(value)[1:-1], *value.splitlines())}
    secrets = {form.strip() for form in spelled if len(form.strip()) >= _SHORTEST}
    if secrets:
        sys.stdout = cast("TextIO", Redacted(sys.stdout, secrets))
        sys.stderr = cast("TextIO", Redacted(sys.stderr, secrets))
