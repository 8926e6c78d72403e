"""Exchanges with forges and trackers: what is read, what is refused, and where what opens them goes."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from tests.standins.loopback import Answer, Asked, Loopback

from palmette.ci import web
from palmette.ci.web import Web, WebError

OPENING = {"Authorization": "Bearer secret-of-the-test"}


class Service(Loopback):
    """Answers what a test says."""

    def __init__(self) -> None:
        self.say: Callable[[Asked], Answer] = lambda asked: Answer(
            body={"path": asked.path, "query": dict(asked.query)}
        )
        super().__init__()

    def answer(self, asked: Asked) -> Answer:
        return self.say(asked)


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.stop()


@pytest.fixture
def other() -> Iterator[Service]:
    made = Service()
    yield made
    made.stop()


def asked(base: str, **settings: Any) -> Web:
    return Web(base, OPENING, called="JIRA", **settings)


def refused(web: Web, method: str = "GET", path: str = "/x") -> WebError:
    with pytest.raises(WebError) as raised:
        web.ask(method, path)
    shown = f"{raised.value} {raised.value.reason} {raised.value!r}"
    assert "secret-of-the-test" not in shown
    return raised.value


def test_what_is_asked_stands_below_the_base(service: Service) -> None:
    reply = asked(f"{service.url}/jira/").ask("PUT", "/rest/a%20b", (("q", "ü&"),), {"a": [1]})
    assert reply.json == {"path": "/jira/rest/a%20b", "query": {"q": "ü&"}}
    [request] = service.requests
    assert (request.method, request.body) == ("PUT", {"a": [1]})
    assert request.headers["authorization"] == OPENING["Authorization"]
    assert request.headers["user-agent"].startswith("palmette/")


@pytest.mark.parametrize(
    ("answer", "reason", "temporary"),
    [
        (Answer(status=401, body={"message": "no"}), "401", False),
        (Answer(status=503, body={}), "503", True),
        (Answer(status=404, raw=b"<html>", headers={"Content-Type": "text/html"}), "404", False),
        (Answer(raw=b"<html>", headers={"Content-Type": "text/html; charset=utf-8"}), "answered HTML, not JSON", False),
        (Answer(raw=b'{"cut": '), "answered something else, not JSON", False),
    ],
)
def test_what_is_no_success_is_an_error_with_its_reason(
    service: Service, answer: Answer, reason: str, temporary: bool
) -> None:
    service.say = lambda _: answer
    error = refused(asked(service.url))
    assert (error.reason, error.temporary, error.exit_code) == (reason, temporary, 69)
    assert error.status == answer.status


def test_what_the_answer_says_is_kept_and_when_to_ask_again(service: Service) -> None:
    dates = {"Date": "Sun, 22 Nov 2026 10:00:00 GMT", "Retry-After": "Sun, 22 Nov 2026 10:01:30 GMT"}
    service.say = lambda _: Answer(status=429, body={"message": "slow down"}, headers=dates)
    error = refused(asked(service.url))
    assert (error.json, error.retry_after, error.temporary) == ({"message": "slow down"}, 90.0, True)
    service.mode = "limited"
    assert refused(asked(service.url)).retry_after == 60.0


def test_a_redirect_is_followed_on_the_same_server_alone(service: Service, other: Service) -> None:
    service.say = lambda asked: (
        Answer(status=302, headers={"Location": "/there?a=1"}) if asked.path == "/x" else Answer(body=asked.path)
    )
    assert asked(service.url).ask("GET", "/x").json == "/there"

    # Another port is another server, however its host is spelled; and what changes something is not said twice.
    service.say = lambda _: Answer(status=307, headers={"Location": f"{other.url}/x"})
    assert refused(asked(service.url)).reason == "redirects to http://127.0.0.1"
    service.say = lambda _: Answer(status=307, headers={"Location": "/there"})
    assert "redirects" in refused(asked(service.url), "POST").reason
    assert other.requests == []
    assert [each.path for each in service.requests] == ["/x", "/there", "/x", "/x"]

    service.say = lambda _: Answer(status=302, headers={"Location": "/x"})
    assert refused(asked(service.url)).reason == "redirects without end"


def test_the_time_is_that_of_the_whole_exchange(service: Service) -> None:
    service.mode = "slow"
    error = refused(asked(service.url, seconds=0.2))
    assert (error.reason, error.temporary) == ("timed out", True)


def test_an_answer_that_never_ends_is_given_up() -> None:
    """Each byte comes in time; without an end for the whole of it this test would not end either."""
    enough = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def drip() -> None:
            line, _ = listening.accept()
            with line:
                line.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
                while not enough.wait(0.02):
                    try:
                        line.sendall(b" ")
                    except OSError:
                        enough.set()

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        error = refused(asked(f"http://127.0.0.1:{listening.getsockname()[1]}", seconds=0.3))
        # The connection is let go of, so that whoever drips notices.
        thread.join()
    assert error.reason == "timed out"
    assert enough.is_set()


def test_an_answer_that_is_too_large_is_not_read(service: Service) -> None:
    service.say = lambda _: Answer(raw=b" " * (web.LIMIT + 1))
    assert refused(asked(service.url)).reason == "answered more than 8 MiB"


def test_what_cannot_be_asked_says_why_without_what_opens_it(service: Service) -> None:
    with socket.socket() as silent:
        # It is taken and nobody listens: no one else can come to listen there meanwhile.
        silent.bind(("127.0.0.1", 0))
        assert refused(asked(f"http://127.0.0.1:{silent.getsockname()[1]}")).reason == "nobody answers there"
    assert refused(asked("ftp://tracker")).reason == "its address is none"
    assert refused(asked("https://ada:secret-of-the-test@tracker")).reason == "its address is none"
    opening = {"Authorization": "Bearer secret-of-the-test\nX: y"}
    assert refused(Web(service.url, opening, called="JIRA")).reason == "bad token"
    service.mode = "down"
    assert refused(asked(service.url)).reason == "closed the connection"
    assert "secret-of-the-test" not in repr(asked(service.url))


def test_a_proxy_is_asked_for_what_is_not_on_this_machine(service: Service) -> None:
    proxied = {"HTTP_PROXY": service.url.replace("http://", "http://bob:word@"), "NO_PROXY": "spared.invalid"}
    web = Web("http://tracker.example/jira", OPENING, called="JIRA", environ=proxied)
    service.say = lambda asked: Answer(body=asked.path)
    assert web.ask("GET", "/x").json == "/jira/x"
    [request] = service.requests
    assert request.headers["proxy-authorization"] == "Basic Ym9iOndvcmQ="
    assert request.headers["host"] == "tracker.example"
    refused(Web("http://spared.invalid", OPENING, called="JIRA", environ=proxied))
    assert len(service.requests) == 1
    assert asked(service.url, environ={"http_proxy": "http://127.0.0.1:1"}).ask("GET", "/x").json == "/x"


def test_authorities_that_cannot_be_read_are_an_error_of_their_own(tmp_path: Any) -> None:
    broken = tmp_path / "ca.pem"
    broken.write_text("no certificate")
    environ = {"SSL_CERT_FILE": str(broken)}
    assert refused(asked("https://127.0.0.1:1", environ=environ)).reason == "no authorities"
    usual = ssl.get_default_verify_paths().cafile
    if usual:
        named = asked("https://127.0.0.1:1", environ={"REQUESTS_CA_BUNDLE": usual})
        assert refused(named).reason == "nobody answers there"


def listed(service: Service, pages: Sequence[list[int]], links: Callable[[int], dict[str, str]]) -> list[Any]:
    def say(asked: Asked) -> Answer:
        number = int(asked.query.get("page", "1"))
        return Answer(body=pages[number - 1], headers=links(number))

    service.say = say
    return list(asked(f"{service.url}/api").each("/notes", (("sort", "asc"),)))


def test_a_list_is_read_to_its_last_page(service: Service) -> None:
    pages = [[1, 2], [3], [4]]
    gitlab = listed(service, pages, lambda number: {"X-Next-Page": str(number + 1) if number < 3 else ""})
    assert gitlab == [1, 2, 3, 4]
    assert [each.query["sort"] for each in service.requests] == ["asc"] * 3

    # The address of the next page names a host that nobody is to be sent to.
    def github(number: int) -> dict[str, str]:
        following = f'<https://elsewhere.example/api/notes?page={number + 1}&sort=asc>; rel="next"'
        last = '<https://elsewhere.example/api/notes?page=3>; rel="last"'
        return {"Link": f"{last}, {following}" if number < 3 else last}

    assert listed(service, pages, github) == [1, 2, 3, 4]
