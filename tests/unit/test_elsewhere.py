"""What lies on another machine: a real web server and a real store of objects, here in this process."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.request import Request, urlopen

import pytest
from moto.server import ThreadedMotoServer

from palmette.blobs import elsewhere
from palmette.blobs.references import NoDigests, References
from palmette.errors import NotFound, PalmetteError


class Web(BaseHTTPRequestHandler):
    """Serves /data; sends others round in circles, or to where no web is; knows no HEAD of /old."""

    def _answer(self) -> None:
        if self.path == "/circle" or self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", self.path.partition("?")[2] or "/circle")
        elif self.path == "/old" and self.command == "HEAD":
            self.send_response(405)
        elif self.path == "/gone":
            self.send_response(404)
        else:
            self.send_response(200)
            self.send_header("ETag", '"7"')
            self.send_header("Content-Length", "4")
        self.end_headers()

    do_HEAD = _answer

    def do_GET(self) -> None:
        self._answer()
        if self.path in ("/data", "/old"):
            self.wfile.write(b"rows")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture(scope="module")
def web() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as environ:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "a",
            "AWS_SECRET_ACCESS_KEY": "b",
            "AWS_DEFAULT_REGION": "us-east-1",
        }.items():
            environ.setenv(name, value)
        yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def there() -> References:
    return References(Path("/"), NoDigests())


def test_a_file_on_the_web_is_known_by_its_tag_and_copied_whole(web: str, there: References, tmp_path: Path) -> None:
    for path in ("/data", "/old", f"/to?{web}/data"):
        assert there.content(web + path).digest == 'etag:"7"'
        target = tmp_path / str(len(path))
        there.fetch(web + path, target)
        assert target.read_bytes() == b"rows"


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("/circle", "infinite loop"),
        ("/to?file:///etc/passwd", "is not allowed"),
        ("/to?ftp://127.0.0.1/x", "no web address"),
    ],
)
def test_a_web_server_cannot_send_us_round_for_ever_or_elsewhere(
    web: str, path: str, why: str, there: References, tmp_path: Path
) -> None:
    for ask in (lambda: there.content(web + path), lambda: there.fetch(web + path, tmp_path / "x")):
        with pytest.raises(PalmetteError, match=why):
            ask()
    assert not (tmp_path / "x").exists()


def test_what_is_gone_or_too_large_is_said_so(web: str, there: References, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="does not exist"):
        there.content(f"{web}/gone")
    with pytest.raises(PalmetteError, match="larger than 3 bytes"):
        elsewhere.downloaded(f"{web}/data", tmp_path / "x", largest=3)


def test_an_object_is_described_and_copied(bucket: str, there: References, tmp_path: Path) -> None:
    for path, content in (("shelf", b""), ("shelf/rows.csv", b"a,b")):
        headers = {"Content-Type": "application/octet-stream"}
        urlopen(Request(f"{bucket}/{path}", data=content, headers=headers, method="PUT"), timeout=30).close()
    found = there.content("s3://shelf/rows.csv")
    assert (found.uri, found.size, found.filename) == ("s3://shelf/rows.csv", 3, "rows.csv")
    assert found.digest.startswith("etag:")
    there.fetch("minio://shelf/rows.csv", tmp_path / "rows.csv")
    assert (tmp_path / "rows.csv").read_text() == "a,b"
    with pytest.raises(NotFound, match="does not exist"):
        there.content("s3://shelf/nothing")


def test_what_nothing_here_can_read_names_what_would(there: References) -> None:
    with pytest.raises(PalmetteError) as caught:
        there.content("gs://bucket/key")
    assert caught.value.hint == "Install Palmette with what reads it: pip install 'palmette[gcs]'."
