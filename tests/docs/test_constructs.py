"""The table of constructs names the pipelines that are run, and no others."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFORMANCE = ROOT / "tests" / "conformance"


def compiled(script: str) -> Iterator[str]:
    """The pipelines that the script keeps: those with the decorator `kept`, or in the tuple that its loop goes over."""
    for node in ast.parse((CONFORMANCE / script).read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef(name=name, decorator_list=[ast.Name(id="kept"), *_]):
                yield name.replace("_", "-")
            case ast.For(target=ast.Name(id="kept"), iter=ast.Tuple(elts=names)):
                yield from (each.id.replace("_", "-") for each in names if isinstance(each, ast.Name))
            case _:
                pass


def test_the_table_names_every_pipeline_that_is_run_and_no_other() -> None:
    rows = (ROOT / "docs" / "reference" / "constructs.md").read_text(encoding="utf-8").splitlines()
    cells = [row.removesuffix("|").rpartition("|")[2] for row in rows if row.startswith("| ")]
    named = {name for cell in cells for name in re.findall(r"`([\w-]+)`", cell)}
    run = {*compiled("kfp_control.py"), *compiled("kfp_constructs.py"), "by_hand"}
    assert len(run) > 20
    assert named == run
