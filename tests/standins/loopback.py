"""What every stand-in for a service of others is made of: a server on this machine that answers JSON."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request that arrived."""

    method: str
    #: as it was sent: percent signs are not resolved
    path: str
    query: Mapping[str, str]
    body: Any
    #: by lower-case name
    headers: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What is sent back."""

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    #: sent as it is, in place of `body`
    raw: bytes | None = None


class Loopback:
    """A server in threads. `answer` is called for one request at a time. `mode` is how it is today: "" well, "502"
    behind a proxy that finds nobody, "html" behind a page, "limited" too often asked, "down" closing each connection,
    and "slow" answering nobody before `resume` is called."""

    def __init__(self) -> None:
        self.mode = ""
        self.requests: list[Asked] = []
        self._lock = threading.RLock()
        self._resumed = threading.Event()
        handler = type("Handler", (_Handler,), {"owner": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def answer(self, asked: Asked) -> Answer:
        """What this service says to that."""
        raise NotImplementedError

    def resume(self) -> None:
        """Answer those that wait."""
        self._resumed.set()

    def stop(self) -> None:
        """Answer nobody any more."""
        self.resume()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def asked(self, method: str, ending: str = "") -> list[Asked]:
        """The requests of that method whose path ends so."""
        with self._lock:
            return [each for each in self.requests if each.method == method and each.path.endswith(ending)]

    def _told(self, asked: Asked) -> Answer | None:
        with self._lock:
            self.requests.append(asked)
            mode = self.mode
        match mode:
            case "down":
                return None
            case "502":
                return Answer(status=502, raw=b"<html>502 Bad Gateway</html>", headers={"Content-Type": "text/html"})
            case "html":
                return Answer(raw=b"<html>Please sign in</html>", headers={"Content-Type": "text/html"})
            case "limited":
                return Answer(status=429, body={"message": "429 Too Many Requests"}, headers={"Retry-After": "60"})
            case "slow":
                self._resumed.wait()
            case _:
                pass
        with self._lock:
            return self.answer(asked)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who asked did not wait: that is their business."""


class _Handler(BaseHTTPRequestHandler):
    owner: ClassVar[Loopback]
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        parts = urlsplit(self.path)
        sent = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type", "")
        body: Any = sent.decode(errors="replace")
        if "json" in kind and sent:
            body = json.loads(sent)
        elif "form" in kind:
            body = dict(parse_qsl(body))
        asked = Asked(
            method=self.command,
            path=parts.path,
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            body=body,
            headers={name.lower(): value for name, value in self.headers.items()},
        )
        answer = self.owner._told(asked)
        if answer is None:
            self.close_connection = True
            return
        self._send(answer)

    def _send(self, answer: Answer) -> None:
        content = (
            answer.raw if answer.raw is not None else b"" if answer.status == 204 else json.dumps(answer.body).encode()
        )
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def page(asked: Asked, entries: list[Any], *, usual: int, size: str = "per_page") -> tuple[list[Any], int, int]:
    """The entries of the page that was asked for, its number, and the next one's (0 for none)."""
    wide = min(int(asked.query.get(size, usual)), 100)
    number = int(asked.query.get("page", 1))
    rest = len(entries) > number * wide
    return entries[(number - 1) * wide : number * wide], number, number + 1 if rest else 0
