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

from prodclf_assets.catalog.category_sets import listed_under
from prodclf_assets.catalog.product import ProductBatch
from prodclf_assets.classifier.bundle import Bundle, read_manifest
from prodclf_assets.classifier.calibration.calibrator import FEWEST_PRODUCTS, Calibrator
from prodclf_assets.classifier.calibration.thresholds import AUTO, NEVER
from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.ranking.ranker import RankerConfig
from prodclf_assets.classifier.training.training import (
    FeatureSet,
    TrainingConfig,
    data_hash,
    fit_features,
    fit_model,
)
from prodclf_assets.errors import LabelError
from prodclf_tests.trained import TrainedModel, out_of_fold_answers

QUICK = TrainingConfig(ranker=RankerConfig(rounds=4, min_leaf=5), folds=2, folds_of_few=2)
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
        for part in ("own", "indptr", "codes", "taught"):
            np.testing.assert_array_equal(getattr(left.truth, part), getattr(right.truth, part))
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


def test_metrics_are_of_answers_to_products_by_parts_that_had_not_seen_them(
    trained_model: TrainedModel,
) -> None:
    """The model has learnt from all of them in the end; the metrics must not."""
    known, bundle = trained_model.features.known, trained_model.bundle
    raw = out_of_fold_answers(known, TrainingConfig().ranker)
    candidates = known.pairs.candidates
    wanted = Calibrator.fit(raw, candidates, known.hits, len(bundle.labels))
    assert bundle.calibrator.by_label == pytest.approx(wanted.by_label)
    parts = TrainingConfig().folds_for(len(known))
    whole = wanted.for_more(parts / (parts - 1))
    assert bundle.calibrator.offset == pytest.approx(whole.offset)
    rows, best = np.arange(len(raw)), raw.argmax(axis=1)
    answers = candidates[rows, best]
    measured, confidence = (each.apply(raw, candidates)[rows, best] for each in (wanted, whole))
    listed = LabelSets.of(pd.concat([trained_model.train, trained_model.validation]), bundle.encoder.tree)
    correct = listed.contain(answers[:, None])[:, 0]
    auto = bundle.thresholds.decide(answers, confidence, known.pairs.familiarity) == AUTO
    metrics = bundle.manifest.metrics
    assert metrics["out_of_fold_rows"] == len(trained_model.train) + len(trained_model.validation)
    assert metrics["out_of_fold_accuracy"] == pytest.approx(correct.mean())
    assert metrics["out_of_fold_auto_share"] == pytest.approx(auto.mean())
    expected = correct + confidence - measured
    assert metrics["out_of_fold_auto_precision"] == pytest.approx(expected[auto].mean())
    recall = listed.contain(candidates).any(axis=1).mean()
    assert metrics["out_of_fold_recall_at_candidates"] == pytest.approx(recall)

    def accuracy(products: pd.DataFrame) -> float:
        answered = bundle.predict(ProductBatch.from_frame(products)).category
        return float(listed_under(products, np.array(answered, object)).mean())

    assert metrics["out_of_fold_accuracy"] < accuracy(trained_model.train) - 0.02
    assert metrics["out_of_fold_accuracy"] == pytest.approx(accuracy(trained_model.test), abs=0.06)


def test_what_auto_promises_holds_on_products_that_nothing_has_seen(trained_model: TrainedModel) -> None:
    found = trained_model.bundle.predict(ProductBatch.from_frame(trained_model.test))
    right = listed_under(trained_model.test, np.array(found.category, object))
    auto = np.array(found.decision) == "auto"
    assert auto.mean() > 0.4
    assert right[auto].mean() > 0.9


def test_both_sides_are_learnt_from_alike(
    shop: tuple[pd.DataFrame, pd.DataFrame], features: FeatureSet
) -> None:
    """Where the line between them is drawn decides which pairs are whose, and nothing else."""
    both = pd.concat(shop, ignore_index=True)
    other = fit_features(both.iloc[:50], both.iloc[50:], QUICK, threads=1)
    assert (len(other.train), len(features.train)) == (50, len(shop[0]))
    np.testing.assert_array_equal(other.known.pairs.features, features.known.pairs.features)
    models = [fit_model(each, QUICK, threads=1) for each in (features, other)]
    assert models[0].ranker.forest.text == models[1].ranker.forest.text
    assert models[0].calibrator == models[1].calibrator
    assert models[0].thresholds == models[1].thresholds


def test_the_booster_has_as_many_trees_as_served_best_out_of_fold(trained_model: TrainedModel) -> None:
    """Those that measure have half the trees and twice the step."""
    curve, forest = trained_model.bundle.ranker.curve, trained_model.bundle.ranker.forest
    assert len(forest.first_leaf) == min(curve, key=lambda trees: curve[trees])
    config = TrainingConfig().ranker
    assert set(curve) <= {*range(0, config.rounds, 2 * config.block), config.rounds}


def test_of_a_final_model_the_measured_one_is_named(
    shop: tuple[pd.DataFrame, pd.DataFrame], features: FeatureSet, tmp_path: Path
) -> None:
    measured = fit_model(features, QUICK, threads=1)
    measured.save(tmp_path / "measured")
    final = fit_model(features, QUICK, threads=1, measured=measured)
    manifest = final.save(tmp_path / "final")
    assert manifest.measured == measured.version == final.version, "of the same rows it is the same model"
    assert read_manifest(tmp_path / "measured").measured is None


def test_where_it_may_not_file_only_that_is_other(trained_model: TrainedModel) -> None:
    config = TrainingConfig()
    bundle = fit_model(trained_model.features, config, threads=1, may_file=False)
    assert (bundle.thresholds.common, bundle.thresholds.own) == (NEVER, {})
    assert replace(trained_model.bundle.thresholds, common=NEVER, own={}) == bundle.thresholds
    assert bundle.provenance.metrics["out_of_fold_auto_share"] == 0
    products = ProductBatch.from_frame(trained_model.test)
    found, free = bundle.predict(products), trained_model.bundle.predict(products)
    assert set(found.decision) == {"review", "abstain"}
    assert found.category == free.category
    np.testing.assert_array_equal(found.confidence, free.confidence)


@pytest.mark.parametrize(("products", "folds"), [(0, 10), (4_999, 10), (5_000, 5), (10**6, 5)])
def test_few_products_are_dealt_into_more_parts(products: int, folds: int) -> None:
    """So that each is scored by what has learnt from nine tenths of them."""
    assert TrainingConfig().folds_for(products) == folds


def test_a_product_in_two_categories_is_learnt_under_both(tmp_path: Path) -> None:
    """Every soup pot is both cooking and sale: the answer may be either, and neither counts as wrong."""
    drawn = np.random.default_rng(1)
    words = [f"w{chr(97 + i // 20)}{chr(97 + i % 20)}" for i in range(60)]
    kinds = drawn.integers(0, 3, 240)
    titles = [f"{('soup pot', 'doll', 'novel')[kind]} {' '.join(drawn.choice(words, 2))}" for kind in kinds]
    home = [("Cooking", "Toys", "Books")[kind] for kind in kinds]
    sale = kinds == 0
    own = [("Sale" if number % 2 else name) if sale[number] else name for number, name in enumerate(home)]
    other = [
        ({"Sale": "Cooking", "Cooking": "Sale"}[name]) if sale[i] else None for i, name in enumerate(own)
    ]
    shop = frame(titles, own).assign(other_categories=pd.array(other, "string"))
    bundle = fit_model(fit_features(shop.iloc[:200], shop.iloc[200:], QUICK, threads=1), QUICK, threads=1)
    metrics = bundle.provenance.metrics
    assert metrics["out_of_fold_accuracy"] > 0.97
    assert metrics["out_of_fold_auto_precision"] > 0.97
    found = bundle.predict(ProductBatch.from_frame(frame(["soup pot wxx"], ["x"])), top_k=2)
    assert {bundle.labels[code] for code in found.top_labels[0]} == {"Sale", "Cooking"}
    plain = shop.drop(columns="other_categories")
    single = fit_model(fit_features(plain.iloc[:200], plain.iloc[200:], QUICK, threads=1), QUICK, threads=1)
    assert single.provenance.metrics["out_of_fold_accuracy"] < 0.9, "by the row's own alone, half are wrong"
    assert (
        found.confidence[0]
        > single.predict(ProductBatch.from_frame(frame(["soup pot wxx"], ["x"]))).confidence[0]
    )


def test_pairs_of_training_products_are_out_of_fold(trained_model: TrainedModel) -> None:
    """In sample the linear SVM is nearly always right; out of fold it must be about as wrong as on new products."""
    assert len(trained_model.features.validation) == len(trained_model.validation)
    held = ProductBatch.from_frame(trained_model.train)
    in_sample = trained_model.bundle.encoder.encode(held)
    features = trained_model.features
    right_in_sample = (in_sample.candidates[:, 0] == features.train.labels).mean()
    right_out_of_fold = (features.train.pairs.candidates[:, 0] == features.train.labels).mean()
    new = trained_model.bundle.encoder.encode(ProductBatch.from_frame(trained_model.test))
    truth = trained_model.bundle.encoder.tree.encode(trained_model.test["category"].tolist())
    right_on_new = (new.candidates[:, 0] == truth).mean()
    validation = features.validation
    assert abs((validation.pairs.candidates[:, 0] == validation.labels).mean() - right_on_new) < 0.1
    assert right_in_sample > 0.95
    assert abs(right_out_of_fold - right_on_new) < 0.1
    assert right_out_of_fold < right_in_sample - 0.05


def test_one_category_is_refused_by_name() -> None:
    one = frame(["frying pan", "soup pot"], ["Kitchen", "Kitchen"])
    with pytest.raises(LabelError, match=r"fewer than two categories \(Kitchen\); add products of another"):
        fit_features(one, one, QUICK, threads=1)
    with pytest.raises(LabelError, match=r"\(none\)"):
        fit_features(one.iloc[:0], one.iloc[:0], QUICK, threads=1)


@pytest.mark.parametrize("folds", [-1, 0, 1])
def test_fewer_folds_than_two_are_refused(folds: int) -> None:
    with pytest.raises(ValueError, match="folds must be 2 or more"):
        TrainingConfig(folds=folds)
    with pytest.raises(ValueError, match="folds must be 2 or more"):
        TrainingConfig(folds_of_few=folds)


def test_a_validation_side_is_not_needed(shop, tmp_path: Path) -> None:
    train, validation = shop
    features = fit_features(train, validation.iloc[:0], QUICK, threads=1)
    features.save(tmp_path / "features")
    bundle = fit_model(FeatureSet.load(tmp_path / "features"), QUICK, threads=1)
    assert bundle.provenance.metrics["out_of_fold_rows"] == len(train)
    assert bundle.calibrator != Calibrator()
    bundle.save(tmp_path / "bundle")
    found = Bundle.load(tmp_path / "bundle").predict(ProductBatch.from_frame(validation))
    assert (np.array(found.category, object) == validation["category"].to_numpy(object)).mean() > 0.3


def test_with_too_few_products_to_tell_nothing_is_filed_alone(shop) -> None:
    train = shop[0].head(FEWEST_PRODUCTS - 1)
    bundle = fit_model(fit_features(train, train.iloc[:0], QUICK, threads=1), QUICK, threads=1)
    assert bundle.calibrator == Calibrator()
    assert bundle.thresholds.common == bundle.thresholds.branch == NEVER
    assert {value for name, value in bundle.provenance.metrics.items() if "out_of_fold" in name} == {0.0}
    assert bundle.ranker.curve == {}
    assert "auto" not in bundle.predict(ProductBatch.from_frame(train)).decision


def test_products_of_one_title_alone_cannot_tell_either(features: FeatureSet) -> None:
    """They all are in one fold, so that nothing would be left to learn from."""
    train, validation = (
        replace(side, groups=np.zeros_like(side.groups)) for side in (features.train, features.validation)
    )
    bundle = fit_model(replace(features, train=train, validation=validation), QUICK, threads=1)
    assert bundle.thresholds.common == NEVER
    assert bundle.provenance.metrics["out_of_fold_rows"] == 0


def test_a_category_that_only_validation_products_have_is_learnt(shop) -> None:
    train, validation = shop
    strange = validation.assign(category=["Nowhere"] * len(validation)).astype({"category": "string"})
    features = fit_features(train, strange, QUICK, threads=1)
    nowhere = features.encoder.tree.paths.index("Nowhere")
    assert (features.validation.labels == nowhere).all()
    assert features.encoder.statistics.counts[nowhere] == len(validation)


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
