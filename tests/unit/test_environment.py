"""Pinning what a step imports, against real environments made from wheels built here."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from palmette.capture.environment import Pinned, environment
from palmette.capture.installed import InterpreterFacts, scan, sources
from palmette.capture.keeping import Keeping
from palmette.capture.locks import Lock, Locked
from palmette.errors import CaptureError


def wheel(directory: Path, name: str, version: str, modules: Sequence[str], requires: Sequence[str] = ()) -> Path:
    """A wheel with these modules, all empty."""
    stem = f"{name.replace('-', '_')}-{version}"
    metadata = [f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}"]
    # matplotlib's folded licence, in which lines of blanks stand before the requirements
    metadata += ["License: Free\n        \n        for all", *(f"Requires-Dist: {text}" for text in requires)]
    files = {module: "" for module in modules}
    files[f"{stem}.dist-info/METADATA"] = "\n".join(metadata) + "\n\nRequires-Dist: not-this-line\n"
    files[f"{stem}.dist-info/WHEEL"] = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    record = f"{stem}.dist-info/RECORD"
    files[record] = "".join(f"{path},,\n" for path in [*files, record])
    path = directory / f"{stem}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for inner, text in files.items():
            archive.writestr(inner, text)
    return path


def uv(*arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "uv", "-q", *map(str, arguments)], check=True)


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheels")
    wheel(directory, "frames", "2.1", ["frames/__init__.py", "frames/io.py"], ["Arrays>=1", 'fast-io; extra == "io"'])
    wheel(directory, "arrays", "1.0.0", ["arrays/__init__.py"], ['winonly; sys_platform == "win32"', "tiny_math"])
    wheel(directory, "tiny-math", "0.3", ["_tiny.py", "tinymath.py"], ['never; python_version < "3"'])
    wheel(directory, "fast-io", "5", ["fastio.py"])
    wheel(directory, "cloud-storage", "1", ["vendor/cloud/storage/__init__.py", "vendor/cloud/storage/client.py"])
    wheel(directory, "cloud-auth", "1", ["vendor/auth/__init__.py", "vendor/cloud/identity.py"])
    wheel(directory, "unrelated", "9", ["unrelated.py"])
    wheel(directory, "palmette", "0", ["palmette/__init__.py"], ["unrelated"])
    wheel(directory, "leaning", "1", ["leaning.py"], ["absent>=2", "palmette"])
    return directory


@pytest.fixture(scope="module")
def facts(wheels: Path, tmp_path_factory: pytest.TempPathFactory) -> InterpreterFacts:
    directory = tmp_path_factory.mktemp("environment") / "venv"
    uv("venv", "--python", sys.executable, directory)
    python = directory / "bin" / "python"
    uv("pip", "install", "--python", python, "--no-index", "--no-deps", *sorted(wheels.iterdir()))
    site = next((directory / "lib").glob("python*")) / "site-packages"
    os.utime(site, (time.time() - 60, time.time() - 60))
    return InterpreterFacts(
        python=platform.python_version(),
        implementation="cpython",
        platform=f"linux-{platform.machine()}-glibc",
        executable=str(python),
        site_packages=(site,),
    )


@pytest.fixture
def pin(facts: InterpreterFacts, tmp_path: Path) -> Callable[..., Pinned]:
    def pin(*imports: str, lock: Lock | None = None, facts: InterpreterFacts = facts, **more: Sequence[str]) -> Pinned:
        return environment(tmp_path / "project", facts, imports, Keeping(tmp_path / "kept"), lock=lock, **more)

    return pin


def pins(pinned: Pinned) -> dict[str, str]:
    return {pin.name: pin.version for pin in pinned.environment.pins}


def lock(**versions: str) -> Lock:
    entries = {
        name.replace("_", "-"): (Locked(version=version, hashes=("sha256:aa",)),) for name, version in versions.items()
    }
    return Lock(name="uv.lock", digest="d", entries=entries, remedy="uv sync")


Pin = Callable[..., Pinned]


def test_an_import_pins_its_distribution_and_all_that_it_requires_here(pin: Pin) -> None:
    pinned = pin("frames.io")
    assert pins(pinned) == {"arrays": "1.0.0", "frames": "2.1", "tiny-math": "0.3"}
    assert pinned.remarks == ("packages are pinned as installed: there is no lock file",)


def test_extras_are_followed_where_they_are_asked_for(pin: Pin) -> None:
    assert "fast-io" in pins(pin(requires=["Frames[io]"]))
    assert list(pins(pin(requires=["fast_io"]))) == ["fast-io"]


def test_a_shared_top_level_name_is_decided_by_the_longest_match_and_else_taken_whole(pin: Pin) -> None:
    assert list(pins(pin("vendor.cloud.storage.client.Client"))) == ["cloud-storage"]
    assert list(pins(pin("vendor.auth"))) == ["cloud-auth"]
    assert list(pins(pin("vendor.cloud.identity"))) == ["cloud-auth"]
    assert list(pins(pin("vendor.cloud"))) == ["cloud-auth", "cloud-storage"]
    assert list(pins(pin("vendor"))) == ["cloud-auth", "cloud-storage"]


def test_an_import_name_need_not_be_the_distributions(pin: Pin) -> None:
    assert list(pins(pin("tinymath"))) == ["tiny-math"]


def test_palmette_is_carried_along_and_never_pinned(pin: Pin) -> None:
    assert pins(pin("palmette.domain")) == {}
    leaning = pin("leaning")
    assert list(pins(leaning)) == ["leaning"]
    assert "leaning requires absent, which is not installed" in leaning.notes


def test_nothing_imported_needs_no_notes(pin: Pin) -> None:
    assert pin().remarks == ()


def test_all_that_is_missing_is_told_at_once_unless_it_may_be(pin: Pin) -> None:
    with pytest.raises(CaptureError) as caught:
        pin("torch.nn", "frames", "jax", "polars", optional=["jax"], requires=["s3fs", "no good"])
    told = [f"{problem.where}: {problem.what}" for problem in caught.value.problems]
    assert [text.partition(" in /")[0].partition(": Expected")[0] for text in told] == [
        "import polars: is not installed",
        "import torch.nn: is not installed",
        "[tool.palmette] requires: s3fs is not installed",
        "[tool.palmette] requires: 'no good' is not the name of a package",
    ]


def test_the_digest_follows_names_versions_python_minor_implementation_and_platform(
    pin: Pin, facts: InterpreterFacts
) -> None:
    digest = pin("frames").environment.digest
    major, minor, micro = facts.python.split(".")
    same = replace(facts, python=f"{major}.{minor}.{int(micro.rstrip('rc+')) + 1}", executable="/elsewhere")
    assert pin("frames.io", "arrays", facts=same).environment.digest == digest
    full = lock(frames="2.1", arrays="1", tiny_math="0.3", black="24.1")
    assert pin("frames", lock=full).environment.digest == digest
    others = [
        pin("arrays"),
        pin("frames", facts=replace(facts, python="3.99.0")),
        pin("frames", facts=replace(facts, implementation="pypy")),
        pin("frames", facts=replace(facts, platform="darwin-arm64")),
    ]
    assert len({digest, *(other.environment.digest for other in others)}) == 5


def test_markers_are_those_of_the_projects_interpreter(pin: Pin, facts: InterpreterFacts) -> None:
    with_windows = pin("arrays", facts=replace(facts, platform="win32-AMD64"))
    assert "arrays requires winonly, which is not installed" in with_windows.notes


def test_a_lock_gives_hashes_and_is_recorded(pin: Pin) -> None:
    pinned = pin("frames", lock=lock(frames="2.1", arrays="1.0", tiny_math="0.3"))
    assert {pin.hashes for pin in pinned.environment.pins} == {("sha256:aa",)}
    assert pins(pinned)["arrays"] == "1.0.0"
    assert (pinned.environment.lock, pinned.environment.lock_digest) == ("uv.lock", "d")
    assert pinned.remarks == ("packages are pinned from uv.lock",)


def test_what_differs_from_the_lock_and_what_it_lacks_is_told_at_once(pin: Pin) -> None:
    with pytest.raises(CaptureError) as caught:
        pin("frames", "fastio", "torch", lock=lock(frames="2.2", arrays="1.0.0"))
    told = [(problem.where, problem.what, problem.hint) for problem in caught.value.problems]
    assert told[0][0] == "import torch"
    assert "uv sync" in told[0][2]
    assert told[1:] == [
        ("fast-io", "is imported, but uv.lock does not have it", "Declare it as a dependency and lock again."),
        ("frames", "2.1 is installed, but uv.lock says 2.2", "Run `uv sync`."),
    ]


def test_what_is_only_required_and_not_in_the_lock_is_pinned_as_installed_and_said(pin: Pin) -> None:
    pinned = pin("arrays", lock=lock(arrays="1.0.0"))
    assert pins(pinned) == {"arrays": "1.0.0", "tiny-math": "0.3"}
    assert "tiny-math is required, but uv.lock does not have it: it is pinned as installed" in pinned.notes


@pytest.mark.parametrize(("installed", "locked"), [("2.1", "2.1.0"), ("2.1", ""), ("2.1", "2.1")])
def test_versions_agree_by_value(pin: Pin, installed: str, locked: str) -> None:
    pinned = pin("frames", lock=lock(frames=locked, arrays="1", tiny_math="0.3"))
    assert pins(pinned)["frames"] == installed


def test_editable_installs_are_code_of_ones_own(tmp_path: Path, wheels: Path) -> None:
    shared = tmp_path / "shared"
    (shared / "src" / "shared").mkdir(parents=True)
    (shared / "src" / "shared" / "__init__.py").touch()
    site = tmp_path / "site"
    record = site / "shared-1.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text("Name: shared\nVersion: 1\n")
    (record / "RECORD").write_text("__editable__.shared-1.pth,,\nshared-1.dist-info/METADATA,,\n")
    (record / "direct_url.json").write_text(json.dumps({"url": shared.as_uri(), "dir_info": {"editable": True}}))
    pth = site / "__editable__.shared-1.pth"
    pth.write_text(f"{shared}/src\n")
    facts = InterpreterFacts(
        python="3.11.1", implementation="cpython", platform="linux-x", executable="/x", site_packages=(site,)
    )
    keeping = Keeping(tmp_path / "kept")
    assert sources(facts, keeping) == (shared / "src",)
    with pytest.raises(CaptureError, match=r"editable install in .*/src\n(.|\n)*source-roots"):
        environment(tmp_path, facts, ["shared.x"], keeping, lock=None)
    # the two other ways in which an editable install says where it imports from
    pth.unlink()
    (record / "RECORD").write_text("__editable___shared_finder.py,,\n")
    (site / "__editable___shared_finder.py").write_text(
        f"MAPPING: dict[str, str] = {{'shared': '{shared}/src/shared'}}\n"
    )
    assert sources(facts, keeping) == (shared / "src",)
    (site / "__editable___shared_finder.py").write_text("import = 1")
    assert sources(facts, keeping) == (shared / "src",)


def test_the_projects_own_distribution_is_left_out(pin: Pin) -> None:
    own = lock(frames="2.1", arrays="1.0", tiny_math="0.3")
    entries = {**own.entries, "frames": (Locked(version="2.1", local=True),)}
    assert list(pins(pin("frames", lock=replace(own, entries=entries)))) == ["arrays", "tiny-math"]


def test_a_module_that_no_distribution_owns_is_said_and_not_pinned(tmp_path: Path) -> None:
    (tmp_path / "loose.py").touch()
    facts = InterpreterFacts(
        python="3.11.1", implementation="cpython", platform="linux-x", executable="/x", site_packages=(tmp_path,)
    )
    pinned = environment(tmp_path / "p", facts, ["loose"], Keeping(tmp_path / "kept"), lock=None)
    assert pinned.notes == ("loose belongs to no installed package and is not pinned",)


def test_of_a_distribution_in_two_places_the_first_on_the_path_counts(tmp_path: Path, facts: InterpreterFacts) -> None:
    record = tmp_path / "first" / "frames-3.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text("Name: frames\nVersion: 3\n")
    (record / "top_level.txt").write_text("frames\n")
    both = replace(facts, site_packages=(tmp_path / "first", tmp_path / "gone", *facts.site_packages))
    pinned = environment(tmp_path, both, ["frames"], Keeping(tmp_path / "kept"), lock=None)
    assert pins(pinned) == {"frames": "3"}


# What is kept


def test_a_second_look_reads_what_was_kept_and_a_change_or_damage_is_noticed(
    facts: InterpreterFacts, tmp_path: Path
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    for entry in facts.site_packages[0].glob("*.dist-info"):
        (site / entry.name).symlink_to(entry)
    here = replace(facts, site_packages=(site,))
    keeping = Keeping(tmp_path / "kept")
    # However long it takes to get there: it changes while it is read.
    os.utime(site, (time.time() + 600, time.time() + 600))
    assert "frames" in scan(here, keeping)
    assert not (tmp_path / "kept").exists(), "a directory that just changed is not kept"
    os.utime(site, (time.time() - 9, time.time() - 9))
    first = scan(here, keeping)
    (kept,) = (tmp_path / "kept").iterdir()
    assert (tmp_path / "kept").stat().st_mode & 0o777 == 0o700
    kept.write_text(kept.read_text().replace('"2.1"', '"2.7"'))
    assert scan(here, keeping)["frames"].version == "2.7", "it was read from what was kept"
    for damage in ("", "{", "[]", '{"key": 1}', kept.read_text().replace('"value":[', '"value":[7,')):
        kept.write_text(damage)
        assert scan(here, keeping) == first
    (site / "frames-2.1.dist-info").unlink()
    assert "frames" not in scan(here, keeping)


def test_a_directory_that_cannot_be_written_keeps_nothing_and_harms_nothing(
    facts: InterpreterFacts, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    assert "frames" in scan(facts, Keeping(tmp_path / "file" / "kept"))
