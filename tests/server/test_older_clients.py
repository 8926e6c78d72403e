"""Clients of the 2.x line, each in an environment of its own, against the server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conformance.conftest import Sdk, sdk

__all__ = ["sdk"]  # the fixture


@pytest.mark.parametrize("version", ["2.0", "2.5", "2.14"])
def test_an_older_client_works(server: Any, sdk: Callable[[str], Sdk], version: str, pipeline_file: Path) -> None:
    script = Path(__file__).with_name("older_client.py")
    python = sdk(version).python
    done = subprocess.run(
        [python, "-W", "ignore", script, server.url, pipeline_file], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout.splitlines()[-1])
    assert said.pop("version").startswith(f"{version}.")
    assert said.pop("versions")[1] == "second"
    assert said == {
        "pipeline": True, "runs": True, "terminated": "FAILED", "tasks": ["add"], "recurring": ["often"],
    }  # fmt: skip
