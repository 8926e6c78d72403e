from __future__ import annotations

from palmette.errors import Problem
from palmette.ir.spec import PipelineDocument


def check(document: PipelineDocument, dialect: str = "palmette") -> list[Problem]:
    return []
