"""Finding algorithms by reading text."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from palmette.errors import DefinitionError
from palmette.operations.discovery import modules, resolve, search, survey


def found(tmp_path: Path, text: str) -> dict[str, tuple[str, int]]:
    path = tmp_path / "m.py"
    path.write_text(text)
    return {name: (entry.qualname, entry.line) for name, entry in search({"m": path}).items()}


@pytest.mark.parametrize(
    "text",
    [
        "from palmette import algorithm\n@algorithm\ndef f(config): ...",
        "from palmette import algorithm as a\n@a(config=C)\ndef f(config): ...",
        "import palmette\n@palmette.algorithm(config=C)\ndef f(config): ...",
        "import palmette as p\n@p.algorithm()\ndef f(config): ...",
        "from palmette import *\n@algorithm\ndef f(config): ...",
    ],
)
def test_every_spelling_of_the_decorator_is_seen(tmp_path: Path, text: str) -> None:
    assert found(tmp_path, text) == {"f": ("f", 3)}


def test_a_name_in_the_decorator_names_the_algorithm(tmp_path: Path) -> None:
    text = 'from palmette import algorithm\n@algorithm(name="Tumour v2")\ndef f(config): ...'
    assert found(tmp_path, text) == {"Tumour v2": ("f", 3)}


def test_classes_and_branches_are_searched_and_bodies_of_functions_are_not(tmp_path: Path) -> None:
    text = (
        "from palmette import algorithm\n"
        "class A:\n    @algorithm\n    def f(config): ...\n"
        "try:\n    import x\nexcept ImportError:\n    @algorithm\n    def g(config): ...\n"
        "def test():\n    @algorithm\n    def h(config): ...\n"
    )
    assert found(tmp_path, text) == {"f": ("A.f", 4), "g": ("g", 9)}


def test_somebody_elses_decorator_of_that_name_is_none(tmp_path: Path) -> None:
    assert found(tmp_path, "# palmette\nfrom other import algorithm\n@algorithm\ndef f(config): ...") == {}


def test_all_problems_are_told_at_once_with_their_places(tmp_path: Path) -> None:
    define = "from palmette import algorithm\n@algorithm{}\ndef f(config): ...\n"
    texts = {"a": define, "b": define, "c": define + "\ndef (", "d": define.replace("{}", "(name=NAME)"), "e": "def ("}
    for name, text in texts.items():
        (tmp_path / f"{name}.py").write_text(text.replace("{}", ""))
    with pytest.raises(DefinitionError) as caught:
        search({name: tmp_path / f"{name}.py" for name in texts})
    assert [problem.where for problem in caught.value.problems] == [
        f"{tmp_path}/b.py:3",
        f"{tmp_path}/c.py:5",
        f"{tmp_path}/d.py:2",
    ]
    assert f"taken by {tmp_path}/a.py:3" in caught.value.problems[0].what


def test_what_is_sound_is_found_beside_what_is_not(tmp_path: Path) -> None:
    define = "from palmette import algorithm\n@algorithm\ndef {}(config): ...\n"
    texts = {"alpha": define, "b": define, "c": define, "d": define + "\ndef ("}
    names = {"alpha": "alpha", "b": "twice", "c": "twice", "d": "cut"}
    for module, text in texts.items():
        (tmp_path / f"{module}.py").write_text(text.format(names[module]))
    surveyed = survey({module: tmp_path / f"{module}.py" for module in texts})
    assert list(surveyed.found) == ["alpha", "twice"]
    assert [problem.where for problem in surveyed.problems] == [f"{tmp_path}/c.py:3", f"{tmp_path}/d.py:5"]
    assert [name for name in ("alpha", "twice", "cut") if surveyed.sound(name)] == ["alpha"]


def test_a_file_of_null_bytes_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match="is not Python"):
        found(tmp_path, "from palmette import algorithm\0")


def test_everything_is_searched_but_tests_environments_homes_and_projects_within(tmp_path: Path) -> None:
    names = ["a.py", "p/__init__.py", "p/m.py", "ns/q/m.py", "not-a-module.py", "tests/t.py", "p/test_m.py"]
    names += [".hidden/x.py", "env/pyvenv.cfg", "env/x.py", "sub/pyproject.toml", "sub/x.py", "home/x.py", "src/s.py"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    seen = modules([tmp_path / "src", tmp_path], [tmp_path / "home"])
    assert list(seen) == ["s", "a", "ns.q.m", "p", "p.m"]


def test_a_package_resolves_to_its_modules_in_every_root(tmp_path: Path) -> None:
    for name in ("one/ns/a.py", "two/ns/b.py", "two/ns/tests/test_c.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    roots = [tmp_path / "one", tmp_path / "two"]
    assert list(resolve("ns", roots)) == ["ns.a", "ns.b", "ns.tests.test_c"]
    assert resolve("ns.c", roots) == resolve("../one", roots) == {}


def test_twenty_files_take_milliseconds(tmp_path: Path) -> None:
    text = "from palmette import algorithm\n@algorithm\ndef f{}(config): ...\n" + "def g(x):\n    return x + 1\n" * 50
    for number in range(20):
        (tmp_path / f"m{number}.py").write_text(text.replace("{}", str(number)))

    def seconds() -> float:
        started = time.thread_time()
        assert len(search(modules([tmp_path]))) == 20
        return time.thread_time() - started

    # Ten times what it takes. A collection of garbage or another's caches may cost one look as much, and not each.
    assert min(seconds() for _ in range(5)) < 0.3


@pytest.mark.parametrize(
    ("given", "presets"),
    [
        ("", set()),
        ("(config=C)", set()),
        ("(presets=None)", set()),
        ('(presets={"toy": C(), "small": C()})', {"toy", "small"}),
        ("(presets=dict(toy=C()))", {"toy"}),
        ("(presets=PRESETS)", None),
        ('(presets={"small": C(), **PRESETS})', None),
        ("(presets={NAME: C()})", None),
        ("(presets=dict(PRESETS, small=C()))", None),
        ("(presets=dict(**PRESETS))", None),
        ("(**MORE)", None),
    ],
)
def test_presets_are_known_where_they_are_written_out(tmp_path: Path, given: str, presets: set[str] | None) -> None:
    (tmp_path / "a.py").write_text(f"from palmette import algorithm\n\n@algorithm{given}\ndef a(): ...\n")
    assert survey({"a": tmp_path / "a.py"}).found["a"].presets == presets
