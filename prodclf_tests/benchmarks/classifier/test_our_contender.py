import numpy as np

from prodclf_assets.catalog.category_sets import listed_under
from prodclf_assets.catalog.product import ProductBatch
from prodclf_tests.benchmarks.classifier import our_contender
from prodclf_tests.benchmarks.tasks import Rows
from prodclf_tests.trained import TrainedModel


def test_validation_rows_are_answered_as_rows_not_seen(trained_model: TrainedModel) -> None:
    """Though it has learnt from them: thresholds that were chosen on what it knows by heart would promise too much."""
    rows = Rows("sample", trained_model.train, trained_model.validation, trained_model.test)
    fitted = our_contender.fit(rows, {}, threads=1)
    assert fitted.bundle.version == trained_model.bundle.version
    held, seen = fitted.held, fitted.answer(ProductBatch.from_frame(rows.validation))
    assert len(held.category) == len(rows.validation)
    assert held.auto is not None
    right, by_heart = (listed_under(rows.validation, each.category).mean() for each in (held, seen))
    assert right < by_heart
    assert np.mean(held.score) < np.mean(seen.score)
