"""What importing Palmette costs and brings along."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import palmette

SOURCE = Path(palmette.__file__).parent
VERSIONS = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"

#: The test's pipeline is plain Python: nothing is installed beside it.
USE = """
import sys
sys.path.insert(0, sys.argv[1])
from palmette import HTML, Evaluation, Format, Image, Markdown, Metric, Metrics, Range, Sensitive, Text, algorithm
from palmette import log_metric, progress, step, track
from palmette.authoring.record import record

@step(cpu=2)
def double(x: int) -> int:
    return 2 * x

@step
def show(x) -> HTML:
    return HTML(x)

@algorithm
def twice() -> None:
    show(double(3))

assert double(4) == 8
graph, problems = record(twice)
assert problems == (), problems
assert [task.name for task in graph.tasks] == ["double", "show"]
"""


def python(executable: str | Path, code: str, *arguments: str) -> str:
    done = subprocess.run([executable, "-I", "-S", "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_vocabulary_is_sorted_and_every_name_of_it_is_there() -> None:
    assert palmette.__all__ == sorted(palmette.__all__, key=lambda name: (not name.isupper(), name))
    assert set(palmette.__all__) <= set(dir(palmette))
    assert all(getattr(palmette, name) is not None for name in palmette.__all__)


def test_type_checkers_are_told_of_the_same_names() -> None:
    tree = ast.parse((SOURCE / "__init__.py").read_text())
    told = [alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    assert set(palmette.__all__) <= set(told)


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'stop'"):
        palmette.stop  # noqa: B018


def test_only_the_standard_library_is_loaded() -> None:
    code = USE + "import json; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    loaded = set(json.loads(python(sys.executable, code, str(SOURCE.parent))))
    assert loaded - set(sys.stdlib_module_names) <= {"palmette", "__main__"}


def test_importing_the_package_loads_none_of_its_modules() -> None:
    code = "import sys; sys.path.insert(0, sys.argv[1]); before = set(sys.modules); import palmette; "
    loaded = python(sys.executable, code + "print(sorted(set(sys.modules) - before))", str(SOURCE.parent))
    assert "palmette." not in loaded
    assert "typing" not in loaded


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_it_works_alone_in_every_supported_python(version: str) -> None:
    found = sorted(VERSIONS.glob(f"{version}.*/bin/python"))
    if not found:
        pytest.skip(f"there is no Python {version} below {VERSIONS}")
    python(found[-1], USE, str(SOURCE.parent))


def test_importing_costs_little_above_a_bare_interpreter() -> None:
    def seconds(code: str) -> float:
        costs = []
        for _ in range(5):
            before = os.times()
            python(sys.executable, f"import sys; sys.path.insert(0, sys.argv[1]); {code}", str(SOURCE.parent))
            after = os.times()
            costs.append(after.children_user + after.children_system - before.children_user - before.children_system)
        return min(costs)

    # CPU time in a ratio: the machine may be slow and shared.
    bare = seconds("pass")
    assert seconds("import palmette") <= 2 * bare + 0.03
