"""Reading lock files."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from palmette.capture.keeping import Keeping
from palmette.capture.locks import Lock, Locked, read
from palmette.errors import CaptureError

UV = """
version = 1
revision = 2
requires-python = ">=3.11"

[[package]]
name = "clinic"
version = "0.1.0"
source = { editable = "." }
dependencies = [{ name = "six" }]

[[package]]
name = "numpy"
version = "1.26.4"
source = { registry = "https://pypi.org/simple" }
resolution-markers = ["python_full_version < '3.12'"]
sdist = { url = "https://x/numpy.tar.gz", hash = "sha256:bb", size = 1 }
wheels = [
    { url = "https://x/numpy.whl", hash = "sha256:aa", size = 1 },
]

[[package]]
name = "numpy"
version = "2.0.0"
source = { registry = "https://pypi.org/simple" }
wheels = [{ url = "https://x/numpy.whl", hash = "sha256:cc" }]

[[package]]
name = "checkout"
source = { git = "https://x/y?rev=main#abc" }
"""

PYLOCK = """
lock-version = "1.0"
created-by = "uv"
[[packages]]
name = "Six"
version = "1.17.0"
sdist = { url = "https://x", hashes = { sha256 = "bb" } }
wheels = [{ url = "https://x", hashes = { sha256 = "aa" } }]
[[packages]]
name = "clinic"
directory = { path = ".", editable = true }
"""

POETRY = """
[[package]]
name = "six"
version = "1.17.0"
files = [{file = "six.whl", hash = "sha256:aa"}, {file = "six.tar.gz", hash = "sha256:bb"}]
[[package]]
name = "old"
version = "1"
[[package]]
name = "shared"
version = "1"
[package.source]
type = "directory"
url = "../libs/shared"
[metadata.files]
old = [{file = "old.whl", hash = "sha256:dd"}]
"""

REQUIREMENTS = """
# made by a tool with --hash
-i https://index
six==1.17.0 ; python_version >= "3.8" \\
    --hash=sha256:bb \\
    --hash=sha256:aa
    # via clinic
attrs[tests]==25.1.0 --hash=sha256:cc  # a remark
archive @ https://x/archive.zip --hash=sha256:dd
"""


@pytest.fixture
def keeping(tmp_path: Path) -> Keeping:
    return Keeping(tmp_path / "kept")


def lock(root: Path, keeping: Keeping, name: str, text: str, choice: str = "auto") -> Lock:
    (root / name).write_text(text)
    found = read(root, keeping, choice=choice)
    assert found is not None
    assert found == read(root, keeping, choice=choice), "what was kept says the same"
    return found


SIX = (Locked(version="1.17.0", hashes=("sha256:aa", "sha256:bb")),)


def test_uv(tmp_path: Path, keeping: Keeping) -> None:
    found = lock(tmp_path, keeping, "uv.lock", UV)
    assert found.entries == {
        "checkout": (Locked(version=""),),
        "clinic": (Locked(version="0.1.0", local=True),),
        "numpy": (
            Locked(version="1.26.4", hashes=("sha256:aa", "sha256:bb")),
            Locked(version="2.0.0", hashes=("sha256:cc",)),
        ),
    }
    assert (found.name, found.remedy) == ("uv.lock", "uv sync")
    assert found.digest == hashlib.sha256(UV.encode()).hexdigest()


def test_a_lock_that_uv_writes_itself(tmp_path: Path, keeping: Keeping) -> None:
    (tmp_path / "shared").mkdir()
    pyproject = '[project]\nname = "{}"\nversion = "1"\nrequires-python = ">=3.11"\n'
    (tmp_path / "shared" / "pyproject.toml").write_text(pyproject.format("shared"))
    (tmp_path / "pyproject.toml").write_text(
        pyproject.format("clinic")
        + 'dependencies = ["shared"]\n[tool.uv.sources]\nshared = { path = "shared", editable = true }\n'
    )
    command = [sys.executable, "-m", "uv", "lock", "-q", "--offline", "--directory", str(tmp_path)]
    subprocess.run([*command, "--python", sys.executable], check=True)
    found = read(tmp_path, keeping)
    assert found is not None
    assert {name: entry[0].local for name, entry in found.entries.items()} == {"clinic": True, "shared": True}


@pytest.mark.parametrize("name", ["pylock.toml", "pylock.gpu.toml"])
def test_pylock(tmp_path: Path, keeping: Keeping, name: str) -> None:
    found = lock(tmp_path, keeping, name, PYLOCK, choice=name)
    assert found.entries == {"clinic": (Locked(version="", local=True),), "six": SIX}


def test_poetry_in_both_its_forms(tmp_path: Path, keeping: Keeping) -> None:
    assert lock(tmp_path, keeping, "poetry.lock", POETRY).entries == {
        "old": (Locked(version="1", hashes=("sha256:dd",)),),
        "shared": (Locked(version="1", local=True),),
        "six": SIX,
    }


def test_requirements_with_hashes(tmp_path: Path, keeping: Keeping) -> None:
    assert lock(tmp_path, keeping, "requirements.txt", REQUIREMENTS).entries == {
        "archive": (Locked(version="", hashes=("sha256:dd",), url="https://x/archive.zip"),),
        "attrs": (Locked(version="25.1.0", hashes=("sha256:cc",)),),
        "six": (replace(SIX[0], marker='python_version >= "3.8"'),),
    }


def test_requirements_without_hashes_are_a_wish_and_no_lock(tmp_path: Path, keeping: Keeping) -> None:
    (tmp_path / "requirements.txt").write_text("six==1.17.0\n")
    assert read(tmp_path, keeping) is None
    with pytest.raises(CaptureError, match="has no hashes"):
        read(tmp_path, keeping, choice="requirements.txt")


def test_the_best_lock_is_taken_and_the_choice_is_the_users(tmp_path: Path, keeping: Keeping) -> None:
    for name, text in [("requirements.txt", REQUIREMENTS), ("poetry.lock", POETRY), ("pylock.toml", PYLOCK)]:
        assert lock(tmp_path, keeping, name, text).name == name
    assert lock(tmp_path, keeping, "uv.lock", UV).name == "uv.lock"
    assert lock(tmp_path, keeping, "poetry.lock", POETRY, choice="poetry.lock").name == "poetry.lock"
    assert read(tmp_path, keeping, choice="none") is None


def test_a_member_has_the_lock_of_its_workspace(tmp_path: Path, keeping: Keeping) -> None:
    (tmp_path / "uv.lock").write_text(UV)
    member = tmp_path / "packages" / "clinic"
    member.mkdir(parents=True)
    assert read(member, keeping) is None
    found = read(member, keeping, workspace=[tmp_path])
    assert found is not None
    assert found.name == "../../uv.lock"


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("uv.lock", "package = [", "Invalid"),
        ("uv.lock", "package = 3", "not a list of tables"),
        ("uv.lock", "[[package]]\nversion = '1'", "has no 'name'"),
        ("uv.lock", "[[package]]\nname = 'a'\nversion = 1", "a version is 1"),
        ("uv.lock", "[[package]]\nname = 'a'\nsource = 'b'\nwheels = 1", "not"),
        ("poetry.lock", "[[package]]\nname = 'a'", "has no 'version'"),
        ("pylock.toml", "[[packages]]\nname = 'a'\nwheels = [1]", "object"),
        ("requirements.txt", "six==1 --hash=sha256:a\n\nattrs \\\n  --hash=sha256:b\n", "line 3: attrs has no single"),
        ("requirements.txt", "six==1 --hash=sha256:a\nattrs==1\n", "line 2: attrs has no single"),
        ("requirements.txt", "six==1.* --hash=sha256:a\n", "line 1: six has no single"),
        ("requirements.txt", "six==1 --hash=sha256:a\n-e .\n", "line 2: -e cannot stand"),
        ("requirements.txt", "six==1 --hash=sha256:a\n!!\n", "line 2: "),
    ],
)
def test_a_malformed_lock_is_one_clear_error(tmp_path: Path, keeping: Keeping, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(CaptureError, match=f"{name} is not a lock file that can be read: .*{said}"):
        read(tmp_path, keeping)


def test_bytes_that_are_no_text_are_an_error_too(tmp_path: Path, keeping: Keeping) -> None:
    (tmp_path / "uv.lock").write_bytes(b"\xff\xfe")
    with pytest.raises(CaptureError, match="not a lock file"):
        read(tmp_path, keeping)
