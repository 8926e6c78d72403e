"""Palmette's own routes: what they refuse, and in which form they answer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import quote

import httpx
import pytest

from palmette.client.connection import Connection, Server
from palmette.domain.metric import MetricPoint
from palmette.domain.run import PointsLogged, Run, Setting
from palmette.errors import ServerError, UsageError
from palmette.operations import messages
from palmette.operations.details import Detail
from palmette.operations.home import serve_home
from palmette.operations.verbs import VERBS, named
from palmette.server.palmette import table
from palmette.server.palmette.routes import function
from palmette.store.arrivals import Whole, accept

if TYPE_CHECKING:
    from conftest import Serving

RUN = "run000000001"
OWN = "/apis/palmette/v1"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, serving: Serving) -> Iterator[httpx.Client]:
    """The server of a home with one run, that logged a number which is none."""
    home = serve_home(tmp_path_factory.mktemp("own"), None)
    point = MetricPoint(name="loss", value=float("nan"), time=1.0)
    logged = PointsLogged(task="fit", serial=1, points=(point,), position=1)
    run = Run(id=RUN, project="made", algorithm="job", settings=(Setting(name="C", value=1.5),), created=1e9)
    accept(home.store, Whole(run=run, logged=(logged,)), None)
    with httpx.Client(base_url=serving.start(home, others=table.ROWS).url, timeout=60) as client:
        yield client
    home.store.close()


def test_every_row_names_a_function_and_every_function_is_asked_for_by_its_row() -> None:
    for verb in VERBS:
        found = function(verb.operation)
        assert named(found) == verb.operation
        assert messages.named(verb.path) <= set(messages.shape(found).takes)


@pytest.mark.parametrize(
    ("method", "path", "body", "names"),
    [
        ("PUT", "/branches", b'{"branch": {}, "newer": 1}', r" \(newer\)"),
        ("PUT", "/branches", b"{}", r" \(branch\)"),
        ("GET", "/newer", None, ""),
        ("POST", "/branches", b"{}", ""),
    ],
)
def test_a_server_of_another_version_is_told_apart_from_what_a_user_said(
    client: httpx.Client, method: str, path: str, body: bytes | None, names: str
) -> None:
    connection = Connection(Server(url=str(client.base_url).rstrip("/")))
    with pytest.raises(ServerError, match=f"does not understand what this Palmette asks for{names}\n") as caught:
        connection.ask(method, path, body=body)
    assert "Install the same version here and there." in caught.value.hint
    # What a user may have said is an error of that kind still.
    with pytest.raises(UsageError):
        connection.ask("GET", "/branches", [("limit", "0")])


def test_a_value_that_json_does_not_have_arrives(client: httpx.Client) -> None:
    answer = client.get(f"{OWN}/runs/last", headers={"Accept": messages.VALUES})
    detail = messages.read(Detail, answer.content)
    assert detail.metrics["loss"] != detail.metrics["loss"]
    assert detail.run.config == {"C": 1.5}
    assert answer.headers["Palmette-Protocol"] == messages.PROTOCOL


def test_whoever_is_not_the_tool_is_given_what_json_prints(client: httpx.Client) -> None:
    found = client.get(f"{OWN}/runs", params={"text": "config.C > 1", "project": "made"}).json()
    assert [(row["run_id"], row["metrics"]) for row in found["runs"]] == [(RUN, {})]
    assert client.get(f"{OWN}/runs/{RUN}/metrics").json() == {"loss": None}
    assert client.get(f"{OWN}/runs/{RUN}", params={"project": "other"}).status_code == 404


STRANGE = {
    "no number": ("GET", "/runs?limit=many", None),
    "too many": ("GET", "/runs?limit=99999999999999999999", None),
    "fewer than none": ("GET", "/runs?limit=-1", None),
    "no sweeps": ("GET", "/sweeps?limit=0", None),
    "a time beyond the calendar": ("GET", "/runs?now=1e300&text=started+%3E+-1d", None),
    "a time that is none": ("GET", "/runs?now=%22nan%22", None),
    "a field that is none": ("GET", '/runs?exact={"nothing":"x"}', None),
    "a field that is no text": ("GET", '/runs?exact={"created":"x"}', None),
    "a parameter that is none": ("GET", "/runs?colour=red", None),
    "half a character": ("PUT", f"/runs/{RUN}/note", b'{"text": "\\ud800"}'),
    "no character": ("GET", f"/runs/{quote(chr(0))}", None),
    "deep": ("PUT", f"/runs/{RUN}/note", b"[" * 100_000),
    "a list of letters": ("POST", f"/runs/{RUN}/tags", b'{"names": "abc"}'),
    "no body": ("POST", f"/runs/{RUN}/tags", b""),
    "too much": ("POST", f"/runs/{RUN}/tags", b'{"names": [], "more": 1}'),
    "a run that is none": ("POST", "/imports", b'{"entries": [{"run": {"id": 1}, "metrics": {}}]}'),
    "no digest": ("POST", "/blobs/missing", b'{"digests": ["../../etc/passwd"]}'),
    "a path as a digest": ("GET", "/blobs/..%2F..%2Fstore.db", None),
    "no parcel": ("PUT", f"/runs/{RUN}?project=made", b'{"parcel": "sha256:00"}'),
    "names of nothing": ("GET", "/names/secrets", None),
}


@pytest.mark.parametrize("what", STRANGE)
def test_what_cannot_be_understood_is_an_error_that_says_so(client: httpx.Client, what: str) -> None:
    method, path, body = STRANGE[what]
    answer = client.request(method, OWN + path, content=body)
    assert 400 <= answer.status_code < 500, answer.text
    assert json.loads(answer.content)["error"]["message"]


def test_every_problem_is_told_at_once(client: httpx.Client) -> None:
    said = client.get(f"{OWN}/runs?limit=many&colour=red&every_metric=perhaps").json()["error"]
    assert len(said["problems"]) == 3
