"""The files that runs were executed from, as they are kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from palmette.comparison.files import LARGEST
from palmette.comparison.sides import Sources
from palmette.domain.run import Run
from palmette.operations.home import Home
from palmette.operations.originals import files


def sources(home: Home, head: Run, baseline: Run) -> Sources | None:
    """The files in which the code of two runs differs, uncommitted changes included; None where it is the same, or an
    import says nothing of it. What is not kept here any more is a remark."""
    if head.bundle == baseline.bundle or head.imported or baseline.imported:
        return None
    remarks = tuple(_gone(home, head, baseline))
    if remarks:
        return Sources(remarks=remarks)
    try:
        after, before = (files(home.bundles / run.bundle) for run in (head, baseline))
        differing = sorted(path for path in {*after, *before} if after.get(path) != before.get(path))
        return Sources(
            head=_read(home, head, [path for path in differing if path in after]),
            baseline=_read(home, baseline, [path for path in differing if path in before]),
        )
    except OSError as error:
        return Sources(remarks=(f"files not compared, as one cannot be read: {error.filename}: {error.strerror}",))


def _gone(home: Home, *runs: Run) -> Iterator[str]:
    for run in runs:
        if not run.bundle:
            yield f"files not compared, as run {run.id} was not made from files of a project"
        elif not (home.bundles / run.bundle).is_dir():
            yield f"files not compared, as those of run {run.id} are not kept here any more"


def _read(home: Home, run: Run, paths: list[str]) -> Mapping[str, bytes]:
    found: dict[str, bytes] = {}
    for path in paths:
        with (home.bundles / run.bundle / path).open("rb") as file:
            found[path] = file.read(LARGEST + 1)
    return found
