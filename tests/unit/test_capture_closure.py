"""The source closure: what is taken, what is left, and what is refused."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Mapping
from pathlib import Path

import pytest

from palmette.capture.closure import Closure, close
from palmette.capture.explain import left
from palmette.capture.sources import SourceTree
from palmette.errors import CaptureError


def written(directory: Path, files: Mapping[str, str | bytes], *roots: str) -> SourceTree:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else textwrap.dedent(text).encode())
    return SourceTree(directory, tuple(directory / root for root in roots or (".",)))


def paths(closure: Closure) -> set[str]:
    return {taken.path for taken in closure.files}


def refusal(tree: SourceTree, module: str = "app.main", **more: object) -> str:
    with pytest.raises(CaptureError) as caught:
        close(tree, [module], **more)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize(
    "statement",
    [
        "import app.helper",
        "from app import helper",
        "from . import helper",
        "from .helper import f",
        "def lazy():\n    from app.helper import f",
        "class A:\n    def lazy(self):\n        import app.helper as h",
        "from app import *",
        "import importlib\nimportlib.import_module('app.helper')",
        "from importlib import import_module as load\nload('.helper', 'app')",
        "from importlib import import_module\nimport_module('.helper', package=__package__)",
        "from importlib import import_module\nimport_module(f'{__package__}.helper')",
        "import importlib\nimportlib.import_module(__package__ + '.helper')",
        "__import__('app.helper')",
        "try:\n    from app.helper import f\nexcept ImportError:\n    f = None",
        "import sys\nif sys.version_info > (3, 99):\n    import app.helper",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    pass\nelse:\n    import app.helper",
        "# palmette: imports app.helper",
        "# palmette: imports app.nothing_else, app.help*",
        "from palmette import step\n@step(include=['app.h*'])\ndef f(): ...",
        "x = (lambda: __import__('app.helper'))",
    ],
)
def test_every_way_to_import_is_followed(tmp_path: Path, statement: str) -> None:
    files = {
        "app/__init__.py": "__all__ = ['helper']\n",
        "app/main.py": statement + "\n",
        "app/helper.py": "def f(): ...\n",
        "app/nothing_else.py": "",
        "app/other.py": "",
    }
    assert "app/helper.py" in paths(close(written(tmp_path, files), ["app.main"]))


@pytest.mark.parametrize(
    "statement",
    [
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import app.helper",
        "import typing\nif typing.TYPE_CHECKING:\n    import app.helper",
        "'import app.helper'",
    ],
)
def test_what_only_type_checkers_import_is_left(tmp_path: Path, statement: str) -> None:
    files = {"app/__init__.py": "", "app/main.py": statement + "\n", "app/helper.py": ""}
    closure = close(written(tmp_path, files), ["app.main"])
    assert paths(closure) == {"app/__init__.py", "app/main.py"}
    assert [each.path for each in left(closure)] == ["app/helper.py"]


@pytest.mark.parametrize(
    "statement",
    [
        "import importlib\nimportlib.import_module(name)",
        "from importlib import import_module\nload = import_module",
        "__import__('app.' + name)",
        "import pkgutil, app\nlist(pkgutil.walk_packages(app.__path__))",
        "import pkgutil\nfor each in pkgutil.iter_modules(path): ...",
        "import importlib.util\nimportlib.util.spec_from_file_location('x', 'x.py')",
        "import runpy\nrunpy.run_path('x.py')",
        "from importlib.metadata import entry_points\nentry_points(group='app.plugins')",
    ],
)
def test_an_import_that_cannot_be_read_is_refused_with_the_ways_out(tmp_path: Path, statement: str) -> None:
    project = "[project.entry-points.'app.plugins']\na = 'app.plug:f'\n"
    files = {"app/__init__.py": "", "app/main.py": f"name = 'x'\n{statement}\n", "pyproject.toml": project}
    said = refusal(written(tmp_path, files))
    assert "app/main.py:3" in said or "app/main.py:2" in said
    assert all(way in said for way in ("@step(include=", "# palmette: imports", 'closure = "package"'))


@pytest.mark.parametrize(
    "statement",
    [
        "import importlib\nimportlib.import_module(name)  # palmette: imports app.plug_a",
        "import importlib\ndef load(name):\n    # palmette: imports app.plug_*\n"
        "    return importlib.import_module(name)",
        "import importlib\nfrom palmette import step\n"
        "@step(include=['app.plug_*'])\ndef load(name):\n    return importlib.import_module(name)",
        "import pkgutil, numpy\npkgutil.walk_packages(numpy.__path__)\n# palmette: imports app.plug_a",
        "from importlib.metadata import entry_points\nentry_points(group='somebody.else')\n"
        "# palmette: imports app.plug_a",
    ],
)
def test_an_import_that_is_answered_for_is_accepted(tmp_path: Path, statement: str) -> None:
    files = {"app/__init__.py": "", "app/main.py": f"name = 'x'\n{statement}\n", "app/plug_a.py": ""}
    assert "app/plug_a.py" in paths(close(written(tmp_path, files), ["app.main"]))


def test_a_comment_in_one_function_does_not_answer_for_another(tmp_path: Path) -> None:
    text = """
        import importlib
        def one(name):
            return importlib.import_module(name)  # palmette: imports app.plug_a
        def two(name):
            return importlib.import_module(name)
    """
    tree = written(tmp_path, {"app/__init__.py": "", "app/main.py": text, "app/plug_a.py": ""})
    # the comment's glob is known, and yet the second import is not covered by it
    with pytest.raises(CaptureError, match=r"main\.py:6"):
        close(tree, ["app.main"])


def test_whole_packages_are_taken_but_for_their_tests(tmp_path: Path) -> None:
    files = {
        "app/__init__.py": "",
        "app/main.py": "import importlib\nimportlib.import_module(input())\n",
        "app/deep/__init__.py": "",
        "app/deep/plug.py": "",
        "app/tests/test_main.py": "",
        "app/test_plug.py": "",
        "other/__init__.py": "",
    }
    closure = close(written(tmp_path, files), ["app.main"], whole_packages=True)
    assert paths(closure) == {"app/__init__.py", "app/main.py", "app/deep/__init__.py", "app/deep/plug.py"}
    assert {each.why for each in left(closure)} == {"a test"}


def test_all_problems_come_at_once(tmp_path: Path) -> None:
    files = {
        "app/__init__.py": "",
        "app/main.py": "import app.broken\nimport importlib\nimportlib.import_module(x)\nimport palmette.cli\n"
        "from ... import y\n",
        "app/broken.py": "def f(:\n",
    }
    said = refusal(written(tmp_path, files))
    assert all(each in said for each in ("main.py:3", "main.py:4", "main.py:5", "broken.py:1", "palmette.cli"))


@pytest.mark.parametrize(
    "statement", ["import palmette.store", "from palmette import capture", "from palmette.ir import spec"]
)
def test_other_parts_of_palmette_are_refused(tmp_path: Path, statement: str) -> None:
    assert "does not go along" in refusal(written(tmp_path, {"m.py": statement}), "m")


@pytest.mark.parametrize(
    "statement",
    [
        "from palmette import step, run, Metric",
        "import palmette",
        "import palmette.runtime",
        "from palmette.errors import X",
    ],
)
def test_the_carried_parts_of_palmette_may_be_imported(tmp_path: Path, statement: str) -> None:
    assert paths(close(written(tmp_path, {"m.py": statement}), ["m"])) == {"m.py"}


def test_a_hidden_ancestor_directory_does_not_matter(tmp_path: Path) -> None:
    directory = tmp_path / ".worktrees" / "x" / "node_modules" / "project"
    files = {"app/__init__.py": "", "app/main.py": "from app import helper", "app/helper.py": ""}
    assert len(paths(close(written(directory, files), ["app.main"]))) == 3


def test_namespace_packages_are_searched_in_every_root(tmp_path: Path) -> None:
    files = {"a/ns/one.py": "import ns.two\nimport ns.deep.three\n", "b/ns/two.py": "", "b/ns/deep/three.py": ""}
    closure = close(written(tmp_path, files, "a", "b"), ["ns.one"])
    assert paths(closure) == {"ns/one.py", "ns/two.py", "ns/deep/three.py"}


def test_a_directory_without_code_hides_no_third_party_package(tmp_path: Path) -> None:
    closure = close(written(tmp_path, {"m.py": "import wandb\n", "wandb/run-1/log.txt": ""}), ["m"])
    assert closure.third_party == ("wandb",)


def test_third_party_modules_are_named_in_full_and_the_standard_library_is_not(tmp_path: Path) -> None:
    text = (
        "import os.path, numpy as np\nfrom sklearn.linear_model import Lasso\n"
        "from matplotlib import pyplot\ndef f():\n    import torch.nn\n"
    )
    closure = close(written(tmp_path, {"m.py": text}), ["m"])
    assert closure.third_party == ("matplotlib", "numpy", "sklearn.linear_model", "torch.nn")
    assert closure.optional_third_party == ("torch.nn",)
    assert closure.third_party_maybe == ("matplotlib.pyplot",)


@pytest.mark.parametrize(
    "handler",
    ["except ImportError:", "except (KeyError, ModuleNotFoundError):", "except Exception as error:", "except:"],
)
def test_what_a_try_goes_on_without_may_be_missing(tmp_path: Path, handler: str) -> None:
    text = f"import numpy\ntry:\n    import ujson as json\n{handler}\n    import simplejson as json\n"
    closure = close(written(tmp_path, {"m.py": text}), ["m"])
    assert closure.third_party == ("numpy", "simplejson", "ujson")
    assert closure.optional_third_party == ("simplejson", "ujson")


@pytest.mark.parametrize(
    "text",
    [
        "try:\n    import ujson\nexcept ValueError:\n    pass\n",
        "try:\n    import ujson\nfinally:\n    pass\n",
        "try:\n    pass\nexcept ImportError:\n    pass\nfinally:\n    import ujson\n",
        "import ujson\ntry:\n    import ujson\nexcept ImportError:\n    pass\n",
    ],
)
def test_what_nothing_goes_on_without_may_not_be_missing(tmp_path: Path, text: str) -> None:
    closure = close(written(tmp_path, {"m.py": text}), ["m"])
    assert (closure.third_party, closure.optional_third_party) == (("ujson",), ())


def test_a_module_that_shadows_the_standard_library_is_refused(tmp_path: Path) -> None:
    said = refusal(written(tmp_path, {"m.py": "import random\n", "random.py": ""}), "m")
    assert "standard library" in said
    assert close(written(tmp_path, {"n.py": "import json\n"}), ["n"])


def test_compiled_modules_are_taken_for_every_python(tmp_path: Path) -> None:
    built = ("fast.cpython-311-x86_64-linux-gnu.so", "fast.cpython-312-x86_64-linux-gnu.so")
    files = {"app/__init__.py": "", "app/main.py": "from app import fast", **{f"app/{name}": "" for name in built}}
    assert {f"app/{name}" for name in built} <= paths(close(written(tmp_path, files), ["app.main"]))


@pytest.mark.parametrize(
    "expression",
    [
        "from pathlib import Path\nPath(__file__).parent / 'sql' / 'x.sql'",
        "from pathlib import Path\nHERE = Path(__file__).resolve().parent\ndef f():\n"
        "    return HERE.joinpath('sql', 'x.sql')",
        "from pathlib import Path\nPath(__file__).with_name('sql') / 'x.sql'",
        "from pathlib import Path\nlist((Path(__file__).parent / 'sql').glob('*.sql'))",
        "from importlib.resources import files\nfiles('app') / 'sql/x.sql'",
        "from importlib.resources import files\nfiles('app.sql').joinpath('x.sql').read_text()",
        "import importlib.resources\nimportlib.resources.read_text('app.sql', 'x.sql')",
        "import importlib.resources as r\nr.files(__package__) / 'sql' / 'x.sql'",
        "import pkgutil\npkgutil.get_data('app', 'sql/x.sql')",
        "import os\nopen(os.path.join(os.path.dirname(__file__), 'sql', 'x.sql'))",
    ],
)
def test_data_that_is_named_literally_is_taken(tmp_path: Path, expression: str) -> None:
    files = {"app/__init__.py": "", "app/main.py": expression, "app/sql/x.sql": "select 1", "app/sql/y.txt": ""}
    closure = close(written(tmp_path, files), ["app.main"])
    assert closure.data == ("app/sql/x.sql",)


def test_data_that_cannot_be_told_is_warned_about_and_large_data_refused(tmp_path: Path) -> None:
    text = (
        "from pathlib import Path\nHERE = Path(__file__).parent\ndef f(name):\n    return HERE / name\n"
        "HERE / 'big.bin'\n"
    )
    said = refusal(written(tmp_path / "a", {"m.py": text, "big.bin": b"x" * (1 << 20) + b"x"}), "m")
    assert "too large" in said
    closure = close(written(tmp_path / "b", {"m.py": text}), ["m"])
    assert "m.py:4" in str(closure.warnings[0])


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".env.local",
        "tls.pem",
        "server.KEY",
        "id_rsa",
        "credentials.json",
        ".netrc",
        ".pypirc",
        "kubeconfig",
        ".git/config",
    ],
)
def test_secrets_are_never_taken(tmp_path: Path, name: str) -> None:
    text = f"from pathlib import Path\n(Path(__file__).parent / {name!r}).read_text()\n"
    assert "hold secrets" in refusal(written(tmp_path, {"m.py": text, name: "secret"}), "m")


def test_secrets_are_not_taken_by_a_glob_or_through_a_link_either(tmp_path: Path) -> None:
    tree = written(
        tmp_path, {"app/__init__.py": "", "app/main.py": "", "app/conf/.env": "secret", "app/conf/a.txt": ""}
    )
    assert "hold secrets" in refusal(tree, include=["app/conf/*", "app/conf/.*"])
    (tmp_path / "app/conf/plain.txt").symlink_to(tmp_path / "app/conf/.env")
    assert "hold secrets" in refusal(tree, include=["app/conf/plain.txt"])


def test_a_text_that_looks_like_a_key_is_warned_about_without_quoting_it(tmp_path: Path) -> None:
    key = "AKIA" + "ABCDEFGHIJKLMNOP"
    closure = close(written(tmp_path, {"m.py": f"\nKEY = '{key}'\n"}), ["m"])
    assert "m.py:2" in str(closure.warnings[0])
    assert key not in str(closure.warnings[0])


def test_links_are_followed_inside_the_roots_and_refused_outside(tmp_path: Path) -> None:
    tree = written(tmp_path / "p", {"m.py": "import linked\n", "sub/real.py": ""})
    (tmp_path / "p/linked.py").symlink_to(tmp_path / "p/sub/real.py")
    assert paths(close(tree, ["m"])) == {"m.py", "linked.py"}
    (tmp_path / "outside.py").write_text("")
    (tmp_path / "p/linked.py").unlink()
    (tmp_path / "p/linked.py").symlink_to(tmp_path / "outside.py")
    assert "leads out of" in refusal(SourceTree(tmp_path / "p", (tmp_path / "p",)), "m")


def test_a_link_to_a_directory_above_ends(tmp_path: Path) -> None:
    tree = written(tmp_path, {"app/__init__.py": "", "app/main.py": ""})
    (tmp_path / "app" / "again").symlink_to(tmp_path / "app", target_is_directory=True)
    assert paths(close(tree, ["app.main"], whole_packages=True)) == {"app/__init__.py", "app/main.py"}


def test_each_file_says_who_asked_for_it(tmp_path: Path) -> None:
    files = {"app/__init__.py": "", "app/main.py": "\nfrom app.helper import f\n", "app/helper.py": ""}
    closure = close(written(tmp_path, files), ["app.main"])
    assert {taken.path: str(taken.why) for taken in closure.files} == {
        "app/__init__.py": "asked for",
        "app/main.py": "asked for",
        "app/helper.py": "app/main.py:2",
    }


def test_an_unknown_module_and_a_glob_that_matches_nothing_are_problems(tmp_path: Path) -> None:
    tree = written(tmp_path, {"m.py": ""})
    assert "no first-party module" in refusal(tree, "nothing")
    assert "nothing matches `plug_*`" in refusal(tree, "m", include=["plug_*"])


def test_the_project_is_never_imported(tmp_path: Path) -> None:
    close(written(tmp_path, {"m.py": f"open({os.fspath(tmp_path / 'made')!r}, 'w')\n"}), ["m"])
    assert not (tmp_path / "made").exists()
