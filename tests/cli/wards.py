"""An algorithm whose data grow: every third row of a table is tested, with a metric of the project's own."""

from __future__ import annotations

WARD = """
    import json
    import time
    from dataclasses import dataclass
    from pathlib import Path
    from typing import Annotated
    import numpy as np
    from palmette import Evaluation, Metric, Model, algorithm, step

    HERE = "{here}"

    def hits(labels, predictions):
        return float(np.mean(np.asarray(labels) == np.asarray(predictions)))

    @dataclass(frozen=True)
    class Config:
        test: int = 30
        shift: float = 0.0

    @step(fresh="always")
    def fetch() -> Path:
        path = Path("table.json")
        path.write_text((Path(HERE) / "rows").read_text())
        return path

    @step
    def fit(table: Path, test: int, shift: float) -> Annotated[Path, Model]:
        path = Path("model.json")
        path.write_text(json.dumps({"at": 0.5 + shift}))
        return path

    @step
    def evaluate(model: Path, table: Path, test: int) -> Evaluation:
        with open(f"{HERE}/done.txt", "a") as file:
            print("evaluate", file=file)
        while Path(f"{HERE}/hold").exists():
            time.sleep(0.02)
        rows = int(table.read_text())
        known = json.loads(model.read_text())
        keys = np.arange(rows)
        value = (keys * 37 % 101) / 101
        labels = (value + (keys % 7 - 3) / 20 > 0.5).astype(int)
        predictions = (value > known["at"]).astype(int)
        tested = keys % 3 == 0
        return Evaluation(
            metrics={"hits": hits(labels[tested], predictions[tested])},
            keys=keys[tested],
            labels=labels[tested],
            predictions=predictions[tested],
            train_keys=keys[~tested],
        )

    @algorithm(config=Config, metrics=[Metric("hits", of=hits, tolerance=0.01)])
    def ward(config: Config) -> None:
        table = fetch()
        evaluate(fit(table, config.test, config.shift), table, config.test)
"""
