"""The environment that a step was compiled for, against the one it finds."""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from palmette.errors import PalmetteError


def library(name: str) -> Any:
    """A third-party module that a format needs, imported only now."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not name.startswith(error.name):
            raise
        raise PalmetteError(
            f"{name.partition('.')[0]} is needed to read or write this kind of value, and is not installed here",
            "Add it to the project's dependencies.",
        ) from None


def unmet(pins: Mapping[str, str]) -> dict[str, str]:
    """What is wrong with each pinned distribution, by its requirement; a local version ("+cpu") is let pass."""
    wrong = {}
    for name, pin in pins.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            wrong[f"{name}=={pin}"] = f"{name} {pin} is not installed"
        else:
            if pin not in (found, found.partition("+")[0]):
                wrong[f"{name}=={pin}"] = f"{name} {pin} is needed, {found} is installed"
    return wrong


def verify(pins: Mapping[str, str], install: str) -> None:
    """End the process, naming every pin that is not met; with `install`, let pip install those first."""
    wrong = unmet(pins)
    if wrong and install:
        command = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--quiet", *wrong]
        if subprocess.run(command, stdout=sys.stderr, check=False).returncode:
            _fail("pip could not install what the step needs:", wrong)
        importlib.invalidate_caches()
        wrong = unmet(pins)
    if wrong:
        _fail("this is not the environment that the pipeline was compiled for:", wrong)


def _fail(what: str, wrong: Mapping[str, str]) -> None:
    hint = "Use an image that holds these versions, or compile with install = true."
    raise SystemExit("\n  ".join([f"palmette: {what}", *wrong.values(), hint]))
