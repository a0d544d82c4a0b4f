"""Categories that were shuffled on purpose are found again, and what is said of them can be checked."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest

from prodclf_assets.catalog.columns import LABEL_COLUMN, TITLE_KEY_COLUMN
from prodclf_assets.catalog.identity import product_key
from prodclf_assets.classifier.ranking.ranker import RankerConfig
from prodclf_assets.classifier.training.out_of_fold import out_of_fold_probabilities
from prodclf_assets.classifier.training.training import FeatureSet, TrainingConfig, fit_features
from prodclf_assets.errors import LabelError
from prodclf_assets.monitoring.review.evidence import NOTHING, evidence_for
from prodclf_assets.monitoring.review.suspects import (
    SUSPECT_COLUMNS,
    LabelOdds,
    find_suspects,
    shared_shelves,
    suspect_table,
)
from prodclf_tests.benchmarks.suspects import shuffle_some
from prodclf_tests.trained import TrainedModel


@dataclass(frozen=True)
class Shuffled:
    """Training products, one in twenty of them with the category of another, and what they were made into."""

    train: pd.DataFrame
    catalogue: pd.DataFrame
    wrong: npt.NDArray[np.bool_]
    features: FeatureSet
    odds: LabelOdds

    @property
    def paths(self) -> tuple[str, ...]:
        return self.features.encoder.tree.paths


@pytest.fixture(scope="module")
def shuffled(trained_model: TrainedModel) -> Shuffled:
    labels, wrong = shuffle_some(trained_model.train[LABEL_COLUMN], 0.05, seed=3)
    train = trained_model.train.assign(**{LABEL_COLUMN: labels})
    features = fit_features(train, trained_model.validation, TrainingConfig(), threads=1)
    probabilities = out_of_fold_probabilities(features.train, RankerConfig(), 1)
    odds = LabelOdds.of(features.train.pairs.candidates, probabilities, features.train.labels)
    return Shuffled(train, train[[TITLE_KEY_COLUMN, "brand", LABEL_COLUMN]], wrong, features, odds)


def test_most_of_what_was_shuffled_is_in_the_first_tenth(shuffled: Shuffled) -> None:
    assert shuffled.wrong.mean() > 0.04
    first = shuffled.odds.order[: len(shuffled.wrong) // 10]
    assert shuffled.wrong[first].sum() / shuffled.wrong.sum() >= 0.7
    assert sorted(shuffled.odds.order) == list(range(len(shuffled.wrong)))


def test_suspects_are_few_and_mostly_wrong(shuffled: Shuffled) -> None:
    found = find_suspects(shuffled.features, shuffled.train, shuffled.catalogue, None, threads=1)
    assert found.listings == len(shuffled.train)
    assert found.share < 0.15
    assert f"{len(found.table):,} of {found.listings:,} listings" in found.sentence
    wrong = shuffled.wrong[found.table.index]
    assert wrong.sum() / shuffled.wrong.sum() > 0.7
    assert wrong[:20].mean() > 0.5, "the sample has wrong categories of its own"
    assert list(found.table.columns) == list(SUSPECT_COLUMNS)
    assert found.table["confidence"].between(0, 1).all()
    assert (found.table["listed_probability"] * 19 < found.table["confidence"]).all()
    assert (found.table["listed_category"] != found.table["predicted_category"]).all()


def test_what_a_person_decided_is_left_out(shuffled: Shuffled) -> None:
    everything = suspect_table(shuffled.train, shuffled.paths, shuffled.odds, shuffled.catalogue, None)
    decided = shuffled.train.loc[everything.index[:5]]
    rest = suspect_table(shuffled.train, shuffled.paths, shuffled.odds, shuffled.catalogue, decided)
    assert 5 <= len(everything) - len(rest) < 10
    assert set(decided["product_id"]).isdisjoint(rest["product_id"])


def test_the_shops_own_category_is_shown_where_it_was_too_rare_to_learn(shuffled: Shuffled) -> None:
    suspects = suspect_table(shuffled.train, shuffled.paths, shuffled.odds, shuffled.catalogue, None)
    catalogue = shuffled.catalogue.copy()
    catalogue.loc[suspects.index[0], LABEL_COLUMN] = "Beauty > Rare > Leaf"
    found = suspect_table(shuffled.train, shuffled.paths, shuffled.odds, catalogue, None)
    assert found["listed_category"].iloc[0] == "Beauty > Rare > Leaf"
    assert found["listed_category"].iloc[1:].equals(suspects["listed_category"].iloc[1:])


def test_a_category_that_the_product_is_also_in_is_not_suggested_and_copies_are_asked_about_once(
    shuffled: Shuffled,
) -> None:
    suspects = suspect_table(shuffled.train, shuffled.paths, shuffled.odds, shuffled.catalogue, None)
    keys = product_key(shuffled.train).loc[suspects.index] + shuffled.train[LABEL_COLUMN].loc[suspects.index]
    assert keys.is_unique
    train = shuffled.train.copy()
    first = suspects.index[0]
    own, other = train[LABEL_COLUMN].loc[first], suspects["predicted_category"].iloc[0]
    train.loc[first, "other_categories"] = f"Another > One\n{other}"
    found = suspect_table(train, shuffled.paths, shuffled.odds, shuffled.catalogue, None)
    assert first in found.index  # no other product is in both: one of the two is a mistake
    sharing = train.index[(train[LABEL_COLUMN] == own) & ~train.index.isin(suspects.index)][:2]
    train.loc[sharing, "other_categories"] = other
    assert (min(own, other), max(own, other)) in shared_shelves(train)
    found = suspect_table(train, shuffled.paths, shuffled.odds, shuffled.catalogue, None)
    assert set(suspects.index) - set(found.index) == {first}


def test_features_of_other_products_are_refused(shuffled: Shuffled) -> None:
    with pytest.raises(LabelError, match="made from another version of train_split"):
        find_suspects(shuffled.features, shuffled.train.iloc[1:], shuffled.catalogue, None, threads=1)


def test_where_nothing_can_be_asked_nothing_is_suspect(shuffled: Shuffled) -> None:
    pairs = shuffled.features.train
    one_title = replace(shuffled.features, train=replace(pairs, groups=np.zeros_like(pairs.groups)))
    found = find_suspects(one_title, shuffled.train, shuffled.catalogue, None, threads=1)
    assert (len(found.table), found.listings) == (0, 0)
    assert found.sentence.startswith("nothing was asked: none of the 0 training rows")


def test_odds_of_the_own_category_and_the_best_other() -> None:
    candidates = np.array([[3, 1], [1, 3], [5, 2], [0, 4]], np.int32)
    probabilities = np.array([[0.9, 0.1], [0.99, 0.01], [0.5, 0.2], [0.8, 0.1]])
    odds = LabelOdds.of(candidates, probabilities, np.array([3, 3, 3, 7], np.int32))
    assert odds.own.tolist() == [0.9, 0.01, 0, 0]
    assert odds.other.tolist() == [1, 1, 5, 0]
    assert odds.other_probability.tolist() == [0.1, 0.99, 0.5, 0.8]
    assert odds.contradicted.tolist() == [False, True, True, True]
    assert odds.order.tolist() == [3, 2, 1, 0], "no candidate at all first, the surest contradiction before"
    alone = LabelOdds.of(np.array([[2]], np.int32), np.array([[1.0]]), np.array([2], np.int32))
    assert (alone.other.tolist(), alone.contradicted.tolist()) == ([-1], [False])


def test_evidence_counts_other_listings() -> None:
    rows = [
        ("green tea", "Orzo", "Tea"),
        ("black tea", "Orzo", "Tea"),
        ("white tea", "Kasol", "Tea"),
        ("tea jasmine", "Orzo", "Soap"),
        ("tea soap", "Kasol", "Soap"),
        ("olive soap", "Kasol", "Soap"),
        ("plain", None, "Soap"),
    ]
    products = pd.DataFrame(rows, columns=[TITLE_KEY_COLUMN, "brand", LABEL_COLUMN]).astype("string")
    said = evidence_for(products, np.array([3, 6]), np.array(["Tea", "Tea"], object))
    assert said[0] == (
        "3 of 4 other listings with “tea” are there, 1 here; 2 of 2 other listings of the brand Orzo are there, 0 here"
    )
    assert said[1] == NOTHING
