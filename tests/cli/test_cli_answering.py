"""A comparison that needs something executed first: by whom that may be, and what is said where it may not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.cli.wards import WARD

from palmette.domain.hosting import Role
from palmette.operations import tokens
from palmette.operations.home import serve_home

if TYPE_CHECKING:
    from conftest import Hub, Project

IN_PYTHON = """
import json, os, palmette
found = palmette.connect(os.environ["URL"], project=os.environ["NAME"]).compare("ward")
print(json.dumps([found.verdict, found.record["examples"], found.choice.rule]))
"""


def test_who_may_only_read_has_nothing_executed_and_is_told(bare: Project, hub: Hub) -> None:
    bare.write("algorithms/ward.py", WARD)
    bare.write("rows", "150")
    baseline = bare.run("ward")["run_id"]
    bare.write("rows", "180")
    bare.run("ward", "shift=0.3")
    directory = bare.directory / ".palmette"
    reader = tokens.create(serve_home(directory), "reader", Role.READ, lifetime=None).secret
    url = hub.of(directory, host="0.0.0.0")
    there = {"PALMETTE_TOKEN": reader, "XDG_CONFIG_HOME": str(bare.directory / "config")}

    found = bare("diff", "ward", "--json", "--on", url, environ=there).json
    assert found["verdict"] == "not comparable"
    assert found["reason"] == "the test data differ: 50 and 60 test examples, of which 50 are the same"
    assert any("since this token may only read" in remark for remark in found["examples"])
    assert found["hint"] == f"palmette run ward --data-of {baseline}"
    environ = bare.environ | there | {"URL": url, "NAME": bare.json("show")["project"]}
    asked = [sys.executable, "-W", "error", "-c", IN_PYTHON]
    told = subprocess.run(asked, env=environ, capture_output=True, text=True, check=True, cwd=Path("/"))
    verdict, remarks, rule = json.loads(told.stdout)
    assert (verdict, rule) == ("not comparable", "previous")
    assert any("since this token may only read" in remark for remark in remarks)

    # Whoever may has it executed once; then it is there for everybody.
    scored = bare("diff", "ward", "--json").json
    assert (scored["verdict"], scored["decided_by"]) == ("worse", "hits")
    assert "baseline rescored, none left out" in scored["examples"]
    assert bare("diff", "ward", "--json", "--on", url, environ=there).json == scored
