"""Facts of Palmette's own in a description: one line of JSON that ends it, since every host keeps descriptions.

[IA-1742] DOC TYPE

{"palmette": {"branch": "feature/IA-1742-doc-type", "commit": "6f1c…"}}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from palmette.domain.values import Json

_OPEN: Final = '{"palmette": '


def signed(text: str, facts: Mapping[str, Json]) -> str:
    """The text with the facts below it, in place of those that it had; alone where there are none."""
    own, _ = split(text)
    if not facts:
        return own
    line = json.dumps({"palmette": dict(facts)}, ensure_ascii=False, sort_keys=True)
    return f"{own}\n\n{line}" if own else line


def split(description: str) -> tuple[str, dict[str, Json]]:
    """The text and the facts below it; whatever is no line of facts is text."""
    head, _, last = description.rstrip().rpartition("\n")
    if not last.startswith(_OPEN):
        return description, {}
    try:
        found = json.loads(last)
    except ValueError:
        return description, {}
    facts = found.get("palmette") if isinstance(found, dict) and len(found) == 1 else None
    return (head.rstrip(), facts) if isinstance(facts, dict) else (description, {})
