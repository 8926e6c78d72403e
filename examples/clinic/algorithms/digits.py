"""Which digit was written by hand: pictures as files, drawn, slanted and read with a library of their own."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pandas as pd
from sklearn.datasets import load_digits
from sklearn.metrics import accuracy_score, f1_score
from sklearn.neural_network import MLPClassifier

from clinic import charts
from clinic.splitting import split
from palmette import HTML, Evaluation, Metric, Range, algorithm, step

TARGET = "digit"
PICTURES = "images"  #: the dependency group of the steps that open pictures


@dataclass(frozen=True)
class Config:
    """How the digits are learnt."""

    rows: Annotated[int, Range(200, 1797)] = 1797  #: at most so many pictures
    slant: Annotated[float, Range(0.0, 45.0)] = 12.0  #: degrees by which each training picture is also turned; 0: none
    hidden: Annotated[int, Range(4, 512)] = 64  #: units of the hidden layer
    epochs: Annotated[int, Range(1, 200)] = 30  #: passes over the pictures
    test_share: Annotated[float, Range(0.05, 0.5)] = 0.25  #: share of the pictures held out
    seed: int = 0  #: of the split and of the network


@step(fresh="30d")
def fetch_dataset(rows: int) -> pd.DataFrame:
    """Handwritten digits: 64 grey values from 0 to 16 each, and which digit it is."""
    return load_digits(as_frame=True).frame.rename(columns={"target": TARGET}).head(rows)


@step(environment=PICTURES)
def draw(dataset: pd.DataFrame) -> Path:
    """A directory with a picture of each row: 0042.png."""
    from PIL import Image

    directory = Path("pictures")
    directory.mkdir()
    grey = (dataset.drop(columns=TARGET).to_numpy() * 255 / 16).astype(np.uint8)
    for number, values in enumerate(grey):
        Image.fromarray(values.reshape(8, 8)).resize((16, 16), Image.Resampling.BICUBIC).save(name(directory, number))
    return directory


@step(environment=PICTURES, timeout="10m")
def slant(pictures: Path, dataset: pd.DataFrame, degrees: float, test_share: float, seed: int) -> Path:
    """The same directory, with a turned copy of each training picture beside it: 0042-turned.png."""
    import shutil

    from PIL import Image

    directory = Path("slanted")
    shutil.copytree(pictures, directory)
    if degrees:
        train, _ = split(dataset, TARGET, test_share, seed)
        for number in train.index:
            with Image.open(name(pictures, number)) as picture:
                picture.rotate(degrees, Image.Resampling.BICUBIC).save(name(directory, number, "-turned"))
    return directory


@step(environment=PICTURES, timeout="10m")
def build_and_fit(
    pictures: Path, dataset: pd.DataFrame, hidden: int, epochs: int, test_share: float, seed: int
) -> MLPClassifier:
    """Fit a small network on the training pictures and their turned copies."""
    train, _ = split(dataset, TARGET, test_share, seed)
    turned = [number for number in train.index if name(pictures, number, "-turned").exists()]
    features = np.vstack([read(pictures, train.index), *([read(pictures, turned, "-turned")] if turned else [])])
    labels = np.concatenate([train[TARGET], train[TARGET].loc[turned]])
    network = MLPClassifier((hidden,), max_iter=epochs, early_stopping=False, tol=0.0, n_iter_no_change=epochs)
    return network.set_params(random_state=seed).fit(features, labels)


@step(environment=PICTURES)
def evaluate_model(
    model: MLPClassifier, pictures: Path, dataset: pd.DataFrame, test_share: float, seed: int
) -> Evaluation:
    """Read the digits that were held out."""
    train, test = split(dataset, TARGET, test_share, seed)
    predictions = model.predict(read(pictures, test.index))
    return Evaluation(
        metrics={
            "accuracy": accuracy_score(test[TARGET], predictions),
            "f1": f1_score(test[TARGET], predictions, average="macro", zero_division=0.0),
        },
        keys=test.index,
        labels=test[TARGET],
        predictions=predictions,
        train_keys=train.index,
    )


@step
def report(evaluation: Evaluation) -> HTML:
    """A page with the figures and which digits are taken for which."""
    table = charts.confusion(list(range(10)), list(evaluation.labels), list(evaluation.predictions))
    return HTML(charts.page("Digits", charts.figures(evaluation.metrics), table))


def name(directory: Path, number: int, suffix: str = "") -> Path:
    """Where the picture of a row is."""
    return directory / f"{number:04}{suffix}.png"


def read(directory: Path, numbers: list[int] | pd.Index, suffix: str = "") -> np.ndarray:
    """The pictures' grey values between 0 and 1: one row a picture, 256 columns."""
    from PIL import Image

    rows = []
    for number in numbers:
        with Image.open(name(directory, number, suffix)) as picture:
            rows.append(np.asarray(picture, dtype=float).ravel() / 255)
    return np.vstack(rows)


@algorithm(
    config=Config,
    presets={"toy": Config(rows=400, slant=0.0, hidden=16, epochs=10)},
    metrics=[
        Metric("accuracy", of=accuracy_score, goal="max", primary=True, tolerance=0.005),
        Metric("f1", goal="max", tolerance=0.01),
    ],
)
def digits(config: Config) -> None:
    """Which digit was written by hand, from a picture of it."""
    dataset = fetch_dataset(config.rows)
    pictures = draw(dataset)
    slanted = slant(pictures, dataset, config.slant, config.test_share, config.seed)
    model = build_and_fit(slanted, dataset, config.hidden, config.epochs, config.test_share, config.seed)
    evaluation = evaluate_model(model, pictures, dataset, config.test_share, config.seed)
    report(evaluation)
