"""What was worked out from files and need not be worked out again."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from palmette.domain.values import Json


@dataclass(frozen=True)
class Keeping:
    """Plain values in a directory of the user's, by key. Everything in it may vanish at any time."""

    directory: Path

    def get(self, key: str) -> Json:
        """What was kept; None if nothing was, or it cannot be read."""
        try:
            kept = json.loads(self._path(key).read_bytes())
        except (OSError, ValueError, RecursionError):
            return None
        # The key stands in the file too: a file that was copied or cut short is then no answer.
        return kept.get("value") if isinstance(kept, dict) and kept.get("key") == key else None

    def put(self, key: str, value: Json) -> None:
        """Keep a value, whole or not at all; a directory that cannot be written keeps nothing, silently."""
        path = self._path(key)
        data = json.dumps({"key": key, "value": value}, separators=(",", ":")).encode()
        with suppress(OSError):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(data)
                Path(temporary).replace(path)
            except OSError:
                Path(temporary).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.directory / f"{hashlib.sha256(key.encode()).hexdigest()[:40]}.json"
