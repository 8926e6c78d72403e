"""For the tests of a project: run a step as it runs in production, train the toy preset, and demand what matters.

from palmette.testing import assert_deterministic, assert_learns, assert_schema, run_step, run_toy
"""

from __future__ import annotations

from palmette.testing.determinism import assert_deterministic
from palmette.testing.learning import assert_learns, run_toy
from palmette.testing.schemas import Column, assert_schema
from palmette.testing.steps import run_step

__all__ = ["Column", "assert_deterministic", "assert_learns", "assert_schema", "run_step", "run_toy"]
