"""All that a drive touches, as it is handed in."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from palmette.domain.hosting import Leaving
from palmette.engine.attempt import Surroundings
from palmette.engine.ports import (
    Bytes,
    Executor,
    Expressions,
    Importer,
    Ledger,
    NoExpressions,
    NoVault,
    Nowhere,
    Secrets,
    Slots,
    Vault,
    Watch,
)


class Signals(Protocol):
    """How someone at the terminal stops a run."""

    @property
    def wake(self) -> Sequence[int]:
        """File descriptors that become readable when there is something new."""

    def asked(self) -> int:
        """How often the end was asked for: the first time cancels, the second kills. Empties `wake`."""


class Undisturbed:
    """Nobody can stop the run but through its ledger."""

    wake: Sequence[int] = ()

    def asked(self) -> int:
        """Never."""
        return 0


@dataclass(frozen=True, kw_only=True)
class World:
    """All that a drive touches."""

    ledger: Ledger
    executor: Executor
    slots: Slots
    files: Bytes
    where: Surroundings
    secrets: Secrets = Secrets()
    #: secrets, config maps and volumes that tasks name as they would on a cluster
    vault: Vault = NoVault()
    importer: Importer = Nowhere()
    expressions: Expressions = NoExpressions()
    watch: Watch = lambda _: None
    signals: Signals = Undisturbed()
    #: asked after each wait; `signals.wake` cuts one short
    leaving: Callable[[], Leaving] = lambda: Leaving.NOT
    #: seconds since the epoch
    clock: Callable[[], float] = time.time
