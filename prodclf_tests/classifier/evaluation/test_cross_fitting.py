"""Measuring a small shop on all of its products: by whom each is answered, and that nobody answers what it has learnt."""

import numpy as np
import pandas as pd
import pytest

from prodclf_assets.catalog.category_sets import listed_under
from prodclf_assets.catalog.cleaning.cleaning import clean_products
from prodclf_assets.catalog.sample.generator import sample_catalogue
from prodclf_assets.classifier.evaluation import cross_fitting as module
from prodclf_assets.classifier.evaluation.cross_fitting import FOLDS, cross_fitted
from prodclf_assets.classifier.evaluation.report import Answered, evaluate
from prodclf_assets.classifier.ranking.labelled_pairs import groups_of
from prodclf_assets.classifier.ranking.ranker import RankerConfig
from prodclf_assets.classifier.training.training import TrainingConfig
from prodclf_assets.errors import LabelError
from prodclf_tests.trained import TrainedModel

QUICK = TrainingConfig(ranker=RankerConfig(rounds=20, min_leaf=5), folds_of_few=3)
WORDS = ["apple", "pear", "plum", "tea", "pan", "pot", "doll", "car"]


def noise(rows: int, seed: int = 1) -> pd.DataFrame:
    """Titles that tell nothing of the category; each two products share one, and one category."""
    drawn = np.random.default_rng(seed)
    titles = [f"{' '.join(drawn.choice(WORDS, 3))} n{number}" for number in range(rows // 2)]
    columns = {"title": titles, "category": drawn.choice(["A > x", "A > y", "B"], rows // 2)}
    half = pd.DataFrame({**columns, "title_key": titles}, dtype="string")
    return pd.concat([half, half], ignore_index=True)


@pytest.fixture(scope="module")
def sides() -> list[pd.DataFrame]:
    """A shop of 12 categories, in three parts."""
    raw = pd.concat(sample_catalogue(400, 3, leaves=12, seed=5), ignore_index=True)
    products = clean_products(raw).products
    return [products.iloc[:280], products.iloc[280:320], products.iloc[320:]]


@pytest.fixture(scope="module")
def answered(sides: list[pd.DataFrame]) -> Answered:
    return cross_fitted(sides, QUICK, 1)


def test_every_product_of_every_side_is_answered_once(sides: list[pd.DataFrame], answered: Answered) -> None:
    every = pd.concat(sides)
    for column in ("title", "category"):
        assert sorted(answered.products[column]) == sorted(every[column])
    for column in (answered.answers, answered.baseline, answered.confidence, answered.decision):
        assert len(column) == len(answered.products) == len(every)
    assert answered.products.index.tolist() == list(range(len(every)))


def test_it_tells_how_far_it_is() -> None:
    told: list[str] = []
    cross_fitted([noise(40)], QUICK, 1, told.append)
    assert told == [f"cross-fitting: {number} of {FOLDS} folds" for number in range(1, FOLDS + 1)]


def test_who_answers_has_not_learnt_from_the_title(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of titles that tell nothing, and that each are there twice, nothing is known but by heart."""
    products = noise(200)
    learnt: list[set[str]] = []
    fit = module.fit_features

    def watched(train: pd.DataFrame, *others: object) -> object:
        learnt.append(set(train["title_key"]))
        return fit(train, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "fit_features", watched)
    found = cross_fitted([products], QUICK, 1)
    assert listed_under(found.products, found.answers).mean() < 0.6
    assert listed_under(found.products, found.baseline).mean() < 0.6
    every = set(products["title_key"])
    left_out = [every - part for part in learnt]
    assert len(learnt) == FOLDS
    assert sorted(title for part in left_out for title in part) == sorted(every), "each once"
    assert all(0.05 < len(part) / len(every) < 0.4 for part in left_out)


def test_thresholds_were_chosen_without_the_products_that_they_are_measured_on(answered: Answered) -> None:
    """So that the precision is what the next products will see, and not the best that could be had."""
    right = listed_under(answered.products, answered.answers)
    auto = answered.decision == "auto"
    assert 0.1 < auto.mean() < 1
    assert right[auto].mean() > 0.85
    assert right[auto].mean() > right.mean()


def test_it_tells_of_a_shop_what_a_test_side_would(answered: Answered, trained_model: TrainedModel) -> None:
    report = evaluate(trained_model.bundle, answered, "all in turn")
    assert report.rows == len(answered.products)
    assert report.accuracy == pytest.approx(listed_under(answered.products, answered.answers).mean())
    assert report.majority_accuracy < report.accuracy < 1
    assert sum(report.decisions.values()) == report.rows


def test_its_parts_are_not_those_inside_a_training() -> None:
    """Products of one fold here are in all folds there."""
    titles = [f"title {number}" for number in range(3000)]
    here = module._folds(pd.DataFrame({"title_key": titles}, dtype="string"))
    groups = groups_of(titles)
    for there in (groups % np.uint32(10), groups % np.uint32(5), (groups >> np.uint32(16)) % np.uint32(2)):
        counts = pd.crosstab(here, there).to_numpy()
        expected = len(titles) / counts.size
        assert np.abs(counts - expected).max() < 6 * np.sqrt(expected)


def test_too_few_products_to_leave_some_out_are_refused_in_a_sentence() -> None:
    few = pd.DataFrame(
        {"title": ["pan", "pot"], "category": ["A", "B"], "title_key": ["pan", "pot"]}, dtype="string"
    )
    with pytest.raises(
        LabelError, match="with a fifth of the products left out, the training rows have fewer"
    ):
        cross_fitted([few], QUICK, 1)
