"""The re-ranker on made-up pairs: one column says which candidate is right, and it has to find out."""

from dataclasses import replace
from pathlib import Path

import lightgbm
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special

from prodclf_assets.classifier.label_sets import LabelSets
from prodclf_assets.classifier.ranking.encoder import Pairs
from prodclf_assets.classifier.ranking.labelled_pairs import LabelledPairs
from prodclf_assets.classifier.ranking.pair_features import FEATURES
from prodclf_assets.classifier.ranking.ranker import (
    BOOSTER,
    CURVE,
    FEWEST_HELD,
    Ranker,
    RankerConfig,
    _shares,
    _wanted,
)
from prodclf_assets.errors import LabelError
from prodclf_tests.classifier.shop import label_sets

CONFIG = RankerConfig(rounds=20, min_leaf=5)
TELLING = FEATURES.index("svm_score")


def made_up(n: int, k: int = 4, seed: int = 0) -> LabelledPairs:
    """Pairs whose right candidate nearly always has the largest `svm_score`."""
    drawn = np.random.default_rng(seed)
    candidates = np.argsort(drawn.random((n, 9)), axis=1)[:, :k].astype(np.int32)
    features = drawn.normal(size=(n, k, len(FEATURES))).astype(np.float32)
    features[drawn.random(features.shape) < 0.1] = np.nan
    features[:, :, TELLING] = drawn.normal(size=(n, k))
    right = drawn.integers(0, k, n)
    features[np.arange(n), right, TELLING] = 4 + drawn.normal(size=n)
    labels = candidates[np.arange(n), right]
    every = np.full(n, k, np.int32)
    return labelled(Pairs(candidates, every, features.reshape(n * k, -1), np.ones(n, np.float32)), labels)


def labelled(pairs: Pairs, labels: np.ndarray) -> LabelledPairs:
    """Products of one label each, -1 for one that is not known, none like another."""
    return LabelledPairs(pairs, LabelSets.single(labels), np.arange(len(labels), dtype=np.uint32))


LEARNT = made_up(400)
PAIRS, LABELS = LEARNT.pairs, LEARNT.labels
RANKER = Ranker.fit(LEARNT, CONFIG, threads=1)
HELD_OUT = made_up(200, seed=1)
HELD = HELD_OUT.pairs


def test_it_finds_what_tells_the_right_candidate() -> None:
    probabilities = RANKER.probabilities(HELD, threads=1)
    best = HELD.candidates[np.arange(200), probabilities.argmax(axis=1)]
    assert (best == HELD_OUT.labels).mean() > 0.85
    importance = RANKER.importance()
    assert next(iter(importance)) == "svm_score"
    assert importance["svm_score"] > 0.5


def test_probabilities_of_a_product_sum_to_one() -> None:
    probabilities = RANKER.probabilities(HELD, threads=1)
    assert probabilities.shape == HELD.candidates.shape
    assert (probabilities > 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-12)


def test_importance_lists_every_feature_the_largest_first() -> None:
    importance = RANKER.importance()
    assert set(importance) == set(FEATURES)
    assert list(importance.values()) == sorted(importance.values(), reverse=True)
    assert abs(sum(importance.values()) - 1) < 1e-9


def test_a_product_is_answered_the_same_alone_and_on_any_threads() -> None:
    together = RANKER.probabilities(HELD, threads=1)
    np.testing.assert_array_equal(RANKER.probabilities(HELD, threads=2), together)
    alone = RANKER.probabilities(HELD.take(np.array([7])), threads=1)
    np.testing.assert_array_equal(alone[0], together[7])


def test_candidates_that_are_not_ranked_have_no_chance_and_teach_nothing() -> None:
    """The last candidate of every product goes, and with it the products that had their label there."""
    ranked = np.full(400, 3, np.int32)
    inside = np.arange(4) < 3
    features = PAIRS.features.reshape(400, 4, -1)[:, inside].reshape(1200, -1)
    fewer = Pairs(PAIRS.candidates, ranked, features, PAIRS.familiarity)
    narrow = Pairs(PAIRS.candidates[:, :3], ranked, features, PAIRS.familiarity)
    models = [Ranker.fit(labelled(pairs, LABELS), CONFIG, threads=1) for pairs in (fewer, narrow)]
    assert models[0].forest.text == models[1].forest.text
    probabilities = models[0].probabilities(fewer, threads=1)
    assert (probabilities[:, 3] == 0).all()
    np.testing.assert_array_equal(probabilities[:, :3], models[1].probabilities(narrow, threads=1))


def test_no_products() -> None:
    nothing = HELD.take(np.arange(0))
    assert RANKER.probabilities(nothing, threads=1).shape == (0, 4)


def test_too_few_pairs_to_learn_from_give_even_odds() -> None:
    few = made_up(3)
    ranker = Ranker.fit(few, RankerConfig(rounds=3), threads=1)
    np.testing.assert_allclose(ranker.probabilities(few.pairs, threads=1), 0.25)
    assert set(ranker.importance().values()) == {0.0}


def test_products_whose_label_is_no_candidate_teach_nothing() -> None:
    labels = LABELS.copy()
    labels[::3] = -1
    rest = np.arange(400) % 3 > 0
    taught = LEARNT.take(np.flatnonzero(rest))
    one, other = (Ranker.fit(by, CONFIG, threads=1) for by in (labelled(PAIRS, labels), taught))
    assert one.forest.text == other.forest.text


def test_nothing_right_to_learn_from_is_said_in_a_sentence() -> None:
    with pytest.raises(LabelError, match=r"none of the 400 training rows .* add products"):
        Ranker.fit(labelled(PAIRS, np.full(400, -1, np.int32)), CONFIG, threads=1)


def test_more_products_than_it_may_learn_from_are_drawn_by_seed(tmp_path: Path) -> None:
    few = replace(CONFIG, max_products=100, rounds=3)
    texts = []
    for config in (few, few, replace(few, seed=8), replace(few, max_products=400)):
        Ranker.fit(LEARNT, config, threads=1).save(tmp_path)
        texts.append((tmp_path / BOOSTER).read_text())
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


def test_saved_and_loaded_it_answers_the_same(tmp_path: Path) -> None:
    RANKER.save(tmp_path)
    loaded = Ranker.load(tmp_path)
    np.testing.assert_array_equal(loaded.probabilities(HELD, 1), RANKER.probabilities(HELD, 1))
    assert loaded.importance() == RANKER.importance()
    assert loaded.curve == RANKER.curve == {}
    learnt_by = replace(RANKER, curve={40: 0.25, 5: 0.5, 100: 0.1 + 0.2})
    learnt_by.save(tmp_path)
    assert Ranker.load(tmp_path).curve == learnt_by.curve
    (tmp_path / CURVE).unlink()
    assert Ranker.load(tmp_path).curve == {}, "as of a version that did not keep it"


def test_its_bytes_do_not_depend_on_threads_nor_on_being_loaded_and_saved_again(tmp_path: Path) -> None:
    """A bundle's version is a hash of its bytes: the same model must have the same on every machine."""
    folders = [tmp_path / name for name in ("one", "two", "again")]
    for folder in folders:
        folder.mkdir()
    few = replace(CONFIG, rounds=4)
    Ranker.fit(LEARNT, few, threads=1).save(folders[0])
    Ranker.fit(LEARNT, few, threads=2).save(folders[1])
    Ranker.load(folders[0]).save(folders[2])
    assert len({(folder / BOOSTER).read_bytes() for folder in folders}) == 1


def test_a_booster_over_other_features_is_refused(tmp_path: Path) -> None:
    """Columns that moved would be read as others, and answered wrongly without a word."""
    RANKER.save(tmp_path)
    text = (tmp_path / BOOSTER).read_text()
    for harmed in (
        text.replace(f"max_feature_idx={len(FEATURES) - 1}", "max_feature_idx=99"),
        text.replace("feature_names=naive_bayes_score", "feature_names=naive_bayes_score another"),
        text.replace("svm_score", "svm_guess"),
    ):
        (tmp_path / BOOSTER).write_text(harmed)
        with pytest.raises(
            ValueError, match=r"a booster over pair features is needed, not over \d+ of these: naive"
        ):
            Ranker.load(tmp_path)


def test_a_booster_of_before_some_features_were_there_reads_those_it_knows_by_name(tmp_path: Path) -> None:
    """Whatever their order: it answers as it did over a table of them alone."""
    names = [*reversed(FEATURES[:40]), FEATURES[50]]
    columns = [FEATURES.index(name) for name in names]
    table = np.ascontiguousarray(PAIRS.features[:, columns])
    right = LEARNT.right[PAIRS.has_features]
    booster = lightgbm.train(
        {"objective": "binary", "num_leaves": 8, "verbose": -1, "num_threads": 1},
        lightgbm.Dataset(table, right, feature_name=names),
        num_boost_round=10,
    )
    (tmp_path / BOOSTER).write_text(booster.model_to_string())
    loaded = Ranker.load(tmp_path)
    assert set(loaded.importance()) == set(names)
    raw = booster.predict(HELD.features[:, columns], raw_score=True)
    assert isinstance(raw, np.ndarray)
    shares = special.softmax(raw.reshape(200, 4), axis=1)
    np.testing.assert_allclose(loaded.probabilities(HELD, threads=1), shares, rtol=1e-6)


RANKED = st.lists(
    st.lists(st.tuples(st.floats(-8, 8), st.booleans()), min_size=1, max_size=5), min_size=1, max_size=5
)


@given(RANKED)
def test_what_is_learnt_makes_it_likelier_that_the_answer_is_any_right_candidate(
    products: list[list[tuple[float, bool]]],
) -> None:
    """The gradient is that of -log of the summed probability of the right candidates, by differences of it."""
    taught = [each for each in products if any(right for _, right in each)]
    ranked = np.array([len(each) for each in taught], np.int32)
    scores = np.array([score for each in taught for score, _ in each])
    right = np.array([right for each in taught for _, right in each], np.bool_)
    product = np.repeat(np.arange(len(taught)), ranked)

    def loss(raw: np.ndarray) -> float:
        return float(
            sum(
                special.logsumexp(raw[product == i]) - special.logsumexp(raw[(product == i) & right])
                for i in range(len(taught))
            )
        )

    probability = _shares(scores, ranked)
    gradient = probability - _wanted(probability, right, ranked)
    step = 1e-5 * np.eye(len(scores))
    wanted = [(loss(scores + each) - loss(scores - each)) / 2e-5 for each in step]
    np.testing.assert_allclose(gradient, wanted, atol=1e-6)


def test_of_several_right_candidates_none_is_held_against_another() -> None:
    """Where a product is in two of its three candidates, which of these it is is left open."""
    n = 300
    features = np.zeros((n, 3, len(FEATURES)), np.float32)
    both = np.arange(n) % 2 == 0
    features[:, :, 0] = np.arange(3)
    features[both, :2, 1] = features[~both, 2, 1] = 1
    candidates = np.tile(np.arange(3, dtype=np.int32), (n, 1))
    pairs = Pairs(candidates, np.full(n, 3, np.int32), features.reshape(3 * n, -1), np.ones(n, np.float32))
    truth = label_sets([[0, 1] if several else [2] for several in both])
    learnt = LabelledPairs(pairs, truth, np.arange(n, dtype=np.uint32))
    found = Ranker.fit(learnt, replace(CONFIG, rounds=60), 1).probabilities(pairs, 1)
    assert found[both][:, :2].sum(axis=1).min() > 0.9
    assert found[both][:, :2].min() > 0.3
    assert found[~both][:, 2].min() > 0.9
    # A held-out product's loss is that of any of them, too.
    measured = Ranker.fit(learnt, replace(CONFIG, block=10), 1, held=learnt)
    trees, loss = list(measured.curve.items())[-1]
    assert (learnt.answerable, trees) == (n, 20)
    probability = (measured.probabilities(pairs, 1) * learnt.right).sum(axis=1)
    assert -np.log(probability).mean() == pytest.approx(loss)


def test_of_its_training_the_booster_is_kept_that_answers_held_out_products_best() -> None:
    hasty = replace(CONFIG, rounds=60, block=5, learning_rate=0.5)
    learnt, held = (
        labelled(
            each.pairs, np.where(np.arange(len(each)) % 5 == 0, each.pairs.candidates[:, 0], each.labels)
        )
        for each in (LEARNT, HELD_OUT)
    )
    kept = Ranker.fit(learnt, hasty, threads=1, held=held)
    best = min(kept.curve, key=lambda rounds: kept.curve[rounds])
    assert list(kept.curve)[:2] == [5, 10]
    assert best < 60, "so hasty that it learns by heart"
    assert len(kept.curve) * 5 == best + 5 * hasty.patience, "training ends when nothing is gained any more"
    assert kept.forest.text == Ranker.fit(learnt, replace(hasty, rounds=best), threads=1).forest.text
    probabilities = kept.probabilities(HELD, threads=1)[held.right]
    assert -np.log(probabilities).mean() == pytest.approx(kept.curve[best])


def test_too_few_held_out_products_tell_nothing() -> None:
    config = replace(CONFIG, rounds=12, block=4)
    whole = Ranker.fit(LEARNT, config, threads=1)
    few = HELD_OUT.take(np.arange(FEWEST_HELD - 1))
    assert Ranker.fit(LEARNT, config, threads=1, held=few).forest.text == whole.forest.text
    assert whole.curve == {}
