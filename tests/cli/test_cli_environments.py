"""Steps with environments of their own, built by uv from real locks of real packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Project

UV = Path(sys.executable).parent / "uv"

PYPROJECT = """
    [project]
    name = "mix"
    version = "0.1.0"
    requires-python = ">=3.11"
    dependencies = ["iniconfig==2.0.0"]

    [dependency-groups]
    old = ["six==1.16.0"]
    new = ["six==1.17.0"]

    [tool.uv]
    conflicts = [[{ group = "old" }, { group = "new" }]]

    [tool.palmette]
    algorithms = ["algorithms"]
    python = "locked"
"""

MIX = """
    from palmette import algorithm, step


    @step
    def plain() -> str:
        import iniconfig
        try:
            import six
        except ModuleNotFoundError:
            return "no six"
        return six.__version__


    @step(environment="old")
    def older(before: str) -> str:
        import six
        return f"{before}, {six.__version__}"


    @step(environment="new")
    def newer(before: str) -> str:
        from helper import version
        return f"{before}, {version()}"


    @algorithm
    def mix() -> None:
        newer(older(plain()))
"""

HELPER = """
    import six


    def version() -> str:
        return six.__version__
"""


@pytest.fixture(scope="module")
def lock(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The text of the project's uv.lock, as the configured index answers."""
    directory = tmp_path_factory.mktemp("lock")
    (directory / "pyproject.toml").write_text("\n".join(line[4:] for line in PYPROJECT.splitlines()))
    subprocess.run([UV, "lock", "--quiet", "--python", sys.executable], cwd=directory, check=True)
    return (directory / "uv.lock").read_text()


@pytest.fixture
def mix(empty: Project, lock: str) -> Project:
    """A project without an environment of its own, two of whose steps want two versions of one package."""
    empty.write("pyproject.toml", PYPROJECT)
    (empty.directory / "uv.lock").write_text(lock)
    empty.write("algorithms/mix.py", MIX)
    empty.write("helper.py", HELPER)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "PIP_CERT"):
        if name in os.environ:
            empty.environ[name] = os.environ[name]
    return empty


def test_two_versions_of_a_package_mix_in_one_pipeline(mix: Project) -> None:
    ended = mix("run", "mix", "--json", environ={"XDG_CACHE_HOME": str(mix.directory / "cache")})
    assert ended.json["tasks"][-1]["parameters"] == {"output": "no six, 1.16.0, 1.17.0"}
    assert "building environment old: 2 packages\n" in ended.err
    assert {name: found["packages"] for name, found in ended.json["environments"].items()} == {
        "old": {"iniconfig": "2.0.0", "six": "1.16.0"},
        "new": {"iniconfig": "2.0.0", "six": "1.17.0"},
    }
    assert [attempt["how"] for task in ended.json["tasks"] for attempt in task["attempts"]] == ["fork"] * 3
    assert "1 package from uv.lock" in mix("show").out
    assert "  old        2 packages from uv.lock" in mix("show").out


def test_a_fresh_process_has_the_same_environment(mix: Project) -> None:
    run = mix.run("mix", "--isolated")
    assert run.task("newer")["parameters"] == {"output": "no six, 1.16.0, 1.17.0"}


def test_what_changes_in_an_environment_runs_its_steps_again_and_no_others(mix: Project, tmp_path: Path) -> None:
    mix.run("mix")
    mix.replace("pyproject.toml", 'old = ["six==1.16.0"]', 'old = ["six==1.15.0"]')
    uv = [UV, "lock", "--quiet", "--python", sys.executable]
    subprocess.run(uv, cwd=mix.directory, check=True)
    run = mix.run("mix")
    assert run.cached == {"plain"}
    assert run.task("newer")["parameters"] == {"output": "no six, 1.15.0, 1.17.0"}
    (reason,) = [each for each in mix.json("why", "last") if each["step"] == "older"]
    assert ["six", "1.16.0", "1.15.0"] in [list(value.values()) for value in reason["values"]]
    compared = mix.json("diff")
    assert {"name": "old: six", "before": "1.16.0", "after": "1.15.0"} in compared["environment"]


def test_every_environment_that_is_not_there_is_named_at_once(mix: Project) -> None:
    mix.replace("algorithms/mix.py", '"old"', '"odl"')
    mix.replace("algorithms/mix.py", '"new"', '"gpu"')
    for verb in ("check", "run", "compile"):
        ended = mix(verb, "mix", code=1)
        text = ended.out + ended.err
        assert "algorithms/mix.py:14, older: there is no environment 'odl'" in text
        assert "Did you mean 'old'? There are: new, old." in text
        assert "algorithms/mix.py:20, newer: there is no environment 'gpu'" in text
    assert not mix.exists(".palmette")


def test_an_environment_may_have_a_lock_of_its_own(mix: Project) -> None:
    command = [UV, "export", "--quiet", "--frozen", "--only-group", "old", "--output-file", "requirements-six.txt"]
    subprocess.run(command, cwd=mix.directory, check=True, capture_output=True)
    mix.replace("algorithms/mix.py", '"old"', '"six"')
    mix.write("pyproject.toml", PYPROJECT + '\n    [tool.palmette.environments]\n    six = "requirements-six.txt"\n')
    run = mix.run("mix")
    assert run.task("older")["parameters"] == {"output": "no six, 1.16.0"}
    assert run["environments"]["six"]["packages"] == {"six": "1.16.0"}
    assert run["environments"]["six"]["lock"] == "requirements-six.txt"


def test_what_only_a_group_has_is_imported_inside_its_step(mix: Project) -> None:
    mix.write("algorithms/mix.py", "    import six\n" + MIX)
    ended = mix("check", code=1)
    assert (
        "algorithms/mix.py:1: algorithms.mix cannot be imported: ModuleNotFoundError: No module named 'six'"
        in ended.out
    )
    assert 'Only new and old has it: import six inside the step that says environment="new"' in ended.out


def test_a_container_carries_the_pins_of_its_own_environment_and_its_image(mix: Project) -> None:
    text = mix("compile", "mix").out.replace('\\"', '"')
    assert text.count('{"iniconfig":"2.0.0","six":"1.16.0"}') == text.count('{"iniconfig":"2.0.0","six":"1.17.0"}') == 1
    settings = '\n    image = "plain:1"\n\n    [tool.palmette.images]\n    old = "old:1"\n'
    mix.write("pyproject.toml", PYPROJECT + settings)
    ended = mix("compile", "mix")
    # Two steps' and the outcome's.
    assert [ended.out.count(f'image: "{image}"') for image in ("plain:1", "old:1")] == [3, 1]
    assert "note: the environment new has no image of its own: plain:1 must hold its packages for newer" in ended.err


def test_no_step_writes_into_its_environment(mix: Project) -> None:
    mix.replace(
        "algorithms/mix.py", 'return f"{before}, {six', "open(six.__file__, 'a').write('#')\n    return f\"{six"
    )
    mix.run("mix", code=3, environ={"XDG_CACHE_HOME": str(mix.directory / "cache")})
    log = mix("logs").out
    # A task has namespaces of its own where the system grants them; who is not root may not write in any case.
    assert "Read-only file system: " in log or "Permission denied: " in log


def test_a_python_that_cannot_be_used_ends_a_check_as_it_ends_a_run(mix: Project) -> None:
    mix.replace("pyproject.toml", '"locked"', '"gone/bin/python"')
    assert mix("check", code=69).err == mix("run", "mix", code=69).err


def test_a_run_that_is_continued_builds_again_what_is_gone(mix: Project) -> None:
    wait = f"""import os, time
    open({str(mix.directory / "begun")!r}, "w").close()
    while not os.path.exists({str(mix.directory / "go")!r}):
        time.sleep(0.02)
    import six
    return f"{{before}}, {{six"""
    mix.replace("algorithms/mix.py", 'import six\n    return f"{before}, {six', wait)
    cache = mix.directory / "cache"
    driver = mix.start("run", "mix", environ={"XDG_CACHE_HOME": str(cache)})
    mix.eventually(lambda: mix.exists("begun"))
    driver.kill()
    driver.wait()
    mix.touch("go")
    (module,) = [
        path
        for path in cache.glob("palmette/environments/*/lib/python3*/site-packages/six.py")
        if "1.16.0" in path.read_text()
    ]
    place = module.parents[3]
    subprocess.run(["chmod", "-R", "u+w", place], check=True)
    shutil.rmtree(place)
    ended = mix("resume", "--json", environ={"XDG_CACHE_HOME": str(cache)})
    assert ended.json["tasks"][-1]["parameters"] == {"output": "no six, 1.16.0, 1.17.0"}
    assert "building environment old: 2 packages\n" in ended.err
