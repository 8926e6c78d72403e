# mypy: disable-error-code="possibly-undefined"
# ruff: noqa: B008
"""An algorithm with every construct of the language: what `everything.yaml` is compiled from."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from palmette import FinalStatus, Metrics, algorithm, collect, each, elsewhen, on_exit, one_of, otherwise, step, when


@dataclass(frozen=True)
class Model:
    depth: int = 3
    rate: float = 0.1


@dataclass(frozen=True)
class Config:
    folds: list[int] = field(default_factory=lambda: [0, 1, 2])
    channel: str = "team"
    limit: float = 0.9
    deep: bool = True
    model: Model = Model()


@step
def fetch(rows: int = 10) -> bytes:
    return b"x" * rows


@step
def fit(dataset: bytes, fold: int, depth: int, rate: float = 0.1) -> Path:
    p = Path("m.txt")
    p.write_text(f"{fold} {depth} {rate}")
    return p


@step
def score(model: Path, fold: int) -> float:
    return 0.5 + fold / 4


@step
def mean(scores: list[float]) -> float:
    return sum(scores) / len(scores)


@step
def best(models: list[Path], scores: list[float]) -> Path:
    return models[scores.index(max(scores))]


@step
def say(text: str) -> str:
    return text


@step
def pairs() -> list[dict[str, int]]:
    return [{"train": 1, "test": 2}]


@step
def take(train: int, test: int) -> Metrics:
    return Metrics(sum=train + test)


@step
def notify(channel: str, status: FinalStatus = FinalStatus()) -> None:
    print(channel, status)


@step
def show(text: str = "none") -> None:
    print(text)


class Fitted(NamedTuple):
    model: Path
    score: float


@algorithm(config=Model)
def fitted(config: Model, dataset: bytes, fold: int = 0) -> Fitted:
    model = fit(dataset, fold, config.depth, config.rate)
    return Fitted(model, score(model, fold))


@algorithm(config=Config, presets={"toy": Config(folds=[0])})
def everything(config: Config) -> float:
    with on_exit(notify(config.channel)):
        dataset = fetch(5)
        for fold in each(config.folds, parallel=2):
            model, auc = fitted(config.model, dataset, fold)
        average = mean(collect(auc))
        best(collect(model), collect(auc))
        with when((average > config.limit) & config.deep):
            text = say("good")
        with elsewhen(~(average < 0.5)):
            text2 = say("fair")
        with otherwise() as last:
            text3 = say("bad")
            for pair in each([{"train": 1, "test": 2}, {"train": 3, "test": 4}]):
                take(pair["train"], pair["test"])
        show(one_of(text, text2, text3))
        for pair in each(pairs()):
            with when(pair["train"] == 1):
                take(pair["train"], pair["test"])
        show("always").after(last).regardless()  # type: ignore[attr-defined]
        fitted(Model(depth=5, rate=config.model.rate), dataset)
        for each_model in each(collect(model)):
            score(each_model, 1)
    return average
