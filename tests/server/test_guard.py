"""What stands before every route: tokens, what a browser may not be talked into, bounds, measures, the log."""

from __future__ import annotations

import asyncio
import io
import json
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from palmette.blobs import Blobs
from palmette.domain.hosting import Role
from palmette.errors import UsageError
from palmette.operations import tokens
from palmette.operations.home import Home
from palmette.server import caller, journal
from palmette.server.auth import Auth
from palmette.server.guard import before
from palmette.server.limits import Bounds, Limits
from palmette.server.measures import Measures
from palmette.store import database

Ask = Callable[..., httpx.Response]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    directory = tmp_path_factory.mktemp("guarded") / "home"
    home = Home(directory=directory, project="", store=database.open(directory), blobs=Blobs(directory / "blobs"))
    yield home
    home.store.close()


@pytest.fixture
def home(kept: Home) -> Iterator[Home]:
    """A home whose tokens are gone with the test."""
    yield kept
    for token in tokens.listed(kept):
        tokens.revoke(kept, token.name)


async def who(request: Request) -> JSONResponse:
    """Says who asks, and how long the body is."""
    asked = caller.of(request.scope)
    body = await request.body()
    return JSONResponse({"name": asked.name, "role": asked.role, "size": len(body)})


def fails(_request: Request) -> JSONResponse:
    raise RuntimeError("nobody foresaw this")


def application(home: Home, hosts: Sequence[str], **options: Any) -> Starlette:
    routes = [
        Route("/apis/v2beta1/healthz", who),
        Route("/apis/v2beta1/runs/{run_id}", who, methods=["GET", "POST"]),
        Route("/apis/palmette/v1/runs", who, methods=["GET", "POST"]),
        Route("/fails", fails),
    ]
    return Starlette(
        routes=routes, middleware=list(before(home, hosts, options.pop("measures", Measures(home)), **options))
    )


def asking(app: Any, host: str = "127.0.0.1:8080") -> Ask:
    """Asks the application as a client would, without a socket."""

    def ask(method: str, path: str, **options: Any) -> httpx.Response:
        async def once() -> httpx.Response:
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=f"http://{host}") as client:
                return await client.request(method, path, **options)

        return asyncio.run(once())

    return ask


# Tokens


def test_without_tokens_everybody_on_this_machine_may_do_everything(home: Home) -> None:
    answer = asking(application(home, ["127.0.0.1"]))("POST", "/apis/v2beta1/runs/r1").json()
    assert answer == {"name": "", "role": "admin", "size": 0}


@pytest.mark.parametrize("hosts", [["0.0.0.0"], ["127.0.0.1", "192.0.2.1"], ["::"], ["team.example"]])
def test_where_others_reach_the_server_every_request_needs_a_token(home: Home, hosts: list[str]) -> None:
    ask = asking(application(home, hosts))
    refused = ask("GET", "/apis/v2beta1/runs/r1")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert refused.json()["code"] == 16
    assert ask("GET", "/apis/palmette/v1/runs").json()["error"]["message"].startswith("this server wants a token")
    assert ask("GET", "/nothing/here").status_code == 401
    assert ask("GET", "/apis/v2beta1/healthz").status_code == 200


def test_once_there_is_a_token_this_machine_needs_one_too(home: Home) -> None:
    ask = asking(application(home, ["127.0.0.1"]))
    assert ask("GET", "/apis/v2beta1/runs/r1").status_code == 200
    made = tokens.create(home, "ci", Role.READ, lifetime=None)
    assert ask("GET", "/apis/v2beta1/runs/r1").status_code == 401
    sent = [
        {"authorization": f"Bearer {made.secret}"},
        {"x-palmette-token": made.secret},
        {"cookie": f"a=b; palmette_token={made.secret}"},
    ]
    for headers in sent:
        answer = ask("GET", "/apis/v2beta1/runs/r1", headers=headers)
        assert answer.json() == {"name": "ci", "role": "read", "size": 0}
    tokens.revoke(home, "ci")
    assert ask("GET", "/apis/v2beta1/runs/r1", headers=sent[0]).json()["name"] == ""


def test_a_token_that_has_expired_is_nobodys(home: Home) -> None:
    made = tokens.create(home, "ci", Role.ADMIN, lifetime=60, now=1000.0)
    clock = [1030.0]
    app = application(home, ["127.0.0.1"])
    ask = asking(Auth(app, home=home, hosts=["127.0.0.1"], now=lambda: clock[0]))
    sent = {"authorization": f"Bearer {made.secret}"}
    # The inner guard knows the real time; this one is asked first.
    assert "nobody's" in ask("GET", "/apis/v2beta1/runs/r1", headers=sent).json()["message"]
    outer = asking(Auth(Starlette(routes=[Route("/", who)]), home=home, hosts=["127.0.0.1"], now=lambda: clock[0]))
    assert outer("GET", "/", headers=sent).status_code == 200
    clock[0] = 1060.0
    assert outer("GET", "/", headers=sent).status_code == 401


def test_who_guesses_is_held_up_and_a_neighbour_is_not(home: Home) -> None:
    made = tokens.create(home, "ci", Role.READ, lifetime=None)
    ask = asking(application(home, ["0.0.0.0"]))
    good, bad = ({"authorization": f"Bearer {token}"} for token in (made.secret, "pal_guess"))
    codes = [ask("GET", "/apis/v2beta1/runs/r1", headers=bad).status_code for _ in range(25)]
    assert (codes[0], codes[19], codes[20], codes[24]) == (401, 401, 429, 429)
    assert ask("GET", "/apis/v2beta1/runs/r1", headers=good).status_code == 200


def test_a_server_that_others_reach_does_not_start_without_a_valid_token(home: Home) -> None:
    tokens.require(home, ["127.0.0.1", "localhost", "::1"])
    with pytest.raises(UsageError, match=r"others can reach the server.*no token that is valid") as refused:
        tokens.require(home, ["127.0.0.1", "0.0.0.0"])
    assert "palmette token create" in refused.value.hint
    tokens.create(home, "old", Role.ADMIN, lifetime=1, now=0.0)
    with pytest.raises(UsageError):
        tokens.require(home, ["0.0.0.0"])
    tokens.create(home, "new", Role.ADMIN, lifetime=None)
    tokens.require(home, ["0.0.0.0"])


# Browsers


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "[::2]:8080", "10.0.0.1"]
)
def test_a_name_that_was_made_to_point_here_is_refused(home: Home, host: str) -> None:
    refused = asking(application(home, ["127.0.0.1"]))("GET", "/apis/v2beta1/runs/r1", headers={"host": host})
    assert refused.status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost:8080", "[::1]:8080", "127.1.2.3:1", "LOCALHOST"])
def test_this_machines_own_names_are_taken(home: Home, host: str) -> None:
    answer = asking(application(home, ["127.0.0.1"]))("GET", "/apis/v2beta1/runs/r1", headers={"host": host})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site"},
    ],
)
def test_a_page_of_another_site_changes_nothing(home: Home, headers: dict[str, str]) -> None:
    made = tokens.create(home, "ci", Role.ADMIN, lifetime=None)
    ask = asking(application(home, ["127.0.0.1"]))
    cookie = {"cookie": f"palmette_token={made.secret}"}
    assert ask("POST", "/apis/v2beta1/runs/r1", headers=headers | cookie).status_code == 403
    own = {"origin": "http://127.0.0.1:8080", "sec-fetch-site": "same-origin"}
    assert ask("POST", "/apis/v2beta1/runs/r1", headers=own | cookie).status_code == 200


# Bounds

SMALL = Bounds(body=1000, address=200, header_count=20, headers=1000, pause=30.0, rate=10)


def test_what_is_too_large_is_refused_with_an_answer(home: Home) -> None:
    ask = asking(application(home, ["127.0.0.1"], bounds=SMALL))
    assert ask("POST", "/apis/v2beta1/runs/r1", content=b"x" * 1000).json()["size"] == 1000
    assert ask("POST", "/apis/v2beta1/runs/r1", content=b"x" * 1001).status_code == 413
    assert ask("GET", f"/apis/v2beta1/runs/{'r' * 200}").status_code == 414
    assert ask("GET", "/apis/v2beta1/runs/r1", headers={"x-long": "x" * 1000}).status_code == 431
    assert ask("GET", "/apis/v2beta1/runs/r1", headers={f"x-{n}": "x" for n in range(20)}).status_code == 431


def test_a_body_that_does_not_say_its_size_is_counted(home: Home) -> None:
    async def endless() -> Any:
        while True:
            yield b"x" * 100

    refused = asking(application(home, ["127.0.0.1"], bounds=SMALL))("POST", "/apis/v2beta1/runs/r1", content=endless())
    assert refused.status_code == 413
    assert refused.json()["message"] == "the body of a request may have 1000 bytes at the most"


def sent_by(parts: Sequence[bytes | None], bounds: Bounds, clock: Callable[[], float]) -> int:
    """The status of a request whose body comes in these parts; None never comes."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [],
        "app": None,
    }
    coming, statuses = iter(parts), []

    async def receive() -> dict[str, Any]:
        part = next(coming)
        if part is None:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": part, "more_body": True}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    app = Limits(Starlette(routes=[Route("/", who, methods=["POST"])]), bounds=bounds, clock=clock)
    asyncio.run(app(scope, receive, send))
    (status,) = statuses
    return int(status)


def test_a_body_that_stops_or_trickles_is_given_up() -> None:
    assert sent_by([b"x", None], replace(SMALL, pause=0.01), lambda: 0.0) == 408
    seconds = iter(range(0, 1000, 10))
    assert sent_by([b"x"] * 50, SMALL, lambda: float(next(seconds))) == 408


def test_so_many_requests_at_once_and_no_more() -> None:
    async def together() -> list[int]:
        held = asyncio.Event()

        async def waits(_request: Request) -> JSONResponse:
            await held.wait()
            return JSONResponse({})

        app = Limits(Starlette(routes=[Route("/", waits)]), bounds=replace(SMALL, requests=2))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
            asked = [asyncio.create_task(client.get("/")) for _ in range(2)]
            await asyncio.sleep(0)
            while app._running < 2:
                await asyncio.sleep(0)
            third = await client.get("/")
            held.set()
            first, second = await asyncio.gather(*asked)
            return [first.status_code, second.status_code, third.status_code, (await client.get("/")).status_code]

    assert asyncio.run(together()) == [200, 200, 503, 200]


# Measures


def test_requests_count_under_their_route_and_made_up_ones_under_one_name(home: Home) -> None:
    measures = Measures(home)
    ask = asking(application(home, ["127.0.0.1"], measures=measures))
    for number in range(3):
        ask("GET", f"/apis/v2beta1/runs/r{number}")
        ask("GET", f"/made/up/{number}")
        ask(f"MADE{number}", "/apis/v2beta1/runs/r1")
    assert ask("GET", "/fails").status_code == 500

    lines = measures.text().decode().splitlines()
    counted = [line for line in lines if line.startswith("palmette_http_requests_total")]
    assert 'palmette_http_requests_total{method="GET",route="/apis/v2beta1/runs/{run_id}",status="200"} 3.0' in counted
    assert 'palmette_http_requests_total{method="GET",route="other",status="404"} 3.0' in counted
    assert 'palmette_http_requests_total{method="GET",route="/fails",status="500"} 1.0' in counted
    assert len(counted) == 4
    for told in ("palmette_store_readable 1.0", 'palmette_runs{state="failed"} 0.0', "palmette_queue_runs 0.0"):
        assert told in lines


# The log


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What is logged as JSON from now on."""
    names = ("palmette", "uvicorn", "uvicorn.error", "uvicorn.access")
    before = {
        name: (list((it := logging.getLogger(name)).handlers), it.level, it.propagate, it.disabled) for name in names
    }
    stream = io.StringIO()
    journal.begin(journal.Form.JSON, stream)
    yield stream
    for name, (handlers, level, propagate, disabled) in before.items():
        logger = logging.getLogger(name)
        logger.handlers[:], logger.propagate, logger.disabled = handlers, propagate, disabled
        logger.setLevel(level)


def test_a_request_is_one_line_with_its_number_and_without_what_is_confidential(home: Home, log: io.StringIO) -> None:
    made = tokens.create(home, "ci", Role.RUN, lifetime=None)
    ask = asking(application(home, ["127.0.0.1"]))
    answer = ask(
        "GET",
        f"/apis/v2beta1/runs/f3ka0000?page_size=5&filter=hunter2&token={made.secret}",
        headers={"authorization": f"Bearer {made.secret}", "x-request-id": "mine-1"},
    )
    assert answer.headers["x-request-id"] == "mine-1"
    (line,) = log.getvalue().splitlines()
    said = json.loads(line)
    assert {name: said[name] for name in ("request", "caller", "run", "status", "method")} == {
        "request": "mine-1", "caller": "ci", "run": "f3ka0000", "status": 200, "method": "GET",
    }  # fmt: skip
    assert said["query"] == {"page_size": "5", "filter": "…", "token": "…"}
    assert "hunter2" not in line
    assert made.secret not in line


@pytest.mark.parametrize("form", list(journal.Form))
def test_nothing_that_is_asked_for_makes_a_second_line_or_moves_the_cursor(
    home: Home, log: io.StringIO, form: journal.Form
) -> None:
    journal.begin(form, log)
    ask = asking(application(home, ["0.0.0.0"]))
    secret = "pal_" + "x" * 43
    ask("GET", f"/a%0d%0aINFO%20forged%1b[2J%e2%80%a8{secret}", headers={"x-request-id": "two\tparts"})
    logging.getLogger("palmette.server").warning(
        "from %s\nforged\x1b[2J Bearer abc.def", f"https://me:pw@host/{secret}"
    )

    written = log.getvalue()
    assert len(written.splitlines()) == 2
    assert all(each.isprintable() or each == "\n" for each in written)
    for confidential in (secret, "me:pw", "abc.def"):
        assert confidential not in written


def test_an_answer_that_ends_because_the_server_stops_is_no_failure(home: Home, log: io.StringIO) -> None:
    uvicorn = logging.getLogger("uvicorn.error")
    uvicorn.error("Exception in ASGI application", exc_info=asyncio.CancelledError("graceful shutdown exceeded"))
    assert log.getvalue() == ""
    uvicorn.error("Exception in ASGI application", exc_info=ValueError("of ours"))
    assert "of ours" in log.getvalue()


def test_what_failed_is_one_line_of_the_request_and_one_of_the_failure_at_the_most(
    home: Home, log: io.StringIO
) -> None:
    assert asking(application(home, ["127.0.0.1"]))("GET", "/fails").status_code == 500
    said = [json.loads(line) for line in log.getvalue().splitlines()]
    assert [entry["status"] for entry in said if entry.get("event") == "request"] == [500]
    assert said[0]["level"] == "error"
