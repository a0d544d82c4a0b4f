import numpy as np
import pandas as pd
import pytest

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.evaluation import baseline as module
from prodclf_assets.classifier.evaluation.baseline import fit_baseline, texts
from prodclf_tests.classifier.shop import products
from prodclf_tests.trained import TrainedModel

TEA, PAN = "Food > Tea", "Home > Pans"
SHOP = pd.DataFrame(
    {
        "title": ["green tea", "black tea bags", "frying pan", "small pan", "mint tea", "wok pan"],
        "category": [TEA, TEA, PAN, PAN, TEA, PAN],
    },
    dtype="string",
)


def test_it_tells_tea_from_pans() -> None:
    baseline = fit_baseline(SHOP, SHOP)
    assert baseline.predict(products(["white tea", "big pan", "teas"])) == [TEA, PAN, TEA]
    assert baseline.predict(products([])) == []
    assert baseline.rows == 12


def test_the_penalty_with_the_best_validation_accuracy_is_kept_the_smallest_of_equals() -> None:
    assert fit_baseline(SHOP, SHOP, penalties=(1.0, 3.0)).c == 1.0
    drawn = np.random.default_rng(1)
    words = [" ".join(f"w{j}" for j in drawn.integers(0, 60, 6)) for _ in range(200)]
    noisy = pd.DataFrame({"title": words, "category": drawn.choice([TEA, PAN], 200)}, dtype="string")
    chosen = fit_baseline(noisy, noisy, penalties=(1e-6, 10.0))  # on what it has seen, the weaker rein wins
    assert chosen.c == 10.0


def test_without_validation_rows_the_middle_penalty_is_taken() -> None:
    assert fit_baseline(SHOP, SHOP.iloc[:0], penalties=(3.0, 0.3, 1.0)).c == 1.0


def test_it_learns_from_validation_rows_once_they_have_told_the_penalty() -> None:
    """As the model does, or the comparison would be unfair."""
    train, validation = SHOP.iloc[:5], SHOP.iloc[5:]
    assert "wok" in fit_baseline(train, validation).vectoriser.transformer_list[0][1].vocabulary_
    unheard = fit_baseline(train, train.iloc[:0])
    assert "wok" not in unheard.vectoriser.transformer_list[0][1].vocabulary_
    tea = SHOP[SHOP["category"] == TEA]
    assert fit_baseline(tea, SHOP).predict(products(["frying pan"])) == [PAN], (
        "nor can one category be tuned on"
    )


def test_everything_a_product_says_is_read() -> None:
    batch = products(["t"], brand=["b"], description=["d"], subcategory=["s"])
    assert texts(batch) == ["b t d s"]
    assert texts(products(["t"])) == ["t"]


def test_it_is_the_same_each_time_whatever_else_draws_random_numbers(trained_model: TrainedModel) -> None:
    """The reference a model is judged by must not move from run to run."""
    train = trained_model.train.head(300)
    held = ProductBatch.from_frame(trained_model.test)
    scores = []
    for seed in (0, 1):
        np.random.seed(seed)  # noqa: NPY002 (what scikit-learn falls back on)
        fitted = fit_baseline(train, train.iloc[:0])
        scores.append(fitted.model.decision_function(fitted.vectoriser.transform(texts(held))))
    np.testing.assert_array_equal(*scores)


def test_a_large_catalogue_is_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 20)
    many = pd.concat([SHOP] * 10, ignore_index=True)
    assert fit_baseline(many, many).rows == 20


def test_many_labels_are_told_apart_by_words_alone_and_labels_of_few_rows_by_the_nearest_product(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "MAX_TUNED", 11)
    few = fit_baseline(SHOP, SHOP)
    assert few.name == module.LINEAR_SVM
    assert len(few.vectoriser.transformer_list) == 1
    assert few.predict(products(["white tea", "big pan"])) == [TEA, PAN]
    monkeypatch.setattr(module, "FEWEST_PER_LABEL", 7)
    nearest = fit_baseline(SHOP, SHOP)
    assert (nearest.name, nearest.rows) == (module.NEAREST, 12)
    assert nearest.predict(products(["white tea", "big pan"])) == [TEA, PAN]
    assert nearest.predict(products([])) == []


def test_it_sees_as_many_rows_as_its_solver_can_bear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_SOLVED", 40)
    assert fit_baseline(pd.concat([SHOP] * 10, ignore_index=True), SHOP).rows == 20
