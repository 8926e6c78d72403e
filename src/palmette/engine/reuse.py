"""How long outputs stand: whether a task may use again what an earlier one made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from palmette.domain.graph import Freshness
from palmette.domain.run import Reused
from palmette.engine.plan import PlannedTask


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What whoever started the run wants of the engine."""

    #: outputs of a step that reads the world and does not say how long they stand may be used again
    reuse_unsaid: bool = False
    #: everything that reads the world is read again
    refresh: bool = False
    #: seconds between asking an attempt to stop and killing it
    grace: float = 10.0


def stands(task: PlannedTask, policy: Policy, token: str, reused: Reused | None, now: float) -> bool:
    """Whether these outputs may be used again; without them, whether it is worth looking for some."""
    if not task.cache:
        return False
    source, fresh = not task.artifacts, task.fresh
    if policy.refresh and (source or (fresh is not None and fresh.kind is not Freshness.UNSAID)):
        return False
    if fresh is None:
        return True
    match fresh.kind:
        case Freshness.UNSAID:
            return not source or policy.reuse_unsaid
        case Freshness.ALWAYS:
            return False
        case Freshness.FOR:
            return reused is None or now - reused.made <= fresh.seconds
        case Freshness.FUNCTION:
            # Without its token the key says nothing of the world.
            return bool(token)
        case _:
            assert_never(fresh.kind)
