"""What other tools cost on the same work, measured beside ours in the same run.

The tools that can be installed from an index, in environments of their own, with the same step code. A step's cost is
(wall of N - wall of the fewest) / (N - the fewest), so that starting the tool is apart.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, interleaved
from benchmarks.peers import environments, tools
from benchmarks.peers.tools import Ours, Peer

CHAIN, FAN = 50, 100
#: what a peer's version is looked up by
_PACKAGES = {"Luigi": "luigi", "kfp.local": "kfp", "Metaflow": "metaflow", "DVC": "dvc"}


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one tool cost; seconds, None where it was not measured or it cannot."""

    tool: str
    version: str = ""
    #: the training: the first time, again with nothing reused, again with nothing changed
    first: float | None = None
    again: float | None = None
    unchanged: float | None = None
    #: one step that does nothing; one more of a chain, of a fan, of a chain that was done before
    single: float | None = None
    chain: float | None = None
    fan: float | None = None
    cached: float | None = None

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return asdict(self)


def compare(directory: Path, *, quick: bool) -> list[Cost]:
    """Every tool on all of the work, a round of each in turn."""
    ours, peers = (
        Ours(directory),
        [
            *tools.plain(directory),
            tools.luigi(directory, fork=False),
            tools.luigi(directory, fork=True),
            tools.kfp(directory),
            tools.dvc(directory),
            tools.metaflow(directory),
        ],
    )
    try:
        found = [_ours(ours, quick=quick)]
        for peer in peers:
            print(f"… {peer.name}", file=sys.stderr, flush=True)
            found.append(_cost(peer, quick=quick))
    finally:
        ours.leave()
    return found


def _ours(ours: Ours, *, quick: bool) -> Cost:
    first = ours.first()
    return _measured(ours, quick=quick, first=first, least=1)


def _cost(peer: Peer, *, quick: bool) -> Cost:
    # Metaflow's shortest flow has two steps.
    return _measured(peer, quick=quick, first=peer.do("training", 1), least=2 if peer.name == "Metaflow" else 1)


def _measured(tool: Ours | Peer, *, quick: bool, first: float, least: int) -> Cost:
    rounds = 1 if quick else 3
    bare = tool.name == "one plain script"
    things = {
        "again": lambda: tool.do("training", 1),
        "single": lambda: tool.do("chain", least),
        "fan1": lambda: tool.do("fan", 1),
    }
    if not bare:
        things |= {"chain": lambda: tool.do("chain", CHAIN), "fan": lambda: tool.do("fan", FAN)}
    times = interleaved(rounds, things)
    if tool.caches:
        times |= _repeated(tool, rounds, least)
    return Cost(
        tool=tool.name,
        version=next((environments.version(package) for word, package in _PACKAGES.items() if word in tool.name), ""),
        first=first,
        again=times["again"],
        unchanged=times.get("unchanged"),
        single=times["single"],
        chain=None if bare else (times["chain"] - times["single"]) / (CHAIN - least),
        fan=None if bare else (times["fan"] - times["fan1"]) / (FAN - 1),
        cached=(times["again chain"] - times["again single"]) / (CHAIN - least) if tool.caches else None,
    )


def _repeated(tool: Ours | Peer, rounds: int, least: int) -> dict[str, float]:
    """The same again, of which everything was done."""
    found: dict[str, float] = {}
    for name, work, width in (
        ("unchanged", "training", 1),
        ("again single", "chain", least),
        ("again chain", "chain", CHAIN),
    ):
        tool.do(work, width)
        found |= interleaved(rounds, {name: lambda work=work, width=width: tool.do(work, width, again=True)})  # type: ignore[misc]
    return found


def rows(costs: list[Cost]) -> list[Row]:
    """The table of all that is measured."""
    words = {
        "first": "four steps, first",
        "again": "four steps, again",
        "unchanged": "four steps, unchanged",
        "single": "one trivial step",
        "chain": f"a step of a chain of {CHAIN}",
        "fan": f"a step of a fan of {FAN}",
        "cached": "a cached step of the chain",
    }
    return [
        Row(what=f"{cost.tool}: {text}", measured=max(value, 0.0))
        for cost in costs
        for name, text in words.items()
        if (value := getattr(cost, name)) is not None
    ]
