"""A stand-in for a Kubeflow Pipelines host: a Palmette server that executes for real, behind what hides what a real
cluster hides.

It answers the published API and nothing else, and refuses fields that the API's messages do not have. Its runs tell of
Argo's nodes, whose inputs and outputs are never there. Nothing gives an artifact but the route that reads one from a
node, where `artifacts` has it on, and files below a pipeline root of this machine ("file://…").
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, Final
from urllib.parse import parse_qsl, quote, urlsplit

from tests.standins.published import call, pruned, unknown

PALMETTE: Final = Path(sys.executable).parent / "palmette"
_RUNS: Final = "/apis/v2beta1/runs"
_ITERATION: Final = re.compile(r"(\[\d+\])+$")
_FINAL: Final = ("SUCCEEDED", "FAILED", "CANCELED")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What was asked of it."""

    method: str
    path: str
    query: Mapping[str, str]
    #: of a form nothing
    body: Any
    #: by lower-case name
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Reply:
    """What is answered."""

    status: int
    body: Any


class Executing:
    """A Palmette server as a process, on a home of its own."""

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        options = ["--port", "0", "--home", directory / "store", "--python", sys.executable, "--json"]
        with (directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [PALMETTE, "serve", *options],
                cwd=directory,
                env=dict(environ),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, (directory / "log").read_text()
        self.url: str = json.loads(line)["url"].rstrip("/")

    def stop(self) -> None:
        """End it, with whatever it executes."""
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()


@dataclass
class Kubeflow:
    """The host. What is set here can be changed between two requests."""

    #: the address of the Palmette server behind it
    behind: str
    #: headers that whoever asks must send, lower-case: {"authorization": "Bearer …"}, {"cookie": …}
    keys: dict[str, str] = field(default_factory=dict)
    #: with one, it is a host of many users, each with a namespace
    namespace: str = ""
    #: the artifacts of nodes can be read; busy: not just now
    artifacts: bool = True
    busy: bool = False
    #: characters of a description that its database takes, but for pipelines and their versions; 0: any number
    columns: int = 0
    #: what a terminated run ends as: FAILED, or CANCELED on other versions
    ended: str = "FAILED"
    #: so many requests are answered with 503 before the next one is answered
    faults: int = 0
    #: no runs are listed until the next one is begun: a cluster writes a run down a moment after it began it
    late: bool = False
    requests: list[Request] = field(default_factory=list)
    #: node → the run and task behind it
    _nodes: dict[str, tuple[str, str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Answer nobody any more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, request: Request, target: str, sent: bytes) -> Reply:
        """What it says to a request, whose body is `sent` and whose path and query are `target`."""
        self.requests.append(request)
        if any(request.headers.get(name) != value for name, value in self.keys.items()):
            return _fault(401, 16, "Unauthenticated: the token is not valid")
        if self.faults:
            self.faults -= 1
            return _fault(503, 14, "the connection to the database was lost")
        if "/nodes/" in request.path:
            return self._artifact(request)
        known = call(request.method, request.path)
        if known is None:
            return _fault(404, 5, "Not Found")
        if strange := [*request.query.keys() - known.queries, *unknown(known.body, request.body)]:
            return _fault(400, 3, f"unknown field {strange[0]!r}")
        if self.columns and len((request.body or {}).get("description", "")) > self.columns:
            return _fault(500, 13, "Error 1406: Data too long for column 'Description' at row 1")
        if self.namespace and (refused := self._refused(request)):
            return refused
        status, said = self._ask(request.method, target, sent, request.headers.get("content-type", ""))
        if status >= 400:
            return Reply(status, said)
        return Reply(status, self._shown(request, pruned(known.reply, said)))

    # What is hidden

    def _refused(self, request: Request) -> Reply | None:
        """On a host of many users a namespace must be named where experiments are, and runs outside of one."""
        if request.path.endswith("/experiments") and request.method == "POST":
            named = request.body.get("namespace")
        elif request.path.endswith(("/experiments", "/runs", "/recurringruns")) and request.method == "GET":
            named = request.query.get("namespace") or (self.namespace if request.query.get("experiment_id") else "")
        else:
            return None
        if named == self.namespace:
            return None
        return _fault(403, 7, "access to the namespace is denied") if named else _fault(400, 3, "Namespace is empty")

    def _shown(self, request: Request, said: Any) -> Any:
        if request.path.endswith("/healthz"):
            return {**said, "multi_user": bool(self.namespace)}
        if not request.path.startswith(_RUNS):
            return said
        if request.path == _RUNS and self.late:
            self.late = request.method != "POST"
            said = {**said, "runs": []} if self.late else said
        for run in [said, *said.get("runs", [])]:
            if "run_id" in run:
                self._hide(run)
        return said

    def _hide(self, run: dict[str, Any]) -> None:
        """Make a run what a cluster tells of one."""
        run.pop("plugins_output", None)
        if run.get("state") == "FAILED" and run.get("error", {}).get("code") == 1:
            run["state"] = self.ended
        details = run.get("run_details", {}).get("task_details", [])
        if not details:
            return
        if run["state"] in _FINAL:
            self._deliver(run, details)
        workflow = f"{run['display_name'][:20].lower().replace(' ', '-')}-{run['run_id'][:5]}"
        shown = [node for each in details for node in self._argo(workflow, run["run_id"], each)]
        run["run_details"] = {"task_details": shown}

    def _argo(self, workflow: str, run: str, task: dict[str, Any]) -> list[dict[str, Any]]:
        """The nodes of a task: its driver, what stands for it, and the pod that executes it. Of a cached one that pod
        was never started, and a group has none. No name tells of which iteration a node is."""
        name = _bare(task["display_name"])
        ids = {word: f"{workflow}-{_digits(task['task_id'] + word)}" for word in ("driver", "task", "executor")}
        about = {key: task[key] for key in ("run_id", "create_time", "start_time", "end_time") if key in task}
        executed = "executor_detail" in task
        if executed:
            self._nodes[ids["executor"]] = (run, task["task_id"])
        state = task["state"]
        driver = "SUCCEEDED" if state != "PENDING" else state
        first = {**about, "task_id": ids["driver"], "display_name": f"{name}-driver", "state": driver}
        if "child_tasks" in task:
            below = [{"pod_name": ids["driver"]}]
            return [
                first,
                {**about, "task_id": ids["task"], "display_name": name, "state": state, "child_tasks": below},
            ]
        inner = state if executed or state not in _FINAL else "SKIPPED"
        pod = {"pod_name": ids["executor"]}
        return [
            first,
            {**about, "task_id": ids["task"], "display_name": name, "state": state, "child_tasks": [pod]},
            {**about, "task_id": ids["executor"], "display_name": "executor", "state": inner, **pod},
        ]

    # What can be had

    def _artifact(self, request: Request) -> Reply:
        """An artifact of a node that executed something."""
        rest, _, name = request.path.rpartition("/artifacts/")
        run, _, node = rest.removeprefix(f"{_RUNS}/").partition("/nodes/")
        behind = self._nodes.get(node)
        if self.busy:
            return Reply(503, {"error_message": "the object store does not answer", "error_details": "Unavailable"})
        if not self.artifacts or not name.endswith(":read") or behind is None or behind[0] != run:
            return Reply(404, {"error_message": "the artifact is not there", "error_details": "NotFound"})
        status, said = self._ask("GET", f"{_RUNS}/{run}/nodes/{quote(behind[1])}/artifacts/{name}")
        return Reply(status, said)

    def _deliver(self, run: dict[str, Any], details: list[dict[str, Any]]) -> None:
        """Put what a run's tasks made below its root, if that is on this machine."""
        root = run.get("runtime_config", {}).get("pipeline_root", "")
        if not root.startswith("file://"):
            return
        for task in details:
            if "executor_detail" not in task or not task["display_name"].startswith("palmette-outcome"):
                continue
            unique = str(_digits(task["task_id"]))
            place = Path(root[7:], self._pipeline(run), run["run_id"], _bare(task["display_name"]), unique, "outcome")
            path = f"{_RUNS}/{run['run_id']}/nodes/{task['task_id']}/artifacts/outcome:read"
            if not place.exists() and (made := self._ask("GET", path))[0] == 200:
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(base64.b64decode(made[1]["data"]))

    def _pipeline(self, run: dict[str, Any]) -> str:
        """The name in the pipeline of a run."""
        spec, version = run.get("pipeline_spec"), run.get("pipeline_version_reference", {})
        if spec is None:
            path = f"/apis/v2beta1/pipelines/{version['pipeline_id']}/versions/{version['pipeline_version_id']}"
            spec = self._ask("GET", path)[1]["pipeline_spec"]
        name: str = spec.get("pipeline_spec", spec)["pipelineInfo"]["name"]
        return name

    def _ask(self, method: str, target: str, body: bytes = b"", kind: str = "") -> tuple[int, Any]:
        where = urlsplit(self.behind)
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
        try:
            connection.request(
                method, where.path.rstrip("/") + target, body or None, {"Content-Type": kind} if kind else {}
            )
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        finally:
            connection.close()


def _bare(title: str) -> str:
    """The key of a task in its DAG: "fit_fold[1]" is "fit-fold"."""
    return _ITERATION.sub("", title).replace("_", "-")


def _digits(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])


def _fault(status: int, code: int, message: str) -> Reply:
    return Reply(status, {"code": code, "message": message, "details": []})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Whoever asked and did not wait need not be told; all else is a mistake of this stand-in's."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    owner: ClassVar[Kubeflow]
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        request = Request(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            body=json.loads(sent) if sent and "json" in self.headers.get("Content-Type", "") else None,
            headers={name.lower(): value for name, value in self.headers.items()},
        )
        reply = self.owner.answer(request, self.path, sent)
        content = json.dumps(reply.body).encode()
        self.send_response(reply.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def log_message(self, *_: Any) -> None:
        """Say nothing."""
