"""What is kept for runs: secrets that are never shown again, config maps, volumes, and tokens."""

from __future__ import annotations

import os
import pty
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from conftest import Project

VALUE = "correct horse battery"

CODE = """
    import os
    from palmette import Metrics, algorithm, step

    @step(secrets=["DB_PASSWORD"])
    def fetch() -> Metrics:
        password = os.environ["DB_PASSWORD"]
        print("connecting with", password)
        return Metrics(length=len(password))

    @algorithm
    def upload() -> None:
        fetch()
"""


def holding(top: Path, value: str) -> list[Path]:
    """The files below a directory that hold a value."""
    return [path for path in top.rglob("*") if path.is_file() and value.encode() in path.read_bytes()]


def test_a_step_finds_its_secret_in_the_store_and_nothing_anywhere_shows_it(bare: Project) -> None:
    bare.write("algorithms/__init__.py", "")
    bare.write("algorithms/upload.py", CODE)
    set_ = bare("secret", "set", "palmette", "DB_PASSWORD=-", typed=f"{VALUE}\n")
    assert set_.err == "set: palmette/DB_PASSWORD\n"

    run = bare.run("upload")
    logged = bare("logs").out
    again = bare.run("upload")

    assert (run.task("fetch")["state"], again.cached) == ("succeeded", {"fetch"})
    assert "connecting with ***" in logged
    said = [bare(*verb).out for verb in (["show", "--json"], ["secret"], ["secret", "list", "--json"])]
    assert not [text for text in (logged, *said) if VALUE in text]
    assert holding(bare.directory, VALUE) == []

    bare("secret", "rekey")
    assert bare.run("upload").cached == {"fetch"}


def test_the_value_of_a_secret_is_taken_from_a_file_the_env_file_and_standard_input_alone(empty: Project) -> None:
    empty.write("password.txt", "two\nlines\n")
    empty.write("some.env", "A=1\nexport B='two'\n")
    empty("secret", "set", "db", "password=@password.txt", "user=-", "--env-file", "some.env", typed="ada\n")
    assert [entry["key"] for entry in empty.json("secret", "list")[0]["keys"]] == ["A", "B", "password", "user"]

    refused = empty("secret", "set", "db", f"password={VALUE}", code=2)
    assert "stands on the command line" in refused.err
    assert VALUE not in refused.err
    assert "nobody is there to be asked for password" in empty("secret", "set", "db", "password", code=2).err


def test_a_secret_is_asked_for_twice_at_a_terminal_and_not_shown(empty: Project) -> None:
    shown = typed(empty, ["secret", "set", "db", "password"], f"{VALUE}\n{VALUE}\n")
    assert "set: db/password" in shown
    assert VALUE not in shown


def typed(project: Project, arguments: list[str], text: str) -> str:
    """What a terminal shows of a command at which this is typed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.directory)
        os.execvpe("palmette", ["palmette", *arguments], project.environ)
    seen = b""
    for line in text.splitlines(keepends=True):
        asked = seen.count(b": ")
        while seen.count(b": ") == asked:
            seen += os.read(terminal, 1024)
        os.write(terminal, line.encode())
    try:
        while part := os.read(terminal, 1024):
            seen += part
    except OSError:  # Linux says EIO once nobody has the other end open
        pass
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, seen
    return seen.decode()


def test_nothing_is_kept_yet_is_said_and_makes_nothing(empty: Project) -> None:
    for verb in ("secret", "configmap", "volume", "token"):
        assert f"No {'config map' if verb == 'configmap' else verb}s yet." in empty(verb).err
        assert empty.json(verb) == []
    assert "nothing is kept in" in empty("secret", "delete", "db", code=2).err
    assert not empty.exists(".palmette")


MISTAKES = {
    "configmap set settings REGION": "REGION has no value",
    "configmap set Settings a/b=1": "'a/b' is no name that a cluster would take",
    "volume create ../data": "cannot be the name of a volume\n",
    "volume create data --path nowhere": "there is no directory",
    "volume create data --size big": "'big' is no size",
    "secret set db password=-": "no value was given for password",
    "token create a/b": "cannot be the name of a token",
    "token create ci --expires soon": "no time for which a token could be valid",
    "token revoke ci": "there is no token ci",
}


def test_what_is_refused_makes_no_store(empty: Project) -> None:
    for typed_in in MISTAKES:
        if "revoke" not in typed_in:
            empty(*typed_in.split(), typed="", code=2)
    assert not any(empty.directory.iterdir())


def test_a_mistake_is_said_with_what_to_do(empty: Project) -> None:
    empty("configmap", "set", "other", "A=1")
    for typed_in, said in MISTAKES.items():
        error = empty(*typed_in.split(), typed="", code=2).err
        assert said in error
        assert len(error.splitlines()) > 1


def test_a_config_map_is_shown_whole_and_by_key(empty: Project) -> None:
    empty.write("app.yaml", "x: 1\n")
    empty("configmap", "set", "settings", "REGION=eu", "app.yaml=@app.yaml")
    assert empty("configmap", "show", "settings", "app.yaml").out == "x: 1\n"
    assert empty.json("configmap", "show", "settings")["values"] == {"REGION": "eu", "app.yaml": "x: 1\n"}
    empty("configmap", "delete", "settings", "REGION")
    assert empty.json("configmap", "list")[0]["keys"] == ["app.yaml"]


def test_a_token_is_shown_once_and_only_its_digest_is_kept(empty: Project) -> None:
    secret = empty("token", "create", "ci", "--role", "read").out.strip()
    assert secret.startswith("pal_")
    assert len(secret) > 40
    assert "there is a token ci already" in empty("token", "create", "ci", code=1).err
    assert [(entry["name"], entry["role"]) for entry in empty.json("token", "list")] == [("ci", "read")]
    assert holding(empty.directory, secret) == []
    empty("token", "revoke", "ci")
    assert empty.json("token", "list") == []


def test_lists_fit_a_narrow_terminal(empty: Project) -> None:
    empty("secret", "set", "db", *(f"A_LONG_KEY_{number}=-" for number in range(1)), typed="x")
    empty("configmap", "set", "settings", *(f"A_LONG_KEY_{number}=x" for number in range(20)))
    empty("volume", "create", "a-volume-with-quite-a-long-name-for-a-volume")
    empty("token", "create", "somebody.with.a.long.name@example.org")
    for verb in ("secret", "configmap", "volume", "token"):
        code, seen = empty.terminal(verb)
        assert code == 0
        assert max(len(line.rstrip("\r")) for line in click.unstyle(seen).split("\n")) <= 80, seen
