"""Training, start to end on small shops: the same model each time, whatever little there is to learn from."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle
from prodclf_assets.classifier.calibration.calibrator import FEWEST_PRODUCTS
from prodclf_assets.classifier.calibration.thresholds import AUTO, NEVER
from prodclf_assets.classifier.ranking.ranker import RankerConfig
from prodclf_assets.classifier.training import training
from prodclf_assets.classifier.training.training import (
    ENOUGH_PRODUCTS,
    FeatureSet,
    TrainingConfig,
    data_hash,
    fit_features,
    fit_model,
)
from prodclf_assets.errors import LabelError
from prodclf_tests.trained import TrainedModel

QUICK = TrainingConfig(ranker=RankerConfig(rounds=4, min_leaf=5), folds=2)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def shop(trained_model: TrainedModel) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Training and validation products of two top categories."""
    train, validation = (
        frame[frame["category"].str.startswith(("Beauty", "Books"))].reset_index(drop=True)
        for frame in (trained_model.train, trained_model.validation)
    )
    assert train["category"].nunique() > 5
    return train, validation


@pytest.fixture(scope="module")
def features(shop: tuple[pd.DataFrame, pd.DataFrame]) -> FeatureSet:
    return fit_features(*shop, QUICK, threads=1)


def version(bundle: Bundle, folder: Path) -> str:
    bundle.save(folder)
    return bundle.version


def frame(titles: list[str], categories: list[str]) -> pd.DataFrame:
    """The least that can be trained on."""
    return pd.DataFrame(
        {"title": titles, "category": categories, "title_key": [title.lower() for title in titles]},
        dtype="string",
    )


def test_trained_twice_on_any_threads_it_is_the_same_bundle(
    shop, features: FeatureSet, tmp_path: Path
) -> None:
    again = fit_features(*shop, QUICK, threads=2)
    np.testing.assert_array_equal(again.train.pairs.features, features.train.pairs.features)
    assert again.data_hash == features.data_hash
    versions = {
        version(fit_model(features, QUICK, threads=1), tmp_path / "one"),
        version(fit_model(features, QUICK, threads=1), tmp_path / "two"),
        version(fit_model(again, QUICK, threads=2), tmp_path / "three"),
    }
    assert len(versions) == 1


def test_another_seed_is_another_bundle(features: FeatureSet, tmp_path: Path) -> None:
    other = replace(QUICK, ranker=replace(QUICK.ranker, seed=8))
    assert version(fit_model(features, QUICK, threads=1), tmp_path / "a") != version(
        fit_model(features, other, threads=1), tmp_path / "b"
    )


def test_saved_and_loaded_features_give_the_same_bundle(features: FeatureSet, tmp_path: Path) -> None:
    features.save(tmp_path / "features")
    loaded = FeatureSet.load(tmp_path / "features")
    for name in ("train", "validation"):
        left, right = getattr(features, name), getattr(loaded, name)
        np.testing.assert_array_equal(left.labels, right.labels)
        np.testing.assert_array_equal(left.groups, right.groups)
        np.testing.assert_array_equal(left.pairs.candidates, right.pairs.candidates)
        np.testing.assert_array_equal(left.pairs.features, right.pairs.features)
    assert loaded.profile == features.profile
    assert loaded.config == json.loads(json.dumps(QUICK.to_dict()))
    bundles = [fit_model(each, QUICK, threads=1, now=lambda: NOON) for each in (features, loaded)]
    assert version(bundles[0], tmp_path / "a") == version(bundles[1], tmp_path / "b")
    assert bundles[0].manifest == bundles[1].manifest


def test_the_manifest_says_when_and_from_what(features: FeatureSet, tmp_path: Path) -> None:
    bundle = fit_model(features, QUICK, git_commit="abc123", threads=1, now=lambda: NOON)
    manifest = bundle.save(tmp_path)
    assert manifest.created_at == "2026-01-02T12:00:00+00:00"
    assert manifest.git_commit == "abc123"
    assert manifest.data_hash == features.data_hash
    shares = manifest.profile["label_shares"]
    assert len(shares) == len(bundle.labels)
    assert sum(shares) == pytest.approx(1, abs=1e-4)
    assert sum(manifest.profile["confidence_tenths"]) == pytest.approx(1, abs=1e-4)


def test_metrics_are_of_answers_to_products_that_nothing_had_seen(trained_model: TrainedModel) -> None:
    """The retrievers have learnt from validation products in the end; the metrics must not."""
    held, bundle = trained_model.features.validation, trained_model.bundle
    raw = bundle.ranker.probabilities(held.pairs, threads=1)
    probabilities = bundle.calibrator.apply(raw, held.pairs.candidates)
    rows, best = np.arange(len(probabilities)), probabilities.argmax(axis=1)
    answers, confidence = held.pairs.candidates[rows, best], probabilities[rows, best]
    correct = answers == held.labels
    auto = bundle.thresholds.decide(answers, confidence, held.pairs.familiarity) == AUTO
    metrics = bundle.manifest.metrics
    assert metrics["validation_rows"] == len(trained_model.validation)
    assert metrics["validation_accuracy"] == pytest.approx(correct.mean())
    assert metrics["validation_auto_share"] == pytest.approx(auto.mean())
    assert metrics["validation_auto_precision"] == pytest.approx(correct[auto].mean() if auto.any() else 0)
    recall = (held.pairs.candidates == held.labels[:, None]).any(axis=1).mean()
    assert metrics["validation_recall_at_candidates"] == pytest.approx(recall)

    def accuracy(frame: pd.DataFrame) -> float:
        answered = bundle.predict(ProductBatch.from_frame(frame)).category
        return float((np.array(answered, object) == frame["category"].to_numpy(object)).mean())

    assert metrics["validation_accuracy"] < accuracy(trained_model.validation)
    assert metrics["validation_accuracy"] == pytest.approx(accuracy(trained_model.test), abs=0.1)


def test_few_validation_products_are_helped_by_training_products_that_other_rankers_answer(
    trained_model: TrainedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that will answer is the same either way, and more is known of each category."""
    features, helped = trained_model.features, trained_model.bundle
    assert FEWEST_PRODUCTS <= len(features.validation.labels) < ENOUGH_PRODUCTS
    of_one_title = replace(features.train, groups=np.zeros_like(features.train.groups))
    alone = fit_model(replace(features, train=of_one_title), TrainingConfig(), threads=1)
    assert alone.ranker.forest.text == helped.ranker.forest.text
    assert np.abs(helped.calibrator.by_label).sum() > np.abs(alone.calibrator.by_label).sum() > 0
    monkeypatch.setattr(training, "ENOUGH_PRODUCTS", len(features.validation.labels))
    assert fit_model(features, TrainingConfig(), threads=1).calibrator == alone.calibrator


def test_pairs_of_training_products_are_out_of_fold(trained_model: TrainedModel) -> None:
    """In sample the linear SVM is nearly always right; out of fold it must be about as wrong as on new products."""
    held = ProductBatch.from_frame(trained_model.train)
    in_sample = trained_model.bundle.encoder.encode(held)
    features = trained_model.features
    right_in_sample = (in_sample.candidates[:, 0] == features.train.labels).mean()
    right_out_of_fold = (features.train.pairs.candidates[:, 0] == features.train.labels).mean()
    right_on_new = (features.validation.pairs.candidates[:, 0] == features.validation.labels).mean()
    assert right_in_sample > 0.95
    assert abs(right_out_of_fold - right_on_new) < 0.1
    assert right_out_of_fold < right_in_sample - 0.05


def test_one_category_is_refused_by_name() -> None:
    one = frame(["frying pan", "soup pot"], ["Kitchen", "Kitchen"])
    with pytest.raises(LabelError, match=r"fewer than two categories \(Kitchen\); add products of another"):
        fit_features(one, one, QUICK, threads=1)
    with pytest.raises(LabelError, match=r"\(none\)"):
        fit_features(one.iloc[:0], one, QUICK, threads=1)


@pytest.mark.parametrize("folds", [-1, 0, 1])
def test_fewer_folds_than_two_are_refused(folds: int) -> None:
    with pytest.raises(ValueError, match="folds must be 2 or more"):
        TrainingConfig(folds=folds)


def test_without_validation_products_nothing_is_filed_alone(shop, tmp_path: Path) -> None:
    train, validation = shop
    features = fit_features(train, validation.iloc[:0], QUICK, threads=1)
    features.save(tmp_path / "features")
    bundle = fit_model(FeatureSet.load(tmp_path / "features"), QUICK, threads=1)
    assert (bundle.calibrator.slope, bundle.calibrator.offset) == (1, 0)
    assert bundle.thresholds.common == bundle.thresholds.branch == NEVER
    held = {name: value for name, value in bundle.provenance.metrics.items() if "validation" in name}
    assert set(held.values()) == {0.0}
    bundle.save(tmp_path / "bundle")
    found = Bundle.load(tmp_path / "bundle").predict(ProductBatch.from_frame(validation))
    assert "auto" not in found.decision
    assert (np.array(found.category, object) == validation["category"].to_numpy(object)).mean() > 0.3


def test_a_validation_category_that_training_has_not_is_an_error_not_a_crash(shop) -> None:
    train, validation = shop
    strange = validation.assign(category=["Nowhere"] * len(validation)).astype({"category": "string"})
    features = fit_features(train, strange, QUICK, threads=1)
    assert (features.validation.labels == -1).all()
    bundle = fit_model(features, QUICK, threads=1)
    assert bundle.provenance.metrics["validation_accuracy"] == 0
    assert bundle.thresholds.common == NEVER


def test_a_shop_of_three_products_is_trained_on(tmp_path: Path) -> None:
    tiny = frame(["frying pan", "soup pot", "doll"], ["Kitchen", "Kitchen", "Toys"])
    bundle = fit_model(fit_features(tiny, tiny.iloc[:0], TrainingConfig(), threads=1), QUICK, threads=1)
    bundle.save(tmp_path)
    found = Bundle.load(tmp_path).predict(ProductBatch.from_frame(tiny))
    assert set(found.category) <= {"Kitchen", "Toys"}
    assert set(found.decision) <= {"review", "abstain"}


def test_titles_without_a_word_are_trained_on() -> None:
    symbols = frame(["!!!", "???", "!?", "?!"], ["x", "y", "x", "y"])
    bundle = fit_model(fit_features(symbols, symbols, QUICK, threads=1), QUICK, threads=1)
    assert np.isfinite(bundle.predict(ProductBatch.from_frame(symbols)).confidence).all()


TABLES = st.lists(
    st.tuples(
        st.text(max_size=3) | st.none(),
        st.sampled_from(["", "a", "\x1f", "\x00", "b"]),
        st.floats() | st.none(),
    ),
    min_size=1,
    max_size=4,
)


def table(rows: list[tuple[str | None, str, float | None]]) -> pd.DataFrame:
    columns = list(zip(*rows, strict=True))
    return pd.DataFrame(
        {
            "title": pd.array(list(columns[0]), "string"),
            "brand": pd.array(list(columns[1]), "string"),
            "price": np.array([np.nan if value is None else value for value in columns[2]], float),
        }
    )


@given(TABLES, TABLES)
def test_the_data_hash_tells_any_two_contents_apart(left, right) -> None:
    a, b = table(left), table(right)
    same = a.equals(b) and not (np.signbit(a["price"]) != np.signbit(b["price"]))[~a["price"].isna()].any()
    assert (data_hash(a) == data_hash(b)) == same


def test_the_data_hash_knows_cells_columns_order_and_sides_but_not_the_index() -> None:
    base = table([("a\x1fb", "c", 1.0), ("d", None, 2.0), ("e", "f", None)])  # type: ignore[list-item]
    hashes = {
        data_hash(other)
        for other in (
            base,
            base.iloc[::-1],
            base.rename(columns={"brand": "maker"}),
            base[["brand", "title", "price"]],
            base.assign(price=base["price"] + [0, 1e-12, 0]),
            base.assign(brand=base["brand"].fillna("")),
            base.assign(title=pd.array(["a", "b\x1fd", "e"], "string")),
            base.iloc[:2],
            base.assign(price=[1, 2, 3]),
        )
    }
    assert len(hashes) == 9
    assert data_hash(base.set_axis([7, 8, 9])) == data_hash(base) == data_hash(base.copy())
    assert data_hash(base.iloc[:1], base.iloc[1:]) != data_hash(base.iloc[:2], base.iloc[2:])
    assert data_hash(base, base.iloc[:0]) != data_hash(base.iloc[:0], base)


def test_missing_numbers_are_missing_whatever_their_bits() -> None:
    odd = np.array([0xFFF8000000000001], np.uint64).view(np.float64)
    assert data_hash(pd.DataFrame({"price": odd})) == data_hash(pd.DataFrame({"price": [np.nan]}))
