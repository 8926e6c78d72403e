"""How what an exit task guards ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FinalStatus:
    """How a part of a pipeline ended. A step with a parameter of this type is told by whoever runs the pipeline.

    Nothing is handed over in the pipeline function; a unit test makes one: ``FinalStatus("FAILED")``.
    """

    #: "SUCCEEDED" or "FAILED", whatever the backend calls it
    state: str = ""
    #: empty if nothing failed
    error_message: str = ""
    error_code: int | None = None
    #: the task, or the group of tasks, that ended
    pipeline_task_name: str = ""
    pipeline_job_resource_name: str = ""

    @classmethod
    def read(cls, said: Mapping[str, Any]) -> FinalStatus:
        """From KFP's message."""
        error = said.get("error") or {}
        code = error.get("code")
        # A cluster says what its metadata store does.
        state = said.get("state", "")
        return cls(
            state="SUCCEEDED" if state in ("COMPLETE", "CACHED") else state,
            error_message=error.get("message", ""),
            error_code=None if code is None else int(code),
            pipeline_task_name=said.get("pipelineTaskName", ""),
            pipeline_job_resource_name=said.get("pipelineJobResourceName", ""),
        )
