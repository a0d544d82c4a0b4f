"""Ways of treating rare categories, compared on a real catalogue of the sample."""

import pandas as pd
import pytest

from prodclf_assets.classifier.ranking.ranker import RankerConfig
from prodclf_assets.classifier.ranking.rebalancing import REBALANCINGS
from prodclf_assets.classifier.training.rebalancing_comparison import REFRAMING, Treatment, compare_treatments
from prodclf_assets.classifier.training.training import TrainingConfig, fit_features
from prodclf_assets.errors import LabelError
from prodclf_tests.trained import TrainedModel

CONFIG = TrainingConfig(ranker=RankerConfig(rounds=40, rebalancing="oversampling"))


@pytest.fixture(scope="module")
def compared(trained_model: TrainedModel) -> list[Treatment]:
    said: list[str] = []
    found = compare_treatments(
        trained_model.train, trained_model.validation, trained_model.features.train, CONFIG, 1, said.append
    )
    assert len(said) == len(found)
    assert said[0].startswith("none: macro-F1 0.")
    return found


def test_every_way_is_measured_and_the_one_in_use_marked(compared: list[Treatment]) -> None:
    assert [treatment.method for treatment in compared] == [*REBALANCINGS, REFRAMING]
    assert [treatment.method for treatment in compared if treatment.in_use] == ["oversampling"]
    assert len({treatment.macro_f1 for treatment in compared}) == len(compared), "each has an effect"
    for treatment in compared:
        assert 0.5 < treatment.macro_f1 < 1
        assert treatment.to_dict()["accuracy"] == treatment.accuracy > 0.5


def test_probabilities_stay_calibrated_whichever_is_on(compared: list[Treatment]) -> None:
    for treatment in compared:
        assert treatment.ece < 0.05, treatment


def test_a_reframed_category_is_always_missed_but_not_its_parent(compared: list[Treatment]) -> None:
    reframed, plain = compared[-1], compared[0]
    assert reframed.macro_f1 < reframed.merged_macro_f1
    assert reframed.macro_f1 < plain.macro_f1
    assert plain.merged_accuracy >= plain.accuracy


def test_features_of_other_products_are_refused(trained_model: TrainedModel) -> None:
    features = trained_model.features
    with pytest.raises(LabelError, match="another version of train_split"):
        compare_treatments(trained_model.train.iloc[1:], trained_model.validation, features.train, CONFIG, 1)


def test_a_category_that_only_validation_products_have_is_one_of_the_model(
    trained_model: TrainedModel,
) -> None:
    """Rare labels are learnt, too, so that there nearly always are such."""
    train, validation = trained_model.train.head(300), trained_model.validation.head(40)
    only = validation["category"].where(validation.index > 5, "Antiques > Clocks")
    validation = validation.assign(category=only)
    quick = TrainingConfig(ranker=RankerConfig(rounds=5, min_leaf=5), folds=2, folds_of_few=2)
    features = fit_features(train, validation, quick, threads=1)
    assert "Antiques > Clocks" in features.encoder.tree.paths
    found = compare_treatments(train, validation, features.train, quick, 1)
    answers = features.encoder.tree.encode(train["category"].tolist())
    hits = features.train.pairs.candidates[:, 0] == answers
    assert found[0].accuracy > 0.8 * hits.mean(), "candidates are read by the names that they have"


def test_any_category_of_a_product_is_right(trained_model: TrainedModel) -> None:
    """Each product is also in all others of its top category: then only what leaves that is wrong."""
    train = trained_model.train.head(400)
    names = sorted(set(train["category"]))
    others = [
        "\n".join(name for name in names if name.split(" > ")[0] == own.split(" > ")[0] and name != own)
        for own in train["category"]
    ]
    several = train.assign(other_categories=pd.array([each or None for each in others], "string"))
    quick = TrainingConfig(ranker=RankerConfig(rounds=5, min_leaf=5), folds=2, folds_of_few=2)
    single, any_of = (
        compare_treatments(frame, frame[:0], fit_features(frame, frame[:0], quick, 1).train, quick, 1)[0]
        for frame in (train.assign(other_categories=pd.array([None] * 400, "string")), several)
    )
    assert any_of.accuracy > single.accuracy + 0.02
    assert any_of.macro_f1 > single.macro_f1
