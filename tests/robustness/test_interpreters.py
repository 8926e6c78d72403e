"""A project's Python that is not what it should be: one clear error, before anything is run."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest


def use(small: Any, python: object) -> None:
    """Let the project name this interpreter."""
    settings = small.directory / "pyproject.toml"
    lines = [line for line in settings.read_text().splitlines() if not line.startswith("python =")]
    settings.write_text("\n".join([*lines, f'python = "{python}"', ""]))


def test_a_missing_interpreter_is_named_with_the_rule_that_chose_it(small: Any) -> None:
    use(small, "gone/bin/python")
    error = small("run", "small", code=69).error
    assert "gone/bin/python does not exist (chosen by [tool.palmette] python)" in error
    assert not small.home.exists()


def test_an_environment_whose_python_was_removed_is_named(small: Any) -> None:
    use(small, ".venv")
    (small.directory / ".venv" / "bin").mkdir(parents=True)
    (small.directory / ".venv" / "bin" / "python").symlink_to("/nowhere/python3.11")
    assert "is a link to /nowhere/python3.11, which is gone" in small("run", "small", code=69).error


@pytest.mark.parametrize(
    "program", ["#!/bin/sh\nexit 3\n", "#!/nowhere/python\n", "no program\n", "#!/bin/sh\nkill -9 $$\n"]
)
def test_a_broken_interpreter_is_one_error(small: Any, program: str) -> None:
    broken = small.directory / "broken"
    broken.write_text(program)
    broken.chmod(0o755)
    use(small, "./broken")
    error = small("run", "small", code=69).error
    assert str(broken) in error
    assert not small.home.exists()


def test_an_interpreter_that_is_too_old_is_told_so(small: Any) -> None:
    old = next((path for name in ("3.10", "3.9") if (path := found(name))), None)
    if old is None:
        pytest.skip("there is no Python 3.10 or 3.9 here")
    use(small, old)
    error = small("run", "small", code=69).error
    assert "is too old: Palmette needs 3.11 or newer" in error
    assert error.count("too old") == 1
    assert not small.home.exists()


def test_a_template_that_cannot_come_up_is_not_waited_for(small: Any) -> None:
    (broken := small.directory / "broken").write_text('#!/bin/sh\necho "bad interpreter: no libpython" >&2\nexit 127\n')
    broken.chmod(0o755)
    use(small, "./broken")
    assert "no libpython" in small("run", "small", code=69).error


def found(version: str) -> str | None:
    """An interpreter of this version on this machine."""
    if path := shutil.which(f"python{version}"):
        asked = subprocess.run(
            [path, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True, check=False
        )
        if asked.returncode == 0:
            return asked.stdout.strip()
    for path in sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python")):
        return str(path)
    return None
