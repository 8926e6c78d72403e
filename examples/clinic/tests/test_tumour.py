"""A step is the plain function it was."""

from algorithms.tumour import TARGET, build_and_fit, evaluate_model, fetch_dataset, report
from clinic.imputation import Gaps


def test_the_classifier_beats_a_coin() -> None:
    dataset = fetch_dataset()
    model = build_and_fit(dataset, C=1.0, penalty="l2", gaps=Gaps.MEDIAN, test_share=0.25, seed=0)
    evaluation = evaluate_model(model, dataset, test_share=0.25, seed=0)
    assert evaluation.metrics["auc"] > 0.97
    assert not set(evaluation.keys) & set(evaluation.train_keys)


def test_the_report_shows_the_figures() -> None:
    dataset = fetch_dataset().groupby(TARGET).head(60).reset_index(drop=True)
    model = build_and_fit(dataset, C=1.0, penalty="l1", gaps=Gaps.MEAN, test_share=0.5, seed=1)
    page = report(evaluate_model(model, dataset, test_share=0.5, seed=1))
    assert "auc" in page
    assert "<table>" in page
