"""What a Kubeflow tells of its runs beyond what `hosts` asks of any host: Argo's nodes, and what they wrote."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from palmette.domain.footer import split
from palmette.domain.states import TaskState
from palmette.domain.values import Json
from palmette.errors import AccessDenied, NotFound, PalmetteError, ServerError
from palmette.operations.cluster.kubeflow import KubeflowHost, moment, read_run
from palmette.operations.hosts import HostedRun

_MANY: Final = 100
_ARTIFACT: Final = "/apis/v2beta1/runs/{run_id}/nodes/{node_id}/artifacts/{artifact_name}:read"
_STATES: Final[Mapping[str, TaskState]] = {
    "PENDING": TaskState.PENDING,
    "RUNNING": TaskState.RUNNING,
    "PAUSED": TaskState.RUNNING,
    "CANCELING": TaskState.RUNNING,
    "SUCCEEDED": TaskState.SUCCEEDED,
    "SKIPPED": TaskState.SKIPPED,
    "FAILED": TaskState.FAILED,
    "CANCELED": TaskState.CANCELED,
}


@dataclass(frozen=True, kw_only=True)
class Node:
    """A node of a run's workflow: a task, its driver, the pod that executes it, or a group."""

    id: str
    #: of a task its key in the pipeline
    name: str
    state: TaskState
    created: float = 0.0
    started: float | None = None
    ended: float | None = None
    message: str = ""
    #: those below it, its own pod last
    pods: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Looked:
    """A run as it was when it was looked at."""

    run: HostedRun
    nodes: tuple[Node, ...] = ()
    started: float | None = None
    scheduled: float | None = None
    root: str = ""
    account: str = ""
    #: its own pipeline, of one that was made from no version
    document: bytes = b""


@dataclass(frozen=True, kw_only=True)
class Made:
    """The version that a run was made from."""

    name: str = ""
    facts: Mapping[str, Json] = field(default_factory=dict)
    document: bytes = b""


@dataclass(frozen=True)
class Cluster:
    """A Kubeflow, looked at."""

    host: KubeflowHost
    _versions: dict[tuple[str, str], Made] = field(default_factory=dict)

    @property
    def address(self) -> str:
        """What tells it from others: where it is, and of several namespaces which."""
        line = self.host.line
        return f"{line.url}#{line.namespace}" if line.namespace else line.url

    def page(self, run: str) -> str:
        """Where a person finds a run."""
        return f"{self.host.pages}/#/runs/details/{run}"

    def pages(self) -> Iterator[tuple[HostedRun, ...]]:
        """Its runs, the newest first, part by part."""
        line, token = self.host.line, ""
        said: dict[str, Any] = {"page_size": _MANY, "sort_by": "created_at desc"}
        if line.namespace:
            said["namespace"] = line.namespace
        while True:
            answer = line.ask("runs", "run_service_list_runs", **said, page_token=token)
            yield tuple(map(read_run, answer.runs or ()))
            token = answer.next_page_token or ""
            if not token:
                return

    def look(self, id: str) -> Looked:
        """A run with all that is told of it; NotFound if it is gone."""
        line = self.host.line
        found = line.ask("runs", "run_service_get_run", id)
        run, config = read_run(found), found.runtime_config
        details = getattr(found.run_details, "task_details", None) or ()
        states = [each.update_time for each in found.state_history or () if each.state == "RUNNING"]
        nodes = tuple(map(_node, details))
        begun = [node.started for node in nodes if node.started]
        return Looked(
            run=run,
            nodes=nodes,
            started=moment(states[0]) if states else min(begun, default=None),
            scheduled=moment(found.scheduled_at) if found.recurring_run_id else None,
            root=getattr(config, "pipeline_root", "") or "",
            account=found.service_account or "",
            document=json.dumps(found.pipeline_spec).encode() if found.pipeline_spec and not run.version else b"",
        )

    def version(self, pipeline: str, version: str) -> Made:
        """What a run was made from; nothing where it was deleted. Asked for once."""
        key = (pipeline, version)
        if key not in self._versions:
            line, name = self.host.line, "pipeline_service_get_pipeline_version"
            try:
                found = line.ask("pipelines", name, pipeline, version)
            except NotFound:
                self._versions[key] = Made()
            else:
                document = json.dumps(found.pipeline_spec).encode() if found.pipeline_spec else b""
                facts = split(found.description or "")[1]
                self._versions[key] = Made(name=found.display_name or "", facts=facts, document=document)
        return self._versions[key]

    def artifact(self, run: str, node: str, name: str) -> bytes | None:
        """An artifact of a node; None where the cluster gives none, ServerError where it cannot say just now."""
        line = self.host.line
        parts = {"run_id": run, "node_id": node, "artifact_name": name}
        try:
            answer = line.read(_ARTIFACT, parts)
            return base64.b64decode(answer["data"], validate=True)
        except ServerError as error:
            if isinstance(error, AccessDenied):
                return None
            raise
        except (PalmetteError, KeyError, TypeError, binascii.Error):
            return None


def _node(found: Any) -> Node:
    children = [each.pod_name or each.task_id for each in found.child_tasks or ()]
    message = getattr(found.error, "message", "") or ""
    return Node(
        id=found.task_id or "",
        name=found.display_name or "",
        state=_STATES.get(found.state or "", TaskState.PENDING),
        created=moment(found.create_time) or 0.0,
        started=moment(found.start_time),
        ended=moment(found.end_time),
        message=message,
        pods=tuple(filter(None, [*children, found.pod_name])),
    )
