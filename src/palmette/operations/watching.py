"""What a run tells whoever watches it. The engine's own notices, under names that the outer rooms may know."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from palmette.domain.run import Change
from palmette.engine.ports import Progress as Far

#: A change that is durable now, or how far a running step is
Seen: TypeAlias = Change | Far

#: Called for each; must not block for long
Watch: TypeAlias = Callable[[Seen], None]

__all__ = ["Far", "Seen", "Watch"]
