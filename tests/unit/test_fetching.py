"""Pipeline files by URL, from a real server on this machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from palmette.errors import UsageError
from palmette.operations.fetching import fetch


class Files(BaseHTTPRequestHandler):
    """A pipeline file, and ways to elsewhere."""

    def do_GET(self) -> None:
        elsewhere = {"/moved": "/dir/a%20b.yaml", "/local": "file:///etc/hostname", "/ftp": "ftp://127.0.0.1/x"}
        if self.path in elsewhere:
            self.send_response(302)
            self.send_header("Location", elsewhere[self.path])
            self.end_headers()
        elif self.path.startswith("/dir/"):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"name: x")
        elif self.path == "/huge":
            self.send_response(200)
            self.end_headers()
            for _ in range(33):
                self.wfile.write(b"#" * 1024 * 1024)
        else:
            self.send_error(404)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Where the files are."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Files)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on this machine is not asked for at a proxy."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_a_file_comes_with_its_name_wherever_it_was_moved(site: str) -> None:
    assert fetch(f"{site}/dir/a%20b.yaml") == ("a b.yaml", b"name: x")
    assert fetch(f"{site}/moved")[1] == b"name: x"


@pytest.mark.parametrize("path", ["/nothing", "/huge", "/local", "/ftp"])
def test_what_cannot_be_a_pipeline_is_refused(site: str, path: str) -> None:
    with pytest.raises(UsageError):
        fetch(f"{site}{path}")


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "/etc/passwd", "", "ftp://host/x", "http://", "http://[::1", "http://a b/", "https://ä/"],
)
def test_only_the_web_is_asked(url: str) -> None:
    with pytest.raises(UsageError, match="no URL"):
        fetch(url)


def test_a_host_that_does_not_answer_is_named() -> None:
    with pytest.raises(UsageError, match=r"http://127\.0\.0\.1:1/x\.yaml cannot be fetched"):
        fetch("http://127.0.0.1:1/x.yaml")
