"""The fingerprint's slice: a change reaches exactly the steps that can see it."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from palmette.capture.closure import close
from palmette.capture.reach import Reached, reach
from palmette.capture.sources import SourceTree

STEPS = ("fetch", "fit", "evaluate", "report")

PROJECT = {
    "algo/__init__.py": "",
    "algo/main.py": '''
        """An algorithm."""
        from dataclasses import dataclass
        from palmette import algorithm, step
        from lib import scaled, charts as drawing
        from lib.clean import clean
        import lib.numbers as n

        TARGET = "y"
        LIMITS = {"low": 1}
        LIMITS["high"] = 2

        @dataclass(frozen=True)
        class Config:
            depth: int = 3

        @step(fresh="1d")
        def fetch(rows: int = 10) -> list:
            """Rows."""
            return clean([TARGET] * rows)

        @step
        def fit(data: list) -> float:
            # a comment
            from lib.lazy import slow
            return scaled(data, LIMITS) + slow()

        @step(retries=1)
        def evaluate(model: float) -> float:
            return n.half(model)

        @step
        def report(score: float) -> str:
            return drawing.page(score)

        @algorithm(config=Config, presets={"toy": Config(depth=1)})
        def tree(config):
            data = fetch()
            return report(evaluate(fit(data)))
    ''',
    "lib/__init__.py": "from .scale import scaled_by as scaled\n",
    "lib/scale.py": """
        import math
        from .deco import traced
        FACTOR = 2

        class Base:
            offset = 1

        class Scaler(Base):
            def apply(self, x, by=FACTOR):
                return self.offset + x * by

        @traced
        def scaled_by(data, limits):
            return math.sqrt(Scaler().apply(len(data)))
    """,
    "lib/deco.py": """
        import functools

        def traced(function):
            @functools.wraps(function)
            def inner(*args):
                return function(*args)
            return inner
    """,
    "lib/clean.py": """
        import re
        PATTERN = re.compile("a+")

        def clean(rows):
            return [PATTERN.sub("", row) for row in rows]

        def unused(rows):
            return rows
    """,
    "lib/lazy.py": "def slow():\n    return 3\n",
    "lib/numbers.py": "def half(x):\n    return x / 2\n\ndef double(x):\n    return x * 2\n",
    "lib/charts.py": """
        STYLE = "red"
        def _tag(text):
            return f"<b style='{STYLE}'>{text}</b>"
        def page(score):
            return _tag(score)
        def bars(score):
            return _tag(score) * 2
    """,
}


def written(directory: Path, files: Mapping[str, str]) -> SourceTree:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return SourceTree(directory, (directory,))


def reached(tmp_path: Path, files: Mapping[str, str], target: str, **more: str) -> Reached:
    """What `target` reaches in a project of these files, `more` ones replacing theirs by module name."""
    directory = tmp_path / str(len(list(tmp_path.iterdir())))
    tree = written(directory, {**files, **{f"{name}.py": text for name, text in more.items()}})
    return reach(close(tree, [target.partition(":")[0]]), target)


def digests(tmp_path: Path, files: Mapping[str, str]) -> dict[str, str]:
    directory = tmp_path / str(len(list(tmp_path.iterdir())))
    closure = close(written(directory, files), ["algo.main"])
    return {name: reach(closure, f"algo.main:{name}").digest for name in STEPS}


def changed(tmp_path: Path, file: str, old: str, new: str) -> set[str]:
    """The steps whose digest changes when `old` becomes `new` in a file of PROJECT."""
    assert old in PROJECT[file], f"{old!r} is not in {file}"
    before = digests(tmp_path, PROJECT)
    after = digests(tmp_path, {**PROJECT, file: PROJECT[file].replace(old, new)})
    return {name for name in STEPS if before[name] != after[name]}


@pytest.mark.parametrize(
    ("file", "old", "new", "steps"),
    [
        ("algo/main.py", 'TARGET = "y"', 'TARGET = "z"', "fetch"),
        ("algo/main.py", '{"low": 1}', '{"low": 0}', "fit"),
        ("algo/main.py", 'LIMITS["high"] = 2', 'LIMITS["high"] = 3', "fit"),
        ("algo/main.py", "rows: int = 10", "rows: int = 11", "fetch"),
        ("algo/main.py", "rows: int = 10", "rows: float = 10", "fetch"),
        ("algo/main.py", "+ slow()", "- slow()", "fit"),
        ("algo/main.py", "score: float) -> str", "score: float) -> object", "report"),
        ("algo/main.py", "import lib.numbers as n", "import lib.charts as n", "evaluate"),
        ("algo/main.py", "depth: int = 3", "depth: int = 4", ""),
        ("algo/main.py", "Config(depth=1)", "Config(depth=2)", ""),
        ("algo/main.py", "return report(evaluate(fit(data)))", "return report(fit(data))", ""),
        ("algo/main.py", "retries=1", "retries=2", ""),
        ("algo/main.py", 'fresh="1d"', 'fresh="2d"', ""),
        ("algo/main.py", "# a comment", "# another", ""),
        ("algo/main.py", '"""Rows."""', '"""Other rows."""', ""),
        ("algo/main.py", '"""An algorithm."""', "", ""),
        ("algo/main.py", "[TARGET] * rows", "[TARGET]   *  (rows)", ""),
        ("lib/__init__.py", "scaled_by as scaled", "Scaler as scaled", "fit"),
        ("lib/scale.py", "FACTOR = 2", "FACTOR = 3", "fit"),
        ("lib/scale.py", "offset = 1", "offset = 2", "fit"),
        ("lib/scale.py", "self.offset + x", "self.offset - x", "fit"),
        ("lib/scale.py", "import math", "import cmath as math", "fit"),
        ("lib/scale.py", "(Base)", "", "fit"),
        ("lib/deco.py", "return function(*args)", "return function(*args) or 0", "fit"),
        ("lib/clean.py", '"a+"', '"b+"', "fetch"),
        ("lib/clean.py", "def unused(rows):\n            return rows", "def unused(rows):\n            return []", ""),
        ("lib/clean.py", 'sub("", row)', 'sub(" ", row)', "fetch"),
        ("lib/lazy.py", "3", "4", "fit"),
        ("lib/numbers.py", "x / 2", "x // 2", "evaluate"),
        ("lib/numbers.py", "x * 2", "x * 3", ""),
        ("lib/charts.py", '"red"', '"blue"', "report"),
        ("lib/charts.py", "<b style", "<i style", "report"),
        ("lib/charts.py", "return _tag(score) * 2", "return _tag(score) * 3", ""),
    ],
)
def test_a_change_reaches_exactly_the_steps_that_use_it(
    tmp_path: Path, file: str, old: str, new: str, steps: str
) -> None:
    assert changed(tmp_path, file, old, new) == set(steps.split())


def test_no_module_of_a_tidy_project_counts_whole(tmp_path: Path) -> None:
    directory = tmp_path / "project"
    closure = close(written(directory, PROJECT), ["algo.main"])
    assert {name: dict(reach(closure, f"algo.main:{name}").modules_whole) for name in STEPS} == {
        name: {} for name in STEPS
    }


@pytest.mark.parametrize(
    ("unused", "counts"),
    [
        ("from typing import Literal", False),
        ("import os.path, logging.config", False),
        ("from palmette import Metrics", False),
        ("import seaborn", True),
        ("from sklearn.experimental import enable_halving_search_cv", True),
        ("from __future__ import annotations", True),
    ],
)
def test_an_unused_import_counts_where_it_may_have_an_effect(tmp_path: Path, unused: str, counts: bool) -> None:
    before = reached(tmp_path, PLAIN, "a:go")
    after = reached(tmp_path, PLAIN, "a:go", b=f"{unused}\n{PLAIN['b.py']}")
    assert (before.digest != after.digest) is counts


PLAIN = {"a.py": "from b import f\ndef go():\n    return f()\n", "b.py": "def f():\n    return 1\n"}


@pytest.mark.parametrize(
    ("effect", "said"),
    [
        ("print('hello')", "calls `print`"),
        ("import sys\nsys.path.insert(0, 'x')", "calls `sys.path.insert`"),
        ("import sys\nsys.modules['x'] = None", "patches `sys`"),
        ("import json\njson.dumps = str", "patches `json`"),
        ("import json\nsetattr(json, 'dumps', str)", "calls `setattr`"),
        ("import json\nmine = json\nmine.dumps = str", "patches `json`"),
        ("import os\nos.environ['X'] = '1'", "patches `os`"),
        ("from os import *", "everything from os"),
        ("globals()['x'] = 1", "`globals`"),
        ("exec('x = 1')", "calls `exec`"),
        ("x = eval('1')", "calls `eval`"),
        ("for i in range(3):\n    pass", "`for` statement"),
        ("with open('x') as file:\n    pass", "`with` statement"),
        ("def make():\n    return 1\nx = make()", "calls `make`"),
        ("import numpy as np\nnp.random.seed(1)", "calls `np.random.seed`"),
        ("if True:\n    print()", "calls `print`"),
        ("try:\n    import x\nexcept ImportError:\n    print()", "calls `print`"),
        ("REGISTRY = []\ndef add(f):\n    REGISTRY.append(f)\n    return f\n@add\ndef g(): ...", "applies `@add`"),
        ("class A:\n    def __init_subclass__(cls): ...\nclass B(A): ...", "may register it"),
        ("from sqlalchemy.orm import DeclarativeBase\nclass B(DeclarativeBase): ...", "subclasses `DeclarativeBase`"),
        ("class A:\n    print('defined')", "calls `print`"),
        ("def key(x):\n    return x\nx = sorted([1], key=key)", "hands `key`"),
        ("assert print", "`assert` statement"),
    ],
)
def test_a_module_whose_import_does_something_counts_whole(tmp_path: Path, effect: str, said: str) -> None:
    found = reached(tmp_path, PLAIN, "a:go", b=f"{effect}\n{PLAIN['b.py']}")
    assert said in found.modules_whole.get("b", "nothing")
    again = reached(tmp_path, PLAIN, "a:go", b=f"{effect}\n{PLAIN['b.py']}\nUNUSED = 1\n")
    assert found.digest != again.digest


@pytest.mark.parametrize(
    "harmless",
    [
        "import logging\nlog = logging.getLogger(__name__)\nlog.propagate = False",
        "from pathlib import Path\nHERE = Path(__file__).resolve().parent\nTHERE = HERE.joinpath('x')",
        "import sys\nif sys.version_info >= (3, 12):\n    x = 1\nelse:\n    x = 2",
        "if __name__ == '__main__':\n    print('hello')",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import nothing",
        "X = [name.strip() for name in 'a b'.split()]",
        "X = []\nX.append(1)\nX.extend([2])",
        "from dataclasses import dataclass, field\n@dataclass\nclass C:\n"
        "    x: list = field(default_factory=list)\nD = C()",
        "from dataclasses import dataclass\n@dataclass\nclass C:\n    x: int = 1\n"
        "    def __post_init__(self):\n        if self.x < 0:\n            raise ValueError(f'{self.x}')\nD = C(2)",
        "from enum import Enum\nclass Colour(Enum):\n    RED = 1\nDEFAULT = Colour.RED",
        "from functools import lru_cache\n@lru_cache(maxsize=3)\ndef g():\n    return 1",
        "from sklearn.base import BaseEstimator\nclass E(BaseEstimator):\n    def fit(self, X):\n        return self",
        "import numpy as np\nGRID = np.linspace(0, 1, 5)",
        "from collections import defaultdict\nX = defaultdict(list)\nX['a'] = [1]\nX['b'].append(2)",
        "from palmette import step\nimport a\nother = step(a.go, retries=3)",
        "class A:\n    @property\n    def x(self): ...\n    @x.setter\n    def x(self, value): ...",
    ],
)
def test_imports_definitions_and_constants_leave_a_module_in_parts(tmp_path: Path, harmless: str) -> None:
    before = reached(tmp_path, PLAIN, "a:go")
    after = reached(tmp_path, PLAIN, "a:go", b=f"{harmless}\n{PLAIN['b.py']}")
    assert after.modules_whole == {}
    used = {name for name in after.definitions if ":import" not in name and ":from" not in name}
    assert used == set(before.definitions)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("X = 1\ndef go():\n    return X", "X = 2\ndef go():\n    return X"),
        ("X = {}\nY = X\nY['a'] = 1\ndef go():\n    return X", "X = {}\nY = X\nY['a'] = 2\ndef go():\n    return X"),
        ("X = [1]\nX += [2]\ndef go():\n    return X", "X = [1]\nX += [3]\ndef go():\n    return X"),
        ("X = 1\nX = 2\ndef go():\n    return X", "X = 1\nX = 3\ndef go():\n    return X"),
        (
            "def f(): return 1\ndef go():\n    return f.x\nf.x = 1",
            "def f(): return 1\ndef go():\n    return f.x\nf.x = 2",
        ),
        (
            "try:\n    from x import f\nexcept ImportError:\n    def f(): return 1\ndef go():\n    return f()",
            "try:\n    from x import f\nexcept ImportError:\n    def f(): return 2\ndef go():\n    return f()",
        ),
        (
            "import sys\nif sys.version_info > (3, 12):\n    def f(): return 1\nelse:\n    def f(): return 2\n"
            "def go():\n    return f()",
            "import sys\nif sys.version_info > (3, 12):\n    def f(): return 1\nelse:\n    def f(): return 3\n"
            "def go():\n    return f()",
        ),
        (
            "N = 1\ndef bump():\n    global N\n    N = 2\ndef go():\n    bump()",
            "N = 0\ndef bump():\n    global N\n    N = 2\ndef go():\n    bump()",
        ),
        ("K = 1\ndef go(x=K):\n    return x", "K = 2\ndef go(x=K):\n    return x"),
        ("K = 1\ndef go():\n    return [K for _ in 'a']", "K = 2\ndef go():\n    return [K for _ in 'a']"),
        ("K = 1\ndef go():\n    return lambda: K", "K = 2\ndef go():\n    return lambda: K"),
        (
            "class C:\n    x = 1\ndef go(c: 'C'):\n    return c",
            "class C:\n    x = 2\ndef go(c: 'C'):\n    return c",
        ),
        (
            "from math import sqrt as r\ndef go():\n    return r(1)",
            "from cmath import sqrt as r\ndef go():\n    return r(1)",
        ),
        (
            "def go():\n    from math import sqrt as r\n    return r(1)",
            "def go():\n    from cmath import sqrt as r\n    return r(1)",
        ),
        (
            "from functools import singledispatch\n@singledispatch\ndef f(x): return 1\n@f.register\n"
            "def _(x: int): return 2\ndef go():\n    return f(1)",
            "from functools import singledispatch\n@singledispatch\ndef f(x): return 1\n@f.register\n"
            "def _(x: int): return 3\ndef go():\n    return f(1)",
        ),
        ("import enabling\ndef go():\n    return 1", "def go():\n    return 1"),
        ("def go():\n    'one'\n    return go.__doc__", "def go():\n    'two'\n    return go.__doc__"),
        (
            "import inspect\ndef go():\n    # one\n    return inspect.getsource(go)",
            "import inspect\ndef go():\n    # two\n    return inspect.getsource(go)",
        ),
        ("A = 1\ndef go():\n    return globals()['A']", "A = 2\ndef go():\n    return globals()['A']"),
        ("A = 1\ndef go(t):\n    return eval(t)", "A = 2\ndef go(t):\n    return eval(t)"),
        (
            "class A: ...\nclass B(A):\n    x = 1\ndef go():\n    return A.__subclasses__()",
            "class A: ...\nclass B(A):\n    x = 2\ndef go():\n    return A.__subclasses__()",
        ),
        (
            "def wrap(f):\n    return f\ndef go():\n    return 1\ngo = wrap(go)",
            "def wrap(f):\n    return 1\ndef go():\n    return 1\ngo = wrap(go)",
        ),
        *(
            (f"{text}\ndef go():\n    return L", f"{text.replace('1', '2')}\ndef go():\n    return L")
            for text in (
                "L = []\nclass A:\n    L.append(1)",
                "L = {}\nclass A:\n    L['a'] = 1",
                "L = []\nclass A:\n    x = L\n    x.append(1)",
                "L = {}\nclass A:\n    if True:\n        L['a'] = 1",
                "class L:\n    items = {}\nr = L()\nr.items['a'] = 1",
                "L = []\nALL = [L]\nALL[0].append(1)",
                "L = {'a': []}\nY = L.get('a')\nY += [1]",
                "L = []\nY, Z = L, 0\nY.append(1)",
                "L = []\ndef f(x=L.append(1)): ...",
                "Y = (L := 1)",
                "[L := i for i in [1]]",
                "L = {}\nL |= {'a': 1}",
                "match 0:\n    case _:\n        L = 1",
            )
        ),
    ],
)
def test_within_a_module_a_change_that_can_be_seen_counts(tmp_path: Path, before: str, after: str) -> None:
    first = reached(tmp_path, {"m.py": before}, "m:go")
    second = reached(tmp_path, {"m.py": after}, "m:go")
    assert first.digest != second.digest


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1\ndef go():\n    x = 2\n    return x", "x = 3\ndef go():\n    x = 2\n    return x"),
        ("x = 1\ndef go(x):\n    return x", "x = 3\ndef go(x):\n    return x"),
        ("x = 1\ndef go(y):\n    return [x for x in y]", "x = 3\ndef go(y):\n    return [x for x in y]"),
        ("def go():\n    return 1", "import os\n\n\ndef other():\n    return os\n\n\ndef go():  # now\n    return (1)"),
        ("def go():\n    'doc'", "def go():\n    pass"),
    ],
)
def test_within_a_module_a_change_that_cannot_be_seen_does_not(tmp_path: Path, before: str, after: str) -> None:
    first = reached(tmp_path, {"m.py": before}, "m:go")
    second = reached(tmp_path, {"m.py": after}, "m:go")
    assert first.digest == second.digest


@pytest.mark.parametrize(
    ("use", "whole"),
    [
        ("import b\ndef go(name):\n    return getattr(b, name)()", True),
        ("import b\ndef go(name):\n    return b.f()", False),
        ("import b\nmine = b\ndef go(name):\n    return mine.f()", True),
        ("from b import *\ndef go():\n    return f()", True),
        ("import importlib\ndef go():\n    return importlib.import_module('b')", True),
        ("def go():\n    import b\n    return b.f()", False),
        ("def go():\n    import b\n    return b", True),
        ("import b\ndef go():\n    return vars(b)", True),
        ("import b\ndef go():\n    b.f = None", False),
    ],
)
def test_a_module_that_is_used_as_a_value_counts_whole(tmp_path: Path, use: str, whole: bool) -> None:
    found = reached(tmp_path, {"a.py": use, "b.py": PLAIN["b.py"]}, "a:go")
    assert ("b" in found.modules_whole) is whole


def test_what_a_parent_package_does_when_imported_counts(tmp_path: Path) -> None:
    files = {"p/__init__.py": "import os\nos.environ['A'] = '1'\n", "p/m.py": "def go():\n    return 1\n"}
    first = reached(tmp_path, files, "p.m:go")
    second = reached(tmp_path, files, "p.m:go", **{"p/__init__": "import os\nos.environ['A'] = '2'\n"})
    assert "p" in first.modules_whole
    assert first.digest != second.digest


def test_a_module_that_patches_another_counts_for_whoever_imports_it(tmp_path: Path) -> None:
    files = {"a.py": "import b\nimport patches\ndef go():\n    return b.f()\n", "b.py": PLAIN["b.py"]}
    first = reached(tmp_path, files, "a:go", patches="import b\nb.f = lambda: 2\n")
    second = reached(tmp_path, files, "a:go", patches="import b\nb.f = lambda: 3\n")
    assert "patches" in first.modules_whole
    assert first.digest != second.digest


def test_names_are_followed_through_chains_of_re_exports(tmp_path: Path) -> None:
    files = {
        "a.py": "import p\ndef go():\n    return p.q.r.f()\n",
        "p/__init__.py": "from . import q\n",
        "p/q/__init__.py": "from .. import s as r\n",
        "p/s.py": "from .t import f\n",
        "p/t.py": "def f():\n    return 1\ndef g():\n    return 1\n",
    }
    found = reached(tmp_path, files, "a:go")
    assert "p.t:f" in found.definitions
    assert "p.t:g" not in found.definitions
    assert found.modules_whole == {}


def test_a_function_named_like_its_module_is_the_function(tmp_path: Path) -> None:
    files = {
        "a.py": "from p import f\ndef go():\n    return f()\n",
        "p/__init__.py": "from .f import f\n",
        "p/f.py": "def f():\n    return 1\ndef g():\n    return 1\n",
    }
    found = reached(tmp_path, files, "a:go")
    assert found.modules_whole == {}
    assert "p.f:f" in found.definitions


def test_a_data_file_counts_for_the_steps_that_name_it(tmp_path: Path) -> None:
    files = {
        "m.py": "from pathlib import Path\nHERE = Path(__file__).parent\n"
        "def go():\n    return (HERE / 'q.sql').read_text()\ndef other():\n    return 1\n",
        "q.sql": "select 1",
    }
    first = {name: reached(tmp_path, files, f"m:{name}").digest for name in ("go", "other")}
    second = {name: reached(tmp_path, {**files, "q.sql": "select 2"}, f"m:{name}").digest for name in ("go", "other")}
    assert first["go"] != second["go"]
    assert first["other"] == second["other"]


def test_a_function_of_somebody_else_counts_by_its_name(tmp_path: Path) -> None:
    closure = close(written(tmp_path, PLAIN), ["a"])
    assert reach(closure, "sklearn.datasets:load_iris").definitions.keys() == {"sklearn.datasets:load_iris"}


def test_formats_and_fresh_functions_count_beside_the_step(tmp_path: Path) -> None:
    closure = close(written(tmp_path, PLAIN), ["a"])
    assert "b:f" in reach(closure, "a:go").definitions
    alone, more = reach(closure, "b:f"), reach(closure, "b:f", ["a:go"])
    assert "a:go" in more.definitions
    assert alone.digest != more.digest


def test_included_modules_count_whole_for_the_step_that_includes_them(tmp_path: Path) -> None:
    files = {
        "m.py": "import importlib\nfrom palmette import step\n"
        "@step(include=['plug_*'])\ndef go(name):\n    return importlib.import_module(name).f()\n"
        "@step\ndef other():\n    return 1\n",
        "plug_a.py": "def f():\n    return 1\n",
    }
    assert "plug_a" in reached(tmp_path, files, "m:go").modules_whole
    assert "plug_a" not in reached(tmp_path, files, "m:other").modules_whole
