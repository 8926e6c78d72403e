"""The terms, and a model that learns something from few of them."""

from algorithms.diagnosis import build_and_fit, evaluate_model, fetch_terms


def test_every_term_has_one_of_22_chapters() -> None:
    table = fetch_terms(100_000)
    assert len(table) > 10_000
    assert table["chapter"].nunique() == 22


def test_a_toy_training_learns() -> None:
    table = fetch_terms(2_000)
    model = build_and_fit(table, ngrams=[2, 4], most=2_000, epochs=2, alpha=1e-6, test_share=0.25, seed=0)
    assert evaluate_model(model, table, test_share=0.25, seed=0).metrics["accuracy"] > 0.4
