"""What the environments that steps name consist of, in each kind of lock."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

from palmette.capture.groups import Groups
from palmette.capture.installed import InterpreterFacts
from palmette.capture.keeping import Keeping
from palmette.errors import CaptureError

FACTS = InterpreterFacts(
    python="3.11.7",
    implementation="cpython",
    platform="linux-x86_64-glibc",
    executable="/usr/bin/python3",
    site_packages=(),
)

REQUIREMENTS = """
    six==1.16.0 --hash=sha256:aa --hash=sha256:bb
    colorama==0.4.6 ; sys_platform == 'win32' --hash=sha256:cc
    palmette==1.0 --hash=sha256:dd
"""
PYLOCK = """
    lock-version = "1.0"
    created-by = "pdm"
    extras = ["plot"]
    dependency-groups = ["old", "new", "default"]
    default-groups = ["default"]
    [[packages]]
    name = "iniconfig"
    version = "2.0"
    marker = "'default' in dependency_groups"
    [[packages]]
    name = "six"
    version = "1.16.0"
    marker = "'old' in dependency_groups and python_version >= '3.8'"
    wheels = [{ url = "https://x", hashes = { sha256 = "aa" } }]
    [[packages]]
    name = "six"
    version = "1.17.0"
    marker = "'new' in dependency_groups"
    [[packages]]
    name = "pillow"
    version = "11"
    marker = "'plot' in extras"
    [[packages]]
    name = "tool"
    version = "3"
    marker = "'new' in dependency_groups"
    vcs = { type = "git", url = "https://x/tool", commit-id = "abc" }
    [[packages]]
    name = "mine"
    directory = { path = "." }
"""
POETRY_PROJECT = """
    [tool.poetry.group.old.dependencies]
    six = "1.16.0"
    [project.optional-dependencies]
    plot = ["pillow"]
"""
POETRY = """
    [[package]]
    name = "iniconfig"
    version = "2.0"
    groups = ["main", "old"]
    files = [{file = "x", hash = "sha256:aa"}]
    [[package]]
    name = "six"
    version = "1.16.0"
    groups = ["old"]
    markers = "python_version >= \\"3.8\\""
    files = [{file = "x", hash = "sha256:bb"}]
    [[package]]
    name = "pillow"
    version = "11"
    optional = true
    groups = ["main"]
    markers = "extra == \\"plot\\""
    files = []
    [[package]]
    name = "winonly"
    version = "1"
    groups = ["main", "dev"]
    markers = {main = "sys_platform == \\"win32\\""}
    files = []
    [metadata]
    lock-version = "2.1"
"""
UV_PROJECT = """
    [project]
    name = "mix"
    version = "0.1.0"
    requires-python = ">=3.11"
    dependencies = ["one"]
    [project.optional-dependencies]
    plot = ["two"]
    [dependency-groups]
    dev = ["two"]
    old = ["one>=1"]
    [tool.uv.sources]
    one = { path = "one" }
    two = { path = "two" }
"""


@pytest.fixture
def keeping(tmp_path: Path) -> Keeping:
    return Keeping(tmp_path / "kept")


def project(directory: Path, **files: str) -> Groups:
    """A project with these files, whose names are spelled with "_" for "."."""
    for name, text in files.items():
        (directory / name.replace("__", "-").replace("_", ".")).write_text(dedent(text))
    return Groups(root=directory, environ={"PATH": str(Path(sys.executable).parent)})


def pinned(groups: Groups, name: str, keeping: Keeping, facts: InterpreterFacts = FACTS) -> dict[str, str]:
    return {pin.name: pin.version for pin in groups.pin(name, facts, keeping).pins}


def test_requirements_are_one_environment_and_hold_for_a_platform(tmp_path: Path, keeping: Keeping) -> None:
    groups = project(tmp_path, requirements_txt=REQUIREMENTS)
    assert pinned(groups, "", keeping) == {"six": "1.16.0"}
    windows = replace(FACTS, platform="win32-AMD64-msvc")
    assert pinned(groups, "", keeping, windows) == {"six": "1.16.0", "colorama": "0.4.6"}
    assert groups.pin("", FACTS, keeping).pins[0].hashes == ("sha256:aa", "sha256:bb")


def test_requirements_have_no_groups_and_a_lock_of_its_own_is_one(tmp_path: Path, keeping: Keeping) -> None:
    groups = project(tmp_path, requirements_txt="one==1 --hash=sha256:aa\n", other_txt=REQUIREMENTS)
    with pytest.raises(CaptureError, match="there is no environment 'old'") as failed:
        groups.pin("old", FACTS, keeping)
    assert failed.value.hint.startswith("There is none yet. requirements.txt has no groups")
    named = replace(groups, named={"old": "other.txt"})
    assert named.known(keeping) == ("old",)
    found = named.pin("old", FACTS, keeping)
    assert (found.lock, [pin.name for pin in found.pins]) == ("other.txt", ["six"])
    assert pinned(named, "", keeping) == {"one": "1"}


def test_a_pylock_says_of_groups_and_extras_in_markers(tmp_path: Path, keeping: Keeping) -> None:
    groups = project(tmp_path, pylock_toml=PYLOCK)
    assert groups.known(keeping) == ("new", "old", "plot")
    assert pinned(groups, "", keeping) == {"iniconfig": "2.0"}
    assert pinned(groups, "old", keeping) == {"iniconfig": "2.0", "six": "1.16.0"}
    assert pinned(groups, "plot", keeping) == {"iniconfig": "2.0", "pillow": "11"}
    assert pinned(groups, "new", keeping) == {"iniconfig": "2.0", "six": "1.17.0", "tool": "3"}
    assert groups.pin("new", FACTS, keeping).pins[-1].url == "git+https://x/tool@abc"


def test_poetry_says_which_groups_need_a_package_and_where(tmp_path: Path, keeping: Keeping) -> None:
    groups = project(tmp_path, poetry_lock=POETRY, pyproject_toml=POETRY_PROJECT)
    assert groups.known(keeping) == ("old", "plot")
    assert pinned(groups, "", keeping) == {"iniconfig": "2.0"}
    assert pinned(groups, "old", keeping) == {"iniconfig": "2.0", "six": "1.16.0"}
    assert pinned(groups, "plot", keeping) == {"iniconfig": "2.0", "pillow": "11"}
    assert "winonly" in pinned(groups, "", keeping, replace(FACTS, platform="win32-AMD64-msvc"))


def test_an_older_poetry_does_not_say_it(tmp_path: Path, keeping: Keeping) -> None:
    older = "\n".join(line for line in dedent(POETRY).splitlines() if not line.startswith(("groups", "markers = {")))
    groups = project(tmp_path, poetry_lock=older, pyproject_toml=POETRY_PROJECT)
    with pytest.raises(CaptureError, match=r"poetry\.lock does not say which group needs what") as failed:
        groups.pin("old", FACTS, keeping)
    assert failed.value.hint.startswith("Lock again with Poetry 2")


def test_uv_is_asked_for_its_groups_and_leaves_the_projects_own_code_out(tmp_path: Path, keeping: Keeping) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        about = f'[project]\nname = "{name}"\nversion = "1"\n[tool.uv]\npackage = false\n'
        (tmp_path / name / "pyproject.toml").write_text(about)
    groups = project(tmp_path, pyproject_toml=UV_PROJECT)
    command = [sys.executable, "-m", "uv", "lock", "-q", "--offline", "--directory", str(tmp_path)]
    subprocess.run([*command, "--python", sys.executable], check=True)
    assert groups.known(keeping) == ("dev", "old", "plot")
    assert pinned(groups, "", keeping) == pinned(groups, "old", keeping) == pinned(groups, "plot", keeping) == {}
    with pytest.raises(CaptureError, match="there is no environment 'odl'") as failed:
        groups.pin("odl", FACTS, keeping)
    assert failed.value.hint.startswith("Did you mean 'old'? There are: dev, old, plot. Add [dependency-groups] odl")


def test_without_a_lock_no_environment_can_be_named(tmp_path: Path, keeping: Keeping) -> None:
    with pytest.raises(CaptureError, match="the environment 'torch' needs a lock file, and there is none"):
        Groups(root=tmp_path).pin("torch", FACTS, keeping)


def test_two_versions_for_one_platform_are_no_environment(tmp_path: Path, keeping: Keeping) -> None:
    both = "six==1.16.0 --hash=sha256:aa\nsix==1.17.0 --hash=sha256:bb\n"
    with pytest.raises(CaptureError, match=r"requirements\.txt is not one environment") as failed:
        project(tmp_path, requirements_txt=both).pin("", FACTS, keeping)
    assert [str(problem).splitlines()[0] for problem in failed.value.problems] == [
        "six: requirements.txt pins several: 1.16.0, 1.17.0"
    ]


def test_the_digest_tells_pins_and_pythons_apart_but_not_patches(tmp_path: Path, keeping: Keeping) -> None:
    groups = project(tmp_path, pylock_toml=PYLOCK)
    known = groups.pin("old", FACTS, keeping).digest
    assert groups.pin("new", FACTS, keeping).digest != known
    assert groups.pin("old", replace(FACTS, python="3.12.1"), keeping).digest != known
    assert groups.pin("old", replace(FACTS, python="3.11.9"), keeping).digest == known


def test_the_digest_follows_the_commit_of_a_checkout(tmp_path: Path, keeping: Keeping) -> None:
    before = project(tmp_path, pylock_toml=PYLOCK).pin("new", FACTS, keeping)
    after = project(tmp_path, pylock_toml=PYLOCK.replace('"abc"', '"def"')).pin("new", FACTS, keeping)
    assert before.digest != after.digest
