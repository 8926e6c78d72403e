"""What stock components ask pip for is built by uv, once, without pip and here without a network."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import sys
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
import time_machine

from palmette.capture.keeping import Keeping
from palmette.engine.planning import plan
from palmette.engine.stock import Install
from palmette.errors import EnvironmentFailed
from palmette.ir import codec
from palmette.operations import environments, stock
from palmette.operations.shelf import Shelf
from palmette.operations.stock import Interpreters

#: without the SDK or anything else
BARE = Path(getattr(sys, "_base_executable", sys.executable))
KFP = metadata.version("kfp")
PIPELINE = """
components:
{components}
deploymentSpec:
  executors:
{executors}
pipelineInfo: {{name: p}}
root:
  dag:
    tasks:
{tasks}
schemaVersion: 2.1.0
sdkVersion: kfp-{kfp}
"""
PREAMBLE = (
    '\\nif ! [ -x \\"$(command -v pip)\\" ]; then\\n    python3 -m ensurepip || python3 -m ensurepip --user || apt-get'
    " install python3-pip\\nfi\\n\\nPIP_DISABLE_PIP_VERSION_CHECK=1 python3 -m pip install --quiet"
    " --no-warn-script-location {packages} && python3 -m pip install --quiet --no-warn-script-location 'kfp=={kfp}'"
    ' \'--no-deps\' && \\"$0\\" \\"$@\\"\\n'
)
PROGRAM = (
    'program_path=$(mktemp -d)\\n\\nprintf \\"%s\\" \\"$0\\" > \\"$program_path/ephemeral_component.py\\"\\n'
    "_KFP_RUNTIME=true python3 -m kfp.dsl.executor_main --component_module_path"
    ' \\"$program_path/ephemeral_component.py\\" \\"$@\\"\\n'
)


def wheel(directory: Path, name: str, version: str, files: dict[str, bytes]) -> None:
    """A wheel of pure Python."""
    tag, info = "py3-none-any", f"{name}-{version}.dist-info"
    about = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
    files = {**files, f"{info}/METADATA": about.encode()}
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: {tag}\n".encode()
    digests = {
        path: base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
        for path, data in files.items()
    }
    record = "".join(f"{path},sha256={digests[path]},{len(data)}\n" for path, data in files.items())
    directory.mkdir(exist_ok=True)
    with zipfile.ZipFile(directory / f"{name}-{version}-{tag}.whl", "w") as archive:
        for path, data in {**files, f"{info}/RECORD": f"{record}{info}/RECORD,,\n".encode()}.items():
            archive.writestr(path, data)


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """A machine without a network, with the SDK and one more package in a directory."""
    found = metadata.files("kfp") or []
    sources = {str(each): each.locate().read_bytes() for each in found if str(each).startswith("kfp/dsl/")}  # type: ignore[attr-defined]
    wheel(tmp_path / "wheels", "kfp", KFP, {path: data for path, data in sources.items() if path.endswith(".py")})
    wheel(tmp_path / "wheels", "probe", "1.2", {"probe.py": b"found = True\n"})
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(tmp_path / "wheels"),
    }


def interpreters(python: Path, environ: dict[str, str], held: Shelf, **packages: str) -> Interpreters:
    """Of a pipeline with a component for each of these sets of packages."""
    text = PIPELINE.format(
        kfp=KFP,
        components="\n".join(f"  comp-{name}: {{executorLabel: exec-{name}}}" for name in packages),
        tasks="\n".join(
            f"      {name}: {{componentRef: {{name: comp-{name}}}, taskInfo: {{name: {name}}}}}" for name in packages
        ),
        executors="\n".join(
            f'    exec-{name}: {{container: {{image: i, command: [sh, -c, "{PREAMBLE.format(packages=asked, kfp=KFP)}",'
            f' sh, -ec, "{PROGRAM}", source], args: []}}}}'
            for name, asked in packages.items()
        ),
    )
    return Interpreters(plan(codec.loads(text.encode()), {}), python, environ, held)


@pytest.fixture
def held(environ: dict[str, str]) -> Callable[[], Shelf]:
    return lambda: environments.shelf(environ)


def test_equal_requirements_are_built_once_and_one_that_cannot_be_met_fails_alone(
    environ: dict[str, str], held: Callable[[], Shelf], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "palmette.environments")
    with held() as shelf:
        found = interpreters(BARE, environ, shelf, one="'probe>=1'", two="'probe>=1'", bad="'probe>=2'")
        assert found["exec-one"] == found["exec-two"] != BARE
        assert found["exec-one"].is_relative_to(shelf.directory)
        for _ in range(2):
            with pytest.raises(EnvironmentFailed, match=r"probe>=2, kfp==.* cannot be installed") as failure:
                found["exec-bad"]
        assert "you require probe>=2" in failure.value.hint
    assert len([record for record in caplog.records if record.message.startswith("built")]) == 1


def test_what_the_interpreter_has_is_not_installed_again(environ: dict[str, str], held: Callable[[], Shelf]) -> None:
    with held() as shelf:
        found = interpreters(Path(sys.executable), environ, shelf, has="'packaging>=20'", old="'packaging<1'")
        assert found["exec-has"] == Path(sys.executable)
        with pytest.raises(EnvironmentFailed):
            found["exec-old"]


def test_without_an_index_the_sdk_beside_palmette_stands_in(
    environ: dict[str, str], held: Callable[[], Shelf], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    environ["PIP_FIND_LINKS"] = str(tmp_path)
    other = tmp_path / "other" / "bin" / "python"
    other.parent.mkdir(parents=True)
    other.symlink_to(BARE)
    with held() as shelf:
        found = interpreters(BARE, environ, shelf, none="'--no-deps'", more="'probe'")
        assert found["exec-none"] == Path(sys.executable)
        assert not caplog.records
        assert interpreters(other, environ, shelf, none="'--no-deps'")["exec-none"] == Path(sys.executable)
        with pytest.raises(EnvironmentFailed):
            found["exec-more"]
    assert "Palmette's own environment is used" in caplog.text


def test_an_answer_stands_for_a_day_and_longer_where_there_is_no_newer_one(
    environ: dict[str, str], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    asked, python = [Install(requirements=("probe",))], environments.base(BARE, environ)
    keeping = Keeping(tmp_path / "kept")

    def version() -> str:
        (pin,) = stock.pinned(asked, python, environ, keeping)
        return pin.version

    with time_machine.travel("2026-01-01T00:00Z", tick=False) as clock:
        assert version() == "1.2"
        wheel(tmp_path / "wheels", "probe", "1.3", {"probe.py": b""})
        clock.shift(86_000)
        assert version() == "1.2"
        clock.shift(1_000)
        assert version() == "1.3"
        clock.shift(100_000)
        environ["PIP_FIND_LINKS"] = str(tmp_path)
        assert version() == "1.3"
    assert "what was found earlier is used" in caplog.text


def test_a_package_that_is_built_sees_none_of_the_drivers_secrets(
    environ: dict[str, str], held: Callable[[], Shelf], tmp_path: Path
) -> None:
    project = tmp_path / "wheels" / "spy"
    project.mkdir(parents=True)
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "spy"\nbackend-path = ["."]\n[project]\nname = "spy"\n'
        'version = "1"\n'
    )
    (project / "spy.py").write_text(f"import os\nopen({str(tmp_path / 'seen')!r}, 'w').write(repr(dict(os.environ)))\n")
    environ["TOKEN_OF_SOME_CLUSTER"] = "hidden"
    with held() as shelf, pytest.raises(EnvironmentFailed):
        interpreters(BARE, environ, shelf, spy=f"'spy @ {project.as_uri()}'")["exec-spy"]
    assert "'PATH'" in (tmp_path / "seen").read_text()
    assert "hidden" not in (tmp_path / "seen").read_text()
