"""Environments that are built from pins: by real uv, of real wheels, shared by processes that are killed."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from palmette.capture import uv
from palmette.domain.run import Pin
from palmette.errors import EnvironmentFailed
from palmette.operations import environments
from palmette.operations.shelf import Kept, Shelf

UV = Path(sys.executable).parent / "uv"
PATIENCE = 120.0
#: Builds one environment, says so, and holds it until its input ends.
HOLDER = """
import json, os, sys
from pathlib import Path
from palmette.domain.run import Pin
from palmette.operations import environments
pins = [Pin(name=name, version=version, hashes=tuple(hashes)) for name, version, hashes in json.loads(sys.argv[1])]
with environments.shelf(os.environ) as shelf:
    print(shelf.interpreter(pins, environments.base(Path(sys.executable), os.environ), name="shared"), flush=True)
    sys.stdin.read()
"""
#: Stands in for a uv that takes its time: says that it has begun, then waits to be killed.
SLOW = """#!/bin/sh
case "$*" in *" sync "*) : > "{mark}"; exec sleep 600;; esac
exec "{uv}" "$@"
"""


def wheel(directory: Path, name: str, version: str) -> Pin:
    """A wheel with one module that says its version; how it is pinned."""
    files = {
        f"{name}.py": f"version = {version!r}\n",
        f"{name}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{name}-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = f"{name}-{version}.dist-info/RECORD"
    files[record] = "".join(f"{path},,\n" for path in [*files, record])
    path = directory / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in files.items():
            archive.writestr(zipfile.ZipInfo(inner, (2020, 1, 1, 0, 0, 0)), text)
    return Pin(name=name, version=version, hashes=(f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}",))


@dataclass
class User:
    """Somebody with a cache of their own, and the wheels that their uv finds."""

    top: Path
    environ: dict[str, str]
    started: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def wheels(self) -> Path:
        return self.top / "wheels"

    @property
    def shelf(self) -> Shelf:
        return environments.shelf(self.environ)

    def python(self, shelf: Shelf, pins: Sequence[Pin]) -> Path:
        return shelf.interpreter(pins, environments.base(Path(sys.executable), self.environ), name="shared")

    def hold(self, pins: Sequence[Pin], **environ: str) -> subprocess.Popen[str]:
        """Another process that builds the environment or waits for it, and holds it."""
        asked = json.dumps([[pin.name, pin.version, list(pin.hashes)] for pin in pins])
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, asked],
            env={**self.environ, **environ},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def kept(self) -> list[Kept]:
        """What is there, in the order of its use; nothing is removed."""
        return [*self.shelf.collect(0, dry_run=True)]


@pytest.fixture
def user(tmp_path: Path) -> Iterator[User]:
    (tmp_path / "wheels").mkdir()
    user = User(
        tmp_path,
        {
            "PATH": f"{UV.parent}:{os.environ['PATH']}",
            "HOME": str(tmp_path),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
            "UV_FIND_LINKS": str(tmp_path / "wheels"),
            "UV_OFFLINE": "1",
        },
    )
    yield user
    for process in user.started:
        process.kill()
        process.communicate()


@pytest.fixture
def pin(user: User) -> Callable[[str, str], Pin]:
    return lambda name, version: wheel(user.wheels, name, version)


def said(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


def eventually(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.02)


def version(python: Path) -> str:
    done = subprocess.run(
        [python, "-c", "import thing; print(thing.version)"], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_an_environment_holds_exactly_what_is_pinned_and_is_built_once(user: User, pin: Callable[..., Pin]) -> None:
    old, new = [pin("thing", "1.0")], [pin("thing", "2.0")]
    with user.shelf as shelf:
        first, second = user.python(shelf, old), user.python(shelf, new)
        assert (version(first), version(second)) == ("1.0", "2.0")
        (user.wheels / "thing-1.0-py3-none-any.whl").unlink()
        assert user.python(shelf, old) == first


def test_bytecode_is_compiled_when_it_is_built(user: User, pin: Callable[..., Pin]) -> None:
    with user.shelf as shelf:
        python = user.python(shelf, [pin("thing", "1.0")])
    assert [*python.parent.parent.glob("lib/python3*/site-packages/__pycache__/thing.*.pyc")]


def test_whoever_needs_the_same_at_once_waits_for_the_one_that_builds_it(user: User, pin: Callable[..., Pin]) -> None:
    log = user.top / "uv.log"
    (user.top / "bin").mkdir()
    counting = user.top / "bin" / "uv"
    counting.write_text(f'#!/bin/sh\necho "$*" >> "{log}"\nexec "{UV}" "$@"\n')
    counting.chmod(0o755)
    pins = [pin("thing", "1.0")]
    holders = [user.hold(pins, PATH=f"{counting.parent}:{os.environ['PATH']}") for _ in range(4)]
    assert len({said(holder) for holder in holders}) == 1
    assert sum(" sync " in line for line in log.read_text().splitlines()) == 1


def test_a_builder_that_is_killed_leaves_nothing_that_counts(user: User, pin: Callable[..., Pin]) -> None:
    pins, mark = [pin("thing", "1.0")], user.top / "begun"
    (user.top / "bin").mkdir()
    slow = user.top / "bin" / "uv"
    slow.write_text(SLOW.format(mark=mark, uv=UV))
    slow.chmod(0o755)
    killed = user.hold(pins, PATH=f"{slow.parent}:{os.environ['PATH']}")
    eventually(mark.exists)
    children = Path(f"/proc/{killed.pid}/task/{killed.pid}/children").read_text().split()
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    # Its uv runs on and holds the lock, so that nobody builds in the same place.
    other = user.hold(pins)
    os.kill(int(children[0]), signal.SIGKILL)
    assert version(said(other)) == "1.0"


def test_a_build_that_fails_leaves_nothing_behind(user: User, pin: Callable[..., Pin]) -> None:
    good = pin("thing", "1.0")
    wrong = Pin(name="thing", version="1.0", hashes=("sha256:" + "0" * 64,))
    with (
        user.shelf as shelf,
        pytest.raises(EnvironmentFailed, match="the environment shared cannot be built") as failed,
    ):
        user.python(shelf, [wrong])
    assert "Hash mismatch for `thing==1.0`" in failed.value.hint
    assert good.hashes[0] in failed.value.hint
    assert user.kept() == []
    assert not [path for path in user.shelf.directory.iterdir() if path.is_dir()]


def test_a_version_that_is_gone_is_named(user: User) -> None:
    with user.shelf as shelf, pytest.raises(EnvironmentFailed) as failed:
        user.python(shelf, [Pin(name="thing", version="9.9")])
    assert "thing==9.9" in failed.value.hint
    assert failed.value.hint.endswith("No hashes are known of thing.")


def test_an_index_that_cannot_be_reached_is_named(user: User) -> None:
    del user.environ["UV_OFFLINE"]
    user.environ |= {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple", "UV_HTTP_RETRIES": "0"}
    with user.shelf as shelf, pytest.raises(EnvironmentFailed) as failed:
        user.python(shelf, [Pin(name="thing", version="1.0", hashes=("sha256:" + "0" * 64,))])
    assert "Failed to fetch: http://127.0.0.1:9/simple/thing/" in failed.value.hint


def test_without_uv_the_error_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="there is no uv") as failed:
        uv.find({"PATH": str(tmp_path)}, beside=tmp_path)
    assert "pip install uv" in failed.value.hint


def test_nothing_in_it_can_be_written_without_changing_permissions(user: User, pin: Callable[..., Pin]) -> None:
    with user.shelf as shelf:
        prefix = user.python(shelf, [pin("thing", "1.0")]).parent.parent
    paths = [path for path in prefix.rglob("*") if not path.is_symlink()]
    assert len(paths) > 5
    assert [path for path in (prefix, *paths) if path.stat().st_mode & 0o222] == []


def test_a_file_that_was_changed_is_found_and_the_environment_built_again(
    user: User, pin: Callable[..., Pin], caplog: pytest.LogCaptureFixture
) -> None:
    pins = [pin("thing", "1.0")]
    with user.shelf as shelf:
        python = user.python(shelf, pins)
    (module,) = python.parent.parent.glob("lib/python3*/site-packages/thing.py")
    module.chmod(0o600)
    module.write_text("version = 'broken'\n")
    with user.shelf as shelf:
        assert version(user.python(shelf, pins)) == "1.0"
    assert f"was changed since it was built ({module.relative_to(python.parent.parent)})" in caplog.text


def test_what_is_in_use_is_not_collected_and_a_killed_user_holds_nothing(user: User, pin: Callable[..., Pin]) -> None:
    pins = [pin("thing", "1.0")]
    holder = user.hold(pins)
    place = said(holder).parent.parent
    (used,) = user.shelf.collect(0)
    assert (used.name, used.directory, used.in_use, used.removed) == ("shared", place, True, False)
    assert used.size > 0
    holder.kill()
    holder.wait()
    (preview,) = user.kept()
    assert (preview.in_use, preview.removed, place.exists()) == (False, True, True)
    assert [kept.removed for kept in user.shelf.collect(3600)] == [False]
    assert [kept.removed for kept in user.shelf.collect(0)] == [True]
    assert [*user.shelf.directory.iterdir()] == []


def test_what_an_old_run_had_is_built_again_from_its_pins(user: User, pin: Callable[..., Pin]) -> None:
    running = ".".join(str(part) for part in sys.version_info[:2])
    with user.shelf as shelf:
        python = environments.build([pin("thing", "1.0")], f"{running}.99", user.environ, held=shelf)
        assert version(python) == "1.0"
        with pytest.raises(EnvironmentFailed, match=r"there is no Python 3\.3 on this machine"):
            environments.build([], "3.3.1", user.environ, held=shelf)


@pytest.mark.parametrize(
    ("settings", "variables", "options"),
    [
        ("", {}, []),
        ("[global]\nindex-url = https://a/simple\n", {}, ["--default-index", "https://a/simple"]),
        (
            "[global]\nextra-index-url =\n  https://a\n  https://b\n",
            {},
            ["--index", "https://a", "--index", "https://b"],
        ),
        ("[global]\nindex-url = https://a\n", {"PIP_INDEX_URL": "https://b"}, ["--default-index", "https://b"]),
        ("[global]\nno-index = true\nfind-links = https://a\n", {}, ["--find-links", "https://a", "--no-index"]),
        ("[global]\nindex-url = https://a\n", {"UV_DEFAULT_INDEX": "https://c"}, []),
    ],
)
def test_packages_come_from_where_the_users_pip_has_them_unless_uv_was_told(
    tmp_path: Path, settings: str, variables: Mapping[str, str], options: list[str]
) -> None:
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip" / "pip.conf").write_text(settings)
    # What the machine's own pip is told comes first, and is left out here.
    environ = {"XDG_CONFIG_HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    before = uv.sources({**environ, "XDG_CONFIG_HOME": os.devnull}, tmp_path)
    found = uv.sources({**environ, **variables}, tmp_path)
    assert [option for option in found if option not in before or option in options] == options


def test_pips_certificates_are_uvs(tmp_path: Path) -> None:
    environ = {"PATH": str(UV.parent), "PIP_CERT": "/etc/hospital.pem"}
    assert uv.find(environ).environ["SSL_CERT_FILE"] == "/etc/hospital.pem"
    assert uv.find({**environ, "SSL_CERT_FILE": "/mine.pem"}).environ["SSL_CERT_FILE"] == "/mine.pem"
