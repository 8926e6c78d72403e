"""The four steps of `tumour` in one plain script: what a run of Palmette's is measured against.

With the number of a step and a directory it does that step alone, and pickles what it made: a plain process per step.
"""

import pickle
import sys
from pathlib import Path

from algorithms import tumour


def everything() -> None:
    """All four, one after the other."""
    config = tumour.Config()
    dataset = tumour.fetch_dataset()
    model = tumour.build_and_fit(dataset, config.C, config.penalty, config.gaps, config.test_share, config.seed)
    evaluation = tumour.evaluate_model(model, dataset, config.test_share, config.seed)
    print(len(str(tumour.report(evaluation))), evaluation.metrics)


def one(step: str, directory: Path) -> None:
    """One of them, with what the earlier ones have left."""
    config = tumour.Config()

    def made(name: str) -> object:
        return pickle.loads((directory / name).read_bytes())

    match step:
        case "1":
            result = tumour.fetch_dataset()
        case "2":
            result = tumour.build_and_fit(
                made("1"), config.C, config.penalty, config.gaps, config.test_share, config.seed
            )
        case "3":
            result = tumour.evaluate_model(made("2"), made("1"), config.test_share, config.seed)
        case _:
            result = tumour.report(made("3"))
    (directory / step).write_bytes(pickle.dumps(result))


if len(sys.argv) > 1:
    one(sys.argv[1], Path(sys.argv[2]))
else:
    everything()
