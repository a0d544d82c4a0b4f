"""The re-ranker on made-up pairs: one column says which candidate is right, and it has to find out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from prodclf_assets.classifier.ranking.encoder import Pairs
from prodclf_assets.classifier.ranking.labelled_pairs import LabelledPairs
from prodclf_assets.classifier.ranking.pair_features import FEATURES
from prodclf_assets.classifier.ranking.ranker import BOOSTER, FEWEST_HELD, Ranker, RankerConfig
from prodclf_assets.errors import LabelError

CONFIG = RankerConfig(rounds=20, min_leaf=5)
TELLING = FEATURES.index("svm_score")


def made_up(n: int, k: int = 4, seed: int = 0) -> tuple[Pairs, np.ndarray]:
    """Pairs whose right candidate nearly always has the largest `svm_score`, and the labels."""
    drawn = np.random.default_rng(seed)
    candidates = np.argsort(drawn.random((n, 9)), axis=1)[:, :k].astype(np.int32)
    features = drawn.normal(size=(n, k, len(FEATURES))).astype(np.float32)
    features[drawn.random(features.shape) < 0.1] = np.nan
    features[:, :, TELLING] = drawn.normal(size=(n, k))
    right = drawn.integers(0, k, n)
    features[np.arange(n), right, TELLING] = 4 + drawn.normal(size=n)
    labels = candidates[np.arange(n), right]
    every = np.full(n, k, np.int32)
    return Pairs(candidates, every, features.reshape(n * k, -1), np.ones(n, np.float32)), labels


PAIRS, LABELS = made_up(400)
RANKER = Ranker.fit(PAIRS, LABELS, CONFIG, threads=1)
HELD, HELD_LABELS = made_up(200, seed=1)


def test_it_finds_what_tells_the_right_candidate() -> None:
    probabilities = RANKER.probabilities(HELD, threads=1)
    best = HELD.candidates[np.arange(200), probabilities.argmax(axis=1)]
    assert (best == HELD_LABELS).mean() > 0.85
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
    models = [Ranker.fit(pairs, LABELS, CONFIG, threads=1) for pairs in (fewer, narrow)]
    assert models[0].forest.text == models[1].forest.text
    probabilities = models[0].probabilities(fewer, threads=1)
    assert (probabilities[:, 3] == 0).all()
    np.testing.assert_array_equal(probabilities[:, :3], models[1].probabilities(narrow, threads=1))


def test_no_products() -> None:
    nothing = HELD.take(np.arange(0))
    assert RANKER.probabilities(nothing, threads=1).shape == (0, 4)


def test_too_few_pairs_to_learn_from_give_even_odds() -> None:
    few, labels = made_up(3)
    ranker = Ranker.fit(few, labels, RankerConfig(rounds=3), threads=1)
    np.testing.assert_allclose(ranker.probabilities(few, threads=1), 0.25)
    assert set(ranker.importance().values()) == {0.0}


def test_products_whose_label_is_no_candidate_teach_nothing() -> None:
    labels = LABELS.copy()
    labels[::3] = -1
    rest = np.arange(400) % 3 > 0
    taught = PAIRS.take(np.flatnonzero(rest))
    one, other = (
        Ranker.fit(*taught_by, CONFIG, threads=1) for taught_by in ((PAIRS, labels), (taught, labels[rest]))
    )
    assert one.forest.text == other.forest.text


def test_nothing_right_to_learn_from_is_said_in_a_sentence() -> None:
    with pytest.raises(LabelError, match=r"none of the 400 training rows .* add products"):
        Ranker.fit(PAIRS, np.full(400, -1, np.int32), CONFIG, threads=1)


def test_more_products_than_it_may_learn_from_are_drawn_by_seed(tmp_path: Path) -> None:
    few = replace(CONFIG, max_products=100, rounds=3)
    texts = []
    for config in (few, few, replace(few, seed=8), replace(few, max_products=400)):
        Ranker.fit(PAIRS, LABELS, config, threads=1).save(tmp_path)
        texts.append((tmp_path / BOOSTER).read_text())
    assert texts[0] == texts[1]
    assert len(set(texts)) == 3


def test_saved_and_loaded_it_answers_the_same(tmp_path: Path) -> None:
    RANKER.save(tmp_path)
    loaded = Ranker.load(tmp_path)
    np.testing.assert_array_equal(loaded.probabilities(HELD, 1), RANKER.probabilities(HELD, 1))
    assert loaded.importance() == RANKER.importance()


def test_its_bytes_do_not_depend_on_threads_nor_on_being_loaded_and_saved_again(tmp_path: Path) -> None:
    """A bundle's version is a hash of its bytes: the same model must have the same on every machine."""
    folders = [tmp_path / name for name in ("one", "two", "again")]
    for folder in folders:
        folder.mkdir()
    few = replace(CONFIG, rounds=4)
    Ranker.fit(PAIRS, LABELS, few, threads=1).save(folders[0])
    Ranker.fit(PAIRS, LABELS, few, threads=2).save(folders[1])
    Ranker.load(folders[0]).save(folders[2])
    assert len({(folder / BOOSTER).read_bytes() for folder in folders}) == 1


def test_a_booster_over_other_features_is_refused(tmp_path: Path) -> None:
    """Columns that moved would be read as others, and answered wrongly without a word."""
    RANKER.save(tmp_path)
    text = (tmp_path / BOOSTER).read_text()
    (tmp_path / BOOSTER).write_text(
        text.replace(f"max_feature_idx={len(FEATURES) - 1}", "max_feature_idx=99")
    )
    with pytest.raises(ValueError, match=rf"over {len(FEATURES)} features is needed, not 100"):
        Ranker.load(tmp_path)


def test_of_its_training_the_booster_is_kept_that_answers_held_out_products_best() -> None:
    hasty = replace(CONFIG, rounds=60, block=5, learning_rate=0.5)
    held = LabelledPairs(HELD, HELD_LABELS, np.arange(len(HELD_LABELS), dtype=np.uint32))
    kept = Ranker.fit(PAIRS, LABELS, hasty, threads=1, held=held)
    best = min(kept.curve, key=lambda rounds: kept.curve[rounds])
    assert list(kept.curve)[:2] == [5, 10]
    assert best < 60, "so hasty that it learns by heart"
    assert len(kept.curve) * 5 == best + 5 * hasty.patience, "training ends when nothing is gained any more"
    assert kept.forest.text == Ranker.fit(PAIRS, LABELS, replace(hasty, rounds=best), threads=1).forest.text
    probabilities = kept.probabilities(HELD, threads=1)[held.right]
    assert -np.log(probabilities).mean() == pytest.approx(kept.curve[best])


def test_too_few_held_out_products_tell_nothing() -> None:
    config = replace(CONFIG, rounds=12, block=4)
    whole = Ranker.fit(PAIRS, LABELS, config, threads=1)
    few = LabelledPairs(HELD, HELD_LABELS, np.arange(len(HELD_LABELS), dtype=np.uint32)).take(
        np.arange(FEWEST_HELD - 1)
    )
    assert Ranker.fit(PAIRS, LABELS, config, threads=1, held=few).forest.text == whole.forest.text
    assert whole.curve == {}
