import numpy as np
import pandas as pd
import pytest

from prodclf_assets.classifier.training.training import TrainingConfig
from prodclf_assets.monitoring.drift.causes import CAUSES
from prodclf_assets.monitoring.drift.measure import measure
from prodclf_assets.monitoring.drift.reference import Reference, reference_of, top_of
from prodclf_assets.monitoring.drift.window import DriftWindow
from prodclf_tests.trained import TrainedModel, out_of_fold_answers


def test_a_bundle_carries_its_reference(trained_model: TrainedModel) -> None:
    reference = reference_of(trained_model.bundle)
    learnt = pd.concat([trained_model.train, trained_model.validation])
    assert reference.rows == len(learnt)
    assert reference.missing["brand"] == pytest.approx(learnt["brand"].isna().mean())
    assert reference.numbers["price"].median == pytest.approx(learnt["price"].median(), rel=0.01)
    assert reference.numbers["price"].rows == learnt["price"].notna().sum()
    assert reference.categories is not None
    assert reference.categories.rows == len(learnt)
    assert reference.tops is not None
    assert set(reference.tops.shares) <= {top_of(label).casefold() for label in trained_model.bundle.labels}
    assert sum(reference.tops.shares.values()) == pytest.approx(1, abs=1e-4)
    assert reference.confidence is not None
    # Of answers by parts of the model that had not seen the products: by itself it would be surer.
    bundle, known = trained_model.bundle, trained_model.features.known
    probabilities = out_of_fold_answers(known, TrainingConfig().ranker)
    confidence = bundle.calibrator.apply(probabilities, known.pairs.candidates).max(axis=1)
    np.testing.assert_allclose(
        reference.confidence.below, [(confidence < i / 10).mean() for i in range(1, 10)], atol=1e-5
    )


def test_a_model_that_knows_little_of_its_training_is_compared_in_what_it_knows(
    same_shop: DriftWindow,
) -> None:
    few = Reference.of({"label_shares": [0.5, 0.5]}, ["A > B", "A > C"], 0)
    report = measure(few, same_shop.take(range(300)))
    assert [cause.name for cause in report.causes] == list(CAUSES)
    assert not report.drifted
    assert not any(cause.measured for cause in report.causes)
    assert all("nothing to compare with" in cause.sentence for cause in report.causes[:-1])
    assert report.causes[-1].sentence == "no labels came back since the training"
