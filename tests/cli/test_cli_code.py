"""The verbs that look at code: `check`, `compile`, `capture`."""

from __future__ import annotations

import io
import re
import shutil
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Project

GOOD = """
    from dataclasses import dataclass
    from palmette import Metrics, algorithm, step
    from shared import double

    @dataclass(frozen=True)
    class Config:
        seed: int = 1

    @step
    def fit(seed: int) -> Metrics:
        import json
        return Metrics(value=double(seed))

    @algorithm(config=Config)
    def good(config: Config) -> None:
        fit(config.seed)
"""

BROKEN = """
    from dataclasses import dataclass
    from palmette import algorithm, step

    @dataclass(frozen=True)
    class Config:
        seed: int = 0

    @step
    def unannotated(seed: int):
        return seed

    @step
    def fit(seed: int) -> int:
        return seed

    @algorithm(config=Config)
    def broken(config: Config) -> None:
        unannotated(config.seed)
        fit(config.sede)
"""


def good(project: Project) -> Project:
    project.write("algorithms/good.py", GOOD)
    project.write("shared.py", "def double(value):\n    return 2 * value\n\ndef unused():\n    return 3\n")
    return project


def test_check_reports_what_is_broken_in_every_file_at_once(bare: Project) -> None:
    good(bare)
    bare.write("algorithms/broken.py", BROKEN)
    lost = "importlib.import_module(NAME + 'x')"
    bare.write(
        "algorithms/other.py",
        GOOD.replace("def good", "def other").replace("import json", f"import importlib; NAME = 'a'; {lost}"),
    )
    done = bare("check", code=1)
    assert "✓ good" in done.out
    assert "✗ broken" in done.out
    assert "✗ other" in done.out
    assert "algorithms/broken.py:8" in done.out
    assert "unannotated" in done.out
    assert "sede" in done.out
    assert "seed" in done.out
    assert "algorithms/other.py:11" in done.out
    assert "# palmette: imports" in done.out
    found = bare("check", "--json", code=1).json
    assert {entry["name"]: entry["good"] for entry in found["algorithms"]} == {
        "broken": False,
        "good": True,
        "other": False,
    }
    assert len(found["problems"]) >= 3
    assert not bare.exists(".palmette")


def test_of_a_library_that_is_not_there_is_said_where_it_was_looked_for(bare: Project) -> None:
    good(bare).write("shared.py", "import a_library_that_is_absent\n")
    [problem] = bare.json("check", "good", code=1)["problems"]
    assert problem["what"].endswith("ModuleNotFoundError: No module named 'a_library_that_is_absent'")
    found = re.fullmatch(r"It was imported with (\S+) \((.+)\)\.", problem["hint"])
    assert found is not None
    assert Path(found[1]).is_file()


def test_a_library_that_something_else_stands_in_for_may_be_absent(bare: Project) -> None:
    fallback = "try:\n    import a_library_that_is_absent as json\nexcept ImportError:\n    import json\n"
    good(bare).write("shared.py", f"{fallback}\ndef double(value):\n    return json.loads(str(2 * value))\n")
    assert bare.run("good")["state"] == "succeeded"


def test_check_of_good_code_says_how_much_there_is(bare: Project) -> None:
    out = good(bare)("check").out
    assert "✓ good 1 step, 1 config field, " in out
    assert "problem" not in out


def test_a_file_that_is_no_python_is_named(bare: Project) -> None:
    good(bare).write("algorithms/cut.py", "from palmette import algorithm\n\ndef broken(:\n")
    found = bare.json("check", code=1)
    assert [(entry["name"], entry["good"]) for entry in found["algorithms"]] == [("good", True)]
    assert "algorithms/cut.py:3" in bare("check", code=1).out


def test_what_is_broken_elsewhere_keeps_no_sound_algorithm_from_running(bare: Project) -> None:
    good(bare).write("algorithms/cut.py", "from palmette import algorithm\n\ndef broken(:\n")
    for name in ("one", "two"):
        bare.write(f"algorithms/{name}.py", GOOD.replace("def good", "def twice"))
    assert bare.run("good")["state"] == "succeeded"
    assert "✓ good" in bare("check", "good").out
    refused = bare("run", "twice", code=1).err
    assert "algorithms/two.py:15: the name 'twice' is taken" in refused
    assert "algorithms/cut.py:3" in bare("run", "broken", code=1).err


def test_check_mentions_a_config_field_that_no_step_uses(bare: Project) -> None:
    good(bare).replace("algorithms/good.py", "seed: int = 1\n", "seed: int = 1\n    idle: int = 2\n")
    assert "note: algorithms/good.py:8: no step of good uses the config field idle" in bare("check").out
    assert "uses the config field" not in good(bare)("check").out


def test_without_a_name_run_says_which_there_are(bare: Project) -> None:
    assert "There are: good." in good(bare)("run", code=2).err


def test_whoever_waits_for_an_import_is_told(bare: Project) -> None:
    wait = "while not Path('{here}/go').exists():\n    time.sleep(0.05)\n"
    bare.write("algorithms/good.py", GOOD)
    bare.write(
        "shared.py", f"import time\nfrom pathlib import Path\n{wait}\ndef double(value):\n    return 2 * value\n"
    )
    process = bare.start("check", "--json")
    assert process.stderr is not None
    assert process.stderr.readline() == "importing the project's packages …\n"
    bare.touch("go")
    assert '"good": true' in bare.finished(process, 0).out


def test_the_same_code_compiles_to_the_same_bytes_anywhere(bare: Project, tmp_path: Path) -> None:
    good(bare)
    bare("compile", "good", "-o", "one.yaml")
    bare("compile", "good", "-o", "two.yaml")
    one = (bare.directory / "one.yaml").read_bytes()
    assert (bare.directory / "two.yaml").read_bytes() == one
    assert bare("compile", "good").out.encode() == one
    elsewhere = tmp_path / "elsewhere" / bare.directory.name
    shutil.copytree(bare.directory, elsewhere)
    (tmp_path / "home").mkdir()
    surroundings = {"HOME": str(tmp_path / "home"), "XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONHASHSEED": "7"}
    done = bare("-C", str(elsewhere), "compile", "good", environ=surroundings, cwd=tmp_path)
    assert done.out.encode() == one
    assert not bare.exists(".palmette")


def test_a_file_that_cannot_be_written_is_an_error(bare: Project) -> None:
    assert "cannot be written" in good(bare)("compile", "good", "-o", "no/such/place.yaml", code=2).err


def test_capture_shows_what_is_taken_and_why(bare: Project) -> None:
    out = good(bare)("capture", "good").out
    assert "algorithms/good.py" in out
    assert "shared.py" in out
    explained = bare("capture", "good", "--explain").out
    assert "imported by algorithms/good.py:3" in explained
    assert "shared: double" in explained
    assert "unused" not in explained
    found = bare.json("capture", "good")
    assert {file["path"] for file in found["files"]} >= {"algorithms/good.py", "shared.py"}


def test_the_bundle_can_be_written(bare: Project) -> None:
    good(bare)("capture", "good", "-o", "bundle.tar.gz")
    with tarfile.open(fileobj=io.BytesIO((bare.directory / "bundle.tar.gz").read_bytes())) as archive:
        names = archive.getnames()
    assert "shared.py" in names
    assert "manifest.json" in names


def test_secrets_and_the_repository_are_not_taken(bare: Project) -> None:
    good(bare).write(".env", "TOKEN=abc\n")
    bare.git("init")
    bare("capture", "good", "-o", "bundle.tar.gz")
    with tarfile.open(fileobj=io.BytesIO((bare.directory / "bundle.tar.gz").read_bytes())) as archive:
        assert not [name for name in archive.getnames() if ".env" in name or ".git" in name]


def test_the_interpreter_is_the_one_that_is_set(bare: Project) -> None:
    good(bare).replace("pyproject.toml", f'python = "{sys.executable}"', 'python = "gone/bin/python"')
    assert "gone/bin/python does not exist" in bare("run", "good", code=69).err
