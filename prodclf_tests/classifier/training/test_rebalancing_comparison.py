"""Ways of treating rare categories, compared on a real catalogue of the sample."""

import pytest

from prodclf_assets.classifier.ranking.ranker import RankerConfig
from prodclf_assets.classifier.ranking.rebalancing import REBALANCINGS
from prodclf_assets.classifier.training.rebalancing_comparison import REFRAMING, Treatment, compare_treatments
from prodclf_assets.classifier.training.training import TrainingConfig
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
