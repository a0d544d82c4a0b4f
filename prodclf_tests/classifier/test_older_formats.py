"""Bundles of formats before the present one load, and answer as they did.

`data/format_4` was written by prodclf 0.1.0 when that was the format: a model of a hundred made-up products, and what it
answered to a few.
"""

import json
import shutil
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import FORMAT_VERSION, READABLE, Bundle, read_manifest
from prodclf_assets.classifier.explanation.leave_one_out import explain
from prodclf_assets.classifier.ranking.pair_features import FEATURES
from prodclf_assets.classifier.training.training import TrainingConfig
from prodclf_assets.errors import BundleError
from prodclf_assets.monitoring.drift.reference import reference_of

FORMAT_4: Final = Path(__file__).with_name("data") / "format_4"
ANSWERS: Final[list[dict[str, Any]]] = json.loads((FORMAT_4 / "answers.json").read_text("utf-8"))
LATER: Final = {f for f in FEATURES if f.startswith(("branch_", "neighbours_")) or f == "nearest"}


@pytest.fixture(scope="module")
def older() -> Bundle:
    return Bundle.load(FORMAT_4 / "bundle", threads=1)


def asked() -> ProductBatch:
    return ProductBatch.from_records([answer["product"] for answer in ANSWERS])[0]


def assert_answers_as_before(bundle: Bundle) -> None:
    found = bundle.predict(asked())
    assert list(found.decision) == [answer["decision"] for answer in ANSWERS]
    assert list(found.branch) == [answer["branch"] for answer in ANSWERS]
    for row, answer in enumerate(ANSWERS):
        names = [bundle.labels[code] for code in found.top_labels[row].tolist() if code >= 0]
        assert names == [name for name, _ in answer["top"]]
        chances = [chance for _, chance in answer["top"]]
        np.testing.assert_allclose(found.top_probabilities[row, : len(chances)], chances, rtol=1e-6)
        assert found.confidence[row] == pytest.approx(chances[0] if chances else 0)


def test_it_answers_as_it_did(older: Bundle) -> None:
    assert read_manifest(FORMAT_4 / "bundle").format_version == 4
    assert_answers_as_before(older)
    assert {answer["decision"] for answer in ANSWERS} == {"auto", "review", "abstain"}


def test_it_has_the_version_it_had(older: Bundle) -> None:
    """By it the registry, the prediction log and the cache know it."""
    assert older.version == "32d1642e9f42"


def test_what_it_does_not_know_says_nothing(older: Bundle) -> None:
    assert set(older.ranker.importance()) == set(FEATURES) - LATER
    pairs = older.encoder.encode(asked())
    later = pairs.features[:, [FEATURES.index(name) for name in sorted(LATER) if not name.endswith("_share")]]
    assert (later == 0).all()
    assert len(list(explain(older, asked()))) == len(ANSWERS)


def test_its_measurements_have_the_names_of_now(older: Bundle) -> None:
    metrics = older.manifest.metrics
    assert metrics["out_of_fold_rows"] == 40
    assert metrics["out_of_fold_accuracy"] == 0.975
    assert not any("validation" in name for name in metrics)
    assert reference_of(older).categories is not None
    assert TrainingConfig.of(older).ranker.rounds == 12
    assert older.manifest.measured is None


def test_saved_again_it_is_of_the_present_format_and_answers_the_same(older: Bundle, tmp_path: Path) -> None:
    again = Bundle.load(FORMAT_4 / "bundle", threads=1)
    assert again.save(tmp_path).format_version == FORMAT_VERSION == READABLE[-1]
    loaded = Bundle.load(tmp_path, threads=1)
    assert_answers_as_before(loaded)
    assert loaded.manifest.metrics == older.manifest.metrics


@pytest.mark.parametrize("metrics", [None, [], "many"])
def test_malformed_measurements_are_refused_as_ever(tmp_path: Path, metrics: object) -> None:
    shutil.copytree(FORMAT_4 / "bundle", tmp_path / "bundle")
    manifest = tmp_path / "bundle" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text("utf-8")), "metrics": metrics}))
    with pytest.raises(BundleError, match=r"field metrics.* is malformed"):
        read_manifest(tmp_path / "bundle")
