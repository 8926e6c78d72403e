"""A team's server, as Python sees it: its runs, over HTTP."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, overload

from palmette.client import comparisons, frames
from palmette.client.comparisons import Comparison
from palmette.client.connection import Connection, Server, document, lines, not_ours, parsed, segment
from palmette.client.downloads import Wanted, bring
from palmette.client.runs import DataFrame, Run
from palmette.client.tool import Hear
from palmette.errors import AccessDenied, ServerError

#: How a server and this module understand each other.
_PROTOCOL: Final = "1"
_OPTIONS: Final = ("--json", "--follow", "--delete", "--clear", "--output")
_LINES: Final = "application/x-ndjson"


def connect(url: str, token: str | None = None, project: str | None = None) -> Home:
    """The runs on a server: ``palmette.connect("https://palmette.example.org", project="clinic")``.

    Without a token, that of the variable PALMETTE_TOKEN is used, if there is one; without a project the runs of all are
    meant. Raises ServerError if no server of Palmette's answers there, and AccessDenied if it wants another token.
    """
    given = token if token is not None else os.environ.get("PALMETTE_TOKEN", "")
    home = Home(_Asking(Connection(Server(url=parsed(url).geturl(), token=given.strip())), project or ""))
    home.about()
    return home


class Home:
    """A server's runs."""

    def __init__(self, asking: _Asking) -> None:
        self._asking = asking

    def about(self) -> dict[str, Any]:
        """What the server says of itself and of whoever asks: version, caller, role, projects."""
        connection = self._asking.connection
        said = document(connection, "/server")
        if not isinstance(said, Mapping) or said.get("server") != "palmette":
            raise not_ours(connection.server)
        if said.get("protocol") != _PROTOCOL:
            what = f"{connection.server.called} is Palmette {said.get('version')}, which is understood otherwise"
            raise ServerError(what, "Install the same version of palmette here.")
        return dict(said)

    def run(self, reference: str = "last") -> Run:
        """The run of that id (its first characters will do), the newest one ("last"), or an algorithm's newest."""
        answer = self._asking("show", reference)
        return Run(self._asking, answer["run_id"], known=answer)

    @overload
    def runs(self, query: str = ..., *, limit: int = ..., frame: Literal[True] = ...) -> DataFrame: ...
    @overload
    def runs(self, query: str = ..., *, limit: int = ..., frame: Literal[False]) -> list[Run]: ...
    def runs(self, query: str = "", *, limit: int = 1000, frame: bool = True) -> Any:
        """The runs that a query finds, newest first, as a pandas DataFrame; without `frame` as a list of `Run`. A
        warning says when there are more than `limit`."""
        asked = [("text", query), ("limit", str(limit)), ("every_metric", "true")]
        found = self._asking.get("/runs", asked)
        if found["total"] > len(found["runs"]):
            warnings.warn(f"there are older runs than the newest {limit:,}: limit= gives more", stacklevel=2)
        if frame:
            return frames.frame(found["runs"])
        return [Run(self._asking, row["run_id"]) for row in found["runs"]]

    def compare(self, head: Run | str = "last", baseline: Run | str | None = None, *, quiet: bool = True) -> Comparison:
        """Compare a run with its baseline, as `palmette.compare` does. What has to be executed is executed there,
        if this token may start runs."""
        return comparisons.asked(self._asking, head, baseline, quiet=quiet)

    def close(self) -> None:
        """Let go of the connection; it is opened again when something is asked."""
        self._asking.connection.close()

    def __repr__(self) -> str:
        scope = f", project {self._asking.project}" if self._asking.project else ""
        return f"<Home {self._asking.connection.server.url}{scope}>"


@dataclass(frozen=True)
class _Asking:
    """Answers what a `Run` asks of the command, in the same words, by asking a server."""

    connection: Connection
    project: str

    def __call__(self, *arguments: str, hear: Hear | None = None) -> Any:
        """The verb's answer; its errors are raised here as they are there."""
        verb, *rest = arguments
        words = [word for word in rest if word not in _OPTIONS]
        match verb, words:
            case "show", [run]:
                return self.get(f"/runs/{segment(run, 'run')}")
            case "diff", [run, *other]:
                return self._compare(run, other[0] if other else None, hear)
            case "logs", [run, *steps]:
                return self._log(run, steps, follow="--follow" in rest, hear=hear)
            case "tag", [run, *names] if "--delete" in rest:
                return self._ask("DELETE", run, "tags", [("names", name) for name in names])
            case "tag", [run, *names]:
                return self._ask("POST", run, "tags", body={"names": names})
            case "note", [run, *text]:
                return self._ask("PUT", run, "note", body={"text": "".join(text)})
            case "cancel", [run]:
                return self._ask("POST", run, "cancel", body={})
            case "artifacts", ["get", run, name, directory]:
                return self._fetch(run, name, Path(directory))
            case _:
                raise AssertionError(arguments)

    def get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Any:
        """The JSON at a path, of this project."""
        return document(self.connection, path, [*self._scope(), *query])

    def _scope(self) -> list[tuple[str, str]]:
        return [("project", self.project)] if self.project else []

    def _ask(
        self, method: str, run: str, what: str, query: Sequence[tuple[str, str]] = (), *, body: Any = None
    ) -> None:
        data = None if body is None else json.dumps(body).encode()
        self.connection.ask(method, f"/runs/{segment(run, 'run')}/{what}", [*self._scope(), *query], body=data)

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        answer = self.connection.ask("POST", path, self._scope(), body=json.dumps(body).encode())
        return json.loads(answer.body)

    def _compare(self, run: str, baseline: str | None, hear: Hear | None) -> Any:
        """The comparison as it is there, once what tells more has been executed, one thing after the other."""
        path = f"/runs/{segment(run, 'run')}/comparison"
        first = found = self._post(path, {"baseline": baseline})
        done: list[Any] = []
        denied = ""
        while comparisons.wanting(found) and not denied:
            pair = f"/runs/{segment(found['head'], 'run')}/extras", [("baseline", found["baseline"])]
            extra = next((each for each in self.get(*pair) if each not in done), None)
            if extra is None:
                break
            done.append(extra)
            try:
                begun = self._post("/extras", {"extra": extra})
            except AccessDenied:
                denied = "nothing was executed for this comparison, since this token may only read"
                continue
            self._log(begun["run"]["id"], (), follow=True, hear=hear)
            found = self._post(path, {"baseline": found["baseline"]})
        return {**found, "choice": first["choice"], "examples": [*found["examples"], *([denied] if denied else [])]}

    def _log(self, run: str, steps: Sequence[str], *, follow: bool, hear: Hear | None) -> str:
        query = [*self._scope(), *(("step", step) for step in steps), *([("follow", "true")] if follow else [])]
        parts = self.connection.stream(f"/runs/{segment(run, 'run')}/logs", query, accept=_LINES)
        found: list[str] = []
        for text in _shown(lines(parts), steps):
            found.append(text)
            if hear is not None:
                hear(text)
        return "".join(f"{text}\n" for text in found)

    def _fetch(self, run: str, name: str, directory: Path) -> None:
        entry = self.get(f"/runs/{segment(run, 'run')}/artifacts/{segment(name, 'artifact')}")
        # A file's name comes from user code: only its last part counts.
        filename = Path(entry["filename"]).name
        wanted = Wanted(
            run=run,
            name=name,
            digest=entry["digest"],
            elsewhere=bool(entry["uri"]),
            directory=entry["filename"].endswith("/"),
            project=self.project,
        )
        bring(self.connection, wanted, directory / (filename if filename not in ("", "..") else "artifact"))


def _shown(found: Iterator[Any], steps: Sequence[str]) -> Iterator[str]:
    """Lines as the command prints them: after their step's name, unless one step was asked for."""
    for line in found:
        several = not steps or (line["step"].endswith("]") and not steps[0].endswith("]"))
        yield f"{line['step']} │ {line['text']}" if several else line["text"]
