"""The vocabulary of algorithms: plain functions become steps, steps become pipelines.

Names are loaded when they are first used, so that importing this package costs a step next to nothing.
"""

from __future__ import annotations

from importlib import import_module

# Type checkers take it as true; `typing` itself would cost more than all the rest.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from palmette.authoring.algorithms import Metric, algorithm
    from palmette.authoring.annotations import Format, Model, Range, Sensitive
    from palmette.authoring.commands import command
    from palmette.authoring.events import log_metric, progress, track
    from palmette.authoring.flow import collect, each, elsewhen, on_exit, one_of, otherwise, when
    from palmette.authoring.references import InputFile, Reference
    from palmette.authoring.results import HTML, Evaluation, Image, Markdown, Metrics, Text
    from palmette.authoring.status import FinalStatus
    from palmette.authoring.steps import step
    from palmette.client.comparisons import compare as compare
    from palmette.client.homes import connect as connect
    from palmette.client.runs import get as get
    from palmette.client.runs import run as run
    from palmette.client.runs import runs as runs

# What algorithms are written with. `compare`, `connect`, `get`, `run` and `runs` are not among it: a star import works
# in a step, too, where nothing but this vocabulary is, and none of those names is overwritten by one.
__all__ = [
    "HTML",
    "Evaluation",
    "FinalStatus",
    "Format",
    "Image",
    "InputFile",
    "Markdown",
    "Metric",
    "Metrics",
    "Model",
    "Range",
    "Reference",
    "Sensitive",
    "Text",
    "algorithm",
    "collect",
    "command",
    "each",
    "elsewhen",
    "log_metric",
    "on_exit",
    "one_of",
    "otherwise",
    "progress",
    "step",
    "track",
    "when",
]

_HOMES = {
    "authoring.algorithms": ("Metric", "algorithm"),
    "authoring.annotations": ("Format", "Model", "Range", "Sensitive"),
    "authoring.commands": ("command",),
    "authoring.events": ("log_metric", "progress", "track"),
    "authoring.flow": ("collect", "each", "elsewhen", "on_exit", "one_of", "otherwise", "when"),
    "authoring.references": ("InputFile", "Reference"),
    "authoring.results": ("HTML", "Evaluation", "Image", "Markdown", "Metrics", "Text"),
    "authoring.status": ("FinalStatus",),
    "authoring.steps": ("step",),
    "client.comparisons": ("compare",),
    "client.homes": ("connect",),
    "client.runs": ("get", "run", "runs"),
}


def __getattr__(name: str) -> object:
    for home, names in _HOMES.items():
        if name in names:
            value: object = getattr(import_module(f"palmette.{home}"), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *(name for names in _HOMES.values() for name in names)})
