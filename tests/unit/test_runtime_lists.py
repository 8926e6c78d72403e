"""What a step is given behind a loop and at an exit: lists of artifacts, lists of values, a final status."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Carry = Callable[..., str]
PROGRAM = "import sys\nfrom palmette.runtime.task import main\nsys.exit(main(sys.argv[1:]))"


@pytest.fixture
def carry(tmp_path: Path) -> Carry:
    """Carry out a function of the module below, in a process of its own; the text that it gives."""
    (tmp_path / "app.py").write_text(SOURCE)
    answer = tmp_path / "made" / "executor_output.json"

    def run(target: str = "app:work", *, inputs: dict[str, list[Any]] | None = None, **parameters: Any) -> str:
        asked = {
            "inputs": {
                "parameterValues": parameters,
                "artifacts": {name: {"artifacts": found} for name, found in (inputs or {}).items()},
            },
            "outputs": {
                "parameters": {"output": {"outputFile": str(tmp_path / "made" / "output")}},
                "outputFile": str(answer),
            },
        }
        command = [sys.executable, "-c", PROGRAM, target, json.dumps(asked)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return str(json.loads(answer.read_text())["parameterValues"]["output"])

    return run


def placed(path: Path, content: str) -> dict[str, Any]:
    """An artifact of the format "bytes" in a file, as an engine names it."""
    path.write_text(content)
    return {"name": path.name, "uri": str(path), "type": {"schemaTitle": "system.Artifact"}, "metadata": {}}


SOURCE = """
from pathlib import Path
from palmette import command
from palmette.authoring.status import FinalStatus

def work(parts: list[bytes], names: list[str]) -> str:
    assert type(parts) is list
    return " ".join([f"{len(parts)}:", *names, *(part.decode() for part in parts)])
def one(parts: bytes) -> str:
    return parts.decode()
words = ["sh", "-c", "out=$0; cat -- \\"$@\\" </dev/null > $out; printf %s $# >> $out", "{output}", "{parts}"]
show = command(words, inputs={"parts": list[Path]}, outputs=str)
def end(status: FinalStatus, name: str) -> str:
    return f"{name} {status.state} {status.error_code} {status.error_message!r} {status.pipeline_task_name}"
"""


@pytest.mark.parametrize("number", [0, 1, 3])
def test_a_list_of_artifacts_is_a_list_however_many_there_are(carry: Carry, tmp_path: Path, number: int) -> None:
    parts = [placed(tmp_path / f"part{index}", f"p{index}") for index in range(number)]

    said = carry(inputs={"parts": parts}, names=["a"])

    assert said == " ".join([f"{number}:", "a", *(f"p{index}" for index in range(number))])


def test_a_list_that_a_backend_leaves_out_is_empty(carry: Carry) -> None:
    assert carry(names=[]) == "0:"


@pytest.mark.parametrize("number", [1, 3])
def test_a_list_of_artifacts_is_a_word_each_for_a_command(carry: Carry, tmp_path: Path, number: int) -> None:
    parts = [placed(tmp_path / f"part {index}", f"p{index} ") for index in range(number)]
    assert carry("app:show", inputs={"parts": parts}) == "".join(f"p{index} " for index in range(number)) + f"{number}"


def test_a_list_that_a_backend_leaves_out_is_no_word(carry: Carry) -> None:
    assert carry("app:show", inputs={}) == "0"


def test_one_artifact_is_not_a_list(carry: Carry, tmp_path: Path) -> None:
    assert carry("app:one", inputs={"parts": [placed(tmp_path / "part", "p")]}) == "p"


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            {"state": "FAILED", "error": {"code": 9.0, "message": "no"}, "pipelineTaskName": "exit-handler-1"},
            "x FAILED 9 'no' exit-handler-1",
        ),
        ({"state": "SUCCEEDED"}, "x SUCCEEDED None '' "),
    ],
)
def test_a_final_status_is_read_from_what_kubeflow_says(carry: Carry, status: dict[str, Any], said: str) -> None:
    assert carry("app:end", status=status, name="x") == said
