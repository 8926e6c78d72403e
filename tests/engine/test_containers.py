"""A task runs in its image where Docker or Podman is asked for: the command line, and what is left behind."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest

from palmette.engine.executors.choice import CONTAINER, Executors
from palmette.engine.executors.containers import command_line
from palmette.engine.ports import Container, Exited, Launch, Mount, Started

HERE = Container(runtime="docker", image="busybox:1", name="palmette-r1-t-1", variables=("GIVEN", "PATH"))

#: Stands in for Docker: writes down what it was asked, and runs the command here with nothing but what is handed on.
DOCKER = f"""#!{sys.executable}
import json, os, pathlib, sys
log = pathlib.Path(__file__).with_name("calls")
with log.open("a") as file:
    file.write(json.dumps({{"argv": sys.argv[1:], "pid": os.getpid()}}) + chr(10))
if sys.argv[1] == "rm":
    sys.exit(1)
words, command, environment, entry = sys.argv[2:], [], {{}}, []
while words and words[0].startswith("-"):
    word = words.pop(0)
    value = words.pop(0) if word != "--rm" else ""
    if word == "--env":
        name, _, given = value.partition("=")
        environment[name] = given if "=" in value else os.environ[name]
    elif word == "--workdir":
        os.chdir(value)
    elif word == "--entrypoint":
        entry = [value]
os.execvpe((entry + words[1:])[0], entry + words[1:], {{"PATH": os.environ["PATH"], **environment}})
"""


def launch(directory: Path, *command: str, environment: Mapping[str, str] | None = None) -> Launch:
    given = {"PATH": "/image/bin", "GIVEN": "g", **(environment or {})}
    return Launch(
        id="t#1",
        command=command,
        args=("a",),
        environment=given,
        directory=directory,
        log=directory / "log",
        container=HERE,
    )


def test_the_command_line_says_all_that_the_task_asks_for(tmp_path: Path) -> None:
    asked = replace(
        launch(tmp_path, "sh", "-c"),
        memory=1 << 30,
        gpus=(0, 2),
        user=7,
        mounts=(
            Mount(at="/data", what="", source=tmp_path / "a,b", within="p"),
            Mount(at="/dev/shm", what="", size=64),
            Mount(at="/keys", what="", files={"k": "secret"}),
            Mount(at="/scratch", what=""),
        ),
        container=replace(HERE, pull="never", cpus=1.5),
    )
    words = command_line(asked, {"/keys": tmp_path / "keys"}, (5, 6))
    pairs = list(itertools.pairwise(words))
    for pair in (
        ("--name", "palmette-r1-t-1"),
        ("--memory", str(1 << 30)),
        ("--cpus", "1.5"),
        ("--gpus", '"device=0,2"'),
        ("--user", "7:7"),
        ("--pull", "never"),
        ("--workdir", str(tmp_path / "work")),
        ("--mount", f"type=bind,source={tmp_path},target={tmp_path}"),
        ("--mount", f'type=bind,"source={tmp_path}/a,b/p",target=/data'),
        ("--mount", f"type=bind,source={tmp_path}/keys,target=/keys,readonly"),
        ("--tmpfs", "/scratch:rw,mode=1777"),
        ("--shm-size", "64"),
        ("--env", "GIVEN"),
        ("--env", "PATH=/image/bin"),
    ):
        assert pair in pairs
    assert words[-5:] == ["--entrypoint", "sh", "busybox:1", "-c", "a"]
    assert "secret" not in " ".join(words)


def test_an_image_says_its_own_command_where_the_component_has_none(tmp_path: Path) -> None:
    words = command_line(launch(tmp_path), {}, (5, 6))
    assert words[-2:] == ["busybox:1", "a"]
    assert "--entrypoint" not in words
    assert words[words.index("--user") + 1] == "5:6"


def test_podman_is_asked_for_gpus_in_its_own_words(tmp_path: Path) -> None:
    asked = replace(launch(tmp_path), gpus=(1,), container=replace(HERE, runtime="/usr/bin/podman"))
    assert "nvidia.com/gpu=1" in command_line(asked, {}, (0, 0))


T = TypeVar("T", Started, Exited)


@dataclass
class Yard:
    """A stand-in for Docker, and an executor that asks it."""

    directory: Path
    executor: Executors

    def calls(self) -> list[list[str]]:
        return [json.loads(line)["argv"] for line in (self.directory / "calls").read_text().splitlines()]

    def launch(self, *command: str, mounts: tuple[Mount, ...] = ()) -> Launch:
        attempt = self.directory / "attempt"
        (attempt / "work").mkdir(parents=True, exist_ok=True)
        here = replace(HERE, runtime=str(self.directory / "docker"), variables=("GIVEN",))
        return replace(launch(attempt, *command), args=(), container=here, mounts=mounts)

    def until(self, kind: type[T]) -> T:
        for _ in range(300):
            for report in self.executor.wait(0.1):
                if isinstance(report, kind):
                    return report
        raise AssertionError(f"no {kind.__name__}")


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    program = tmp_path / "docker"
    program.write_text(DOCKER)
    program.chmod(0o755)
    executor = Executors(environment={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)})
    yield Yard(tmp_path, executor)
    executor.close()


def test_a_task_gets_its_own_variables_and_nothing_of_this_machines(yard: Yard) -> None:
    yard.executor.start(yard.launch("sh", "-c", 'echo "$GIVEN,$XDG_RUNTIME_DIR,$PYTHONUNBUFFERED,$PWD"; exit 3'))
    assert yard.until(Started).how == CONTAINER
    assert yard.until(Exited).code == 3
    assert (yard.directory / "attempt" / "log").read_text() == f"g,,1,{yard.directory}/attempt/work\n"
    assert not list(yard.directory.glob("palmette-*"))


def test_a_task_that_is_ended_leaves_no_container(yard: Yard) -> None:
    yard.executor.start(yard.launch("sleep", "600", mounts=(Mount(at="/k", what="", files={"a": "b"}),)))
    yard.until(Started)
    yard.executor.end("t#1", 0)
    assert yard.until(Exited).code == 128 + signal.SIGKILL
    assert yard.calls()[-1] == ["rm", "--force", HERE.name]
    assert not list(yard.directory.glob("palmette-*"))


DRIVER = """
import os, sys
from pathlib import Path
from palmette.engine.executors.choice import Executors
from palmette.engine.ports import Container, Launch, Started
home = Path(sys.argv[1])
executor = Executors(environment={**os.environ, "XDG_RUNTIME_DIR": str(home)})
here = Container(runtime=str(home / "docker"), image="i", name="palmette-dead", variables=())
(home / "attempt" / "work").mkdir(parents=True)
executor.start(Launch(id="t#1", command=("sleep", "600"), args=(), environment={}, directory=home / "attempt",
    log=home / "attempt" / "log", container=here))
while not (home / "calls").exists():
    executor.wait(0.1)
print("up", flush=True)
executor.wait(600)
"""


def test_a_driver_that_is_killed_leaves_no_container(yard: Yard) -> None:
    command = [sys.executable, "-c", DRIVER, str(yard.directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as driver:
        assert driver.stdout is not None
        assert driver.stdout.readline() == b"up\n"
        driver.kill()
    for _ in range(1200):
        if yard.calls()[-1] == ["rm", "--force", "palmette-dead"] and not list(yard.directory.glob("palmette-*")):
            return
        yard.executor.wait(0.05)
    raise AssertionError(yard.calls())


@pytest.fixture(scope="module")
def short() -> Iterator[str]:
    """A directory for sockets: where their paths do not fit, Podman waits 20 seconds for each container."""
    with tempfile.TemporaryDirectory(prefix="pod", dir="/tmp", ignore_cleanup_errors=True) as place:
        yield place


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory, short: str) -> Path:
    """The directory of a Podman that keeps everything there, and starts an image that came from no registry."""
    program, busybox = shutil.which("podman"), shutil.which("busybox")
    if not program or not busybox:
        pytest.skip("Podman or a static busybox is not installed")
    home = tmp_path_factory.mktemp("podman")
    (home / "containers.conf").write_text(
        '[containers]\nnetns = "none"\ndefault_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]\n'
        f'[engine]\ncgroup_manager = "cgroupfs"\nevents_logger = "none"\n{_runtime()}'
    )
    (home / "storage.conf").write_text(f'[storage]\ndriver = "vfs"\ngraphroot = "{home}/graph"\nrunroot = "{short}"\n')
    with tarfile.open(home / "tiny.tar", "w") as archive:
        archive.add(busybox, "bin/busybox")
        for name in ("sh", "cat", "sleep", "id"):
            link = tarfile.TarInfo(f"bin/{name}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            archive.addfile(link)
    environ = {**os.environ, **_podman(home)}
    subprocess.run(
        [program, "import", home / "tiny.tar", "localhost/tiny"], env=environ, check=True, capture_output=True
    )
    tried = subprocess.run(
        [program, "run", "--rm", "localhost/tiny", "sh", "-c", "exit 7"], env=environ, check=False, capture_output=True
    )
    if tried.returncode != 7:
        pytest.skip(f"Podman does not start here: {tried.stderr.decode().strip()[-200:]}")
    return home


def _runtime() -> str:
    return 'runtime = "runc"\n' if shutil.which("runc", path=f"{os.environ.get('PATH', '')}:/usr/sbin") else ""


def _podman(home: Path) -> dict[str, str]:
    return {"CONTAINERS_CONF": str(home / "containers.conf"), "CONTAINERS_STORAGE_CONF": str(home / "storage.conf")}


def test_podman_runs_a_task_in_its_image_and_nothing_of_it_stays(podman: Path, tmp_path: Path) -> None:
    environ = {**os.environ, **_podman(podman)}
    executor = Executors(environment=environ)
    work = tmp_path / "attempt" / "work"
    work.mkdir(parents=True)
    here = Container(runtime="podman", image="localhost/tiny", name="palmette-real", variables=("GIVEN",))
    script = 'echo "$GIVEN"; cat /k/a; echo made > out; test ! -e /etc/passwd -o ! -e /usr/bin/python3'
    asked = replace(
        launch(tmp_path / "attempt", "sh", "-c", script),
        args=(),
        mounts=(Mount(at="/k", what="", files={"a": "kept"}),),
        container=here,
    )
    try:
        executor.start(asked)
        yard = Yard(tmp_path, executor)
        assert yard.until(Exited).code == 0, (tmp_path / "attempt" / "log").read_text()
        assert (tmp_path / "attempt" / "log").read_text() == "g\nkept"
        assert (work / "out").read_text() == "made\n"
        executor.start(replace(asked, command=("sleep", "600")))
        yard.until(Started)
        executor.end("t#1", 0)
        yard.until(Exited)
    finally:
        executor.close()
    assert _entry(podman, tmp_path / "own") == "its own\n"
    left = subprocess.run(["podman", "ps", "-aq"], env=environ, capture_output=True, text=True, check=True)
    assert left.stdout == ""


def _entry(podman: Path, directory: Path) -> str:
    """What an image prints that says its own command."""
    environ = {**os.environ, **_podman(podman)}
    change = ["--change", 'ENTRYPOINT ["/bin/sh", "-c", "echo its own"]']
    words = ["podman", "import", *change, str(podman / "tiny.tar"), "localhost/entry"]
    subprocess.run(words, env=environ, check=True, capture_output=True)
    (directory / "work").mkdir(parents=True)
    executor = Executors(python=Path(sys.executable), environment=environ)
    here = Container(runtime="podman", image="localhost/entry", name="palmette-entry")
    try:
        executor.start(replace(launch(directory), args=(), container=here))
        Yard(directory, executor).until(Exited)
    finally:
        executor.close()
    return (directory / "log").read_text()
