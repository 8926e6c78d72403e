"""All routes of KFP's API."""

from __future__ import annotations

from typing import Final

from palmette.server.kfp import experiments, health, nodes, pipelines, recurring, runs, uploads
from palmette.server.rows import Row

ROWS: Final[tuple[Row, ...]] = (
    *health.ROWS,
    *experiments.ROWS,
    *uploads.ROWS,
    *pipelines.ROWS,
    *runs.ROWS,
    *nodes.ROWS,
    *recurring.ROWS,
)
