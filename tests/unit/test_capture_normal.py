"""The normal form: the same on every Python, blind to what does not count, and to nothing else."""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from palmette.capture import normal
from palmette.capture.normal import Detail, normal_form

SOURCES = Path(normal.__file__).parent

CORPUS = r'''
import a.b as c
from .. import d
@deco(1, *x, **y)
class A(B, metaclass=M):
    x: int = 1
    (y): int
    async def f(self, a, /, b: "int" = 1, *args, c=None, d, **kw) -> None:
        async with a as b, c: await d
        async for i in x: yield i
        return [await z async for z in y if z]
w = f"a{x}b" "c" f"{y!r:>{width}.{precision}}" f"{z:%Y-%m-%d}" f"{{}}" f"{x:}" rf"\d{x}" f"{x!s}"
v = f"{x=}" f"{x = }" f"{x=!r:^20}" f"{'a' 'b'}{3.14:10.10}" f'{a["b"]}' f"\N{EM DASH}{x}\t" f""
u = f"{x:{'>'}{10}}" f"""{
    x
    }""" f"{lambda_:x}" f"{f'{1}{x}'}" "é\ud800\u2028", b"\xff", f"{x:\n}"
n = (1, 10**9, 0x10, 1e400, 1e-7, 1j, ..., True, None, -0.0, 1_000, 123456789012345678901234567890)
match p:
    case {"a": 1, **rest} | [1, *others, None] if rest: pass
    case Point(x=0, y=-1.5) as q: ...
    case "a" "b" | 1+2j | True: pass
    case _: x[1:2, ::3, ...] = y
try: pass
except* (E, F) as e: raise X from e
g = lambda a=1, *b, c: (d := a, *b)
h = {**a, "b": c, **d}, {*e}, {k: v for k, v in i if k for j in k}
global_ = x if y else z; del x[0], y.z; assert x, "y"
for i in range(3): continue
else: pass
while not a < b <= c is not d not in e: break
def s(): nonlocal_ = 1; return (yield from x)
type_ = x[*y]; a @= b; a //= ~b
'''

PROGRAM = """
import sys, ast, hashlib, json, importlib.util
spec = importlib.util.spec_from_file_location("normal", sys.argv[1])
normal = sys.modules["normal"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(normal)
print(json.dumps({path: normal.form_digest(ast.parse(open(path, "rb").read())) for path in sys.argv[2:]}))
"""


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_every_python_yields_the_same_form(version: str, tmp_path: Path) -> None:
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    found = sorted(versions.glob(f"{version}.*/bin/python"))
    if not found:
        pytest.skip(f"no Python {version} in {versions}")
    corpus = tmp_path / "corpus.py"
    corpus.write_text(CORPUS, "utf-8")
    files = [str(corpus), *map(str, sorted(SOURCES.glob("*.py")))]
    digests = []
    for python in (sys.executable, str(found[-1])):
        command = [python, "-c", PROGRAM, normal.__file__, *files]
        digests.append(json.loads(subprocess.run(command, capture_output=True, check=True).stdout))
    assert digests[0] == digests[1]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1  # why", "x=1"),
        ("def f():\n    'doc'\n    return 1", "def f():\n  # no\n\n  return (1)"),
        ("class A:\n    '''doc'''\n    x = 1", "class A:\n    x = 1\n    'about x'"),
        ("f'a' f'{x}' 'b'", "f'a{x}b'"),
        ("'a' 'b'", "'ab'"),
        ("def f(): pass", "def f(): ..."),
        ("x = 0x10", "x = 16"),
        ("x = u'a'", "x = 'a'"),
        ("f'{x:}'", "f'{x}'"),
    ],
)
def test_what_does_not_count_vanishes(one: str, other: str) -> None:
    assert normal_form(ast.parse(one)) == normal_form(ast.parse(other))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = True"),
        ("x = 'a'", "x = b'a'"),
        ("x = None", "x = ()"),
        ("def f(a): return a", "def f(a: int): return a"),
        ("def f(a): return a", "def f(a=None): return a"),
        ("def f(*, a, b=1): ...", "def f(*, a=1, b): ..."),
        ("def f(a, /, b): ...", "def f(a, b): ..."),
        ("@d\ndef f(): ...", "def f(): ..."),
        ("class A(B): ...", "class A: ..."),
        ("{**a, 'b': 1}", "{'b': 1, **a}"),
        ("f'{x!r}'", "f'{x!s}'"),
        ("f'{x:>3}'", "f'{x:>4}'"),
        ("f'{x}'", "'{x}'"),
        ("return_ = lambda: None", "return_ = lambda: 0"),
        ("from . import a", "from .. import a"),
        ("x[1:]", "x[:1]"),
        ("async def f(): ...", "def f(): ..."),
        ("match x:\n    case None: y", "match x:\n    case True: y"),
        ("if x:\n    pass\nelse:\n    y", "if x:\n    y"),
    ],
)
def test_what_counts_stays(one: str, other: str) -> None:
    assert normal_form(ast.parse(one)) != normal_form(ast.parse(other))


def test_docstrings_stay_where_they_are_read() -> None:
    one, other = ast.parse("def f():\n    'one'"), ast.parse("def f():\n    'two'")
    assert normal_form(one, Detail.DOCSTRINGS) != normal_form(other, Detail.DOCSTRINGS)
