"""What a template imports before it is forked."""

from __future__ import annotations

import json
import subprocess
import sys

import palmette
from palmette.operations.preparing import RUNTIME

_SCRIPT = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps([*sys.modules]))
"""


def test_no_fork_imports_anew_what_algorithms_are_written_with() -> None:
    done = subprocess.run([sys.executable, "-c", _SCRIPT, *RUNTIME], capture_output=True, text=True, check=True)
    homes = {f"palmette.{home}" for home in palmette._HOMES if home.startswith("authoring.")}
    assert homes - {*json.loads(done.stdout)} == set()
