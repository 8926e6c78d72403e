"""A guarded server over a real socket: no route is forgotten, and nothing that is sent to it does harm."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

from palmette.blobs import Blobs
from palmette.domain.hosting import Role
from palmette.operations import tokens
from palmette.operations.home import Home
from palmette.server import auth, journal, protocol
from palmette.server.whole import whole
from palmette.store import database

#: Asked with a body, and yet changing nothing: who may read may ask.
LOOKING = {
    "/apis/palmette/v1/imports/known",
    "/apis/palmette/v1/mirrors/known",
    "/apis/palmette/v1/checks/states",
    *(f"/apis/palmette/v1/runs/nobody/{what}" for what in ("prior", "baseline", "comparison", "standing")),
}
#: Looks, and is an admin's all the same.
ADMINS = {"/apis/palmette/v1/garbage"}
#: What must not come back, nor be reached, whatever is asked for.
CANARY = "the content of a file outside the home"


class Hasty(protocol.Patient):
    """Waits less for who never comes to an end, so that a test need not."""

    patience = 1.0


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """A server on which every role has a token."""

    port: int
    home: Home
    secrets: dict[str, str]
    log: io.StringIO

    def client(self, name: str = "") -> httpx.Client:
        headers = {"authorization": f"Bearer {self.secrets[name]}"} if name else {}
        return httpx.Client(base_url=f"http://127.0.0.1:{self.port}", headers=headers, timeout=30)

    def raw(self, data: bytes, *, whole: bool = True) -> bytes:
        """What is answered to these bytes, until the server closes the connection."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as connection:
            connection.sendall(data)
            if whole:
                connection.shutdown(socket.SHUT_WR)
            answered = b""
            try:
                while part := connection.recv(1 << 16):
                    answered += part
            except ConnectionResetError:
                pass
            return answered


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    top = tmp_path_factory.mktemp("hostile")
    (top / "canary").write_text(CANARY)
    directory = top / "home"
    home = Home(directory=directory, project="", store=database.open(directory), blobs=Blobs(directory / "blobs"))
    names = {role.value: tokens.create(home, role.value, role, lifetime=None).secret for role in Role}
    names["old"] = tokens.create(home, "old", Role.ADMIN, lifetime=1, now=0.0).secret
    log = io.StringIO()
    journal.begin(journal.Form.JSON, log)
    app = whole(home, environ={}, worker=None, hosts=["0.0.0.0"])
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, lifespan="off", log_config=None, ws="none", **{**protocol.PROTOCOL, "http": Hasty})
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])), daemon=True)
    thread.start()
    yield Guarded(port=listening.getsockname()[1], home=home, secrets=names, log=log)
    server.should_exit = True
    thread.join()
    home.store.close()
    for name in ("palmette", "uvicorn"):
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate = [], True


@pytest.fixture(scope="module")
def routes(guarded: Guarded) -> list[tuple[str, str]]:
    """Every method and path that the server's own description names, with values in the place of parameters."""
    with guarded.client("read") as client:
        paths = client.get("/openapi.json").json()["paths"]
    found = [
        (method.upper(), re.sub(r"\{[^}]*\}", "nobody", path))
        for path, methods in paths.items()
        for method in methods
        if method in ("get", "put", "post", "delete", "patch", "head")
    ]
    assert len(found) > 50
    return found


def test_no_route_answers_without_a_token_but_those_that_say_only_that_it_lives(
    guarded: Guarded, routes: list[tuple[str, str]]
) -> None:
    with guarded.client() as client:
        opened = {path for method, path in routes if client.request(method, path).status_code != 401}
    assert opened <= auth.OPEN


def test_no_route_takes_a_token_that_is_nobodys_any_more(guarded: Guarded, routes: list[tuple[str, str]]) -> None:
    with guarded.client("old") as client:
        codes = {client.request(method, path).status_code for method, path in routes if path not in auth.OPEN}
    assert codes <= {401, 429}


def test_who_may_only_read_changes_nothing(guarded: Guarded, routes: list[tuple[str, str]]) -> None:
    with guarded.client("read") as client:
        codes = {(method, path): client.request(method, path).status_code for method, path in routes}
    changed = {path for (method, path), code in codes.items() if method != "GET" and code != 403}
    assert changed <= LOOKING
    assert {path for (method, path), code in codes.items() if method == "GET" and code in (401, 403, 429)} <= ADMINS
    assert not [route for route, code in codes.items() if code >= 500]


def test_an_admin_may_do_everything(guarded: Guarded, routes: list[tuple[str, str]]) -> None:
    with guarded.client("admin") as client:
        codes = {path: client.request(method, path).status_code for method, path in routes if method != "DELETE"}
    assert not [path for path, code in codes.items() if code in (401, 403, 429) or code >= 500]


NASTY = (
    "../../canary",
    "..%2f..%2fcanary",
    "%2e%2e/%2e%2e/canary",
    "....//....//canary",
    "%252e%252e%252fcanary",
    "..%5c..%5ccanary",
    "%00",
    "canary%00.txt",
    "%0d%0aset-cookie:%20a=b",
    "$(touch%20canary)",
    "'%20or%20'1'='1",
    "%f0%28%8c%28",
    "%ed%a0%80",
    "x" * 4000,
)


@pytest.mark.parametrize("nasty", NASTY, ids=range(len(NASTY)))
def test_what_no_id_can_be_is_not_found_and_reaches_nothing(guarded: Guarded, nasty: str) -> None:
    places = (
        "/apis/v2beta1/runs/{}",
        "/apis/v2beta1/experiments/{}",
        "/apis/v2beta1/pipelines/{}",
        "/apis/v2beta1/pipelines/names/{}",
        "/apis/v2beta1/recurringruns/{}",
        "/apis/v2beta1/runs/{}/nodes/{}/log",
        "/apis/v2beta1/runs/{}/nodes/{}/artifacts/{}:read",
        "/apis/palmette/v1/runs/{}",
        "/apis/palmette/v1/runs/{}/artifacts/{}/content",
        "/apis/palmette/v1/runs/{}/logs?task={}",
        "/apis/palmette/v1/blobs/{}",
    )
    for place in places:
        path = place.replace("{}", nasty)
        sent = (
            f"GET {path} HTTP/1.1",
            "host: a",
            f"authorization: Bearer {guarded.secrets['admin']}",
            "connection: close",
        )
        answered = guarded.raw("\r\n".join([*sent, "", ""]).encode(), whole=False)
        status = int(answered.split(b" ", 2)[1])
        assert status in (400, 404, 405, 414), (path, answered[:300])
        assert CANARY.encode() not in answered
        assert b"\r\nset-cookie" not in answered.lower()


def test_names_with_line_breaks_make_no_line_of_the_log(guarded: Guarded) -> None:
    before = len(guarded.log.getvalue().splitlines())
    name = 'x\n{"level": "info", "forged": true}\r\u2028\x1b[2J'
    with guarded.client("run") as client:
        answer = client.post("/apis/v2beta1/experiments", json={"display_name": name, "description": name})
        client.get("/apis/v2beta1/experiments", params={"filter": name, "page_token": name})
    assert answer.status_code < 500
    added = guarded.log.getvalue().splitlines()[before:]
    assert len(added) == 2
    assert not [line for line in added if json.loads(line).get("forged")]


def test_bodies_that_are_too_large_are_refused_before_they_are_read(guarded: Guarded) -> None:
    head = (
        "POST /apis/v2beta1/experiments HTTP/1.1\r\nhost: a\r\n"
        f"authorization: Bearer {guarded.secrets['run']}\r\ncontent-length: {1 << 40}\r\n\r\n"
    )
    assert guarded.raw(head.encode(), whole=False).startswith(b"HTTP/1.1 413")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GET",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 100,
        b"POST /apis/v2beta1/runs HTTP/1.1\r\nhost",
    ],
)
def test_who_never_comes_to_the_end_of_the_headers_is_cut_off(guarded: Guarded, data: bytes) -> None:
    assert guarded.raw(data, whole=False) == b""


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nhost: a\r\nx: " + b"y" * 100_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\n"
        + b"".join(b"x%d: y\r\n" % n for n in range(200))
        + b"connection: close\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nhost: a\r\nx: a\r\n b\x00c\r\nconnection: close\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET http://elsewhere/ HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n",
    ],
    ids=range(9),
)
def test_what_is_no_proper_request_is_refused(guarded: Guarded, data: bytes) -> None:
    answered = guarded.raw(data, whole=False)
    assert answered.startswith(b"HTTP/1.1 4"), answered[:200]


def test_a_request_smuggled_behind_another_is_asked_for_its_own_token(guarded: Guarded) -> None:
    first = f"GET /apis/v2beta1/runs HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {guarded.secrets['read']}\r\n\r\n"
    second = "GET /apis/v2beta1/runs HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"
    answered = guarded.raw((first + second).encode(), whole=False)
    assert re.findall(rb"HTTP/1.1 (\d+)", answered) == [b"200", b"401"]


def test_the_measures_are_for_who_may_read(guarded: Guarded) -> None:
    with guarded.client() as stranger, guarded.client("read") as reader:
        assert stranger.get("/metrics").status_code == 401
        assert "palmette_http_requests_total" in reader.get("/metrics").text


def test_a_good_token_is_not_held_up_by_bad_ones_from_the_same_address(guarded: Guarded) -> None:
    with guarded.client("old") as late, guarded.client("run") as good:
        assert {late.get("/apis/v2beta1/runs").status_code for _ in range(30)} >= {429}
        assert late.get("/healthz").status_code == 200
        assert good.get("/apis/v2beta1/runs").status_code == 200


def test_no_token_stands_in_the_log_nor_in_the_store(guarded: Guarded) -> None:
    with guarded.client("admin") as client:
        client.get(f"/apis/v2beta1/runs/{guarded.secrets['admin']}", params={"page_token": guarded.secrets["admin"]})
    written = guarded.log.getvalue()
    assert '"caller": "admin"' in written
    kept = b"".join(path.read_bytes() for path in Path(guarded.home.directory).rglob("*") if path.is_file())
    for secret in guarded.secrets.values():
        assert secret not in written
        assert secret.encode() not in kept
