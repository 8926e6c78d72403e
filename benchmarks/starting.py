"""How long one waits before anything happens."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

from benchmarks.measure import Row, interleaved, within
from benchmarks.stage import Stage

_FOREIGN = """
import sys
before = set(sys.modules)
import palmette
own = {name.partition(".")[0] for name in set(sys.modules) - before} - {"palmette"}
print(",".join(sorted(own - sys.stdlib_module_names)))
"""


def measure(stage: Stage, *, quick: bool) -> list[Row]:
    """Importing, asking for help, and the time until the project's interpreter is started."""
    rounds = 3 if quick else 9

    def first() -> float:
        stage.cold()
        return stage.until_template("run", "tumour")

    stage.palmette("--help")
    stage.palmette("check")
    found = interleaved(
        rounds,
        {
            "bare": lambda: stage.time([sys.executable, "-c", "pass"]),
            "import": lambda: stage.time([sys.executable, "-c", "import palmette"]),
            "help": lambda: stage.palmette("--help"),
            "template": first,
        },
    )
    stage.cold()
    asked = [sys.executable, "-c", _FOREIGN]
    foreign = subprocess.run(asked, env=stage.environment, capture_output=True, text=True, check=True).stdout.strip()
    above = found["import"] - found["bare"]
    beside: dict[str, Any] = {"against": "python -c pass", "limit": found["bare"]}
    return [
        Row(
            what="import palmette, above a bare interpreter" + (f" (imports {foreign}!)" if foreign else ""),
            measured=max(above, 0.0),
            budget="50 ms, nothing third-party",
            met=above <= 0.050 and not foreign,
            **beside,
        ),
        within("palmette --help", found["help"], 0.250, "250 ms", **beside),
        within("palmette run, until it starts the template", found["template"], 0.250, "250 ms", **beside),
    ]
