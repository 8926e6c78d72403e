"""The tool's Python and the project's differ, and nothing that is remembered depends on the tool's."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from conftest import Installer, Place

CLINIC = Path(__file__).parents[2] / "examples" / "clinic"
#: What parsers of different versions represent, or could represent, in different ways.
SYNTAX = '''
"""Every construct of Python 3.11 that a newer parser may see with other eyes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache, partial

from palmette import Metrics, algorithm, step

A = B = 1 << 3
LONG: tuple[float, complex, bytes, str] = (1e-9, 2j, b"\\x00", "\\N{BULLET}" "joined" f"{A!r:>{B}}" "\\t")
NESTED = f"{f'{A}' + 'x'}{{}}{B=}" + f"{A:{B}.{A}f}" + f"""{
    A
}"""
PATTERN = re.compile(r"\\d+(?:\\.\\d+)?")
COMPLEX = [x for y in ((1, 2), (3,)) if y for x in y if (z := x) > 0]
CHOICE = (lambda a, /, b=2, *c, d=4, **e: (a, b, c, d, e))(1)


class Base:
    """Indented docstrings
        are stripped
    by some compilers.
    """

    __slots__ = ("value",)

    def __init__(self, value: float = 0.0, /, *, scale: int = 1) -> None:
        """One."""
        self.value = value * scale

    @property
    def doubled(self) -> float:
        return self.value * 2

    @staticmethod
    def made(*values: float, **named: float) -> Base:
        return Base(sum(values) + sum(named.values()))


class Child(Base, metaclass=type):
    kind: str = "child"


def shape(value: object) -> str:
    match value:
        case {"kind": str(kind), **rest} if rest:
            return kind
        case [first, *_, last] | (first, last):
            return f"{first}{last}"
        case Base(value=float() as inner) | inner:
            return str(inner)


def tried(text: str) -> float:
    try:
        return float(text)
    except (ValueError, TypeError) as error:
        raise RuntimeError(str(error)) from error
    else:
        return 0.0
    finally:
        pass


def grouped() -> int:
    try:
        raise ExceptionGroup("several", [ValueError(1), TypeError(2)])
    except* ValueError as group:
        return_value = len(group.exceptions)
    except* TypeError:
        return_value = 2
    return return_value


def generated(count: int) -> Iterator[int]:
    total = 0
    for index in range(count):
        if index % 2:
            continue
        total += (yield index) or 0
        yield from (index,)
    else:
        del total
    while True:
        break
    with open("/dev/null") as one, open("/dev/null") as _:
        assert one.read() == "", "empty"


@cache
def power(base: float, exponent: float = -1.5 ** 2) -> float:
    global A
    return base ** exponent if base is not None and not base < 0 else ~A


async def later(*steps: Callable[..., int]) -> None:
    async for _ in aiter(steps):  # never called
        await later(*steps, *[])


@dataclass(frozen=True)
class Config:
    size: int = 3
    names: list[str] = field(default_factory=lambda: ["a", "b"])


@step
def first(size: int) -> dict[str, float]:
    """Use all of it."""
    values = {str(k): power(float(k + 1)) for k in generated(size)}
    return values | {"base": Child.made(1.0, x=2.0).doubled, "tried": tried("1")} | {"n": float(grouped())}


@step
def second(values: dict[str, float], names: list[str]) -> Metrics:
    add = partial(lambda a, b: a + b, 1.0)
    words = shape({"kind": "k", **values}) + shape(names) + NESTED + LONG[3] + PATTERN.pattern
    length = len(words) + len(COMPLEX) + len(CHOICE)
    return Metrics(total=add(sum(values.values())), length=length, later=callable(later))


@algorithm(config=Config)
def syntax(config: Config) -> None:
    second(first(config.size), config.names)
'''


def fingerprints(run: Any) -> dict[str, str]:
    assert run["state"] == "succeeded", run
    return {task["name"]: task["fingerprint"] for task in run["tasks"]}


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_a_tool_on_3_13_runs_older_projects_and_its_own_age(
    installer: Installer, place: Place, newest: Path, version: str
) -> None:
    installer.environment(place.directory / ".venv", version=version)
    place(newest, "init")
    run = place.json(newest, "run", "example")
    assert run["state"] == "succeeded"
    assert run["environment"]["python"].startswith(f"{version}.")


@pytest.mark.parametrize("version", ["3.12", "3.13"])
def test_fingerprints_and_pipelines_are_the_same_whichever_python_parses(
    installer: Installer, place: Place, tool: Path, tmp_path: Path, version: str
) -> None:
    newer = installer.tool(tmp_path / "newer", version)
    place.write("pyproject.toml", '[project]\nname = "syntax"\nversion = "1"\n')
    place.write("algorithms/syntax.py", SYNTAX)
    one = place.json(tool, "run", "syntax")
    other = place.json(newer, "run", "syntax")
    assert fingerprints(one) == fingerprints(other)
    assert one["bundle"] == other["bundle"]
    assert all(task["cached"] for task in other["tasks"])
    for command, name in ((tool, "one.yaml"), (newer, "other.yaml")):
        place(command, "compile", "syntax", "-o", name)
    assert (place.directory / "one.yaml").read_bytes() == (place.directory / "other.yaml").read_bytes()


def test_a_real_project_compiles_to_the_same_bytes_whichever_python_parses(
    place: Place, tool: Path, newest: Path, clinic_python: Path
) -> None:
    skipped = shutil.ignore_patterns(".venv", ".palmette", "__pycache__", "requirements.txt")
    shutil.copytree(CLINIC, place.directory, ignore=skipped, dirs_exist_ok=True)
    settings = place.directory / "pyproject.toml"
    named = f'[tool.palmette]\npython = "{clinic_python}"\n'
    settings.write_text(settings.read_text().replace("[tool.palmette]\n", named))
    for algorithm in ("tumour", "diagnosis"):
        for command, name in ((tool, "one.yaml"), (newest, "other.yaml")):
            place(command, "compile", algorithm, "-o", name)
        assert (place.directory / "one.yaml").read_bytes() == (place.directory / "other.yaml").read_bytes()


@pytest.mark.parametrize("statement", ["", "type Number = int\n"], ids=["that parses", "that only 3.12 parses"])
def test_a_project_newer_than_the_tool_is_one_clear_error(
    installer: Installer, place: Place, tool: Path, statement: str
) -> None:
    installer.environment(place.directory / ".venv", version="3.13")
    place(tool, "init")
    example = place.directory / "algorithms" / "example.py"
    example.write_text(example.read_text() + statement)
    said = place(tool, "run", "example", code=69)
    assert "the project runs on Python 3.13" in said
    assert "uv tool install --python 3.13 palmette" in said.replace("\n", " ")
    assert said.count("error") == 1
    assert place.json(tool, "runs") == []
