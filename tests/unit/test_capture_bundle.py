"""Bundles: deterministic, whole or not there, and small."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from palmette.capture.bundle import Bundle, assemble, bare, bundle, carried, kit, remove, unpack, verify
from palmette.capture.closure import Closure, close
from palmette.capture.explain import explain
from palmette.capture.keeping import Keeping
from palmette.capture.reach import reach
from palmette.capture.sources import SourceTree
from palmette.errors import CaptureError, StoreError

KIT = {"palmette/__init__.py": b"", "palmette/errors.py": b"x = 1\n"}


def project(directory: Path) -> Path:
    (directory / "app").mkdir(parents=True)
    (directory / "app/__init__.py").write_text("")
    (directory / "app/main.py").write_text("from app import helper\nNAME = 'é'\n", "utf-8")
    (directory / "app/helper.py").write_text("def f():\n    return 1\n")
    return directory


def captured(directory: Path) -> Bundle:
    return bundle(close(SourceTree(directory, (directory,)), ["app.main"]), KIT)


def test_the_digest_depends_on_the_bytes_alone(tmp_path: Path) -> None:
    first = captured(project(tmp_path / "one"))
    other = project(tmp_path / ".two")
    os.utime(other / "app/main.py", (1, 1))
    (other / "app/main.py").chmod(0o755)
    assert captured(other) == first
    assert captured(other).archive() == first.archive()
    (other / "app/helper.py").write_text("def f():\n    return 2\n")
    assert captured(other).digest != first.digest


def test_neither_directory_nor_umask_nor_locale_nor_hash_seed_change_it(tmp_path: Path) -> None:
    root = project(tmp_path / "project")
    script = (
        "import os, sys; os.umask(int(sys.argv[2], 8))\n"
        "from pathlib import Path\nfrom palmette.capture.bundle import bundle\n"
        "from palmette.capture.closure import close\nfrom palmette.capture.reach import reach\n"
        "from palmette.capture.sources import SourceTree\n"
        "closure = close(SourceTree(Path(sys.argv[1]), (Path(sys.argv[1]),)), ['app.main'])\n"
        "print(bundle(closure, {}).digest, reach(closure, 'app.helper:f').digest)"
    )
    said = set()
    for number, (umask, locale) in enumerate((("000", "C"), ("077", "C.UTF-8"), ("022", "tr_TR.UTF-8"))):
        directory = tmp_path / str(number)
        directory.mkdir()
        environment = {"LC_ALL": locale, "PYTHONHASHSEED": str(number), "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, "-c", script, str(root), umask]
        said.add(subprocess.run(command, cwd=directory, env=environment, capture_output=True, check=True).stdout)
    assert len(said) == 1


def test_the_archive_holds_the_manifest_and_plain_files_only(tmp_path: Path) -> None:
    made = captured(project(tmp_path / "project"))
    archive = made.archive()
    assert archive[4:8] == b"\0\0\0\0"  # no time
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        entries = opened.getmembers()
    assert [each.name for each in entries] == sorted([*made.files, "manifest.json"])
    assert {(each.uid, each.gid, each.uname, each.mode, each.mtime) for each in entries} == {
        (0, 0, "", 0o644, 315532800)
    }
    manifest = json.loads(made.manifest)
    assert (manifest["schema"], manifest["python"]) == (1, "3.11")
    assert [each["path"] for each in manifest["files"]] == sorted(made.files)


def test_a_bundle_without_first_party_source_is_refused(tmp_path: Path) -> None:
    empty = Closure(tree=SourceTree(tmp_path, (tmp_path,)), modules=(), files=())
    with pytest.raises(CaptureError, match="no first-party source"):
        bundle(empty, KIT)


def test_unpacking_yields_the_files_once_and_read_only(tmp_path: Path) -> None:
    made = captured(project(tmp_path / "project"))
    target = unpack(made, tmp_path / "bundles")
    assert target == tmp_path / "bundles" / made.digest
    assert {path: (target / path).read_bytes() for path in made.files} == dict(made.files)
    assert (target / "app/main.py").stat().st_mode & 0o222 == 0
    before = (target / "app/main.py").stat().st_ino
    assert unpack(made, tmp_path / "bundles") == target
    assert (target / "app/main.py").stat().st_ino == before
    assert [each.name for each in (tmp_path / "bundles").iterdir()] == [made.digest]


def test_a_damaged_bundle_is_made_again_and_a_changed_one_is_found(tmp_path: Path) -> None:
    made = captured(project(tmp_path / "project"))
    target = unpack(made, tmp_path / "bundles")
    (target / "app/helper.py").unlink()
    assert unpack(made, tmp_path / "bundles") == target
    verify(target)
    (target / "app/helper.py").chmod(0o644)
    (target / "app/helper.py").write_bytes(made.files["app/helper.py"].replace(b"1", b"2"))
    with pytest.raises(StoreError, match=r"helper\.py is not what it was"):
        verify(target)


def test_fifty_processes_unpack_the_same_bundle_at_once(tmp_path: Path) -> None:
    files = {f"app/m{number}.py": b"x = 1\n" * 100 for number in range(20)}
    made = assemble(files, python="3.11")
    target = tmp_path / "bundles" / made.digest
    readers = []
    for _ in range(50):
        child = os.fork()
        if child == 0:
            code = 1
            try:
                unpack(made, tmp_path / "bundles")
                verify(target)
                code = 0
            finally:
                os._exit(code)
        readers.append(child)
    assert {os.waitpid(child, 0)[1] for child in readers} == {0}
    assert [each.name for each in (tmp_path / "bundles").iterdir()] == [made.digest]


def test_a_directory_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        unpack(assemble({"a.py": b""}, python="3.11"), tmp_path / "file")


def test_the_kit_is_the_carried_parts_and_nothing_else() -> None:
    tops = {path.split("/")[1] for path in kit()}
    assert tops == {"__init__.py", "errors.py", "domain", "authoring", "runtime"}
    assert all(path.endswith(".py") for path in kit())
    assert list(kit()) == sorted(kit())


def test_the_kit_stays_within_its_budget() -> None:
    packed = len(assemble(carried(), python="3.11").archive())
    sizes = sorted(((len(gzip.compress(content, 9)), path) for path, content in carried().items()), reverse=True)
    assert packed <= 40 * 1024, f"{packed:,} bytes; the largest: {sizes[:8]}"


def test_a_capture_is_explained_in_numbers(tmp_path: Path) -> None:
    directory = project(tmp_path / "project")
    (directory / "app/unused.py").write_text("")
    closure = close(SourceTree(directory, (directory,)), ["app.main"])
    said = explain(closure, KIT, {"f": reach(closure, "app.helper:f")})
    assert [(each.path, each.why) for each in said.files] == [
        ("app/__init__.py", "asked for"),
        ("app/helper.py", "app/main.py:1"),
        ("app/main.py", "asked for"),
    ]
    assert [(each.path, each.why) for each in said.left] == [("app/unused.py", "nothing imports it")]
    assert said.steps[0].definitions == ("app.helper:f",)
    assert 0 < said.packed < said.archive
    shutil.rmtree(directory)


def test_what_is_carried_is_the_same_when_it_was_kept(tmp_path: Path) -> None:
    keeping = Keeping(tmp_path)
    assert carried(keeping) == carried()
    assert carried(keeping) == carried()
    for kept in tmp_path.iterdir():
        kept.write_text("damaged")
    assert carried(keeping) == carried()


def test_carried_source_keeps_its_lines_and_loses_its_words() -> None:
    source = b"""\"\"\"A module.

Over lines.
\"\"\"

from __future__ import annotations  # why


class Odd(Exception):
    \"\"\"Nothing but words.\"\"\"


def add(a: int) -> str:
    \"\"\"Words,
    and more.\"\"\"
    return "# no comment"  # a comment
"""
    stripped = bare(source).decode()
    assert "Words" not in stripped
    assert "a comment" not in stripped.splitlines()[15].replace("# no comment", "")
    assert stripped.splitlines()[15] == '    return "# no comment"'
    assert len(stripped.splitlines()) == len(source.decode().splitlines())
    compile(stripped, "carried", "exec")


def test_what_is_carried_is_all_that_carrying_out_a_step_imports(tmp_path: Path) -> None:
    for path, content in carried().items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content)
    modules = sorted(path.removesuffix(".py").replace("/", ".").removesuffix(".__init__") for path in carried())
    program = f"""import sys, importlib, palmette
sys.path[:] = [{str(tmp_path)!r}, *(entry for entry in sys.path if 'site-packages' not in entry)]
assert palmette.__file__.startswith({str(tmp_path)!r})
for name in {modules!r}: importlib.import_module(name)
for name in palmette.__all__: getattr(palmette, name)
print(*sorted(name for name in sys.modules if name.startswith('palmette')))
"""
    command = [sys.executable, "-S", "-c", program]
    done = subprocess.run(command, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == modules


def test_what_was_unpacked_goes_unless_it_was_needed_since(tmp_path: Path) -> None:
    made = assemble(KIT, python="3.11")
    target = unpack(made, tmp_path)
    os.utime(target, (100, 100))

    assert unpack(made, tmp_path) == target
    assert not remove(tmp_path, made.digest, before=200)
    verify(target)

    os.utime(target, (100, 100))
    assert remove(tmp_path, made.digest, before=200)
    assert list(tmp_path.iterdir()) == []
