"""The container's program: started as a pod would, in a directory that holds nothing of the project."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from palmette.runtime.delivery import BOOTSTRAP

SOURCE = "from app.maths import half\ndef work(x: float) -> float:\n    return half(x)\n"
FILES = {"app/__init__.py": "", "app/maths.py": "def half(x):\n    return x / 2\n", "app/steps.py": SOURCE}


def started(
    directory: Path,
    *arguments: str,
    python: str = sys.executable,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    asked = {
        "inputs": {"parameterValues": {"x": 3.0}},
        "outputs": {
            "parameters": {"output": {"outputFile": str(directory / "values" / "output")}},
            "outputFile": str(directory / "executor_output.json"),
        },
    }
    return subprocess.run(
        [python, "-c", BOOTSTRAP, "--step", "app.steps:work", *arguments, "--executor-input", json.dumps(asked)],
        capture_output=True,
        text=True,
        cwd=directory,
        env=dict(environment or {}),
        check=False,
    )


@pytest.fixture
def bundle(make_bundle: Callable[..., Any]) -> Any:
    return make_bundle(FILES)


@pytest.fixture
def pod(tmp_path: Path) -> Path:
    directory = tmp_path / "pod"
    directory.mkdir()
    return directory


def complaint(done: subprocess.CompletedProcess[str]) -> str:
    """The one message of a failed start."""
    assert done.returncode == 1
    assert done.stderr.startswith("palmette: ")
    assert "Traceback" not in done.stderr
    return done.stderr


def embedded(members: Mapping[str, bytes | tarfile.TarInfo]) -> str:
    """An archive of exactly these members."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for name, content in members.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
            else:
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return base64.b64encode(gzip.compress(raw.getvalue())).decode()


def listing(files: Mapping[str, bytes], python: str = "3.11") -> tuple[bytes, str]:
    """A manifest and its digest."""
    entries = [{"path": path, "sha256": hashlib.sha256(data).hexdigest()} for path, data in files.items()]
    data = json.dumps({"python": python, "files": entries}).encode()
    return data, hashlib.sha256(data).hexdigest()


def test_a_step_runs_from_the_archive_in_the_pipeline(bundle: Any, pod: Path) -> None:
    done = started(pod, "--bundle", bundle.digest, "--archive", bundle.archive)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads((pod / "executor_output.json").read_text())["parameterValues"] == {"output": 1.5}
    assert (pod / "values" / "output").read_text() == "1.5"


def test_a_step_runs_from_a_directory_of_unpacked_bundles(bundle: Any, pod: Path) -> None:
    done = started(pod, "--bundle", bundle.digest, environment={"PALMETTE_BUNDLES": str(bundle.home)})
    assert (done.returncode, done.stderr) == (0, "")


def test_what_lies_in_the_working_directory_stands_in_for_nothing(bundle: Any, pod: Path) -> None:
    for name in ("json.py", "tarfile.py", "app.py", "palmette.py"):
        (pod / name).write_text("raise SystemExit('shadowed')")
    assert started(pod, "--bundle", bundle.digest, "--archive", bundle.archive).returncode == 0


def test_another_bundle_than_the_pipelines_is_refused(bundle: Any, pod: Path) -> None:
    wrong = "0" * 64
    assert f"compiled with, {wrong}" in complaint(started(pod, "--bundle", wrong, "--archive", bundle.archive))
    (bundle.home / wrong).mkdir()
    (bundle.home / wrong / "manifest.json").write_text("{}")
    done = started(pod, "--bundle", wrong, environment={"PALMETTE_BUNDLES": str(bundle.home)})
    assert f"compiled with, {wrong}" in complaint(done)


def test_no_bundle_at_all_is_said(bundle: Any, pod: Path) -> None:
    assert "neither in the pipeline nor" in complaint(started(pod, "--bundle", bundle.digest))
    done = started(pod, "--bundle", bundle.digest, environment={"PALMETTE_BUNDLES": str(pod)})
    assert "the bundle is not there" in complaint(done)


def test_a_damaged_archive_is_refused(bundle: Any, pod: Path) -> None:
    for archive in (bundle.archive[:4000], bundle.archive[:-8], "not base64!", base64.b64encode(b"x").decode(), ""):
        assert "damaged" in complaint(started(pod, "--bundle", bundle.digest, "--archive", archive))


def test_a_damaged_file_is_named(pod: Path) -> None:
    data, digest = listing({"app.py": b"good"})
    archive = embedded({"app.py": b"bad!", "manifest.json": data})
    assert "damaged: app.py" in complaint(started(pod, "--bundle", digest, "--archive", archive))


def test_files_beside_those_of_the_manifest_are_refused(pod: Path) -> None:
    data, digest = listing({"app.py": b""})
    for members in ({"manifest.json": data}, {"app.py": b"", "more.py": b"", "manifest.json": data}):
        done = started(pod, "--bundle", digest, "--archive", embedded(members))
        assert "not those of its manifest" in complaint(done)


@pytest.mark.parametrize("path", ["../escape.py", "/tmp/escape.py", "a/../../escape.py", ".hidden.py", "a\\b.py"])
def test_a_path_that_leads_out_is_refused(pod: Path, path: str) -> None:
    data, digest = listing({path: b""})
    done = started(pod, "--bundle", digest, "--archive", embedded({path: b"", "manifest.json": data}))
    assert f"leads out of it: {path}" in complaint(done)


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_a_link_or_a_device_is_refused(pod: Path, kind: bytes) -> None:
    data, digest = listing({"app.py": b""})
    member = tarfile.TarInfo("app.py")
    member.type, member.linkname = kind, "manifest.json"
    done = started(pod, "--bundle", digest, "--archive", embedded({"manifest.json": data, "app.py": member}))
    assert "not a plain file: app.py" in complaint(done)


def test_a_name_that_stands_twice_is_refused(pod: Path) -> None:
    data, digest = listing({"app.py": b""})
    raw = gzip.decompress(base64.b64decode(embedded({"app.py": b"", "manifest.json": data})))
    twice = raw[:512] + raw
    done = started(pod, "--bundle", digest, "--archive", base64.b64encode(gzip.compress(twice)).decode())
    assert "not a plain file: app.py" in complaint(done)


def test_an_older_python_is_refused(make_bundle: Callable[..., Any], pod: Path) -> None:
    later = make_bundle(FILES, python="3.99")
    done = started(pod, "--bundle", later.digest, "--archive", later.archive)
    assert "needs Python 3.99 or newer, and this is 3." in complaint(done)


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10"])
def test_a_python_that_cannot_run_palmette_says_so_itself(bundle: Any, pod: Path, version: str) -> None:
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(versions.glob(f"{version}.*/bin/python3"))
    if not found:
        pytest.skip(f"no Python {version} below {versions}")
    done = started(pod, "--bundle", bundle.digest, "--archive", bundle.archive, python=str(found[0]))
    assert f"needs Python 3.11 or newer, and this is {version}." in complaint(done)


def test_every_pin_that_is_not_met_is_named_at_once(bundle: Any, pod: Path) -> None:
    pins = json.dumps({"absent-one": "1.0", "pytest": "0.0.1", "absent-two": "2.0"})
    done = started(pod, "--bundle", bundle.digest, "--archive", bundle.archive, "--pins", pins)
    said = complaint(done)
    assert "absent-one 1.0 is not installed" in said
    assert "absent-two 2.0 is not installed" in said
    assert f"pytest 0.0.1 is needed, {pytest.__version__} is installed" in said
    assert "install = true" in said


def test_pins_that_are_met_are_passed(bundle: Any, pod: Path) -> None:
    pins = json.dumps({"pytest": pytest.__version__})
    assert started(pod, "--bundle", bundle.digest, "--archive", bundle.archive, "--pins", pins).returncode == 0


def test_installing_that_fails_names_what_lacks(bundle: Any, pod: Path) -> None:
    pins = json.dumps({"absent-one": "1.0"})
    nowhere = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = started(
        pod, "--bundle", bundle.digest, "--archive", bundle.archive, "--pins", pins, "--install", environment=nowhere
    )
    assert done.returncode == 1
    assert "pip could not install what the step needs:\n  absent-one 1.0 is not installed" in done.stderr


def test_arguments_that_lack_or_stand_alone_are_named(pod: Path) -> None:
    done = started(pod)
    assert "not given --bundle" in complaint(done)
    assert "too many or too few: stray" in complaint(started(pod, "stray"))


def test_the_program_is_small_and_survives_what_it_passes_through() -> None:
    assert len(BOOTSTRAP.encode()) <= 4096
    assert BOOTSTRAP.isascii()
    # KFP and Argo replace the first two, Kubernetes the third.
    for replaced in ("{{", "}}", "$("):
        assert replaced not in BOOTSTRAP
    assert "noqa" not in BOOTSTRAP
    assert '"""' not in BOOTSTRAP
