"""Strangers' pipelines, many in a row, against one server: what is left of them afterwards.

    python -m benchmarks.strangers --runs 200 [--sdk 2.5] [--keep]

prints what the server held before the first run (after three to warm up) and after the last, and each pipeline whose
outputs are not what it means. The exit code is 1 if anything is.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import tempfile
import time
from pathlib import Path

from tests.conformance.conftest import SDKS, Sdk, environment
from tests.conformance.stranger import Left, Stranger, told, why

#: pipelines that are different; what comes after them comes again
_DIFFERENT = 40
_WARM = 3


def main() -> int:
    """Run them, and say what is left."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.strangers", description=__doc__)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--sdk", choices=SDKS, default="2.17")
    given = parser.parse_args()
    python = environment(given.sdk)
    with tempfile.TemporaryDirectory(prefix="palmette-strangers-") as directory:
        packages = Path(directory) / "packages"
        packages.mkdir()
        Sdk(version=given.sdk, python=python).run("kfp_blocks.py", packages, str(min(_DIFFERENT, given.runs)))
        stranger = Stranger.at(Path(directory) / "hosting", "--python", python)
        try:
            return measure(stranger, packages, given.runs)
        finally:
            stranger.hosting.close()


def measure(stranger: Stranger, packages: Path, runs: int) -> int:
    """Run so many, one after the other; 1 if one came to something else or anything is left."""
    names, wrong = itertools.cycle(sorted(packages.glob("*.yaml"))), 0
    begun = before = None
    for number in range(_WARM + runs):
        if number == _WARM:
            before, begun = settled(stranger), time.monotonic()
        package = next(names)
        ended = stranger.ended(stranger.start(package, place=str(stranger.place(str(number)))))
        seen = told(ended)
        if seen != json.loads(package.with_suffix(".json").read_text()):
            wrong += 1
            print(f"{package.stem}: {seen}\n{why(ended)}", file=sys.stderr)
    assert before is not None
    assert begun is not None
    seconds, after = time.monotonic() - begun, settled(stranger)
    print(f"{runs} runs in {seconds:.0f} s, {wrong} of them wrong")
    for what in ("processes", "files", "scratch"):
        more = getattr(after, what) - getattr(before, what)
        print(f"{what}: {len(getattr(before, what))} before, {len(getattr(after, what))} after")
        for each in sorted(more)[:20]:
            print(f"  {each}")
    print(f"open files: {before.open} before, {after.open} after")
    return int(bool(wrong or after.processes - before.processes or after.files - before.files))


def settled(stranger: Stranger) -> Left:
    """What is there once the templates have gone."""
    stranger.hosting.until(stranger.idle)
    return stranger.left()


if __name__ == "__main__":
    raise SystemExit(main())
