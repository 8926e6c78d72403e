"""First-party modules come from the bundle, and from nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import palmette

INSTALL = """
import os, sys
from pathlib import Path
from palmette.runtime.finder import install
install(Path(os.environ["BUNDLE"]), os.environ)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    return root


def written(root: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def child(bundle: Any, project: Path, program: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A process as the template forks it: Palmette importable, the working directory too if `path` says so."""
    search = [str(Path(palmette.__file__).parents[1]), *([str(path)] if path else [])]
    return subprocess.run(
        [sys.executable, "-c", INSTALL + textwrap.dedent(program)],
        capture_output=True,
        text=True,
        cwd=project,
        env={
            "PYTHONPATH": os.pathsep.join(search),
            "BUNDLE": str(bundle.directory),
            "PALMETTE_BUNDLES": str(bundle.home),
            "PALMETTE_PROJECT": str(project),
            "PALMETTE_SOURCES": str(project),
        },
        check=False,
    )


APP = {
    "app/__init__.py": "",
    "app/maths.py": "def half(x):\n    return x / 2\n\ndef broken():\n    raise ValueError('here')\n",
}


def test_a_module_comes_from_the_bundle_though_the_working_tree_is_searched_first(
    make_bundle: Callable[..., Any], project: Path
) -> None:
    bundle = make_bundle(APP)
    written(project, {**APP, "app/maths.py": "def half(x):\n    return 'the working tree'\n"})
    done = child(bundle, project, "import app.maths; print(app.maths.half(4), app.maths.__file__)", path=project)
    assert done.stdout.split() == ["2.0", str(bundle.directory / "app/maths.py")]


def test_a_module_that_was_not_captured_is_refused_with_the_three_ways_out(
    make_bundle: Callable[..., Any], project: Path
) -> None:
    bundle = make_bundle(APP)
    written(project, {**APP, "app/plugin.py": "", "other.py": ""})
    for name in ("app.plugin", "other"):
        for path in (None, project):
            done = child(bundle, project, f"import importlib; importlib.import_module({name!r})", path=path)
            assert done.returncode == 1
            assert f"{name} is the project's own module" in done.stderr
            for way in (f'@step(include=["{name}"])', f"# palmette: imports {name}", 'closure = "package"'):
                assert way in done.stderr


def test_an_editable_install_does_not_win(make_bundle: Callable[..., Any], project: Path) -> None:
    bundle = make_bundle(APP)
    written(project, {**APP, "extra.py": "", "app/maths.py": "def half(x):\n    return 'editable'\n"})
    program = """
        import importlib.util, importlib.machinery

        class Editable:
            @staticmethod
            def find_spec(name, path=None, target=None):
                places = {"app": "app/__init__.py", "extra": "extra.py"}
                return importlib.util.spec_from_file_location(name, places[name]) if name in places else None

        sys.meta_path.append(Editable)
        import app.maths
        print(app.maths.half(1))
        import extra
    """
    done = child(bundle, project, program)
    assert done.stdout == "0.5\n"
    assert "extra is the project's own module" in done.stderr


def test_what_is_not_the_projects_is_found_as_ever(make_bundle: Callable[..., Any], project: Path) -> None:
    bundle = make_bundle(APP)
    written(project, {".venv/lib/site-packages/third.py": "", "work/.keep": ""})
    program = """
        import json, xml.dom
        sys.path.append(".venv/lib/site-packages")
        import third
        import absent
    """
    done = child(bundle, project, program)
    assert "No module named 'absent'" in done.stderr
    assert "own module" not in done.stderr


def test_tracebacks_show_the_working_tree_while_the_bytes_are_equal(
    make_bundle: Callable[..., Any], project: Path
) -> None:
    bundle = make_bundle(APP)
    written(project, APP)
    program = "import app.maths; app.maths.broken()"
    assert f'File "{project}/app/maths.py", line 5' in child(bundle, project, program).stderr
    (project / "app/maths.py").write_text("# edited since\n")
    assert f'File "{bundle.directory}/app/maths.py", line 5' in child(bundle, project, program).stderr


def test_compiled_code_is_kept_beside_the_bundle(make_bundle: Callable[..., Any], project: Path) -> None:
    bundle = make_bundle(APP)
    assert child(bundle, project, "import app.maths").returncode == 0
    kept = {path.name: path.stat().st_mtime_ns for path in (bundle.directory / "__code__").iterdir()}
    assert len(kept) == 2
    assert child(bundle, project, "import app.maths").returncode == 0
    assert {path.name: path.stat().st_mtime_ns for path in (bundle.directory / "__code__").iterdir()} == kept
    for path in (bundle.directory / "__code__").iterdir():
        path.write_bytes(b"damaged")
    assert child(bundle, project, "import app.maths").returncode == 0


def test_namespace_packages_are_joined_with_their_third_party_parts(
    make_bundle: Callable[..., Any], project: Path, tmp_path: Path
) -> None:
    bundle = make_bundle({"acme/train.py": "NAME = 'train'\n"})
    written(tmp_path / "site-packages", {"acme/shared.py": "NAME = 'shared'\n"})
    written(project, {"acme/forgotten.py": ""})
    program = "import acme.train, acme.shared; print(acme.train.NAME, acme.shared.NAME); import acme.forgotten"
    done = child(bundle, project, program, path=tmp_path / "site-packages")
    assert done.stdout == "train shared\n"
    assert "acme.forgotten is the project's own module" in done.stderr


def test_package_data_is_read_from_the_bundle(make_bundle: Callable[..., Any], project: Path) -> None:
    bundle = make_bundle({**APP, "app/query.sql": "select 1", "names/list.txt": "a", "names/code.py": ""})
    program = """
        from importlib.resources import files
        from pathlib import Path
        import app.maths, pkgutil, names
        print(files("app").joinpath("query.sql").read_text(), (Path(app.maths.__file__).parent / "query.sql").exists())
        print(pkgutil.get_data("app", "query.sql").decode(), files("names").joinpath("list.txt").read_text())
        print([module.name for module in pkgutil.iter_modules(app.__path__)])
    """
    done = child(bundle, project, program)
    assert done.stdout.splitlines() == ["select 1 True", "select 1 a", "['maths']"], done.stderr


def test_processes_that_multiprocessing_starts_find_the_modules_too(
    make_bundle: Callable[..., Any], project: Path
) -> None:
    bundle = make_bundle(APP)
    program = """
        import multiprocessing
        from app.maths import half
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            print(pool.map(half, [2, 4]))
    """
    assert child(bundle, project, program).stdout == "[1.0, 2.0]\n"
