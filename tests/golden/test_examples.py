"""Each algorithm of examples/clinic, compiled, is the pipeline that was last looked at."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent
CLINIC = HERE.parent.parent / "examples" / "clinic"


def compiled(algorithm: str, directory: Path, python: Path) -> list[dict[str, Any]]:
    """The documents that `palmette compile` writes."""
    project = directory / "clinic"
    shutil.copytree(
        CLINIC, project, ignore=shutil.ignore_patterns(".venv", ".palmette", "__pycache__", ".pytest_cache")
    )
    command = Path(sys.executable).with_name("palmette")
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "XDG_RUNTIME_DIR": str(directory),
        "VIRTUAL_ENV": str(python.parent.parent),
    }
    output = directory / "pipeline.yaml"
    subprocess.run(
        [command, "compile", algorithm, "-o", output, "--image", "registry.example/clinic:1"],
        cwd=project,
        env=environment,
        check=True,
        capture_output=True,
        timeout=120,
    )
    return list(yaml.safe_load_all(output.read_text()))


def settled(documents: list[dict[str, Any]]) -> str:
    """Without what any edit of Palmette's own runtime changes: the bootstrap's text, the archive, the digests."""
    for executor in documents[0]["deploymentSpec"]["executors"].values():
        container = executor["container"]
        if "--bundle" not in container["args"]:
            container["command"][2] = "OUTCOME"
            continue
        container["command"][2] = "BOOTSTRAP"
        for name in ("--bundle", "--archive"):
            container["args"][container["args"].index(name) + 1] = name.strip("-").upper()
        pins = container["args"].index("--pins") + 1
        # What is installed differs between Pythons; that every pin is there is the environment's test.
        container["args"][pins] = "PINS"
        for variable in container["env"]:
            variable["value"] = variable["name"]
    return yaml.safe_dump_all(documents, sort_keys=True, allow_unicode=True, width=120)


@pytest.mark.parametrize("algorithm", ["tumour", "diagnosis", "progression", "digits"])
def test_the_compiled_example_is_the_golden_one(
    algorithm: str, tmp_path: Path, clinic_python: Path, update_golden: bool
) -> None:
    golden = HERE / f"{algorithm}.yaml"
    text = settled(compiled(algorithm, tmp_path, clinic_python))
    if update_golden:
        golden.write_text(text)
    assert text == golden.read_text(), "read the difference; if it is meant: pytest tests/golden --update-golden"
