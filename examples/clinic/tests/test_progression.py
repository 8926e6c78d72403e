"""The cross-validation, called as plain functions."""

import numpy as np

from algorithms.progression import (
    TARGET,
    evaluate_fold,
    evaluate_model,
    fetch_dataset,
    fit_fold,
    list_folds,
    report,
    say_how_it_ended,
)
from palmette import FinalStatus


def test_every_patient_is_held_out_once() -> None:
    dataset = fetch_dataset()
    models = [fit_fold(dataset, fold, folds=3, alpha=0.1, mix=0.5, seed=0) for fold in list_folds(3)]
    held_out = [evaluate_fold(model, dataset, fold, folds=3, seed=0) for fold, model in enumerate(models)]
    assert sorted(key for fold in held_out for key in fold.keys) == list(dataset.index)
    assert not set(held_out[0].keys) & set(held_out[0].train_keys)


def test_the_model_explains_more_than_the_mean_does() -> None:
    dataset = fetch_dataset()
    models = [fit_fold(dataset, fold, folds=2, alpha=0.1, mix=0.5, seed=0) for fold in list_folds(2)]
    held_out = [evaluate_fold(model, dataset, fold, folds=2, seed=0) for fold, model in enumerate(models)]
    verdict = evaluate_model(held_out)
    assert verdict.r2 > 0.4
    assert verdict.evaluation.metrics["mae"] < np.abs(dataset[TARGET] - dataset[TARGET].mean()).mean()
    assert "r2" in report(verdict.evaluation)


def test_how_it_ended_is_said() -> None:
    assert say_how_it_ended(FinalStatus(state="FAILED", error_message="no data")).endswith("failed no data")
