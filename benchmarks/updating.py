"""Whether a CI job that uploads twenty algorithms takes as long as its upload, and hardly longer."""

from __future__ import annotations

import re
import resource
import subprocess
from pathlib import Path
from typing import Final

from benchmarks.measure import Row, interleaved, within
from benchmarks.stage import Stage

#: copies of each of the clinic's four algorithms, the first included
_COPIES: Final = 5
_WHO: Final = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")


def measure(stage: Stage, *, quick: bool) -> list[Row]:
    """All that an update does but sending; the plan of what is to be tried; the start of the template beside them."""
    count = _several(stage.project)
    stage.palmette("ci", "update")
    rounds = 3 if quick else 7
    found = interleaved(
        rounds,
        {
            # The command itself, and what it asks Git.
            "context": lambda: stage.palmette("ci", "context"),
            "one": lambda: stage.palmette("compile", "tumour", "--output", "compiled.yaml"),
            "compiled": lambda: stage.palmette("ci", "update", "--dry-run"),
            "updated": lambda: stage.palmette("ci", "update"),
            "plan": lambda: stage.palmette("ci", "plan"),
        },
    )
    cold = interleaved(rounds, {"cold": lambda: _cold(stage)})["cold"]
    start = cold - found["one"]
    asked = {"context": ("context",), "compiled": ("update", "--dry-run"), "plan": ("plan",)}
    worked = {name: _worked(stage, "ci", *words) for name, words in asked.items()}
    # What a loaded machine does not stretch: of the command alone, without the template's forks.
    spent = {name: f"processor {worked[name] - worked['context']:.2f} s" for name in worked}
    against = {"against": "the template's start", "limit": start}
    return [
        within(
            f"update of {count} algorithms, without upload and template ({spent['compiled']})",
            found["compiled"] - found["context"],
            2.0,
            "2 s",
            **against,
        ),
        Row(what=f"update of {count} algorithms that are there already", measured=found["updated"], **against),
        within(
            f"plan of {count} algorithms ({spent['plan']})", found["plan"] - found["context"], 1.0, "1 s", **against
        ),
    ]


def _worked(stage: Stage, *arguments: str) -> float:
    """Processor time of the command, the least of three."""
    found = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        stage.palmette(*arguments)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(found)


def _cold(stage: Stage) -> float:
    stage.leave()
    stage.cold()
    return stage.palmette("compile", "tumour", "--output", "compiled.yaml")


def _several(project: Path) -> int:
    """Make copies of the algorithms, under names of their own, and commit all of it."""
    modules = [path for path in sorted((project / "algorithms").glob("*.py")) if path.stem != "__init__"]
    for module in modules:
        for number in range(1, _COPIES):
            name = f"{module.stem}_{number}"
            text = re.sub(rf"^def {module.stem}\(", f"def {name}(", module.read_text(), flags=re.MULTILINE)
            (project / "algorithms" / f"{name}.py").write_text(text)
    (project / ".gitignore").write_text(".palmette/\n.venv\n__pycache__/\ncompiled.yaml\n")
    for words in (("init", "-q", "-b", "main"), ("add", "."), (*_WHO, "commit", "-q", "-m", "Twenty algorithms")):
        subprocess.run(["git", *words], cwd=project, check=True)
    return _COPIES * len(modules)
