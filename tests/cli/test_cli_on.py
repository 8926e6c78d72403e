"""Verbs on a server: who it is, what it refuses, what is sent to it. That screens are the same there is tested where
the verbs are."""

from __future__ import annotations

import http.server
import json
import shutil
import sqlite3
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

import palmette
from palmette.blobs import Blobs
from palmette.client.connection import Connection, Server
from palmette.domain.hosting import Role
from palmette.domain.run import Run, Setting
from palmette.domain.states import RunState
from palmette.errors import AccessDenied, NotFound, ServerError
from palmette.operations import offering, pushing, reading, tokens
from palmette.operations.home import serve_home
from palmette.operations.remote import reach
from palmette.store import database, runs

if TYPE_CHECKING:
    from conftest import Hub, Project


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory, user: dict[str, str], project_type: type[Project]) -> Path:
    """A project with one run, that made files, a directory, a curve and lines of a log."""
    project = project_type(tmp_path_factory.mktemp("once"), dict(user))
    project.write("pyproject.toml", SETTINGS)
    project.write("algorithms/made.py", MADE)
    project.run("made")
    return project.directory


SETTINGS = f"""
[tool.palmette]
name = "made"
python = "{sys.executable}"
"""
MADE = """
    from dataclasses import dataclass
    from pathlib import Path
    from palmette import Metric, Metrics, algorithm, log_metric, step

    @dataclass(frozen=True)
    class Config:
        seed: int = 0

    @step
    def pages(seed: int) -> Path:
        print("first line")
        folder = Path("folder")
        (folder / "inner").mkdir(parents=True)
        (folder / "a.txt").write_text("a")
        (folder / "inner" / "b.sh").write_text("b")
        (folder / "inner" / "b.sh").chmod(0o755)
        return folder

    @step
    def count(pages: Path) -> Metrics:
        for at in range(3):
            log_metric("loss", 1 / (at + 1), step=at)
        return Metrics(length=2.0)

    @algorithm(config=Config, metrics=[Metric("length")])
    def made(config: Config) -> None:
        count(pages(config.seed))
"""


@pytest.fixture
def made(once: Path, tmp_path: Path, user: dict[str, str], project_type: type[Project]) -> Iterator[Project]:
    """A copy of it, of a user who has logged in nowhere."""
    shutil.copytree(once, tmp_path / "made")
    project = project_type(tmp_path / "made", dict(user) | {"XDG_CONFIG_HOME": str(tmp_path / "config")})
    yield project
    project.end()


@pytest.fixture
def team(tmp_path: Path, hub: Hub) -> str:
    """The address of a server without runs."""
    return hub.of(tmp_path / "team")


@pytest.fixture
def strict(tmp_path: Path, hub: Hub) -> tuple[str, Callable[[Role], str]]:
    """The address of a server that wants tokens, and what makes them."""
    home = serve_home(tmp_path / "strict", None)

    def token(role: Role) -> str:
        return tokens.create(home, role.value, role, lifetime=None).secret

    return hub.of(tmp_path / "strict", host="0.0.0.0"), token


# Who it is


def test_a_server_is_kept_under_a_name_and_forgotten(made: Project, team: str) -> None:
    assert "role admin" in made("login", team, "--name", "team").err
    file = Path(made.environ["XDG_CONFIG_HOME"]) / "palmette" / "servers.toml"
    assert file.stat().st_mode & 0o077 == 0
    assert made.json("runs", "--on", "team") == []
    [row] = made("login", "--list", "--json").json
    assert (row["name"], row["role"], row["error"]) == ("team", "admin", None)
    made("logout", "team")
    assert "there is no server 'team'" in made("runs", "--on", "team", code=2).err
    assert "not logged in" in made("login", "--list").err


def test_a_token_is_demanded_kept_and_never_shown(made: Project, strict: tuple[str, Callable[[Role], str]]) -> None:
    url, token = strict
    reader = token(Role.READ)
    refused = made("login", url, "--name", "team", code=77)
    assert "wants a token" in refused.err
    assert "can be read by others" in made("login", url, "--token", reader, code=2).err
    assert "does not accept" in made("login", url, "--token", "-", typed="wrong", code=77).err
    done = made("login", url, "--name", "team", "--token", "-", typed=reader)
    assert "as read, with the role read" in done.err
    assert made.json("runs", "--on", "team") == []
    told = made("push", "last", "--on", "team", code=77).err
    assert "does not allow it: the token has the role read, and this needs one with the role run" in told
    for shown in (done.out + done.err, made("login", "--list").out, told):
        assert reader not in shown
    in_ci = {"PALMETTE_TOKEN": token(Role.RUN)}
    assert "pushed" in made("push", "last", "--on", url, environ=in_ci | {"XDG_CONFIG_HOME": "/nonexistent"}).err


def test_the_usual_server_is_a_setting_a_variable_or_none(made: Project, team: str) -> None:
    assert len(made.json("runs")) == 1
    assert made.json("runs", environ={"PALMETTE_ON": team}) == []
    made.replace("pyproject.toml", "[tool.palmette]", f'[tool.palmette]\non = "{team}"')
    assert made.json("runs") == []
    assert len(made.json("runs", environ={"PALMETTE_ON": "local"})) == 1
    assert len(made.json("runs", "--on", "local")) == 1


class _Other(http.server.BaseHTTPRequestHandler):
    """A server, and none of Palmette's."""

    def do_GET(self) -> None:
        moved = self.path.startswith("/moved")
        if self.path.endswith("/logs?follow=true"):
            # It is stopped in the middle of an answer.
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            self.wfile.write(b'9\r\n{"line":')
            return
        body = b"<html>hello"
        self.send_response(302 if moved else 200)
        self.send_header("Location", "https://elsewhere.example.org/")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def other() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Other)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_whatever_is_no_server_of_palmettes_is_one_clear_error(other: str) -> None:
    told = {
        other: "no server of Palmette's",
        f"{other}/moved": "sends to https://elsewhere.example.org/",
        other.replace("http:", "https:"): "does not speak TLS",
        "http://127.0.0.1:1": "nobody answers",
        "http://no-such-host.invalid": "there is no host",
    }
    for url, words in told.items():
        with pytest.raises(ServerError, match=words):
            palmette.connect(url)


def test_an_answer_that_breaks_off_is_not_blamed_on_the_address(other: str) -> None:
    connection = Connection(Server(url=other))
    with pytest.raises(ServerError, match="closed the connection in the middle of its answer") as caught:
        list(connection.stream("/runs/last/logs", (("follow", "true"),), accept="text/plain"))
    assert "Try again" in caught.value.hint


# What is sent to it


def test_a_run_that_is_pushed_is_the_same_there(made: Project, team: str) -> None:
    made("tag", "last", "good")
    pushed = made("push", "--on", team, "--json").json
    assert pushed["files"] > 5
    for verb in (["show", "--json"], ["logs"], ["why"]):
        assert made(*verb, "--on", team).out == made(*verb).out
    assert made.json("runs", "metric.loss.max > 0.9 and tag = good", "--on", team)[0]["run_id"] == pushed["run_id"]
    assert "is on" in made("push", "--on", team).err, "and is not sent again"


def test_a_push_that_was_cut_short_sends_only_the_rest(made: Project, team: str, tmp_path: Path) -> None:
    run = sent(made, team)
    forget_runs(tmp_path / "team")
    blob = next(path for path in (tmp_path / "team" / "blobs").glob("??/*") if path.read_bytes() == b"a")
    blob.unlink()
    rest = made("push", "--on", team, "--json").json
    assert (rest["run_id"], rest["known"], rest["files"], rest["bytes"]) == (run, False, 1, 1)
    assert reach(Server(url=team), "made")(reading.show, run).metrics["length"] == 2.0


def test_what_cannot_be_pushed_is_refused_and_leaves_nothing(made: Project, team: str) -> None:
    assert "no server is named" in made("push", code=2).err
    store = database.open(made.directory / ".palmette")
    runs.create(store, Run(id="run000000001", project="made", algorithm="made", state=RunState.RUNNING))
    store.close()
    assert "is not over: it is running" in made("push", "run000000001", "--on", team, code=2).err
    assert not list(reach(Server(url=team), "made")(offering.projects))


def test_an_id_that_is_taken_by_another_run_is_refused(made: Project, team: str, tmp_path: Path) -> None:
    run = sent(made, team)
    with sqlite3.connect(made.directory / ".palmette" / "store.db") as store:
        store.execute("UPDATE settings SET value = '7', number = 7")
    store.close()
    assert f"there is another run {run}" in made("push", "--on", team, code=1).err
    assert reach(Server(url=team), "made")(reading.show, run).run.config == {"seed": 0}


def sent(project: Project, team: str) -> str:
    """Push the only run, as the command does; its id."""
    home = replace(serve_home(project.directory / ".palmette", None), project="made")
    there = reach(Server(url=team), "made")
    with TemporaryDirectory() as directory:
        push = pushing.begin(home, "last", there, Path(directory))
        for _ in pushing.send(push, there):
            pass
        done = pushing.finish(push, there)
    home.store.close()
    there.connection.close()
    return done.run


def forget_runs(directory: Path) -> None:
    """As if a server had never accepted a run, but for the bytes."""
    store = database.open(directory)
    with store.write() as connection:
        connection.exec_driver_sql("DELETE FROM runs")
        connection.exec_driver_sql("DELETE FROM projects")
    store.close()


HOSTILE: dict[str, Callable[[dict[str, Any]], None]] = {
    "a task that leads elsewhere": lambda parcel: parcel["whole"]["tasks"][0].update(name="../../escaped"),
    "another project": lambda parcel: parcel["whole"]["run"].update(project="other"),
    "another run": lambda parcel: parcel["whole"]["run"].update(id="run000000002"),
    "a run that goes on": lambda parcel: parcel["whole"]["run"].update(state="RUNNING"),
    "bytes that are not there": lambda parcel: parcel["whole"]["run"].update(spec=f"sha256:{'0' * 64}"),
    "a log of no attempt": lambda parcel: parcel["logs"].update({"../x/1": next(iter(parcel["logs"].values()))}),
    "numbers that are texts": lambda parcel: parcel["whole"]["run"].update(created="yesterday"),
    "code that is none": lambda parcel: parcel["whole"]["run"].update(bundle="0" * 64),
}


def test_a_parcel_that_lies_is_refused(made: Project, team: str, tmp_path: Path) -> None:
    """Whoever may push is not trusted with more than runs of their own project."""
    run = sent(made, team)
    forget_runs(tmp_path / "team")
    blobs = Blobs(tmp_path / "team" / "blobs")
    parcels = (path for path in blobs.root.glob("??/*") if path.read_bytes().startswith(b'{"kind":"Parcel"'))
    written = next(parcels).read_text()
    before = set(tmp_path.glob("**/*"))
    for what, lie in HOSTILE.items():
        parcel = json.loads(written)
        lie(parcel)
        digest = blobs.put_bytes(json.dumps(parcel).encode())
        status = put(f"{team}/apis/palmette/v1/runs/{run}?project=made", {"parcel": digest})
        assert status in (400, 404), what
    new = {path for path in set(tmp_path.glob("**/*")) - before if "blobs" not in path.parts}
    assert not new
    with pytest.raises(NotFound):
        reach(Server(url=team), "made")(reading.show, run)


def put(url: str, body: Any, data: bytes | None = None) -> int:
    """The status of a PUT."""
    content = json.dumps(body).encode() if data is None else data
    request = urllib.request.Request(url, content, method="PUT", headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code


def test_bytes_that_are_not_their_digests_are_not_stored(made: Project, team: str, tmp_path: Path) -> None:
    digest = f"sha256:{'0' * 64}"
    assert put(f"{team}/apis/palmette/v1/blobs/{digest}", None, b"other") == 400
    assert put(f"{team}/apis/palmette/v1/blobs/..%2F..%2Fescaped", None, b"other") == 404
    assert not list((tmp_path / "team" / "blobs").glob("??/*"))


# What else changes there


def test_results_are_imported_searched_and_let_go_on_a_server(made: Project, team: str) -> None:
    made.write("old.csv", "algorithm,config.seed,metric.length,branch\nmade,3,4.5,main\nmade,4,5.5,main\n")
    made("import", "old.csv", "--on", team)
    assert [row["config"]["seed"] for row in made.json("runs", "sort config.seed", "--on", team)] == [3, 4]
    assert len(made.json("runs")) == 1, "nothing was written here"
    made("import", "old.csv", "--on", team)
    assert len(made.json("runs", "--on", team)) == 2
    gone = made.json("gc", "--runs", "config.seed = 3", "--yes", "--on", team)
    assert len(gone["deleted_runs"]) == 1
    assert [row["config"]["seed"] for row in made.json("runs", "--on", team)] == [4]


def test_a_run_of_nobody_is_canceled_there_and_projects_are_apart(made: Project, team: str, tmp_path: Path) -> None:
    store = database.open(tmp_path / "team")
    for number, project in enumerate(("made", "other")):
        settings = (Setting(name="seed", value=number),)
        run = Run(id=f"run00000000{number}", project=project, algorithm="made", settings=settings)
        runs.create(store, run)
    store.close()
    assert [row["run_id"] for row in made.json("runs", "--on", team)] == ["run000000000"]
    assert len(made.json("runs", "--all-projects", "--on", team)) == 2
    assert "is one of the project 'other'" in made("cancel", "run000000001", "--on", team, code=2).err
    assert made.json("cancel", "last", "--on", team)["state"] == "canceled"
    assert "is over" in made("cancel", "last", "--on", team, code=2).err


def test_an_artifact_is_fetched_whole_or_not_at_all(made: Project, team: str, tmp_path: Path) -> None:
    sent(made, team)
    made("artifacts", "get", "last", "pages", "-o", "copy", "--on", team)
    assert (made.directory / "copy" / "a.txt").read_text() == "a"
    assert (made.directory / "copy" / "inner" / "b.sh").stat().st_mode & 0o111
    blob = next(path for path in (tmp_path / "team" / "blobs").glob("??/*") if path.read_bytes() == b"a")
    blob.unlink()
    assert made("artifacts", "get", "last", "pages", "-o", "other", "--on", team, code=2).out == ""
    assert not [path for path in made.directory.iterdir() if "other" in path.name]


# Python


def test_python_sees_the_runs_of_a_server(made: Project, team: str) -> None:
    run_id = sent(made, team)
    home = palmette.connect(team, project="made")
    run = home.run()
    assert (run.id, run.state, run.config, run.metrics["length"]) == (run_id, RunState.SUCCEEDED, {"seed": 0}, 2.0)
    assert [point.step for point in run.curves["loss"]] == [0, 1, 2]
    assert run.log() == "pages │ first line\n"
    assert run["pages"].log == "first line\n"
    assert sorted(path.name for path in run.artifacts["pages.output"].path().iterdir()) == ["a.txt", "inner"]
    run.tag("seen")
    run.set_note("look again")
    assert (run.tags, run.note) == (("seen",), "look again")
    assert [each.id for each in home.runs("tag = seen", frame=False)] == [run_id]
    assert run.wait() is run
    first = run.diff()
    assert (first["head"], first["baseline"], first["verdict"]) == (run_id, None, "not comparable"), first
    with pytest.raises(NotFound, match="there is no run 'zzzz'"):
        home.run("zzzz")


def test_python_is_refused_without_a_token(strict: tuple[str, Callable[[Role], str]]) -> None:
    url, token = strict
    token(Role.READ)
    with pytest.raises(AccessDenied, match="wants a token"):
        palmette.connect(url)
    assert palmette.connect(url, token(Role.ADMIN)).about()["role"] == "admin"
