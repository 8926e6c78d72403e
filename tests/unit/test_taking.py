"""What a server asks of a run that is handed in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from palmette.domain.run import Run
from palmette.errors import UsageError
from palmette.operations import taking
from palmette.operations.home import serve_home
from palmette.operations.policy import lending
from palmette.operations.taking import Handed
from palmette.store import runs

if TYPE_CHECKING:
    from pathlib import Path


def test_what_a_run_was_made_from_is_of_its_project(tmp_path: Path) -> None:
    home = serve_home(tmp_path)
    runs.create(home.store, Run(id="run000000001", project="theirs", algorithm="ward"))
    asked = Run(
        id="run000000002",
        project="ours",
        algorithm="ward",
        trigger="rerun",
        origin="run000000001",
        tokens=lending({}, "run000000001", ["fetch"]),
    )
    with pytest.raises(UsageError) as refused:
        taking.accept(replace(home, project="ours"), Handed(run=asked), {})
    problems = {problem.where: problem.what for problem in refused.value.problems}
    assert problems["run.origin"] == "there is no run run000000001 here"
    assert problems["run.tokens"] == "there is no run run000000001 here, whose data it is to have"
