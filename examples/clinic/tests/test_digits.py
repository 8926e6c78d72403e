"""Pictures on their way between steps, called as plain functions."""

from pathlib import Path

import pytest

from algorithms.digits import TARGET, build_and_fit, draw, evaluate_model, fetch_dataset, read, report, slant
from clinic.splitting import split


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step writes into its own directory."""
    monkeypatch.chdir(tmp_path)


def test_a_picture_shows_the_grey_values_of_its_row() -> None:
    dataset = fetch_dataset(20)
    pictures = read(draw(dataset), dataset.index)
    darkness = dataset.drop(columns=TARGET).mean(axis=1) / 16
    assert pictures.shape == (20, 256)
    assert abs(pictures.mean(axis=1) - darkness).max() < 0.05


def test_only_training_pictures_are_turned() -> None:
    dataset = fetch_dataset(200)
    slanted = slant(draw(dataset), dataset, degrees=12.0, test_share=0.25, seed=0)
    train, test = split(dataset, TARGET, 0.25, 0)
    turned = {int(path.name[:4]) for path in slanted.glob("*-turned.png")}
    assert turned == set(train.index)
    assert not turned & set(test.index)


def test_digits_are_read() -> None:
    dataset = fetch_dataset(400)
    pictures = draw(dataset)
    model = build_and_fit(pictures, dataset, hidden=32, epochs=60, test_share=0.25, seed=0)
    evaluation = evaluate_model(model, pictures, dataset, test_share=0.25, seed=0)
    assert evaluation.metrics["accuracy"] > 0.7
    assert "accuracy" in report(evaluation)
