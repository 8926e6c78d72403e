"""What lies outside the store: known by its bytes, or by what its host says of it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import ClassVar

import pytest
import time_machine

from palmette.authoring.references import InputFile, Reference
from palmette.blobs import Blobs
from palmette.blobs.references import KeptDigests, NoDigests, References
from palmette.domain.artifact import Artifact, Outputs
from palmette.domain.graph import Field, ParameterType, Reading
from palmette.domain.run import Setting, Source
from palmette.engine.references import bring, standing
from palmette.errors import ConfigError, NotFound, PalmetteError
from palmette.operations.outside import Outside, copy, placed


class Counted:
    """Digests that are kept in memory, and counted."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.hits = 0

    def known(self, looks: Sequence[str]) -> Mapping[str, str]:
        found = {look: self.kept[look] for look in looks if look in self.kept}
        self.hits += len(found)
        return found

    def learn(self, digests: Mapping[str, str]) -> None:
        self.kept |= digests


@pytest.fixture
def data(tmp_path: Path) -> Path:
    directory = tmp_path / "project" / "data"
    (directory / "empty").mkdir(parents=True)
    (directory / "a.csv").write_text("a,1\n")
    (directory / "link.csv").symlink_to("a.csv")
    return directory


@pytest.fixture
def there(tmp_path: Path, data: Path) -> References:
    return References(tmp_path / "project", NoDigests())


def test_a_file_has_the_digest_that_it_would_have_in_the_store(there: References, data: Path, tmp_path: Path) -> None:
    found = there.content("data/a.csv")
    (tmp_path / "same").write_text("a,1\n")
    digest, size = Blobs(tmp_path / "blobs").put(tmp_path / "same")
    assert (found.digest, found.size, found.filename, found.uri) == (digest, size, "a.csv", str(data / "a.csv"))
    assert there.content(f"file://{data}/a.csv") == found


def test_a_directory_counts_by_its_files_and_links_count_as_what_they_point_to(there: References, data: Path) -> None:
    before = there.content("data")
    assert before.digest.startswith("sha256-dir:")
    assert (before.filename, before.size) == ("data/", 8)
    (data / "link.csv").unlink()
    (data / "link.csv").write_text("a,1\n")
    assert there.content("data") == before
    (data / "a.csv").write_text("a,2\n")
    assert there.content("data").digest != before.digest


def test_what_is_not_there_or_goes_in_circles_is_refused(there: References, data: Path) -> None:
    with pytest.raises(NotFound, match=r"nothing\.csv does not exist"):
        there.content("data/nothing.csv")
    (data / "round").symlink_to(data)
    with pytest.raises(PalmetteError, match="a directory that holds it"):
        there.content("data")


def test_a_file_that_looks_unchanged_is_not_read_again(tmp_path: Path, data: Path) -> None:
    digests = Counted()
    there = References(tmp_path, digests)
    look = f"{data}/a.csv"
    status = (data / "a.csv").stat()
    with time_machine.travel(status.st_ctime + 1, tick=False):
        there.content(look)
    assert digests.kept == {}, "it changed just now, and may again without looking it"
    digests.kept[f"{look}\0{status.st_dev}:{status.st_ino}:4:{status.st_mtime_ns}:{status.st_ctime_ns}"] = "0" * 64
    assert there.content(look).digest == "sha256:" + "0" * 64
    (data / "a.csv").write_text("b,2\n")
    # A file system's clock may stand still for some milliseconds.
    os.utime(data / "a.csv", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert there.content(look).digest != "sha256:" + "0" * 64
    assert digests.hits == 1


def test_digests_are_kept_in_a_file_and_one_that_is_broken_knows_nothing(tmp_path: Path) -> None:
    kept = KeptDigests(tmp_path / "digests")
    kept.learn({f"look {number}": str(number) for number in range(1200)})
    assert KeptDigests(tmp_path / "digests").known([f"look {number}" for number in range(1199, 1203)]) == {
        "look 1199": "1199"
    }
    (tmp_path / "broken").write_bytes(b"no database" * 100)
    KeptDigests(tmp_path / "broken").learn({"a": "b"})
    assert KeptDigests(tmp_path / "broken").known(["a"]) == {}


class Answers(BaseHTTPRequestHandler):
    """A web server that says what `headers` holds of every path but one."""

    headers_said: ClassVar[dict[str, str]] = {}
    asked: ClassVar[list[str]] = []

    def do_HEAD(self) -> None:
        self.asked.append(self.path)
        self.send_response(404 if self.path == "/gone" else 200)
        for name, value in self.headers_said.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is printed."""


@pytest.fixture
def web() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Answers)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_web_address_counts_by_its_etag_and_is_not_fetched(there: References, web: str) -> None:
    Answers.headers_said = {"ETag": '"v1"', "Content-Length": "12"}
    found = there.content(f"{web}/x/labels.csv?version=2")
    assert (found.digest, found.size, found.filename) == ('etag:"v1"', 12, "labels.csv")
    Answers.headers_said = {"Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT", "Content-Length": "12"}
    assert there.content(f"{web}/labels.csv").digest == "modified:Mon, 01 Jan 2024 00:00:00 GMT;12"


def test_an_address_whose_changes_cannot_be_noticed_is_refused(there: References, web: str) -> None:
    Answers.headers_said = {}
    with pytest.raises(PalmetteError, match="neither ETag nor Last-Modified"):
        there.content(f"{web}/labels.csv")
    with pytest.raises(NotFound, match="does not exist"):
        there.content(f"{web}/gone")


def test_an_object_store_that_nothing_can_read_names_the_extra(there: References) -> None:
    with pytest.raises(PalmetteError) as caught:
        there.content("gs://bucket/x")
    assert "palmette[gcs]" in caught.value.hint


def test_what_changed_since_it_was_recorded_is_not_used(there: References, data: Path, tmp_path: Path) -> None:
    outside = Outside(there)
    found = outside.refer("data/a.csv")
    recorded = Artifact(
        type="system.Artifact", digest=found.digest, size=found.size, filename=found.filename, uri=found.uri
    )
    outputs = Outputs(artifacts={"output": recorded})
    assert standing(outputs, outside)
    blobs = Blobs(tmp_path / "blobs")
    bring(recorded, Path(found.uri), blobs, outside)
    bring(recorded, tmp_path / "in" / "a.csv", blobs, outside)
    assert (tmp_path / "in" / "a.csv").read_text() == "a,1\n", "only for another place it is copied"
    copy(recorded, tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "a,1\n"
    (data / "a.csv").write_text("a,2\n")
    assert not standing(outputs, outside)
    with pytest.raises(PalmetteError) as caught:
        bring(recorded, Path(found.uri), blobs, outside)
    assert recorded.digest in caught.value.message
    assert outside.refer("data/a.csv").digest in caught.value.message
    with pytest.raises(PalmetteError, match="is not what it was"):
        copy(recorded, tmp_path / "again")
    assert not (tmp_path / "again").exists()
    (data / "a.csv").unlink()
    assert not standing(outputs, outside)


FILES = (Field(name="labels", type=ParameterType.STRING, reading=Reading.FILE),)


def test_a_path_begins_at_the_project_and_one_that_was_typed_where_that_was(tmp_path: Path, data: Path) -> None:
    root = tmp_path / "project"

    def settled(value: str, *, typed: Path | None = None) -> object:
        setting = Setting(name="labels", value=value, source=Source.OVERRIDE if typed else Source.DEFAULT)
        return placed(FILES, [setting], root, {"labels": typed} if typed else {})[0].value

    assert settled("data/a.csv") == "data/a.csv"
    assert settled("a.csv", typed=data) == "data/a.csv"
    assert settled("../data", typed=data) == "data"
    assert settled(str(data / "a.csv")) == "data/a.csv"
    (tmp_path / "outside").touch()
    assert settled("../outside") == str(tmp_path / "outside")
    assert settled("s3://bucket/x") == "s3://bucket/x"


def test_a_file_that_is_missing_is_said_with_its_field(tmp_path: Path, data: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        placed(FILES, [Setting(name="labels", value="nope.csv")], tmp_path, {})
    assert "labels: nope.csv does not exist" in str(caught.value)
    assert f"A path here begins at the project, {tmp_path}." in str(caught.value)


def test_a_reference_is_the_text_of_its_address() -> None:
    assert Reference(Path("/data")) == "/data"
    assert Reference("file:///data").path == Path("/data")
    assert repr(InputFile("a.csv")) == "InputFile('a.csv')"
    assert Reference("s3://bucket/x").remote
    with pytest.raises(ValueError, match="not on this machine"):
        Reference("s3://bucket/x").path  # noqa: B018
