"""A real training of four steps, beside the same four functions in one plain script."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import Row, interleaved
from benchmarks.stage import ROOT, Stage

_PLAIN = Path(__file__).with_name("plain_tumour.py")


def measure(stage: Stage, *, quick: bool) -> list[Row]:
    """Cold, with the template alive, and with nothing to do."""

    def plain(*arguments: str) -> float:
        # The script's own directory would come first otherwise, and Palmette need not be installed there.
        places = {"PYTHONPATH": f"{stage.project}:{ROOT / 'src'}"}
        return stage.time([str(stage.python), str(_PLAIN), *arguments], places)

    def processes() -> float:
        with tempfile.TemporaryDirectory() as directory:
            return sum(plain(step, directory) for step in "1234")

    def cold() -> float:
        stage.cold()
        return stage.palmette("run", "tumour", "--no-cache")

    def warm() -> float:
        return stage.palmette("run", "tumour", "--no-cache")

    def unchanged() -> float:
        return stage.palmette("run", "tumour")

    plain(), cold()
    things = {"plain": plain, "cold": cold, "warm": warm, "unchanged": unchanged, "processes": processes}
    found = interleaved(2 if quick else 5, things)
    stage.cold()
    beside: dict[str, Any] = {"against": "one plain script", "limit": found["plain"]}
    most = 1.25 * found["plain"] + 0.4
    return [
        Row(
            what="tumour, four steps, cold",
            measured=found["cold"],
            budget=f"1.25 x + 0.4 s = {most:.2f} s",
            met=found["cold"] <= most,
            **beside,
        ),
        Row(what="tumour, with the template alive", measured=found["warm"], **beside),
        Row(what="tumour, nothing changed", measured=found["unchanged"], **beside),
        Row(what="a plain process for each of the four", measured=found["processes"], **beside),
    ]
